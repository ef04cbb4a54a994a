//! The tenant endpoint: browsers, applications, and tokens that the tenant's own key signs.
//!
//! ```text
//!  Host ─► Realm (one tenant, ready for use)
//!   │        ├─ /authorize ─► sign in (here, or at a provider) ─► consent ─► code
//!   │        ├─ /oauth/token: code, refresh token, client credentials ─► tokens
//!   │        │     └─ workloads: their ServiceAccount token ─► Reviews ─► API server
//!   │        └─ /userinfo, /oauth/revoke, /oauth/introspect, /oidc/logout, /v2/logout, discovery, keys
//!   └─► Store: sessions, codes, refresh families, consents, users of providers
//! ```
//!
//! What an application may ask for is decided in [`mintage_core::endpoint`]; here is what needs a clock, randomness and I/O.

mod answer;
mod audit;
mod authorize;
mod client;
mod consent;
mod cookies;
mod cors;
mod credentials;
mod documents;
mod flow;
mod introspect;
mod issue;
mod logout;
mod metrics;
mod named;
pub mod pages;
mod person;
mod provider;
mod realm;
mod revoke;
pub mod role;
mod scene;
mod session;
mod sign_in;
mod sources;
pub mod store;
mod throttle;
mod token;
mod userinfo;
mod visit;
mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use mintage_core::Domain;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::context::{Context, REQUEST_ID};
use crate::oauth::{OAuthError, RefusedBy};
use crate::routes::{method_not_allowed, only};
use crate::rule::Rule;
use provider::Providers;
use store::{Store, Watched};
use throttle::Throttle;

pub use metrics::Metrics;
pub use provider::{NoAuthorities, Reach};
pub use realm::{Made, NotMade, Realm};
pub use sources::{About, Complaint, Entries, Sources};
pub use workload::{ApiServer, NoApiServer, Reviews};

/// The tenants of an endpoint by domain; replaced as a whole.
pub type Realms = Arc<ArcSwap<BTreeMap<Domain, Arc<Realm>>>>;

/// What every handler has.
#[derive(Clone)]
pub struct Endpoint {
    realms: Realms,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    throttle: Arc<Throttle>,
    metrics: Arc<Metrics>,
    providers: Arc<Providers>,
    reviews: Option<Arc<Reviews>>,
}

impl Endpoint {
    /// An endpoint of these tenants that remembers in this store, and counts what it does.
    pub fn new(
        realms: Realms,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            realms,
            store: Arc::new(Watched::new(
                store,
                Arc::clone(&clock),
                Arc::clone(&metrics),
            )),
            clock,
            throttle: Arc::new(Throttle::default()),
            metrics,
            providers: Arc::default(),
            reviews: None,
        }
    }

    /// Gives tokens to workloads, whose own tokens an API server reviews.
    #[must_use]
    pub fn reviewing(self, api_server: ApiServer) -> Self {
        let reviews = Reviews::by(api_server, Arc::clone(&self.metrics));
        Self {
            reviews: Some(Arc::new(reviews)),
            ..self
        }
    }

    /// Reaches providers of users in this way.
    #[must_use]
    pub fn reaching(self, reach: Reach) -> Self {
        Self {
            providers: Arc::new(Providers::new(reach)),
            ..self
        }
    }

    /// The store as the endpoint uses it, for [`store::sweep`].
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}

