//! The webhook's configuration: whether pods are shown to it, and whether API servers trust it.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use mintage_core::UnixTime;
use mintage_core::inject::namespace_opts_in;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::parse_x509_certificate;

use super::Findings;
use super::look::Look;
use crate::output;

/// The operator renews at about two thirds of 90 days: at this many seconds before the end it has tried for three weeks.
const LATE: i64 = 9 * 86_400;

/// What comes of an authority that is not the operator's.
const REFUSED: &str = "API servers do not trust the operator, and refuse every pod that asks for a sidecar (or let it start without one, with failurePolicy: Ignore)";

/// Looks at the configuration, its authorities, and the namespaces that it leaves out.
pub fn examine(look: &Look, now: UnixTime, findings: &mut Findings) {
    let Some(webhooks) = &look.webhooks else {
        return;
    };
    if webhooks.is_empty() {
        findings.add(
            "webhook-missing",
            "MutatingWebhookConfiguration",
            "there is none of Mintage's",
            "no pod gets a sidecar, and nothing says so to whoever makes one",
            "install the chart with webhook.enabled=true: helm upgrade --install mintage charts/mintage -n mintage-system",
        );
        return;
    }
    for webhook in webhooks {
        authorities(webhook, now, findings);
    }
    for namespace in &look.seen.manifests.namespaces {
        let namespace = &namespace.object;
        if !look.concerns(&namespace.name) || !namespace_opts_in(&namespace.labels) {
            continue;
        }
        let mut labels = namespace.labels.clone();
        let of_name = "kubernetes.io/metadata.name".to_owned();
        labels
            .entry(of_name)
            .or_insert_with(|| namespace.name.clone());
        let shown = webhooks.iter().flat_map(entries).any(|entry| {
            let selector = entry.namespace_selector.as_ref();
            selector.is_none_or(|selector| selects(selector, &labels))
        });
        if !shown {
            findings.add(
                "namespace-left-out",
                format!("Namespace {}", namespace.name),
                "it asks for sidecars, and the webhook's configuration leaves it out",
                "its pods start without a sidecar, and nothing says so",
                "take it out of the chart's webhook.excludedNamespaces, or take the label mintage.dev/injection off; the operator's own namespace and kube-system are always left out",
            );
        }
    }
}

fn entries(webhook: &MutatingWebhookConfiguration) -> impl Iterator<Item = &MutatingWebhook> {
    webhook.webhooks.iter().flatten()
}

fn authorities(webhook: &MutatingWebhookConfiguration, now: UnixTime, findings: &mut Findings) {
    let name = webhook.metadata.name.as_deref().unwrap_or_default();
    let object = format!("MutatingWebhookConfiguration {name}");
    let bundles = entries(webhook).map(|entry| entry.client_config.ca_bundle.as_ref());
    let bundles: Vec<&[u8]> = bundles
        .map(|bundle| bundle.map_or(&[][..], |bundle| &bundle.0))
        .collect();
    if bundles.iter().any(|bundle| bundle.is_empty()) {
        findings.add(
            "webhook-without-authority",
            object,
            "its caBundle is empty",
            REFUSED,
            "the operator writes it within seconds when it runs and leads; with cert-manager or a Secret of your own, see what fills it (docs/injection.md)",
        );
        return;
    }
    let ends: Vec<i64> = bundles.iter().map(|bundle| last_end(bundle)).collect();
    let Some(end) = ends.into_iter().min() else {
        return;
    };
    let mend = "see why the operator does not renew it: kubectl logs -n mintage-system -l app.kubernetes.io/component=operator; deleting the Secret mintage-webhook-tls has it made anew (pods are refused for the moment in between)";
    if end <= now.0 {
        let found = if end == 0 {
            "its caBundle holds no certificate".to_owned()
        } else {
            format!("its authority expired at {}", output::moment(UnixTime(end)))
        };
        findings.add("webhook-expired", object, found, REFUSED, mend);
    } else if end - now.0 < LATE {
        let left = output::length(end - now.0);
        findings.add(
            "webhook-expires",
            object,
            format!("its authority expires in {left}, and has not been renewed"),
            format!("from then on: {REFUSED}"),
            mend,
        );
    }
}

