//! Signing out: `/oidc/logout` (OpenID Connect RP-Initiated Logout) and Auth0's older `/v2/logout`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use mintage_core::UserId;
use mintage_core::endpoint::{Application, RedirectUri};
use serde::{Deserialize, Serialize};

use super::cookies::Cookie;
use super::pages::{DECISION, Failure, Form, Leaving, SignOut, SignedOut, Stayed, Window};
use super::session;
use super::sign_in::STATE;
use super::store::{self, Digest, Whose};
use super::visit::Visit;
use super::{Endpoint, Here, answer, audit, authorize, flow, scene};
use crate::params::Params;

/// Where a browser goes after signing out.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Leave {
    /// The address, which is the application's.
    to: Option<RedirectUri>,
    /// The application's own text.
    state: Option<String>,
}

/// `GET /oidc/logout`
pub async fn oidc(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => {
            let params = Params::from_form(parts.uri.query().unwrap_or_default().as_bytes());
            let params = params.unwrap_or_default();
            oidc_with(&endpoint, &visit, &params).await
        }
        Err(error) => error.logged().into_response(),
    }
}

/// `POST /oidc/logout`
pub async fn oidc_post(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => match authorize::form(&parts, body).await {
            Ok(params) => oidc_with(&endpoint, &visit, &params).await,
            Err(error) => scene::fail(&visit, Failure::RequestWrong, Some(&error.description)),
        },
        Err(error) => error.logged().into_response(),
    }
}

async fn oidc_with(endpoint: &Endpoint, visit: &Visit, params: &Params) -> Response {
    let verifier = &visit.realm.verifier;
    let hint = params
        .get("id_token_hint")
        .and_then(|token| verifier.id_token(token, visit.now));
    if params.get("id_token_hint").is_some() && hint.is_none() {
        return scene::fail(
            visit,
            Failure::RequestWrong,
            Some("id_token_hint is no ID token of this tenant"),
        );
    }
    let named = params
        .get("client_id")
        .or(hint.as_ref().map(|hint| hint.client.as_str()));
    let application = named.and_then(|client| visit.application(client));
    if let (Some(hint), Some(named)) = (&hint, params.get("client_id"))
        && hint.client != named
    {
        return scene::fail(
            visit,
            Failure::RequestWrong,
            Some("client_id is not the one that the ID token is for"),
        );
    }
    let leave = match params.get("post_logout_redirect_uri") {
        None => Leave::default(),
        Some(asked) => match registered(application, asked) {
            Some(to) => Leave {
                to: Some(to),
                state: params.get("state").map(str::to_owned),
            },
            None => {
                return scene::fail(
                    visit,
                    Failure::LogoutMismatch,
                    Some(&format!(
                        "{asked} is not in the list of allowed logout URLs"
                    )),
                );
            }
        },
    };
    let found = match session::find(endpoint, visit).await {
        Ok(found) => found,
        Err(error) => return scene::unavailable(visit, &error),
    };
    let asked_by_the_application = match (&hint, &found) {
        (_, None) => true,
        (Some(hint), Some(found)) => hint.subject == found.session.user.as_str(),
        // A link alone must not sign anybody out.
        (None, Some(_)) => false,
    };
    if asked_by_the_application {
        return leave_now(endpoint, visit, leave).await;
    }
    let mut headers = HeaderMap::new();
    let sealed = flow::browser(visit, &mut headers)
        .and_then(|browser| flow::carry(visit, &browser, flow::Step::SignOut, &leave));
    let Some(sealed) = sealed else {
        return scene::fail(visit, Failure::Internal, None);
    };
    let destination = leave
        .to
        .as_ref()
        .and_then(|to| super::pages::Destination::of(to.as_str()).ok());
    let leads_to: Vec<_> = destination.into_iter().collect();
    let hidden = [(STATE, sealed.as_str())];
    let page = SignOut {
        form: Form {
            action: flow::SIGN_OUT,
            hidden: &hidden,
            leads_to: &leads_to,
        },
    };
    let page = scene::draw(visit, params.get("ui_locales"), Window::Own, |scene| {
        page.page(scene)
    });
    (headers, page).into_response()
}

