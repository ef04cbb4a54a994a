//! The audit: one line of the log for each thing that happens, and its count. Each has the tenant, and where the request comes
//! from; the log adds the request's id. No secret is in any of them: no password, cookie, code, token or client secret.

use std::cmp::Ordering;
use std::time::Duration;

use mintage_core::claims::{Jti, jti_text};
use mintage_core::code::Coded as _;
use mintage_core::endpoint::{Application, Misuse, NoUser};
use mintage_core::upstream::Fault;
use mintage_core::{ClientId, Identifier, ObjectName, UnixTime, UserId, WorkloadId};

use super::named::named;
use super::pages::Failure;
use super::store::Replaced;
use super::visit::Visit;
use crate::oauth::OAuthError;
use crate::params::Params;

/// The most characters of what a client sent.
const MOST: usize = 200;

/// An event at a tenant, and where it comes from.
macro_rules! tell {
    ($level:ident, $event:literal, $visit:expr, $($field:tt)*) => {
        tracing::$level!(
            event = $event,
            tenant = %$visit.realm.config.tenant,
            address = $visit.address.map(tracing::field::display),
            $($field)*
        )
    };
}

/// Somebody signed in.
pub fn signed_in(visit: &Visit, user: &UserId, client: &ClientId) {
    visit.metrics.count_sign_in("signed-in");
    let (sub, connection) = (user.as_str(), user.connection());
    tell!(info, "signed-in", visit, sub, %client, connection);
}

/// Somebody was not signed in. Whom they said to be is not told: people type passwords there.
pub fn sign_in_refused(visit: &Visit, client: &ClientId, why: NoUser) {
    let reason = match why {
        NoUser::Blocked => "blocked",
        NoUser::Wrong => "wrong",
    };
    visit.metrics.count_sign_in(reason);
    tell!(warn, "sign-in-refused", visit, %client, reason);
}

/// Somebody was not signed in by a provider: why, and the error that it sent, if it did.
pub fn provider_refused(
    visit: &Visit,
    client: &ClientId,
    connection: &ObjectName,
    fault: Fault,
    error: Option<&str>,
) {
    visit.metrics.count_sign_in("provider");
    tell!(warn, "sign-in-refused", visit, %client, %connection, reason = fault.code(), error);
}

/// Somebody tries too often.
pub fn sign_in_throttled(visit: &Visit, client: &ClientId, wait: Duration) {
    visit.metrics.count_sign_in("throttled");
    tell!(warn, "sign-in-throttled", visit, %client, seconds = wait.as_secs());
}

/// What a user lets an application do, or does not.
pub struct Consented<'a> {
    pub user: &'a UserId,
    pub client: &'a ClientId,
    /// The API; `None` for the user's profile.
    pub audience: Option<&'a Identifier>,
    pub scope: &'a str,
}

/// The user allows it.
pub fn consent_given(visit: &Visit, consented: &Consented<'_>) {
    visit.metrics.count_consent("given");
    let Consented {
        user,
        client,
        audience,
        scope,
    } = consented;
    let (sub, audience) = (user.as_str(), audience.map(Identifier::as_str));
    tell!(info, "consent-given", visit, sub, %client, audience, scope);
}

/// The user does not.
pub fn consent_declined(visit: &Visit, consented: &Consented<'_>) {
    visit.metrics.count_consent("declined");
    let Consented {
        user,
        client,
        audience,
        scope,
    } = consented;
    let (sub, audience) = (user.as_str(), audience.map(Identifier::as_str));
    tell!(info, "consent-declined", visit, sub, %client, audience, scope);
}

/// An application gets a code.
pub fn code_issued(visit: &Visit, user: &UserId, client: &ClientId, audience: &str, scope: &str) {
    visit.metrics.count_code();
    let sub = user.as_str();
    tell!(info, "code-issued", visit, sub, %client, audience, scope);
}

/// A code came again.
pub fn code_replayed(visit: &Visit, client: &ClientId) {
    visit.metrics.count_reuse("code");
    tell!(warn, "code-replayed", visit, %client, "the refresh tokens that came of it are revoked");
}

/// An access token.
pub struct Issued<'a> {
    /// The grant type.
    pub grant: &'static str,
    /// `jwt` or `opaque`.
    pub format: &'static str,
    /// For whom, if for a user.
    pub user: Option<&'a UserId>,
    pub client: &'a str,
    pub audience: Option<&'a str>,
    pub scope: &'a str,
    pub iat: UnixTime,
    pub exp: UnixTime,
    /// Where the dialect has one.
    pub jti: Option<Jti>,
}

/// A client gets an access token, and whatever goes with it.
pub fn token_issued(visit: &Visit, issued: &Issued<'_>) {
    visit.metrics.count_token(issued.grant, issued.format);
    tell!(
        info,
        "token-issued",
        visit,
        sub = issued.user.map(UserId::as_str),
        client = issued.client,
        audience = issued.audience,
        scope = issued.scope,
        grant = issued.grant,
        format = issued.format,
        jti = issued.jti.as_ref().map(jti_text),
        iat = issued.iat.0,
        exp = issued.exp.0,
    );
}

