//! Keycloak, from its distribution in Maven Central.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Peer;
use crate::place::{Place, run};

const VERSION: &str = "26.7.3";

/// The least Java that it is measured with.
const LEAST_JAVA: u32 = 21;

/// Its realm comes from a file, with an RSA-2048 key of its own making.
pub const KEYCLOAK: Peer = Peer {
    name: "Keycloak 26.7.3",
    folder: "keycloak",
    prepare,
    serve: |place, _, ports| {
        serve(place, |command| {
            command
                .args(["--http-enabled=true", "--http-host=127.0.0.1"])
                .arg(format!("--http-port={}", ports.public));
        })
    },
    ready: "/realms/bench/.well-known/openid-configuration",
    set_up: |_, _, _| Ok(()),
    token: (
        "/realms/bench/protocol/openid-connect/token",
        "grant_type=client_credentials&client_id=load&client_secret=load-secret&scope=read%3Aorders",
    ),
    remark: "an optimised build, started for production; database and caches in memory; its default heap of up to 512 MiB",
};

/// The same over TLS, where users sign in, too.
pub const KEYCLOAK_OVER_TLS: Peer = Peer {
    serve: |place, dir, ports| {
        serve(place, |command| {
            let file = |name: &str| dir.join(name).display().to_string();
            command
                .args(["--http-enabled=false", "--http-host=127.0.0.1"])
                .arg(format!("--https-port={}", ports.public))
                .arg(format!("--https-certificate-file={}", file("tls.crt")))
                .arg(format!("--https-certificate-key-file={}", file("tls.key")));
        })
    },
    ..KEYCLOAK
};

fn prepare(place: &Place) -> Result<()> {
    let java = java()?;
    let realm = place.source.join("bench-realm.json");
    let stamp = format!("{VERSION} {}", java.display());
    place.once(&stamp, &[&realm], || {
        let download = place.cache.join("download");
        run(Command::new("mvn")
            .args(["--quiet", "--batch-mode"])
            .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy")
            .arg(format!(
                "-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
            ))
            .arg(format!("-DoutputDirectory={}", download.display()))
            .current_dir(&place.cache))?;
        let home = home(place);
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| home.display().to_string())?;
        }
        run(Command::new(java.join("bin/jar"))
            .args(["--extract", "--file"])
            .arg(download.join(format!("keycloak-quarkus-dist-{VERSION}.zip")))
            .current_dir(&place.cache))?;
        let import = home.join("data/import");
        fs::create_dir_all(&import)?;
        fs::copy(&realm, import.join("bench-realm.json"))?;
        run(keycloak(place, &java).args(["build", "--db=dev-mem", "--cache=local"]))
    })
}

fn serve(place: &Place, listen: impl FnOnce(&mut Command)) -> Result<Command> {
    let mut command = keycloak(place, &java()?);
    command.args(["start", "--optimized", "--import-realm"]);
    listen(&mut command);
    command.args(["--hostname-strict=false", "--log-level=warn"]);
    Ok(command)
}

fn home(place: &Place) -> PathBuf {
    place.cache.join(format!("keycloak-{VERSION}"))
}

fn keycloak(place: &Place, java: &Path) -> Command {
    // Extracting it kept no execute permission.
    let mut command = Peer::program("bash");
    command
        .arg(home(place).join("bin/kc.sh"))
        .env("JAVA_HOME", java);
    command
}

/// The newest JDK of this machine: `JAVA_HOME`'s, or one where Debian puts them.
fn java() -> Result<PathBuf> {
    let given = env::var_os("JAVA_HOME").map(PathBuf::from);
    let installed = fs::read_dir("/usr/lib/jvm").into_iter().flatten();
    let installed = installed.filter_map(|entry| Some(entry.ok()?.path()));
    let jdks = given.into_iter().chain(installed).filter_map(|home| {
        let release = fs::read_to_string(home.join("release")).ok()?;
        let has_jar = home.join("bin/jar").is_file();
        Some((major(&release)?, home)).filter(|_| has_jar)
    });
    let newest = jdks.max().filter(|(major, _)| *major >= LEAST_JAVA);
    let (_, home) = newest.with_context(|| {
        format!("a JDK {LEAST_JAVA} or later is needed, in JAVA_HOME or /usr/lib/jvm")
    })?;
    Ok(home)
}

/// The major version in a JDK's `release` file.
fn major(release: &str) -> Option<u32> {
    let mut lines = release.lines();
    let version = lines.find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(['.', '"', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jdk_says_its_version() {
        let release = "IMPLEMENTOR=\"x\"\nJAVA_RUNTIME_VERSION=\"17.0.1\"\nJAVA_VERSION=\"25\"\n";
        assert_eq!(major(release), Some(25));
        assert_eq!(major("JAVA_VERSION=\"21.0.4\""), Some(21));
        assert_eq!(major(""), None);
    }
}
