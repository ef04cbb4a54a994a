//! What is declared: namespaces and their tenants, grants, and objects that are not ready.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mintage_core::code::Coded as _;
use mintage_core::inject::PodWishes;
use mintage_core::{ObjectName, UnixTime, WorkloadId};

use super::Findings;
use super::look::Look;
use crate::Failure;
use crate::cluster::seen::Gaps;
use crate::cluster::status;
use crate::dev::folder::Folder;
use crate::lint::{self, Code};

/// Looks at all of it.
pub fn examine(look: &Look, now: UnixTime, findings: &mut Findings) -> Result<(), Failure> {
    let folder = look.seen.folder(None)?;
    tenants(look, &folder, findings);
    conditions(look, findings);
    let all = lint::look(&look.seen.manifests, now, false)?;
    for finding in all {
        let Some(matters) =
            matters(finding.code).filter(|_| is_certain(finding.code, look.seen.gaps))
        else {
            continue;
        };
        let place = finding.place;
        let mut namespace = place.resource.split([' ', '/']).skip(1);
        if !look.concerns(namespace.next().unwrap_or_default()) {
            continue;
        }
        let (found, mend) = finding.text.split_once(": ").map_or_else(
            || (finding.text.clone(), "correct it".to_owned()),
            |(found, mend)| (found.to_owned(), mend.to_owned()),
        );
        findings.add(finding.code.code(), place.subject(), found, matters, mend);
    }
    Ok(())
}

/// What comes of something that `mintage lint` finds, too; `None` for what is a matter of taste, or what the operator has
/// said in a condition.
fn matters(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::AcceptMissing | Code::AcceptUnknown => "its sidecars refuse to judge tokens for it",
        Code::DefaultAudienceNotFound | Code::DefaultAudienceOfOther => {
            "who names no audience gets no token"
        }
        Code::GrantNamespaceNotAllowed | Code::GrantToNobody => "nobody gets a token by it",
        Code::GrantScopeUndeclared => "a request for that scope is refused",
        Code::NamespaceNotOptedIn => "they have nobody to ask for a token",
        Code::PodDomainUnknown | Code::PodWithoutTenant => {
            "the webhook refuses such a pod when it is made"
        }
        _ => return None,
    })
}

/// Whether what was not read could not make up for it.
fn is_certain(code: Code, gaps: Gaps) -> bool {
    match code {
        Code::GrantToNobody => !gaps.namespaces && !gaps.accounts,
        Code::GrantNamespaceNotAllowed | Code::NamespaceNotOptedIn => !gaps.namespaces,
        Code::PodDomainUnknown | Code::PodWithoutTenant => !gaps.namespaces && !gaps.tenants,
        _ => true,
    }
}

/// The namespaces that ask for sidecars and have no tenant, or several.
fn tenants(look: &Look, folder: &Folder, findings: &mut Findings) {
    if look.seen.gaps.tenants {
        return;
    }
    let Ok(anybody) = ObjectName::parse("default") else {
        return;
    };
    // Pods that name a tenant themselves make up for a namespace that does not.
    let mut made_up: BTreeMap<&str, bool> = BTreeMap::new();
    for workload in &look.seen.manifests.workloads {
        let object = &workload.object;
        let says = object
            .annotations
            .contains_key(mintage_core::inject::TENANT);
        if object.kind != "ServiceAccount" {
            let all = made_up.entry(&object.namespace).or_insert(true);
            *all &= says;
        }
    }
    for (namespace, info) in &folder.world.namespaces {
        let asks = mintage_core::inject::namespace_opts_in(&info.labels);
        let made_up_for = made_up.get(namespace.as_str()) == Some(&true);
        if !asks || made_up_for || !look.concerns(namespace.as_str()) {
            continue;
        }
        let workload = WorkloadId::new(namespace.clone(), anybody.clone());
        if let Err(reason) = folder.tenant_of(&workload, &PodWishes::default()) {
            let text = reason.to_string();
            let (found, mend) = text
                .split_once("; ")
                .unwrap_or((&text, "name a Tenant that is there"));
            findings.add(
                reason.rule().code(),
                format!("Namespace {namespace}"),
                found,
                "it asks for sidecars, and the webhook refuses its pods",
                mend,
            );
        }
    }
}

