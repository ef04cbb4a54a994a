//! Consent: what the user lets an application do.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use mintage_core::endpoint::{Application, Asked, Request, Target};
use mintage_core::{Identifier, Scope};

use super::authorize::Done;
use super::pages::{self, Consent, DECISION, Decision, Destination, Failure, Form, Identity, Name};
use super::session::{self, Found};
use super::sign_in::STATE;
use super::store::{self, About};
use super::visit::Visit;
use super::{Endpoint, Here, answer, audit, authorize, flow, scene};

/// The API that a consent is about; `None` for the user's profile.
fn audience(visit: &Visit, asked: &Asked<'_>) -> Option<Identifier> {
    match asked.target {
        Target::Api(api) => Some(api.identifier.clone()),
        Target::Management => Identifier::parse(&visit.realm.config.domain.management_api()).ok(),
        Target::UserInfo => None,
    }
}

/// What the user allowed before.
pub async fn known(
    endpoint: &Endpoint,
    visit: &Visit,
    request: &Request,
    asked: &Asked<'_>,
    found: &Found,
) -> Result<BTreeSet<Scope>, store::Error> {
    let audience = audience(visit, asked);
    let about = About {
        user: &found.session.user,
        client: &request.client,
        audience: audience.as_ref(),
    };
    endpoint
        .store
        .find_consent(&visit.realm.config.tenant_uid, about, visit.now)
        .await
}

/// Shows the page.
pub fn ask(
    visit: &Visit,
    application: &Application,
    request: &Request,
    asked: &Asked<'_>,
    found: &Found,
) -> Response {
    let mut headers = HeaderMap::new();
    // Good for this user alone: who signs in meanwhile is asked anew.
    let carried = (request, found.name());
    let sealed = flow::browser(visit, &mut headers)
        .and_then(|browser| flow::carry(visit, &browser, flow::Step::Consent, carried));
    let (Some(sealed), Ok(returns_to)) = (sealed, Destination::of(request.redirect.as_str()))
    else {
        return scene::fail(visit, Failure::Internal, None);
    };
    let identity: Vec<Identity> = asked
        .identity
        .iter()
        .filter_map(|scope| Identity::of(scope.as_str()))
        .collect();
    let (name, scopes): (_, Vec<pages::Scope<'_>>) = match asked.target {
        Target::Api(api) => {
            let scopes = asked.api.iter().map(|scope| pages::Scope {
                name: Name::new(scope.as_str()),
                description: Some(api.describe(scope))
                    .filter(|text| *text != scope.as_str())
                    .map(Name::new),
            });
            let name = Name::new(api.name()).or(api.identifier.as_str());
            (Some(name), scopes.collect())
        }
        Target::Management => (Some(Name::new("Management API")), Vec::new()),
        Target::UserInfo => (None, Vec::new()),
    };
    let apis: Vec<pages::Api<'_>> = name
        .map(|name| pages::Api {
            name,
            scopes: &scopes,
        })
        .into_iter()
        .collect();
    let profile = &found.person.profile;
    let user = Name::new(profile.email.as_deref().unwrap_or_default())
        .or(profile.name.as_deref().unwrap_or_default())
        .or(found.session.user.as_str());
    let hidden = [(STATE, sealed.as_str())];
    let page = Consent {
        application: Name::new(&application.name).or(application.at.name.as_str()),
        first_party: application.first_party,
        user,
        identity: &identity,
        apis: &apis,
        returns_to: &returns_to,
        form: Form {
            action: flow::CONSENT,
            hidden: &hidden,
            leads_to: &[],
        },
    };
    let page = scene::draw(
        visit,
        request.ui_locales.as_deref(),
        authorize::window(request),
        |scene| page.page(scene),
    );
    (headers, page).into_response()
}

/// Takes the decision.
pub async fn handle(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let params = match authorize::form(&parts, body).await {
        Ok(params) => params,
        Err(error) => return scene::fail(&visit, Failure::RequestWrong, Some(&error.description)),
    };
    let sealed = params.get(STATE).unwrap_or_default();
    let opened: Result<(Request, String), _> = flow::open(&visit, flow::Step::Consent, sealed);
    let decision = params.get(DECISION).and_then(Decision::parse);
    match (opened, decision) {
        (Ok((request, session)), Some(decision)) => {
            match decide(&endpoint, &visit, &request, &session, decision).await {
                Ok(response) => response,
                Err(error) => scene::unavailable(&visit, &error),
            }
        }
        (Ok(_), None) => scene::fail(&visit, Failure::RequestWrong, Some("decision is missing")),
        (Err(failure), _) => scene::fail(&visit, failure, None),
    }
}

async fn decide(
    endpoint: &Endpoint,
    visit: &Visit,
    request: &Request,
    session: &str,
    decision: Decision,
) -> Result<Response, store::Error> {
    let application = visit.application(request.client.as_str());
    if !application.is_some_and(|application| application.admits(&request.redirect)) {
        return Ok(scene::fail(visit, Failure::UnknownApplication, None));
    }
    let found = session::find(endpoint, visit).await?;
    let Some(found) = found.filter(|found| found.name() == session) else {
        return Ok(scene::fail(visit, Failure::Expired, None));
    };
    let asked = match authorize::asked_for(visit, request, Some(&found)) {
        Ok(asked) => asked,
        Err(text) => {
            return Ok(answer::misuse(
                visit,
                &request.refuse("access_denied", text),
            ));
        }
    };
    let scopes: BTreeSet<Scope> = asked.scopes().cloned().collect();
    let audience = audience(visit, &asked);
    let consented = audit::Consented {
        user: &found.session.user,
        client: &request.client,
        audience: audience.as_ref(),
        scope: &mintage_core::ident::write_scopes(asked.scopes()),
    };
    if decision == Decision::No {
        audit::consent_declined(visit, &consented);
        let text = "User did not authorize the request";
        return Ok(answer::misuse(
            visit,
            &request.refuse("access_denied", text),
        ));
    }
    let about = About {
        user: consented.user,
        client: consented.client,
        audience: consented.audience,
    };
    endpoint
        .store
        .record_consent(&visit.realm.config.tenant_uid, about, &scopes, visit.now)
        .await?;
    audit::consent_given(visit, &consented);
    Ok(authorize::advance(endpoint, visit, request, Done::Allowed).await)
}
