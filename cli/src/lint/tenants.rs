//! Tenants and their domains.

use mintage_core::ownership::{Kind, Object};
use mintage_core::world::{AllowedNamespaces, EndpointWishes, Tenant};
use mintage_core::{Domain, ObjectRef, Seconds};
use mintage_crds::domain::VerificationMethod;
use mintage_crds::manifest::{Located, Source};
use mintage_crds::observe::REVOKE_KEY;
use mintage_crds::{CustomDomain, GoDuration};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Code, Finding, View};
use crate::output::length;
use crate::place::{self, Place};

/// How long a kubelet may take to renew a mounted volume: its sync period of a minute, and its cache's.
const VOLUME_DELAY: Seconds = 120;

/// Looks at every tenant and custom domain.
pub fn look(view: &View<'_>, findings: &mut Vec<Finding>) {
    let world = &view.folder.world;
    for (tenant, written) in world.tenants.iter().zip(&view.manifests.tenants) {
        let mut found = |code, field: &str, text: String| {
            let place = place::of_tenant(view.manifests, &tenant.at, field);
            findings.extend(place.map(|place| Finding { code, place, text }));
        };
        if let Some((code, text)) = default_audience(view, tenant) {
            found(code, "spec.defaultAudienceRef", text);
        }
        if let Some(text) = not_public(view, &tenant.domain) {
            found(Code::DomainNotPublic, "spec.domain", text);
        }
        if selects_nothing(view, tenant) {
            let text = "no namespace of the folder has these labels, so only the tenant's own may use it: label the namespaces, or correct the selector";
            let field = "spec.allowedNamespaces.selector";
            found(Code::SelectorMatchesNothing, field, text.to_owned());
        }
        for text in &tenant.unreadable {
            let field = format!("metadata.annotations.{REVOKE_KEY}");
            found(Code::RevokeKeyUnreadable, &field, text.clone());
        }
        if tenant.rotation_period < tenant.max_bundle_age {
            let text = format!(
                "keys change every {}, and a sidecar may go {} without news (maxBundleAge): it would refuse tokens of keys that it has not heard of; lengthen rotationPeriod, or shorten maxBundleAge",
                length(tenant.rotation_period),
                length(tenant.max_bundle_age)
            );
            found(
                Code::RotationWithinBundleAge,
                "spec.signing.rotationPeriod",
                text,
            );
        }
        // The tenant as observed has the delay of `dev`.
        let delay = seconds(written.object.spec.signing.propagation_delay);
        if delay < VOLUME_DELAY {
            let text = format!(
                "a key signs {} after it is published, and a kubelet may take {} to bring it to the pods: their sidecars would refuse good tokens meanwhile; choose 2m or more",
                length(delay),
                length(VOLUME_DELAY)
            );
            found(
                Code::PropagationDelayShort,
                "spec.signing.propagationDelay",
                text,
            );
        }
    }
    for (tenant, written) in world.tenants.iter().zip(&view.manifests.tenants) {
        let endpoint = tenant.endpoint.as_deref();
        let found = |endpoint| of_endpoint(endpoint, &written.source);
        for (code, field, text) in endpoint.into_iter().flat_map(found) {
            let place = place::of_tenant(view.manifests, &tenant.at, field);
            findings.extend(place.map(|place| Finding { code, place, text }));
        }
    }
    for (domain, written) in world.domains.iter().zip(&view.manifests.domains) {
        custom_domain(view, &domain.at, &domain.domain, written, findings);
    }
}

/// What of an endpoint has no effect, or not the one that was meant.
fn of_endpoint(endpoint: &EndpointWishes, source: &Source) -> Vec<(Code, &'static str, String)> {
    let mut found = Vec::new();
    let session = endpoint.session;
    let field = "spec.login.session.idleLifetime";
    // The default is nobody's mistake.
    let is_written = source.at(field) != source.at("spec.login.session");
    if session.idle > session.lifetime && is_written {
        let text =
            "sessions end after lifetime, which is shorter: shorten this one, or lengthen lifetime";
        found.push((Code::FieldWithoutEffect, field, text.to_owned()));
    }
    let pem = endpoint.authorities.as_deref();
    if pem.is_some_and(|pem| !has_certificates(pem)) {
        let text = "it holds no certificate that can be read, so no sidecar trusts the endpoint: put the authority's certificate in as PEM, from BEGIN CERTIFICATE to END CERTIFICATE";
        found.push((
            Code::CaBundleEmpty,
            "spec.endpoint.caBundle",
            text.to_owned(),
        ));
    }
    found
}

