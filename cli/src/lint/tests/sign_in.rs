//! The findings about users and applications, and what `dev` notes besides.

use super::findings;
use super::folder::{application, edited};
use crate::lint::Code;

const ALL: &str = "allowedNamespaces: {from: All}";
const HOME: &str = "https://shop.example.com/callback";
const USERS: &str = "connections: [{name: staff, users: {secretRef: {name: staff}}}]";

/// A secret of users, of which one is as `mintage users add` makes it.
const STAFF: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: staff, namespace: idp}
stringData:
  ada: '{"password_hash":"$argon2id$v=19$m=19456,t=2,p=1$BQUFBQUFBQUFBQUFBQUFBQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'
"#;

/// The authority of nobody, good for a hundred years.
const CERTIFICATE: &str = include_str!("authority.pem");

/// The clean folder with an endpoint, and users who sign in at one application.
fn with(login: &str, application: &str, more: &[(&str, &str)]) -> String {
    let tenant = format!("{ALL}\n  endpoint: {{enabled: true}}\n  login:\n    {login}");
    let all = [(ALL, &*tenant), ("+", application), ("+", STAFF)];
    edited(&[&all[..], more].concat())
}

fn provider(fields: &str) -> String {
    let login = format!("connections: [{{name: corp, oidc: {{clientId: acme, {fields}}}}}]");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: corp, namespace: idp}\nstringData: {client_secret: s3cret, other: s3cret}";
    with(&login, &application(HOME), &[("+", secret)])
}

/// An application with other fields than the clean one.
fn other(from: &str, to: &str) -> String {
    let text = application(HOME);
    assert!(text.contains(from), "{from} is not in {text}");
    with(USERS, &text.replace(from, to), &[])
}

fn of_type(kind: &str, more: &str) -> String {
    other("type: Web,", &format!("type: {kind}, {more}"))
}

/// A folder that has the finding, and one that nearly has.
pub fn case(code: Code) -> Option<(String, String)> {
    const ISSUER: &str = "https://id.example.com";
    let users = |login: &str| with(login, &application(HOME), &[]);
    Some(match code {
        Code::CaBundleEmpty => {
            let with = |pem: &str| {
                let pem = pem.replace('\n', "\n      ");
                users(USERS).replace(
                    "endpoint: {enabled: true}",
                    &format!("endpoint:\n    enabled: true\n    caBundle: |\n      {pem}\n"),
                )
            };
            // A certificate's frame with a key in it.
            let key = "-----BEGIN CERTIFICATE-----\nMC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n-----END CERTIFICATE-----";
            (with(key), with(CERTIFICATE))
        }
        Code::ConnectionMissing => (users("session: {}"), users(USERS)),
        Code::ConnectionBroken => (
            provider(&format!(
                "issuer: \"{ISSUER}/.well-known/openid-configuration\""
            )),
            provider(&format!(
                "issuer: \"{ISSUER}\", clientSecretRef: {{name: corp}}"
            )),
        ),
        Code::FieldWithoutEffect => (
            of_type("Machine", ""),
            of_type("Web", "clientSecret: {generation: 2},"),
        ),
        Code::FirstPartyElsewhere => (
            of_type("Web", "firstParty: true,"),
            other("namespace: shop", "namespace: idp")
                .replace("type: Web,", "type: Web, firstParty: true,"),
        ),
        Code::KeySecretElsewhere => (
            edited(&[(
                ALL,
                &format!("{ALL}\n  signing: {{keySecretRef: {{name: own}}}}"),
            )]),
            edited(&[(ALL, &format!("{ALL}\n  signing: {{rotationPeriod: 720h}}"))]),
        ),
        Code::NamespaceElsewhere => {
            let without = edited(&[]).replace("kind: Namespace", "kind: ConfigMap");
            let pods = "labels: {mintage.dev/inject: \"true\"}, namespace: ";
            let opted = without.replace(
                "metadata: {name: cart, namespace: ",
                &format!("metadata: {{name: cart, {pods}"),
            );
            let opted = opted.replace(
                "  name: orders\n  namespace: api\n",
                "  name: orders\n  namespace: api\n  labels: {mintage.dev/inject: \"true\"}\n",
            );
            (without, opted)
        }
        Code::RedirectUriDoubtful => (
            other(HOME, "https://shop.example.com/*"),
            other(
                HOME,
                "https://shop.example.com/callback?stated=1&tenant=code",
            ),
        ),
        Code::RefreshWithoutSignIn => (
            of_type("Web", "grantTypes: [refresh_token],"),
            of_type("Web", "grantTypes: [refresh_token, authorization_code],"),
        ),
        Code::ScopeReserved => (
            edited(&[("{name: write}", "{name: write}, {name: offline_access}")]),
            edited(&[("{name: write}", "{name: write}, {name: offline}")]),
        ),
        Code::SecretElsewhere => {
            let missing = "connections: [{name: staff, users: {secretRef: {name: stuff}}}]";
            (users(missing), users(USERS))
        }
        Code::StatusNote => {
            let with = |name: &str| {
                edited(&[(
                    "{name: acme, namespace: idp}\nspec",
                    &format!(
                        "{{name: acme, namespace: idp, annotations: {{mintage.dev/release-claim: {name}}}}}\nspec"
                    ),
                )])
            };
            (with("acme.example.com"), with("globex.example.com"))
        }
        Code::UserUnreadable => (users(USERS).replace("argon2id", "argon2i"), users(USERS)),
        _ => return None,
    })
}

