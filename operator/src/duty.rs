//! What a leader does: plans and writes, checks domains, keeps the webhook's certificate, and looks for stale pods.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use kube::Client;
use kube::core::ObjectMeta;
use mintage_core::{Namespace, ObjectRef, TenantRef};
use mintage_sidecar::clock::Clock;
use mintage_sidecar::traces::Traces;
use tokio::sync::{mpsc, watch};

use crate::domains::{self, Checker, Pace};
use crate::engine::{self, Context};
use crate::events::Events;
use crate::feed::{self, Feed};
use crate::health::Health;
use crate::inject;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::snapshot::{PodSeen, Snapshot, Snapshots};
use crate::stale::{self, Sidecars};
use crate::stand::Duty;
use crate::tls::{self, FeedAt};
use crate::witness::Told;

/// How many findings may wait for the engine.
const FINDINGS: usize = 64;

/// What a leader works with.
pub struct Leader {
    /// The webhook's certificate and that of the stream to sidecars, if there is a webhook.
    pub certificates: Option<tls::Certificates>,
    pub checker: Arc<Checker>,
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    pub events: Events,
    /// The namespaces whose pods never get a sidecar.
    pub excluded: BTreeSet<Namespace>,
    /// Where the stream to sidecars listens, if there is one.
    pub feed_listen: Option<SocketAddr>,
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
    pub pace: Pace,
    pub settings: engine::Settings,
    pub sidecars: Arc<inject::Settings>,
    pub snapshots: Snapshots,
    /// How the webhook's certificate is kept, if there is a webhook.
    pub tls: Option<tls::Config>,
    pub traces: Option<Arc<Traces>>,
}

impl Duty for Leader {
    async fn perform(&self, turn: Leadership, shutdown: watch::Receiver<bool>) {
        let (found, findings) = mpsc::channel(FINDINGS);
        let clock = || Arc::clone(&self.clock);
        // Without a webhook nobody is given a sidecar, and none is missing.
        let known = if self.tls.is_some() {
            Sidecars::Unknown
        } else {
            Sidecars::NotInjected
        };
        let (surveys, sidecars) = watch::channel(known);
        let told = Told {
            metrics: Arc::clone(&self.metrics),
            events: self.events.clone(),
            health: Arc::clone(&self.health),
            traces: self.traces.clone(),
            wanted_since: Mutex::default(),
        };
        let feed = Arc::<Feed>::default();
        let served = self.feed_listen.zip(self.certificates.as_ref());
        let feed_at = match &served {
            Some((_, certificates)) => certificates.feed(),
            // Nobody is told of anything.
            None => watch::channel(FeedAt::Known(None)).1,
        };
        let streams = async {
            let Some((listen, certificates)) = served else {
                return std::future::pending().await;
            };
            let options = feed::Options {
                listen,
                tls: certificates.feed_tls(),
                client: self.client.clone(),
                clock: clock(),
                snapshots: self.snapshots.clone(),
                metrics: Arc::clone(&self.metrics),
            };
            feed::serve(Arc::clone(&feed), options).await;
        };
        let context = Context {
            client: self.client.clone(),
            snapshots: self.snapshots.clone(),
            findings,
            sidecars,
            leadership: Arc::new(turn),
            clock: clock(),
            witness: Arc::new(told),
            challenge: domains::challenge_of,
            settings: self.settings.clone(),
            feed: Arc::clone(&feed),
            feed_at,
        };
        let domains = domains::run(
            Arc::clone(&self.checker),
            self.pace.clone(),
            self.snapshots.clone(),
            found,
            clock(),
        );
        let certificate = async {
            if let Some(config) = self.tls.clone() {
                tls::keep(self.client.clone(), config, clock()).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let stale = stale::keep(
            self.snapshots.clone(),
            |snapshot| self.pods(snapshot.as_deref()),
            surveys,
            self.events.clone(),
            Arc::clone(&self.metrics),
        );
        // The others are dropped when the engine ends: each of their writes is whole.
        let others = async { tokio::join!(domains, certificate, stale, streams) };
        tokio::select! {
            end = engine::run(context, shutdown) => tracing::info!(event = "turn-ended", ?end),
            _ = others => {}
        }
    }
}

impl Leader {
    /// The pods that are to have a sidecar, once there is a snapshot; nothing without a webhook.
    fn pods(&self, snapshot: Option<&Snapshot>) -> Option<Vec<stale::Pod>> {
        let snapshot = snapshot.filter(|_| self.tls.is_some())?;
        let wanted = snapshot.pods.iter().filter(|(at, pod)| {
            !pod.ending
                && !self.excluded.contains(&at.namespace)
                && inject::is_opted_in(snapshot, &at.namespace, &pod.labels)
        });
        let pods = wanted.map(|(at, pod)| self.pod(snapshot, at, pod));
        Some(pods.collect())
    }

    fn pod(&self, snapshot: &Snapshot, at: &ObjectRef, pod: &PodSeen) -> stale::Pod {
        let metadata = ObjectMeta {
            labels: Some(pod.labels.clone()),
            annotations: Some(pod.annotations.clone()),
            ..ObjectMeta::default()
        };
        let annotation = |name: &str| pod.annotations.get(name);
        let namespace = &at.namespace;
        let (tenant, wants) = match inject::current(snapshot, namespace, &metadata, &self.sidecars)
        {
            Ok(current) => (Some(current.tenant), Ok(current.hash)),
            Err(refusal) => {
                let tenant = annotation(inject::INJECTED_TENANT);
                let tenant = tenant.and_then(|tenant| TenantRef::parse(tenant).ok());
                // Anybody can write an annotation: it counts for tenants that admit the namespace.
                let tenant = tenant.filter(|tenant| snapshot.world.admits(tenant, namespace));
                (tenant, Err(refusal.to_string()))
            }
        };
        stale::Pod {
            at: at.clone(),
            owner: pod.owner.clone(),
            tenant,
            has: annotation(inject::HASH).cloned(),
            wants,
            skipped: inject::is_skipped(&pod.labels, &pod.annotations),
        }
    }
}
