//! The operator as a whole.
//!
//! ```text
//!  every replica: watches ─► Snapshots;  webhook, if asked for;  health and metrics
//!  the leader:    stand ─► duty (engine, domains, certificate, stale pods)
//! ```
//!
//! On SIGTERM the process is unready at once; the webhook goes on for a moment and finishes what was begun, the engine
//! finishes the write under way, and the Lease is released last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube::Client;
use mintage_core::Namespace;
use mintage_sidecar::clock::{Clock, SystemClock};
use mintage_sidecar::server::{Limits, Listener};
use mintage_sidecar::signals;
use mintage_sidecar::traces::Traces;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin::{self, Admin};
use crate::domains::Checker;
use crate::duty::Leader;
use crate::events::Events;
use crate::health::Health;
use crate::inject::{self, Resources};
use crate::lease::Election;
use crate::metrics::Metrics;
use crate::options::{self, Run};
use crate::outputs::Reviewer;
use crate::snapshot::Snapshots;
use crate::tls::{self, Mode, Policy};
use crate::{connect, endpoints, engine, observe, stale, stand, webhook};

/// Runs until a signal ends it, or until it cannot go on.
pub fn run(options: &Run) -> Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        builder.worker_threads(threads.into());
    }
    builder.enable_all().build()?.block_on(serve(options))
}

async fn serve(options: &Run) -> Result<()> {
    let asked_to_end = signals::termination();
    let health = Arc::<Health>::default();
    let webhook_metrics = Arc::<webhook::Metrics>::default();
    let with_webhook = options.webhook.listen.is_some();
    let metrics = Metrics::new(|registry| {
        if with_webhook {
            webhook_metrics.register(registry);
        }
    });
    let metrics = Arc::new(metrics);

    // Before anything else, so that the probes can say what the start waits for.
    let (end_admin, admin_ended) = watch::channel(false);
    let admin = Listener::bind(options.admin_listen, None)
        .with_context(|| format!("cannot listen on {}", options.admin_listen))?;
    tracing::info!(event = "listening", admin = %admin.local_addr()?);
    let router = admin::router(Admin {
        health: Arc::clone(&health),
        metrics: Arc::clone(&metrics),
    });
    let admin =
        tokio::spawn(admin.serve(router, Limits::default(), Arc::clone(&metrics), admin_ended));

    let traces = options
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| Traces::start(endpoint, "mintage-operator"))
        .transpose()?
        .map(Arc::new);
    let (client, authorities) = connect::known_by().await?;
    let (end, ended) = watch::channel(false);
    let watched = Watched {
        health: Arc::clone(&health),
        metrics,
        traces: traces.clone(),
        webhook: webhook_metrics,
    };
    let work = work(options, client, &authorities, watched, ended);
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => done?,
        asked = asked_to_end => {
            asked?;
            tracing::info!(event = "ending", "finishing what was begun");
            health.drain();
            end.send_replace(true);
            let limit = Duration::from_secs(options.shutdown_seconds.into());
            if let Ok(done) = timeout(limit, work).await {
                done?;
            } else {
                tracing::warn!(event = "cut-off", "not everything was finished in time");
            }
        }
    }
    end_admin.send_replace(true);
    admin.await?;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(move || traces.finish()).await?;
    }
    Ok(())
}

/// What tells others how the process fares.
struct Watched {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
    webhook: Arc<webhook::Metrics>,
}

