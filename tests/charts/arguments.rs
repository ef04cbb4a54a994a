//! The operator takes the arguments that the chart gives it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::binary;
use serde_json::{Value, json};

use crate::helm::{self, NAMESPACE};

/// Starts the operator where there is no cluster, and makes sure that this is all that it finds wrong.
fn takes(arguments: &[&str]) -> Result<()> {
    let output = Command::new(binary("mintage-operator")?)
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", "no-such-file")
        .env("MINTAGE_NAMESPACE", NAMESPACE)
        .env("POD_NAME", "mintage-0")
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        said.contains("KUBECONFIG=no-such-file"),
        "{arguments:?}: {said}"
    );
    Ok(())
}

#[test]
fn the_operator_takes_what_the_chart_gives_it() -> Result<()> {
    let Some(helm) = helm::find("arguments::the_operator_takes_what_the_chart_gives_it")? else {
        return Ok(());
    };
    let all = json!({
        "webhook": {
            "url": "https://in.example.com:8443/inject",
            "excludedNamespaces": ["legacy", "other"],
            "tls": { "mode": "secret", "secretName": "mine" },
        },
        "sidecar": { "resources": {
            "requests": { "cpu": "", "memory": "" }, "limits": { "cpu": 1, "memory": "" },
        } },
        "domainVerification": {
            "allowNone": true, "allowPrivateAddresses": true, "dnsServer": "[::1]:53",
        },
        "log": { "level": "info,kube=debug", "format": "text" },
        "tracing": { "otlpEndpoint": "http://collector:4318" },
        "extraArgs": ["--threads=2"],
    });
    for values in [
        json!({}),
        json!({ "webhook": { "enabled": false } }),
        helm::everything(),
        all,
    ] {
        let objects = helm.render(&values)?;
        takes(&objects.operator_arguments()?)?;
        let hook = objects.one("Job", "mintage-uninstall")?;
        let hook = &hook["spec"]["template"]["spec"]["containers"][0]["args"];
        let hook = hook.as_array().context("no arguments")?;
        takes(&hook.iter().filter_map(Value::as_str).collect::<Vec<_>>())?;
    }
    // Else it would have looked for the cluster before it looked at its arguments.
    ensure!(takes(&["--no-such-option"]).is_err());
    Ok(())
}
