//! `/authorize`: what becomes of a request (RFC 6749 section 4.1.1).

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use mintage_core::endpoint::{self as rules, Asked, Request, Unanswerable, Visitor};

use super::cookies::Cookie;
use super::pages::{Failure, Window};
use super::session::{self, Found};
use super::visit::Visit;
use super::{Endpoint, Here, answer, consent, flow, issue, scene, sign_in};
use crate::oauth::OAuthError;
use crate::params::Params;

/// By GET.
pub async fn get(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => {
            let params = Params::from_form(parts.uri.query().unwrap_or_default().as_bytes());
            begin(&endpoint, &visit, params).await
        }
        Err(error) => error.logged().into_response(),
    }
}

/// By POST (OpenID Connect Core section 3.1.2.1).
pub async fn post(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => {
            let params = form(&parts, body).await;
            match params
                .as_ref()
                .ok()
                .and_then(|params| by_get(&visit, params))
            {
                Some(target) => answer::redirect(&visit, &target),
                None => begin(&endpoint, &visit, params).await,
            }
        }
        Err(error) => error.logged().into_response(),
    }
}

/// The longest query that is made of a form: it comes back in a request line.
const MAX_QUERY: usize = 4096;

/// Where a browser that shows no cookie of ours asks the same by GET. It sends none with a form of another site, and would
/// lose the one that it has to a new one: the pages that it shows in other windows would be of another browser then.
fn by_get(visit: &Visit, params: &Params) -> Option<String> {
    if Cookie::Browser.of(&visit.headers).is_some() {
        return None;
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params.all())
        .finish();
    (query.len() <= MAX_QUERY).then(|| format!("/authorize?{query}"))
}

/// Reads a form of a page of ours, or of an application.
pub async fn form(parts: &Parts, body: Body) -> Result<Params, OAuthError> {
    Params::read(&parts.headers, body).await
}

async fn begin(endpoint: &Endpoint, visit: &Visit, params: Result<Params, OAuthError>) -> Response {
    let params = match params {
        Ok(params) => params,
        Err(error) => return scene::fail(visit, Failure::RequestWrong, Some(&error.description)),
    };
    let read_hint = |token: &str| visit.realm.verifier.id_token(token, visit.now);
    match Request::read(&visit.realm.config, params.all(), &read_hint) {
        Ok(Ok(request)) => advance(endpoint, visit, &request, Done::Nothing).await,
        Ok(Err(misuse)) => answer::misuse(visit, &misuse),
        Err(unanswerable) => {
            let failure = match &unanswerable {
                Unanswerable::Client(_) => Failure::UnknownApplication,
                Unanswerable::Callback { .. } => Failure::CallbackMismatch,
                Unanswerable::Missing(_)
                | Unanswerable::Repeated(_)
                | Unanswerable::WebOrigin { .. } => Failure::RequestWrong,
            };
            scene::fail(visit, failure, Some(&unanswerable.to_string()))
        }
    }
}

/// Goes on with a request after the user signed in.
pub async fn go_on(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let params = Params::from_form(parts.uri.query().unwrap_or_default().as_bytes());
    let sealed = params
        .as_ref()
        .ok()
        .and_then(|params| params.get("state"))
        .unwrap_or_default();
    match flow::open_signed_in(&visit, sealed) {
        Ok((request, session)) => {
            advance(&endpoint, &visit, &request, Done::SignedIn { session }).await
        }
        Err(failure) => scene::fail(&visit, failure, None),
    }
}

/// What the user has done for a request by now.
pub enum Done {
    /// Allowed what is asked for.
    Allowed,
    /// Nothing.
    Nothing,
    /// Signed in.
    SignedIn {
        /// The name of the session that began by that.
        session: String,
    },
}

/// Does what is next with a request: a page, or the answer.
pub async fn advance(
    endpoint: &Endpoint,
    visit: &Visit,
    request: &Request,
    done: Done,
) -> Response {
    let found = match session::find(endpoint, visit).await {
        Ok(found) => found,
        Err(error) => return scene::unavailable(visit, &error),
    };
    // A browser that keeps no cookie would go to a provider and come back for ever.
    let signed_in = matches!(done, Done::SignedIn { .. });
    if signed_in && Cookie::Session.of(&visit.headers).is_none() {
        return scene::fail(visit, Failure::CookiesMissing, None);
    }
    let Some(application) = visit.application(request.client.as_str()) else {
        return scene::fail(visit, Failure::UnknownApplication, None);
    };
    let asked = match asked_for(visit, request, found.as_ref()) {
        Ok(asked) => asked,
        Err(text) => return answer::misuse(visit, &request.refuse("access_denied", text)),
    };
    let consented = match &found {
        Some(found) => match consent::known(endpoint, visit, request, &asked, found).await {
            Ok(consented) => consented,
            Err(error) => return scene::unavailable(visit, &error),
        },
        None => BTreeSet::default(),
    };
    let visitor = Visitor {
        user: found.as_ref().map(|found| &found.session.user),
        authenticated_at: found.as_ref().map(|found| found.session.authenticated_at),
        consented: &consented,
        signed_in: match &done {
            Done::SignedIn { session } => {
                found.as_ref().is_some_and(|found| found.name() == *session)
            }
            Done::Allowed | Done::Nothing => false,
        },
        answered: matches!(done, Done::Allowed),
    };
    let step = asked.step(visit.now, application, request, visitor);
    match (step, found) {
        (rules::Step::Refuse(error, text), _) => {
            answer::misuse(visit, &request.refuse(error, text))
        }
        (rules::Step::Consent, Some(found)) => {
            consent::ask(visit, application, request, &asked, &found)
        }
        (rules::Step::Issue, Some(found)) => {
            match issue::code(endpoint, visit, request, &asked, &found).await {
                Ok(code) => answer::code(visit, request, code),
                Err(error) => scene::unavailable(visit, &error),
            }
        }
        (rules::Step::SignIn | rules::Step::Consent | rules::Step::Issue, _) => {
            sign_in::begin(endpoint, visit, application, request).await
        }
    }
}

/// What a request comes to for a user who has signed in, or for nobody yet.
pub fn asked_for<'a>(
    visit: &'a Visit,
    request: &Request,
    found: Option<&Found>,
) -> Result<Asked<'a>, String> {
    let config = &visit.realm.config;
    let application = visit
        .application(request.client.as_str())
        .ok_or("Unknown client")?;
    let audience = request.audience.as_deref();
    let assigned = found.and_then(|found| issue::assigned(visit, &found.session.user, audience));
    config
        .asked(application, audience, &request.scope, assigned)
        .map_err(|unknown| unknown.to_string())
}

/// The window that a request's pages are shown in.
pub fn window(request: &Request) -> Window {
    if request.mode == rules::ResponseMode::WebMessage {
        Window::Opened
    } else {
        Window::Own
    }
}