/// Whether each part of a text in PEM is a certificate, and there is one.
fn has_certificates(pem: &str) -> bool {
    let mut store = RootCertStore::empty();
    let all = CertificateDer::pem_slice_iter(pem.as_bytes());
    let read = all.map(|one| one.is_ok_and(|one| store.add(one).is_ok()));
    let read: Vec<bool> = read.collect();
    !read.is_empty() && !read.contains(&false)
}

fn seconds(duration: GoDuration) -> Seconds {
    Seconds::try_from(duration.as_secs()).unwrap_or(Seconds::MAX)
}

fn default_audience(view: &View<'_>, tenant: &Tenant) -> Option<(Code, String)> {
    let at = tenant.default_audience.as_ref()?;
    let mut audiences = view.folder.world.audiences.iter();
    match audiences.find(|audience| audience.at == *at) {
        None => Some((
            Code::DefaultAudienceNotFound,
            format!(
                "there is no ApiAudience {at}, so requests without an audience are refused: correct the reference, or take it out"
            ),
        )),
        Some(audience) if audience.tenant != tenant.at => Some((
            Code::DefaultAudienceOfOther,
            format!(
                "ApiAudience {at} belongs to tenant {}, so requests without an audience are refused: name one of this tenant",
                audience.tenant
            ),
        )),
        Some(_) => None,
    }
}

/// Why others than this machine cannot reach a domain.
fn not_public(view: &View<'_>, domain: &Domain) -> Option<String> {
    let host = domain.host();
    let is_local = host == "localhost" || host.ends_with(".localhost");
    // Names that are nobody's (RFC 2606, RFC 6761, RFC 6762).
    let reserved = ["local", "test", "invalid", "example"];
    let top = host.rsplit('.').next().unwrap_or_default();
    if is_local {
        return view.production.then(|| format!("{host} is this machine for everybody: clients elsewhere find no keys there; choose a public name"));
    }
    if !host.contains('.') {
        return Some(format!(
            "{host} has no dot, so it is found on some networks only, and there each may be another: write the full name"
        ));
    }
    (view.production && reserved.contains(&top)).then(|| {
        format!("names under .{top} are kept for tests and networks at home: choose a public name")
    })
}

fn selects_nothing(view: &View<'_>, tenant: &Tenant) -> bool {
    let AllowedNamespaces::Selector(selector) = &tenant.allowed else {
        return false;
    };
    let declared = &view.manifests.namespaces;
    let namespaces = &view.folder.world.namespaces;
    // A folder without namespaces says nothing of their labels.
    !declared.is_empty()
        && !namespaces
            .values()
            .any(|info| selector.matches(&info.labels))
}

/// Whether a custom domain is its own tenant's domain.
pub fn repeats_tenant(view: &View<'_>, at: &ObjectRef) -> bool {
    let world = &view.folder.world;
    world.domains.iter().any(|custom| {
        custom.at == *at
            && world
                .tenants
                .iter()
                .any(|tenant| tenant.at == custom.tenant && tenant.domain == custom.domain)
    })
}

fn custom_domain(
    view: &View<'_>,
    at: &ObjectRef,
    domain: &Domain,
    written: &Located<CustomDomain>,
    findings: &mut Vec<Finding>,
) {
    let object = Object {
        kind: Kind::CustomDomain,
        at: at.clone(),
    };
    let place = |field: &str| -> Option<Place> { place::of_object(view.manifests, &object, field) };
    let mut found = |code, field: &str, text: String| {
        findings.extend(place(field).map(|place| Finding { code, place, text }));
    };
    if repeats_tenant(view, at) {
        let text = "this is the tenant's own domain already: take the CustomDomain out, or name another domain";
        found(Code::DomainOfTenant, "spec.domain", text.to_owned());
    }
    if let Some(text) = not_public(view, domain) {
        found(Code::DomainNotPublic, "spec.domain", text);
    }
    if written.object.spec.verification.method == VerificationMethod::None {
        let text = "nothing shows that the domain is the tenant's, so it counts only where the operator is told to allow that: choose DnsTxt or HttpWellKnown";
        found(
            Code::DomainUnproven,
            "spec.verification.method",
            text.to_owned(),
        );
    }
}
