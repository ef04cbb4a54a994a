//! The alerts in Prometheus' own hands: promtool reads the rules, and runs them over what the operator shows.
//!
//! ```text
//!  the operator's own exposition ──► a series each, all well ──► one is changed ──► promtool test rules
//!                                                                                    │
//!  helm template ──► PrometheusRule, dashboard ──► rules ────────────────────────────┘
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use mintage_tests::cluster::command_line;
use mintage_tests::skip;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::exposed::Exposed;
use crate::helm::{self, Helm, NAMESPACE};
use crate::monitoring::dashboard;

/// How many minutes there are samples for, one a minute.
const MINUTES: u32 = 240;

/// promtool, and the rules of the chart in a file.
struct Promtool {
    program: String,
    folder: TempDir,
    rules: Vec<Value>,
}

impl Promtool {
    /// `None` after saying that the test is skipped.
    fn find(test: &str) -> Result<Option<(Self, Helm)>> {
        let Some(helm) = helm::find(test)? else {
            return Ok(None);
        };
        let program = match command_line("promtool")? {
            Ok(line) => line.into_iter().next().context("no program")?,
            Err(reason) => return skip::skip(test, &reason).map(|()| None),
        };
        let objects = helm.render(&helm::everything())?;
        let spec = objects.one("PrometheusRule", "mintage")?["spec"].clone();
        let rules = spec["groups"][0]["rules"].as_array().context("no rules")?;
        let tool = Self {
            program,
            folder: tempfile::tempdir()?,
            rules: rules.clone(),
        };
        tool.write("rules.json", &spec)?;
        Ok(Some((tool, helm)))
    }

    fn write(&self, name: &str, content: &Value) -> Result<()> {
        // JSON is YAML.
        Ok(fs::write(
            self.folder.path().join(name),
            content.to_string(),
        )?)
    }

    /// Whether it is content, and what it says.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8(said)?))
    }

    /// Runs unit tests over the rules.
    fn test(&self, tests: &[Value]) -> Result<(bool, String)> {
        let file = json!({
            "rule_files": ["rules.json"],
            "evaluation_interval": "1m",
            "tests": tests,
        });
        self.write("tests.json", &file)?;
        self.run(&["test", "rules", "tests.json"])
    }

    /// An alert as it is raised, its texts filled in.
    fn raised(&self, alert: &str, label: Option<(&str, &str)>, value: &str) -> Result<Value> {
        let mut rules = self.rules.iter();
        let rule = rules.find(|rule| rule["alert"] == alert);
        let rule = rule.with_context(|| format!("there is no alert {alert}"))?;
        let mut labels = rule["labels"].clone();
        let mut annotations = rule["annotations"].clone();
        if let Some((name, value)) = label {
            labels[name] = value.into();
        }
        for text in annotations
            .as_object_mut()
            .context("no texts")?
            .values_mut()
        {
            let mut filled = text.as_str().context("no text")?.to_owned();
            for place in ["{{ $value | humanizeDuration }}", "{{ $value }}"] {
                filled = filled.replace(place, value);
            }
            if let Some((name, value)) = label {
                filled = filled.replace(&format!("{{{{ $labels.{name} }}}}"), value);
            }
            ensure!(!filled.contains("{{"), "{filled}: what is to be filled in?");
            *text = filled.into();
        }
        Ok(json!({ "exp_labels": labels, "exp_annotations": annotations }))
    }
}

/// The series of two operators, the first of which leads, as Prometheus has them; all is well.
struct Scraped(Vec<(String, String)>);

impl Scraped {
    fn well(exposed: &Exposed) -> Self {
        let pods = [("mintage-a", true), ("mintage-b", false)];
        let series = pods.iter().flat_map(|&(pod, leads)| {
            exposed.series.iter().map(move |one| {
                let leading = if leads { "1" } else { "0" };
                let start = match one.name.as_str() {
                    "mintage_operator_leader" => leading,
                    // In half a day; nobody but the leader knows.
                    "mintage_operator_next_rotation_timestamp_seconds" if leads => "43200",
                    // In a month.
                    "mintage_operator_webhook_certificate_expiry_timestamp_seconds" => "2592000",
                    _ => "0",
                };
                // What is counted at rest and in trouble alike goes on.
                let at_work = one.name.starts_with("mintage_operator_plan")
                    || one.name == "mintage_operator_webhook_requests_total";
                let step = if at_work { "1" } else { "0" };
                let values = format!("{start}+{step}x{MINUTES}");
                (one.scraped(NAMESPACE, pod), values)
            })
        });
        Self(series.collect())
    }

    /// The same with other values for the first operator's series of a metric that has a label, if one is named.
    fn with(mut self, name: &str, label: Option<(&str, &str)>, values: &str) -> Result<Self> {
        let label = label.map(|(name, value)| format!("{name}=\"{value}\""));
        let mut changed = 0;
        for (series, present) in &mut self.0 {
            let is_it = series.starts_with(&format!("{name}{{"))
                && series.contains("pod=\"mintage-a\"")
                && label.as_ref().is_none_or(|label| series.contains(label));
            if is_it {
                values.clone_into(present);
                changed += 1;
            }
        }
        ensure!(changed == 1, "{changed} series are {name}{label:?}");
        Ok(self)
    }

