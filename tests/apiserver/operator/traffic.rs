//! Rotation under traffic: pods that hear of everything late, each in its own time, issue and validate each other's
//! tokens all the while.
//!
//! ```text
//!  operator ──► Secrets ──► a wait per pod and Secret ──► 6 sidecars: 4 issue, 4 validate, 2 do both
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use futures::future::try_join_all;
use mintage_tests::feed::Feed;
use mintage_tests::operator::Options;
use mintage_tests::pod::{Sidecar, header};
use mintage_tests::volume::Volume;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::scene::{PATIENCE, Scene};

/// How long news takes to arrive at most, by what the tenant is told.
const DELAY: &str = "7s";

/// How long it takes at most to the folder of a pod. The rest is for the second that clocks of whole seconds may take
/// off, and for what the operator's writes and the sidecars' reading take on a busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

const ROTATIONS: usize = 5;

/// Each pod, and the API that it may accept tokens for.
const PODS: [(&str, Option<&str>); 6] = [
    ("shop/web", Some(SHOP)),
    ("shop/app", Some(SHOP)),
    ("billing/web", None),
    ("billing/job", None),
    ("orders/first", Some(ORDERS)),
    ("orders/second", Some(ORDERS)),
];

const ISSUERS: [&str; 4] = ["shop/web", "shop/app", "billing/web", "billing/job"];

const SHOP: &str = "https://shop.test";
const ORDERS: &str = "https://orders.test";

/// The time between two rounds of tokens.
const TICK: Duration = Duration::from_millis(500);

/// At which ages each token is shown to each of its validators; and once more at the end.
const AGES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(25),
];

struct Pod {
    name: &'static str,
    accepts: Option<&'static str>,
    feed: Feed,
    sidecar: Sidecar,
}

struct Token {
    text: String,
    kid: String,
    audience: &'static str,
    issued: Instant,
    /// How many of [`AGES`] are over.
    shown: usize,
}

#[derive(Debug, Default)]
struct Totals {
    issued: usize,
    keys: BTreeSet<String>,
    checks: usize,
    good_refused: Vec<String>,
    revoked_refused: usize,
    /// By validators that had not heard yet.
    revoked_accepted_before_arrival: usize,
    revoked_accepted_after_arrival: Vec<String>,
    not_issued: usize,
}

struct Traffic {
    pods: Vec<Pod>,
    tokens: Vec<Token>,
    /// The key that signs for each issuer and audience.
    signs: BTreeMap<(&'static str, &'static str), String>,
    revoked: Option<String>,
    totals: Totals,
}

impl Traffic {
    async fn start(scene: &Scene, dir: &std::path::Path) -> Result<Self> {
        let mut pods = Vec::new();
        for (seed, (name, accepts)) in (1..).zip(PODS) {
            let (namespace, _) = name.split_once('/').context("<namespace>/<name>")?;
            let folder = dir.join(name.replace('/', "-"));
            let volume = Volume::new(scene.client.clone(), namespace, "identity/acme", &folder)?;
            let feed = Feed::start(volume, LONGEST_WAIT, seed).await?;
            let sidecar = Sidecar::start(feed.dir(), name, &[]).await?;
            pods.push(Pod {
                name,
                accepts,
                feed,
                sidecar,
            });
        }
        Ok(Self {
            pods,
            tokens: Vec::new(),
            signs: BTreeMap::new(),
            revoked: None,
            totals: Totals::default(),
        })
    }

