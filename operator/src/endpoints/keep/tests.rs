//! What is kept as it is to be, by an API server in memory.

use serde_json::json;

use super::*;
use crate::scripted::{Does, Server};

fn tenant(name: &str) -> TenantRef {
    TenantRef::parse(&format!("identity/{name}")).unwrap()
}

/// An object as they are drawn up, with a spec.
fn object(kind: Kind, tenant: &str, spec: &Value) -> Object {
    let resource = kind.resource();
    let body = json!({
        "apiVersion": resource.api_version,
        "kind": kind.name(),
        "metadata": {
            "name": format!("mintage-endpoint-{tenant}"),
            "namespace": "identity",
            "labels": {LABEL: tenant},
        },
        "spec": spec,
    });
    Object { kind, body }
}

/// Where it is.
fn path(kind: Kind, tenant: &str) -> String {
    let resource = kind.resource();
    let root = if resource.group.is_empty() {
        "/api"
    } else {
        "/apis"
    };
    let (version, plural) = (resource.api_version, resource.plural);
    format!("{root}/{version}/namespaces/identity/{plural}/mintage-endpoint-{tenant}")
}

fn wanted(tenants: &[&str], kinds: &[Kind]) -> BTreeMap<TenantRef, Vec<Object>> {
    let spec = json!({"a": 1});
    let of = |name: &&str| {
        let objects = kinds.iter().map(|kind| object(*kind, name, &spec));
        (tenant(name), objects.collect())
    };
    tenants.iter().map(of).collect()
}

fn claim(storage: &str) -> Object {
    let spec = json!({"resources": {"requests": {"storage": storage}}});
    object(Kind::PersistentVolumeClaim, "acme", &spec)
}

fn failures(outcome: &Outcome, of: &str) -> String {
    let texts = outcome.failures.get(&tenant(of));
    texts.map(|texts| texts.join("\n")).unwrap_or_default()
}

/// Applies, and makes sure that nothing failed.
async fn apply(
    endpoints: &mut Endpoints,
    server: &Server,
    wanted: &BTreeMap<TenantRef, Vec<Object>>,
) {
    let outcome = endpoints
        .apply(&server.writer(), wanted, &BTreeSet::new())
        .await;
    assert_eq!(outcome.failures, BTreeMap::new());
}

#[tokio::test]
async fn a_claim_that_somebody_made_larger_stays_so_and_holds_nothing_up() {
    let server = Server::new();
    server.rule(|asked, there| {
        let storage = |claim: &Value| claim["spec"]["resources"]["requests"]["storage"].clone();
        let shrinks = there.is_some_and(|there| storage(there) != storage(&asked.body));
        if asked.method == "PATCH" && asked.path.contains("claims") && shrinks {
            return Does::Refuse(422, "field can not be less than status.capacity");
        }
        Does::AsUsual
    });
    let mut endpoints = Endpoints::default();
    let with = |replicas: i64| {
        let pods = object(Kind::Deployment, "acme", &json!({"replicas": replicas}));
        BTreeMap::from([(tenant("acme"), vec![claim("1Gi"), pods])])
    };
    apply(&mut endpoints, &server, &with(1)).await;
    let at = path(Kind::PersistentVolumeClaim, "acme");
    server.change(&at, |claim| {
        claim["spec"]["resources"]["requests"]["storage"] = json!("5Gi");
        claim["metadata"]["labels"]["theirs"] = json!("1");
    });
    let grown: DynamicObject = serde_json::from_value(server.at(&at).unwrap()).unwrap();
    let seen = Seen {
        kind: Kind::PersistentVolumeClaim,
        object: grown,
        gone: false,
    };
    assert!(endpoints.look(&seen));
    apply(&mut endpoints, &server, &with(2)).await;
    // The next leader knows no more than that it is there.
    let writer = server.writer();
    let kinds = [Kind::PersistentVolumeClaim, Kind::Deployment];
    let mut next = Endpoints::load(&writer, &kinds).await.unwrap();
    apply(&mut next, &server, &with(3)).await;

    let storage = &server.at(&at).unwrap()["spec"]["resources"]["requests"]["storage"];
    assert_eq!(storage, "5Gi");
    let pods = server.at(&path(Kind::Deployment, "acme")).unwrap();
    assert_eq!(pods["spec"]["replicas"], 3);
}
