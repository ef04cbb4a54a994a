//! What leads to an endpoint from outside of the cluster, and the certificates that are made for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mintage_core::endpoint::Config;
use mintage_core::ledger::Term;
use mintage_core::{Domain, managed};
use mintage_crds::domain::IssuerRef;
use mintage_crds::login::{Endpoint, HttpRoute};
use serde_json::{Value, json};

use super::Kind;
use super::objects::{Object, Place, Settings};

/// The Ingress, the `HTTPRoute` and the Certificates, as far as they are asked for and the cluster has them.
pub(super) fn objects(
    place: &Place<'_>,
    wishes: &Endpoint,
    issued: &[(Domain, IssuerRef)],
    config: &Config,
    settings: &Settings,
) -> Vec<Object> {
    let mut all = Vec::new();
    if let Some(wished) = &wishes.ingress {
        let mut ingress = place.object(Kind::Ingress, &ingress(place, wishes, config));
        if !wished.annotations.is_empty() {
            ingress.body["metadata"]["annotations"] = json!(wished.annotations);
        }
        all.push(ingress);
    }
    if let Some(wished) = wishes.http_route.as_ref().filter(|_| settings.gateway_api) {
        let route = http_route(place, wishes, wished, config);
        all.push(place.object(Kind::HttpRoute, &route));
    }
    let issued = issued.iter().filter(|_| settings.cert_manager);
    all.extend(issued.map(|(domain, issuer)| {
        let name = managed::certificate(domain);
        let spec = certificate(domain, issuer, &name);
        place.named(Kind::Certificate, &name, &spec)
    }));
    all
}

/// The hosts of the domains that are the tenant's now.
fn hosts(config: &Config) -> BTreeSet<&str> {
    let open = config
        .domains
        .iter()
        .filter(|(_, term)| matches!(term, Term::Open { .. }));
    let domains = open.map(|(domain, _)| domain).chain([&config.domain]);
    domains.map(Domain::host).collect()
}

/// The listener behind it: that for proxies where there are trusted ones, and else that with TLS.
fn port(wishes: &Endpoint) -> (&'static str, u16) {
    if wishes.trusted_proxies.is_empty() {
        ("https", 443)
    } else {
        ("proxies", 80)
    }
}

fn ingress(place: &Place<'_>, wishes: &Endpoint, config: &Config) -> Value {
    let (port, _) = port(wishes);
    let service = json!({
        "name": managed::endpoint_pods(place.tenant),
        "port": { "name": port },
    });
    let paths = json!([{ "path": "/", "pathType": "Prefix", "backend": { "service": service } }]);
    let rules = hosts(config)
        .into_iter()
        .map(|host| json!({ "host": host, "http": { "paths": paths } }));
    let tls = config
        .certificates
        .iter()
        .map(|(domain, secret)| json!({ "hosts": [domain.host()], "secretName": secret }));
    let mut spec = json!({ "rules": rules.collect::<Vec<_>>(), "tls": tls.collect::<Vec<_>>() });
    let class = wishes
        .ingress
        .as_ref()
        .and_then(|wished| wished.class_name.as_ref());
    if let Some(class) = class {
        spec["ingressClassName"] = json!(class);
    }
    spec
}

fn http_route(place: &Place<'_>, wishes: &Endpoint, route: &HttpRoute, config: &Config) -> Value {
    let (_, port) = port(wishes);
    let backend = json!({ "name": managed::endpoint_pods(place.tenant), "port": port });
    json!({
        "parentRefs": route.parent_refs,
        "hostnames": hosts(config),
        "rules": [{ "backendRefs": [backend] }],
    })
}

fn certificate(domain: &Domain, issuer: &IssuerRef, secret: &str) -> Value {
    let host = domain.host();
    let names = if host.parse::<IpAddr>().is_ok() {
        "ipAddresses"
    } else {
        "dnsNames"
    };
    json!({
        "secretName": secret,
        names: [host],
        "issuerRef": issuer,
        "privateKey": { "rotationPolicy": "Always" },
        "usages": ["digital signature", "key encipherment", "server auth"],
    })
}