/// The findings of one code: fields and texts.
fn of(code: Code, text: &str) -> Vec<(String, String)> {
    let found = findings(text, false).into_iter();
    let of_code = found.filter(|finding| finding.code == code);
    of_code.map(|it| (it.place.field, it.text)).collect()
}

#[test]
fn a_field_that_changes_nothing_is_named() {
    let reusable = |leeway: &str| {
        of_type(
            "Web",
            &format!("refreshTokens: {{rotation: Reusable, {leeway}}},"),
        )
    };
    let refresh = |lives: &str| of_type("Web", &format!("refreshTokens: {{{lives}}},"));
    let session = |lives: &str| {
        let login = format!("session: {{{lives}}}\n    {USERS}");
        with(&login, &application(HOME), &[])
    };
    for (text, field) in [
        (of_type("Machine", ""), "spec.redirectUris"),
        (
            of_type("SinglePage", "clientSecret: {generation: 2},"),
            "spec.clientSecret",
        ),
        (
            of_type("Native", "clientSecret: {acceptPrevious: 1h},"),
            "spec.clientSecret",
        ),
        (reusable("leeway: 10s"), "spec.refreshTokens.leeway"),
        (
            refresh("idleLifetime: 2h, lifetime: 1h"),
            "spec.refreshTokens.idleLifetime",
        ),
        (
            session("idleLifetime: 2h, lifetime: 1h"),
            "spec.login.session.idleLifetime",
        ),
    ] {
        let found = of(Code::FieldWithoutEffect, &text);
        assert!(
            matches!(&found[..], [(at, _)] if at == field),
            "{field}: {found:?}"
        );
    }
    for text in [
        of_type("SinglePage", ""),
        reusable("leeway: 0s"),
        refresh("leeway: 10s"),
        refresh("lifetime: 1h"),
        refresh("idleLifetime: 1h, lifetime: 1h"),
        session("lifetime: 1h"),
        session("idleLifetime: 1h, lifetime: 1h"),
    ] {
        assert_eq!(of(Code::FieldWithoutEffect, &text), [], "{text}");
    }
}

#[test]
fn each_connection_by_which_nobody_signs_in_is_named_with_its_reason() {
    for (fields, reason) in [
        ("issuer: \"https://id.example.com/a/../b\"", "without query"),
        (
            "issuer: \"https://id.example.com/.well-known/openid-configuration\"",
            "write what stands before that: https://id.example.com;",
        ),
        (
            "issuer: \"https://id.example.com\", clientSecretRef: {name: staff}",
            "Secret idp/staff has no entry client_secret",
        ),
    ] {
        let found = of(Code::ConnectionBroken, &provider(fields));
        let [(field, text)] = &found[..] else {
            panic!("{fields}: {found:?}")
        };
        assert!(text.contains(reason), "{reason}: {text}");
        assert_eq!(field, "spec.login.connections[0]");
    }
    let missing = provider("issuer: \"https://id.example.com\", clientSecretRef: {name: none}");
    let found = of(Code::SecretElsewhere, &missing);
    assert!(
        found[0].1.contains("Secret idp/none is not there"),
        "{found:?}"
    );
}

#[test]
fn an_entry_that_is_no_user_is_named_with_its_line_and_without_its_hash() {
    let text = with(USERS, &application(HOME), &[]).replace("argon2id$v", "argon2i$v");
    let found = findings(&text, false);
    let finding = found
        .iter()
        .find(|it| it.code == Code::UserUnreadable)
        .unwrap();
    assert_eq!(finding.place.field, "stringData.ada");
    assert_eq!(finding.place.resource, "Secret idp/staff");
    let line = text.lines().nth(finding.place.at.line - 1).unwrap();
    assert!(line.trim().starts_with("ada:"), "{line}");
    assert!(!finding.text.contains("BQUF"), "{}", finding.text);
}

#[test]
fn parameters_of_the_answer_are_looked_for_by_name() {
    for parameter in ["code", "error", "iss", "state"] {
        let text = other(
            HOME,
            &format!("https://shop.example.com/cb?a=1&{parameter}=2"),
        );
        let found = of(Code::RedirectUriDoubtful, &text);
        let [(field, text)] = &found[..] else {
            panic!("{parameter}: {found:?}")
        };
        assert!(
            text.contains(&format!("a parameter {parameter} ")),
            "{text}"
        );
        assert_eq!(field, "spec.redirectUris[0]");
    }
    let text = of_type(
        "Web",
        "logoutUris: [\"https://shop.example.com/a\", \"https://shop.example.com/*\"],",
    );
    let found = of(Code::RedirectUriDoubtful, &text);
    assert_eq!(found[0].0, "spec.logoutUris[1]");
}

#[test]
fn where_users_get_tokens_an_api_needs_no_grant() {
    let grant = "  grants:\n  - workload: {namespace: shop, serviceAccount: cart}\n    scopes: [read, write]\n";
    let without = |text: String| {
        assert!(text.contains(grant), "{text}");
        of(Code::AudienceWithoutGrants, &text.replace(grant, "")).len()
    };
    assert_eq!(without(with(USERS, &application(HOME), &[])), 0);
    assert_eq!(without(of_type("Machine", "")), 1);
    // No endpoint, so no application is served.
    assert_eq!(without(edited(&[("+", &application(HOME))])), 1);
}