/// Takes the decision to sign out.
pub async fn confirmed(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let params = authorize::form(&parts, body).await.unwrap_or_default();
    let sealed = params.get(STATE).unwrap_or_default();
    let leave = match flow::open::<Leave>(&visit, flow::Step::SignOut, sealed) {
        Ok(leave) => leave,
        Err(failure) => return scene::fail(&visit, failure, None),
    };
    match params.get(DECISION).and_then(Leaving::parse) {
        Some(Leaving::Everywhere) => {
            if let Err(error) = end_all(&endpoint, &visit).await {
                return scene::unavailable(&visit, &error);
            }
            leave_now(&endpoint, &visit, leave).await
        }
        Some(Leaving::Here) => leave_now(&endpoint, &visit, leave).await,
        Some(Leaving::Stay) | None if leave.to.is_none() => {
            scene::draw(&visit, None, Window::Own, |scene| Stayed.page(scene))
        }
        Some(Leaving::Stay) | None => go(&visit, leave, HeaderMap::new()),
    }
}

/// Ends all that the user of this browser's session has at this tenant: sessions first, so that no application begins anew with
/// one meanwhile.
async fn end_all(endpoint: &Endpoint, visit: &Visit) -> Result<(), store::Error> {
    let Some(found) = session::find(endpoint, visit).await? else {
        return Ok(());
    };
    let (tenant, user) = (&visit.realm.config.tenant_uid, &found.session.user);
    let sessions = endpoint.store.end_sessions(tenant, user).await?;
    let families = endpoint
        .store
        .revoke_families(tenant, Whose::User(user), visit.now)
        .await?;
    audit::signed_out_everywhere(visit, user, sessions, families);
    Ok(())
}

/// `GET /v2/logout`: as at Auth0 nobody is asked, so only a browser that goes there itself is signed out, and no picture of
/// another page.
pub async fn v2(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let fetched_as = visit
        .headers
        .get("sec-fetch-dest")
        .and_then(|dest| dest.to_str().ok());
    if fetched_as.is_some_and(|dest| dest != "document") {
        return scene::fail(
            &visit,
            Failure::RequestWrong,
            Some("/v2/logout is a place to go to, not a part of a page"),
        );
    }
    let params =
        Params::from_form(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let application = params
        .get("client_id")
        .and_then(|client| visit.application(client));
    let to = match params.get("returnTo") {
        None => None,
        Some(asked) => match registered(application, asked) {
            Some(to) => Some(to),
            None => {
                return scene::fail(
                    &visit,
                    Failure::LogoutMismatch,
                    Some(&format!(
                        "{asked} is not in the list of allowed logout URLs"
                    )),
                );
            }
        },
    };
    leave_now(&endpoint, &visit, Leave { to, state: None }).await
}

fn registered(application: Option<&Application>, asked: &str) -> Option<RedirectUri> {
    let asked = RedirectUri::parse(asked).ok()?;
    application?.logout_uris.contains(&asked).then_some(asked)
}

/// Ends the session of the browser, and sends it where it goes.
async fn leave_now(endpoint: &Endpoint, visit: &Visit, leave: Leave) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(cookie) = Cookie::Session.of(&visit.headers) {
        match end(endpoint, visit, cookie).await {
            Ok(Some(user)) => audit::signed_out(visit, &user),
            Ok(None) => {}
            Err(error) => return scene::unavailable(visit, &error),
        }
        Cookie::Session.clear(&mut headers);
    }
    go(visit, leave, headers)
}

async fn end(
    endpoint: &Endpoint,
    visit: &Visit,
    cookie: &str,
) -> Result<Option<UserId>, store::Error> {
    endpoint
        .store
        .end_session(&visit.realm.config.tenant_uid, &Digest::of(cookie))
        .await
}

fn go(visit: &Visit, leave: Leave, headers: HeaderMap) -> Response {
    let Some(to) = leave.to else {
        let page = SignedOut { back: None };
        let page = scene::draw(visit, None, Window::Own, |scene| page.page(scene));
        return (headers, page).into_response();
    };
    let address = match leave.state {
        Some(state) => to.with_query(
            &form_urlencoded::Serializer::new(String::new())
                .append_pair("state", &state)
                .finish(),
        ),
        None => to.to_string(),
    };
    (headers, answer::redirect(visit, &address)).into_response()
}
