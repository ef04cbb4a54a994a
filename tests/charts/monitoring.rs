//! Alerts and the dashboard ask for metrics that the operator has.

use std::collections::BTreeSet;

use anyhow::Result;
use regex::Regex;
use serde_json::{Value, json};

use crate::helm::{self, shown};

/// What is asked for of the metrics in `docs/operations.md`, by the names on the wire, with their labels.
const METRICS: [(&str, &[&str]); 12] = [
    ("mintage_operator_errors_total", &["stage"]),
    ("mintage_operator_keys", &["state"]),
    ("mintage_operator_leader", &[]),
    ("mintage_operator_next_rotation_timestamp_seconds", &[]),
    ("mintage_operator_objects", &["kind", "ready"]),
    ("mintage_operator_plan_duration_seconds_bucket", &["le"]),
    ("mintage_operator_plans_total", &[]),
    ("mintage_operator_pods_stale", &["reason"]),
    (
        "mintage_operator_webhook_certificate_expiry_timestamp_seconds",
        &[],
    ),
    ("mintage_operator_webhook_requests_total", &["outcome"]),
    ("mintage_operator_writes_total", &["object", "outcome"]),
    ("process_resident_memory_bytes", &[]),
];

/// What Prometheus adds.
const ADDED: [&str; 3] = ["container", "namespace", "pod"];

/// The metrics of an expression, after a look at its labels and brackets.
fn metrics_of(expression: &str) -> Result<BTreeSet<&'static str>> {
    let count = |c: char| expression.matches(c).count();
    assert_eq!(count('('), count(')'), "{expression}");
    assert_eq!(count('{'), count('}'), "{expression}");
    let asked = Regex::new(r"((?:mintage|process)_[a-z_]+)\{([^}]*)\}")?;
    let grouped = Regex::new(r"by \(([^)]*)\)")?;
    let label = Regex::new("([a-z_]+)=")?;
    // A metric without braces would be counted over every release.
    let bare = Regex::new(r"(?:mintage|process)_[a-z_]+([^a-z_{]|$)")?;
    assert!(!bare.is_match(expression), "{expression}");
    let mut metrics = BTreeSet::new();
    for found in asked.captures_iter(expression) {
        let known = METRICS.iter().find(|(name, _)| *name == &found[1]);
        let (name, labels) =
            known.unwrap_or_else(|| panic!("{expression}: what is {}?", &found[1]));
        metrics.insert(*name);
        let grouping = grouped.captures_iter(expression);
        let grouping = grouping.flat_map(|group| {
            let names = group[1].split(", ").map(str::to_owned);
            names.collect::<Vec<_>>()
        });
        let selecting = label.captures_iter(&found[2]).map(|one| one[1].to_owned());
        for label in grouping.chain(selecting) {
            let known = labels.contains(&&*label) || ADDED.contains(&&*label);
            assert!(known, "{expression}: {name} has no label {label}");
        }
    }
    assert!(!metrics.is_empty(), "{expression}");
    Ok(metrics)
}

#[test]
fn each_trouble_has_an_alert() -> Result<()> {
    let Some(helm) = helm::find("monitoring::each_trouble_has_an_alert")? else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    let rule = objects.one("PrometheusRule", "mintage")?;
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    let alerts: Vec<(&str, &str)> = rules
        .iter()
        .map(|rule| {
            let expression = rule["expr"].as_str().unwrap();
            let metrics: Vec<&str> = metrics_of(expression).unwrap().into_iter().collect();
            assert!(expression.contains(r#"namespace="mintage-system""#));
            assert_eq!(metrics.len(), 1, "{expression}");
            let severity = rule["labels"]["severity"].as_str();
            assert!(matches!(severity, Some("critical" | "warning")));
            assert!(rule["for"].is_string());
            for text in ["summary", "description"] {
                let text = rule["annotations"][text].as_str().unwrap();
                // What Prometheus fills in is not what Helm left over.
                assert!(
                    text.ends_with('.') && !text.contains("<no value>"),
                    "{text}"
                );
            }
            (rule["alert"].as_str().unwrap(), metrics[0])
        })
        .collect();
    assert_eq!(
        alerts,
        [
            ("MintageNoLeader", "mintage_operator_leader"),
            ("MintageReconcileFailing", "mintage_operator_errors_total"),
            (
                "MintageRotationOverdue",
                "mintage_operator_next_rotation_timestamp_seconds"
            ),
            (
                "MintageWebhookCertificateExpiring",
                "mintage_operator_webhook_certificate_expiry_timestamp_seconds"
            ),
            ("MintagePodsStale", "mintage_operator_pods_stale"),
        ]
    );
    let failing = rules[1]["annotations"]["summary"].as_str().unwrap();
    assert!(failing.contains("{{ $labels.stage }}"), "{failing}");
    Ok(())
}

#[test]
fn the_dashboard_shows_every_metric() -> Result<()> {
    let Some(helm) = helm::find("monitoring::the_dashboard_shows_every_metric")? else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    let dashboard = objects.one("ConfigMap", "mintage-dashboard")?;
    let files = dashboard["data"].as_object().unwrap();
    assert_eq!(files.len(), 1);
    let text = files["mintage-operator.json"].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(text)?;
    let mut shown = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = &panel["gridPos"];
        assert!(
            places.insert(place.to_string()),
            "{} lies on another",
            panel["title"]
        );
        let right = place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap();
        assert!(right <= 24, "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            shown.extend(metrics_of(target["expr"].as_str().unwrap())?);
        }
    }
    let all: BTreeSet<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    assert_eq!(shown, all);
    Ok(())
}

#[test]
fn nothing_is_asked_of_a_cluster_that_has_no_prometheus_operator() -> Result<()> {
    let Some(helm) =
        helm::find("monitoring::nothing_is_asked_of_a_cluster_that_has_no_prometheus_operator")?
    else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    for object in objects.iter() {
        let group = object["apiVersion"].as_str().unwrap();
        assert!(!group.starts_with("monitoring."), "{}", shown(object));
        assert!(!group.starts_with("cert-manager."), "{}", shown(object));
    }
    Ok(())
}