    /// Goes on until something holds, and fails if it does not come to hold.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            ensure!(
                Instant::now() < end,
                "{what}: it did not come to pass; {:?}",
                self.signs
            );
            self.round().await?;
        }
        Ok(())
    }

    /// A token from every issuer for every API; and each token that has come to the age is shown to its validators.
    async fn round(&mut self) -> Result<()> {
        let next = Instant::now() + TICK;
        for pod in &mut self.pods {
            pod.feed.goes_on().await?;
        }
        self.issue().await?;
        let now = Instant::now();
        let mut due = Vec::new();
        for (index, token) in self.tokens.iter_mut().enumerate() {
            // A round that came late shows a token once, not once for each age that it missed.
            let shown = AGES.partition_point(|age| now >= token.issued + *age);
            if shown > token.shown {
                token.shown = shown;
                due.push(index);
            }
        }
        self.show(&due).await?;
        sleep_until(next).await;
        Ok(())
    }

    async fn issue(&mut self) -> Result<()> {
        let issuers = self.pods.iter().filter(|pod| ISSUERS.contains(&pod.name));
        let asked = issuers.flat_map(|pod| [SHOP, ORDERS].map(|audience| (pod, audience)));
        let answers = asked.map(async |(pod, audience)| {
            let token = pod.sidecar.token(audience).await;
            (pod.name, audience, token)
        });
        for (issuer, audience, token) in futures::future::join_all(answers).await {
            match token {
                Ok(text) => {
                    let kid = header(&text)?["kid"].as_str().context("no kid")?.to_owned();
                    self.signs.insert((issuer, audience), kid.clone());
                    self.totals.issued += 1;
                    self.totals.keys.insert(kid.clone());
                    self.tokens.push(Token {
                        text,
                        kid,
                        audience,
                        issued: Instant::now(),
                        shown: 0,
                    });
                }
                // Until the successor of a revoked key has been published long enough, nothing may sign.
                Err(_) if self.revoked.is_some() && issuer.starts_with("shop/") => {
                    self.totals.not_issued += 1;
                }
                Err(error) => bail!("{issuer} gives no token for {audience}: {error:#}"),
            }
        }
        Ok(())
    }

    /// Shows tokens to all of their validators, and judges the verdicts.
    async fn show(&mut self, tokens: &[usize]) -> Result<()> {
        // What a validator has loaded before it is asked it knows when it is asked.
        let known = try_join_all(self.pods.iter().map(async |pod| -> Result<_> {
            let version = pod.sidecar.bundle_version().await?;
            let revoked = pod.feed.revoked_by(version);
            revoked.with_context(|| format!("{} has loaded version {version}", pod.name))
        }))
        .await?;
        let checks = tokens.iter().flat_map(|index| {
            let token = &self.tokens[*index];
            let pods = self.pods.iter().zip(&known);
            let validators = pods.filter(|(pod, _)| pod.accepts == Some(token.audience));
            validators.map(move |(pod, revoked)| (token, pod, revoked))
        });
        let checks = checks.map(async |(token, pod, revoked)| -> Result<_> {
            let answer = pod.sidecar.validate(&token.text).await?;
            let (status, text) = (answer.status().as_u16(), answer.text().await?);
            Ok((token, pod, revoked.contains(&token.kid), status, text))
        });
        let verdicts: Vec<_> = futures::stream::iter(checks)
            .buffer_unordered(16)
            .collect()
            .await;
        let totals = &mut self.totals;
        for verdict in verdicts {
            let (token, pod, has_heard, status, text) = verdict?;
            totals.checks += 1;
            let said = || {
                let age = token.issued.elapsed();
                format!("{} at {age:?}, {}: {status} {text}", pod.name, token.kid)
            };
            let is_revoked = self.revoked.as_ref() == Some(&token.kid);
            match (is_revoked, status) {
                (false, 200) => {}
                (false, _) => totals.good_refused.push(said()),
                (true, 401) => totals.revoked_refused += 1,
                (true, 200) if has_heard => totals.revoked_accepted_after_arrival.push(said()),
                (true, 200) => totals.revoked_accepted_before_arrival += 1,
                (true, _) => bail!("{}", said()),
            }
        }
        Ok(())
    }

    /// Whether every validator of an API has loaded what revokes a key.
    async fn all_have_heard(&self, audience: &str, kid: &str) -> Result<bool> {
        let pods = self.pods.iter();
        let validators = pods.filter(|pod| pod.accepts == Some(audience));
        let heard = validators.map(async |pod| -> Result<bool> {
            let version = pod.sidecar.bundle_version().await?;
            let revoked = pod.feed.revoked_by(version).context("not fed by us")?;
            Ok(revoked.contains(kid))
        });
        Ok(try_join_all(heard).await?.into_iter().all(|heard| heard))
    }
}

