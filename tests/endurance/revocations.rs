//! Keys are revoked while workloads call each other.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_tests::cluster::{throughout, within};
use mintage_tests::stage::{Report, Stage, say};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::rotations::{kid, shorten};
use super::traffic::Traffic;
use super::{CHECKOUT, ORDERS};

/// How often.
pub const REVOCATIONS: u32 = 3;

/// How long news take by the stream, at most.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How long they may take by the mounts, and the next key to sign. The report says how long the first took.
const PATIENCE: Duration = Duration::from_secs(90);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    shorten(stage).await?;
    let traffic = Traffic::begin(stage, report).await?;
    let mut revoked = Revoked::default();
    for number in 1..=REVOCATIONS {
        let what = format!(
            "revocation {number} of {REVOCATIONS}: {AT_ONCE:?} after the patch its tokens are refused in every pod, and others are not"
        );
        let revoke = one(stage, &traffic, &mut revoked, By::Stream);
        report.step(what, revoke).await?;
    }
    Ok(())
}

/// The keys that were revoked so far.
#[derive(Default)]
pub struct Revoked(BTreeSet<String>);

impl Revoked {
    /// Revokes the key that signs now; a token of before.
    async fn next(&mut self, stage: &Stage) -> Result<String> {
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

/// How the news come.
#[derive(Clone, Copy, Debug)]
pub enum By {
    Mounts,
    Stream,
}

/// One revocation, and what comes of it.
pub async fn one(
    stage: &Stage,
    traffic: &Traffic<'_>,
    revoked: &mut Revoked,
    by: By,
) -> Result<()> {
    let old = kid(stage).await?;
    let token = revoked.next(stage).await?;
    let judged = async || refused(stage, &token).await;
    match by {
        By::Mounts => {
            let asked = Instant::now();
            within(PATIENCE, "the token is refused", judged).await?;
            say(&format!("refused {:?} after the patch", asked.elapsed()));
        }
        By::Stream => {
            sleep(AT_ONCE).await;
            judged().await?;
        }
    }
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

/// Whether a token is refused by every pod of its API.
async fn refused(stage: &Stage, token: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), "orders");
    let selector = ListParams::default().labels("app=orders");
    let pods = pods.list(&selector).await?.items;
    ensure!(!pods.is_empty(), "orders has no pod");
    for pod in pods {
        let name = pod.name_any();
        let verdict = stage
            .one("orders", &name, &["judge", ORDERS, token])
            .await?;
        let refused = verdict["active"] == false && verdict["validate"]["status"] == 401;
        ensure!(refused, "{name}: {verdict}");
    }
    Ok(())
}

/// No call failed but with a token that was to be refused.
fn only_revoked(traffic: &Traffic<'_>, revoked: &Revoked) -> Result<()> {
    for bad in traffic.tally()?.bad {
        ensure!(revoked.explains(&bad), "a good token was refused: {bad}");
    }
    Ok(())
}
