//! One accept loop for every listener: bounded connections, headers and times; plain or TLS; a shutdown that finishes
//! what was begun.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; further ones wait in the kernel's queue.
    pub connections: usize,
    /// How long a client may take to send its headers, and how long an idle connection is kept.
    pub header_timeout: Duration,
    /// The most bytes of a request's line and headers; more is answered with 431.
    pub header_bytes: usize,
    /// How long requests may take to finish once the process is to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_timeout: Duration::from_secs(15),
            header_bytes: 16 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}

/// The TLS set-up of a listener; it can be replaced while the listener runs.
pub type TlsConfig = Arc<ArcSwap<ServerConfig>>;

/// A bound listener.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsConfig>,
}

impl Listener {
    /// Binds an address; port 0 takes a free one.
    pub async fn bind(address: SocketAddr, tls: Option<TlsConfig>) -> io::Result<Self> {
        Ok(Self {
            tcp: TcpListener::bind(address).await?,
            tls,
        })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `shutdown` says so, then finishes the requests that were begun.
    pub async fn serve(
        self,
        router: Router,
        limits: Limits,
        metrics: Arc<Metrics>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                // Connections that the kernel has taken already are served, too, before the end is looked at.
                biased;
                accepted = self.tcp.accept() => accepted,
                () = ended(&mut shutdown) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: they come back when connections end.
                    tracing::warn!(event = "accept-failed", %error);
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let connection = Connection {
                service: TowerToHyperService::new(router.clone()),
                limits,
                watcher: graceful.watcher(),
            };
            let (tls, metrics) = (self.tls.clone(), Arc::clone(&metrics));
            tokio::spawn(async move {
                metrics.connections.inc();
                connection.run(stream, tls).await;
                metrics.connections.dec();
                drop(slot);
            });
        }
        drop(self.tcp);
        if timeout(limits.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                event = "drain-timeout",
                "some requests did not finish in time and were cut off"
            );
        }
    }
}

/// Resolves when the process is to end.
async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process.
    drop(shutdown.wait_for(|end| *end).await);
}

struct Connection {
    service: TowerToHyperService<Router>,
    limits: Limits,
    watcher: hyper_util::server::graceful::Watcher,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsConfig>) {
        // Answers are small and written whole; waiting for more to send would only delay them.
        drop(stream.set_nodelay(true));
        match tls {
            None => self.serve(stream).await,
            Some(config) => {
                let handshake = TlsAcceptor::from(config.load_full()).accept(stream);
                if let Ok(Ok(stream)) = timeout(self.limits.header_timeout, handshake).await {
                    self.serve(stream).await;
                }
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(self.limits.header_bytes)
            .max_headers(64)
            .serve_connection(TokioIo::new(stream), self.service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(event = "connection-ended", %error);
        }
    }
}
