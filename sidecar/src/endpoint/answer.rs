//! The answer to an authorization request, at the application's `redirect_uri` (RFC 6749 section 4.1.2, RFC 9207).

use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use form_urlencoded::Serializer;
use mintage_core::endpoint::{Misuse, RedirectUri, Request, ResponseMode};

use super::pages::{Failure, FormPost, Origin, WebMessage, Window};
use super::visit::Visit;
use super::{audit, scene};
use crate::oauth::{RefusedBy, quotable};

/// An answer on its way.
pub struct Answer<'a> {
    /// Where.
    pub redirect: &'a RedirectUri,
    /// How.
    pub mode: ResponseMode,
    /// The request's own `state`.
    pub state: Option<&'a str>,
    /// `code`, or `error` and `error_description`.
    pub parameters: Vec<(&'static str, String)>,
}

/// Gives a code.
pub fn code(visit: &Visit, request: &Request, code: String) -> Response {
    let answer = Answer {
        redirect: &request.redirect,
        mode: request.mode,
        state: request.state.as_deref(),
        parameters: vec![("code", code)],
    };
    answer.send(visit)
}

/// Says what is wrong.
pub fn misuse(visit: &Visit, misuse: &Misuse) -> Response {
    audit::authorization_refused(visit, misuse);
    let answer = Answer {
        redirect: &misuse.redirect,
        mode: misuse.mode,
        state: misuse.state.as_deref(),
        parameters: vec![
            ("error", misuse.error.to_owned()),
            ("error_description", quotable(&misuse.description)),
        ],
    };
    let mut response = answer.send(visit);
    response.extensions_mut().insert(RefusedBy(misuse.error));
    response
}

impl Answer<'_> {
    fn send(self, visit: &Visit) -> Response {
        let issuer = visit.issuer().to_string();
        let mut all = self.parameters;
        if let Some(state) = self.state {
            all.push(("state", state.to_owned()));
        }
        // Against mix-up: the application sees who answered (attack 24).
        all.push(("iss", issuer));
        let pairs: Vec<(&str, &str)> = all
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        match self.mode {
            ResponseMode::Query => redirect(visit, &self.redirect.with_query(&encoded(&pairs))),
            ResponseMode::Fragment => {
                redirect(visit, &self.redirect.with_fragment(&encoded(&pairs)))
            }
            ResponseMode::FormPost => match FormPost::new(self.redirect.as_str(), &pairs) {
                Ok(page) => scene::draw(visit, None, Window::Own, |scene| page.page(scene)),
                Err(_) => scene::fail(
                    visit,
                    Failure::RequestWrong,
                    Some("response_mode=form_post needs a redirect_uri of a web page"),
                ),
            },
            ResponseMode::WebMessage => match Origin::of(self.redirect.as_str()) {
                Ok(target) => {
                    let page = WebMessage {
                        target: &target,
                        framed_by: std::slice::from_ref(&target),
                        answer: &pairs,
                    };
                    scene::draw(visit, None, Window::Opened, |scene| page.page(scene))
                }
                Err(_) => scene::fail(
                    visit,
                    Failure::RequestWrong,
                    Some("response_mode=web_message needs a redirect_uri of a web page"),
                ),
            },
        }
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Sends the browser elsewhere: as Auth0 does, and after a form so that it asks by GET there and sends no password on (RFC
/// 9700 section 4.12).
pub fn redirect(visit: &Visit, to: &str) -> Response {
    let status = if visit.method == Method::POST {
        StatusCode::SEE_OTHER
    } else {
        StatusCode::FOUND
    };
    let Ok(location) = HeaderValue::from_str(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (status, headers).into_response()
}
