//! `/userinfo` (OpenID Connect Core section 5.3).

use axum::body::Body;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use mintage_core::code::Coded as _;
use mintage_core::endpoint::{Application, OpaqueClaims};
use mintage_core::verify::{self, Expected};
use mintage_core::{ClientId, Scope, UnixTime, UserId};

use super::visit::Visit;
use super::{Endpoint, Here, audit, cors, person};
use crate::oauth::{OAuthError, no_store_json};
use crate::params::{self, Params};
use crate::rule::Rule;

/// The token's name in a form or a query.
const ACCESS_TOKEN: &str = "access_token";

/// What a token says that `/userinfo` takes.
struct Bearer {
    user: UserId,
    client: ClientId,
    scopes: Vec<Scope>,
    issued_at: UnixTime,
}

pub async fn handle(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let bearer = match sent(&visit, &parts, body).await {
        Ok(token) => read(&visit, &token),
        Err(error) => Err(error),
    };
    let application: Option<&Application> = bearer
        .as_ref()
        .ok()
        .and_then(|bearer| visit.application(bearer.client.as_str()));
    let answered = match &bearer {
        Ok(bearer) => answer(&endpoint, &visit, application.is_some(), bearer).await,
        Err(error) => Err(error.clone()),
    };
    let mut response = match answered {
        Ok(claims) => no_store_json(claims),
        Err(error) => error.into_response(),
    };
    cors::allow(&visit, application, &mut response);
    response
}

/// What the application may know of the user, if both are still there: a tenant or application that took over a name has
/// another `client_id`, so tokens of the one before tell nothing (attack 32).
async fn answer(
    endpoint: &Endpoint,
    visit: &Visit,
    is_known: bool,
    bearer: &Bearer,
) -> Result<String, OAuthError> {
    if !is_known {
        return Err(rejected(visit, Rule::ClientNotAuthenticated.code()));
    }
    if !bearer.scopes.iter().any(|scope| scope.as_str() == "openid") {
        let error = OAuthError::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            Rule::InsufficientScope,
            "the token lacks the scope openid (insufficient-scope)",
        );
        audit::token_rejected(visit, error.rule);
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"openid\"";
        return Err(error.challenged(challenge.to_owned()));
    }
    let person = person::find(endpoint, visit, &bearer.user).await?;
    let person = person.filter(|person| person.had_by(bearer.issued_at));
    let person = person.ok_or_else(|| rejected(visit, Rule::UserInactive.code()))?;
    let mut claims = person.profile.claims(&bearer.scopes);
    claims.insert("sub".to_owned(), bearer.user.as_str().into());
    Ok(serde_json::Value::Object(claims).to_string())
}

/// The token that was sent: in the header, in a form, or in the query (RFC 6750 section 2), where Auth0's own library for
/// Passport has it. What came in two ways is refused: who sent the second one may be another.
async fn sent(visit: &Visit, parts: &Parts, body: Body) -> Result<String, OAuthError> {
    let refuse = |error: OAuthError| {
        audit::token_rejected(visit, error.rule);
        error.challenged(format!("Bearer realm=\"{}\"", visit.domain))
    };
    let headers = visit.headers.get_all(AUTHORIZATION).iter();
    let in_headers = headers.map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        is_bearer.then(|| token.trim().to_owned())
    });
    let query = parts.uri.query().unwrap_or_default();
    let query = Params::from_form(query.as_bytes()).map_err(refuse)?;
    let form = if parts.method == Method::POST && params::is_form(&parts.headers) {
        Params::read(&parts.headers, body).await.map_err(refuse)?
    } else {
        Params::default()
    };
    let in_parameters = [&query, &form].map(|params| params.get(ACCESS_TOKEN).map(str::to_owned));
    let mut all = in_headers.chain(in_parameters.into_iter().flatten().map(Some));
    match (all.next(), all.next()) {
        (Some(Some(token)), None) => Ok(token),
        (Some(_), Some(_)) => Err(refuse(OAuthError::invalid_request(
            Rule::TokenRepeated,
            "there is more than one token; send it once, as Authorization: Bearer <access token>",
        ))),
        (Some(None) | None, _) => Err(refuse(OAuthError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request",
            Rule::TokenMissing,
            "there is no token; send Authorization: Bearer <access token>",
        ))),
    }
}

/// Reads the token: an opaque one, or a JWT whose `aud` has the address of `/userinfo` (row S4).
fn read(visit: &Visit, token: &str) -> Result<Bearer, OAuthError> {
    let realm = &visit.realm;
    if let Some(claims) = OpaqueClaims::open(&realm.master, visit.now, token) {
        let ours = realm
            .config
            .domains
            .keys()
            .any(|domain| domain.issuer() == claims.iss);
        return if ours {
            Ok(Bearer {
                user: claims.sub,
                client: claims.azp,
                scopes: claims.scope,
                issued_at: claims.iat,
            })
        } else {
            Err(rejected(visit, verify::Rule::Issuer.code()))
        };
    }
    let authentic = realm.verifier.authenticate(token, visit.now);
    let authentic = authentic.map_err(|rejection| rejected(visit, rejection.code()))?;
    let verified = realm
        .verifier
        .judge(&authentic, Expected::UserInfo, visit.now);
    let claims = &verified
        .map_err(|rejection| rejected(visit, rejection.code()))?
        .token
        .claims;
    Ok(Bearer {
        user: UserId::parse(&claims.subject)
            .map_err(|_| rejected(visit, Rule::UserInactive.code()))?,
        client: ClientId::parse(&claims.client)
            .map_err(|_| rejected(visit, Rule::ClientNotAuthenticated.code()))?,
        scopes: claims.scopes.clone(),
        issued_at: claims.issued_at,
    })
}

/// Refuses a token; whoever sent it is not told why.
fn rejected(visit: &Visit, rule: &str) -> OAuthError {
    audit::token_rejected(visit, rule);
    let error = OAuthError::new(
        StatusCode::UNAUTHORIZED,
        "invalid_token",
        Rule::TokenInvalid,
        "the token is no access token for /userinfo of this tenant, or has ended (token-invalid)",
    );
    error.challenged("Bearer error=\"invalid_token\"".to_owned())
}