    /// The same from another namespace.
    fn elsewhere(mut self) -> Self {
        for (series, _) in &mut self.0 {
            *series = series.replace(NAMESPACE, "another");
        }
        self
    }

    fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn group(&self, name: &str) -> Value {
        let series = self
            .0
            .iter()
            .map(|(series, values)| json!({ "series": series, "values": values }));
        json!({ "name": name, "interval": "1m", "input_series": series.collect::<Vec<_>>() })
    }
}

/// A trouble: what Prometheus sees of it, when its alert is raised for the first time, and how.
struct Trouble {
    alert: &'static str,
    seen: Scraped,
    /// The first minute in which the alert is there; in the one before it is not.
    from: u32,
    label: Option<(&'static str, &'static str)>,
    value: &'static str,
}

fn troubles(exposed: &Exposed) -> Result<Vec<Trouble>> {
    let well = || Scraped::well(exposed);
    let rotation = "mintage_operator_next_rotation_timestamp_seconds";
    let expiry = "mintage_operator_webhook_certificate_expiry_timestamp_seconds";
    Ok(vec![
        Trouble {
            alert: "MintageNoLeader",
            // From the tenth minute on.
            seen: well().with("mintage_operator_leader", None, &format!("1x9 0x{MINUTES}"))?,
            from: 15,
            label: None,
            value: "",
        },
        Trouble {
            alert: "MintageNoLeader",
            // There is no operator at all.
            seen: Scraped(Vec::new()),
            from: 5,
            label: None,
            value: "",
        },
        Trouble {
            alert: "MintageReconcileFailing",
            seen: well().with(
                "mintage_operator_errors_total",
                Some(("stage", "apply")),
                &format!("0x9 0+1x{MINUTES}"),
            )?,
            // The first error is seen in the eleventh minute.
            from: 26,
            label: Some(("stage", "apply")),
            value: "",
        },
        Trouble {
            alert: "MintageRotationOverdue",
            // Due at the first minute: overdue by more than an hour from the sixty-second on.
            seen: well().with(rotation, None, &format!("60x{MINUTES}"))?,
            from: 77,
            label: None,
            value: "1h 16m 0s",
        },
        Trouble {
            alert: "MintageWebhookCertificateExpiring",
            // The other operator serves one that lasts. Less than a day is left from the sixty-first minute on.
            seen: well().with(expiry, None, &format!("90000x{MINUTES}"))?,
            from: 76,
            label: None,
            value: "23h 44m 0s",
        },
        Trouble {
            alert: "MintagePodsStale",
            seen: well().with(
                "mintage_operator_pods_stale",
                Some(("reason", "outdated")),
                &format!("0x9 3x{MINUTES}"),
            )?,
            from: 70,
            label: Some(("reason", "outdated")),
            value: "3",
        },
    ])
}

#[test]
fn prometheus_takes_the_rules() -> Result<()> {
    let Some((promtool, _)) = Promtool::find("alerts::prometheus_takes_the_rules")? else {
        return Ok(());
    };
    let check = ["check", "rules", "--lint=all", "--lint-fatal"];
    let (content, said) = promtool.run(&[&check[..], &["rules.json"]].concat())?;
    ensure!(content && said.contains("5 rules found"), "{said}");

    // It does not take everything.
    for (name, expression) in [
        ("an expression", "sum(mintage_operator_leader{) < 1"),
        (
            "a function",
            "increment(mintage_operator_errors_total[10m]) > 0",
        ),
    ] {
        let mut rule = promtool.rules[0].clone();
        rule["expr"] = expression.into();
        let wrong = json!({ "groups": [{ "name": "a", "rules": [rule] }] });
        promtool.write("wrong.json", &wrong)?;
        let (content, said) = promtool.run(&[&check[..], &["wrong.json"]].concat())?;
        ensure!(!content, "{name} that is none is taken: {said}");
    }
    Ok(())
}

#[test]
fn each_alert_is_raised_in_its_trouble_and_in_no_other() -> Result<()> {
    let test = "alerts::each_alert_is_raised_in_its_trouble_and_in_no_other";
    let Some((promtool, _)) = Promtool::find(test)? else {
        return Ok(());
    };
    let exposed = Exposed::by_the_operator()?;
    let names: Vec<&str> = promtool
        .rules
        .iter()
        .filter_map(|rule| rule["alert"].as_str())
        .collect();
    let quiet = |at: u32, alert: &str| json!({ "eval_time": format!("{at}m"), "alertname": alert, "exp_alerts": [] });
    let mut tests = Vec::new();
    let mut raised = BTreeSet::new();
    for trouble in troubles(&exposed)? {
        let Trouble { alert, from, .. } = trouble;
        let expected = promtool.raised(alert, trouble.label, trouble.value)?;
        let mut cases = vec![
            quiet(from - 1, alert),
            json!({ "eval_time": format!("{from}m"), "alertname": alert, "exp_alerts": [expected] }),
        ];
        let others = names.iter().filter(|name| **name != alert);
        cases.extend(others.map(|other| quiet(from, other)));
        let mut group = trouble.seen.group(alert);
        group["alert_rule_test"] = cases.into();
        tests.push(group);
        raised.insert(alert);
    }
    ensure!(
        raised == names.iter().copied().collect(),
        "every alert is shown to be raised: {raised:?} of {names:?}"
    );
    let (content, said) = promtool.test(&tests)?;
    ensure!(content, "{said}");

    // What expects otherwise fails: each of these cases can.
    for mut group in tests {
        let cases = group["alert_rule_test"]
            .as_array_mut()
            .context("no cases")?;
        cases.truncate(2);
        cases[1]["exp_alerts"] = json!([]);
        let (content, said) = promtool.test(&[group.clone()])?;
        ensure!(
            !content && said.contains("FAILED"),
            "{} is raised, and nobody noticed: {said}",
            group["name"]
        );
    }
    Ok(())
}