/// A request for a token is refused. What it asked for is told as far as it is no secret; so is the workload that showed who it is.
pub fn token_refused(
    visit: &Visit,
    error: &OAuthError,
    params: Option<&Params>,
    workload: Option<&WorkloadId>,
) {
    let asked = |name| {
        let value = params.and_then(|params| params.get(name));
        value
            .unwrap_or_default()
            .chars()
            .take(MOST)
            .collect::<String>()
    };
    tell!(
        warn,
        "token-refused",
        visit,
        rule = error.rule,
        error = error.error,
        client = workload.map_or_else(|| client(visit, params), ToString::to_string),
        grant = asked("grant_type"),
        audience = asked("audience"),
        scope = asked("scope"),
        description = error.summary(),
    );
}

fn client(visit: &Visit, params: Option<&Params>) -> String {
    named(visit, params).chars().take(MOST).collect()
}

/// A request of a client at another route is refused.
pub fn client_refused(
    visit: &Visit,
    route: &'static str,
    error: &OAuthError,
    params: Option<&Params>,
) {
    tell!(
        warn,
        "client-refused",
        visit,
        route,
        rule = error.rule,
        error = error.error,
        client = client(visit, params),
        description = error.summary(),
    );
}

/// An application showed who it is by its secret. One that still has an earlier secret is told of: somebody has to start it
/// anew before that secret ends.
pub fn secret_used(visit: &Visit, application: &Application, generation: u32) {
    let in_use = application.secret_generation;
    visit.metrics.count_secret(match generation.cmp(&in_use) {
        Ordering::Less => "earlier",
        Ordering::Equal => "current",
        Ordering::Greater => "next",
    });
    if generation < in_use {
        let (client, at) = (&application.client, &application.at);
        tell!(info, "earlier-secret-used", visit, %client, application = %at, generation, in_use);
    }
}

/// A refresh token came again.
pub fn refresh_token_reused(visit: &Visit, user: &UserId, client: &ClientId) {
    visit.metrics.count_reuse("refresh-token");
    let sub = user.as_str();
    tell!(warn, "refresh-token-reused", visit, sub, %client, "its family is revoked");
}

/// The refresh tokens of a family are revoked: by its application, or by a rule.
pub fn refresh_token_revoked(
    visit: &Visit,
    user: &UserId,
    client: &ClientId,
    rule: Option<&'static str>,
) {
    visit.metrics.count_revocations(1);
    let sub = user.as_str();
    tell!(info, "refresh-token-revoked", visit, sub, %client, rule);
}

/// The oldest refresh tokens of a user at an application made room for a new one.
pub fn refresh_tokens_dropped(visit: &Visit, user: &UserId, client: &ClientId, count: usize) {
    visit.metrics.count_revocations(count);
    let sub = user.as_str();
    tell!(info, "refresh-tokens-dropped", visit, sub, %client, count);
}

/// A provider took the place of another, and what was of its user of that name ended.
pub fn user_replaced(visit: &Visit, user: &UserId, before: Replaced) {
    visit.metrics.count_revocations(before.families);
    let (sub, connection) = (user.as_str(), user.connection());
    let Replaced {
        families,
        scopes,
        sessions,
    } = before;
    tell!(
        warn,
        "user-replaced",
        visit,
        sub,
        connection,
        sessions,
        refresh_tokens = families,
        scopes,
    );
}

/// A user ended a session.
pub fn signed_out(visit: &Visit, user: &UserId) {
    visit.metrics.count_sign_out();
    tell!(info, "signed-out", visit, sub = user.as_str());
}

/// A user ended all of their sessions, and what applications could refresh.
pub fn signed_out_everywhere(visit: &Visit, user: &UserId, sessions: usize, families: usize) {
    visit.metrics.count_sign_out();
    tell!(
        info,
        "signed-out-everywhere",
        visit,
        sub = user.as_str(),
        sessions,
        families
    );
}

/// An application is told that its user is not coming back with a code.
pub fn authorization_refused(visit: &Visit, misuse: &Misuse) {
    let Misuse {
        client,
        error,
        description,
        ..
    } = misuse;
    let description: String = description.chars().take(MOST).collect();
    tell!(warn, "authorization-refused", visit, %client, error, description);
}

/// Somebody sees the error page.
pub fn page_refused(visit: &Visit, failure: Failure<'_>, detail: Option<&str>) {
    let detail = detail.map(|detail| detail.chars().take(MOST).collect::<String>());
    tell!(
        warn,
        "page-refused",
        visit,
        rule = failure.code().code(),
        detail
    );
}

/// An access token is not good for `/userinfo`.
pub fn token_rejected(visit: &Visit, rule: &str) {
    tell!(info, "token-rejected", visit, route = "userinfo", rule);
}
