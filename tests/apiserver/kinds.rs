//! The kinds as a user of kubectl meets them.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::{self, Options};
use mintage_tests::{skip, workspace};

/// Whether kubectl is there; else the test is skipped.
fn kubectl(test: &str) -> Result<bool> {
    match cluster::command_line("kubectl")? {
        Ok(_) => Ok(true),
        Err(reason) => skip::skip(test, &reason).map(|()| false),
    }
}

#[tokio::test]
async fn the_examples_are_applied_without_a_warning_and_shown() -> Result<()> {
    let test = "kinds::the_examples_are_applied_without_a_warning_and_shown";
    if !kubectl(test)? {
        return Ok(());
    }
    // Its namespaces have names that others may use.
    let options = Options {
        controllers: false,
        ..Options::default()
    };
    let Some(plane) = cluster::private(test, options).await? else {
        return Ok(());
    };
    for example in ["examples/quickstart", "examples/webapp"] {
        let folder = workspace().join(example);
        let folder = folder.to_str().context("not UTF-8")?;
        for server_side in ["--server-side=false", "--server-side=true"] {
            let arguments = [
                "apply",
                "--validate=strict",
                server_side,
                "--filename",
                folder,
            ];
            let applied = plane.kubectl(&arguments).await?;
            applied.succeeded()?;
            ensure!(applied.err.is_empty(), "{}", applied.err);
        }
    }

    let all = plane
        .kubectl(&["get", "mintage", "--all-namespaces"])
        .await?;
    let all = all.succeeded()?;
    for name in [
        "apiaudience.mintage.dev/orders",
        "apiaudience.mintage.dev/payments",
        "apiaudience.mintage.dev/reports",
        "application.mintage.dev/spa",
        "application.mintage.dev/web",
        "customdomain.mintage.dev/login",
        "tenant.mintage.dev/acme",
        "tenant.mintage.dev/globex",
    ] {
        ensure!(all.contains(name), "{name} is not in:\n{all}");
    }

    for definition in mintage_crds::definitions() {
        let names = &definition.spec.names;
        let columns = &definition.spec.versions[0].additional_printer_columns;
        let titles = columns
            .iter()
            .flatten()
            .map(|column| column.name.to_uppercase());
        let expected: Vec<String> = ["NAMESPACE", "NAME"]
            .map(str::to_owned)
            .into_iter()
            .chain(titles)
            .collect();
        let names = [&names.plural].into_iter().chain(&names.singular);
        for name in names.chain(definition.spec.names.short_names.iter().flatten()) {
            let table = plane
                .kubectl(&["get", name, "--all-namespaces", "--output=wide"])
                .await?;
            let header = table.succeeded()?.lines().next().unwrap_or_default();
            let header: Vec<&str> = header.split_whitespace().collect();
            ensure!(
                header == expected,
                "{name}: {header:?} instead of {expected:?}"
            );
        }
    }
    // A value in each column that has one without an operator.
    let tenants = plane
        .kubectl(&["get", "tenants", "--namespace", "identity"])
        .await?;
    ensure!(
        tenants.succeeded()?.contains("acme.localhost:7743"),
        "{}",
        tenants.out
    );
    Ok(())
}

#[tokio::test]
async fn kubectl_explains_every_field() -> Result<()> {
    let test = "kinds::kubectl_explains_every_field";
    if !kubectl(test)? {
        return Ok(());
    }
    let Some(cluster) = cluster::shared(test).await? else {
        return Ok(());
    };
    for definition in mintage_crds::definitions() {
        let plural = &definition.spec.names.plural;
        let schema = &definition.spec.versions[0].schema;
        let schema = serde_json::to_value(schema)?;
        let schema = &schema["openAPIV3Schema"];
        for part in ["spec", "status"] {
            let field = format!("{plural}.{part}");
            let said = cluster.kubectl(&["explain", &field]).await?;
            let said = said.succeeded()?;
            let properties = schema["properties"][part]["properties"].as_object();
            for (name, property) in properties.context("no properties")? {
                ensure!(
                    said.contains(&format!("  {name}\t")),
                    "{name} is not in:\n{said}"
                );
                let description = property["description"].as_str();
                let description = description.with_context(|| format!("{name} has none"))?;
                // kubectl breaks its lines elsewhere.
                let found = words(said).contains(&words(description));
                ensure!(found, "{name}: {description:?} is not in:\n{said}");
            }
        }
    }
    Ok(())
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
