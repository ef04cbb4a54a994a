//! `cargo xtask bench endpoint`: tokens for applications and users at the tenant's endpoint, beside other servers, over TLS.
//!
//! ```text
//!  sign in ─► make codes ─┬─► code exchange ─► refresh ─► refresh …
//!  (not measured)         └─► /userinfo
//! ```

use anyhow::Result;

use super::cores::Cores;
use super::fixture::identifier;
use super::http::Target;
use super::peers::{self, Peer, Running};
use super::rows::Effort;
use super::server::Server;
use super::table::Circumstances;
use super::tls::Identity;
use super::{Args, copy_of_sidecar, wall_clock};
use crate::place::Place;
use crate::progress::say;

mod browser;
mod figures;
mod markup;
mod servers;
mod table;
mod tenant;
mod work;

use browser::Person;
use figures::{Outcomes, Subject};
use servers::{Client, Manner, Routes};
use table::Measured;
use work::{Answer, Operation};

/// Browsers that sign in at the other servers: one for each connection.
const BROWSERS: usize = figures::CONNECTIONS;

/// How one of the other servers is asked.
struct Other {
    peer: Peer,
    routes: Routes,
    /// The parameter that names the API.
    api: Option<&'static str>,
    scope: &'static str,
    work: fn(Operation) -> Answer,
}

/// Both know the clients `load` and `web`, and the user `ada`.
const OTHERS: [Other; 2] = [
    Other {
        peer: peers::OIDC_PROVIDER_OVER_TLS,
        routes: Routes {
            authorize: "/auth",
            discovery: "/.well-known/openid-configuration",
            token: "/token",
            userinfo: "/me",
        },
        api: Some("resource"),
        scope: "openid email offline_access read:orders",
        work: work::oidc_provider,
    },
    Other {
        peer: peers::KEYCLOAK_OVER_TLS,
        routes: Routes {
            authorize: "/realms/bench/protocol/openid-connect/auth",
            discovery: "/realms/bench/.well-known/openid-configuration",
            token: "/realms/bench/protocol/openid-connect/token",
            userinfo: "/realms/bench/protocol/openid-connect/userinfo",
        },
        api: None,
        scope: "openid email read:orders",
        work: work::keycloak,
    },
];

/// How long the just-in-time compilers of the others are warmed up, in loads.
const WARM_UP: u32 = 5;

/// Measures and shows the table.
pub fn measure(args: &Args) -> Result<()> {
    let (cores, started, effort) = (Cores::find()?, wall_clock(), args.effort());
    let mut prepared = Vec::new();
    for other in &OTHERS {
        say(format_args!("preparing {} (once)", other.peer.name))?;
        prepared.push((other, peers::prepare(&other.peer)));
    }
    let mut all: Vec<Measured> = Vec::new();
    for (name, is_in_memory) in [
        ("Mintage, SQLite in a file", false),
        ("Mintage, SQLite in memory", true),
    ] {
        say(name)?;
        all.push((name, mintage(is_in_memory, cores, effort)));
    }
    for (other, place) in prepared {
        let name = other.peer.name;
        say(name)?;
        let outcomes = place.and_then(|place| measure_other(other, &place, cores, effort));
        all.push((name, outcomes));
    }
    let run = Circumstances {
        started,
        rounds: effort.rounds,
        shared_core: cores.are_shared(),
    };
    args.publish("endpoint", &table::render(&run, &all)?)
}

fn mintage(is_in_memory: bool, cores: Cores, effort: Effort) -> Result<Outcomes> {
    let dir = tempfile::tempdir()?;
    let binary = copy_of_sidecar(dir.path())?;
    let written = tenant::write(dir.path(), wall_clock())?;
    let identity = Identity::new()?;
    let of_domain = dir.path().join("secrets/tls");
    std::fs::create_dir(&of_domain)?;
    identity.write(&of_domain)?;
    let store = if is_in_memory {
        "memory".to_owned()
    } else {
        format!("sqlite:{}", dir.path().join("store").display())
    };
    let server = Server::endpoint(&binary, dir.path(), &store, cores)?;
    let subject = Subject {
        process: server.id(),
        target: Target::over_tls(server.workload, identity.client()?),
        manner: Manner {
            routes: Routes {
                authorize: "/authorize",
                discovery: "/.well-known/openid-configuration",
                token: "/oauth/token",
                userinfo: "/userinfo",
            },
            machine: written.machine,
            web: written.web,
            api: Some(("audience", identifier(tenant::API))),
            scope: "openid email offline_access read:orders",
        },
        warm_up: 1,
        disk: (!is_in_memory).then_some(dir.path()),
        work: if is_in_memory {
            |operation| Ok(work::mintage_in_memory(operation))
        } else {
            |operation| Ok(work::mintage(operation))
        },
    };
    subject.measure(tenant::people(), cores, effort)
}

fn measure_other(other: &Other, place: &Place, cores: Cores, effort: Effort) -> Result<Outcomes> {
    let dir = tempfile::tempdir()?;
    let identity = Identity::new()?;
    identity.write(dir.path())?;
    let client = identity.client()?;
    let running = Running::start(&other.peer, place, dir.path(), cores, Some(&client))?;
    let client = |id: &str| Client {
        id: id.to_owned(),
        secret: format!("{id}-secret"),
    };
    let subject = Subject {
        process: running.id(),
        target: running.target.clone(),
        manner: Manner {
            routes: other.routes,
            machine: client("load"),
            web: client("web"),
            api: other.api.map(|name| (name, identifier(tenant::API))),
            scope: other.scope,
        },
        warm_up: WARM_UP,
        disk: None,
        work: other.work,
    };
    let ada = Person {
        name: "ada".to_owned(),
        password: "ada-password",
    };
    subject.measure(std::iter::repeat_n(ada, BROWSERS), cores, effort)
}
