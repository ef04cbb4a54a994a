//! `mintage keys rotate | revoke`, with a running `dev` and without.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_tests::dev::Dev;
use mintage_tests::mintage::{Run, mintage};
use mintage_tests::quickstart;
use serde_json::Value;

const ORDERS: &str = "https://orders.example.com";
const ALSO: [&str; 2] = ["--also", "orders/api=127.0.0.1:0"];

async fn start() -> Result<Dev> {
    Dev::start(&quickstart(), &ALSO).await
}

async fn keys(dev: &Dev, arguments: &[&str]) -> Result<Run> {
    let state = dev.state.to_string_lossy();
    mintage(&[&["keys", "--state-dir", &state, "-o", "json"], arguments].concat()).await
}

/// The key that signed a token.
fn kid(token: &str) -> Result<String> {
    let header = token.split('.').next().context("no header")?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    Ok(header["kid"].as_str().context("no kid")?.to_owned())
}

/// The keys that sign, of everybody.
async fn active(dev: &Dev) -> Result<BTreeSet<String>> {
    let rows = keys(dev, &[]).await?.json()?;
    let rows = rows.as_array().context("no list")?;
    let active = rows.iter().filter(|row| row["state"] == "Active");
    Ok(active.map(|row| row["kid"].to_string()).collect())
}

