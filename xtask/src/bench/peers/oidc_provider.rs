//! oidc-provider, a library for Node.js, in a small program of ours.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Peer, Ports};
use crate::place::{Place, run};
use crate::process;

/// Its default storage is a map in memory, and it takes the RSA-2048 key that the program makes.
pub const OIDC_PROVIDER: Peer = Peer {
    name: "oidc-provider 9.13.3",
    folder: "oidc-provider",
    prepare,
    serve: |place, _, ports| Ok(serve(place, None, ports)),
    ready: "/.well-known/openid-configuration",
    set_up: |_, _, _| Ok(()),
    token: (
        "/token",
        "grant_type=client_credentials&client_id=load&client_secret=load-secret&scope=read%3Aorders",
    ),
    remark: "Node.js, one process; its default storage, in memory; compares the client's secret as it is",
};

/// The same over TLS, where users sign in, too.
pub const OIDC_PROVIDER_OVER_TLS: Peer = Peer {
    serve: |place, dir, ports| Ok(serve(place, Some(dir), ports)),
    ..OIDC_PROVIDER
};

fn prepare(place: &Place) -> Result<()> {
    let inputs =
        ["package.json", "package-lock.json", ".npmrc"].map(|name| place.source.join(name));
    let [package, lock, settings] = &inputs;
    let version = process::read(Command::new("node").arg("--version"))?;
    place.once(&version, &[package, lock, settings], || {
        inputs
            .iter()
            .try_for_each(|input| place.copy(input).map(drop))?;
        run(Command::new("npm")
            .args(["ci", "--loglevel=error"])
            .current_dir(&place.cache))
    })?;
    // Node looks for packages beside the file that imports them.
    place.copy(&place.source.join("server.mjs")).map(drop)
}

fn serve(place: &Place, with_certificate: Option<&Path>, ports: Ports) -> Command {
    let mut command = Peer::program("node");
    command
        .arg(place.cache.join("server.mjs"))
        .arg(ports.public.to_string())
        .args(with_certificate)
        .env("NODE_ENV", "production");
    command
}
