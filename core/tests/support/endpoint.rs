//! A tenant with an endpoint: applications of each kind, and APIs of each algorithm.

use std::collections::BTreeSet;
use std::sync::Arc;

use mintage_core::bundle::Stamped;
use mintage_core::endpoint::Config;
use mintage_core::world::{
    Application, ApplicationKind, Audience, AudienceAlg, ClientAuth, Connection, Dialect,
    EndpointWishes, Grant, GrantType, Grantee, Issuance, RefreshRules, SecretRules, SessionRules,
    Source, Tenant, UserRules, World,
};
use mintage_core::{Alg, UnixTime};

use super::{
    ACME, Cluster, GLOBEX, NOW, ORDERS, audience, custom_domain, grant, name, namespace, tenant,
};

/// A server of the tenant's own, with a secret.
pub const WEB: &str = "identity/web";
/// Another one.
pub const OTHER: &str = "identity/other";
/// A page of somebody else's.
pub const SPA: &str = "orders/spa";
/// A program of the tenant's own on users' machines.
pub const NATIVE: &str = "identity/native";
/// It acts for itself, and sends its secret in the form.
pub const MACHINE: &str = "identity/machine";
/// It acts for itself, in the namespace of the APIs, and sends its secret in the header.
pub const ROBOT: &str = "orders/robot";
/// A server of the other tenant.
pub const GLOBEX_WEB: &str = "identity/globex-web";

/// ES256, RFC 9068.
pub const LEDGERS: &str = "https://es256.test";
/// HS256.
pub const SHARED: &str = "https://hs256.test";
/// RS256, RFC 9068.
pub const PROFILES: &str = "https://rfc9068.test";
/// RS256, with scopes of their own for users.
pub const ASSIGNED: &str = "https://rbac.test";
/// RS256, without refresh tokens, and asking for consent always; ten minutes.
pub const BRIEF: &str = "https://brief.test";

/// A workload that asks the endpoint.
pub const WORKER: &str = "payments/worker";

/// How long sessions last without a visit, and in all.
pub const SESSION: SessionRules = SessionRules {
    idle: 3 * 86_400,
    lifetime: 7 * 86_400,
};

/// How refresh tokens live: they rotate, and a lost answer is one.
pub const REFRESH: RefreshRules = RefreshRules {
    idle: 1_296_000,
    leeway: 0,
    lifetime: 2_592_000,
    rotates: true,
};

fn application(at: &str, kind: ApplicationKind) -> Application {
    let host = at.split_once('/').unwrap().1;
    let acts_for_itself = kind == ApplicationKind::Machine;
    let grant_types = if acts_for_itself {
        BTreeSet::from([GrantType::ClientCredentials])
    } else {
        BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken])
    };
    let places = |path: &str| {
        if acts_for_itself {
            Vec::new()
        } else {
            vec![format!("https://{host}.test/{path}")]
        }
    };
    Application {
        at: name(at),
        auth: ClientAuth::Either,
        first_party: at.starts_with("identity/"),
        grant_types,
        kind,
        logout_uris: places("bye"),
        name: Some(format!("The {host}")),
        redirect_uris: places("callback"),
        refresh: REFRESH,
        secret: SecretRules {
            accept_previous: 86_400,
            generation: 1,
        },
        tenant: name(ACME),
        uid: name(&format!("uid-{}", at.replace('/', "-"))),
        web_origins: Vec::new(),
    }
}

fn applications() -> Vec<Application> {
    let mut web = application(WEB, ApplicationKind::Web);
    web.grant_types.insert(GrantType::ClientCredentials);
    let native = Application {
        auth: ClientAuth::None,
        redirect_uris: vec![
            "com.acme.app:/callback".into(),
            "http://127.0.0.1/callback".into(),
            "https://native.test/callback".into(),
        ],
        ..application(NATIVE, ApplicationKind::Native)
    };
    let spa = Application {
        auth: ClientAuth::None,
        ..application(SPA, ApplicationKind::SinglePage)
    };
    let machine = Application {
        auth: ClientAuth::Post,
        ..application(MACHINE, ApplicationKind::Machine)
    };
    let robot = Application {
        auth: ClientAuth::Basic,
        ..application(ROBOT, ApplicationKind::Machine)
    };
    let of_globex = Application {
        tenant: name(GLOBEX),
        ..application(GLOBEX_WEB, ApplicationKind::Web)
    };
    let other = application(OTHER, ApplicationKind::Web);
    vec![web, other, spa, native, machine, robot, of_globex]
}

