//! Keys are rotated again and again while workloads call each other.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::within;
use mintage_tests::operator::NAMESPACE;
use mintage_tests::stage::{Report, Stage};

use super::traffic::Traffic;
use super::{CHECKOUT, ORDERS};

/// How often.
pub const ROTATIONS: u32 = 10;

/// How long a key is known before it signs: several times what a Secret takes to reach a pod here.
const DELAY: &str = "30s";

/// How long a rotation may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    shorten(stage).await?;
    let traffic = Traffic::begin(stage, report).await?;
    let before = traffic.tally()?;
    let mut seen = BTreeSet::new();
    for number in 1..=ROTATIONS {
        // The operator is away for every other one, and gone when it is asked for.
        let away = number % 2 == 0;
        let how = if away {
            "asked for while no operator runs"
        } else {
            "asked for"
        };
        let what = format!("rotation {number} of {ROTATIONS}, {how}: no good token is refused");
        let rotate = async {
            seen.insert(kid(stage).await?);
            if away {
                scale(stage, 0).await?;
            }
            ask(stage).await?;
            if away {
                traffic.flows().await?;
                scale(stage, 2).await?;
            }
            another_signs(stage, &mut seen).await?;
            traffic.flows().await?;
            traffic.no_bad_since(before.bad.len())
        };
        report.step(what, rotate).await?;
    }
    let good = traffic.no_bad_since(before.bad.len())? - before.good;
    report
        .step(format!("{good} calls succeeded, and none failed"), async {
            Ok(())
        })
        .await
}

/// Waits until a key signs that was not seen before. Of those that were, one may sign again: the next one is put off where a
/// sidecar has not heard of it, and another may hear of that late.
pub async fn another_signs(stage: &Stage, seen: &mut BTreeSet<String>) -> Result<()> {
    within(PATIENCE, "another key signs", async || {
        let kid = kid(stage).await?;
        ensure!(seen.insert(kid), "of those that signed, one signs still");
        Ok(())
    })
    .await
}

/// Has keys sign soon after they are published.
pub async fn shorten(stage: &Stage) -> Result<()> {
    let patch = format!(r#"{{"spec":{{"signing":{{"propagationDelay":"{DELAY}"}}}}}}"#);
    let arguments = ["patch", "tenant", "acme", "--type=merge", "--patch", &patch];
    stage.kubectl("identity", &arguments).await?;
    Ok(())
}

/// The key of the newest token.
pub async fn kid(stage: &Stage) -> Result<String> {
    let (namespace, name) = CHECKOUT;
    let url = "http://api.orders.svc.cluster.local/";
    let answer = stage
        .one(namespace, name, &["call", url, ORDERS, ""])
        .await?;
    Ok(answer["kid"]
        .as_str()
        .with_context(|| answer.to_string())?
        .to_owned())
}

/// Asks for new keys.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever asks for a rotation says when"
)]
pub async fn ask(stage: &Stage) -> Result<()> {
    let now = jiff::Timestamp::now().as_second();
    let annotation = format!("mintage.dev/rotate-now={now}");
    let arguments = ["annotate", "tenant", "acme", "--overwrite", &annotation];
    stage.kubectl("identity", &arguments).await?;
    Ok(())
}

async fn scale(stage: &Stage, replicas: u8) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    stage
        .kubectl(NAMESPACE, &["scale", "deployment/mintage", &replicas])
        .await?;
    let ready = ["rollout", "status", "deployment/mintage", "--timeout=90s"];
    stage.kubectl(NAMESPACE, &ready).await?;
    Ok(())
}
