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
    let mut revoked = BTreeSet::new();
    for number in 1..=REVOCATIONS {
        let what = format!(
            "revocation {number} of {REVOCATIONS}: its tokens are refused from then on, and others are not"
        );
        let revoke = async {
            let (namespace, name) = CHECKOUT;
            let given = stage.one(namespace, name, &["ask", ORDERS]).await?;
            let token = given["body"]["access_token"].as_str();
            let token = token.with_context(|| given.to_string())?;
            let old = kid(stage).await?;
            revoked.insert(old.clone());
            let all: Vec<_> = revoked.iter().map(String::as_str).collect();
            let annotation = format!("mintage.dev/revoke-key={}", all.join(","));
            stage
                .kubectl(
                    "identity",
                    &["annotate", "tenant", "acme", "--overwrite", &annotation],
                )
                .await?;
            let judged = async || {
                let verdict = stage
                    .one("orders", "deployment/api", &["judge", ORDERS, token])
                    .await?;
                let refused = verdict["active"] == false && verdict["validate"]["status"] == 401;
                ensure!(refused, "{verdict}");
                Ok(())
            };
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
            for bad in traffic.tally()?.bad {
                ensure!(
                    is_of_revoked(&bad, &revoked),
                    "a good token was refused: {bad}"
                );
            }
            Ok(())
        };
        report.step(what, revoke).await?;
    }
    Ok(())
}

/// A token under a key that was revoked, or none, since the next key may not sign before everybody knows it.
fn is_of_revoked(bad: &Value, revoked: &BTreeSet<String>) -> bool {
    let kid = bad["answer"]["kid"].as_str();
    let ungiven = &bad["answer"]["refused"];
    kid.is_some_and(|kid| revoked.contains(kid))
        || ungiven["body"]["error"] == "temporarily_unavailable"
}
