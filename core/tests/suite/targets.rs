//! What a token is for (row S3), and what an application that acts for itself gets.

use mintage_core::Alg;
use mintage_core::endpoint::{ClientRefusal, Config, Target, UnknownAudience};
use mintage_core::ownership::Kind;
use mintage_core::world::{Audience, AudienceAlg, Issuance};

use crate::support::endpoint::{MACHINE, ROBOT, SHARED, SPA, WEB, config, with_endpoints};
use crate::support::{ACME, Cluster, NOW, ORDERS, name};

const MANAGEMENT: &str = "https://acme.test/api/v2/";

fn acme() -> Config {
    config(&mut Cluster::new(with_endpoints()), ACME)
}

/// The same with a default audience.
fn with_default() -> Config {
    let mut world = with_endpoints();
    world.tenants[0].default_audience = Some(name("orders/orders"));
    config(&mut Cluster::new(world), ACME)
}

fn is_for<'a>(config: &'a Config, audience: Option<&str>) -> &'a str {
    match config.target(audience) {
        Ok(Target::Api(api)) => api.identifier.as_str(),
        Ok(Target::Management) => "management",
        Ok(Target::UserInfo) => "userinfo",
        Err(UnknownAudience::NotFound(_)) => "unknown",
        Err(UnknownAudience::NotSigned { .. }) => "not signed",
    }
}

#[test]
fn the_audience_says_what_a_token_is_for() {
    let (plain, default) = (acme(), with_default());
    // Without a default audience, and with one.
    let table = [
        (None, "userinfo", ORDERS),
        (Some(""), "userinfo", ORDERS),
        (Some("acme.test"), "userinfo", "userinfo"),
        (Some("https://acme.test/"), "userinfo", "userinfo"),
        (Some("https://acme.test/userinfo"), "userinfo", "userinfo"),
        (Some("login.acme.test"), "userinfo", "userinfo"),
        (
            Some("https://login.acme.test/userinfo"),
            "userinfo",
            "userinfo",
        ),
        (Some(ORDERS), ORDERS, ORDERS),
        (Some(SHARED), SHARED, SHARED),
        (Some(MANAGEMENT), "management", "management"),
        (
            Some("https://login.acme.test/api/v2/"),
            "unknown",
            "unknown",
        ),
        (Some("https://acme.test"), "unknown", "unknown"),
        (Some("https://acme.test/api/v2"), "unknown", "unknown"),
        (Some("globex.test"), "unknown", "unknown"),
        (Some("https://orders.test/"), "unknown", "unknown"),
        (Some("HTTPS://ORDERS.TEST"), "unknown", "unknown"),
    ];
    for (audience, without, with) in table {
        assert_eq!(is_for(&plain, audience), without, "{audience:?}");
        assert_eq!(
            is_for(&default, audience),
            with,
            "{audience:?} with a default"
        );
    }
    let long = "x".repeat(10_000);
    let Err(UnknownAudience::NotFound(shown)) = plain.target(Some(&long)) else {
        panic!("there is such an API")
    };
    assert_eq!(shown.len(), 200);
}

fn ask(
    config: &Config,
    at: &str,
    audience: Option<&str>,
    scope: Option<&str>,
) -> Result<String, ClientRefusal> {
    let mut all = config.applications.values();
    let application = all.find(|application| application.at.to_string() == at);
    let allowed = config.client_grant(application.unwrap(), audience, scope)?;
    let scopes: Vec<_> = allowed.scopes.iter().map(ToString::to_string).collect();
    Ok(scopes.join(" "))
}

/// Sidecars sign for it by keys of their namespaces; the endpoint has the tenant's own, which are RSA keys here.
#[test]
fn an_algorithm_that_the_tenant_has_no_key_of_is_said_before_anybody_signs_in() {
    let with = |alg, allow_non_rsa| {
        let mut world = with_endpoints();
        world.tenants[0].allow_non_rsa = allow_non_rsa;
        let mut orders = Audience::clone(&world.audiences[0]);
        assert_eq!(
            (orders.identifier.as_str(), orders.issuance),
            (ORDERS, Issuance::Local)
        );
        orders.alg = AudienceAlg::Asymmetric(alg);
        world.audiences[0] = orders.into();
        let mut cluster = Cluster::new(world);
        let notes = cluster
            .status(Kind::ApiAudience, "orders/orders")
            .notes
            .clone();
        let is_said = notes
            .iter()
            .any(|note| note.contains("applications and users get no tokens"));
        (config(&mut cluster, ACME), is_said)
    };
    for (alg, allow_non_rsa, signed) in [
        (Alg::ES256, false, false),
        (Alg::EdDSA, false, false),
        (Alg::ES256, true, true),
        (Alg::PS256, false, true),
    ] {
        let (config, is_said) = with(alg, allow_non_rsa);
        assert_eq!(is_said, !signed, "{alg}");
        let expected = if signed { ORDERS } else { "not signed" };
        assert_eq!(is_for(&config, Some(ORDERS)), expected, "{alg}");
        let asked = ask(&config, MACHINE, Some(ORDERS), None);
        assert_eq!(asked.is_ok(), signed, "{alg}: {asked:?}");
        if let Err(refusal) = asked {
            assert!(
                refusal.to_string().contains("allowNonRsa: true"),
                "{refusal}"
            );
        }
    }
}

