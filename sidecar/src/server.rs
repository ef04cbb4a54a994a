//! One accept loop for every listener: bounded connections, headers and times; plain or TLS; a shutdown that finishes
//! what was begun.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::room::{Activity, Room, Visit};
use crate::unread::Reading;

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. For further ones those that have been without a request for longest make way; if all have one,
    /// newcomers wait in the kernel's queue.
    pub connections: usize,
    /// How long a client may take to send its headers, and how long an idle connection is kept.
    pub header_timeout: Duration,
    /// The most bytes of a request's line and headers; more is answered with 431.
    pub header_bytes: usize,
    /// The requests that a connection may have at a time, where it can have several (HTTP/2); further ones wait.
    pub streams: u32,
    /// How long requests may take to finish once the process is to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_timeout: Duration::from_secs(15),
            header_bytes: 16 * 1024,
            streams: 64,
            drain: Duration::from_secs(20),
        }
    }
}

/// How many connections may wait in the kernel's queue. With tokio's own 128 a burst of clients overflows it: they
/// believe to be connected, wait for a second to be heard, and are reset if the process ends meanwhile.
const BACKLOG: u32 = 1024;

/// It is tried twenty times a second, and said so often at most.
const ACCEPT_FAILED_EVERY: Duration = Duration::from_secs(5);

/// How long connections go on as before once the process is to end: a request that was sent before has then been read,
/// and a connection that has none can be closed.
const LINGER: Duration = Duration::from_millis(100);

/// What may wait for a client that does not read, on each stream of HTTP/2.
const SEND_BUFFER: usize = 16 * 1024;

/// Is told of each connection, to count them.
pub trait Connections: Send + Sync + 'static {
    /// A connection begins (1) or ends (-1).
    fn add_connections(&self, change: i64);
}

/// The TLS set-up of a listener; it can be replaced while the listener runs.
pub type TlsConfig = Arc<ArcSwap<ServerConfig>>;

/// Where a request comes from, among its extensions, if the listener tells.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// How requests are written on a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 from the first byte on, as gRPC has it.
    Http2,
}

/// A bound listener.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsConfig>,
    protocol: Protocol,
    tells_peers: bool,
}

