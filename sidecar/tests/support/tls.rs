//! Servers over TLS, with certificates of an authority of the test's own.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use mintage_sidecar::metrics::Metrics;
use mintage_sidecar::server::{Limits, Listener};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Serves by a certificate for a host or an address. What is served may know where.
    pub fn serve(&self, host: &str, router: impl FnOnce(SocketAddr) -> Router) -> Server {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let tls = Arc::new(ArcSwap::from_pointee(config));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(tls)).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = watch::channel(false);
        let limits = Limits::default();
        let serving = listener.serve(router(address), limits, Arc::new(Metrics::default()), ended);
        let served = tokio::spawn(serving);
        Server {
            address,
            end,
            served,
        }
    }
}

/// A server; it ends with this.
pub struct Server {
    pub address: SocketAddr,
    end: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Server {
    /// It goes on for as long as the test.
    pub fn keep(self) {
        let Self { end, .. } = self;
        tokio::spawn(async move { end.closed().await });
    }

    /// Nobody is answered any more.
    pub async fn stop(self) {
        self.end.send_replace(true);
        self.served.await.unwrap();
    }
}
