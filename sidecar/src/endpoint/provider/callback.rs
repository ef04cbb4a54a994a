//! Back from a provider (RFC 6749 section 4.1.2, OpenID Connect Core section 3.1.2.5).

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use mintage_core::upstream::{Expected, Fault, Identity, Metadata, fresh_since, user_id};
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::exchange::{Tokens, error_code};
use super::leave::Errand;
use super::web::Web;
use super::{CALLBACK, Provider};
use crate::endpoint::pages::{Failure, Problem};
use crate::endpoint::sign_in::{self, STATE, SignedIn};
use crate::endpoint::store::{self, Digest};
use crate::endpoint::throttle::Attempt;
use crate::endpoint::visit::Visit;
use crate::endpoint::{Endpoint, Here, answer, audit, flow, scene};
use crate::params::Params;

/// Takes the provider's answer.
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
    let came_to = parts.uri.path().strip_prefix(CALLBACK).unwrap_or_default();
    let state = params.get(STATE).unwrap_or_default();
    let errand: Errand = match flow::open(&visit, flow::Step::Provider, state) {
        Ok(errand) => errand,
        // Nobody was sent here by us, so it is not about cookies.
        Err(_) if visit.realm.issuer_of(came_to).is_none() => {
            let detail = format!("the tenant has no connection {came_to} with a provider");
            return scene::fail(&visit, Failure::NotFound, Some(&detail));
        }
        Err(failure) => return scene::fail(&visit, failure, None),
    };
    // Before it is used up: whoever is told to wait may come again with it.
    let attempt = Attempt::with_answer(visit.address);
    if let Err(wait) = endpoint.throttle.begin(&attempt, visit.now) {
        audit::sign_in_throttled(&visit, &errand.request.client, wait);
        return scene::fail(&visit, Failure::TooMany { wait }, None);
    }
    // An answer is taken once, whatever it is.
    let tenant = &visit.realm.config.tenant_uid;
    let ends_at = errand.begun + flow::Step::Provider.life();
    let first = endpoint
        .store
        .use_once(tenant, &Digest::of(state), ends_at)
        .await;
    match first {
        Ok(true) => {}
        Ok(false) => return scene::fail(&visit, Failure::Expired, None),
        Err(error) => return scene::unavailable(&visit, &error),
    }
    if let Err(failure) = flow::standing(&visit, &errand.request) {
        return scene::fail(&visit, failure, None);
    }
    let Some(provider) = visit.realm.provider(errand.connection.as_str()) else {
        return sign_in::no_way(&visit, Some(errand.connection.as_str()));
    };
    if came_to != provider.name.as_str() {
        return provider.failed(&visit, &errand.request, Fault::ProviderMixedUp);
    }
    match take(&endpoint, &visit, provider, &errand, state, &params).await {
        Ok(Taken::SignedIn(response)) => {
            endpoint.throttle.succeeded(&attempt);
            response
        }
        Ok(Taken::Nobody(response)) => response,
        Err(Refused::Fault(fault)) => provider.failed(&visit, &errand.request, fault),
        Err(Refused::Store(error)) => scene::unavailable(&visit, &error),
    }
}

/// What comes of an answer.
enum Taken {
    SignedIn(Response),
    Nobody(Response),
}

