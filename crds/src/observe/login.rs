//! Reading what a `Tenant` says of people.

use mintage_core::ident::InvalidName;
use mintage_core::world::{self, EndpointWishes, SessionRules, Source, Theme};
use mintage_core::{ObjectName, Scope};

use super::seconds;
use crate::login::{Connection, Oidc};
use crate::tenant::TenantSpec;

/// `endpoint` and `login`.
pub(super) fn wishes(spec: &TenantSpec) -> Result<EndpointWishes, InvalidName> {
    let login = &spec.login;
    let connections = login.connections.iter().filter_map(connection);
    Ok(EndpointWishes {
        name: spec.display_name.clone(),
        connections: connections.collect::<Result<_, _>>()?,
        theme: Theme {
            logo_url: login.theme.logo_url.clone(),
            primary_color: login.theme.primary_color.clone(),
            support_url: login.theme.support_url.clone(),
        },
        session: SessionRules {
            idle: seconds(login.session.idle_lifetime),
            lifetime: seconds(login.session.lifetime),
        },
        trusted_proxies: spec.endpoint.trusted_proxies.clone(),
    })
}

/// A connection; `None` for one of no kind, which the schema refuses.
fn connection(connection: &Connection) -> Option<Result<world::Connection, InvalidName>> {
    let source = match (&connection.users, &connection.oidc) {
        (Some(users), _) => {
            ObjectName::parse(&users.secret_ref.name).map(|secret| Source::Users { secret })
        }
        (None, Some(oidc)) => provider(oidc),
        (None, None) => return None,
    };
    let read = source.and_then(|source| {
        Ok(world::Connection {
            name: ObjectName::parse(&connection.name)?,
            label: connection.display_name.clone(),
            source,
        })
    });
    Some(read)
}

fn provider(oidc: &Oidc) -> Result<Source, InvalidName> {
    let secret = oidc.client_secret_ref.as_ref();
    let scopes = match oidc.scopes.as_slice() {
        [] => vec![Scope::parse("profile")?, Scope::parse("email")?],
        scopes => {
            let scopes = scopes.iter().map(|scope| Scope::parse(scope));
            scopes.collect::<Result<_, _>>()?
        }
    };
    Ok(Source::Oidc {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: secret
            .map(|secret| ObjectName::parse(&secret.name))
            .transpose()?,
        scopes,
    })
}
