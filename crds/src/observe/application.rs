//! Reading an `Application`.

use std::collections::BTreeSet;

use mintage_core::world::{self, ApplicationKind, ClientAuth};
use mintage_core::{Namespace, ObjectName, TenantRef};

use super::{Meta, Unobservable, seconds};
use crate::application::{
    Application, ApplicationSpec, ApplicationType, AuthMethod, GrantType, Rotation,
};

/// Reads an `Application`.
pub fn application(object: &Application) -> Result<world::Application, Unobservable> {
    let meta = Meta::of(&object.metadata)?;
    let spec = &object.spec;
    let refresh = &spec.refresh_tokens;
    Ok(world::Application {
        at: meta.at,
        auth: auth(spec),
        first_party: spec.first_party,
        grant_types: grant_types(spec),
        kind: match spec.type_ {
            ApplicationType::Machine => ApplicationKind::Machine,
            ApplicationType::Native => ApplicationKind::Native,
            ApplicationType::SinglePage => ApplicationKind::SinglePage,
            ApplicationType::Web => ApplicationKind::Web,
        },
        logout_uris: spec.logout_uris.clone(),
        name: spec.display_name.clone(),
        redirect_uris: spec.redirect_uris.clone(),
        refresh: world::RefreshRules {
            idle: seconds(refresh.idle_lifetime),
            leeway: seconds(refresh.leeway),
            lifetime: seconds(refresh.lifetime),
            rotates: refresh.rotation == Rotation::Rotating,
        },
        secret: world::SecretRules {
            accept_previous: seconds(spec.client_secret.accept_previous),
            generation: spec.client_secret.generation,
        },
        tenant: TenantRef::new(
            Namespace::parse(&spec.tenant_ref.namespace)?,
            ObjectName::parse(&spec.tenant_ref.name)?,
        ),
        uid: meta.uid,
        web_origins: spec.web_origins.clone(),
    })
}

fn auth(spec: &ApplicationSpec) -> ClientAuth {
    match (spec.token_endpoint_auth_method, spec.type_) {
        (Some(AuthMethod::ClientSecretBasic), _) => ClientAuth::Basic,
        (Some(AuthMethod::ClientSecretPost), _) => ClientAuth::Post,
        (Some(AuthMethod::None), _)
        | (None, ApplicationType::Native | ApplicationType::SinglePage) => ClientAuth::None,
        (None, ApplicationType::Machine | ApplicationType::Web) => ClientAuth::Either,
    }
}