/// Why an answer signs nobody in.
enum Refused {
    Fault(Fault),
    Store(store::Error),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

async fn take(
    endpoint: &Endpoint,
    visit: &Visit,
    provider: &Provider,
    errand: &Errand,
    state: &str,
    params: &Params,
) -> Result<Taken, Refused> {
    let known = endpoint.providers.find(&provider.issuer, visit.now).await?;
    // Before anything of the answer is used, and before a code goes anywhere.
    known.metadata.check_answer(params.get("iss"))?;
    if let Some(error) = params.get("error") {
        let refused = refused(visit, provider, errand, error_code(error));
        return Ok(Taken::Nobody(refused));
    }
    let Some(code) = params.get("code") else {
        let text = "the provider sent neither code nor error";
        let failed = scene::fail(visit, Failure::RequestWrong, Some(text));
        return Ok(Taken::Nobody(failed));
    };
    let verifier = visit.realm.master.provider_verifier(state);
    let tokens = provider
        .redeem(
            &endpoint.providers.web,
            &known.metadata,
            code,
            &provider.redirect(visit),
            &verifier,
        )
        .await?;
    let mut identity = identify(endpoint, visit, provider, errand, (state, code), &tokens).await?;
    if identity.is_bare()
        && let Some(document) = userinfo(&endpoint.providers.web, &known.metadata, &tokens).await
    {
        identity.complete(&document)?;
    }
    let user = user_id(&provider.name, &identity.subject)?;
    let profile = serde_json::to_string(&identity.profile).expect("a profile has string keys only");
    // One that is too large to keep keeps nobody from signing in.
    let kept = store::Profile::parse(profile).unwrap_or_else(|_| store::Profile::empty());
    let replaced = endpoint
        .store
        .keep_person(
            &visit.realm.config.tenant_uid,
            &user,
            provider.issuer.as_str(),
            &kept,
            visit.now,
        )
        .await?;
    if let Some(before) = replaced {
        audit::user_replaced(visit, &user, before);
    }
    let who = SignedIn {
        user: &user,
        profile: &identity.profile,
        authenticated_at: identity.authenticated_at.unwrap_or(visit.now),
    };
    let response = sign_in::signed_in(endpoint, visit, &errand.request, who).await;
    Ok(Taken::SignedIn(response))
}

/// Whom the ID token speaks of; with the provider's keys read again if it is under one that is not known.
async fn identify(
    endpoint: &Endpoint,
    visit: &Visit,
    provider: &Provider,
    errand: &Errand,
    (state, code): (&str, &str),
    tokens: &Tokens,
) -> Result<Identity, Fault> {
    let nonce = visit.realm.master.provider_nonce(state);
    let expected = Expected {
        client: &provider.client,
        nonce: &nonce,
        code,
        access_token: tokens.access_token.as_deref(),
        since: fresh_since(&errand.request, errand.begun),
    };
    let (token, now) = (&tokens.id_token, visit.now);
    let known = endpoint.providers.find(&provider.issuer, now).await?;
    match known.keys.identify(&known.metadata, token, expected, now) {
        Err(Fault::IdTokenKeyUnknown) => {
            let known = endpoint.providers.find_anew(&provider.issuer, now).await?;
            known.keys.identify(&known.metadata, token, expected, now)
        }
        judged => judged,
    }
}

/// What the provider says of the user beside the ID token. Nobody is kept from signing in by a profile that cannot be had.
async fn userinfo(web: &Web, metadata: &Metadata, tokens: &Tokens) -> Option<Vec<u8>> {
    let url = metadata.userinfo_endpoint.as_ref()?.as_str();
    let token = Zeroizing::new(format!("Bearer {}", tokens.access_token.as_ref()?));
    let mut bearer = HeaderValue::from_str(&token).ok()?;
    bearer.set_sensitive(true);
    web.get(url, Some(bearer)).await.ok()
}

/// The provider signs nobody in: the user turned back there, or it would not. They may choose another way, if there is one.
fn refused(visit: &Visit, provider: &Provider, errand: &Errand, error: &str) -> Response {
    let request = &errand.request;
    audit::provider_refused(
        visit,
        &request.client,
        &provider.name,
        Fault::ProviderRefused,
        Some(error),
    );
    let ways = sign_in::Ways::of(visit, request);
    let application = visit.application(request.client.as_str());
    if let Some(application) = application.filter(|_| ways.only().is_none()) {
        let label = provider.label();
        let problem = Some(Problem::ConnectionFailed { label });
        return sign_in::ask(visit, application, request, problem, None);
    }
    let text = format!("{} did not sign the user in: {error}", provider.label);
    answer::misuse(visit, &request.refuse("access_denied", text))
}