/// Objects of which a condition is not as it should be.
fn conditions(look: &Look, findings: &mut Findings) {
    let manifests = &look.seen.manifests;
    let mut all: Vec<(&str, String, Option<&str>, &[Condition])> = Vec::new();
    macro_rules! collect {
        ($kind:literal, $list:expr) => {
            for one in $list {
                let status = one.object.status.as_ref();
                all.push((
                    $kind,
                    status::place(&one.object),
                    one.object.metadata.namespace.as_deref(),
                    status.map(|status| &*status.conditions).unwrap_or_default(),
                ));
            }
        };
    }
    collect!("Tenant", &manifests.tenants);
    collect!("ApiAudience", &manifests.audiences);
    collect!("Application", &manifests.applications);
    collect!("CustomDomain", &manifests.domains);
    for (kind, at, namespace, conditions) in all {
        if !look.concerns(namespace.unwrap_or_default()) {
            continue;
        }
        for found in status::findings(kind, &at, conditions) {
            let (code, matters) = match (&*found.condition, &*found.reason) {
                (_, "Unknown") => (
                    "not-looked-at",
                    "it takes no effect until an operator looks at it",
                ),
                ("Ready", _) => (
                    "not-ready",
                    "it is not served: requests about it are refused",
                ),
                ("Verified", _) => (
                    "domain-not-verified",
                    "no token names the domain as its issuer until then",
                ),
                ("SidecarsCurrent", _) => (
                    "sidecars-stale",
                    "pods without a sidecar cannot ask for tokens, and an old one lacks what newer versions mend",
                ),
                _ => ("degraded", "part of what is declared takes no effect"),
            };
            let mend = match code {
                "sidecars-stale" => {
                    "make the pods anew: kubectl rollout restart of what made them".to_owned()
                }
                "not-looked-at" => {
                    "see the findings about the operator, or wait for some seconds".to_owned()
                }
                _ => {
                    let (namespace, name) = at.split_once('/').unwrap_or(("", &at));
                    let kind = kind.to_ascii_lowercase();
                    format!(
                        "do what it says; kubectl describe {kind} -n {namespace} {name} shows all conditions, `mintage explain` knows many reasons"
                    )
                }
            };
            findings.add(
                code,
                format!("{kind} {at}"),
                format!(
                    "{} is not as it should be ({}): {}",
                    found.condition, found.reason, found.message
                ),
                matters,
                mend,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::seen::Seen;

    fn object(kind: &str, at: &str, spec: &Value, condition: &Value) -> Value {
        let (namespace, name) = at.split_once('/').unwrap();
        json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": kind,
            "metadata": { "namespace": namespace, "name": name },
            "spec": spec,
            "status": { "conditions": condition },
        })
    }

    fn namespace(name: &str, labels: &Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
    }

    fn account(at: &str) -> Value {
        let (namespace, name) = at.split_once('/').unwrap();
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "namespace": namespace, "name": name } })
    }

    fn ready(status: &str) -> Value {
        json!([{ "type": "Ready", "status": status, "reason": "Conflict", "message": "taken",
            "lastTransitionTime": "2026-01-01T00:00:00Z" }])
    }

    fn found(
        only: Option<&str>,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Vec<(&'static str, String)> {
        found_with(Gaps::default(), only, change)
    }

    fn found_with(
        gaps: Gaps,
        only: Option<&str>,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Vec<(&'static str, String)> {
        let enabled = json!({ "mintage.dev/injection": "enabled" });
        let mut objects = vec![
            namespace("identity", &json!({})),
            namespace("shop", &enabled),
            namespace("orders", &enabled),
            account("shop/checkout"),
            account("orders/api"),
            object(
                "Tenant",
                "identity/acme",
                &json!({ "domain": "acme.test", "allowedNamespaces": { "from": "All" } }),
                &ready("True"),
            ),
            object(
                "ApiAudience",
                "orders/orders",
                &json!({
                    "tenantRef": { "namespace": "identity", "name": "acme" },
                    "identifier": "https://orders.test",
                    "scopes": [{ "name": "read" }],
                    "grants": [{ "workload": { "namespace": "shop", "serviceAccount": "checkout" }, "scopes": ["read"] }],
                }),
                &ready("True"),
            ),
        ];
        change(&mut objects);
        let mut seen = Seen::default();
        for object in &objects {
            seen.take(object);
        }
        assert_eq!(seen.unread, [""; 0]);
        seen.gaps = gaps;
        let look = Look {
            namespace: only.map(str::to_owned),
            seen,
            ..Look::nothing()
        };
        let mut findings = Findings::default();
        examine(&look, UnixTime(1_767_225_600), &mut findings).unwrap();
        let all = findings.0.into_iter();
        all.map(|finding| (finding.code, finding.object)).collect()
    }

    #[test]
    fn a_sound_cluster_has_no_findings() {
        assert_eq!(found(None, |_| {}), []);
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_by_itself() {
        let grant = |value: Value| {
            move |objects: &mut Vec<Value>| {
                objects[6]["spec"]["grants"]
                    .as_array_mut()
                    .unwrap()
                    .push(value);
            }
        };
        let to = |namespace: &str, account: &str, scope: &str| json!({ "workload": { "namespace": namespace, "serviceAccount": account }, "scopes": [scope] });
        let of_grant = |field: &str| format!("ApiAudience orders/orders, spec.grants[1]{field}");
        let one = |code, object: String| vec![(code, object)];
        assert_eq!(
            found(None, grant(to("shop", "nobody", "read"))),
            one("grant-to-nobody", of_grant(".workload"))
        );
        assert_eq!(
            found(None, grant(to("shop-typo", "checkout", "read"))),
            one("grant-to-nobody", of_grant(".workload"))
        );
        assert_eq!(
            found(None, grant(to("orders", "api", "write"))),
            one("grant-scope-undeclared", of_grant(".scopes"))
        );
        let lone = |objects: &mut Vec<Value>| objects[5]["spec"]["allowedNamespaces"] = json!({ "from": "Selector", "selector": { "matchLabels": { "kubernetes.io/metadata.name": "orders" } } });
        let codes: Vec<_> = found(None, lone)
            .into_iter()
            .map(|(code, _)| code)
            .collect();
        assert_eq!(codes, ["tenant-none", "grant-namespace-not-allowed"]);
        let second = |objects: &mut Vec<Value>| {
            let spec = json!({ "domain": "globex.test", "allowedNamespaces": { "from": "All" } });
            objects.push(object("Tenant", "identity/globex", &spec, &ready("True")));
        };
        let codes = found(None, second);
        assert_eq!(codes.len(), 2, "{codes:?}");
        assert!(codes.iter().all(|(code, _)| *code == "tenant-ambiguous"));
        assert_eq!(found(Some("shop"), second).len(), 1);
        let unready =
            |objects: &mut Vec<Value>| objects[6]["status"]["conditions"] = ready("False");
        assert_eq!(
            found(None, unready),
            one("not-ready", "ApiAudience orders/orders".to_owned())
        );
        assert_eq!(found(Some("shop"), unready), []);
        let ignored = |objects: &mut Vec<Value>| objects[6]["status"]["conditions"] = json!([]);
        assert_eq!(
            found(None, ignored),
            one("not-looked-at", "ApiAudience orders/orders".to_owned())
        );
        let unlabelled = |objects: &mut Vec<Value>| objects[1]["metadata"]["labels"] = json!({});
        assert_eq!(found(None, unlabelled)[0].0, "namespace-not-opted-in");
    }

    #[test]
    fn what_was_not_read_is_not_said_to_be_missing() {
        let gaps = |tenants, namespaces, accounts| Gaps {
            tenants,
            namespaces,
            accounts,
        };
        let grant = |namespace: &str| {
            let value = json!({ "workload": { "namespace": namespace, "serviceAccount": "x" }, "scopes": ["read"] });
            move |objects: &mut Vec<Value>| {
                objects[6]["spec"]["grants"]
                    .as_array_mut()
                    .unwrap()
                    .push(value);
            }
        };
        for namespace in ["shop", "elsewhere"] {
            assert_eq!(found(None, grant(namespace)).len(), 1);
            for gaps in [gaps(false, true, false), gaps(false, false, true)] {
                assert_eq!(found_with(gaps, None, grant(namespace)), [], "{gaps:?}");
            }
        }
        // Its tenant, and what the namespace's labels are, may be among what was not read.
        let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "a": "b" } } });
        let narrow = |objects: &mut Vec<Value>| {
            objects[5]["spec"]["allowedNamespaces"] = selector;
            objects.remove(1);
        };
        let all = gaps(true, true, true);
        assert_eq!(found_with(all, Some("orders"), narrow), []);
    }
}
