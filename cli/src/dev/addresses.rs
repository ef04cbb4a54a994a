//! Where applications and their users find a tenant, and whether anybody listens there.

use std::io;
use std::net::SocketAddr;

use mintage_core::Domain;
use mintage_core::endpoint::{Application, Config};
use mintage_core::world::GrantType;
use mintage_sidecar::clock::{Clock as _, SystemClock};

use super::endpoints::client_file;
use super::session::Session;
use crate::output::line;

/// The port that an address with the domain means.
fn port(domain: &Domain) -> u16 {
    let (_, port) = domain.as_str().rsplit_once(':').unwrap_or_default();
    port.parse().unwrap_or(443)
}

/// Says where the issuers are, and of which nobody finds them there.
pub fn issuers(session: &Session, tls: SocketAddr) -> io::Result<()> {
    let issuers = session.issuers.load();
    let mut astray = None;
    for domain in issuers.keys() {
        let (issuer, port) = (domain.issuer(), port(domain));
        if port == tls.port() {
            line(format!("                 {issuer}"))?;
        } else {
            let here = tls.port();
            line(format!(
                "                 {issuer}   its domain says :{port}, and this listens at :{here}"
            ))?;
            astray = astray.or(Some(domain));
        }
    }
    let Some(domain) = astray else {
        return Ok(());
    };
    let (host, port) = (domain.host(), port(domain));
    line(format!(
        "                 Where the ports differ only programs that are told get there (curl --connect-to {host}:{port}:{tls}): set spec.domain: {host}:{}, or listen with --tls-listen {}:{port}",
        tls.port(),
        tls.ip()
    ))
}

/// Says what applications are set up with, and where their users sign in.
pub fn applications(session: &Session) -> io::Result<()> {
    let plan = &session.outcome.plan;
    for config in plan.endpoints.values().map(|told| &told.body) {
        let all = config.applications.values();
        let (of_users, machines): (Vec<_>, Vec<_>) =
            all.partition(|it| it.may(GrantType::AuthorizationCode));
        if !of_users.is_empty() {
            sign_in(session, config)?;
            set_up(session, &of_users)?;
        }
        if !machines.is_empty() {
            let url = config.domain.issuer().join("oauth/token");
            line(format!("Applications get tokens for themselves at {url}"))?;
            set_up(session, &machines)?;
        }
    }
    Ok(())
}

fn sign_in(session: &Session, config: &Config) -> io::Result<()> {
    let realms = session.realms.load();
    let realm = realms.get(&config.domain);
    if realm.is_some_and(|realm| realm.sources.sign_in()) {
        let now = SystemClock.now();
        let domains = config.domains.iter();
        let own = domains.filter(|(_, term)| term.is_used(now));
        let mut urls: Vec<_> = own.map(|(domain, _)| domain.issuer()).collect();
        // The tenant's own before its other names.
        urls.sort_by_key(|url| *url != config.domain.issuer());
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        return line(format!(
            "Users sign in at {}",
            urls.join("\n              or ")
        ));
    }
    let why = if config.login.connections.is_empty() {
        "spec.login.connections is empty"
    } else {
        "no connection can be used, see the notes"
    };
    line(format!(
        "Nobody can sign in at {} yet: {why}",
        config.domain.issuer()
    ))
}

fn set_up(session: &Session, applications: &[&Application]) -> io::Result<()> {
    for application in applications {
        let file = client_file(&application.at.namespace, &application.at.name);
        line(format!(
            "  {:<24} client_id {}   ({})",
            application.at.to_string(),
            application.client,
            session.state_dir().join(file).display()
        ))?;
    }
    line("")
}
