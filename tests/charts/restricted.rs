//! No pod of the chart has more rights than it needs.

use anyhow::Result;
use mintage_tests::operator;
use serde_json::json;

use crate::helm;

/// What the Pod Security Standard `restricted` asks, and a root file system that nobody writes to.
#[test]
fn every_pod_is_restricted() -> Result<()> {
    let Some(helm) = helm::find("restricted::every_pod_is_restricted")? else {
        return Ok(());
    };
    let values = json!({ "webhook": { "tls": { "mode": "certManager" } } });
    let objects = helm.render(&values)?;
    let pods = objects.pods();
    assert_eq!(pods.len(), 3);
    for (whose, pod) in pods {
        let spec = &pod["spec"];
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(spec[host].is_null(), "{whose}: {host}");
        }
        let context = &spec["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{whose}");
        assert_eq!(context["runAsUser"], 65532, "{whose}");
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
        for volume in spec["volumes"].as_array().into_iter().flatten() {
            let kinds: Vec<&String> = volume.as_object().unwrap().keys().collect();
            assert_eq!(kinds, ["name", "secret"], "{whose}");
        }
        assert!(spec["initContainers"].is_null(), "{whose}");
        for container in spec["containers"].as_array().unwrap() {
            let context = &container["securityContext"];
            let expected = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(*context, expected, "{whose}");
            for port in container["ports"].as_array().into_iter().flatten() {
                assert!(port["hostPort"].is_null(), "{whose}");
            }
        }
    }
    Ok(())
}

#[test]
fn only_who_asks_the_api_server_has_a_token() -> Result<()> {
    let Some(helm) = helm::find("restricted::only_who_asks_the_api_server_has_a_token")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    for account in objects.of_kind("ServiceAccount") {
        assert_eq!(account["automountServiceAccountToken"], false);
    }
    for (whose, pod) in objects.pods() {
        let asks = !whose.starts_with("Pod ");
        assert_eq!(pod["spec"]["automountServiceAccountToken"], asks, "{whose}");
    }
    Ok(())
}

/// The image has no shell, and what could be secret is in no argument and no variable.
#[test]
fn the_operator_is_started_by_its_image() -> Result<()> {
    let Some(helm) = helm::find("restricted::the_operator_is_started_by_its_image")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    let deployment = objects.one("Deployment", "mintage")?;
    let hook = objects.one("Job", "mintage-uninstall")?;
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let fields = [
        field("MINTAGE_NAMESPACE", "metadata.namespace"),
        field("POD_NAME", "metadata.name"),
    ];
    let settings =
        operator::ENVIRONMENT.map(|(name, value)| json!({ "name": name, "value": value }));
    for (object, settings) in [(deployment, &settings[..]), (hook, &[])] {
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        assert!(container["command"].is_null());
        assert!(container["envFrom"].is_null());
        let variables = container["env"].as_array().unwrap();
        assert_eq!(*variables, [&fields[..], settings].concat());
    }
    Ok(())
}

#[test]
fn no_secret_is_rendered() -> Result<()> {
    let Some(helm) = helm::find("restricted::no_secret_is_rendered")? else {
        return Ok(());
    };
    for values in [json!({}), helm::everything()] {
        let objects = helm.render(&values)?;
        assert_eq!(objects.of_kind("Secret").count(), 0);
        let text = format!("{objects:?}");
        assert!(!text.contains("PRIVATE KEY") && !text.contains("BEGIN CERTIFICATE"));
    }
    Ok(())
}
