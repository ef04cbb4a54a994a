//! `POST /oauth/introspect` (RFC 7662), for resource servers that show who they are: an application learns about tokens
//! for the APIs of its own namespace, and about its own refresh tokens. Of everybody else's it learns nothing (attack 29).
//!
//! Active is what would be good for something here: not what is of a user or application that is gone (RFC 7662 section 2.2).

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use mintage_core::claims::client_subject;
use mintage_core::endpoint::{Api, Application};
use mintage_core::ident::write_scopes;
use mintage_core::verify::{Claims, Expected};
use mintage_core::world::{AudienceAlg, ClientAuth};
use mintage_core::{Identifier, UnixTime, UserId, WorkloadId};
use serde_json::{Value, json};

use super::issue::{self, Granted};
use super::store::{Digest, FamilyId, Standing};
use super::visit::Visit;
use super::{Endpoint, Here, audit, client, person};
use crate::oauth::{OAuthError, no_store_json};
use crate::params::Params;
use crate::rule::Rule;

pub async fn handle(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let params = match Params::read(&parts.headers, body).await {
        Ok(params) => params,
        Err(error) => return refuse(&visit, error, None),
    };
    match introspect(&endpoint, &visit, &params).await {
        Ok(answer) => no_store_json(answer.to_string()),
        Err(error) => refuse(&visit, error, Some(&params)),
    }
}

fn refuse(visit: &Visit, error: OAuthError, params: Option<&Params>) -> Response {
    audit::client_refused(visit, "introspect", &error, params);
    error.into_response()
}

async fn introspect(
    endpoint: &Endpoint,
    visit: &Visit,
    params: &Params,
) -> Result<Value, OAuthError> {
    let application = client::authenticate(visit, params)?;
    if application.auth == ClientAuth::None {
        return Err(OAuthError::new(
            StatusCode::FORBIDDEN,
            "unauthorized_client",
            Rule::ClientNotAuthenticated,
            "an application without a secret cannot show who it is (client-not-authenticated)",
        ));
    }
    let token = params.get("token").ok_or_else(|| {
        OAuthError::invalid_request(Rule::TokenMissing, "Missing required parameter: token")
    })?;
    let told = match issue::family_of(token) {
        Some(family) => refresh_token(endpoint, visit, application, &family, token).await?,
        None => access_token(endpoint, visit, application, token).await?,
    };
    Ok(told.unwrap_or_else(|| json!({ "active": false })))
}

/// What there is to say of a refresh token that a refresh would be answered for.
async fn refresh_token(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    id: &FamilyId,
    token: &str,
) -> Result<Option<Value>, OAuthError> {
    let config = &visit.realm.config;
    let found = endpoint
        .store
        .find_family(&config.tenant_uid, id, &Digest::of(token), visit.now)
        .await?;
    let live = found.filter(|(family, standing)| {
        *standing == Standing::Live && family.client == application.client
    });
    let Some((family, _)) = live else {
        return Ok(None);
    };
    let Ok(granted) = serde_json::from_str::<Granted>(&family.payload) else {
        return Ok(None);
    };
    let audience = granted.audience.as_deref();
    let asked = config.asked(application, audience, &granted.scopes, None);
    let allowed = asked.is_ok_and(|asked| asked.has("offline_access"));
    if !allowed || !is_there(endpoint, visit, &granted.user, family.created_at).await? {
        return Ok(None);
    }
    Ok(Some(json!({
        "active": true,
        "token_type": "refresh_token",
        "client_id": application.client,
        "sub": granted.user,
        "iss": granted.issuer,
        "scope": write_scopes(&granted.scopes),
    })))
}

/// Whether something that a user was given then is still theirs, as at `/userinfo`.
async fn is_there(
    endpoint: &Endpoint,
    visit: &Visit,
    user: &UserId,
    given: UnixTime,
) -> Result<bool, OAuthError> {
    let person = person::find(endpoint, visit, user).await?;
    Ok(person.is_some_and(|person| person.had_by(given)))
}

/// What there is to say of an access token for an API of the application's namespace.
async fn access_token(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    token: &str,
) -> Result<Option<Value>, OAuthError> {
    let Some(claims) = judged(visit, application, token) else {
        return Ok(None);
    };
    if !stands(endpoint, visit, &claims).await? {
        return Ok(None);
    }
    let audience: Value = match claims.audiences.as_slice() {
        [only] => only.as_str().into(),
        several => several.into(),
    };
    let mut answer = json!({
        "active": true,
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": audience,
        "client_id": claims.client,
        "exp": claims.expires_at,
        "iat": claims.issued_at,
        "token_type": "Bearer",
    });
    if !claims.scopes.is_empty() {
        answer["scope"] = write_scopes(&claims.scopes).into();
    }
    Ok(Some(answer))
}

/// The claims of a good token: under the tenant's key, or under the secret of the very API that it is for.
fn judged(visit: &Visit, application: &Application, token: &str) -> Option<Claims> {
    let (realm, now) = (&visit.realm, visit.now);
    let told_of = |api: &&Api| api.at.namespace == application.at.namespace;
    if let Ok(authentic) = realm.verifier.authenticate(token, now) {
        let apis = realm.config.apis.values().filter(told_of);
        let accepted: BTreeSet<Identifier> = apis.map(|api| api.identifier.clone()).collect();
        let expected = Expected::Apis(&accepted);
        realm.verifier.judge(&authentic, expected, now).ok()?;
        return Some(authentic.claims);
    }
    let has_signed = |audience: &str, input: &[u8], signature: &[u8]| {
        let api = realm.config.apis.get(audience).filter(told_of);
        let api = api.filter(|api| api.alg == AudienceAlg::Hs256);
        api.is_some_and(|api| realm.master.has_signed(api, input, signature))
    };
    realm.verifier.check_secret(token, has_signed, now).ok()
}

/// Whether the application and the user of a token are still there. Workloads are nobody's applications: as with tokens that
/// their sidecars sign, theirs are good until they end.
async fn stands(endpoint: &Endpoint, visit: &Visit, claims: &Claims) -> Result<bool, OAuthError> {
    let is_workload = WorkloadId::parse(&claims.client).is_ok();
    if !is_workload && visit.application(&claims.client).is_none() {
        return Ok(false);
    }
    if claims.subject == client_subject(&claims.client) {
        return Ok(true);
    }
    match UserId::parse(&claims.subject) {
        Ok(user) => is_there(endpoint, visit, &user, claims.issued_at).await,
        Err(_) => Ok(false),
    }
}
