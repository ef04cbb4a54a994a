//! The leader's loop: observe → plan → apply, as long as the Lease is held.
//!
//! ```text
//!  Snapshots, Findings, keys that are finished, drift, the clock
//!        │ something changed: settle, then one turn
//!        ▼
//!  plan(now) ─► keys wanted ─► makers
//!        │
//!        ▼ of all tenants at once
//!  finalizers ─► truth ─► bundles ─► private keys ─► what is not wanted ─► statuses, Events
//! ```
//!
//! A turn that finds everything as it should be sends nothing. What fails is tried again, later each time, and holds up
//! nobody but its own tenant; what fails of a tenant's endpoint holds up nothing else of the tenant.

mod judge;
mod planning;
mod rest;
mod tenant_endpoints;
mod tenants;
mod turn;
mod wake;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kube::Client;
use mintage_core::jose::Jwk;
use mintage_core::plan::{KeyName, Plan, State};
use mintage_core::{TenantRef, Uid, UnixTime};
use mintage_sidecar::clock::Clock;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::api::{CountWrite, Failure, Leadership, Writer};
use crate::brought::{self, Brought};
use crate::drift::{self, Drift};
use crate::endpoints::{self, Endpoints};
use crate::feed::Feed;
use crate::keys::{Keys, Made, Makers};
use crate::outputs::{Outputs, Reviewer};
use crate::retry::Retries;
use crate::snapshot::{Finding, Snapshots};
use crate::stale::Sidecars;
use crate::status::{ChallengeOf, Facts, Statuses};
use crate::tls::FeedAt;
use crate::truth::Truth;
use rest::Rest;

/// What the engine works with.
pub struct Context {
    /// To the API server.
    pub client: Client,
    /// What the watches show.
    pub snapshots: Snapshots,
    /// What the checks of domains find.
    pub findings: mpsc::Receiver<Finding>,
    /// What is known of the sidecars of pods.
    pub sidecars: watch::Receiver<Sidecars>,
    /// Whether it may write.
    pub leadership: Arc<dyn Leadership>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Is told what happens.
    pub witness: Arc<dyn Witness>,
    /// How the challenge of a domain is made.
    pub challenge: ChallengeOf,
    /// How it goes about it.
    pub settings: Settings,
    /// The streams to sidecars.
    pub feed: Arc<Feed>,
    /// Where sidecars find those.
    pub feed_at: watch::Receiver<FeedAt>,
}

/// How the engine goes about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's own namespace, where the claims on domains lie.
    pub namespace: String,
    /// Everything is compared anew this often though nothing changed.
    pub resync: Duration,
    /// What the pods of tenants' endpoints have in common; without it there are none.
    pub endpoints: Option<endpoints::Settings>,
    /// Whose tokens endpoints are given, to ask about those of workloads; without it they give workloads none.
    pub reviewer: Option<Reviewer>,
}

/// Is told what happens: metrics and Events.
pub trait Witness: Send + Sync {
    /// A write and how it ended.
    fn wrote(&self, object: &'static str, outcome: &'static str);

    /// A plan was made, in so much time.
    fn planned(&self, plan: &Plan, now: UnixTime, took: Duration);

    /// A key was made, in so much time.
    fn made_key(&self, took: Duration);

    /// Something went wrong at a stage.
    fn failed(&self, stage: &'static str);

    /// Something that people want to know of an object.
    fn announce(&self, news: News);

    /// The loop is alive.
    fn beat(&self);
}

/// Something that people want to know of an object.
#[derive(Clone, Debug)]
pub struct News {
    /// The object.
    pub object: mintage_core::ownership::Object,
    /// Which life of it.
    pub uid: String,
    /// What kind of news.
    pub reason: Topic,
    /// In words.
    pub message: String,
}

mintage_core::coded! {
    /// The reasons of Events.
    pub enum Topic {
        /// A Tenant cannot go yet.
        DeletionBlocked = "DeletionBlocked",
        /// Control over a domain is no longer shown.
        DomainLapsed = "DomainLapsed",
        /// Control over a domain was shown.
        DomainVerified = "DomainVerified",
        /// A new key was published.
        KeyPublished = "KeyPublished",
        /// A key was revoked.
        KeyRevoked = "KeyRevoked",
        /// An object is not served, or not any more.
        NotServed = "NotServed",
        /// A Secret that somebody else changed or deleted was restored.
        Restored = "Restored",
        /// Another secret of an Application took the place of the one before.
        SecretRotated = "SecretRotated",
        /// An object is served.
        Served = "Served",
        /// An annotation cannot be read, or a field asks for what is not to be had here.
        SettingIgnored = "SettingIgnored",
        /// Something could not be written.
        WriteFailed = "WriteFailed",
    }
}

impl Topic {
    /// Whether somebody should look at it.
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            Self::DeletionBlocked
                | Self::DomainLapsed
                | Self::KeyRevoked
                | Self::NotServed
                | Self::Restored
                | Self::SettingIgnored
                | Self::WriteFailed
        )
    }
}

