//! An endpoint of two tenants: planned as the operator plans it, behind a router, remembering in a store.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use mintage_core::UnixTime;
use mintage_core::bundle::{KeyringFile, Stamped};
use mintage_core::endpoint::{Application, Config, Master};
use mintage_core::keyring::Owner;
use mintage_core::world::{self, Audience, ClientAuth, Connection, World};
use mintage_sidecar::clock::ManualClock;
use mintage_sidecar::endpoint::store::Store;
use mintage_sidecar::endpoint::{
    About, Complaint, Endpoint, Made, Metrics, Reach, Realm, Realms, endpoint_api,
};
use mintage_sidecar::issuer::issuer_api;
use mintage_sidecar::server::Peer;
use tower::ServiceExt as _;

use crate::accounts::{self, Accounts};
use crate::ask::Ask;
use crate::browser::Browser;
use crate::cluster::endpoint::with_endpoints;
use crate::cluster::{Cluster, NOW};
use crate::idp;
use crate::reply::Reply;
use crate::stores::Opened;

/// The host that is asked where a test names none.
pub const HOST: &str = "acme.test";

/// What is declared.
struct Declared {
    cluster: Cluster,
    accounts: Accounts,
}

pub struct Site {
    pub clock: Arc<ManualClock>,
    pub realms: Realms,
    pub router: Router,
    pub metrics: Arc<Metrics>,
    /// Where requests come from that come from nowhere else.
    pub peer: Option<IpAddr>,
    declared: Mutex<Declared>,
}

/// An application, as it knows itself.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    /// Empty where it has none.
    pub secret: String,
}

impl Client {
    /// The parameters by which it shows who it is.
    pub fn shown(&self) -> Vec<(&str, &str)> {
        vec![("client_id", &self.id), ("client_secret", &self.secret)]
    }
}

impl Site {
    /// The standard endpoint over a store.
    pub fn on(opened: &Opened) -> Self {
        Self::over(Arc::clone(&opened.store))
    }

    /// The same over any store.
    pub fn over(store: Arc<dyn Store>) -> Self {
        Self::reaching(store, Reach::default())
    }

    /// The same that reaches providers in some way.
    pub fn reaching(store: Arc<dyn Store>, reach: Reach) -> Self {
        Self::of(with_endpoints(), store, |endpoint| endpoint.reaching(reach))
    }

