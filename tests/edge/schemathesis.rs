//! Schemathesis makes requests of the `OpenAPI` description, good and bad ones, and holds the answers against it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::command_line;
use mintage_tests::dev::{Dev, eventually};
use mintage_tests::{quickstart, skip, workspace};
use tokio::process::Command;
use tokio::time::timeout;

/// What one run may take on a busy machine; alone it takes ten seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// Runs it for some operations; all of them must have been tested.
async fn run(program: &[String], url: &str, options: &[&str], operations: usize) -> Result<()> {
    let (program, arguments) = program.split_first().context("an empty command line")?;
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg("run")
        .arg(
            workspace()
                .join("docs/openapi/workload-api.yaml")
                .canonicalize()?,
        )
        .args(["--no-color", "--url", url])
        .args(options)
        .current_dir(dir.path())
        .kill_on_drop(true);
    let output = timeout(LIMIT, command.output())
        .await
        .with_context(|| format!("schemathesis took more than {LIMIT:?}"))??;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "schemathesis found:\n{said}");
    ensure!(said.contains(&format!("Tested: {operations}\n")), "{said}");
    Ok(())
}

#[tokio::test]
async fn schemathesis_finds_what_the_description_says() -> Result<()> {
    let program = match command_line("schemathesis")? {
        Ok(program) => program,
        Err(reason) => {
            return skip::skip(
                "schemathesis::schemathesis_finds_what_the_description_says",
                &reason,
            );
        }
    };
    let dev = Dev::start(&quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    // Else most of what the description allows would be refused for want of an audience.
    dev.edit("tenants.yaml", |text| {
        text.replacen(
            "  displayName: Acme\n",
            "  displayName: Acme\n  defaultAudienceRef:\n    name: orders\n    namespace: orders\n",
            1,
        )
    })?;
    eventually("there is a default audience", async || {
        Ok((dev.ask(0, &[]).await?.0 == 200).then_some(()))
    })
    .await?;
    // The caller's sidecar gives tokens, the API's judges them.
    let bearer = format!(
        "Authorization: Bearer {}",
        dev.token(0, "https://orders.example.com").await?
    );
    let (caller, api) = (dev.url(0), dev.url(1));
    let tokens = ["--include-path", "/oauth/token"];
    run(&program, &caller, &tokens, 1).await?;
    let others = ["--exclude-path", "/oauth/token", "--header", &bearer];
    run(&program, &api, &others, 7).await
}
