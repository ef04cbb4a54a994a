//! `POST /oauth/revoke` (RFC 7009): refresh tokens. Access tokens end by themselves.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::store::Digest;
use super::visit::Visit;
use super::{Endpoint, Here, audit, client, cors, issue};
use crate::oauth::OAuthError;
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
    let mut response = match revoke(&endpoint, &visit, &params).await {
        // RFC 7009 section 2.2: an unknown token is as good as revoked.
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refuse(&visit, error, Some(&params)),
    };
    let named = params
        .get("client_id")
        .and_then(|client| visit.application(client));
    cors::allow(&visit, named, &mut response);
    response
}

fn refuse(visit: &Visit, error: OAuthError, params: Option<&Params>) -> Response {
    audit::client_refused(visit, "revoke", &error, params);
    error.into_response()
}

async fn revoke(endpoint: &Endpoint, visit: &Visit, params: &Params) -> Result<(), OAuthError> {
    let application = client::authenticate(visit, params).map_err(|mut error| {
        // RFC 7009 section 2.2.1, and Auth0's own code at this endpoint.
        if error.status == StatusCode::UNAUTHORIZED {
            error.error = "invalid_client";
        }
        error
    })?;
    let token = params.get("token").ok_or_else(|| {
        OAuthError::invalid_request(Rule::TokenMissing, "Missing required parameter: token")
    })?;
    let Some(family) = issue::family_of(token) else {
        return Ok(());
    };
    let (tenant, digest) = (&visit.realm.config.tenant_uid, Digest::of(token));
    let known = endpoint
        .store
        .find_family(tenant, &family, &digest, visit.now)
        .await?;
    if let Some((known, _)) = known.filter(|(known, _)| known.client == application.client) {
        let revoked = endpoint
            .store
            .revoke_family(tenant, &known.id, visit.now)
            .await?;
        if revoked {
            audit::refresh_token_revoked(visit, &known.user, &application.client, None);
        }
    }
    Ok(())
}