impl Listener {
    /// Binds an address; port 0 takes a free one. To be called on a tokio runtime.
    pub fn bind(address: SocketAddr, tls: Option<TlsConfig>) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As `TcpListener::bind` does: connections that linger from the last run do not keep the address.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self {
            tcp: socket.listen(BACKLOG)?,
            tls,
            protocol: Protocol::default(),
            tells_peers: false,
        })
    }

    /// The same for another protocol.
    #[must_use]
    pub fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// The same, whose requests carry their [`Peer`]. It costs each of them a little memory.
    #[must_use]
    pub fn telling_peers(self) -> Self {
        Self {
            tells_peers: true,
            ..self
        }
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
        connections: Arc<impl Connections>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let room = Room::new(limits.connections);
        // Each connection holds a sender; when all are gone the receiver knows.
        let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
        let shutdown_of_all = shutdown.clone();
        let start = |stream, visit: Visit| {
            let connection = Connection {
                service: TowerToHyperService::new(router.clone()),
                protocol: self.protocol,
                tells_peer: self.tells_peers,
                limits,
                shutdown: shutdown_of_all.clone(),
                activity: Arc::clone(&visit.activity),
            };
            let (tls, alive) = (self.tls.clone(), alive.clone());
            let connections = Arc::clone(&connections);
            tokio::spawn(async move {
                connections.add_connections(1);
                connection.run(stream, tls).await;
                connections.add_connections(-1);
                drop((visit, alive));
            });
        };
        let mut newcomer = None;
        let mut last_said: Option<Instant> = None;
        loop {
            let next = async {
                match newcomer {
                    None => self.tcp.accept().await.map(|(stream, _)| {
                        newcomer = Some(stream);
                        None
                    }),
                    Some(_) => Ok(room.slot().await),
                }
            };
            let next = tokio::select! {
                biased;
                () = ended(&mut shutdown) => break,
                next = next => next,
            };
            match next {
                Ok(None) => {}
                Ok(slot) => {
                    if let Some(stream) = newcomer.take() {
                        start(stream, room.enter(slot));
                    }
                }
                Err(error) => {
                    if last_said.is_none_or(|last| last.elapsed() > ACCEPT_FAILED_EVERY) {
                        tracing::warn!(event = "accept-failed", %error);
                        last_said = Some(Instant::now());
                    }
                    // Out of descriptors, most likely: they come back when connections end.
                    room.make_way();
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        let waiting = waiting(self.tcp, limits.connections);
        for stream in newcomer.into_iter().chain(waiting) {
            start(stream, room.enter(None));
        }
        drop(alive);
        if timeout(limits.drain, all_gone.recv()).await.is_err() {
            tracing::warn!(
                event = "drain-timeout",
                "some requests did not finish in time and were cut off"
            );
        }
    }
}

/// The connections that the kernel has taken already; closing the listener would reset them. They take no slots, which
/// those before them may hold.
fn waiting(tcp: TcpListener, most: usize) -> Vec<TcpStream> {
    let Ok(tcp) = tcp.into_std() else {
        return Vec::new();
    };
    let accept = || {
        let (stream, _) = tcp.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        TcpStream::from_std(stream).ok()
    };
    std::iter::from_fn(accept).take(most).collect()
}

/// Resolves when the process is to end.
async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process.
    drop(shutdown.wait_for(|end| *end).await);
}

struct Connection {
    service: TowerToHyperService<Router>,
    protocol: Protocol,
    tells_peer: bool,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
    activity: Arc<Activity>,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsConfig>) {
        // Answers are small and written whole; waiting for more to send would only delay them.
        drop(stream.set_nodelay(true));
        let activity = Arc::clone(&self.activity);
        let peer = self.tells_peer.then(|| stream.peer_addr().ok()).flatten();
        let peer = peer.map(|address| Peer(address.ip()));
        let serve = async {
            match tls {
                None => self.serve(stream, peer).await,
                Some(config) => {
                    let handshake = TlsAcceptor::from(config.load_full()).accept(stream);
                    if let Ok(Ok(stream)) = timeout(self.limits.header_timeout, handshake).await {
                        self.serve(stream, peer).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = serve => {}
            () = activity.asked_to_leave() => tracing::debug!(event = "connection-made-way"),
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<Peer>,
    ) {
        let (limits, shutdown) = (self.limits, self.shutdown);
        let (service, activity) = (self.service, self.activity);
        // Streams of HTTP/2 end for themselves.
        let reading = (self.protocol == Protocol::Http1).then(Reading::default);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let under_way = activity.begin();
            let reading = reading.clone();
            let answer = match &reading {
                Some(reading) => service.call(request.map(|body| Body::new(reading.watch(body)))),
                None => service.call(request.map(Body::new)),
            };
            async move {
                let mut answer = answer.await;
                if let (Some(reading), Ok(answer)) = (reading, &mut answer) {
                    reading.conclude(answer);
                }
                drop(under_way);
                answer
            }
        });
        let stream = TokioIo::new(stream);
        match self.protocol {
            Protocol::Http1 => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.header_timeout)
                    .max_buf_size(limits.header_bytes)
                    .max_headers(64)
                    .serve_connection(stream, service);
                to_the_end(connection, shutdown).await;
            }
            Protocol::Http2 => {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(limits.streams)
                    .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
                    .max_send_buf_size(SEND_BUFFER)
                    .serve_connection(stream, service);
                to_the_end(connection, shutdown).await;
            }
        }
    }
}

/// Drives a connection; once the process is to end, it finishes what was begun.
async fn to_the_end<C>(connection: C, mut shutdown: watch::Receiver<bool>)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    let end = async {
        ended(&mut shutdown).await;
        sleep(LINGER).await;
    };
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        () = end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(event = "connection-ended", %error);
    }
}