fn grant_to(application: &str, scopes: &str) -> Grant {
    Grant {
        scopes: scopes.split_whitespace().map(name).collect(),
        to: Grantee::Application(name(application)),
    }
}

fn api(identifier: &str, alg: AudienceAlg) -> Audience {
    let host = identifier.trim_start_matches("https://");
    let at = format!("orders/{}", host.trim_end_matches(".test"));
    Audience {
        alg,
        issuance: Issuance::Central,
        scopes: ["read", "write"].map(name).to_vec(),
        users: UserRules {
            offline_access: true,
            rbac: false,
            skip_consent: true,
        },
        ..audience(ACME, &at, identifier)
    }
}

fn apis() -> Vec<Audience> {
    let rs256 = AudienceAlg::Asymmetric(Alg::RS256);
    let orders = Audience {
        grants: vec![
            grant_to(WEB, "read"),
            grant_to(MACHINE, "read write"),
            grant_to(ROBOT, "read"),
        ],
        issuance: Issuance::Local,
        ..api(ORDERS, rs256)
    };
    let profiles = Audience {
        dialect: Dialect::Rfc9068,
        grants: vec![grant_to(MACHINE, "read")],
        ..api(PROFILES, rs256)
    };
    let ledgers = Audience {
        dialect: Dialect::Rfc9068,
        ..api(LEDGERS, AudienceAlg::Asymmetric(Alg::ES256))
    };
    let shared = Audience {
        grants: vec![grant_to(MACHINE, "read")],
        ..api(SHARED, AudienceAlg::Hs256)
    };
    let mut assigned = api(ASSIGNED, rs256);
    assigned.users.rbac = true;
    let brief = Audience {
        lifetime: 600,
        users: UserRules::default(),
        ..api(BRIEF, rs256)
    };
    let of_other_algorithms = [Alg::RS384, Alg::RS512, Alg::PS256, Alg::EdDSA];
    let others = of_other_algorithms.map(|alg| {
        let identifier = format!("https://{}.test", alg.as_str().to_lowercase());
        api(&identifier, AudienceAlg::Asymmetric(alg))
    });
    let mut all = vec![orders, profiles, ledgers, shared, assigned, brief];
    all.extend(others);
    all
}

/// Tenant acme at `acme.test` and `login.acme.test`, and tenant globex, both with endpoints whose users are in the Secret
/// `staff`. Proxies at 10.0.0.0/8 are trusted by acme.
pub fn with_endpoints() -> World {
    let wishes = |proxies: &[&str]| EndpointWishes {
        name: None,
        connections: vec![Connection {
            name: name("staff"),
            label: None,
            source: Source::Users {
                secret: name("staff"),
            },
        }],
        theme: mintage_core::world::Theme::default(),
        session: SESSION,
        certificate: None,
        authorities: None,
        trusted_proxies: proxies.iter().map(|text| (*text).to_owned()).collect(),
    };
    let acme = Tenant {
        allow_non_rsa: true,
        endpoint: Some(Arc::new(wishes(&["10.0.0.0/8"]))),
        ..tenant(ACME, "acme.test")
    };
    let globex = Tenant {
        endpoint: Some(Arc::new(wishes(&[]))),
        ..tenant(GLOBEX, "globex.test")
    };
    World {
        applications: applications(),
        audiences: apis().into_iter().map(Into::into).collect(),
        domains: vec![custom_domain("identity/login", ACME, "login.acme.test")],
        namespaces: ["identity", "orders", "payments"].map(namespace).into(),
        tenants: vec![acme, globex],
    }
}

/// The same with grants to a workload: of Central APIs of each dialect and kind of key, and of one that is Local.
pub fn with_workloads() -> World {
    let mut world = with_endpoints();
    for (identifier, scopes) in [
        (ORDERS, "read"),
        (PROFILES, "read"),
        (LEDGERS, "read write"),
        (SHARED, "read"),
        (BRIEF, "read write"),
    ] {
        let mut all = world.audiences.iter_mut();
        let found = all.find(|api| api.identifier.as_str() == identifier);
        found.unwrap().grants.push(grant(WORKER, scopes));
    }
    world
}

/// What the endpoint of a tenant is told.
pub fn config(cluster: &mut Cluster, tenant: &str) -> Config {
    told(cluster, tenant, NOW).body
}

/// The same with its stamp, at some time.
pub fn told(cluster: &mut Cluster, tenant: &str, now: UnixTime) -> Stamped<Config> {
    let mut plan = cluster.plan_at(now);
    plan.endpoints.remove(&name(tenant)).unwrap()
}
