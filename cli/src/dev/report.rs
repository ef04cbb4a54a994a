//! What `dev` says.

use std::io;

use mintage_core::UnixTime;
use mintage_core::policy::Terms;
use mintage_core::world::AudienceAlg;

use super::addresses;
use super::serve::Servers;
use super::session::{Outcome, Session};
use super::statuses::describe;
use crate::output::{self, line};

/// Says who it is, what is served and what is not, and what to try.
pub fn welcome(session: &Session, servers: &Servers) -> io::Result<()> {
    line(format!("mintage dev: {}", session.args.folder.display()))?;
    line("")?;
    let acting = session
        .acting
        .iter()
        .zip(&servers.workloads)
        .zip(&session.outcome.actors);
    for ((one, address), (tenant, _)) in acting {
        line(format!(
            "  workload API   http://{address}   as {} (tenant {tenant})",
            one.workload
        ))?;
    }
    line(format!(
        "  admin          http://{}   /healthz /readyz /metrics",
        servers.admin
    ))?;
    let ca = session.state_dir().join("ca.pem");
    line(format!(
        "  issuers        https://{}   TLS by host name, CA in {}",
        servers.tls,
        ca.display()
    ))?;
    addresses::issuers(session, servers.tls)?;
    line("")?;
    let statuses = session.outcome.plan.statuses.iter();
    for status in statuses {
        line(describe(&session.outcome, status))?;
    }
    for remark in &session.outcome.folder.remarks {
        let place = &remark.place;
        line(format!(
            "note: {}: {}   ({})",
            place.subject(),
            remark.text,
            place.at
        ))?;
    }
    for ignored in &session.outcome.folder.ignored {
        line(format!("not read: {ignored}"))?;
    }
    hints(session, servers)
}

/// Lines to paste.
fn hints(session: &Session, servers: &Servers) -> io::Result<()> {
    let (Some(first), Some(address)) = (session.acting.first(), servers.workloads.first()) else {
        return Ok(());
    };
    line("")?;
    let Some(loaded) = first.shared.current() else {
        return Ok(());
    };
    addresses::applications(session)?;
    let offers: Vec<_> = loaded.mint.policy().offers(first.shared.now()).collect();
    // The first API by file and line, so that the first line to try is the one the manifests begin with.
    let mut declared = session.outcome.folder.world.audiences.iter();
    // Nobody here signs for workloads with a secret that an API shares.
    let signs = |terms: &Terms| terms.alg != AudienceAlg::Hs256;
    let offer = declared.find_map(|api| {
        let mut offers = offers.iter();
        offers.find(|(id, terms, _)| **id == api.identifier && signs(terms))
    });
    if offer.is_none() {
        line(format!(
            "{} holds no grant, so every request for a token at its workload API is refused; add one to spec.grants of an ApiAudience, or be another workload with --as",
            first.workload
        ))?;
        line("")?;
    }
    let me = own_command();
    line("Try")?;
    if let Some((audience, _, scopes)) = offer {
        let scope = scopes.split(' ').next().filter(|scope| !scope.is_empty());
        let scope = scope
            .map(|scope| format!(" -d scope={scope}"))
            .unwrap_or_default();
        line(format!(
            "  curl -s {address}/oauth/token -d grant_type=client_credentials -d audience={audience}{scope}"
        ))?;
    }
    if let Some(domain) = session.issuers.load().keys().next() {
        line(format!(
            "  curl -s --cacert {} --connect-to {}::{} {}",
            session.state_dir().join("ca.pem").display(),
            domain.host(),
            servers.tls,
            domain.issuer().join(".well-known/openid-configuration")
        ))?;
    }
    if let Some((audience, ..)) = offer {
        line(format!(
            "  {me} decode \"$({me} token --url http://{address} -a {audience})\""
        ))?;
    }
    line(format!(
        "  {me} keys --state-dir {}",
        session.state_dir().display()
    ))?;
    line("")?;
    line("Edit the manifests and see them take effect. Ctrl-C ends it.")
}

/// This command as one can type it here: `mintage` if the shell finds it, else its path.
fn own_command() -> String {
    let Ok(me) = std::env::current_exe() else {
        return "mintage".to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("mintage") == me) {
        return "mintage".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    me.strip_prefix(&here).unwrap_or(&me).display().to_string()
}

/// Says something an admin should know.
pub fn remark(text: &str) -> io::Result<()> {
    line(format!("note: {text}"))
}

/// Says why a change was not taken up.
pub fn kept(now: UnixTime, cause: &str) -> io::Result<()> {
    line(format!(
        "{} the change is not taken up, the last good state stays:\n{cause}",
        output::moment(now)
    ))
}

/// Says what a new plan changed.
pub fn changes(now: UnixTime, changed: bool, before: &Outcome, after: &Outcome) -> io::Result<()> {
    if changed {
        line(format!(
            "{} the manifests are taken up",
            output::moment(now)
        ))?;
    }
    for status in &after.plan.statuses {
        if !before.plan.statuses.contains(status) {
            line(describe(after, status))?;
        }
    }
    for status in &before.plan.statuses {
        if !after
            .plan
            .statuses
            .iter()
            .any(|other| other.object == status.object)
        {
            line(format!(
                "  gone        {:<13} {}",
                status.object.kind.to_string(),
                status.object.at
            ))?;
        }
    }
    for keyring in &after.plan.state.keyrings {
        let old = before
            .plan
            .state
            .keyrings
            .iter()
            .find(|old| old.owner == keyring.owner);
        for key in &keyring.keys {
            let known = old.and_then(|old| old.keys.iter().find(|old| old.kid() == key.kid()));
            if known.is_none_or(|known| known.schedule != key.schedule) {
                let state = format!("{:?}", key.state(now));
                line(format!(
                    "  key         {state:<9} {} {} of {}",
                    key.alg(),
                    key.kid(),
                    keyring.owner
                ))?;
            }
        }
    }
    Ok(())
}
