//! The sidecar's side: connects, follows, and connects again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mintage_core::bundle::{Feed, MAX_SHARDS};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

use super::backoff::Backoff;
use super::{MAX_NEWS, News, Outlet, PATH, Pushed, Report, Standing};
use crate::clock::random_u32;
use crate::metrics::Metrics;

/// How long a connection may take, and a handshake, and an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A silent connection is asked for a sign of life so often.
const ALIVE_EVERY: Duration = Duration::from_secs(20);

/// A stream that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// A token has at most so many bytes.
const MAX_TOKEN: u64 = 16 * 1024;

/// Why a stream ended or did not begin.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the operator's address {0} is none")]
    Address(String),
    #[error("the operator's authorities cannot be read")]
    Authorities,
    #[error("connecting to {address}: {cause}")]
    Connect {
        address: String,
        cause: std::io::Error,
    },
    #[error("the operator does not answer in time")]
    Late,
    #[error("the connection: {0}")]
    Http(#[from] hyper::Error),
    #[error("the operator offers no stream any more")]
    NoFeed,
    #[error("{:?}: {}", .0.code(), .0.message())]
    Refused(Status),
    #[error("the token for the operator cannot be read: {0}")]
    Token(std::io::Error),
}

/// Follows the stream for as long as it is polled.
pub async fn follow(mut outlet: Outlet, metrics: Arc<Metrics>) {
    let mut backoff = Backoff::default();
    let mut said = None;
    loop {
        let named = outlet.standing.wait_for(|standing| standing.feed.is_some());
        let Some(feed) = named.await.ok().and_then(|standing| standing.feed.clone()) else {
            // The reloader is gone, and with it the process.
            return;
        };
        let mut connected = None;
        let Err(why) = session(&mut outlet, &feed, &metrics, &mut connected).await;
        metrics.set_feed(false);
        if connected.is_some_and(|since: Instant| since.elapsed() >= GOOD) {
            backoff.reset();
        }
        let why = in_full(&why);
        if connected.is_some() || said.as_ref() != Some(&why) {
            tracing::info!(
                event = "feed-ended",
                reason = why,
                "news come with the mounted files until it is back"
            );
            said = Some(why);
        }
        sleep(backoff.next(random_u32())).await;
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// An error with what caused it.
fn in_full(ended: &Ended) -> String {
    use std::error::Error as _;
    let mut text = ended.to_string();
    let mut cause = match ended {
        Ended::Refused(status) => status.source(),
        ended => ended.source(),
    };
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// One stream from its beginning to its end.
async fn session(
    outlet: &mut Outlet,
    feed: &Feed,
    metrics: &Metrics,
    connected: &mut Option<Instant>,
) -> Result<std::convert::Infallible, Ended> {
    let token = read_token(&outlet.token).map_err(Ended::Token)?;
    let stream = timeout(PATIENCE, connect(feed)).await;
    let stream = stream.map_err(|_| Ended::Late)??;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(PATIENCE)
        .max_header_list_size(16 * 1024)
        .handshake(TokioIo::new(stream))
        .await?;
    let work = async {
        // The connection ends with its last sender.
        let begun = begin(sender.clone(), feed, &token, outlet.standing.clone());
        let begun = timeout(PATIENCE, begun);
        let news = begun.await.map_err(|_| Ended::Late)??;
        drop(token);
        tracing::info!(event = "feed-connected", address = feed.address);
        metrics.set_feed(true);
        *connected = Some(Instant::now());
        let ended = take(outlet, news, metrics).await;
        drop(sender);
        ended
    };
    tokio::select! {
        ended = work => ended,
        ended = connection => Err(ended.err().map_or_else(closed, Ended::from)),
    }
}

fn closed() -> Ended {
    Ended::Refused(Status::unavailable("the operator closed the connection"))
}

/// Takes what comes until nothing does.
async fn take(
    outlet: &mut Outlet,
    mut news: Streaming<News>,
    metrics: &Metrics,
) -> Result<std::convert::Infallible, Ended> {
    loop {
        let message = tokio::select! {
            message = news.message() => message?.ok_or_else(closed)?,
            // An error says that the process ends, and so does this.
            _ = outlet.standing.wait_for(|standing| standing.feed.is_none()) => {
                return Err(Ended::NoFeed);
            }
        };
        if message.shards.is_empty() || message.shards.len() > MAX_SHARDS {
            return Err(Status::new(Code::Internal, "the operator sent no bundle").into());
        }
        metrics.count_news();
        let (version, shards) = (message.version, message.shards);
        let pushed = Arc::new(Pushed { version, shards });
        outlet.pushed.send_replace(Some(pushed));
    }
}

/// Begins the call; what the sidecar goes by is told at once, and again whenever that changes.
async fn begin(
    sender: http2::SendRequest<Body>,
    feed: &Feed,
    token: &str,
    standing: watch::Receiver<Standing>,
) -> Result<Streaming<News>, Ended> {
    let mut last = None;
    let reports = WatchStream::new(standing).filter_map(move |standing| {
        let report = report(&standing)?;
        let is_new = last.as_ref() != Some(&report);
        last = Some(report.clone());
        is_new.then_some(report)
    });
    let origin = http::Uri::builder()
        .scheme("https")
        .authority(feed.address.as_str())
        .path_and_query("/")
        .build();
    let origin = origin.map_err(|_| Ended::Address(feed.address.clone()))?;
    let mut grpc =
        Grpc::with_origin(Connection(sender), origin).max_decoding_message_size(MAX_NEWS);
    grpc.ready().await?;
    let mut request = Request::new(reports);
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let mut bearer = AsciiMetadataValue::try_from(bearer.as_str()).map_err(|_| {
        Status::unauthenticated("the token for the operator is not one line of text")
    })?;
    bearer.set_sensitive(true);
    request.metadata_mut().insert("authorization", bearer);
    let path = http::uri::PathAndQuery::from_static(PATH);
    let codec = ProstCodec::<Report, News>::default();
    Ok(grpc.streaming(request, path, codec).await?.into_inner())
}

fn report(standing: &Standing) -> Option<Report> {
    let refused = standing.refused.as_deref().unwrap_or_default();
    Some(Report {
        tenant: standing.tenant.as_ref()?.to_string(),
        version: standing.version,
        renewed_at: standing.renewed_at.0,
        refused: refused.chars().take(512).collect(),
    })
}

/// TLS to the operator, which its authorities vouch for and nobody else.
async fn connect(feed: &Feed) -> Result<TlsStream<TcpStream>, Ended> {
    let none = || Ended::Address(feed.address.clone());
    let (host, port) = feed.address.rsplit_once(':').ok_or_else(none)?;
    let port: u16 = port.parse().map_err(|_| none())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|_| none())?;
    let tls = TlsConnector::from(Arc::new(client_config(&feed.authorities)?));
    let connected = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        tls.connect(name, stream).await
    };
    connected.await.map_err(|cause| Ended::Connect {
        address: feed.address.clone(),
        cause,
    })
}

fn client_config(authorities: &str) -> Result<ClientConfig, Ended> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        let certificate = certificate.map_err(|_| Ended::Authorities)?;
        roots.add(certificate).map_err(|_| Ended::Authorities)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| Ended::Authorities)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn read_token(path: &Path) -> std::io::Result<Zeroizing<String>> {
    use std::io::Read as _;
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)?
        .take(MAX_TOKEN)
        .read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// One HTTP/2 connection, as tonic wants it.
struct Connection(http2::SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Connection {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
