//! Helm, and what it renders.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::command_line;
use mintage_tests::{skip, workspace};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The namespace that charts are rendered for.
pub const NAMESPACE: &str = "mintage-system";

/// Helm with a home of its own, so that no setting of the user's counts.
pub struct Helm {
    program: PathBuf,
    home: TempDir,
}

/// The objects of a release.
#[derive(Debug)]
pub struct Objects(Vec<Value>);

/// Helm, or `None` after saying that the test is skipped.
pub fn find(test: &str) -> Result<Option<Helm>> {
    match command_line("helm")? {
        Ok(line) => Ok(Some(Helm {
            program: line.into_iter().next().context("no program")?.into(),
            home: tempfile::tempdir()?,
        })),
        Err(reason) => skip::skip(test, &reason).map(|()| None),
    }
}

/// The folder of a chart.
pub fn chart(name: &str) -> PathBuf {
    workspace().join("charts").join(name)
}

impl Helm {
    /// Runs Helm to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        let home = self.home.path();
        Ok(Command::new(&self.program)
            .args(arguments)
            .env_remove("KUBECONFIG")
            .env_remove("HELM_NAMESPACE")
            .env("HELM_CACHE_HOME", home)
            .env("HELM_CONFIG_HOME", home)
            .env("HELM_DATA_HOME", home)
            .output()?)
    }

    /// What it writes to standard output; a failure with what it writes to standard error.
    pub fn says(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments)?;
        ensure!(
            output.status.success(),
            "helm {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A file with values.
    pub fn file(&self, values: &Value) -> Result<String> {
        let mut file = tempfile::Builder::new()
            .suffix(".json")
            .tempfile_in(self.home.path())?;
        // JSON is YAML.
        serde_json::to_writer(&mut file, values)?;
        let (_, path) = file.keep()?;
        Ok(text(&path)?.to_owned())
    }

    /// The chart `mintage` with values beside the defaults.
    pub fn render(&self, values: &Value) -> Result<Objects> {
        let objects = self.says(&self.template("mintage", values)?.each())?;
        Objects::parse(&objects)
    }

    /// Why the chart `mintage` is not rendered with these values.
    pub fn refusal(&self, values: &Value) -> Result<String> {
        let output = self.run(&self.template("mintage", values)?.each())?;
        ensure!(!output.status.success(), "it takes {values}");
        Ok(String::from_utf8(output.stderr)?)
    }

    /// The arguments that render a chart.
    pub fn template(&self, name: &str, values: &Value) -> Result<Arguments> {
        let chart = text(&chart(name))?.to_owned();
        let values = self.file(values)?;
        let arguments = [
            "template",
            "mintage",
            &chart,
            "--namespace",
            NAMESPACE,
            "--kube-version",
            "1.33.0",
            "--values",
            &values,
        ];
        Ok(Arguments(arguments.map(str::to_owned).into()))
    }
}

/// Words of a command line.
pub struct Arguments(Vec<String>);

impl Arguments {
    /// Each of them.
    pub fn each(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

impl Objects {
    /// The documents of a YAML stream that are not empty.
    pub fn parse(text: &str) -> Result<Self> {
        let mut objects = Vec::new();
        for document in serde_yaml::Deserializer::from_str(text) {
            let object = Value::deserialize(document)?;
            if !object.is_null() {
                objects.push(object);
            }
        }
        Ok(Self(objects))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// Those of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.iter().filter(move |object| object["kind"] == kind)
    }

    /// One by kind and name.
    pub fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of_kind(kind)
            .find(|object| object["metadata"]["name"] == name)
    }

    /// One that must be there.
    pub fn one(&self, kind: &str, name: &str) -> Result<&Value> {
        self.get(kind, name).with_context(|| {
            let names = self.iter().map(shown).collect::<Vec<_>>();
            format!("there is no {kind} {name}, but {names:?}")
        })
    }

    /// The arguments of the operator.
    pub fn operator_arguments(&self) -> Result<Vec<&str>> {
        let operator = self.one("Deployment", "mintage")?;
        let arguments = operator["spec"]["template"]["spec"]["containers"][0]["args"].as_array();
        let arguments = arguments.context("no arguments")?;
        Ok(arguments.iter().filter_map(Value::as_str).collect())
    }

    /// Each template of a pod, and pods by themselves, with what they belong to.
    pub fn pods(&self) -> Vec<(String, &Value)> {
        self.iter()
            .filter_map(|object| match object["kind"].as_str()? {
                "Pod" => Some((shown(object), object)),
                "Deployment" | "Job" => Some((shown(object), &object["spec"]["template"])),
                _ => None,
            })
            .collect()
    }
}

/// Kind and name.
pub fn shown(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{} {}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}

/// Whether a label selector takes labels; with everything that selectors of the chart use.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    equal.into_iter().all(|(key, value)| labels[key] == *value)
        && expressions.into_iter().all(|expression| {
            let value = &labels[expression["key"].as_str().unwrap_or_default()];
            let values = expression["values"].as_array();
            let listed = values.is_some_and(|values| values.contains(value));
            match expression["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => !value.is_null(),
                other => panic!("{other:?} is not known here"),
            }
        })
}

/// The values that turn everything on that can be.
pub fn everything() -> Value {
    json!({
        "podMonitor": { "enabled": true },
        "prometheusRule": { "enabled": true },
        "dashboard": { "enabled": true },
        "webhook": { "tls": { "mode": "certManager" } },
    })
}

/// A path as a word of a command line.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
