//! Every replica: loads the certificate from its Secret, again whenever that changes, and says whether it is good.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use mintage_core::UnixTime;
use mintage_core::bundle::Feed;
use mintage_sidecar::clock::Clock;
use mintage_sidecar::server::TlsConfig;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::certificate::Facts;
use super::state::{self, AUTHORITIES, CERTIFICATE, KEY};
use super::{Config, Mode};
use crate::pauses::Pauses;
use crate::webhook::Metrics;

/// How often it is looked whether the certificate is still good.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The certificate that is served.
#[derive(Clone)]
pub struct Certificates {
    shared: Arc<Shared>,
    feed: watch::Receiver<FeedAt>,
    /// Ends the watch with the last clone.
    watch: Option<Arc<Watch>>,
}

/// Where sidecars find the leader's stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum FeedAt {
    /// The certificate has not been read yet.
    #[default]
    Unread,
    /// There, or nowhere.
    Known(Option<Arc<Feed>>),
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// Why the Secret's newest content is not what is served.
    complaint: ArcSwapOption<String>,
    config: Config,
    feed: watch::Sender<FeedAt>,
    feed_tls: TlsConfig,
    loaded: ArcSwapOption<Facts>,
    metrics: Arc<Metrics>,
    tls: TlsConfig,
}

struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a pair cannot be served. It quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum Unservable {
    /// A part is not PEM.
    #[error("{0} cannot be read")]
    Part(&'static str),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("{CERTIFICATE} and {KEY} do not fit: {0}")]
    Tls(#[from] rustls::Error),
}

/// Loads the certificate and follows its Secret. To be called on a tokio runtime.
pub fn follow(
    client: Client,
    config: &Config,
    clock: Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Certificates {
    let mut certificates = Certificates::new(config.clone(), clock, Arc::clone(metrics));
    let watched = watch_secret(client, Arc::clone(&certificates.shared));
    let task = tokio::spawn(watched);
    certificates.watch = Some(Arc::new(Watch(task.abort_handle())));
    certificates
}

impl Certificates {
    /// None yet, and no Secret is followed: [`Self::load`] brings one.
    pub fn new(config: Config, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let (feed, told) = watch::channel(FeedAt::default());
        let shared = Shared {
            clock,
            complaint: ArcSwapOption::empty(),
            config,
            feed,
            feed_tls: Arc::new(ArcSwap::from_pointee(without_certificate())),
            loaded: ArcSwapOption::empty(),
            metrics,
            tls: Arc::new(ArcSwap::from_pointee(without_certificate())),
        };
        Self {
            shared: Arc::new(shared),
            feed: told,
            watch: None,
        }
    }

    /// For the listener.
    pub fn tls(&self) -> TlsConfig {
        Arc::clone(&self.shared.tls)
    }

    /// For the listener of the leader's stream.
    pub fn feed_tls(&self) -> TlsConfig {
        Arc::clone(&self.shared.feed_tls)
    }

    /// Where sidecars find the leader's stream.
    pub fn feed(&self) -> watch::Receiver<FeedAt> {
        self.feed.clone()
    }

    /// Whether API servers can be answered, as far as the certificate goes; if not why, with the mend.
    pub fn ready(&self) -> Result<(), String> {
        self.shared.ready()
    }

    /// Serves what the Secret holds, or goes on with what was good before.
    pub fn load(&self, secret: Option<&Secret>) {
        self.shared.load(secret);
    }
}

impl Shared {
    fn ready(&self) -> Result<(), String> {
        let secret = format!("Secret {}/{}", self.config.namespace, self.config.secret);
        let mend = match self.config.mode {
            Mode::Given => "renew it",
            Mode::Made { .. } => "the leader makes a new one: its log says what keeps it from that",
        };
        let Some(facts) = self.loaded.load_full() else {
            let complaint = self.complaint.load_full();
            let cause = complaint.map_or_else(
                || "it has not been read yet".to_owned(),
                |text| text.to_string(),
            );
            return Err(format!("no webhook certificate from {secret}: {cause}"));
        };
        let now = self.clock.now();
        if now >= facts.not_after {
            let at = time(facts.not_after);
            return Err(format!(
                "the webhook certificate of {secret} expired at {at}: {mend}"
            ));
        }
        if now < facts.not_before {
            let at = time(facts.not_before);
            return Err(format!(
                "the webhook certificate of {secret} is good from {at} only: look at the clocks"
            ));
        }
        if !facts.covers(&self.config.names) {
            let names: Vec<&str> = self.config.names.iter().map(String::as_str).collect();
            return Err(format!(
                "the webhook certificate of {secret} is not for {}: {mend}",
                names.join(", ")
            ));
        }
        Ok(())
    }

    fn load(&self, secret: Option<&Secret>) {
        match read(secret) {
            Ok((config, facts)) => {
                self.tell_feed(self.feed_at(secret, &facts));
                if self.loaded.load().as_deref() == Some(&facts) {
                    self.complaint.store(None);
                    return;
                }
                tracing::info!(
                    event = "webhook-certificate-loaded",
                    expires = time(facts.not_after)
                );
                self.metrics.set_certificate_expiry(facts.not_after);
                self.feed_tls.store(Arc::new(for_feed(config.clone())));
                self.tls.store(Arc::new(config));
                self.loaded.store(Some(Arc::new(facts)));
                self.complaint.store(None);
            }
            Err(cause) => {
                let goes_on = self.loaded.load().is_some();
                tracing::error!(event = "webhook-certificate-unusable", secret = %self.config.secret, cause, goes_on);
                self.complaint.store(Some(Arc::new(cause)));
                // What sidecars were told holds: the certificate of before is still served.
                if !goes_on {
                    self.tell_feed(None);
                }
            }
        }
    }

    fn tell_feed(&self, feed: Option<Arc<Feed>>) {
        self.feed.send_if_modified(|told| {
            let now = FeedAt::Known(feed);
            let is_news = *told != now;
            *told = now;
            is_news
        });
    }

    /// Where sidecars find the stream, if they can believe the certificate.
    fn feed_at(&self, secret: Option<&Secret>, facts: &Facts) -> Option<Arc<Feed>> {
        let address = self.config.feed.clone()?;
        let authorities = secret?.data.as_ref()?.get(AUTHORITIES);
        let authorities = authorities.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        let host = host_of(&address);
        match authorities {
            Some(authorities) if facts.covers(&BTreeSet::from([host.to_owned()])) => {
                Some(Arc::new(Feed {
                    address,
                    authorities,
                }))
            }
            _ => {
                tracing::warn!(
                    event = "feed-without-certificate",
                    secret = %self.config.secret,
                    "sidecars get news with their mounted files only: the Secret lacks {AUTHORITIES}, or its certificate is not for {host}"
                );
                None
            }
        }
    }
}

/// The host of `host:port`.
pub fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// The same for HTTP/2.
fn for_feed(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn read(secret: Option<&Secret>) -> Result<(ServerConfig, Facts), String> {
    let data = secret.map(|secret| secret.data.as_ref());
    let Some(data) = data else {
        return Err("it does not exist".to_owned());
    };
    let part = |name: &'static str| {
        let bytes = data.and_then(|data| data.get(name));
        bytes
            .map(|bytes| bytes.0.as_slice())
            .ok_or_else(|| format!("it has no {name}"))
    };
    let certificate = part(CERTIFICATE)?;
    let config = server_config(certificate, part(KEY)?).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(certificate);
    let facts = Facts::read(&text).map_err(|error| format!("{CERTIFICATE}: {error}"))?;
    Ok((config, facts))
}

async fn watch_secret(client: Client, shared: Arc<Shared>) {
    let secrets: Api<Secret> = Api::namespaced(client, shared.config.namespace.as_str());
    let name = format!("metadata.name={}", shared.config.secret);
    let events = watcher(secrets, watcher::Config::default().fields(&name)).backoff(Pauses::new());
    let mut events = std::pin::pin!(events);
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed = false;
    let mut said = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = looks.tick() => {
                let ready = shared.ready().err();
                if listed && ready != said {
                    if let Some(cause) = &ready {
                        tracing::error!(event = "webhook-unready", cause);
                    }
                    said = ready;
                }
                continue;
            }
        };
        match event {
            Some(Ok(Event::Init)) => listed = false,
            Some(Ok(Event::InitApply(mut secret) | Event::Apply(mut secret))) => {
                shared.load(Some(&secret));
                state::wipe(&mut secret);
                listed = true;
            }
            Some(Ok(Event::InitDone)) => {
                if !listed {
                    shared.load(None);
                }
                listed = true;
            }
            Some(Ok(Event::Delete(mut secret))) => {
                state::wipe(&mut secret);
                shared.load(None);
            }
            Some(Err(error)) => {
                tracing::debug!(event = "watch-failed", what = "webhook-certificate", %error);
            }
            None => return,
        }
    }
}

/// A listener's set-up with a certificate in PEM.
pub fn server_config(certificate: &[u8], key: &[u8]) -> Result<ServerConfig, Unservable> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| Unservable::Part(CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unservable::Part(KEY))?;
    Ok(finish(builder()?.with_single_cert(chain, key)?))
}

/// A listener's set-up that ends every handshake: there is no certificate yet.
fn without_certificate() -> ServerConfig {
    let builder = builder().expect("the provider has the versions that it was built with");
    finish(builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())))
}

type Builder = rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>;

fn builder() -> Result<Builder, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_no_client_auth())
}

fn finish(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// For people.
pub fn time(at: UnixTime) -> String {
    let known = Timestamp::from_second(at.0);
    known.map_or_else(|_| at.to_string(), |time| time.to_string())
}
