//! `mintage why` and `mintage explain`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::Dev;
use mintage_tests::mintage::{mintage, mintage_with};
use mintage_tests::quickstart;

const ORDERS: &str = "https://orders.example.com";

/// The line of a file on which a text first stands.
fn line_of(folder: &Path, file: &str, text: &str) -> Result<usize> {
    let content = fs::read_to_string(folder.join(file))?;
    let line = content.lines().position(|line| line.contains(text));
    Ok(line.with_context(|| format!("{text} is not in {file}"))? + 1)
}

/// A copy of the quickstart with changes.
fn changed(changes: &[(&str, &str, &str)]) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    for entry in fs::read_dir(quickstart())? {
        let entry = entry?;
        let name = entry.file_name();
        let mut text = fs::read_to_string(entry.path())?;
        for (_, from, to) in changes.iter().filter(|(file, ..)| *file == name) {
            ensure!(text.contains(from), "{from} is not in {}", name.display());
            text = text.replacen(from, to, 1);
        }
        fs::write(copy.path().join(name), text)?;
    }
    Ok(copy)
}

struct Case<'a> {
    arguments: &'a [&'a str],
    code: &'a str,
    /// The step that fails.
    step: &'a str,
    /// File and text of the line that decides.
    decider: Option<(&'a str, &'a str)>,
}

async fn check(folder: &Path, case: &Case<'_>) -> Result<()> {
    let path = folder.to_string_lossy().into_owned();
    let none = folder.join("none").to_string_lossy().into_owned();
    let mut arguments = vec!["why", "grant", &path, "--state-dir", &none, "-o", "json"];
    arguments.extend(case.arguments);
    let run = mintage(&arguments).await?;
    let answer = run.json()?;
    ensure!(
        run.code == Some(1) && answer["granted"] == false,
        "{answer}"
    );
    ensure!(
        answer["code"] == case.code,
        "{:?}: {answer}",
        case.arguments
    );
    let steps = answer["steps"].as_array().context("no steps")?;
    let failed = steps.iter().find(|step| step["outcome"] == "failed");
    ensure!(
        failed.context("no step failed")?["name"] == case.step,
        "{answer}"
    );
    let place = match case.decider {
        None => serde_json::Value::Null,
        Some((file, text)) => {
            let line = line_of(folder, file, text)?;
            format!("{}:{line}", folder.join(file).display()).into()
        }
    };
    ensure!(answer["decidedBy"]["at"] == place, "{place}: {answer}");
    Ok(())
}

