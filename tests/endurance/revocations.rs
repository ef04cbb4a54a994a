//! Keys are revoked while workloads call each other.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::{throughout, within};
use mintage_tests::stage::{Report, Stage, say};
use serde_json::Value;
use tokio::time::Instant;

use super::rotations::{kid, shorten};
use super::traffic::Traffic;
use super::{CHECKOUT, ORDERS};

/// How often.
const REVOCATIONS: u32 = 3;

/// How long one may take to reach everybody, and the next key to sign. The report says how long the first took.
const PATIENCE: Duration = Duration::from_secs(90);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    shorten(stage).await?;
    let traffic = Traffic::begin(stage, report).await?;
    let mut revoked = Revoked::default();
    for number in 1..=REVOCATIONS {
        let what = format!(
            "revocation {number} of {REVOCATIONS}: its tokens are refused from then on, and others are not"
        );
        report
            .step(what, one(stage, &traffic, &mut revoked))
            .await?;
    }
    Ok(())
}

/// The keys that were revoked so far.
#[derive(Default)]
pub struct Revoked(BTreeSet<String>);

impl Revoked {
    /// Revokes the key that signs now; a token of before.
    pub async fn next(&mut self, stage: &Stage) -> Result<String> {
        let (namespace, name) = CHECKOUT;
        let given = stage.one(namespace, name, &["ask", ORDERS]).await?;
        let token = given["body"]["access_token"].as_str();
        let token = token.with_context(|| given.to_string())?.to_owned();
        self.0.insert(kid(stage).await?);
        let all: Vec<_> = self.0.iter().map(String::as_str).collect();
        let annotation = format!("mintage.dev/revoke-key={}", all.join(","));
        let arguments = ["annotate", "tenant", "acme", "--overwrite", &annotation];
        stage.kubectl("identity", &arguments).await?;
        Ok(token)
    }

    /// A token under a key that was revoked, or none, since the next key may not sign before everybody knows it.
    fn explains(&self, bad: &Value) -> bool {
        let kid = bad["answer"]["kid"].as_str();
        let ungiven = &bad["answer"]["refused"];
        kid.is_some_and(|kid| self.0.contains(kid))
            || ungiven["body"]["error"] == "temporarily_unavailable"
    }
}

/// One revocation, and what comes of it.
pub async fn one(stage: &Stage, traffic: &Traffic<'_>, revoked: &mut Revoked) -> Result<()> {
    let old = kid(stage).await?;
    let token = revoked.next(stage).await?;
    let judged = async || refused(stage, "deployment/api", &token).await;
    let asked = Instant::now();
    within(PATIENCE, "the token is refused", judged).await?;
    say(&format!("refused {:?} after the patch", asked.elapsed()));
    within(PATIENCE, "another key signs", async || {
        let new = kid(stage).await?;
        ensure!(new != old, "{old} signs still");
        Ok(())
    })
    .await?;
    throughout(Duration::from_secs(15), "the token is refused", judged).await?;
    traffic.flows().await?;
    only_revoked(traffic, revoked)
}

/// Whether a token is refused by a pod of its API.
pub async fn refused(stage: &Stage, pod: &str, token: &str) -> Result<()> {
    let verdict = stage.one("orders", pod, &["judge", ORDERS, token]).await?;
    let refused = verdict["active"] == false && verdict["validate"]["status"] == 401;
    ensure!(refused, "{verdict}");
    Ok(())
}

/// No call failed but with a token that was to be refused.
pub fn only_revoked(traffic: &Traffic<'_>, revoked: &Revoked) -> Result<()> {
    for bad in traffic.tally()?.bad {
        ensure!(revoked.explains(&bad), "a good token was refused: {bad}");
    }
    Ok(())
}