#[test]
fn an_application_gets_what_it_was_granted() {
    let config = acme();
    let good = |at, scope| ask(&config, at, Some(ORDERS), scope).unwrap();
    assert_eq!(good(MACHINE, None), "read write");
    assert_eq!(good(MACHINE, Some("")), "read write");
    assert_eq!(
        good(MACHINE, Some("write read")),
        "read write",
        "in the API's order"
    );
    assert_eq!(good(ROBOT, None), "read");
    assert_eq!(
        ask(&with_default(), MACHINE, None, None).unwrap(),
        "read write"
    );
}

#[test]
fn an_application_gets_nothing_beyond() {
    let config = acme();
    let refused = |at, audience, scope| ask(&config, at, audience, scope).unwrap_err();
    assert_eq!(refused(MACHINE, None, None), ClientRefusal::AudienceMissing);
    assert_eq!(
        refused(MACHINE, Some(""), None),
        ClientRefusal::AudienceMissing
    );
    for audience in [
        "https://nowhere.test",
        "acme.test",
        "https://acme.test/userinfo",
    ] {
        let unknown = ClientRefusal::AudienceUnknown(audience.into());
        assert_eq!(refused(MACHINE, Some(audience), None), unknown);
    }
    for (at, audience) in [(SPA, ORDERS), (ROBOT, SHARED)] {
        let refusal = refused(at, Some(audience), None);
        assert!(
            matches!(refusal, ClientRefusal::GrantMissing { .. }),
            "{refusal:?}"
        );
        let text = refusal.to_string();
        let auth0 = format!(
            "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to this API."
        );
        assert!(text.starts_with(&auth0), "{text}");
        let (namespace, name) = at.split_once('/').unwrap();
        let mend = format!("{{application: {{namespace: {namespace}, name: {name}}}}}");
        assert!(text.contains(&mend), "{text}");
    }
    let management = refused(MACHINE, Some(MANAGEMENT), None);
    assert_eq!(
        management,
        ClientRefusal::ManagementUngranted(MANAGEMENT.into())
    );
    let text = management.to_string();
    let auth0 = format!("Client is not authorized to access \"{MANAGEMENT}\".");
    assert!(text.starts_with(&auth0), "{text}");
    assert!(
        !text.contains("spec.grants"),
        "there is no such object: {text}"
    );
    let beyond = refused(WEB, Some(ORDERS), Some("read write"));
    assert_eq!(beyond, ClientRefusal::ScopeNotGranted("write".into()));
    let malformed = refused(WEB, Some(ORDERS), Some("re\"ad"));
    assert!(
        matches!(malformed, ClientRefusal::ScopeMalformed(_)),
        "{malformed:?}"
    );
}

/// A grant ends with the application that it was given to: another one of its name is another client.
#[test]
fn a_grant_is_of_one_life_of_an_application() {
    let mut cluster = Cluster::new(with_endpoints());
    let client = |config: &Config| {
        let mut all = config.applications.values();
        let found = all.find(|application| application.at.to_string() == MACHINE);
        found.unwrap().client.clone()
    };
    let before = config(&mut cluster, ACME);
    cluster.edit(|world| {
        let mut all = world.applications.iter_mut();
        let machine = all.find(|application| application.at.to_string() == MACHINE);
        machine.unwrap().uid = name("uid-of-the-next-life");
    });
    let after = config(&mut cluster, ACME);
    assert_eq!(client(&before), client(&before));
    assert_ne!(client(&before), client(&after));
    assert!(!after.applications.contains_key(client(&before).as_str()));
    assert_eq!(cluster.now, NOW);
}
