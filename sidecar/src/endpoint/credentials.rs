//! Tokens of clients that act for themselves: applications and workloads.

use axum::response::Response;
use mintage_core::claims::{Content, Jti, payload_segment};
use mintage_core::endpoint::{Api, Application, UserToken};
use mintage_core::ident::write_scopes;
use mintage_core::policy;
use mintage_core::world::GrantType;
use mintage_core::{Scope, WorkloadId};

use super::audit::{self, Issued};
use super::issue::{Answer, no_signature, sign_for};
use super::visit::Visit;
use crate::clock;
use crate::oauth::{OAuthError, no_store_json};

/// Gives an application a token for itself.
pub fn client_token(
    visit: &Visit,
    application: &Application,
    api: &Api,
    scopes: Vec<Scope>,
) -> Result<Response, OAuthError> {
    let issuer = visit.issuer();
    let scope = write_scopes(&scopes);
    let token = UserToken {
        issuer: &issuer,
        user: None,
        client: &application.client,
        audience: vec![api.identifier.to_string()],
        scopes,
        permissions: None,
        dialect: api.dialect,
        issued_at: visit.now,
        lifetime: api.lifetime,
        refreshed: false,
    };
    let jti = clock::jti().ok_or_else(no_signature)?;
    let token = sign_for(visit, api, &token.payload(jti))?;
    let client = application.client.as_str();
    Ok(credentials(visit, client, api, scope, (&token, jti)))
}

/// Gives a workload a token for itself.
pub fn workload_token(
    visit: &Visit,
    workload: &WorkloadId,
    api: &Api,
    granted: policy::Granted,
) -> Result<Response, OAuthError> {
    let content = Content {
        audience: &granted.audience,
        client: workload,
        dialect: api.dialect,
        issued_at: visit.now,
        issuer: &granted.issuer,
        lifetime: api.lifetime,
        scope: &granted.scope,
    };
    let jti = clock::jti().ok_or_else(no_signature)?;
    let token = sign_for(visit, api, &payload_segment(content, jti))?;
    let client = workload.to_string();
    Ok(credentials(
        visit,
        &client,
        api,
        granted.scope,
        (&token, jti),
    ))
}

/// Hands out the token of a client that acts for itself.
fn credentials(
    visit: &Visit,
    client: &str,
    api: &Api,
    scope: String,
    (access_token, jti): (&str, Jti),
) -> Response {
    let event = Issued {
        grant: GrantType::ClientCredentials.as_str(),
        format: "jwt",
        user: None,
        client,
        audience: Some(api.identifier.as_str()),
        scope: &scope,
        iat: visit.now,
        exp: visit.now + api.lifetime,
        jti: api.dialect.has_jti().then_some(jti),
    };
    audit::token_issued(visit, &event);
    let answer = Answer {
        access_token,
        refresh_token: None,
        id_token: None,
        scope,
        expires_in: api.lifetime,
        token_type: "Bearer",
    };
    no_store_json(serde_json::to_string(&answer).expect("strings and a number are JSON"))
}