/// Why the loop ended.
#[derive(Debug, Eq, PartialEq)]
pub enum End {
    /// Another process leads, or may.
    Deposed,
    /// It was asked to.
    Asked,
}

/// The loop and what it remembers between turns.
pub struct Engine {
    context: Context,
    writer: Writer,
    brought: Brought,
    brought_keys: BTreeMap<KeyName, Jwk>,
    /// What is wrong with the keys that were brought.
    complaints: BTreeMap<TenantRef, Vec<String>>,
    drift: Drift,
    truth: Truth,
    outputs: Outputs,
    endpoints: Endpoints,
    endpoint_changes: endpoints::Changes,
    keys: Keys,
    makers: Makers,
    finished: crate::keys::Finished,
    statuses: Statuses,
    facts: Facts,
    /// What is stored, as one state.
    state: Arc<State>,
    retries: Retries<TenantRef>,
    /// Those of tenants' endpoints, which hold up nothing else of a tenant.
    endpoint_retries: Retries<TenantRef>,
    /// When everything was last tried that could be.
    tried: Instant,
    /// Texts on what others did, kept in the status for a while.
    restored: BTreeMap<TenantRef, (Instant, String)>,
    /// What was said of annotations that cannot be read.
    unreadable: BTreeMap<TenantRef, Vec<String>>,
    next_due: Option<UnixTime>,
    /// What the last turn left to do: nothing.
    rest: Option<Rest>,
    /// Whether it is asked to end.
    shutdown: watch::Receiver<bool>,
}

/// Changes are often several events.
const SETTLE: Duration = Duration::from_millis(50);

/// How often it is said at most how far the newest bundles have come.
const PACE: Duration = Duration::from_secs(2);

/// How long the first turn waits until it is known where sidecars find the stream: all bundles name it.
const CERTIFICATE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a status says that something was restored.
const RESTORED_FOR: Duration = Duration::from_mins(15);

/// Runs until the Lease is lost or somebody asks for the end. Everything is read anew at the beginning.
pub async fn run(context: Context, shutdown: watch::Receiver<bool>) -> End {
    let (drift, watching, listed) = drift::start(&context.client);
    let (brought, watching_keys, keys_listed) = brought::start(&context.client);
    let (endpoint_changes, watching_endpoints) = match &context.settings.endpoints {
        Some(settings) => {
            let (changes, watching) = endpoints::start(&context.client, &settings.kinds());
            (changes, watching.boxed())
        }
        None => (endpoints::Changes::default(), pending().boxed()),
    };
    let lead = async {
        listed.notified().await;
        keys_listed.notified().await;
        let mut feed_at = context.feed_at.clone();
        let read = feed_at.wait_for(|at| *at != FeedAt::Unread);
        if timeout(CERTIFICATE_PATIENCE, read).await.is_err() {
            tracing::warn!(
                event = "certificate-unread",
                "bundles name no stream until it is read"
            );
        }
        let mut asked = shutdown.clone();
        let opened = tokio::select! {
            opened = open(&context, drift) => opened,
            _ = asked.wait_for(|asked| *asked) => return End::Asked,
        };
        match opened {
            Some(opened) => {
                Engine::with(context, opened, brought, endpoint_changes, shutdown)
                    .turn_and_turn()
                    .await
            }
            None => End::Deposed,
        }
    };
    tokio::select! {
        end = lead => end,
        // Neither ends by itself.
        () = watching => End::Deposed,
        () = watching_keys => End::Deposed,
        () = watching_endpoints => End::Deposed,
    }
}

/// Reads everything, again and again until it works; `None` if another process leads.
async fn open(context: &Context, drift: Drift) -> Option<Opened> {
    let mut wait = Duration::from_millis(500);
    loop {
        match Engine::open(context, drift.clone()).await {
            Ok(opened) => return Some(opened),
            Err(Failure::NotLeading) => return None,
            // The Lease was deleted, or a backup was restored: whoever holds it now leads.
            Err(Failure::Later(met)) => {
                if !context.leadership.raise_above(met).await {
                    return None;
                }
            }
            Err(failure) => {
                context.witness.failed("load");
                tracing::warn!(event = "load-failed", %failure, "trying again");
                sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(30));
            }
        }
    }
}

/// What is read at the beginning.
struct Opened {
    writer: Writer,
    drift: Drift,
    truth: Truth,
    outputs: Outputs,
    endpoints: Endpoints,
    keys: Keys,
    damages: Vec<(TenantRef, String)>,
}

