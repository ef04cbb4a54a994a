//! What applications are set up with, by an API server in memory.

use serde_json::json;

use super::*;
use crate::keys::Keys;
use crate::scripted::{Does, Server};

fn tenant() -> TenantRef {
    TenantRef::parse("identity/acme").unwrap()
}

/// What an endpoint is told with an application in each of these namespaces.
fn told(version: u64, namespaces: &[&str]) -> Stamped<Config> {
    let application = |namespace: &&str| {
        let body = json!({
            "client": format!("client{namespace}"),
            "at": format!("{namespace}/app"),
            "name": "app",
            "kind": "Machine",
            "auth": "post",
            "secretGeneration": 1,
            "grantTypes": [],
            "firstParty": true,
            "redirectUris": [],
            "logoutUris": [],
            "webOrigins": [],
            "refresh": {"idle": 1, "leeway": 0, "lifetime": 1, "rotates": true},
        });
        (format!("client{namespace}"), body)
    };
    let applications: serde_json::Map<_, _> = namespaces.iter().map(application).collect();
    let config = json!({
        "tenant": "identity/acme",
        "tenantUid": "u1",
        "domain": "acme.test",
        "domains": {},
        "maxAge": 86_400,
        "allowNonRsa": false,
        "keys": [],
        "apis": {},
        "applications": applications,
        "certificates": {},
        "login": {
            "connections": [],
            "theme": {},
            "session": {"idle": 1, "lifetime": 2},
            "trustedProxies": [],
        },
    });
    Stamped {
        version,
        renewed_at: UnixTime(0),
        body: serde_json::from_value(config).unwrap(),
    }
}

async fn apply(outputs: &mut Outputs, server: &Server, told: &Stamped<Config>) -> Outcome {
    let plan = TenantPlan {
        endpoint: Some(told),
        ..TenantPlan::default()
    };
    let plans = BTreeMap::from([(tenant(), plan)]);
    outputs
        .apply(&server.writer(), &mut Keys::default(), UnixTime(0), &plans)
        .await
}

fn secret(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

/// The namespaces whose application has its Secret.
fn set_up(server: &Server) -> Vec<&'static str> {
    let mut all = vec!["a", "b", "c", "d"];
    all.retain(|namespace| {
        server
            .at(&secret(namespace, "mintage-client.app"))
            .is_some()
    });
    all
}

#[tokio::test(start_paused = true)]
async fn a_namespace_without_room_and_one_that_goes_withhold_nothing_from_others() {
    let server = Server::new();
    server.rule(|asked, _| {
        let text = "exceeded quota: secrets";
        match asked.path.split('/').nth(4) {
            Some("a") if asked.method == "POST" => Does::Refuse(403, text),
            Some("c") if asked.method == "POST" => Does::Gone,
            _ => Does::AsUsual,
        }
    });
    let mut outputs = Outputs::default();
    let first = told(1, &["a", "b", "c"]);
    let outcome = apply(&mut outputs, &server, &first).await;
    // It is no failure of the tenant's, which would hold all of it up.
    assert_eq!(outcome.failures, BTreeMap::new());
    assert!(outcome.complaints[&tenant()][0].contains("exceeded quota"));
    assert_eq!(set_up(&server), ["b"]);
    assert!(
        server
            .at(&secret("identity", "mintage-endpoint-0.acme"))
            .is_some()
    );
    let withheld: Vec<_> = outputs.withheld().collect();
    assert_eq!(withheld.len(), 1);
    assert_eq!(withheld[0].1.0, "a");

    // It waits, whatever else is new.
    server.asked();
    let second = told(2, &["a", "b", "c", "d"]);
    let outcome = apply(&mut outputs, &server, &second).await;
    assert_eq!(outcome.complaints, BTreeMap::new());
    assert_eq!(set_up(&server), ["b", "d"]);
    let tried = server.asked();
    assert!(
        !tried
            .iter()
            .any(|asked| asked.path.contains("/namespaces/a/"))
    );

    // Then it is tried again, though the endpoint has nothing new to hear.
    server.rule(|_, _| Does::AsUsual);
    let now = Instant::now();
    tokio::time::advance(outputs.next_try(now).unwrap() - now).await;
    apply(&mut outputs, &server, &second).await;
    assert_eq!(set_up(&server), ["a", "b", "d"]);
    assert_eq!(
        (outputs.withheld().count(), outputs.next_try(now)),
        (0, None)
    );
}

#[tokio::test]
async fn what_nobody_is_to_be_set_up_with_any_more_is_missing_no_more() {
    let server = Server::new();
    server.put(
        &secret("a", "mintage-client.app"),
        json!({"metadata": {"name": "mintage-client.app", "uid": "theirs"}}),
    );
    let mut outputs = Outputs::default();
    let outcome = apply(&mut outputs, &server, &told(1, &["a", "b"])).await;
    assert!(outcome.complaints[&tenant()][0].contains("delete or rename it"));
    assert_eq!(outputs.withheld().count(), 1);
    apply(&mut outputs, &server, &told(2, &["b"])).await;
    assert_eq!(outputs.withheld().count(), 0);
}

#[tokio::test]
async fn who_is_not_known_at_the_endpoint_yet_hears_of_no_secret() {
    let server = Server::new();
    server.rule(|asked, _| {
        if asked.path.contains("/identity/") {
            Does::Refuse(403, "exceeded quota")
        } else {
            Does::AsUsual
        }
    });
    let outcome = apply(&mut Outputs::default(), &server, &told(1, &["a"])).await;
    assert!(outcome.failures.contains_key(&tenant()));
    assert_eq!(set_up(&server), [""; 0]);
}
