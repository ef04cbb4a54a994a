//! On the way to a provider.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use mintage_core::endpoint::{Challenge, Request};
use mintage_core::upstream::Asking;
use mintage_core::{ObjectName, UnixTime};
use serde::{Deserialize, Serialize};

use super::Provider;
use crate::endpoint::pages::Failure;
use crate::endpoint::sign_in::{CONNECTION, STATE, Ways, no_way};
use crate::endpoint::visit::Visit;
use crate::endpoint::{Endpoint, Here, answer, flow, scene};
use crate::params::Params;

/// The longest `state` that is sent: it is part of an address, and servers read 8 KiB of one.
const LONGEST_STATE: usize = 4096;

/// What comes back with the answer, sealed.
#[derive(Deserialize, Serialize)]
pub struct Errand {
    /// What the application asked for.
    pub request: Request,
    /// Whom the user was sent to.
    pub connection: ObjectName,
    /// When.
    pub begun: UnixTime,
}

/// Follows a button of the sign-in page. It is a link: a browser would hold what a form leads to, and where the provider leads
/// from there, to a list that nobody knows (`form-action`).
pub async fn handle(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let params = Params::from_form(parts.uri.query().unwrap_or_default().as_bytes());
    let params = match params {
        Ok(params) => params,
        Err(error) => return scene::fail(&visit, Failure::RequestWrong, Some(&error.description)),
    };
    let sealed = params.get(STATE).unwrap_or_default();
    let request = match flow::open_request(&visit, flow::Step::SignIn, sealed) {
        Ok(request) => request,
        Err(failure) => return scene::fail(&visit, failure, None),
    };
    let name = params.get(CONNECTION).unwrap_or_default();
    match Ways::of(&visit, &request).provider(name) {
        Some(provider) => leave(&endpoint, &visit, &request, provider).await,
        None => no_way(&visit, Some(name)),
    }
}

/// Sends the browser to a provider.
pub async fn leave(
    endpoint: &Endpoint,
    visit: &Visit,
    request: &Request,
    provider: &Provider,
) -> Response {
    let known = endpoint.providers.find(&provider.issuer, visit.now).await;
    let known = known.and_then(|known| {
        // Nobody signs in there for nothing.
        known.metadata.shown(provider.secret.is_some())?;
        Ok(known)
    });
    let known = match known {
        Ok(known) => known,
        Err(fault) => return provider.failed(visit, request, fault),
    };
    let mut headers = HeaderMap::new();
    let errand = Errand {
        request: request.clone(),
        connection: provider.name.clone(),
        begun: visit.now,
    };
    let state = flow::browser(visit, &mut headers)
        .and_then(|browser| flow::carry(visit, &browser, flow::Step::Provider, errand));
    let Some(state) = state else {
        return scene::fail(visit, Failure::Internal, None);
    };
    if state.len() > LONGEST_STATE {
        let text = "the request is too long to be taken to another provider: shorten state, nonce or redirect_uri";
        return answer::misuse(visit, &request.refuse("invalid_request", text));
    }
    let master = &visit.realm.master;
    let asking = Asking {
        request,
        client: &provider.client,
        scopes: &provider.scopes,
        redirect: &provider.redirect(visit),
        state: &state,
        nonce: &master.provider_nonce(&state),
        challenge: &Challenge::of(&master.provider_verifier(&state)),
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(asking.parameters())
        .finish();
    let there = known.metadata.authorization_endpoint.with_query(&query);
    (headers, answer::redirect(visit, &there)).into_response()
}
