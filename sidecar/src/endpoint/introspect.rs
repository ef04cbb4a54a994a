//! `POST /oauth/introspect` (RFC 7662), for resource servers that show who they are: an application learns about tokens
//! for the APIs of its own namespace, and about its own refresh tokens. Of everybody else's it learns nothing (attack 29).

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use mintage_core::Identifier;
use mintage_core::endpoint::Application;
use mintage_core::ident::write_scopes;
use mintage_core::verify::Expected;
use mintage_core::world::ClientAuth;
use serde_json::{Value, json};

use super::issue::{self, Granted};
use super::store::{Digest, Standing};
use super::visit::Visit;
use super::{Endpoint, Here, client};
use crate::oauth::{OAuthError, no_store_json};
use crate::params::Params;
use crate::rule::Rule;

pub async fn handle(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let answer = match Params::read(&parts.headers, body).await {
        Ok(params) => introspect(&endpoint, &visit, &params).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => no_store_json(answer.to_string()),
        Err(error) => error.logged().into_response(),
    }
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
    if let Some(family) = issue::family_of(token) {
        let (tenant, digest) = (&visit.realm.config.tenant_uid, Digest::of(token));
        let found = endpoint
            .store
            .find_family(tenant, &family, &digest, visit.now)
            .await?;
        let live = found.filter(|(family, standing)| {
            *standing == Standing::Live && family.client == application.client
        });
        let granted =
            live.and_then(|(family, _)| serde_json::from_str::<Granted>(&family.payload).ok());
        return Ok(granted.map_or_else(inactive, |granted| {
            json!({
                "active": true,
                "token_type": "refresh_token",
                "client_id": application.client,
                "sub": granted.user,
                "iss": granted.issuer,
                "scope": write_scopes(&granted.scopes),
            })
        }));
    }
    Ok(access_token(visit, application, token).unwrap_or_else(inactive))
}

fn inactive() -> Value {
    json!({ "active": false })
}

fn access_token(visit: &Visit, application: &Application, token: &str) -> Option<Value> {
    let verifier = &visit.realm.verifier;
    let authentic = verifier.authenticate(token, visit.now).ok()?;
    let apis = visit.realm.config.apis.values();
    let of_namespace = apis.filter(|api| api.at.namespace == application.at.namespace);
    let accepted: BTreeSet<Identifier> = of_namespace.map(|api| api.identifier.clone()).collect();
    let verdict = verifier.judge(&authentic, Expected::Apis(&accepted), visit.now);
    let claims = &verdict.ok()?.token.claims;
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
    Some(answer)
}
