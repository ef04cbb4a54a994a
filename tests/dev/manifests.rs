//! Manifests in, rules in force.

use std::fs;

use anyhow::{Result, ensure};
use mintage_tests::dev::{Dev, binary, eventually};
use mintage_tests::quickstart;

const ORDERS: &str = "https://orders.example.com";

#[tokio::test]
async fn an_edit_is_in_force_within_a_second_and_a_broken_one_is_not_taken_up() -> Result<()> {
    let dev = Dev::start(&quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    let ask = async |scope| dev.ask(0, &[("audience", ORDERS), ("scope", scope)]).await;
    ensure!(ask("read:orders").await?.0 == 200);
    ensure!(ask("delete:orders").await?.0 == 403);

    // A new scope and its grant.
    dev.edit("orders.yaml", |text| {
        text.replace(
            "    - name: write:orders\n",
            "    - name: delete:orders\n    - name: write:orders\n",
        )
        .replace(
            "[read:orders, write:orders]",
            "[read:orders, delete:orders]",
        )
    })?;
    eventually("the new scope is granted", async || {
        Ok((ask("delete:orders").await?.0 == 200).then_some(()))
    })
    .await?;
    let (status, answer) = ask("write:orders").await?;
    ensure!(status == 403, "{answer}");
    let text = answer["error_description"].as_str().unwrap_or_default();
    ensure!(
        text.starts_with("Client has not been granted scopes: write:orders"),
        "{text}"
    );

    // A broken edit: said with file, line, field and mend, and nothing else changes.
    dev.edit("orders.yaml", |text| {
        text.replace("tokenLifetimeSeconds: 3600", "tokenLifetimeSeconds: 30")
    })?;
    let said = eventually("the problem is said", async || {
        let log = dev.log()?;
        Ok(log.contains("tokenLifetimeSeconds").then_some(log))
    })
    .await?;
    ensure!(
        said.contains("orders.yaml:") && said.contains("the last good state stays"),
        "{said}"
    );
    ensure!(ask("delete:orders").await?.0 == 200);

    // What may not change is refused, too, as the API server would.
    dev.edit("orders.yaml", |text| {
        text.replace("tokenLifetimeSeconds: 30", "tokenLifetimeSeconds: 3600")
            .replace(ORDERS, "https://other.example.com")
    })?;
    eventually("the change of an identifier is refused", async || {
        Ok(dev
            .log()?
            .contains("identifier can't be changed")
            .then_some(()))
    })
    .await?;
    ensure!(ask("delete:orders").await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn a_grant_taken_back_ends_issuing_and_its_tokens_live_on_until_revoke_now() -> Result<()> {
    let dev = Dev::start(&quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    let token = dev.token(0, ORDERS).await?;
    ensure!(dev.validate(1, &token).await?.0 == 200);
    dev.edit("orders.yaml", |text| {
        text.replace(
            "scopes: [read:orders, write:orders]",
            "scopes: [read:orders]",
        )
    })?;
    let ask = async || {
        dev.ask(0, &[("audience", ORDERS), ("scope", "write:orders")])
            .await
    };
    eventually("the scope is no longer granted", async || {
        Ok((ask().await?.0 == 403).then_some(()))
    })
    .await?;
    ensure!(
        dev.validate(1, &token).await?.0 == 200,
        "a good token was refused"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_valid_and_not_allowed_is_reported_and_not_served() -> Result<()> {
    let dev = Dev::start(&quickstart(), &[]).await?;
    fs::write(
        dev.manifests.join("stranger.yaml"),
        "apiVersion: mintage.dev/v1alpha1\nkind: ApiAudience\nmetadata: {name: ledger, namespace: sandbox}\nspec:\n  \
         tenantRef: {name: acme, namespace: identity}\n  identifier: https://ledger.example.com\n  grants:\n  \
         - workload: {namespace: shop, serviceAccount: checkout}\n",
    )?;
    eventually("it is reported", async || {
        let log = dev.log()?;
        Ok((log.contains("NOT SERVED  ApiAudience   sandbox/ledger")
            && log.contains("NamespaceNotAllowed"))
        .then_some(()))
    })
    .await?;
    ensure!(
        dev.ask(0, &[("audience", "https://ledger.example.com")])
            .await?
            .0
            == 403
    );
    ensure!(dev.ask(0, &[("audience", ORDERS)]).await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn a_workload_of_a_namespace_that_no_tenant_admits_is_told_so() -> Result<()> {
    let Err(error) = Dev::start(&quickstart(), &["--as", "sandbox/job"]).await else {
        anyhow::bail!("it started");
    };
    ensure!(
        format!("{error:#}").contains("no tenant admits namespace sandbox"),
        "{error:#}"
    );
    Ok(())
}

#[tokio::test]
async fn bad_manifests_end_the_start_with_code_2_and_every_problem() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let manifests = dir.path().join("m");
    fs::create_dir(&manifests)?;
    fs::write(
        manifests.join("bad.yaml"),
        "apiVersion: mintage.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme, namespace: identity}\nspec:\n  domain: ACME.example.com\n  colour: red\n",
    )?;
    let run = tokio::process::Command::new(binary("mintage")?)
        .arg("dev")
        .arg(&manifests)
        .arg("--state-dir")
        .arg(dir.path().join("state"))
        .output()
        .await?;
    let said = String::from_utf8(run.stderr)?;
    ensure!(run.status.code() == Some(2), "{said}");
    for part in [
        "bad.yaml:5: spec.domain",
        "bad.yaml:6: spec.colour",
        "2 problems",
    ] {
        ensure!(said.contains(part), "{part} is not in:\n{said}");
    }
    ensure!(
        !dir.path().join("state").exists(),
        "a state folder was made for manifests that cannot run"
    );
    Ok(())
}

#[tokio::test]
async fn without_as_it_is_the_workload_with_the_most_grants_here_or_not() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(
        dir.path().join("all.yaml"),
        "apiVersion: mintage.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme, namespace: acme}\nspec: {domain: acme.localhost}\n---\n\
         apiVersion: mintage.dev/v1alpha1\nkind: ApiAudience\nmetadata: {name: orders, namespace: acme}\nspec:\n  \
         tenantRef: {name: acme, namespace: acme}\n  identifier: https://orders.example.com\n  grants:\n  \
         - workload: {namespace: elsewhere, serviceAccount: a}\n  - workload: {namespace: acme, serviceAccount: w}\n",
    )?;
    let dev = Dev::start(dir.path(), &[]).await?;
    let log = dev.log()?;
    ensure!(log.contains("as acme/w (tenant acme/acme)"), "{log}");
    ensure!(dev.ask(0, &[("audience", ORDERS)]).await?.0 == 200);
    Ok(())
}