/// All routes of the endpoint, by the host that is asked. Hosts of tenants without an endpoint are served by `otherwise`.
pub fn endpoint_api(endpoint: Endpoint, otherwise: Router) -> Router {
    let state = (endpoint.clone(), otherwise);
    Router::new()
        .route("/", only("GET, HEAD", get(documents::front)))
        .route(
            "/authorize",
            unseen("GET, POST", get(authorize::get).post(authorize::post)),
        )
        .route(flow::CONTINUE, unseen("GET", get(authorize::go_on)))
        .route(flow::CONNECT, unseen("GET", get(provider::leave_by_button)))
        .route(
            "/login/callback/{connection}",
            unseen("GET", get(provider::callback)),
        )
        .route(flow::SIGN_IN, of_a_form(post(sign_in::handle)))
        .route(flow::CONSENT, of_a_form(post(consent::handle)))
        .route(
            "/oauth/token",
            for_pages("POST, OPTIONS", post(token::handle)),
        )
        .route(
            "/oauth/revoke",
            for_pages("POST, OPTIONS", post(revoke::handle)),
        )
        .route("/oauth/introspect", only("POST", post(introspect::handle)))
        .route(
            "/userinfo",
            for_pages(
                "GET, HEAD, POST, OPTIONS",
                get(userinfo::handle).post(userinfo::handle),
            ),
        )
        .route(
            "/oidc/logout",
            unseen("GET, POST", get(logout::oidc).post(logout::oidc_post)),
        )
        .route(flow::SIGN_OUT, of_a_form(post(logout::confirmed)))
        .route("/v2/logout", unseen("GET", get(logout::v2)))
        .route(
            "/.well-known/openid-configuration",
            document(documents::discovery),
        )
        .route(
            "/.well-known/oauth-authorization-server",
            document(documents::discovery),
        )
        .route("/.well-known/jwks.json", document(documents::jwks))
        .fallback(documents::not_found)
        .layer(axum::middleware::from_fn_with_state(state, in_context))
        .with_state(endpoint)
}

/// A path's name in metrics.
fn route_of(path: &str) -> &'static str {
    const ROUTES: [&str; 14] = [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/authorize",
        "/oauth/introspect",
        "/oauth/revoke",
        "/oauth/token",
        "/oidc/logout",
        "/userinfo",
        "/v2/logout",
        flow::CONSENT,
        flow::CONTINUE,
        flow::SIGN_IN,
        flow::SIGN_OUT,
    ];
    let known = ROUTES.into_iter().find(|route| *route == path);
    known.unwrap_or("other")
}

/// A path that pages of applications may ask.
fn for_pages(methods: &'static str, route: MethodRouter<Endpoint>) -> MethodRouter<Endpoint> {
    only(methods, route.options(cors::preflight))
}

fn document<H, T>(handler: H) -> MethodRouter<Endpoint>
where
    H: Handler<T, Endpoint>,
    T: 'static,
{
    for_pages("GET, HEAD, OPTIONS", get(handler))
}

/// A path that a form of ours leads to, and where the page after it stands: who asks for that again sees a page, too.
fn of_a_form(route: MethodRouter<Endpoint>) -> MethodRouter<Endpoint> {
    route.fallback(documents::out_of_date)
}

/// A path whose GET gives a code or ends a session: programs that look at a link before anybody follows it do so by HEAD.
fn unseen(methods: &'static str, route: MethodRouter<Endpoint>) -> MethodRouter<Endpoint> {
    only(
        methods,
        route.head(async move || method_not_allowed(methods)),
    )
}

/// Serves and counts a request under its id, if its host is a tenant's that has an endpoint.
async fn in_context(
    State((endpoint, otherwise)): State<(Endpoint, Router)>,
    request: Request,
    next: Next,
) -> Response {
    if !visit::is_known(&endpoint, &request) {
        return match otherwise.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    let started = Instant::now();
    let route = route_of(request.uri().path());
    let context = Context::of(request.headers());
    let id = context.header();
    let mut response = context.scope(next.run(request)).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(RefusedBy(rule)) = response.extensions().get() {
        endpoint.metrics.count_refusal(rule);
    }
    let status = response.status().as_u16();
    endpoint
        .metrics
        .count_request(route, status, started.elapsed());
    response
}

impl From<store::Error> for OAuthError {
    fn from(error: store::Error) -> Self {
        tracing::error!(event = "store-failed", %error);
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            Rule::StoreUnavailable,
            "what the endpoint remembers cannot be reached (store-unavailable: nothing was given out; try again)",
        )
    }
}

/// The endpoint of a request.
type Here = State<Endpoint>;
