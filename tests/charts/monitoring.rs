//! Alerts and the dashboard ask for metrics that the operator has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use mintage_tests::workspace;
use regex::Regex;
use serde_json::{Value, json};

use crate::exposed::Exposed;
use crate::helm::{self, Helm, shown};

/// What the dashboard shows, by the names on the wire.
const SHOWN: [&str; 12] = [
    "mintage_operator_errors_total",
    "mintage_operator_keys",
    "mintage_operator_leader",
    "mintage_operator_next_rotation_timestamp_seconds",
    "mintage_operator_objects",
    "mintage_operator_plan_duration_seconds_bucket",
    "mintage_operator_plans_total",
    "mintage_operator_pods_stale",
    "mintage_operator_webhook_certificate_expiry_timestamp_seconds",
    "mintage_operator_webhook_requests_total",
    "mintage_operator_writes_total",
    "process_resident_memory_bytes",
];

/// What Prometheus adds.
const ADDED: [&str; 3] = ["container", "namespace", "pod"];

/// The metrics of an expression, after a look at its labels and brackets.
fn metrics_of(exposed: &Exposed, expression: &str) -> Result<BTreeSet<String>> {
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
        let name = &found[1];
        let labels = exposed.labels(name);
        let labels = labels.unwrap_or_else(|| panic!("{expression}: what is {name}?"));
        metrics.insert(name.to_owned());
        let grouping = grouped.captures_iter(expression);
        let grouping = grouping.flat_map(|group| {
            let names = group[1].split(", ").map(str::to_owned);
            names.collect::<Vec<_>>()
        });
        let selecting = label.captures_iter(&found[2]).map(|one| one[1].to_owned());
        for label in grouping.chain(selecting) {
            let known = labels.contains(&*label) || ADDED.contains(&&*label);
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
    let exposed = Exposed::by_the_operator()?;
    let alerts: Vec<(&str, String)> = rules
        .iter()
        .map(|rule| {
            let expression = rule["expr"].as_str().unwrap();
            let metrics = metrics_of(&exposed, expression).unwrap();
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
            let metric = metrics.into_iter().next().unwrap();
            (rule["alert"].as_str().unwrap(), metric)
        })
        .collect();
    let alerts: Vec<(&str, &str)> = alerts
        .iter()
        .map(|(alert, metric)| (*alert, metric.as_str()))
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
    let dashboard = dashboard(&helm)?;
    let exposed = Exposed::by_the_operator()?;
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
            shown.extend(metrics_of(&exposed, target["expr"].as_str().unwrap())?);
        }
    }
    assert_eq!(shown, SHOWN.map(str::to_owned).into());
    Ok(())
}

/// The dashboard as Grafana reads it.
pub fn dashboard(helm: &Helm) -> Result<Value> {
    let objects = helm.render(&helm::everything())?;
    let files = objects.one("ConfigMap", "mintage-dashboard")?["data"].clone();
    let files = files.as_object().context("no files")?;
    ensure!(files.len() == 1, "{files:?}");
    let file = files["mintage-operator.json"].as_str();
    Ok(serde_json::from_str(file.context("no dashboard")?)?)
}

/// The metrics of a page's table, by the names on the wire as well. Tests of the programs hold the tables to them.
fn listed(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`');
        let endings: &[&str] = match cells.next()? {
            "counter" => &["", "_total"],
            "gauge" => &[""],
            "histogram" => &["", "_bucket", "_count", "_sum"],
            "info" => &["", "_info"],
            _ => return None,
        };
        Some(endings.iter().map(move |ending| format!("{name}{ending}")))
    });
    rows.flatten().collect()
}

/// The files below a folder that are for people or for Helm.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            documents(&path, found)?;
        } else if matches!(extension, Some("json" | "md" | "tpl" | "txt" | "yaml")) {
            found.push(path);
        }
    }
    Ok(())
}

/// Pages, charts and examples name no metric that neither program has.
#[test]
fn every_metric_that_is_named_is_one_that_a_program_has() -> Result<()> {
    let top = workspace();
    let mut files = vec![
        top.join("README.md"),
        top.join("CHANGELOG.md"),
        top.join("SECURITY.md"),
    ];
    for folder in ["charts", "docs", "examples"] {
        documents(&top.join(folder), &mut files)?;
    }
    let exposed = Exposed::by_the_operator()?;
    let sidecar = listed(&fs::read_to_string(top.join("docs/observability.md"))?);
    assert_eq!(
        sidecar
            .iter()
            .filter(|name| name.ends_with("_total"))
            .count(),
        21
    );
    let known: BTreeSet<&str> = sidecar
        .iter()
        .map(String::as_str)
        .chain(exposed.names())
        .collect();
    // A path of Rust, as `mintage_crds::observe`, is no metric.
    let named = Regex::new(r"\b(?:mintage|process)_[a-z_]+\b(::)?")?;
    let mut seen = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        for found in named
            .captures_iter(&text)
            .filter(|one| one.get(1).is_none())
        {
            let name = found[0].to_owned();
            // A member of an answer (RFC 9728).
            if name == "mintage_accepted_audiences" {
                continue;
            }
            assert!(
                known.contains(&*name),
                "{}: no program has a metric {name}",
                file.display()
            );
            seen.insert(name);
        }
    }
    for name in exposed.families {
        assert!(seen.contains(&name), "no page names {name}");
    }
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
