//! The leader's listener: TLS, HTTP/2, bounded.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::Client;
use mintage_sidecar::clock::Clock;
use mintage_sidecar::descriptors;
use mintage_sidecar::server::TlsConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::Feed;
use super::newcomers::{Newcomer, Newcomers};
use super::service::{Refused, Stage, answer, reviews};
use super::survey::injected;
use crate::metrics::Metrics;
use crate::snapshot::{Snapshot, Snapshots};

/// What else has connections: the webhook, health and metrics, and what the API server is asked.
const OTHERS: usize = 1024;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A silent connection is asked for a sign of life so often.
const ALIVE_EVERY: Duration = Duration::from_secs(30);

/// Open connections: twice as many as pods in the largest clusters that are looked at.
const CONNECTIONS: usize = 10_000;

/// What the streams are served with.
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate, the same as the webhook's.
    pub tls: TlsConfig,
    /// To the API server, which reviews tokens.
    pub client: Client,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Which pods live.
    pub snapshots: Snapshots,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// What all streams have in common.
pub struct Served {
    pub(super) feed: Arc<Feed>,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) snapshots: Snapshots,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reviews: Semaphore,
    pub(super) refused: Refused,
    end: watch::Sender<bool>,
}

impl Served {
    pub(super) fn count_streams(&self) {
        self.metrics.set_feed_streams(self.feed.streams());
    }

    /// When the leader's turn is over.
    pub(super) async fn ended(&self) {
        // An error means the same.
        self.end.subscribe().wait_for(|end| *end).await.ok();
    }
}

/// Ends all streams with this value: they belong to one turn of the leader's.
struct End(Arc<Served>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end.send_replace(true);
        self.0.metrics.set_feed_streams(0);
    }
}

/// Serves for as long as it is polled.
pub async fn serve(feed: Arc<Feed>, options: Options) {
    let Options {
        listen,
        tls,
        client,
        clock,
        snapshots,
        metrics,
    } = options;
    let served = Arc::new(Served {
        feed,
        client,
        clock,
        snapshots: snapshots.clone(),
        metrics,
        reviews: reviews(),
        refused: Refused::default(),
        end: watch::channel(false).0,
    });
    let _end = End(Arc::clone(&served));
    let tcp = loop {
        match TcpListener::bind(listen).await {
            Ok(tcp) => break tcp,
            Err(error) => {
                tracing::error!(event = "feed-listen-failed", %listen, %error, "trying again");
                sleep(Duration::from_secs(5)).await;
            }
        }
    };
    tracing::info!(event = "listening", feed = %listen);
    tokio::join!(
        accept(tcp, tls, Arc::clone(&served)),
        bury(snapshots, served)
    );
}

async fn accept(tcp: TcpListener, tls: TlsConfig, served: Arc<Served>) {
    // The webhook's connections and the API server's need descriptors as well.
    let most = descriptors::connections(1, CONNECTIONS + OTHERS).saturating_sub(OTHERS);
    let room = Arc::new(Semaphore::new(most.max(1)));
    let newcomers = Newcomers::default();
    // They end with this value.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let (stream, newcomer) = match tcp.accept().await {
            Ok((stream, from)) => (stream, newcomers.enter(from.ip())),
            Err(error) => {
                tracing::debug!(event = "accept-failed", %error);
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // One address has too many that have shown nothing yet.
        let Some(newcomer) = newcomer else { continue };
        let (tls, served) = (Arc::clone(&tls), Arc::clone(&served));
        connections.spawn(async move {
            let _place = place;
            connect(stream, tls, newcomer, served).await;
        });
    }
}

async fn connect(stream: TcpStream, tls: TlsConfig, newcomer: Newcomer, served: Arc<Served>) {
    let handshake = async {
        stream.set_nodelay(true)?;
        TlsAcceptor::from(tls.load_full()).accept(stream).await
    };
    let Ok(Ok(stream)) = timeout(PATIENCE, handshake).await else {
        return;
    };
    let (stage, stages) = watch::channel(Stage::New);
    let stage = Arc::new(stage);
    let service = service_fn(|request| {
        let (served, stage) = (Arc::clone(&served), Arc::clone(&stage));
        async move { Ok::<_, Infallible>(answer(served, stage, request).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(PATIENCE)
        .max_concurrent_streams(1)
        .max_header_list_size(32 * 1024)
        .initial_stream_window_size(16 * 1024)
        .initial_connection_window_size(32 * 1024)
        .max_send_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut newcomer = Some(newcomer);
    tokio::select! {
        outcome = connection.as_mut() => {
            if let Err(error) = outcome {
                tracing::debug!(event = "feed-connection-ended", %error);
            }
        }
        () = over(stages, &mut newcomer) => {
            connection.as_mut().graceful_shutdown();
            // Whoever does not take the last words in time has gone.
            timeout(LAST_WORDS, connection).await.ok();
        }
    }
    if let Some(newcomer) = newcomer {
        newcomer.leave().await;
    }
}

/// When a connection has nothing to say any more: its stream has ended, or none was begun in time.
async fn over(mut stages: watch::Receiver<Stage>, newcomer: &mut Option<Newcomer>) {
    let begun = stages.wait_for(|stage| *stage != Stage::New);
    if timeout(PATIENCE, begun).await.is_ok() {
        *newcomer = None;
        // An error means the same.
        stages.wait_for(|stage| *stage == Stage::Over).await.ok();
    }
}

/// Ends the streams of pods that have gone.
async fn bury(mut snapshots: Snapshots, served: Arc<Served>) {
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot.filter(|_| served.feed.streams() > 0) {
            let living = living(&snapshot);
            served.feed.book().keep_only(|uid| living.contains(uid));
        }
        if snapshots.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The UIDs of the pods that have a sidecar.
fn living(snapshot: &Snapshot) -> std::collections::HashSet<&str> {
    let pods = snapshot.pods.values();
    let living = pods.filter(|pod| !pod.ending && injected(pod).is_some());
    living.map(|pod| &*pod.uid).collect()
}
