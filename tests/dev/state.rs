//! What is kept between runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::Dev;
use mintage_tests::quickstart;

const ORDERS: &str = "https://orders.example.com";

async fn start() -> Result<Dev> {
    Dev::start(&quickstart(), &ALSO).await
}

const ALSO: [&str; 2] = ["--also", "orders/api=127.0.0.1:0"];

fn kid(token: &str) -> &str {
    // Equal header segments mean equal keys.
    token.split('.').next().unwrap_or_default()
}

fn files(dir: &std::path::Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    Ok(all)
}

#[tokio::test]
async fn a_restart_takes_up_the_same_keys() -> Result<()> {
    let mut dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    dev.restart(&ALSO).await?;
    ensure!(dev.validate(1, &token).await?.0 == 200);
    ensure!(
        kid(&dev.token(0, ORDERS).await?) == kid(&token),
        "another key signs after a restart"
    );
    ensure!(dev.stop().await? == 0);
    ensure!(!dev.state.join("dev.json").exists());
    Ok(())
}

#[tokio::test]
async fn nobody_else_can_read_the_state() -> Result<()> {
    let dev = start().await?;
    for file in files(&dev.state)? {
        let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
        let public = file.ends_with("ca.pem");
        ensure!(
            mode == if public { 0o644 } else { 0o600 },
            "{} has mode {mode:o}",
            file.display()
        );
    }
    ensure!(fs::metadata(&dev.state)?.permissions().mode() & 0o777 == 0o700);
    ensure!(fs::read_to_string(dev.state.join(".gitignore"))? == "*\n");
    Ok(())
}

/// Damages the private keys of `shop` and starts again: tokens made before stay good, and another key signs.
async fn after_damage(damage: impl FnOnce(&std::path::Path) -> Result<()>) -> Result<String> {
    let mut dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    dev.stop().await?;
    damage(&dev.state.join("keys/shop/mintage-keys.identity.acme.json"))?;
    dev.restart(&ALSO).await?;
    ensure!(
        dev.validate(1, &token).await?.0 == 200,
        "a good token was refused"
    );
    let after = dev.token(0, ORDERS).await?;
    ensure!(kid(&after) != kid(&token));
    ensure!(dev.validate(1, &after).await?.0 == 200);
    dev.log()
}

#[tokio::test]
async fn a_deleted_key_file_is_replaced_and_its_tokens_stay_good() -> Result<()> {
    after_damage(|path| Ok(fs::remove_file(path)?))
        .await
        .map(drop)
}

#[tokio::test]
async fn a_truncated_key_file_is_said_and_replaced_and_its_tokens_stay_good() -> Result<()> {
    let log = after_damage(|path| {
        let bytes = fs::read(path)?;
        Ok(fs::write(path, &bytes[..bytes.len() / 2])?)
    })
    .await?;
    ensure!(log.contains("is damaged"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_swapped_private_key_is_said_and_replaced() -> Result<()> {
    let log = after_damage(|path| {
        // The key of another algorithm under this name: not the thumbprint it is named by.
        let mut file: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
        let keys = file["keys"].as_array_mut().context("no keys")?;
        for key in keys {
            key["pkcs8"] = "AAAA".into();
        }
        Ok(fs::write(path, file.to_string())?)
    })
    .await?;
    ensure!(log.contains("is damaged"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_damaged_state_is_never_replaced_in_silence() -> Result<()> {
    let mut dev = start().await?;
    dev.stop().await?;
    let path = dev.state.join("state.json");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, &text[..text.len() / 2])?;
    let Err(error) = dev.restart(&ALSO).await else {
        anyhow::bail!("it started")
    };
    ensure!(
        format!("{error:#}").contains("state.json is damaged"),
        "{error:#}"
    );
    Ok(())
}

#[tokio::test]
async fn two_runs_do_not_share_a_state() -> Result<()> {
    let dev = start().await?;
    let second = tokio::process::Command::new(mintage_tests::dev::binary("mintage")?)
        .arg("dev")
        .arg(&dev.manifests)
        .arg("--state-dir")
        .arg(&dev.state)
        .output()
        .await?;
    ensure!(second.status.code() == Some(2));
    ensure!(String::from_utf8(second.stderr)?.contains("another `mintage dev` uses"));
    Ok(())
}

#[tokio::test]
async fn envoy_is_answered_for_workloads_that_it_acts_as_only() -> Result<()> {
    let options = ["--ext-authz", "orders/api=127.0.0.1:0"];
    let refused = Dev::start(&quickstart(), &options).await.err();
    let said = refused.context("it runs")?.to_string();
    ensure!(said.contains("name it with --as or --also"), "{said}");
    let also = ["--also", "orders/api=127.0.0.1:0"];
    let dev = Dev::start(&quickstart(), &[also, options].concat()).await?;
    dev.ext_authz(1)?;
    ensure!(dev.ext_authz(0).is_err(), "nobody asked for it");
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_another_signs() -> Result<()> {
    let dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    ensure!(dev.validate(1, &token).await?.0 == 200);
    let jwks = dev.json(1, "/.well-known/jwks.json").await?;
    let header = token.split('.').next().context("no header")?;
    let kid = jwks["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key["kid"].as_str())
        .find(|kid| {
            use base64::Engine as _;
            let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(header)
                .unwrap_or_default();
            String::from_utf8(decoded).is_ok_and(|text| text.contains(kid))
        });
    let line = format!(
        "  name: acme\n  annotations:\n    mintage.dev/revoke-key: {}\n",
        kid.context("no kid")?
    );
    dev.edit("tenants.yaml", |text| {
        text.replacen("  name: acme\n", &line, 1)
    })?;
    let challenge = mintage_tests::dev::eventually("the token is refused", async || {
        let (status, challenge) = dev.validate(1, &token).await?;
        Ok((status == 401).then_some(challenge))
    })
    .await?;
    ensure!(challenge.contains("key-revoked"), "{challenge}");
    let after = dev.token(0, ORDERS).await?;
    ensure!(dev.validate(1, &after).await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_kept_for_a_renamed_tenant_is_said_with_the_ways_out() -> Result<()> {
    let tenant = |name: &str, annotations: &str| {
        format!(
            "apiVersion: mintage.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}, namespace: idp{annotations}}}\nspec: {{domain: acme.localhost:7743}}\n"
        )
    };
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("tenant.yaml"), tenant("acme", ""))?;
    let mut dev = Dev::start(folder.path(), &[]).await?;
    dev.stop().await?;
    dev.edit("tenant.yaml", |_| tenant("acme2", ""))?;
    let refused = dev.restart(&[]).await.err().context("it started")?;
    let said = format!("{refused:#}");
    for part in [
        "tenant idp/acme2 is not served",
        "NOT SERVED  Tenant        idp/acme2",
        "Conflict: domain acme.localhost:7743 is held by Tenant idp/acme",
        "another --state-dir, or free it by the annotation mintage.dev/release-claim: acme.localhost:7743 on Tenant idp/acme2",
    ] {
        ensure!(said.contains(part), "{part} is not in:\n{said}");
    }
    let release = ", annotations: {mintage.dev/release-claim: \"acme.localhost:7743\"}";
    dev.edit("tenant.yaml", |_| tenant("acme2", release))?;
    dev.restart(&[]).await
}
