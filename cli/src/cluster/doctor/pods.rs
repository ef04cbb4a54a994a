//! Pods: whether those that ask for a sidecar have one, and how it fares.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use mintage_core::inject::{self, namespace_opts_in, pod_opts_in};

use super::Findings;
use super::look::Look;
use crate::cluster::status::place;

/// The name of the sidecar's container.
pub const CONTAINER: &str = "mintage-sidecar";

/// Label of a pod that has a sidecar.
pub const INJECTED: &str = "mintage.dev/injected";

/// Annotation of a pod that goes without one on purpose.
const SKIPPED: &str = "mintage.dev/injection-skipped";

/// Annotation of the pods that kubelet shows for its own static ones, to which nothing can be added.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A sidecar that was started so often does not fare well.
const RESTARTS: i32 = 3;

/// Looks at every pod that runs.
pub fn examine(look: &Look, findings: &mut Findings) {
    let namespaces = &look.seen.manifests.namespaces;
    let enabled = |namespace: &str| {
        let mut all = namespaces.iter().map(|one| &one.object);
        all.any(|one| one.name == namespace && namespace_opts_in(&one.labels))
    };
    for pod in &look.seen.pods {
        let meta = &pod.metadata;
        let empty = std::collections::BTreeMap::new();
        let labels = meta.labels.as_ref().unwrap_or(&empty);
        let annotations = meta.annotations.as_ref().unwrap_or(&empty);
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let opted_out = labels
            .get(inject::POD_LABEL)
            .is_some_and(|value| value == "false");
        let asks = pod_opts_in(labels) || (enabled(namespace) && !opted_out);
        let has = labels.contains_key(INJECTED);
        if has {
            fares(pod, findings);
        } else if asks
            && ![SKIPPED, MIRROR]
                .iter()
                .any(|mark| annotations.contains_key(*mark))
        {
            findings.add(
                "sidecar-missing",
                format!("Pod {}", place(pod)),
                "it asks for a sidecar and has none",
                "it was made while no webhook answered, or before its namespace asked for sidecars; it cannot get a token",
                format!("make it anew (kubectl delete pod -n {namespace} {}, or kubectl rollout restart of what made it); if the new one has none either, see the findings about the webhook", meta.name.as_deref().unwrap_or_default()),
            );
        }
    }
}

fn fares(pod: &Pod, findings: &mut Findings) {
    let Some(status) = sidecar(pod) else { return };
    let object = format!("Pod {}", place(pod));
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let logs = format!("kubectl logs -n {namespace} {name} -c {CONTAINER}");
    if !status.ready {
        let waiting = status
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref());
        let waiting = waiting.and_then(|waiting| waiting.reason.as_deref());
        let found = match waiting {
            Some(reason) => format!("its sidecar does not run ({reason})"),
            None => "its sidecar is not ready".to_owned(),
        };
        findings.add(
            "sidecar-not-ready",
            object.clone(),
            found,
            "it gives no token and judges none; the app's containers wait for it when the pod starts",
            format!("its log says what it lacks: {logs}; a keyring or bundle that is missing is a finding of its own"),
        );
    }
    if status.restart_count >= RESTARTS {
        findings.add(
            "sidecar-restarts",
            object,
            format!("its sidecar was started anew {} times", status.restart_count),
            "each time the app gets no token for a moment",
            format!("see how it ended: kubectl describe pod -n {namespace} {name} (OOMKilled: raise the chart's sidecar.resources), {logs} --previous"),
        );
    }
}

/// How the sidecar of a pod fares; `None` if the pod has not been started.
pub fn sidecar(pod: &Pod) -> Option<&ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().flatten();
    let mut all = all.chain(status.container_statuses.iter().flatten());
    all.find(|one| one.name == CONTAINER)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::seen::Seen;

    fn codes(labels: &Value, annotations: &Value, sidecar: &Value) -> Vec<&'static str> {
        let mut seen = Seen::default();
        for (name, labels) in [
            ("shop", json!({ "mintage.dev/injection": "enabled" })),
            ("other", json!({})),
        ] {
            seen.take(&json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "labels": labels },
            }));
        }
        seen.pods = ["shop", "other"]
            .map(|namespace| {
                serde_json::from_value(json!({
                    "metadata": { "name": "a", "namespace": namespace, "labels": labels, "annotations": annotations },
                    "status": { "initContainerStatuses": sidecar },
                }))
                .unwrap()
            })
            .into();
        let look = Look {
            seen,
            ..Look::nothing()
        };
        let mut findings = Findings::default();
        examine(&look, &mut findings);
        findings.codes()
    }

    #[test]
    fn who_asks_and_has_none_is_found() {
        let none = json!({});
        let missing = "sidecar-missing";
        assert_eq!(
            codes(&none, &none, &json!([])),
            [missing],
            "of its namespace"
        );
        let own = json!({ "mintage.dev/inject": "true" });
        assert_eq!(codes(&own, &none, &json!([])), [missing, missing]);
        let out = json!({ "mintage.dev/inject": "false" });
        assert_eq!(codes(&out, &none, &json!([])), [""; 0]);
        for skipped in [
            json!({ "mintage.dev/injection-skipped": "host-namespace" }),
            json!({ "kubernetes.io/config.mirror": "1" }),
        ] {
            assert_eq!(codes(&none, &skipped, &json!([])), [""; 0]);
        }
    }

    #[test]
    fn how_a_sidecar_fares_is_looked_at() {
        let injected = json!({ "mintage.dev/injected": "true" });
        let fares = |ready: bool, restarts: i32| {
            let sidecar = json!([{ "name": CONTAINER, "image": "", "imageID": "", "ready": ready,
                "restartCount": restarts, "state": { "waiting": { "reason": "CrashLoopBackOff" } } }]);
            let mut codes = codes(&injected, &json!({}), &sidecar);
            codes.dedup();
            codes
        };
        assert_eq!(fares(true, 1), [""; 0]);
        assert_eq!(fares(false, 0), ["sidecar-not-ready"]);
        assert_eq!(fares(true, 3), ["sidecar-restarts"]);
    }
}
