//! Reading what a `Tenant` says of people.

use mintage_core::ident::InvalidName;
use mintage_core::world::{self, EndpointWishes, SessionRules, Source, Theme};
use mintage_core::{ObjectName, Scope};

use super::{certificate, seconds};
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
        certificate: certificate(spec.endpoint.tls.as_ref(), &spec.domain)?,
        authorities: spec.endpoint.ca_bundle.clone(),
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

#[cfg(test)]
mod tests {
    use mintage_core::ObjectName;
    use mintage_core::world::{EndpointWishes, SessionRules, Source, Theme};
    use serde_json::{Value, json};

    use crate::Tenant;
    use crate::observe::{Unobservable, tenant};

    fn object(endpoint: &Value, login: &Value) -> Tenant {
        let spec = json!({
            "domain": "acme.test", "displayName": "Acme", "endpoint": endpoint, "login": login,
        });
        let mut object = Tenant::new("acme", serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("identity".to_owned());
        object.metadata.uid = Some("uid".to_owned());
        object
    }

    fn wishes(endpoint: &Value, login: &Value) -> Option<EndpointWishes> {
        let read = tenant(&object(endpoint, login)).unwrap();
        read.endpoint.map(|wishes| (*wishes).clone())
    }

    fn name(text: &str) -> ObjectName {
        ObjectName::parse(text).unwrap()
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        let login =
            json!({"connections": [{"name": "staff", "users": {"secretRef": {"name": "staff"}}}]});
        assert_eq!(wishes(&json!({}), &login), None);
        assert_eq!(wishes(&json!({"enabled": false}), &login), None);

        let least = wishes(&json!({"enabled": true}), &json!({})).unwrap();
        let expected = EndpointWishes {
            name: Some("Acme".to_owned()),
            connections: Vec::new(),
            theme: Theme::default(),
            // Three and seven days.
            session: SessionRules {
                idle: 259_200,
                lifetime: 604_800,
            },
            certificate: None,
            authorities: None,
            trusted_proxies: Vec::new(),
        };
        assert_eq!(least, expected);
    }

    #[test]
    fn all_that_is_written_is_read() {
        let endpoint = json!({
            "enabled": true, "tls": {"secretName": "acme-tls"}, "trustedProxies": ["10.0.0.0/8", "::1/128"],
        });
        let login = json!({
            "connections": [
                {"name": "corp", "displayName": "Corp", "oidc": {
                    "issuer": "https://id.test/corp", "clientId": "acme",
                    "clientSecretRef": {"name": "corp.oidc"}, "scopes": ["groups", "email"],
                }},
                {"name": "staff", "users": {"secretRef": {"name": "staff-users"}}},
            ],
            "theme": {
                "logoUrl": "https://a.test/", "primaryColor": "#0b6e4f", "supportUrl": "https://b.test/",
            },
            "session": {"idleLifetime": "8h", "lifetime": "12h"},
        });
        let read = wishes(&endpoint, &login).unwrap();
        assert_eq!(
            read.certificate.as_ref().map(ObjectName::as_str),
            Some("acme-tls")
        );
        assert_eq!(read.trusted_proxies, ["10.0.0.0/8", "::1/128"]);
        let rules = SessionRules {
            idle: 28_800,
            lifetime: 43_200,
        };
        assert_eq!(read.session, rules);
        let theme = Theme {
            logo_url: Some("https://a.test/".to_owned()),
            primary_color: Some("#0b6e4f".to_owned()),
            support_url: Some("https://b.test/".to_owned()),
        };
        assert_eq!(read.theme, theme);
        let [corp, staff] = &read.connections[..] else {
            panic!("{:?}", read.connections)
        };
        assert_eq!(
            (&corp.name, corp.label.as_deref()),
            (&name("corp"), Some("Corp"))
        );
        let Source::Oidc {
            issuer,
            client_id,
            client_secret,
            scopes,
        } = &corp.source
        else {
            panic!("{corp:?}")
        };
        assert_eq!(
            (issuer.as_str(), client_id.as_str()),
            ("https://id.test/corp", "acme")
        );
        assert_eq!(client_secret, &Some(name("corp.oidc")));
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        assert_eq!(scopes, ["groups", "email"], "in the order written");
        assert_eq!((&staff.name, &staff.label), (&name("staff"), &None));
        let secret = name("staff-users");
        assert_eq!(staff.source, Source::Users { secret });
    }

    #[test]
    fn a_provider_is_asked_for_profile_and_email() {
        let login = json!({"connections": [{"name": "corp", "oidc": {"issuer": "https://id.test", "clientId": "acme"}}]});
        let read = wishes(&json!({"enabled": true}), &login).unwrap();
        let Source::Oidc {
            client_secret,
            scopes,
            ..
        } = &read.connections[0].source
        else {
            panic!("{:?}", read.connections)
        };
        assert_eq!(client_secret, &None);
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        assert_eq!(scopes, ["profile", "email"]);
    }

    #[test]
    fn names_that_cannot_be_are_not_read() {
        for connection in [
            json!({"name": "A", "users": {"secretRef": {"name": "b"}}}),
            json!({"name": "a", "users": {"secretRef": {"name": "B"}}}),
            json!({"name": "a", "oidc": {"issuer": "i", "clientId": "c", "clientSecretRef": {"name": "B"}}}),
            json!({"name": "a", "oidc": {"issuer": "i", "clientId": "c", "scopes": ["a b"]}}),
        ] {
            let object = object(
                &json!({"enabled": true}),
                &json!({"connections": [connection]}),
            );
            let refused = tenant(&object);
            assert!(
                matches!(refused, Err(Unobservable::Name(_))),
                "{connection}"
            );
        }
    }
}