/// When the last of some certificates ends; 0 if there is none.
fn last_end(pem: &[u8]) -> i64 {
    let certificates = CertificateDer::pem_slice_iter(pem).flatten();
    let ends = certificates.filter_map(|der| {
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    });
    ends.max().unwrap_or(0)
}

/// Whether a selector selects labels, as Kubernetes has it.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut fixed = selector.match_labels.iter().flatten();
    let mut rules = selector.match_expressions.iter().flatten();
    fixed.all(|(key, value)| labels.get(key) == Some(value))
        && rules.all(|rule| {
            let value = labels.get(&rule.key);
            let among =
                value.is_some_and(|value| rule.values.iter().flatten().any(|one| one == value));
            match rule.operator.as_str() {
                "In" => among,
                "NotIn" => !among,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                // None that the API server lets through.
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::seen::Seen;

    fn authority(until: (i32, u8, u8)) -> String {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    fn webhook(bundle: &str, namespaces: &Value) -> MutatingWebhookConfiguration {
        let bundle = base64::engine::general_purpose::STANDARD.encode(bundle);
        serde_json::from_value(json!({
            "metadata": { "name": "mintage" },
            "webhooks": [{
                "name": "namespace.inject.mintage.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": { "url": "https://a.test", "caBundle": bundle },
                "namespaceSelector": namespaces,
            }],
        }))
        .unwrap()
    }

    fn look(webhooks: Vec<MutatingWebhookConfiguration>) -> Look {
        let mut seen = Seen::default();
        for (name, labels) in [
            ("shop", json!({ "mintage.dev/injection": "enabled" })),
            ("kube-system", json!({ "mintage.dev/injection": "enabled" })),
            ("other", json!({})),
        ] {
            seen.take(&json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "labels": labels },
            }));
        }
        Look {
            webhooks: Some(webhooks),
            seen,
            ..Look::nothing()
        }
    }

    /// 2026-01-01.
    const NOW: UnixTime = UnixTime(1_767_225_600);

    fn codes(look: &Look) -> Vec<&'static str> {
        let mut findings = Findings::default();
        examine(look, NOW, &mut findings);
        findings.codes()
    }

    #[test]
    fn authorities_are_looked_at_before_they_end() {
        let everywhere = json!({});
        let of = |bundle: &str| codes(&look(vec![webhook(bundle, &everywhere)]));
        let (old, near, far) = (
            authority((2025, 12, 31)),
            authority((2026, 1, 5)),
            authority((2026, 3, 1)),
        );
        assert_eq!(of(&far), [""; 0]);
        assert_eq!(
            of(&format!("{old}{far}")),
            [""; 0],
            "the old one stays for a while"
        );
        assert_eq!(of(&near), ["webhook-expires"]);
        assert_eq!(of(&old), ["webhook-expired"]);
        assert_eq!(of("no PEM"), ["webhook-expired"]);
        assert_eq!(of(""), ["webhook-without-authority"]);
        assert_eq!(codes(&look(vec![])), ["webhook-missing"]);
    }

    #[test]
    fn a_namespace_that_the_selectors_leave_out_is_found() {
        let rules = json!({ "matchExpressions": [
            { "key": "mintage.dev/injection", "operator": "In", "values": ["enabled"] },
            { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"] },
        ] });
        let far = authority((2026, 3, 1));
        let all = look(vec![webhook(&far, &rules)]);
        assert_eq!(codes(&all), ["namespace-left-out"]);
        let mut findings = Findings::default();
        examine(&all, NOW, &mut findings);
        assert_eq!(findings.0[0].object, "Namespace kube-system");
        let only = Look {
            namespace: Some("shop".to_owned()),
            ..look(vec![webhook(&far, &rules)])
        };
        assert_eq!(codes(&only), [""; 0]);
    }
}
