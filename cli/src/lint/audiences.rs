//! APIs: their names, lives and annotations.

use mintage_core::Seconds;
use mintage_core::endpoint::IDENTITY_SCOPES;
use mintage_core::world::{Audience, GrantType, Tenant};
use mintage_crds::ApiAudience;
use mintage_crds::manifest::Located;
use mintage_crds::observe::REVOKE_NOW;

use super::{Code, Finding, View};
use crate::output::length;
use crate::place;

/// Looks at every API.
pub fn look(view: &View<'_>, findings: &mut Vec<Finding>) {
    let world = &view.folder.world;
    for (audience, written) in world.audiences.iter().zip(&view.manifests.audiences) {
        let mut found = |code, field: &str, text: String| {
            let place = place::of_audience(view.manifests, &audience.at, field);
            findings.extend(place.map(|place| Finding { code, place, text }));
        };
        if audience.grants.is_empty() && !has_users(view, audience) {
            let text = "nobody has a grant, and no application of its tenant signs users in, so nobody gets a token for it: add a grant to spec.grants";
            found(Code::AudienceWithoutGrants, "spec", text.to_owned());
        }
        if let Some(other) = look_alike(view, audience) {
            let text = format!(
                "{} of ApiAudience {} differs in case or by a slash only: one of the two is likely to be asked for by mistake",
                other.identifier, other.at
            );
            found(Code::IdentifierLookAlike, "spec.identifier", text);
        }
        for (index, scope) in audience.scopes.iter().enumerate() {
            if IDENTITY_SCOPES.contains(&scope.as_str()) {
                let text = format!(
                    "{scope} is a scope of OpenID Connect, too: who asks for one gets both, the user's data and this; give it another name, as read:{scope}"
                );
                found(Code::ScopeReserved, &format!("spec.scopes[{index}]"), text);
            }
        }
        if audience.revoke_now {
            let text = format!(
                "every grant that is taken back while {REVOKE_NOW} stands here is refused at once, also of workloads that hold a token: take the annotation out when it has done its work"
            );
            let field = format!("metadata.annotations.{REVOKE_NOW}");
            found(Code::RevokeNowLeft, &field, text);
        }
        if let Some(text) = clamped(written) {
            found(
                Code::WebLifetimeClamped,
                "spec.tokenLifetimeForWebSeconds",
                text,
            );
        }
        let tenant = world
            .tenants
            .iter()
            .find(|tenant| tenant.at == audience.tenant);
        for (code, text) in tenant.into_iter().flat_map(|tenant| long(audience, tenant)) {
            found(code, "spec.tokenLifetimeSeconds", text);
        }
    }
}

/// Whether users get tokens for it, by the applications that sign them in: those need no grant.
fn has_users(view: &View<'_>, audience: &Audience) -> bool {
    let told = view.plan.endpoints.get(&audience.tenant);
    let mut applications = told
        .into_iter()
        .flat_map(|told| told.body.applications.values());
    applications.any(|application| application.may(GrantType::AuthorizationCode))
}

/// An API before this one whose identifier people take for this one's.
fn look_alike<'a>(view: &'a View<'_>, audience: &Audience) -> Option<&'a Audience> {
    let plain = |audience: &Audience| {
        audience
            .identifier
            .as_str()
            .trim_end_matches('/')
            .to_ascii_lowercase()
    };
    let before = view.folder.world.audiences.iter().map(|other| &**other);
    before
        .take_while(|other| other.at != audience.at)
        .find(|other| {
            other.tenant == audience.tenant
                && other.identifier != audience.identifier
                && plain(other) == plain(audience)
        })
}

/// A life for browsers that was written, and is cut.
fn clamped(written: &Located<ApiAudience>) -> Option<String> {
    let Located { object, source } = written;
    let (web, all) = (
        object.spec.token_lifetime_for_web_seconds,
        object.spec.token_lifetime_seconds,
    );
    // The default is nobody's mistake.
    let is_written = source.at("spec.tokenLifetimeForWebSeconds") != source.at("spec");
    (is_written && web > all).then(|| {
        format!("tokens for browsers live {all} s, not {web}: tokenLifetimeSeconds is the most; lower this one, or raise that")
    })
}

/// Lives that are long for their tenant.
fn long(audience: &Audience, tenant: &Tenant) -> Vec<(Code, String)> {
    let life = audience.lifetime;
    let mut found = Vec::new();
    let mut check = |code, limit: Seconds, text: &str| {
        if life > limit {
            let (life, limit) = (length(life), length(limit));
            found.push((
                code,
                text.replace("{life}", &life).replace("{limit}", &limit),
            ));
        }
    };
    check(
        Code::LifetimeBeyondRotation,
        tenant.rotation_period,
        "a token lives {life}, longer than the {limit} that a key signs (rotationPeriod), so that many old keys must be believed at once: shorten tokenLifetimeSeconds",
    );
    check(
        Code::LifetimeBeyondBundleAge,
        tenant.max_bundle_age,
        "a token lives {life}, and a sidecar without news works for {limit} only (maxBundleAge): a grant that is taken back holds until the last token ends; shorten tokenLifetimeSeconds",
    );
    found
}
