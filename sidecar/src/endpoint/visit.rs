//! A request at the endpoint: which tenant is asked, by whom, with what cookies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::header::{ACCEPT_LANGUAGE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use mintage_core::endpoint::Application;
use mintage_core::{Domain, Issuer, UnixTime};

use super::metrics::Metrics;
use super::{Endpoint, Realm};
use crate::oauth::OAuthError;
use crate::rule::Rule;
use crate::server::Peer;

/// What every request is seen with.
pub struct Visit {
    /// The tenant that is asked.
    pub realm: Arc<Realm>,
    /// The domain by which it is asked, which is the issuer of what it answers (row S5).
    pub domain: Domain,
    /// Now.
    pub now: UnixTime,
    /// Where the request comes from, as far as anybody trustworthy says.
    pub address: Option<IpAddr>,
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl Visit {
    /// Finds the tenant of the host that was asked.
    pub fn of(endpoint: &Endpoint, parts: &Parts) -> Result<Self, OAuthError> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let (domain, realm) = find(endpoint, &parts.headers, peer).ok_or_else(|| {
            OAuthError::new(
                StatusCode::MISDIRECTED_REQUEST,
                "invalid_request",
                Rule::HostUnknown,
                "no tenant has the host name that was asked; ask by the domain of a tenant",
            )
        })?;
        let now = endpoint.clock.now();
        if now >= realm.ends_at {
            return Err(OAuthError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                Rule::EndpointTooOld,
                "the endpoint has not been told by the operator for too long whom it may trust (endpoint-too-old)",
            ));
        }
        let address = peer.map(|peer| client(&realm, peer, &parts.headers));
        Ok(Self {
            realm,
            domain,
            now,
            address,
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            metrics: Arc::clone(&endpoint.metrics),
        })
    }

    /// The issuer of what is answered.
    pub fn issuer(&self) -> Issuer {
        self.domain.issuer()
    }

    /// The languages that the browser asks for.
    pub fn accept_language(&self) -> Option<&str> {
        self.headers.get(ACCEPT_LANGUAGE)?.to_str().ok()
    }

    /// The application of a `client_id`.
    pub fn application(&self, client: &str) -> Option<&Application> {
        self.realm.config.applications.get(client)
    }
}

/// Whether the host of a request is a tenant's that has an endpoint.
pub fn is_known(endpoint: &Endpoint, request: &axum::extract::Request) -> bool {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    find(endpoint, request.headers(), peer).is_some()
}

/// Whether a request comes by a proxy that the tenant trusts, and that was asked by HTTPS.
pub fn is_by_proxy(endpoint: &Endpoint, request: &axum::extract::Request) -> bool {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let found = find(endpoint, request.headers(), peer);
    let by_proxy =
        found.is_some_and(|(_, realm)| peer.is_some_and(|peer| realm.sources.trusts(peer)));
    by_proxy && last_word(request.headers(), "x-forwarded-proto") == Some("https")
}

/// What the nearest proxy says: it adds to the client's line or puts one of its own below it, so the last word is its own.
fn last_word<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let last = headers.get_all(name).into_iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// The tenant that is asked, and by which of its domains.
fn find(
    endpoint: &Endpoint,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Option<(Domain, Arc<Realm>)> {
    let realms = endpoint.realms.load();
    let by_host = |host: &str| {
        let (domain, realm) = crate::issuer::of_host(&realms, host)?;
        Some((domain.clone(), Arc::clone(realm)))
    };
    // A proxy's word on the host counts where that very tenant trusts the proxy (attack 32).
    let trusted =
        |(_, realm): &(Domain, Arc<Realm>)| peer.is_some_and(|peer| realm.sources.trusts(peer));
    let forwarded = last_word(headers, "x-forwarded-host")
        .and_then(by_host)
        .filter(trusted);
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok());
    forwarded.or_else(|| by_host(asked.unwrap_or_default()))
}

/// The address of the client: the last that no trusted proxy has. A proxy adds to the client's line or puts one of its own
/// below it, so the lines are read as one, from its end.
fn client(realm: &Realm, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut address = peer;
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    let said = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for said in said.map(str::trim) {
        if !realm.sources.trusts(address) {
            break;
        }
        let Some(said) = address_of(said) else { break };
        address = said;
    }
    address
}

/// The address of an entry. Some proxies write the client's port beside it, and an IPv6 address in brackets.
fn address_of(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let with_port = || entry.parse::<SocketAddr>().ok().map(|it| it.ip());
    bare.unwrap_or(entry).parse().ok().or_else(with_port)
}