    /// An endpoint of another world, set up in some way.
    pub fn of(
        world: World,
        store: Arc<dyn Store>,
        set_up: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Self {
        let declared = Declared {
            cluster: Cluster::new(never_too_old(world)),
            accounts: accounts::standard(),
        };
        let clock = Arc::new(ManualClock::at(NOW));
        let realms = Realms::new(ArcSwap::from_pointee(BTreeMap::new()));
        let metrics = Arc::new(Metrics::default());
        let endpoint = Endpoint::new(
            Arc::clone(&realms),
            store,
            Arc::clone(&clock) as Arc<_>,
            Arc::clone(&metrics),
        );
        let issuers = issuer_api(Arc::new(ArcSwap::from_pointee(BTreeMap::new())));
        let site = Self {
            clock,
            realms,
            router: endpoint_api(set_up(endpoint), issuers),
            metrics,
            peer: None,
            declared: Mutex::new(declared),
        };
        site.edit(|_, _| {});
        site
    }

    /// Changes what is declared; the endpoint learns of it at once.
    pub fn edit(&self, change: impl FnOnce(&mut World, &mut Accounts)) {
        let mut complaints = self.edit_anything(change);
        // That there is no connection at all is what some tests are about.
        complaints.retain(|complaint| complaint.about != About::NoConnection);
        assert_eq!(complaints, []);
    }

    /// Changes the users so that some cannot be read. Without any there is no Secret.
    pub fn edit_damaged(&self, change: impl FnOnce(&mut Accounts)) {
        let complaints = self.edit_anything(|_, accounts| change(accounts));
        assert!(!complaints.is_empty());
    }

    /// Gives a connection an issuer that is none.
    pub fn break_provider(&self, called: &str) {
        let complaints = self.edit_anything(|world, _| {
            let wishes = Arc::make_mut(world.tenants[0].endpoint.as_mut().unwrap());
            let mut all = wishes.connections.iter_mut();
            let found = all.find(|it| it.name.as_str() == called).unwrap();
            let world::Source::Oidc { issuer, .. } = &mut found.source else {
                panic!("{called} is no provider");
            };
            "http://idp.corp.test".clone_into(issuer);
        });
        assert!(!complaints.is_empty());
    }

    fn edit_anything(&self, change: impl FnOnce(&mut World, &mut Accounts)) -> Vec<Complaint> {
        let mut declared = self.declared.lock().unwrap();
        let Declared { cluster, accounts } = &mut *declared;
        change(&mut cluster.world, accounts);
        let plan = cluster.plan_at(cluster.now);
        let (mut realms, mut complaints) = (BTreeMap::new(), Vec::new());
        for told in plan.endpoints.values() {
            let keyring = cluster.keyring_file(&Owner::tenant(told.body.tenant.clone()));
            let made = realm(told, &keyring, accounts);
            complaints.extend(made.complaints);
            let realm = Arc::new(made.realm);
            let domains = told.body.domains.keys().cloned();
            realms.extend(domains.map(|domain| (domain, Arc::clone(&realm))));
        }
        self.realms.store(Arc::new(realms));
        complaints
    }

    /// Changes an API.
    pub fn edit_api(&self, identifier: &str, change: impl FnOnce(&mut Audience)) {
        self.edit(|world, _| {
            let mut all = world.audiences.iter_mut();
            let found = all.find(|api| api.identifier.as_str() == identifier);
            change(found.unwrap());
        });
    }

    /// Changes an application.
    pub fn edit_application(&self, at: &str, change: impl FnOnce(&mut world::Application)) {
        self.edit(|world, _| {
            let mut all = world.applications.iter_mut();
            change(
                all.find(|application| application.at.to_string() == at)
                    .unwrap(),
            );
        });
    }

    /// Changes the connections of the tenant that is asked at [`HOST`].
    pub fn edit_connections(&self, change: impl FnOnce(&mut Vec<Connection>)) {
        self.edit(|world, _| {
            let wishes = world.tenants[0].endpoint.as_mut().unwrap();
            change(&mut Arc::make_mut(wishes).connections);
        });
    }

    /// Lets time pass, for the operator too.
    pub fn advance_to(&self, now: UnixTime) {
        self.declared.lock().unwrap().cluster.advance_to(now);
        self.clock.set(now);
        self.edit(|_, _| {});
    }

    /// What is planned.
    pub fn planned(&self) -> Cluster {
        self.declared.lock().unwrap().cluster.clone()
    }

    /// The tenant that is asked at [`HOST`].
    pub fn realm(&self) -> Arc<Realm> {
        Arc::clone(&self.realms.load()[HOST])
    }

    fn application(&self, at: &str) -> (Arc<Realm>, Application) {
        let realms = self.realms.load();
        let found = realms.values().find_map(|realm| {
            let mut all = realm.config.applications.values();
            let found = all.find(|application| application.at.to_string() == at)?;
            Some((Arc::clone(realm), found.clone()))
        });
        found.unwrap_or_else(|| panic!("no application {at}"))
    }

    /// An application, by its place.
    pub fn client(&self, at: &str) -> Client {
        let (realm, application) = self.application(at);
        let generation = application.secret_generation;
        let secret = realm.master.client_secret(&application.client, generation);
        Client {
            id: application.client.to_string(),
            secret: if application.auth == ClientAuth::None {
                String::new()
            } else {
                secret.to_string()
            },
        }
    }

    /// An authorization request of an application, to its first place.
    pub fn ask(&self, at: &str) -> Ask {
        let (_, application) = self.application(at);
        Ask::new(
            application.client.as_str(),
            application.redirect_uris[0].as_str(),
        )
    }

    /// A browser that was never here.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// Sends a request, from an address if one is named. The future needs nothing of `self`.
    pub fn send(
        &self,
        mut request: Request<Body>,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Reply> + Send + use<> {
        let router = self.router.clone();
        let peer = peer.or(self.peer);
        async move {
            if let Some(peer) = peer {
                request.extensions_mut().insert(Peer(peer));
            }
            let Ok(response) = router.oneshot(request).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Reply {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            }
        }
    }

    /// Posts a form as a program does.
    pub fn post(
        &self,
        host: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> impl Future<Output = Reply> + Send + use<> {
        self.send(post(host, path, form), None)
    }

    /// Asks the token endpoint.
    pub async fn token(&self, form: &[(&str, &str)]) -> Reply {
        self.post(HOST, "/oauth/token", form).await
    }

    /// Redeems a code by the request that it came of.
    pub async fn redeem(&self, client: &Client, ask: &Ask, code: &str) -> Reply {
        let form = [client.shown(), ask.redemption(code)].concat();
        self.token(&form).await
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, client: &Client, token: &str) -> Reply {
        let form = [
            client.shown(),
            vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        ];
        self.token(&form.concat()).await
    }

    /// The answer of the token endpoint after Ada signed in, and allowed all that is asked for.
    pub async fn tokens(&self, at: &str, audience: &str, scope: &str) -> Reply {
        let ask = self.ask(at).with("audience", audience).with("scope", scope);
        let code = self.browser().authorize(&ask, "ada").await.code();
        self.redeem(&self.client(at), &ask, &code).await.good()
    }

    /// A refresh token of Ada's.
    pub async fn refresh_token(&self, at: &str, audience: &str) -> String {
        let scope = "openid offline_access read";
        self.tokens(at, audience, scope).await.text("refresh_token")
    }

    /// Shows a token to `/userinfo`.
    pub async fn userinfo(&self, host: &str, token: &str) -> Reply {
        let request = Request::get("/userinfo").header("host", host);
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap(), None).await
    }
}

/// A form as a program posts it.
pub fn post(host: &str, path: &str, form: &[(&str, &str)]) -> Request<Body> {
    let form = form.iter().filter(|(_, value)| !value.is_empty());
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let request = Request::post(path).header("host", host);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(Body::from(body)).unwrap()
}

/// Many tests let time pass that the operator hears nothing of.
fn never_too_old(mut world: World) -> World {
    for tenant in &mut world.tenants {
        tenant.max_bundle_age = 10 * 365 * 86_400;
    }
    world
}

fn realm(told: &Stamped<Config>, keyring: &KeyringFile, accounts: &Accounts) -> Made {
    // Of one life of a tenant, as all that is secret of it.
    let uid = told.body.tenant_uid.as_str().as_bytes();
    let mut secret = [7; 32];
    for (at, byte) in uid.iter().enumerate() {
        secret[at % 32] ^= byte;
    }
    let entries = accounts
        .iter()
        .map(|(name, user)| (name.clone(), user.to_string().into_bytes()))
        .collect::<BTreeMap<_, _>>();
    let of_provider = BTreeMap::from([("client_secret".to_owned(), idp::SECRET.into())]);
    Realm::make(told.clone(), Master::new(secret), keyring, |name| {
        Some(match name.as_str() {
            "staff" if entries.is_empty() => return None,
            "staff" => entries.clone(),
            _ => of_provider.clone(),
        })
    })
    .unwrap()
}