#[test]
fn no_alert_is_raised_where_all_is_well_or_nearly() -> Result<()> {
    let test = "alerts::no_alert_is_raised_where_all_is_well_or_nearly";
    let Some((promtool, _)) = Promtool::find(test)? else {
        return Ok(());
    };
    let exposed = Exposed::by_the_operator()?;
    let well = || Scraped::well(&exposed);
    let another = troubles(&exposed)?.into_iter();
    let mut another = another.filter(|trouble| trouble.alert == "MintageReconcileFailing");
    let another = another.next().context("no such trouble")?.seen.elsewhere();
    let rotation = "mintage_operator_next_rotation_timestamp_seconds";
    let expiry = "mintage_operator_webhook_certificate_expiry_timestamp_seconds";
    let states = [
        ("all is well", well()),
        ("another release is in trouble", well().and(another)),
        (
            "the Lease is handed over in three minutes",
            well().with(
                "mintage_operator_leader",
                None,
                &format!("1x9 0x2 1x{MINUTES}"),
            )?,
        ),
        (
            "one write in conflict",
            well().with(
                "mintage_operator_errors_total",
                Some(("stage", "conflict")),
                &format!("0x9 1x{MINUTES}"),
            )?,
        ),
        (
            "there is nothing to rotate",
            well().with(rotation, None, &format!("0x{MINUTES}"))?,
        ),
        (
            "a rotation is late, and done within the hour",
            well().with(rotation, None, &format!("60x59 43200x{MINUTES}"))?,
        ),
        (
            "the webhook is not served",
            well().with(expiry, None, &format!("0x{MINUTES}"))?,
        ),
        (
            "the certificate is renewed when a day and an hour are left",
            well().with(expiry, None, &format!("90000x59 2592000x{MINUTES}"))?,
        ),
        (
            "pods are restarted within the hour",
            well().with(
                "mintage_operator_pods_stale",
                Some(("reason", "missing")),
                &format!("0x9 5x55 0x{MINUTES}"),
            )?,
        ),
    ];
    let names = promtool
        .rules
        .iter()
        .filter_map(|rule| rule["alert"].as_str());
    let cases: Vec<Value> = names
        .flat_map(|alert| {
            (0..MINUTES).step_by(2).map(move |minute| {
                json!({ "eval_time": format!("{minute}m"), "alertname": alert, "exp_alerts": [] })
            })
        })
        .collect();
    let groups = states.iter().map(|(name, seen)| {
        let mut group = seen.group(name);
        group["alert_rule_test"] = cases.clone().into();
        group
    });
    let (content, said) = promtool.test(&groups.collect::<Vec<_>>())?;
    ensure!(content, "{said}");
    Ok(())
}

/// Every panel has something to show, as Prometheus reads its expression.
#[test]
fn every_panel_shows_something() -> Result<()> {
    let Some((promtool, helm)) = Promtool::find("alerts::every_panel_shows_something")? else {
        return Ok(());
    };
    let exposed = Exposed::by_the_operator()?;
    let dashboard = dashboard(&helm)?;
    let panels = dashboard["panels"].as_array().context("no panels")?.iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut cases = Vec::new();
    for target in targets {
        let expression = target["expr"].as_str().context("no expression")?;
        let expression = expression
            .replace("$namespace", NAMESPACE)
            .replace("$__rate_interval", "5m");
        if expression.contains('$') {
            bail!("{expression}: Grafana is to fill something in that is not known here");
        }
        cases.push(json!({
            "eval_time": "60m",
            "expr": format!("clamp_max(count({expression}), 1)"),
            "exp_samples": [{ "labels": "{}", "value": 1 }],
        }));
    }
    ensure!(cases.len() >= 15, "there are {} expressions", cases.len());
    let mut group = Scraped::well(&exposed).group("all is well");
    group["promql_expr_test"] = cases.into();
    let (content, said) = promtool.test(&[group.clone()])?;
    ensure!(content, "{said}");

    // With no operator there are panels that show nothing.
    group["input_series"] = json!([]);
    let (content, said) = promtool.test(&[group])?;
    ensure!(!content, "{said}");
    Ok(())
}
