//! `POST /introspect` (RFC 7662), for the audiences that this pod accepts.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use mintage_core::ident::write_scopes;
use mintage_core::verify::Expected;
use serde_json::{Value, json};

use super::App;
use crate::oauth::{OAuthError, no_store_json};
use crate::params::Params;
use crate::rule::Rule;
use crate::verdict::not_accepted;

pub async fn handle(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match Params::read(&parts.headers, body)
        .await
        .and_then(|params| introspect(&app, &params))
    {
        Ok(answer) => no_store_json(answer.to_string()),
        Err(error) => {
            app.metrics.count_check("introspect", error.rule);
            error.logged().into_response()
        }
    }
}

fn introspect(app: &App, params: &Params) -> Result<Value, OAuthError> {
    let token = params.get("token").ok_or_else(|| {
        OAuthError::invalid_request(
            Rule::TokenMissing,
            "token is missing; send token=<the access token>",
        )
    })?;
    let now = app.shared.now();
    let loaded = app.shared.usable(now)?;
    let accepted = loaded.accepted.as_ref().map_err(not_accepted)?;
    let expected = Expected::Apis(accepted);
    let authentic = loaded.authenticate(token, now);
    let verdict = authentic.and_then(|authentic| {
        let verified = loaded.verifier().judge(&authentic, expected, now)?;
        let claims = &verified.token.claims;
        let mut answer = json!({
            "active": true,
            "iss": claims.issuer,
            "sub": claims.subject,
            "aud": audience(&claims.audiences),
            "client_id": claims.client,
            "exp": claims.expires_at,
            "iat": claims.issued_at,
            "token_type": "Bearer",
        });
        if !claims.scopes.is_empty() {
            answer["scope"] = write_scopes(&claims.scopes).into();
        }
        if let Some(jti) = &claims.jti {
            answer["jti"] = jti.as_str().into();
        }
        Ok(answer)
    });
    // RFC 7662 section 2.2: why a token is not active is nobody's business; the log and the metric say it.
    Ok(verdict.map_or_else(
        |rejection| {
            app.metrics.count_check("introspect", rejection.code());
            tracing::info!(
                event = "token-rejected",
                route = "introspect",
                rule = rejection.code()
            );
            json!({ "active": false })
        },
        |answer| {
            app.metrics.count_check("introspect", "accepted");
            answer
        },
    ))
}

fn audience(audiences: &[String]) -> Value {
    match audiences {
        [only] => only.as_str().into(),
        several => several.into(),
    }
}
