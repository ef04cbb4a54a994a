//! Where each value is to be seen.

use serde_json::{Value, json};

use super::Seen::{self, Argument, At, Gone, There, Within};
use super::{Case, signing_in};

const POD: &str = "/spec/template/spec";

/// One without others beside it.
pub fn case(path: &'static str, value: Value, seen: Seen) -> Case {
    case_beside(path, value, json!({}), seen)
}

fn case_beside(path: &'static str, value: Value, beside: Value, seen: Seen) -> Case {
    Case {
        path,
        value,
        beside,
        seen,
    }
}

/// An operator's Deployment, at a pointer into its pod.
fn pod(pointer: &'static str, expected: Value) -> Seen {
    At("Deployment", "mintage", pointer, expected)
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        naming(),
        running(),
        injecting(),
        calling(),
        guarding(),
        observing(),
        signing_in::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn naming() -> Vec<Case> {
    vec![
        case(
            "nameOverride",
            json!("tokens"),
            There("Deployment", "mintage-tokens"),
        ),
        case(
            "fullnameOverride",
            json!("tokens"),
            There("Deployment", "tokens"),
        ),
        case(
            "commonLabels",
            json!({ "team": "id" }),
            At(
                "ServiceAccount",
                "mintage",
                "/metadata/labels/team",
                json!("id"),
            ),
        ),
        case(
            "serviceAccount.name",
            json!("ops"),
            There("ServiceAccount", "ops"),
        ),
        case(
            "serviceAccount.annotations",
            json!({ "a": "b" }),
            At(
                "ServiceAccount",
                "mintage",
                "/metadata/annotations/a",
                json!("b"),
            ),
        ),
        case(
            "imagePullSecrets",
            json!([{ "name": "registry" }]),
            pod(
                "/spec/template/spec/imagePullSecrets",
                json!([{ "name": "registry" }]),
            ),
        ),
        case(
            "image.repository",
            json!("r.example/op"),
            pod(
                "/spec/template/spec/containers/0/image",
                json!("r.example/op:0.1.0"),
            ),
        ),
        case(
            "image.tag",
            json!("v9"),
            Within("Job", "mintage-uninstall", POD, "mintage-operator:v9\""),
        ),
        case_beside(
            "image.digest",
            json!("sha256:0000000000000000000000000000000000000000000000000000000000000000"),
            json!({ "image": { "tag": "v9" } }),
            Within("Deployment", "mintage", POD, "mintage-operator@sha256:0000"),
        ),
        case(
            "image.pullPolicy",
            json!("Always"),
            pod(
                "/spec/template/spec/containers/0/imagePullPolicy",
                json!("Always"),
            ),
        ),
    ]
}

fn running() -> Vec<Case> {
    vec![
        case("replicas", json!(3), pod("/spec/replicas", json!(3))),
        case(
            "podDisruptionBudget.enabled",
            json!(false),
            Gone("PodDisruptionBudget", "mintage"),
        ),
        case(
            "topologySpread.keys",
            json!(["rack"]),
            pod(
                "/spec/template/spec/topologySpreadConstraints/0/topologyKey",
                json!("rack"),
            ),
        ),
        case(
            "topologySpread.whenUnsatisfiable",
            json!("DoNotSchedule"),
            pod(
                "/spec/template/spec/topologySpreadConstraints/1/whenUnsatisfiable",
                json!("DoNotSchedule"),
            ),
        ),
        case(
            "priorityClassName",
            json!("high"),
            pod("/spec/template/spec/priorityClassName", json!("high")),
        ),
        case(
            "resources",
            json!({ "limits": { "memory": "1Gi" } }),
            pod(
                "/spec/template/spec/containers/0/resources/limits/memory",
                json!("1Gi"),
            ),
        ),
        // As OpenShift numbers its users; YAML must not see a float.
        case(
            "runAsUser",
            json!(1_000_650_000),
            pod(
                "/spec/template/spec/securityContext/runAsUser",
                json!(1_000_650_000),
            ),
        ),
        case("extraArgs", json!(["--threads=2"]), Argument("--threads=2")),
        case(
            "podLabels",
            json!({ "a": "b" }),
            pod("/spec/template/metadata/labels/a", json!("b")),
        ),
        case(
            "podAnnotations",
            json!({ "a": "b" }),
            pod("/spec/template/metadata/annotations/a", json!("b")),
        ),
        case(
            "nodeSelector",
            json!({ "pool": "system" }),
            pod("/spec/template/spec/nodeSelector/pool", json!("system")),
        ),
        case(
            "tolerations",
            json!([{ "operator": "Exists" }]),
            pod(
                "/spec/template/spec/tolerations",
                json!([{ "operator": "Exists" }]),
            ),
        ),
        case(
            "affinity",
            json!({ "nodeAffinity": {} }),
            pod(
                "/spec/template/spec/affinity",
                json!({ "nodeAffinity": {} }),
            ),
        ),
        case(
            "uninstall.enabled",
            json!(false),
            Gone("Job", "mintage-uninstall"),
        ),
        case(
            "uninstall.timeoutSeconds",
            json!(60),
            Within("Job", "mintage-uninstall", POD, "--timeout-seconds=60"),
        ),
        case(
            "test.image",
            json!("r.example/busybox"),
            At(
                "Pod",
                "mintage-test",
                "/spec/containers/0/image",
                json!("r.example/busybox"),
            ),
        ),
    ]
}

fn injecting() -> Vec<Case> {
    vec![
        case(
            "sidecar.image.repository",
            json!("r.example/s"),
            Argument("--sidecar-image=r.example/s:0.1.0"),
        ),
        case_beside(
            "sidecar.image.tag",
            json!("v9"),
            json!({ "sidecar": { "image": { "repository": "s" } } }),
            Argument("--sidecar-image=s:v9"),
        ),
        case_beside(
            "sidecar.image.digest",
            json!("sha256:0000000000000000000000000000000000000000000000000000000000000000"),
            json!({ "sidecar": { "image": { "repository": "s" } } }),
            Argument(
                "--sidecar-image=s@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            ),
        ),
        case(
            "sidecar.resources.requests.cpu",
            json!("20m"),
            Argument("--sidecar-cpu-request=20m"),
        ),
        case(
            "sidecar.resources.requests.memory",
            json!("32Mi"),
            Argument("--sidecar-memory-request=32Mi"),
        ),
        case(
            "sidecar.resources.limits.cpu",
            json!(1),
            Argument("--sidecar-cpu-limit=1"),
        ),
        case(
            "sidecar.resources.limits.memory",
            json!(""),
            Argument("--sidecar-memory-limit="),
        ),
    ]
}

fn calling() -> Vec<Case> {
    let certificate = |pointer, expected| {
        At(
            "Certificate",
            "mintage-webhook-certificate",
            pointer,
            expected,
        )
    };
    let cert_manager = || json!({ "webhook": { "tls": { "mode": "certManager" } } });
    let entry =
        |pointer, expected| At("MutatingWebhookConfiguration", "mintage", pointer, expected);
    vec![
        case(
            "webhook.enabled",
            json!(false),
            Gone("MutatingWebhookConfiguration", "mintage"),
        ),
        case(
            "webhook.failurePolicy",
            json!("Ignore"),
            entry("/webhooks/1/failurePolicy", json!("Ignore")),
        ),
        case(
            "webhook.timeoutSeconds",
            json!(9),
            entry("/webhooks/0/timeoutSeconds", json!(9)),
        ),
        case(
            "webhook.excludedNamespaces",
            json!(["legacy"]),
            Within(
                "MutatingWebhookConfiguration",
                "mintage",
                "/webhooks/1",
                "\"legacy\"",
            ),
        ),
        case(
            "webhook.url",
            json!("https://in.example.com/inject"),
            entry(
                "/webhooks/0/clientConfig/url",
                json!("https://in.example.com/inject"),
            ),
        ),
        case_beside(
            "webhook.caBundle",
            json!("Zm9v"),
            json!({ "webhook": {
                "url": "https://in.example.com/inject", "tls": { "mode": "secret", "secretName": "mine" },
            } }),
            entry("/webhooks/0/clientConfig/caBundle", json!("Zm9v")),
        ),
        case(
            "webhook.tls.mode",
            json!("certManager"),
            There("Certificate", "mintage-webhook-certificate"),
        ),
        case_beside(
            "webhook.tls.secretName",
            json!("mine"),
            json!({ "webhook": { "caBundle": "Zm9v", "tls": { "mode": "secret", "secretName": "other" } } }),
            Argument("--webhook-tls-secret=mine"),
        ),
        case_beside(
            "webhook.tls.certManager.issuerRef",
            json!({ "name": "ca" }),
            cert_manager(),
            certificate("/spec/issuerRef", json!({ "name": "ca" })),
        ),
        case_beside(
            "webhook.tls.certManager.duration",
            json!("24h"),
            cert_manager(),
            certificate("/spec/duration", json!("24h")),
        ),
        case_beside(
            "webhook.tls.certManager.renewBefore",
            json!("8h"),
            cert_manager(),
            certificate("/spec/renewBefore", json!("8h")),
        ),
    ]
}

fn guarding() -> Vec<Case> {
    let peers = || json!([{ "namespaceSelector": { "matchLabels": { "a": "b" } } }]);
    let api_server = || json!({ "ports": [{ "port": 6443 }] });
    vec![
        case(
            "feed.enabled",
            json!(false),
            Gone("Service", "mintage-feed"),
        ),
        case(
            "domainVerification.allowNone",
            json!(true),
            Argument("--allow-unverified-domains"),
        ),
        case(
            "domainVerification.allowPrivateAddresses",
            json!(true),
            Argument("--allow-private-addresses"),
        ),
        case(
            "domainVerification.dnsServer",
            json!("10.0.0.10:53"),
            Argument("--dns-server=10.0.0.10:53"),
        ),
        case(
            "admissionPolicies.enabled",
            json!(false),
            Gone("ValidatingAdmissionPolicy", "mintage-status"),
        ),
        case(
            "admissionPolicies.exemptUsers",
            json!(["restorer"]),
            Within(
                "ValidatingAdmissionPolicy",
                "mintage-managed-secrets",
                "/spec/matchConditions",
                ", 'restorer'",
            ),
        ),
        case(
            "aggregatedRoles",
            json!(false),
            Gone("ClusterRole", "mintage-edit"),
        ),
        case(
            "networkPolicy.enabled",
            json!(false),
            Gone("NetworkPolicy", "mintage"),
        ),
        case(
            "networkPolicy.metricsFrom",
            peers(),
            At("NetworkPolicy", "mintage", "/spec/ingress/0/from", peers()),
        ),
        case(
            "networkPolicy.egress",
            json!([api_server()]),
            At("NetworkPolicy", "mintage", "/spec/egress/1", api_server()),
        ),
    ]
}

fn observing() -> Vec<Case> {
    let on = |name: &str| json!({ name: { "enabled": true } });
    vec![
        case("log.level", json!("debug"), Argument("--log-level=debug")),
        case("log.format", json!("text"), Argument("--log-format=text")),
        case(
            "tracing.otlpEndpoint",
            json!("http://collector:4318"),
            Argument("--otlp-endpoint=http://collector:4318"),
        ),
        case(
            "podMonitor.enabled",
            json!(true),
            There("PodMonitor", "mintage"),
        ),
        case_beside(
            "podMonitor.interval",
            json!("5s"),
            on("podMonitor"),
            At(
                "PodMonitor",
                "mintage",
                "/spec/podMetricsEndpoints/0/interval",
                json!("5s"),
            ),
        ),
        case_beside(
            "podMonitor.labels",
            json!({ "a": "b" }),
            on("podMonitor"),
            At("PodMonitor", "mintage", "/metadata/labels/a", json!("b")),
        ),
        case(
            "prometheusRule.enabled",
            json!(true),
            There("PrometheusRule", "mintage"),
        ),
        case_beside(
            "prometheusRule.labels",
            json!({ "a": "b" }),
            on("prometheusRule"),
            At(
                "PrometheusRule",
                "mintage",
                "/metadata/labels/a",
                json!("b"),
            ),
        ),
        case_beside(
            "prometheusRule.certificateHours",
            json!(2),
            on("prometheusRule"),
            Within(
                "PrometheusRule",
                "mintage",
                "/spec/groups/0/rules/3",
                "< 7200",
            ),
        ),
        case(
            "dashboard.enabled",
            json!(true),
            There("ConfigMap", "mintage-dashboard"),
        ),
        case_beside(
            "dashboard.labels",
            json!({ "a": "b" }),
            on("dashboard"),
            At(
                "ConfigMap",
                "mintage-dashboard",
                "/metadata/labels/a",
                json!("b"),
            ),
        ),
        case_beside(
            "dashboard.annotations",
            json!({ "folder": "id" }),
            on("dashboard"),
            At(
                "ConfigMap",
                "mintage-dashboard",
                "/metadata/annotations/folder",
                json!("id"),
            ),
        ),
    ]
}
