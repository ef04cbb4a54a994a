//! Providers that know users (OpenID Connect): the tenant as their client.
//!
//! ```text
//!  button or /authorize ─► leave: state (sealed, of this browser), nonce, PKCE ─► the provider's own pages
//!  /login/callback/<connection> ─► callback: state once, iss ─► exchange: code ─► ID token ─► a session here
//!                                     └─ Providers: discovery and keys of each issuer ─ Web: bounded requests
//! ```
//!
//! What is believed is decided in [`mintage_core::upstream`]. Each connection has an address of its own to come back to, so an
//! answer that one provider got from another is known by where it comes (RFC 9700 section 4.4).

mod callback;
mod exchange;
mod leave;
mod providers;
mod web;

use std::fmt;

use axum::response::Response;
use mintage_core::code::Coded as _;
use mintage_core::endpoint::Request;
use mintage_core::upstream::{Fault, ProviderIssuer};
use mintage_core::world::{Connection, Source};
use mintage_core::{Namespace, ObjectName, Scope};
use zeroize::Zeroizing;

pub use callback::handle as callback;
pub use leave::{handle as leave_by_button, leave};
pub use providers::Providers;
pub use web::{NoAuthorities, Reach};

use super::pages::{Failure, Name};
use super::sources::Entries;
use super::visit::Visit;
use super::{answer, audit, scene};

/// Where providers send browsers back to; the connection follows.
pub const CALLBACK: &str = "/login/callback/";

/// The entry of a Secret that the client secret is.
const SECRET: &str = "client_secret";

/// The longest client secret, in bytes.
const LONGEST_SECRET: usize = 1024;

/// A provider, as the tenant is its client.
#[derive(Debug)]
pub struct Provider {
    /// The connection.
    pub name: ObjectName,
    /// The connection's name for people.
    pub label: String,
    /// Who it is.
    pub issuer: ProviderIssuer,
    /// The tenant's `client_id` there.
    client: String,
    secret: Option<ClientSecret>,
    /// What is asked besides `openid`.
    scopes: Vec<Scope>,
}

/// What the provider gave to the tenant; wiped when dropped, never shown.
struct ClientSecret(Zeroizing<String>);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

impl Provider {
    /// The provider of a connection of that kind; or why it cannot be used, in words with the mend. `entries` are those of its
    /// Secret, in the tenant's namespace.
    pub fn of(
        connection: &Connection,
        namespace: &Namespace,
        entries: Option<Entries>,
    ) -> Option<Result<Self, String>> {
        let Source::Oidc {
            issuer,
            client_id,
            client_secret,
            scopes,
        } = &connection.source
        else {
            return None;
        };
        let read = |issuer: ProviderIssuer, secret| Self {
            name: connection.name.clone(),
            label: match &connection.label {
                Some(label) => label.clone(),
                None => connection.name.to_string(),
            },
            issuer,
            client: client_id.clone(),
            secret,
            scopes: scopes.clone(),
        };
        let secret = client_secret.as_ref().map(|name| {
            read_secret(entries).map_err(|why| format!("Secret {namespace}/{name} {why}"))
        });
        let issuer = ProviderIssuer::parse(issuer).map_err(|_| {
            format!("its issuer {issuer} has to be https, or http on this machine, without query and fragment")
        });
        let both = issuer.and_then(|issuer| Ok((issuer, secret.transpose()?)));
        Some(both.map(|(issuer, secret)| read(issuer, secret)))
    }

    /// The connection's name, for a page.
    pub fn label(&self) -> Name<'_> {
        Name::new(&self.label).or(self.name.as_str())
    }

    /// Where it sends browsers back to.
    fn redirect(&self, visit: &Visit) -> String {
        let path = format!("{CALLBACK}{}", self.name);
        visit.issuer().join(path.trim_start_matches('/'))
    }

    /// Says that nobody signs in by it: in the log, and on a page or to the application.
    fn failed(&self, visit: &Visit, request: &Request, fault: Fault) -> Response {
        audit::provider_refused(visit, &request.client, &self.name, fault, None);
        if fault == Fault::AuthTime {
            let text = format!(
                "{} did not show that the user signed in as recently as was asked ({fault})",
                self.label
            );
            return answer::misuse(visit, &request.refuse("access_denied", text));
        }
        scene::fail(
            visit,
            Failure::ConnectionFailed {
                label: self.label(),
            },
            Some(fault.code()),
        )
    }
}

/// Reads the secret; nothing of it is repeated. A line break after it is of the editor that it was written with.
fn read_secret(entries: Option<Entries>) -> Result<ClientSecret, String> {
    let mut entries = entries.ok_or("is not there")?;
    let bytes = entries.remove(SECRET);
    let bytes = Zeroizing::new(bytes.ok_or_else(|| format!("has no entry {SECRET}"))?);
    let text = bytes.trim_ascii_end();
    // RFC 6749, appendix A.2.
    let sound = (1..=LONGEST_SECRET).contains(&text.len())
        && text.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    let text = std::str::from_utf8(text).ok().filter(|_| sound);
    let text = text.ok_or_else(|| {
        format!("has another entry {SECRET} than 1 to {LONGEST_SECRET} visible ASCII characters")
    })?;
    Ok(ClientSecret(Zeroizing::new(text.to_owned())))
}