async fn work(
    options: &Run,
    client: Client,
    authorities: &str,
    watched: Watched,
    mut ended: watch::Receiver<bool>,
) -> Result<()> {
    let Watched {
        health,
        metrics,
        traces,
        webhook: webhook_metrics,
    } = watched;
    let usable = connect::until_usable(&client, |what| health.waits_for(what));
    tokio::select! {
        usable = usable => usable?,
        _ = ended.wait_for(|end| *end) => return Ok(()),
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let namespace = options.process.namespace();
    let (snapshots, watching) = observe::start(
        &client,
        observe::Settings {
            linger: Duration::from_secs(options.namespace_linger.as_secs()),
            ..observe::Settings::default()
        },
    );
    let listed = snapshots.clone();
    health.require(Box::new(move || match &*listed.borrow() {
        Some(_) => Ok(()),
        None => Err("the watches have not listed everything yet".to_owned()),
    }));

    let sidecars = Arc::new(sidecars(options));
    sidecars.check()?;
    let tls = options
        .webhook
        .listen
        .map(|_| tls_config(&options.webhook, options.feed.address.clone(), &namespace));
    let shared = Shared {
        sidecars: Arc::clone(&sidecars),
        snapshots: snapshots.clone(),
    };
    let certificates = tls.as_ref().map(|config| {
        let certificates =
            tls::follow(client.clone(), config, Arc::clone(&clock), &webhook_metrics);
        let checked = certificates.clone();
        health.require(Box::new(move || checked.ready()));
        certificates
    });
    let webhook = webhook(
        options,
        shared,
        certificates.clone(),
        webhook_metrics,
        ended.clone(),
    );

    let identity = options.process.identity();
    let lease = options.lease.settings().map_err(anyhow::Error::msg)?;
    let leader = Leader {
        checker: Arc::new(Checker::new(options.domains.checker())?),
        clock: Arc::clone(&clock),
        events: Events::start(client.clone(), identity.clone(), Arc::clone(&metrics)),
        certificates,
        feed_listen: options.feed.feed_listen,
        excluded: stale::excluded(&namespace, &options.webhook.excluded),
        health: Arc::clone(&health),
        metrics: Arc::clone(&metrics),
        pace: options.domains.pace(),
        settings: engine::Settings {
            namespace: namespace.to_string(),
            resync: resync(options),
            endpoints: options
                .endpoints
                .enabled
                .then(|| endpoint_pods(&options.endpoints, &options.sidecar.image)),
            reviewer: reviewer(options, &namespace, authorities),
        },
        sidecars,
        snapshots,
        tls,
        traces,
        client: client.clone(),
    };
    let election = Election::new(&client, namespace.as_str(), identity, lease, clock);
    let patience = Duration::from_secs(options.shutdown_seconds.into()).mul_f64(0.8);
    let standing = stand::stand(election, leader, patience, health, metrics, ended);
    // A webhook that cannot be served ends the rest, too.
    let standing = async {
        Box::pin(standing).await;
        Ok(())
    };
    let both = async { tokio::try_join!(webhook, standing) };
    tokio::select! {
        outcome = both => outcome.map(drop),
        () = watching => bail!("the watches ended by themselves"),
    }
}

/// What the webhook shares with the rest.
struct Shared {
    sidecars: Arc<inject::Settings>,
    snapshots: Snapshots,
}

/// Serves the webhook, if it is asked for.
async fn webhook(
    options: &Run,
    shared: Shared,
    certificates: Option<tls::Certificates>,
    metrics: Arc<webhook::Metrics>,
    ended: watch::Receiver<bool>,
) -> Result<()> {
    let (Some(listen), Some(certificates)) = (options.webhook.listen, certificates) else {
        return Ok(());
    };
    let served = webhook::serve(
        webhook::Options {
            listen,
            ..webhook::Options::default()
        },
        &certificates,
        shared.snapshots,
        shared.sidecars,
        metrics,
        ended,
    );
    served
        .await
        .with_context(|| format!("the webhook cannot listen on {listen}"))
}

fn tls_config(
    options: &options::Webhook,
    feed: Option<String>,
    namespace: &Namespace,
) -> tls::Config {
    let mut names = BTreeSet::new();
    if let Some(service) = &options.service {
        names.extend(tls::service_names(service.as_str(), namespace));
    }
    names.extend(options.host.clone());
    tls::Config {
        feed,
        mode: match &options.configuration {
            Some(configuration) => Mode::Made {
                configuration: configuration.clone(),
                policy: Policy::default(),
            },
            None => Mode::Given,
        },
        names,
        namespace: namespace.clone(),
        secret: options.tls_secret.clone(),
    }
}

/// What is asked for or may be taken; an empty quantity is none.
fn quantities(cpu: &str, memory: &str) -> BTreeMap<String, String> {
    let all = [("cpu", cpu), ("memory", memory)];
    all.into_iter()
        .filter(|(_, quantity)| !quantity.is_empty())
        .map(|(name, quantity)| (name.to_owned(), quantity.to_owned()))
        .collect()
}

fn endpoint_pods(options: &options::Endpoints, image: &str) -> endpoints::Settings {
    endpoints::Settings {
        image: image.to_owned(),
        pull_policy: inject::PullPolicy::default(),
        resources: Resources {
            requests: quantities(&options.cpu_request, &options.memory_request),
            limits: quantities("", &options.memory_limit),
        },
        user: options.user,
        reviews: options.reviewer.is_some(),
        gateway_api: options.gateway_api,
        cert_manager: options.cert_manager,
    }
}

/// Whose tokens endpoints are given, and what the API server is known by.
fn reviewer(options: &Run, namespace: &Namespace, authorities: &str) -> Option<Reviewer> {
    let name = options.endpoints.reviewer.clone()?;
    options.endpoints.enabled.then(|| Reviewer {
        namespace: namespace.clone(),
        name,
        authorities: authorities.to_owned(),
    })
}

fn sidecars(options: &Run) -> inject::Settings {
    let sidecar = &options.sidecar;
    inject::Settings {
        image: sidecar.image.clone(),
        resources: Resources {
            requests: quantities(&sidecar.cpu_request, &sidecar.memory_request),
            limits: quantities(&sidecar.cpu_limit, &sidecar.memory_limit),
        },
        ..inject::Settings::default()
    }
}

fn resync(options: &Run) -> Duration {
    match options.resync_seconds {
        Some(seconds) => Duration::from_secs(seconds.max(1)),
        None => Duration::from_mins(options.resync_minutes.into()),
    }
}
