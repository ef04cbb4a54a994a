//! Which application asks at the token endpoint, and whether it is it (RFC 6749 section 2.3).

use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::endpoint::Application;
use mintage_core::world::ClientAuth;

use super::audit;
use super::visit::Visit;
use crate::oauth::OAuthError;
use crate::params::Params;
use crate::rule::Rule;

/// The application of a request that has shown who it is. A wrong secret and an unknown client are one answer. How often that
/// comes is not limited: see [`throttle`](super::throttle).
pub fn authenticate<'a>(visit: &'a Visit, params: &Params) -> Result<&'a Application, OAuthError> {
    let header = match visit
        .headers
        .get_all(AUTHORIZATION)
        .iter()
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => None,
        [one] => {
            Some(basic(one.to_str().unwrap_or_default()).ok_or_else(|| unauthorized(visit, true))?)
        }
        _ => {
            return Err(OAuthError::invalid_request(
                Rule::AuthorizationRepeated,
                "there are several Authorization headers; send one",
            ));
        }
    };
    let tried_header = header.is_some();
    let (id, secret, by) = match (header, params.get("client_id"), params.get("client_secret")) {
        (Some(_), _, Some(_)) => {
            return Err(OAuthError::invalid_request(
                Rule::ClientTwice,
                "the client shows who it is in the header and in the body; do one of them (client-twice)",
            ));
        }
        (Some((id, _)), Some(named), None) if id != named => {
            return Err(OAuthError::invalid_request(
                Rule::ClientTwice,
                "client_id is another one in the body than in the header (client-twice)",
            ));
        }
        (Some((id, secret)), _, None) => (id, Some(secret), ClientAuth::Basic),
        (None, Some(id), secret) => (id.to_owned(), secret.map(str::to_owned), ClientAuth::Post),
        (None, None, _) => {
            return Err(OAuthError::invalid_request(
                Rule::ClientMissing,
                "Missing required parameter: client_id",
            ));
        }
    };
    let application = visit
        .application(&id)
        .ok_or_else(|| unauthorized(visit, tried_header))?;
    let shown = secret.filter(|secret| !secret.is_empty());
    let is_it = match (application.auth, shown) {
        // It has no secret, so one that it sends is somebody else's.
        (ClientAuth::None, shown) => shown.is_none(),
        // An empty secret never opens anything (attack 27).
        (_, None) => false,
        (asked, Some(secret)) => {
            let way = asked == ClientAuth::Either || asked == by;
            let right = generation_of(visit, application, &secret);
            if let Some(generation) = right.filter(|_| way) {
                audit::secret_used(visit, application, generation);
            }
            way && right.is_some()
        }
    };
    if is_it {
        Ok(application)
    } else {
        Err(unauthorized(visit, tried_header))
    }
}

/// Which generation of the application's secret a text is, of those that are good. All are tried, each in constant time.
fn generation_of(visit: &Visit, application: &Application, offered: &str) -> Option<u32> {
    let (master, client) = (&visit.realm.master, &application.client);
    let good = application.good_secrets(visit.now);
    good.fold(None, |found, generation| {
        let is_it = master.is_client_secret(client, generation, offered);
        found.or(is_it.then_some(generation))
    })
}

fn unauthorized(visit: &Visit, tried_header: bool) -> OAuthError {
    let error = OAuthError::new(
        StatusCode::UNAUTHORIZED,
        "access_denied",
        Rule::ClientNotAuthenticated,
        "Unauthorized (client-not-authenticated: client_id, secret, or the way that it is sent is not the application's; its Secret has CLIENT_ID and CLIENT_SECRET)",
    );
    if tried_header {
        error.challenged(format!("Basic realm=\"{}\"", visit.domain))
    } else {
        error
    }
}

/// User and password of an HTTP Basic header; OAuth writes both form-encoded (RFC 6749 section 2.3.1).
pub fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (user, password) = credentials.split_once(':')?;
    let decode = |text: &str| {
        let query = format!("v={text}");
        let (_, value) = form_urlencoded::parse(query.as_bytes()).next()?;
        Some(value.into_owned())
    };
    Some((decode(user)?, decode(password)?))
}
