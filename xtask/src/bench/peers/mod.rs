//! `cargo xtask bench peers`: other issuers beside the sidecar, in the same run, on the same core, by the same generator.
//!
//! ```text
//! prepare (once, in the cache) ─► start ─► set up ─► warm up ─► best of some loads ─► rounds beside the limit ─► p99
//! ```

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::cores::Cores;
use super::fixture::{ACCEPTED, Fixture, identifier};
use super::http::{FORM, post, token_request};
use super::rows::Effort;
use super::server::Server;
use super::table::Circumstances;
use super::{Args, copy_of_sidecar, wall_clock};
use crate::place::Place;
use crate::progress::say;
use crate::workspace;

mod figures;
mod hydra;
mod keycloak;
mod oidc_provider;
mod running;
mod table;

pub use figures::check;
pub use keycloak::KEYCLOAK_OVER_TLS;
pub use oidc_provider::OIDC_PROVIDER_OVER_TLS;
pub use running::Running;

use figures::{Figures, Subject};

/// Another issuer, and how it is made ready.
pub struct Peer {
    /// With its version.
    pub name: &'static str,
    /// Its folder in `xtask/peers`, and in the cache.
    folder: &'static str,
    /// Fetches and builds it, once.
    prepare: fn(&Place) -> Result<()>,
    /// The command that serves, given a folder for this run; over TLS, that has `tls.crt` and `tls.key`.
    serve: fn(&Place, &Path, Ports) -> Result<Command>,
    /// The path that is answered when it is ready.
    ready: &'static str,
    /// Makes what cannot be configured, given the folder of this run.
    set_up: fn(&Place, &Path, Ports) -> Result<()>,
    /// Path and form of a token request.
    token: (&'static str, &'static str),
    /// What a reader has to know to judge the figures.
    remark: &'static str,
}

/// Where a peer listens.
#[derive(Clone, Copy)]
pub struct Ports {
    public: u16,
    other: u16,
}

impl Peer {
    /// A program with nothing in its environment that somebody set for other ends, `JAVA_OPTS` for one.
    fn program(name: impl AsRef<OsStr>) -> Command {
        let kept = ["HOME", "PATH"].into_iter();
        let mut command = Command::new(name);
        command
            .env_clear()
            .envs(kept.filter_map(|name| Some((name, env::var_os(name)?))));
        command
    }
}

/// An issuer's name, its remark, and its figures or why there are none.
type Row = (&'static str, &'static str, Result<Figures>);

const PEERS: [Peer; 3] = [
    oidc_provider::OIDC_PROVIDER,
    keycloak::KEYCLOAK,
    hydra::HYDRA,
];

/// Measures and shows the table.
pub fn measure(args: &Args) -> Result<()> {
    let (cores, started, effort) = (Cores::find()?, wall_clock(), args.effort());
    let mut prepared = Vec::new();
    for peer in &PEERS {
        say(format_args!("preparing {} (once)", peer.name))?;
        prepared.push((peer, prepare(peer)));
    }
    let mut rows = mintage(cores, effort)?;
    for (peer, place) in prepared {
        say(peer.name)?;
        let figures = place.and_then(|place| measure_peer(peer, &place, cores, effort));
        rows.push((peer.name, peer.remark, figures));
    }
    let run = Circumstances {
        started,
        rounds: effort.rounds,
        shared_core: cores.are_shared(),
    };
    args.publish("peers", &table::render(&run, &rows)?)
}

/// Fetches and builds a peer, once.
pub fn prepare(peer: &Peer) -> Result<Place> {
    let place = Place {
        source: workspace::root().join("xtask/peers").join(peer.folder),
        cache: workspace::cache()?.join("peers").join(peer.folder),
    };
    (peer.prepare)(&place).context("it could not be prepared")?;
    Ok(place)
}

/// The sidecar, which is measured as the others are.
fn mintage(cores: Cores, effort: Effort) -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let binary = copy_of_sidecar(dir.path())?;
    Fixture::new(wall_clock(), 0)?.write(dir.path())?;
    let kinds = [
        (
            "Mintage, RFC 9068",
            ACCEPTED,
            "each signed; knows its pod, so no client secret is sent or compared",
        ),
        (
            "Mintage, Auth0's dialect",
            "rs256-auth0",
            "the same API without `jti`: one signature a second serves all requests for the same token",
        ),
    ];
    let rows = kinds.map(|(name, api, remark)| {
        say(name)?;
        let server = Server::start(&binary, dir.path(), cores, None)?;
        let subject = Subject {
            process: server.id(),
            address: server.workload,
            request: token_request(&identifier(api)),
            start_to_ready: server.start_to_ready,
        };
        Ok((name, remark, subject.measure(cores, effort)))
    });
    rows.into_iter().collect()
}

fn measure_peer(peer: &Peer, place: &Place, cores: Cores, effort: Effort) -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let running = Running::start(peer, place, dir.path(), cores, None)?;
    let (path, form) = peer.token;
    let subject = Subject {
        process: running.id(),
        address: running.address,
        request: post(path, FORM, form),
        start_to_ready: running.start_to_ready,
    };
    subject.measure(cores, effort)
}
