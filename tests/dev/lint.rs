//! `mintage lint` as a process: exit codes and forms. What it finds is tested where it is written.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::Dev;
use mintage_tests::mintage::{Run, mintage};
use mintage_tests::quickstart;

async fn lint(text: &str, options: &[&str]) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("all.yaml"), text)?;
    let path = folder.path().to_string_lossy().into_owned();
    mintage(&[&["lint", &path], options].concat()).await
}

const TENANT: &str = "apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata: {name: acme, namespace: idp}
spec:
  domain: acme.localhost
";

#[tokio::test]
async fn the_quickstart_is_clean() -> Result<()> {
    let path = quickstart().to_string_lossy().into_owned();
    let run = mintage(&["lint", &path, "--deny", "warnings"]).await?;
    ensure!(
        run.code == Some(0) && run.out == "nothing to regret\n",
        "{}",
        run.said()
    );
    let run = mintage(&["lint", &path, "-o", "json"]).await?;
    ensure!(run.json()? == serde_json::json!([]), "{}", run.said());
    Ok(())
}

#[tokio::test]
async fn warnings_are_denied_if_asked_and_errors_always() -> Result<()> {
    let warning = format!("{TENANT}  signing: {{propagationDelay: 10s}}\n");
    let run = lint(&warning, &[]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    ensure!(
        run.out
            .contains("all.yaml:6: warning [propagation-delay-short]")
            && run.out.contains("0 errors, 1 warning;"),
        "{}",
        run.out
    );
    let run = lint(&warning, &["--deny", "warnings"]).await?;
    ensure!(run.code == Some(1), "{}", run.said());
    let allow = ["--deny", "warnings", "--allow", "propagation-delay-short"];
    let run = lint(&warning, &allow).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let run = lint(&warning, &["--allow", "propagation-delay-shor"]).await?;
    ensure!(
        run.code == Some(2) && run.err.contains("near to it: propagation-delay-short"),
        "{}",
        run.said()
    );

    let error = format!("{TENANT}  defaultAudienceRef: {{name: none, namespace: idp}}\n");
    let run = lint(&error, &["-o", "json"]).await?;
    ensure!(run.code == Some(1), "{}", run.said());
    let findings = run.json()?;
    let finding = findings.get(0).context("no finding")?;
    ensure!(
        finding["code"] == "default-audience-not-found"
            && finding["level"] == "error"
            && finding["line"] == 6
            && finding["resource"] == "Tenant idp/acme",
        "{findings}"
    );

    let run = lint(&TENANT.replace("acme.localhost", "Acme"), &[]).await?;
    ensure!(
        run.code == Some(2) && run.err.contains("all.yaml:5"),
        "{}",
        run.said()
    );
    Ok(())
}

const USERS: &str = "apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata: {name: acme, namespace: idp}
spec:
  domain: acme.localhost
  allowedNamespaces: {from: All}
  signing: {keySecretRef: {name: own}}
  endpoint: {enabled: true}
  login:
    connections:
    - {name: staff, users: {secretRef: {name: staff}}}
    - {name: guests, users: {secretRef: {name: guests}}}
    - {name: corp, oidc: {issuer: https://id.example.com, clientId: acme, clientSecretRef: {name: guests}}}
---
apiVersion: v1
kind: Secret
metadata: {name: guests, namespace: idp}
stringData: {eve: '{\"password_hash\":\"plain\"}'}
---
apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: web, namespace: shop}
spec:
  tenantRef: {name: acme, namespace: idp}
  type: Web
  firstParty: true
  redirectUris: [https://shop.example.com/callback]
";

#[tokio::test]
async fn what_dev_notes_is_found() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("all.yaml"), USERS)?;
    let dev = Dev::start(folder.path(), &[]).await?;
    let log = dev.log()?;
    let notes = log.lines().filter_map(|line| line.split_once("note: "));
    let notes: Vec<&str> = notes.map(|(_, note)| note).collect();
    ensure!(notes.len() == 5, "{log}");
    let manifests = dev.manifests.to_string_lossy().into_owned();
    let run = mintage(&["lint", &manifests, "-o", "json"]).await?;
    let findings = run.json()?;
    let findings = findings.as_array().context("no list")?;
    for note in notes {
        let found = findings.iter().find(|finding| {
            let text = finding["text"].as_str().unwrap_or_default();
            !text.is_empty() && note.contains(text)
        });
        let found = found.with_context(|| format!("{note} is not in {findings:?}"))?;
        ensure!(found["line"].as_u64() > Some(1), "{found}");
        if let Some((_, place)) = note.rsplit_once("   (") {
            let at = format!(
                "{}:{})",
                found["file"].as_str().unwrap_or_default(),
                found["line"]
            );
            ensure!(place == at, "{place} {at}");
        }
    }
    ensure!(
        log.contains(&format!("--file {manifests}/staff.yaml` makes it")),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn notes_are_no_reason_to_fail() -> Result<()> {
    let text = format!("{TENANT}  signing: {{keySecretRef: {{name: own}}}}\n");
    let run = lint(&text, &["--deny", "warnings"]).await?;
    ensure!(
        run.code == Some(0)
            && run.out.contains("all.yaml:6: note [key-secret-elsewhere]")
            && run.out.contains("0 errors, 0 warnings, 1 note;"),
        "{}",
        run.said()
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_address_is_named_and_a_folder_without_manifests_is_none() -> Result<()> {
    let application = "apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: web, namespace: idp}
spec:
  tenantRef: {name: acme, namespace: idp}
  type: Web
  redirectUris: [https://a.example.com]
  webOrigins:
  - https://a.example.com
  - https://a.example.com:443
";
    let text = format!(
        "{TENANT}  endpoint: {{enabled: true}}\n  login: {{connections: [{{name: a, users: {{secretRef: {{name: a}}}}}}]}}\n---\n{application}"
    );
    let run = lint(&text, &["-o", "json"]).await?;
    let findings = run.json()?;
    let found = findings.as_array().context("no list")?.iter();
    let mut found = found.filter(|finding| finding["code"] == "address-invalid");
    let found = found.next().context("not found")?;
    ensure!(
        found["field"] == "spec.webOrigins[1]" && found["line"] == 18,
        "{found}"
    );
    ensure!(
        !found["text"].as_str().context("no text")?.contains("spec."),
        "{found}"
    );
    let run = lint(TENANT, &["--allow", "nope"]).await?;
    ensure!(
        run.err.contains("`mintage explain` lists all"),
        "{}",
        run.err
    );
    let run = lint(&TENANT.replace("acme.localhost", "Acme"), &["-o", "json"]).await?;
    let problems = run.json()?;
    ensure!(
        run.code == Some(2)
            && problems[0]["line"] == 5
            && problems[0]["code"] == "manifest-invalid",
        "{problems}"
    );
    for command in ["lint", "dev"] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().to_string_lossy().into_owned();
        let run = mintage(&[command, &path]).await?;
        ensure!(
            run.code == Some(2) && run.err.contains("there is no Tenant in"),
            "{}",
            run.said()
        );
    }
    Ok(())
}