#[tokio::test]
async fn a_token_of_a_revoked_key_is_refused_and_another_key_signs() -> Result<()> {
    let mut dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    let kid = kid(&token)?;
    ensure!(dev.validate(1, &token).await?.0 == 200);
    let before = fs::read_to_string(dev.manifests.join("tenants.yaml"))?;

    let run = keys(&dev, &["revoke", &kid]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let answer = run.json()?;
    ensure!(answer["running"] == true, "{answer}");
    ensure!(answer["newKeys"][0]["namespace"] == "shop", "{answer}");
    // It is in force when the command ends.
    let (status, challenge) = dev.validate(1, &token).await?;
    ensure!(
        status == 401 && challenge.contains("key-revoked"),
        "{challenge}"
    );
    let after = dev.token(0, ORDERS).await?;
    ensure!(dev.validate(1, &after).await?.0 == 200);

    // It stays so over a restart, and nobody wrote to the manifests.
    dev.restart(&ALSO).await?;
    ensure!(dev.validate(1, &token).await?.0 == 401);
    ensure!(dev.validate(1, &after).await?.0 == 200);
    ensure!(fs::read_to_string(dev.manifests.join("tenants.yaml"))? == before);
    Ok(())
}

#[tokio::test]
async fn a_rotation_makes_new_keys_sign_and_tokens_stay_good() -> Result<()> {
    let dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    let before = active(&dev).await?;
    let run = keys(&dev, &["rotate", "identity/acme", "--namespace", "shop"]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let after = dev.token(0, ORDERS).await?;
    ensure!(kid(&after)? != kid(&token)?, "the old key signs");
    for token in [&token, &after] {
        ensure!(dev.validate(1, token).await?.0 == 200);
    }
    // Those of nobody else, and each once.
    let now = active(&dev).await?;
    let new: Vec<_> = now.difference(&before).collect();
    let rows = run.json()?;
    let rows = rows["newKeys"].as_array().context("no keys")?.clone();
    ensure!(rows.len() == new.len(), "{rows:?}");
    ensure!(
        rows.iter().all(|row| row["namespace"] == "shop"),
        "{rows:?}"
    );

    let run = keys(&dev, &["rotate"]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let all = active(&dev).await?;
    ensure!(all.is_disjoint(&now), "some key was not replaced");
    Ok(())
}

#[tokio::test]
async fn with_a_delay_the_next_key_waits_and_the_old_one_signs() -> Result<()> {
    let options = [&ALSO[..], &["--propagation-delay", "1h"]].concat();
    let dev = Dev::start(&quickstart(), &options).await?;
    let token = dev.token(0, ORDERS).await?;
    let run = keys(&dev, &["rotate", "identity/acme"]).await?.json()?;
    let new = run["newKeys"].as_array().context("no keys")?;
    ensure!(
        !new.is_empty() && new.iter().all(|key| key["state"] == "Next"),
        "{run}"
    );
    ensure!(kid(&dev.token(0, ORDERS).await?)? == kid(&token)?);
    Ok(())
}

#[tokio::test]
async fn without_a_running_dev_it_is_done_at_once_and_the_next_start_follows() -> Result<()> {
    let mut dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    dev.stop().await?;
    let run = keys(&dev, &["revoke", &kid(&token)?]).await?;
    ensure!(
        run.code == Some(0) && run.json()?["running"] == false,
        "{}",
        run.said()
    );
    let rows = keys(&dev, &[]).await?.json()?;
    let revoked = |row: &&Value| row["state"] == "Revoked";
    ensure!(
        rows.as_array()
            .into_iter()
            .flatten()
            .filter(revoked)
            .count()
            == 1,
        "{rows}"
    );
    let run = keys(&dev, &["rotate", "identity/globex"]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let before = active(&dev).await?;

    dev.restart(&ALSO).await?;
    let (status, challenge) = dev.validate(1, &token).await?;
    ensure!(
        status == 401 && challenge.contains("key-revoked"),
        "{challenge}"
    );
    ensure!(dev.validate(1, &dev.token(0, ORDERS).await?).await?.0 == 200);
    // One that was asked for in the second of its key's publication waits for the next.
    mintage_tests::dev::eventually("globex has a new key", async || {
        let replaced = before.difference(&active(&dev).await?).count();
        Ok((replaced == 1).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_request_left_behind_is_carried_out_by_the_next_start() -> Result<()> {
    let mut dev = start().await?;
    let token = dev.token(0, ORDERS).await?;
    dev.stop().await?;
    // Whoever asked was killed after asking.
    let folder = dev.state.join("requests");
    fs::create_dir_all(&folder)?;
    let request = format!("{{\"ask\":\"revoke\",\"kid\":\"{}\"}}", kid(&token)?);
    fs::write(folder.join("0a.json"), request)?;
    fs::write(folder.join("0b.json"), "{\"ask\":")?;
    dev.restart(&ALSO).await?;
    mintage_tests::dev::eventually("the token is refused", async || {
        Ok((dev.validate(1, &token).await?.0 == 401).then_some(()))
    })
    .await?;
    mintage_tests::dev::eventually("the requests are gone", async || {
        Ok((!folder.join("0a.json").exists() && !folder.join("0b.json").exists()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_changes_nothing() -> Result<()> {
    let mut dev = start().await?;
    let kid = kid(&dev.token(0, ORDERS).await?)?;
    let typo = format!("{}x", &kid[..kid.len() - 1]);
    for running in [true, false] {
        if !running {
            dev.stop().await?;
        }
        let state = fs::read(dev.state.join("state.json"))?;
        for (arguments, words) in [
            (vec!["revoke", typo.as_str()], kid.as_str()),
            (vec!["revoke", "a b"], "must be 1 to 64 characters"),
            (vec!["rotate", "identity/none"], "identity/acme"),
            (vec!["rotate", "--namespace", "none"], "namespace shop"),
        ] {
            let run = keys(&dev, &arguments).await?;
            ensure!(
                run.code == Some(2) && run.err.contains(words),
                "{arguments:?}: {}",
                run.said()
            );
        }
        ensure!(fs::read(dev.state.join("state.json"))? == state);
    }
    Ok(())
}

#[tokio::test]
async fn requests_and_answers_are_nobody_elses() -> Result<()> {
    let dev = start().await?;
    let run = keys(&dev, &["rotate", "identity/globex"]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let folder = dev.state.join("requests");
    ensure!(fs::metadata(&folder)?.permissions().mode() & 0o777 == 0o700);
    ensure!(
        fs::read_dir(&folder)?.count() == 0,
        "something was left behind"
    );
    // What is asked while nobody answers is seen in passing.
    let mut dev = dev;
    for _ in 0..5 {
        let asking = tokio::spawn(async move {
            let run = keys(&dev, &["rotate", "identity/globex"]).await;
            (dev, run)
        });
        let mut modes = BTreeSet::new();
        while !asking.is_finished() {
            for entry in fs::read_dir(&folder)?.flatten() {
                if let Ok(metadata) = entry.metadata() {
                    modes.insert(metadata.permissions().mode() & 0o777);
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (back, run) = asking.await?;
        dev = back;
        ensure!(run?.code == Some(0));
        if !modes.is_empty() {
            ensure!(modes == BTreeSet::from([0o600]), "{modes:?}");
            return Ok(());
        }
    }
    anyhow::bail!("no request was seen in passing")
}