#[tokio::test]
async fn a_refusal_names_the_rule_and_the_line() -> Result<()> {
    // A comment on a line of its own makes that line the only one with its text.
    let folder = changed(&[(
        "tenants.yaml",
        "spec:\n  domain: globex",
        "spec: # globex\n  domain: globex",
    )])?;
    let shop: [&str; 2] = ["--as", "shop/checkout"];
    let with = |more: &[&'static str]| [&shop[..], more].concat();
    for (arguments, code, step, decider) in [
        (
            vec!["--as", "shop/other", "-a", ORDERS],
            "grant-missing",
            "grant",
            Some(("orders.yaml", "  grants:")),
        ),
        (
            with(&["-a", ORDERS, "-s", "delete:orders"]),
            "scope-not-granted",
            "scopes",
            Some(("orders.yaml", "- workload:")),
        ),
        (
            with(&["-a", ORDERS, "-s", "read:orders,write:orders\\"]),
            "scope-malformed",
            "scopes",
            None,
        ),
        (
            with(&["-a", "https://order.example.com"]),
            "audience-unknown",
            "audience",
            None,
        ),
        (
            with(&["-a", "https://acme.localhost:7743/userinfo"]),
            "audience-for-users",
            "audience",
            Some(("tenants.yaml", "domain: acme.localhost:7743")),
        ),
        (
            with(&[]),
            "audience-missing",
            "audience",
            Some(("tenants.yaml", "spec:")),
        ),
        (
            with(&["-a", ORDERS, "--domain", "other.localhost"]),
            "domain-not-served",
            "issuer",
            None,
        ),
        (
            vec!["--as", "nobody/x", "-a", ORDERS],
            "tenant-none",
            "tenant",
            None,
        ),
        (
            with(&["-a", ORDERS, "--tenant", "identity/globex"]),
            "tenant-not-admitted",
            "tenant",
            Some(("tenants.yaml", "spec: # globex")),
        ),
        (
            with(&["-a", ORDERS, "--tenant", "identity/none"]),
            "tenant-not-found",
            "tenant",
            None,
        ),
    ] {
        check(
            folder.path(),
            &Case {
                arguments: &arguments,
                code,
                step,
                decider,
            },
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_api_that_is_not_served_is_named_with_its_reason() -> Result<()> {
    let folder = changed(&[(
        "orders.yaml",
        "https://reports.example.com",
        "https://orders.example.com",
    )])?;
    // Both have the identifier; the first by name holds it.
    let path = folder.path().to_string_lossy().into_owned();
    let answer = mintage(&[
        "why",
        "grant",
        &path,
        "--as",
        "shop/checkout",
        "-a",
        ORDERS,
        "-o",
        "json",
    ])
    .await?
    .json()?;
    ensure!(
        answer["granted"] == true
            && answer["steps"][3]["place"]["resource"] == "ApiAudience orders/orders",
        "{answer}"
    );

    let folder = changed(&[(
        "orders.yaml",
        "  displayName: Orders\n",
        "  signingAlgorithm: HS256\n  issuance: Central\n",
    )])?;
    check(
        folder.path(),
        &Case {
            arguments: &["--as", "shop/checkout", "-a", ORDERS],
            code: "audience-unknown",
            step: "audience",
            decider: Some(("orders.yaml", "signingAlgorithm: HS256")),
        },
    )
    .await?;

    let folder = changed(&[(
        "tenants.yaml",
        "globex.localhost:7743",
        "acme.localhost:7743 # globex",
    )])?;
    check(
        folder.path(),
        &Case {
            arguments: &["--as", "identity/x", "--tenant", "identity/globex"],
            code: "Conflict",
            step: "tenant",
            decider: Some(("tenants.yaml", "# globex")),
        },
    )
    .await
}

#[tokio::test]
async fn broken_manifests_end_with_2() -> Result<()> {
    let folder = changed(&[(
        "orders.yaml",
        "identifier: https://orders",
        "identifier: ht tps://orders",
    )])?;
    let path = folder.path().to_string_lossy().into_owned();
    let run = mintage(&["why", "grant", &path, "--as", "shop/checkout"]).await?;
    ensure!(
        run.code == Some(2) && run.err.contains("orders.yaml:11"),
        "{}",
        run.said()
    );
    Ok(())
}

#[tokio::test]
async fn a_token_is_judged_as_the_sidecar_judges_it() -> Result<()> {
    let dev = Dev::start(&quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    let (folder, state) = (dev.manifests.to_string_lossy(), dev.state.to_string_lossy());
    let token = dev.token(0, ORDERS).await?;
    let ask = async |token: &str, more: &[&str]| {
        let mut arguments = vec![
            "why",
            "token",
            &folder,
            "-",
            "--state-dir",
            &state,
            "-o",
            "json",
        ];
        arguments.extend(more);
        mintage_with(&arguments, token, &[]).await
    };
    let run = ask(&token, &["--at", "orders/api", "-s", "read:orders"]).await?;
    let answer = run.json()?;
    ensure!(
        run.code == Some(0) && answer["accepted"] == true,
        "{answer}"
    );
    let steps = answer["steps"].as_array().context("no steps")?;
    ensure!(
        steps.iter().all(|step| step["outcome"] == "passed"),
        "{answer}"
    );
    let grant = line_of(&dev.manifests, "orders.yaml", "- workload:")?;
    let place = format!("{}/orders.yaml:{grant}", dev.manifests.display());
    ensure!(
        steps
            .iter()
            .any(|step| step["name"] == "bounds" && step["place"]["at"] == place.as_str()),
        "{place}: {answer}"
    );

    // One character of the signature is another, away from its end, where the last bits must be zero.
    let at = token.len() - 100;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    for (token, more, code) in [
        (forged.as_str(), vec!["--at", "orders/api"], "signature"),
        (&token, vec!["--at", "payments/api"], "audience"),
        (
            &token,
            vec!["--at", "orders/api", "--accept", "reports"],
            "audience",
        ),
        (&token, vec!["--at", "orders/other"], "audience-not-chosen"),
        (&token, vec!["--at", "shop/checkout"], "audience-not-chosen"),
        (
            &token,
            vec!["--at", "orders/api", "-s", "delete:orders"],
            "insufficient-scope",
        ),
        ("nonsense", vec!["--at", "orders/api"], "malformed"),
    ] {
        let run = ask(token, &more).await?;
        let answer = run.json()?;
        ensure!(run.code == Some(1), "{more:?}: {answer}");
        ensure!(answer["code"] == code, "{more:?}: {answer}");
    }
    // Where a sidecar listens, it says the same.
    let (status, challenge) = dev.validate(1, &forged).await?;
    ensure!(
        status == 401 && challenge.contains("(signature)"),
        "{challenge}"
    );

    let nowhere = dev.state.join("none").to_string_lossy().into_owned();
    let run = mintage(&[
        "why",
        "token",
        &folder,
        &token,
        "--at",
        "orders/api",
        "--state-dir",
        &nowhere,
    ])
    .await?;
    ensure!(
        run.code == Some(1) && run.out.contains("key-unknown"),
        "{}",
        run.said()
    );
    ensure!(run.out.contains("there is no state"), "{}", run.said());
    ensure!(!dev.state.join("none").exists());
    Ok(())
}

#[tokio::test]
async fn codes_are_explained() -> Result<()> {
    let all = mintage(&["explain", "-o", "json"]).await?.json()?;
    let all = all.as_array().context("no list")?;
    ensure!(all.len() > 60, "{}", all.len());
    let one = mintage(&["explain", "grant-missing"]).await?;
    ensure!(
        one.code == Some(0) && one.out.contains("spec.grants"),
        "{}",
        one.said()
    );
    let list = mintage(&["explain"]).await?;
    for entry in all {
        let code = entry["code"].as_str().context("no code")?;
        ensure!(list.out.contains(&format!("  {code} ")), "{code}");
    }
    let unknown = mintage(&["explain", "grant-mising"]).await?;
    ensure!(
        unknown.code == Some(2) && unknown.err.contains("did you mean grant-missing"),
        "{}",
        unknown.said()
    );
    Ok(())
}

/// A tenant with an endpoint, applications of each kind, and APIs.
const APPLICATIONS: &str = "apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata: {name: acme, namespace: acme}
spec: {domain: acme.localhost, endpoint: {enabled: true}}
---
apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: mach, namespace: acme}
spec: {tenantRef: {name: acme, namespace: acme}, type: Machine}
---
apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: web, namespace: acme}
spec: {tenantRef: {name: acme, namespace: acme}, type: Web, redirectUris: [https://a.example.com]}
---
apiVersion: mintage.dev/v1alpha1
kind: Application
metadata: {name: bad, namespace: acme}
spec: {tenantRef: {name: acme, namespace: acme}, type: Web, redirectUris: [https://a.example.com/../b]}
---
apiVersion: mintage.dev/v1alpha1
kind: ApiAudience
metadata: {name: orders, namespace: acme}
spec:
  tenantRef: {name: acme, namespace: acme}
  identifier: https://orders.example.com
  scopes: [{name: read}, {name: write}]
  grants:
  - application: {name: mach, namespace: acme}
    scopes: [read]
---
apiVersion: mintage.dev/v1alpha1
kind: ApiAudience
metadata: {name: curves, namespace: acme}
spec:
  tenantRef: {name: acme, namespace: acme}
  identifier: https://curves.example.com
  signingAlgorithm: ES256
  scopes: [{name: read}]
  grants:
  - application: {name: mach, namespace: acme}
    scopes: [read]
";

#[tokio::test]
async fn an_application_is_judged_as_the_endpoint_judges_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("all.yaml"), APPLICATIONS)?;
    let path = folder.path().to_string_lossy().into_owned();
    let ask = async |options: &[&str]| {
        mintage(&[&["why", "grant", &path, "-o", "json"], options].concat()).await
    };
    let granted = ask(&["--as", "acme/mach", "-a", ORDERS]).await?;
    let answer = granted.json()?;
    ensure!(granted.code == Some(0), "{answer}");
    let steps = answer["steps"].as_array().context("no steps")?;
    let step = |name: &str| steps.iter().find(|step| step["name"] == name);
    let grant = step("grant").context("no grant")?;
    ensure!(grant["place"]["field"] == "spec.grants[0]", "{answer}");
    ensure!(
        step("scopes").context("no scopes")?["text"] == "read",
        "{answer}"
    );
    let none = ["--as", "acme/mach", "-a", "https://none.example.com"];
    for (options, code) in [
        (
            vec!["--as", "acme/mach", "-a", ORDERS, "-s", "write"],
            "scope-not-granted",
        ),
        (vec!["--as", "acme/mach"], "audience-missing"),
        (none.to_vec(), "audience-unknown"),
        (
            vec!["--as", "acme/mach", "-a", "https://acme.localhost/api/v2/"],
            "grant-missing",
        ),
        (
            vec!["--as", "acme/mach", "-a", ORDERS, "--domain", "b.localhost"],
            "domain-not-served",
        ),
        (
            vec!["--as", "acme/web", "-a", ORDERS],
            "grant-type-not-allowed",
        ),
        (vec!["--as", "acme/bad", "-a", ORDERS], "InvalidAddress"),
    ] {
        let run = ask(&options).await?;
        let answer = run.json()?;
        ensure!(
            run.code == Some(1) && answer["code"] == code,
            "{options:?}: {answer}"
        );
    }
    let unsigned = ask(&["--as", "acme/mach", "-a", "https://curves.example.com"]).await?;
    let answer = unsigned.json()?;
    let steps = answer["steps"].as_array().context("no steps")?;
    let refused = steps.iter().find(|step| step["name"] == "audience");
    ensure!(answer["code"] == "audience-not-signed", "{answer}");
    ensure!(
        refused
            .is_some_and(|step| step["outcome"] == "failed"
                && step["place"]["field"] == "spec.signingAlgorithm"),
        "{answer}"
    );
    Ok(())
}