async fn set(scene: &Scene) -> Result<()> {
    scene.namespace("identity", &json!({})).await?;
    for namespace in ["shop", "billing", "orders"] {
        scene.opted_in(namespace).await?;
    }
    scene
        .tenant(
            "identity/acme",
            json!({
                "domain": "acme.test",
                "allowedNamespaces": {"from": "All"},
                "signing": {"propagationDelay": DELAY},
            }),
        )
        .await?;
    let grants: Vec<_> = ISSUERS
        .iter()
        .filter_map(|name| name.split_once('/'))
        .map(|(namespace, account)| {
            json!({"workload": {"namespace": namespace, "serviceAccount": account}, "scopes": ["read"]})
        })
        .collect();
    for (at, identifier, alg) in [
        ("shop/shop", SHOP, "EdDSA"),
        ("orders/orders", ORDERS, "ES256"),
    ] {
        scene
            .audience(
                at,
                json!({
                    "tenantRef": {"name": "acme", "namespace": "identity"},
                    "identifier": identifier,
                    "signingAlgorithm": alg,
                    "scopes": [{"name": "read"}],
                    "grants": grants,
                }),
            )
            .await?;
        scene.audience_ready(at).await?;
    }
    Ok(())
}

#[tokio::test]
async fn five_rotations_and_a_revocation_refuse_no_good_token_and_accept_no_revoked_one()
-> Result<()> {
    let name = "operator::traffic::five_rotations_and_a_revocation_refuse_no_good_token_and_accept_no_revoked_one";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    let _operator = scene.operator(&Options::default()).await?;
    set(&scene).await?;
    let dir = tempfile::tempdir()?;
    let mut traffic = Traffic::start(&scene, dir.path()).await?;
    traffic.round().await?;

    for rotation in 1..=ROTATIONS {
        let before = traffic.signs.clone();
        let request = json!({"mintage.dev/rotate-now": rotation.to_string()});
        scene.annotate("identity/acme", request).await?;
        let what = format!("rotation {rotation} gives every issuer another key");
        let all_anew = |traffic: &Traffic| {
            let signs = traffic.signs.iter();
            signs.clone().count() == before.len()
                && signs.clone().all(|(whose, kid)| before[whose] != *kid)
        };
        traffic.until(&what, all_anew).await?;
    }

    let revoked = traffic.signs[&("shop/web", ORDERS)].clone();
    ensure!(traffic.signs[&("shop/app", ORDERS)] == revoked);
    traffic.revoked = Some(revoked.clone());
    scene
        .annotate("identity/acme", json!({"mintage.dev/revoke-key": revoked}))
        .await?;
    let end = Instant::now() + PATIENCE;
    while !traffic.all_have_heard(ORDERS, &revoked).await? {
        ensure!(Instant::now() < end, "not everybody hears of {revoked}");
        traffic.round().await?;
    }
    let signs_again = |traffic: &Traffic| traffic.signs.values().all(|kid| *kid != revoked);
    traffic
        .until("another key takes the revoked one's place", signs_again)
        .await?;
    traffic.round().await?;
    // Whatever is alive, once more: nothing in here is older than a token may get.
    let all: Vec<usize> = (0..traffic.tokens.len()).collect();
    traffic.show(&all).await?;

    let totals = &traffic.totals;
    println!(
        "{} tokens of {} keys issued, {} checks; good ones refused: {}; of the revoked key: {} refused, {} accepted before \
         the news arrived, {} after; {} times nothing could sign",
        totals.issued,
        totals.keys.len(),
        totals.checks,
        totals.good_refused.len(),
        totals.revoked_refused,
        totals.revoked_accepted_before_arrival,
        totals.revoked_accepted_after_arrival.len(),
        totals.not_issued,
    );
    ensure!(totals.good_refused.is_empty(), "{:#?}", totals.good_refused);
    let accepted = &totals.revoked_accepted_after_arrival;
    ensure!(accepted.is_empty(), "{accepted:#?}");
    // Two APIs' keys in two namespaces, and five more of each.
    ensure!(totals.keys.len() >= 4 * (1 + ROTATIONS), "{totals:?}");
    ensure!(totals.revoked_refused > 0, "{totals:?}");
    Ok(())
}