fn grant_types(spec: &ApplicationSpec) -> BTreeSet<world::GrantType> {
    if spec.grant_types.is_empty() {
        return match spec.type_ {
            ApplicationType::Machine => BTreeSet::from([world::GrantType::ClientCredentials]),
            ApplicationType::Native | ApplicationType::SinglePage | ApplicationType::Web => {
                BTreeSet::from([
                    world::GrantType::AuthorizationCode,
                    world::GrantType::RefreshToken,
                ])
            }
        };
    }
    let read = spec.grant_types.iter().map(|grant| match grant {
        GrantType::AuthorizationCode => world::GrantType::AuthorizationCode,
        GrantType::ClientCredentials => world::GrantType::ClientCredentials,
        GrantType::RefreshToken => world::GrantType::RefreshToken,
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mintage_core::endpoint::{Origin, RedirectUri};
    use mintage_core::world::{self, ApplicationKind, ClientAuth, GrantType};
    use regex::Regex;
    use serde_json::{Value, json};

    use super::application;
    use crate::observe::Unobservable;
    use crate::{Application, field};

    fn object(spec: &Value) -> Application {
        let mut whole = json!({"tenantRef": {"name": "acme", "namespace": "identity"}});
        for (name, value) in spec.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let mut object = Application::new("shop", serde_json::from_value(whole).unwrap());
        object.metadata.namespace = Some("orders".to_owned());
        object.metadata.uid = Some("uid".to_owned());
        object
    }

    fn read(spec: &Value) -> world::Application {
        application(&object(spec)).unwrap()
    }

    #[test]
    fn all_that_is_written_is_read() {
        let read = read(&json!({
            "type": "Web", "displayName": "The shop", "firstParty": true,
            "redirectUris": ["https://b.test/", "https://a.test/"], "logoutUris": ["https://c.test/"],
            "webOrigins": ["https://d.test"], "tokenEndpointAuthMethod": "client_secret_basic",
            "grantTypes": ["refresh_token", "client_credentials", "authorization_code"],
            "refreshTokens": {"rotation": "Reusable", "leeway": "3s", "lifetime": "2h", "idleLifetime": "90m"},
            "clientSecret": {"generation": 3, "acceptPrevious": "90m"},
        }));
        assert_eq!(read.at.to_string(), "orders/shop");
        assert_eq!(read.tenant.to_string(), "identity/acme");
        assert_eq!(read.uid.as_str(), "uid");
        assert_eq!(read.name.as_deref(), Some("The shop"));
        assert!(read.first_party);
        assert_eq!(read.redirect_uris, ["https://b.test/", "https://a.test/"]);
        assert_eq!(read.logout_uris, ["https://c.test/"]);
        assert_eq!(read.web_origins, ["https://d.test"]);
        assert_eq!(read.auth, ClientAuth::Basic);
        let all = [
            GrantType::AuthorizationCode,
            GrantType::ClientCredentials,
            GrantType::RefreshToken,
        ];
        assert_eq!(read.grant_types, BTreeSet::from(all));
        let expected = world::RefreshRules {
            idle: 5_400,
            leeway: 3,
            lifetime: 7_200,
            rotates: false,
        };
        assert_eq!(read.refresh, expected);
        let secret = world::SecretRules {
            accept_previous: 5_400,
            generation: 3,
        };
        assert_eq!(read.secret, secret);
    }

    #[test]
    fn what_is_not_written_follows_from_the_type() {
        let for_users = || BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]);
        let for_itself = BTreeSet::from([GrantType::ClientCredentials]);
        for (type_, kind, auth, grant_types) in [
            (
                "Machine",
                ApplicationKind::Machine,
                ClientAuth::Either,
                for_itself,
            ),
            (
                "Native",
                ApplicationKind::Native,
                ClientAuth::None,
                for_users(),
            ),
            (
                "SinglePage",
                ApplicationKind::SinglePage,
                ClientAuth::None,
                for_users(),
            ),
            ("Web", ApplicationKind::Web, ClientAuth::Either, for_users()),
        ] {
            let read = read(&json!({ "type": type_ }));
            assert_eq!(
                (read.kind, read.auth, read.grant_types),
                (kind, auth, grant_types),
                "{type_}"
            );
            assert!(!read.first_party && read.name.is_none(), "{type_}");
            // 15 and 30 days.
            let expected = world::RefreshRules {
                idle: 1_296_000,
                leeway: 0,
                lifetime: 2_592_000,
                rotates: true,
            };
            assert_eq!(read.refresh, expected, "{type_}");
            let secret = world::SecretRules {
                accept_previous: 86_400,
                generation: 1,
            };
            assert_eq!(read.secret, secret, "{type_}");
        }
    }

    #[test]
    fn a_way_to_show_who_it_is_is_taken_as_written() {
        for (written, auth) in [
            ("client_secret_basic", ClientAuth::Basic),
            ("client_secret_post", ClientAuth::Post),
            ("none", ClientAuth::None),
        ] {
            let read = read(&json!({"type": "Web", "tokenEndpointAuthMethod": written}));
            assert_eq!(read.auth, auth, "{written}");
        }
    }

    #[test]
    fn an_object_without_uid_and_a_tenant_that_cannot_be_one_are_not_read() {
        let mut unborn = object(&json!({"type": "Machine"}));
        unborn.metadata.uid = None;
        assert_eq!(application(&unborn), Err(Unobservable::Metadata("uid")));
        let nowhere = json!({"type": "Machine", "tenantRef": {"name": "acme", "namespace": "a.b"}});
        let refused = application(&object(&nowhere));
        assert!(matches!(refused, Err(Unobservable::Name(_))), "{refused:?}");
    }

    /// Bases of addresses, each complete without path.
    const BASES: [&str; 5] = [
        "https://a.test",
        "http://a.localhost:3000",
        "http://127.0.0.1",
        "http://[::1]",
        "com.test.a:",
    ];

    /// Every character everywhere in an address, and what has been tried as a trick.
    fn addresses() -> Vec<String> {
        let mut texts: Vec<String> = BASES.map(str::to_owned).into();
        for c in (0..=127_u8).map(char::from) {
            for base in BASES {
                texts.extend([
                    format!("{base}{c}"),
                    format!("{base}/{c}"),
                    format!("{base}/a{c}b"),
                    format!("{base}?{c}"),
                    format!("{c}{base}"),
                ]);
            }
            texts.extend([
                format!("https://{c}"),
                format!("https://a{c}b/"),
                format!("https://a.{c}b"),
                format!("https://a:{c}"),
                format!("http://{c}.localhost"),
                format!("{c}.b:"),
                format!("a{c}b:"),
                format!("a.{c}:"),
            ]);
        }
        let tricks = [
            "",
            "/callback",
            "//a/",
            "https:/a",
            "https:///a",
            "https://a@b/",
            "https://a\\@b/",
            "https://A/",
            "https://*.a/",
            "https://[::1]/",
            "https://a:0",
            "https://a:080",
            "https://a:443",
            "https://a:65535",
            "https://a:65536",
            "https://a:+80",
            "https://a:100000",
            "http://a/",
            "http://0.0.0.0/",
            "http://localhost",
            "http://localhost:80",
            "http://localhost.a/",
            "http://127.0.0.1.a/",
            "http://[::1].a/",
            "http://[::1]:",
            "http://-.localhost/",
            "https://a/../b",
            "https://a/%2e%2E/b",
            "https://a/..;/b",
            "https://a/%zz",
            "https://a/%2F",
            "https://a/#b",
            "https://a/\u{e9}",
            "javascript:alert(1)",
            "data:text/html,a",
            "file:///a",
            "a:/b",
            "com..a:/b",
            "http.a:/b",
            "http:.a/",
            "A.b:/",
        ];
        texts.extend(tricks.map(str::to_owned));
        texts.push(format!("https://{}.test", "a".repeat(63)));
        texts.push(format!("https://{}.test", "a".repeat(64)));
        texts
    }

    /// The texts that the pattern lets through and the parser does not; there are none the other way round.
    fn laxer(pattern: &str, parses: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let regex = Regex::new(pattern).unwrap();
        let mut laxer = BTreeSet::new();
        for text in addresses() {
            match (regex.is_match(&text), parses(&text)) {
                (true, true) | (false, false) => {}
                (true, false) => {
                    laxer.insert(text);
                }
                (false, true) => panic!("the schema refuses {text:?}, which core reads"),
            }
        }
        laxer
    }

    fn set(texts: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        texts.into_iter().collect()
    }

    /// Hosts and ports that the patterns of both let through, and no parser: `InvalidAddress` in the status says so.
    fn odd_hosts(ends: &[&str]) -> BTreeSet<String> {
        let long = format!("https://{}.test", "a".repeat(64));
        let odd = ends.iter().map(|&text| text.to_owned());
        set(odd.chain([long]))
    }

    #[test]
    fn schemas_let_every_redirect_uri_through_and_few_others() {
        // Steps up and broken escapes.
        let rests = BASES
            .iter()
            .flat_map(|base| ["/.", "/%", "/a%b", "?%"].map(|rest| format!("{base}{rest}")));
        let steps = [
            "https://a/../b",
            "https://a/%2e%2E/b",
            "https://a/..;/b",
            "https://a/%zz",
        ];
        let mut expected = set(rests.chain(steps.map(str::to_owned)));
        expected.extend(odd_hosts(&[
            "https://a..b",
            "https://a.-b",
            "https://a:65536",
            "http://-.localhost",
            "http://-.localhost/",
        ]));
        assert_eq!(
            laxer(field::URI, |text| RedirectUri::parse(text).is_ok()),
            expected
        );
    }

    #[test]
    fn schemas_let_every_origin_through_and_few_others() {
        // Browsers leave a default port out.
        let expected = odd_hosts(&[
            "http://-.localhost",
            "http://localhost:80",
            "https://a..b",
            "https://a.-b",
            "https://a:443",
            "https://a:65536",
        ]);
        assert_eq!(
            laxer(field::ORIGIN, |text| Origin::parse(text).is_ok()),
            expected
        );
    }
}
