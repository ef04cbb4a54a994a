//! What `mintage dev` says of addresses, users and applications.

use std::fs;
use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::Dev;
use mintage_tests::mintage::mintage;
use mintage_tests::quickstart;

const TENANT: &str = "apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata: {name: acme, namespace: idp}
spec:
  domain: acme.localhost
  endpoint: {enabled: true}
  login: {connections: [{name: staff, users: {secretRef: {name: staff}}}]}
---
apiVersion: mintage.dev/v1alpha1
kind: CustomDomain
metadata: {name: login, namespace: idp}
spec: {tenantRef: {name: acme}, domain: \"login.localhost:7799\", verification: {method: None}}
---
apiVersion: v1
kind: Secret
metadata: {name: staff, namespace: idp}
stringData: {}
---
apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: web, namespace: idp}
spec:
  tenantRef: {name: acme, namespace: idp}
  type: Web
  redirectUris: [https://shop.example.com/callback]
---
apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: mach, namespace: idp}
spec: {tenantRef: {name: acme, namespace: idp}, type: Machine}
";

async fn said(text: &str, options: &[&str]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("all.yaml"), text)?;
    Dev::start(folder.path(), options).await?.log()
}

#[tokio::test]
async fn an_address_that_nobody_listens_at_is_said_to_be_one() -> Result<()> {
    // Somebody may take it in between; then the test says so.
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let here = free.port();
    let text = TENANT.replace("login.localhost:7799", &format!("login.localhost:{here}"));
    let log = said(&text, &["--tls-listen", &free.to_string()]).await?;
    let line = |issuer: &str| {
        let found = log
            .lines()
            .find(|line| line.trim_start().starts_with(issuer));
        found
            .map(str::to_owned)
            .with_context(|| format!("{issuer}: {log}"))
    };
    ensure!(
        line("https://acme.localhost/")?.ends_with(&format!(
            "its domain says :443, and this listens at :{here}"
        )),
        "{log}"
    );
    let served = format!("https://login.localhost:{here}/");
    ensure!(line(&served)?.ends_with(&served), "{log}");
    ensure!(
        log.contains(&format!("curl --connect-to acme.localhost:443:{free}"))
            && log.contains(&format!("set spec.domain: acme.localhost:{here}")),
        "{log}"
    );
    // Where every address is right nothing is said.
    let text = text.replace("acme.localhost\n", &format!("acme.localhost:{here}\n"));
    let log = said(&text, &["--tls-listen", &free.to_string()]).await?;
    ensure!(!log.contains("listens at"), "{log}");

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken_at = taken.local_addr()?.to_string();
    let refused = said(&text, &["--tls-listen", &taken_at]).await.err();
    let refused = refused.context("it started")?.to_string();
    ensure!(
        refused.contains("with --tls-listen, and write its port into spec.domain"),
        "{refused}"
    );
    Ok(())
}

#[tokio::test]
async fn users_and_applications_are_told_where_each_of_them_goes() -> Result<()> {
    let log = said(TENANT, &[]).await?;
    for part in [
        "Users sign in at https://acme.localhost/\n              or https://login.localhost:7799/\n  idp/web ",
        "Applications get tokens for themselves at https://acme.localhost/oauth/token\n  idp/mach ",
        "idp/default holds no grant",
        "Try\n  curl -s --cacert",
    ] {
        ensure!(log.contains(part), "{part} is not in:\n{log}");
    }
    let nowhere = TENANT.replace(
        "{connections: [{name: staff, users: {secretRef: {name: staff}}}]}",
        "{}",
    );
    let log = said(&nowhere, &[]).await?;
    for part in [
        "note: tenant idp/acme has applications that sign users in, and its users sign in nowhere; add a connection to spec.login.connections",
        "Nobody can sign in at https://acme.localhost/ yet: spec.login.connections is empty\n  idp/web ",
    ] {
        ensure!(log.contains(part), "{part} is not in:\n{log}");
    }
    let log = said(
        &TENANT.replace(
            "{name: staff, namespace: idp}",
            "{name: stuff, namespace: idp}",
        ),
        &[],
    )
    .await?;
    ensure!(
        log.contains("yet: no connection can be used, see the notes"),
        "{log}"
    );
    ensure!(!log.contains("Users sign in at"), "{log}");
    Ok(())
}

#[tokio::test]
async fn options_that_name_nothing_are_refused_at_the_start() -> Result<()> {
    let folder = quickstart().to_string_lossy().into_owned();
    let state = tempfile::tempdir()?;
    let state = state.path().join("state").to_string_lossy().into_owned();
    for (options, said) in [
        (
            ["--as", "orders/api", "--domain", "nope"],
            "--domain nope: tenant identity/acme has no such domain; it has acme.localhost:7743",
        ),
        (
            ["--as", "orders/api", "--accept", "nope"],
            "--accept nope: namespace orders has no ApiAudience of that name under tenant identity/acme; it has orders, reports",
        ),
        (
            ["--as", "shop/checkout", "--accept", "orders"],
            "it has none",
        ),
    ] {
        let run =
            mintage(&[&["dev", &folder, "--state-dir", &state], &options[..]].concat()).await?;
        ensure!(
            run.code == Some(2) && run.err.contains(said),
            "{}",
            run.said()
        );
    }
    let options = ["--as", "orders/api", "--accept", "orders"];
    Dev::start(&quickstart(), &options).await.map(drop)
}
