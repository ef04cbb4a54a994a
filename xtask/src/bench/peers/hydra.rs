//! Ory Hydra, built from its Go module.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};

use super::{Peer, Ports};
use crate::place::{Place, run};
use crate::process;

/// It keeps what it has in SQLite in memory. The key that it makes by itself has 4,096 bits, so it is given another.
pub const HYDRA: Peer = Peer {
    name: "Ory Hydra 2.3.0",
    folder: "hydra",
    prepare,
    serve: |place, _, ports| Ok(serve(place, ports)),
    ready: "/health/ready",
    set_up,
    token: (
        "/oauth2/token",
        "grant_type=client_credentials&client_id=load&client_secret=load-secret&scope=read%3Aorders",
    ),
    remark: "`--dev`, SQLite in memory; given a key of 2048 bits instead of its own of 4096; compares the client's secret with a hash (PBKDF2, 25,000 rounds) at each request",
};

fn prepare(place: &Place) -> Result<()> {
    let [module, sums] = ["go.mod", "go.sum"].map(|name| place.source.join(name));
    let version = process::read(Command::new("go").args(["env", "GOVERSION"]))?;
    place.once(&version, &[&module, &sums], || {
        run(Command::new("go")
            .args(["build", "-mod=readonly", "-modcacherw", "-buildvcs=false"])
            .args(["-tags", "sqlite", "-o"])
            .arg(place.cache.join("hydra"))
            .arg("github.com/ory/hydra/v2")
            .env("CGO_ENABLED", "1")
            .env("GOCACHE", place.cache.join("build"))
            .env("GOMODCACHE", place.cache.join("modules"))
            .current_dir(&place.source))
    })
}

fn serve(place: &Place, ports: Ports) -> Command {
    let mut command = Peer::program(place.cache.join("hydra"));
    command
        .args(["serve", "all", "--dev", "--sqa-opt-out", "--config"])
        .arg(place.source.join("hydra.yml"))
        .env("SERVE_PUBLIC_HOST", "127.0.0.1")
        .env("SERVE_PUBLIC_PORT", ports.public.to_string())
        .env("SERVE_ADMIN_HOST", "127.0.0.1")
        .env("SERVE_ADMIN_PORT", ports.other.to_string());
    command
}

fn set_up(place: &Place, dir: &Path, ports: Ports) -> Result<()> {
    let import = |what: &[&str], file: &Path| {
        run(Command::new(place.cache.join("hydra"))
            .arg("import")
            .args(what)
            .arg(file)
            .args(["--quiet", "--endpoint"])
            .arg(format!("http://127.0.0.1:{}", ports.other))
            .stdout(Stdio::null()))
    };
    let made = KeyPair::generate(KeySize::Rsa2048).and_then(|pair| pair.as_der());
    let pkcs8: Pkcs8V1Der = made.map_err(|_| anyhow!("aws-lc makes no RSA key"))?;
    let key = dir.join("key.der");
    fs::write(&key, pkcs8.as_ref())?;
    import(&["jwk", "hydra.jwt.access-token", "--alg", "RS256"], &key)?;
    import(&["client"], &place.source.join("client.json"))
}