impl Engine {
    async fn open(context: &Context, drift: Drift) -> Result<Opened, Failure> {
        let witness = Arc::clone(&context.witness);
        let count: CountWrite = Arc::new(move |object, outcome| witness.wrote(object, outcome));
        let writer = Writer::new(
            context.client.clone(),
            Arc::clone(&context.leadership),
            count,
        );
        let namespace = &context.settings.namespace;
        let truth = Truth::load(&context.client, namespace, writer.epoch()).await?;
        let mut keys = Keys::default();
        let (reviewer, now) = (context.settings.reviewer.clone(), context.clock.now());
        let (outputs, damages) = Outputs::load(&writer, &mut keys, reviewer, now).await?;
        let endpoints = match &context.settings.endpoints {
            Some(settings) => Endpoints::load(&writer, &settings.kinds()).await?,
            None => Endpoints::default(),
        };
        Ok(Opened {
            writer,
            drift,
            truth,
            outputs,
            endpoints,
            keys,
            damages,
        })
    }

    fn with(
        context: Context,
        opened: Opened,
        brought: Brought,
        endpoint_changes: endpoints::Changes,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let (makers, finished) = Makers::start();
        let now = Instant::now();
        let state = Arc::new(opened.truth.state());
        tracing::info!(
            event = "loaded",
            epoch = opened.writer.epoch(),
            tenants = opened.truth.tenants().count(),
            keyrings = state.keyrings.len(),
        );
        for (tenant, text) in &opened.damages {
            tracing::warn!(event = "damaged", %tenant, %text);
        }
        for (tenant, text) in opened.truth.damaged() {
            tracing::error!(event = "damaged", %tenant, %text);
        }
        Self {
            context,
            writer: opened.writer,
            brought,
            brought_keys: BTreeMap::new(),
            complaints: BTreeMap::new(),
            drift: opened.drift,
            truth: opened.truth,
            outputs: opened.outputs,
            endpoints: opened.endpoints,
            endpoint_changes,
            keys: opened.keys,
            makers,
            finished,
            statuses: Statuses::default(),
            facts: Facts::default(),
            state,
            retries: Retries::default(),
            endpoint_retries: Retries::default(),
            tried: now,
            restored: opened
                .damages
                .into_iter()
                .map(|(tenant, text)| (tenant, (now, text)))
                .collect(),
            unreadable: BTreeMap::new(),
            next_due: None,
            rest: None,
            shutdown,
        }
    }

    async fn turn_and_turn(mut self) -> End {
        let mut shutdown = self.shutdown.clone();
        let mut resync = Instant::now() + self.context.settings.resync;
        loop {
            if *shutdown.borrow() {
                return End::Asked;
            }
            self.context.witness.beat();
            if self.turn().await.is_err() {
                return End::Deposed;
            }
            let told = Instant::now();
            loop {
                let wake = self.wake_at().min(resync);
                // Sidecars report all at once: it is said so often at most how far they are.
                let feed = Arc::clone(&self.context.feed);
                let reported = async move {
                    sleep_until(told + PACE).await;
                    feed.reported().await;
                };
                tokio::select! {
                    changed = self.context.snapshots.changed() => {
                        if changed.is_err() {
                            return End::Asked;
                        }
                        break;
                    }
                    Some(finding) = self.context.findings.recv() => {
                        self.rest = None;
                        self.find(finding);
                        break;
                    }
                    Some((name, made)) = self.finished.recv() => {
                        self.rest = None;
                        self.key_finished(&name, made);
                        break;
                    }
                    Ok(()) = self.context.sidecars.changed() => break,
                    () = self.drift.arrived() => break,
                    () = self.endpoint_changes.arrived() => break,
                    () = self.context.feed.wanted() => {
                        self.rest = None;
                        break;
                    }
                    Ok(()) = self.context.feed_at.changed() => {
                        self.rest = None;
                        break;
                    }
                    () = reported => break,
                    () = self.brought.changed() => {
                        self.rest = None;
                        break;
                    }
                    () = sleep_until(wake) => {
                        self.context.witness.beat();
                        if !self.writer.leads() {
                            return End::Deposed;
                        }
                        let now = Instant::now();
                        let is_resync = now >= resync;
                        if is_resync {
                            resync = now + self.context.settings.resync;
                        }
                        if is_resync || self.is_due(now) {
                            self.rest = None;
                            break;
                        }
                    }
                    _ = shutdown.wait_for(|asked| *asked) => return End::Asked,
                }
            }
            sleep(SETTLE).await;
        }
    }

    /// Keeps what a check of a domain found.
    fn find(&mut self, finding: Finding) {
        self.facts.findings.insert(finding.uid.clone(), finding);
        while let Ok(finding) = self.context.findings.try_recv() {
            self.facts.findings.insert(finding.uid.clone(), finding);
        }
    }

    fn key_finished(&mut self, name: &KeyName, made: Result<Made, String>) {
        match made {
            Ok(made) => self.keys.add(made),
            Err(cause) => {
                self.context.witness.failed("keys");
                tracing::error!(event = "key-not-made", owner = %name.0, alg = %name.1, %cause);
            }
        }
        self.makers.done(name);
    }

    /// Forgets what was found about objects that are gone.
    fn forget_findings(&mut self, living: &BTreeSet<Uid>) {
        self.facts.findings.retain(|uid, _| living.contains(uid));
    }
}
