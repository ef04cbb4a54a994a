//! Universal Login: the page with all ways to sign in, and what comes of name and password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use mintage_core::endpoint::{Application, NoUser, Profile, Request};
use mintage_core::{ObjectName, UnixTime, UserId};

use super::pages::{
    Connection, Destination, Failure, Form, Name, PASSWORD, Problem, SignIn, USERNAME,
};
use super::provider::{self, Provider};
use super::throttle::Attempt;
use super::visit::Visit;
use super::{Endpoint, Here, Realm, answer, audit, authorize, flow, scene, session};
use crate::params::Params;

/// The field with what is sealed.
pub const STATE: &str = "state";

/// The parameter of a button that names the connection.
pub const CONNECTION: &str = "connection";

/// The ways to sign in that a request leaves open: all of the tenant, or the connection that it names.
pub struct Ways<'a> {
    passwords: bool,
    providers: Vec<&'a Provider>,
}

impl<'a> Ways<'a> {
    /// The ways of a request.
    pub fn of(visit: &'a Visit, request: &Request) -> Self {
        let realm = &visit.realm;
        let named = request.connection.as_deref();
        let open = |name: &ObjectName| named.is_none_or(|named| named == name.as_str());
        Self {
            passwords: realm.with_passwords().any(|(name, _)| open(name)),
            providers: realm.providers().filter(|it| open(&it.name)).collect(),
        }
    }

    /// The provider, if there is nothing to choose.
    pub fn only(&self) -> Option<&'a Provider> {
        match self.providers.as_slice() {
            [only] if !self.passwords => Some(only),
            _ => None,
        }
    }

    /// One of the providers, by the name of its connection.
    pub fn provider(&self, connection: &str) -> Option<&'a Provider> {
        let mut all = self.providers.iter().copied();
        all.find(|provider| provider.name.as_str() == connection)
    }

    fn is_none(&self) -> bool {
        !self.passwords && self.providers.is_empty()
    }
}

/// Has the user sign in: on the page, or at once with the only provider that there is.
pub async fn begin(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    request: &Request,
) -> Response {
    let ways = Ways::of(visit, request);
    if let Some(provider) = ways.only() {
        return provider::leave(endpoint, visit, request, provider).await;
    }
    if let Some(connection) = &request.connection
        && !visit.realm.has_connection(connection)
    {
        let shown: String = connection.chars().take(64).collect();
        let text = format!("the connection {shown} is none of the tenant's");
        return answer::misuse(visit, &request.refuse("invalid_request", text));
    }
    let username = request.login_hint.as_deref();
    ask(visit, application, request, None, username)
}

/// Shows the page.
pub fn ask(
    visit: &Visit,
    application: &Application,
    request: &Request,
    problem: Option<Problem<'_>>,
    username: Option<&str>,
) -> Response {
    let ways = Ways::of(visit, request);
    if ways.is_none() {
        return no_way(visit, request.connection.as_deref());
    }
    let mut headers = HeaderMap::new();
    let sealed = flow::browser(visit, &mut headers)
        .and_then(|browser| flow::carry(visit, &browser, flow::Step::SignIn, request));
    let Some(sealed) = sealed else {
        return scene::fail(visit, Failure::Internal, Some("there is no randomness"));
    };
    let leads_to: Vec<Destination> = Destination::of(request.redirect.as_str())
        .into_iter()
        .collect();
    let hidden = [(STATE, sealed.as_str())];
    let addresses = ways.providers.iter().map(|provider| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair(CONNECTION, provider.name.as_str())
            .append_pair(STATE, &sealed)
            .finish();
        format!("{}?{query}", flow::CONNECT)
    });
    let addresses: Vec<String> = addresses.collect();
    let connections = addresses.iter().zip(&ways.providers);
    let connections: Vec<Connection<'_>> = connections
        .map(|(address, provider)| Connection {
            address,
            label: provider.label(),
        })
        .collect();
    let page = SignIn {
        application: Name::new(&application.name).or(application.at.name.as_str()),
        password: ways.passwords.then_some(Form {
            action: flow::SIGN_IN,
            hidden: &hidden,
            leads_to: &leads_to,
        }),
        username: username.map(Name::new),
        connect: &connections,
        problem,
    };
    let page = scene::draw(
        visit,
        request.ui_locales.as_deref(),
        authorize::window(request),
        |scene| page.page(scene),
    );
    (headers, page).into_response()
}

/// Says that nobody signs in by a connection, or by any: there is none, or the tenant's admin has to mend it.
pub fn no_way(visit: &Visit, named: Option<&str>) -> Response {
    let realm = &visit.realm;
    let unusable: Vec<_> = (realm.unusable())
        .filter(|it| named.is_none_or(|named| named == it.name.as_str()))
        .collect();
    let Some(first) = unusable.first() else {
        let detail = named.map(|name| format!("there is no connection {name} to sign in by"));
        return scene::fail(visit, Failure::NoConnection, detail.as_deref());
    };
    let all: Vec<&str> = unusable.iter().map(|it| it.name.as_str()).collect();
    let detail = format!(
        "not usable: {}; the line endpoint-lacks of the endpoint's log says why",
        all.join(", ")
    );
    let label = first.label.as_deref().unwrap_or_default();
    let label = Name::new(label).or(first.name.as_str());
    scene::fail(visit, Failure::ConnectionUnusable { label }, Some(&detail))
}

