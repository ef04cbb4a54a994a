//! Who picks which pods.

use anyhow::Result;
use serde_json::{Value, json};

use crate::helm::{self, selects, shown};

#[test]
fn every_object_says_what_it_belongs_to() -> Result<()> {
    let Some(helm) = helm::find("labels::every_object_says_what_it_belongs_to")? else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    for object in objects.iter() {
        let labels = &object["metadata"]["labels"];
        for (label, value) in [
            ("app.kubernetes.io/name", "mintage"),
            ("app.kubernetes.io/instance", "mintage"),
            ("app.kubernetes.io/part-of", "mintage"),
            ("app.kubernetes.io/managed-by", "Helm"),
            ("app.kubernetes.io/version", env!("CARGO_PKG_VERSION")),
        ] {
            assert_eq!(labels[label], value, "{label} of {}", shown(object));
        }
    }
    Ok(())
}

#[test]
fn selectors_pick_the_operators_and_no_other_pod() -> Result<()> {
    let Some(helm) = helm::find("labels::selectors_pick_the_operators_and_no_other_pod")? else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    let selectors: Vec<(String, Value)> = objects
        .iter()
        .filter_map(|object| {
            let spec = &object["spec"];
            let selector = match object["kind"].as_str()? {
                "Service" => json!({ "matchLabels": spec["selector"] }),
                "Deployment" | "PodDisruptionBudget" | "PodMonitor" => spec["selector"].clone(),
                "NetworkPolicy" => spec["podSelector"].clone(),
                _ => return None,
            };
            Some((shown(object), selector))
        })
        .collect();
    assert_eq!(selectors.len(), 7, "{selectors:?}");
    let pods = objects.pods();
    assert_eq!(pods.len(), 3, "operator, uninstall, test");
    for (whose, selector) in &selectors {
        for (pod, template) in &pods {
            let picked = selects(selector, &template["metadata"]["labels"]);
            assert_eq!(picked, pod == "Deployment mintage", "{whose}: {pod}");
        }
    }
    Ok(())
}

#[test]
fn ports_are_named_where_they_are_used() -> Result<()> {
    let Some(helm) = helm::find("labels::ports_are_named_where_they_are_used")? else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    let operator = objects.one("Deployment", "mintage")?;
    let container = &operator["spec"]["template"]["spec"]["containers"][0];
    let ports: Vec<&Value> = container["ports"].as_array().unwrap().iter().collect();
    let number = |name: &Value| {
        let port = ports.iter().find(|port| port["name"] == *name);
        port.map(|port| port["containerPort"].clone())
    };
    assert_eq!(number(&json!("metrics")), Some(json!(8080)));
    assert_eq!(number(&json!("webhook")), Some(json!(9443)));
    assert_eq!(number(&json!("feed")), Some(json!(9444)));
    let arguments = objects.operator_arguments()?;
    assert!(arguments.contains(&"--admin-listen=0.0.0.0:8080"));
    assert!(arguments.contains(&"--webhook-listen=0.0.0.0:9443"));
    assert!(arguments.contains(&"--feed-listen=0.0.0.0:9444"));
    assert!(arguments.contains(&"--feed-address=mintage-feed.mintage-system.svc:9444"));

    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], "metrics");
    }
    for service in objects.of_kind("Service") {
        for port in service["spec"]["ports"].as_array().unwrap() {
            assert!(number(&port["targetPort"]).is_some(), "{}", shown(service));
        }
    }
    let policy = objects.one("NetworkPolicy", "mintage")?;
    let mut open: Vec<Value> = Vec::new();
    for rule in policy["spec"]["ingress"].as_array().unwrap() {
        open.extend(rule["ports"].as_array().unwrap().iter().cloned());
    }
    assert_eq!(
        open,
        ["metrics", "webhook", "feed"].map(|name| json!({ "port": name }))
    );
    let monitor = objects.one("PodMonitor", "mintage")?;
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["port"], "metrics");
    assert_eq!(endpoint["path"], "/metrics");
    Ok(())
}