/// Takes name and password.
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
    match flow::open_request(&visit, flow::Step::SignIn, sealed) {
        Ok(request) => check(&endpoint, &visit, &request, &params).await,
        Err(failure) => scene::fail(&visit, failure, None),
    }
}

async fn check(endpoint: &Endpoint, visit: &Visit, request: &Request, params: &Params) -> Response {
    let Some(application) = visit.application(request.client.as_str()) else {
        return scene::fail(visit, Failure::UnknownApplication, None);
    };
    let name = params.get(USERNAME).unwrap_or_default().to_owned();
    let password = params.get(PASSWORD).unwrap_or_default().to_owned();
    let attempt = Attempt::with_password(&visit.realm.config.tenant_uid, &name, visit.address);
    let again = |problem| ask(visit, application, request, Some(problem), Some(&name));
    if let Err(wait) = endpoint.throttle.begin(&attempt, visit.now) {
        audit::sign_in_throttled(visit, &request.client, wait);
        return again(Problem::TooMany { wait });
    }
    match verify(endpoint, visit, request.connection.clone(), &name, password).await {
        Some(Ok((user, profile))) => {
            endpoint.throttle.succeeded(&attempt);
            let who = SignedIn {
                user: &user,
                profile: &profile,
                authenticated_at: visit.now,
            };
            signed_in(endpoint, visit, request, who).await
        }
        Some(Err(reason)) => {
            audit::sign_in_refused(visit, &request.client, reason);
            // Who is blocked is told so: they have shown that they are who they say.
            match reason {
                NoUser::Wrong => again(Problem::Wrong),
                NoUser::Blocked => {
                    answer::misuse(visit, &request.refuse("access_denied", "user is blocked"))
                }
            }
        }
        None => scene::fail(visit, Failure::Internal, None),
    }
}

type Verified = Result<(UserId, Profile), NoUser>;

/// Checks a password, off the threads that answer others; `None` if that broke.
async fn verify(
    endpoint: &Endpoint,
    visit: &Visit,
    connection: Option<String>,
    name: &str,
    password: String,
) -> Option<Verified> {
    let costs = visit
        .realm
        .with_passwords()
        .map(|(_, users)| users.memory());
    let turn = endpoint
        .throttle
        .turn(costs.max().unwrap_or_default())
        .await?;
    let (realm, name) = (Arc::clone(&visit.realm), name.to_owned());
    let work = move || {
        let outcome = verify_now(&realm, connection.as_deref(), &name, &password);
        drop(turn);
        outcome
    };
    tokio::task::spawn_blocking(work).await.ok()
}

/// Asks each connection with passwords, or the one that the request names.
fn verify_now(realm: &Realm, connection: Option<&str>, name: &str, password: &str) -> Verified {
    let mut outcome = Err(NoUser::Wrong);
    let asked = realm
        .with_passwords()
        .filter(|(known, _)| connection.is_none_or(|asked| asked == known.as_str()));
    for (_, users) in asked {
        match users.sign_in(name, password) {
            Ok((id, user)) => return Ok((id.clone(), user.profile.clone())),
            Err(NoUser::Blocked) => outcome = Err(NoUser::Blocked),
            Err(NoUser::Wrong) => {}
        }
    }
    outcome
}

/// Somebody who has just shown who they are.
#[derive(Clone, Copy)]
pub struct SignedIn<'a> {
    /// Who.
    pub user: &'a UserId,
    /// What is known of them.
    pub profile: &'a Profile,
    /// When they did: to a provider perhaps a while ago.
    pub authenticated_at: UnixTime,
}

/// Begins the session, and goes on.
pub async fn signed_in(
    endpoint: &Endpoint,
    visit: &Visit,
    request: &Request,
    who: SignedIn<'_>,
) -> Response {
    let mut headers = HeaderMap::new();
    let session = match session::begin(endpoint, visit, who, &mut headers).await {
        Ok(session) => session,
        Err(error) => return scene::unavailable(visit, &error),
    };
    audit::signed_in(visit, who.user, &request.client);
    let sealed = flow::browser(visit, &mut headers)
        .and_then(|browser| flow::carry(visit, &browser, flow::Step::Continue, (request, session)));
    let Some(sealed) = sealed else {
        return scene::fail(visit, Failure::Internal, None);
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair(STATE, &sealed)
        .finish();
    // So that going back or reloading sends no password again.
    (
        headers,
        answer::redirect(visit, &format!("{}?{query}", flow::CONTINUE)),
    )
        .into_response()
}
