//! What is kept as it is to be, by an API server in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::super::Object;
use super::super::apply::Outcome;
use super::*;
use crate::scripted::{Does, Server};

/// Longer than the API server may take for one request, and less than two of them.
const ONE_REQUEST: Duration = Duration::from_secs(40);

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

/// What was said of a tenant.
fn failures(outcome: &Outcome, of: &str) -> String {
    let texts = outcome.failures.get(&tenant(of));
    texts.map(|texts| texts.join("\n")).unwrap_or_default()
}

/// What a watch shows of an object.
fn there(server: &Server, kind: Kind, tenant: &str) -> Seen {
    let object = server.at(&path(kind, tenant)).unwrap();
    Seen::There(kind, serde_json::from_value(object).unwrap())
}

/// The last parts of the paths of what was written.
fn written(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter();
    let writes = asked.filter(|asked| asked.method != "GET");
    let parts = writes.map(|asked| {
        let parts: Vec<&str> = asked.path.rsplit('/').take(2).collect();
        let name = parts[0].replace("mintage-endpoint-", "");
        format!("{} {}/{name}", asked.method, parts[1])
    });
    parts.collect()
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
    assert!(endpoints.look(&there(&server, Kind::PersistentVolumeClaim, "acme")));
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

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_objects_hang_delays_no_other() {
    let server = Server::new();
    server.rule(|asked, _| {
        if asked.method == "PATCH" && asked.path.contains("ingresses") {
            return Does::Hang;
        }
        Does::AsUsual
    });
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wanted = wanted(&names, &[Kind::Deployment, Kind::Ingress]);
    let begun = Instant::now();
    let mut endpoints = Endpoints::default();
    let outcome = endpoints
        .apply(&server.writer(), &wanted, &BTreeSet::new())
        .await;
    assert!(begun.elapsed() < ONE_REQUEST, "{:?}", begun.elapsed());
    assert_eq!(outcome.failures.len(), names.len());
    let mut deployments = written(&server);
    deployments.retain(|write| write.starts_with("PATCH deployments"));
    assert_eq!(deployments.len(), names.len());
}

#[tokio::test]
async fn what_leads_in_from_outside_fails_for_itself_and_what_others_build_on_holds_those_up() {
    let server = Server::new();
    let fails = |part: &'static str| {
        server.rule(move |asked, _| {
            if asked.path.contains(part) {
                Does::Refuse(403, "no")
            } else {
                Does::AsUsual
            }
        });
    };
    let kinds = [
        Kind::Service,
        Kind::Deployment,
        Kind::Ingress,
        Kind::Certificate,
    ];
    let wanted = wanted(&["acme", "globex"], &kinds);
    let writer = server.writer();
    let mut endpoints = Endpoints::default();
    fails("services/mintage-endpoint-acme");
    let outcome = endpoints.apply(&writer, &wanted, &BTreeSet::new()).await;
    assert!(failures(&outcome, "acme").contains("the Service of its endpoint"));
    assert_eq!(outcome.failures.len(), 1);
    assert!(server.at(&path(Kind::Deployment, "acme")).is_none());
    assert!(server.at(&path(Kind::Certificate, "globex")).is_some());

    fails("ingresses/mintage-endpoint-acme");
    let outcome = endpoints.apply(&writer, &wanted, &BTreeSet::new()).await;
    assert!(failures(&outcome, "acme").contains("the Ingress of its endpoint"));
    assert!(server.at(&path(Kind::Certificate, "acme")).is_some());

    // Of a tenant that is held nothing is touched.
    server.asked();
    let held = BTreeSet::from([tenant("acme")]);
    endpoints.apply(&writer, &BTreeMap::new(), &held).await;
    let removed = written(&server);
    assert!(removed.len() == 4 && removed.iter().all(|write| write.ends_with("globex")));
}

#[tokio::test]
async fn a_kind_that_the_cluster_does_not_know_is_missing_to_who_asks_for_it_alone() {
    let server = Server::new();
    let kinds = [Kind::Service, Kind::HttpRoute, Kind::Certificate];
    server.rule(|asked, _| {
        if asked.path.contains("httproutes") {
            return Does::Refuse(404, "the server could not find the requested resource");
        }
        if asked.path.contains("certificates") {
            return Does::Refuse(403, "certificates is forbidden");
        }
        Does::AsUsual
    });
    let writer = server.writer();
    let mut endpoints = Endpoints::load(&writer, &kinds).await.unwrap();
    let mut all = wanted(&["globex"], &[Kind::Service]);
    all.append(&mut wanted(&["acme"], &kinds));
    let wanted = all;
    let outcome = endpoints.apply(&writer, &wanted, &BTreeSet::new()).await;
    let said = failures(&outcome, "acme");
    assert!(said.contains("HTTPRoute") && said.contains("does not know this kind"));
    assert!(said.contains("certificates is forbidden"));
    assert_eq!(outcome.failures.len(), 1);

    // It heals: what is wanted is made, and what was left before is seen and removed.
    server.rule(|_, _| Does::AsUsual);
    apply(&mut endpoints, &server, &wanted).await;
    let left = object(Kind::Certificate, "globex", &json!({}));
    server.put(&path(Kind::Certificate, "globex"), left.body);
    assert!(endpoints.look(&there(&server, Kind::Certificate, "globex")));
    server.asked();
    apply(&mut endpoints, &server, &wanted).await;
    assert_eq!(written(&server), ["DELETE certificates/globex"]);

    server.rule(|_, _| Does::Refuse(403, "no"));
    let failure = Endpoints::load(&writer, &kinds).await.unwrap_err();
    assert!(failure.to_string().contains("listing each Service"));
}

#[tokio::test]
async fn what_went_while_nobody_watched_is_made_anew() {
    let server = Server::new();
    let wanted = wanted(&["acme"], &[Kind::Service, Kind::Deployment]);
    let mut endpoints = Endpoints::default();
    apply(&mut endpoints, &server, &wanted).await;
    endpoints.look(&there(&server, Kind::Deployment, "acme"));
    assert!(endpoints.standings().contains_key(&tenant("acme")));
    let all = BTreeSet::from(["life".to_owned()]);
    assert!(!endpoints.look(&Seen::Listed(Kind::Deployment, all)));
    server.asked();
    assert!(endpoints.look(&Seen::Listed(Kind::Deployment, BTreeSet::new())));
    assert!(endpoints.standings().is_empty());
    apply(&mut endpoints, &server, &wanted).await;
    assert_eq!(written(&server), ["PATCH deployments/acme"]);
}

#[tokio::test]
async fn another_leader_knows_from_the_first_how_the_pods_fare() {
    let server = Server::new();
    let wanted = wanted(&["acme"], &[Kind::Deployment]);
    apply(&mut Endpoints::default(), &server, &wanted).await;
    let at = path(Kind::Deployment, "acme");
    server.change(&at, |pods| {
        pods["spec"]["replicas"] = json!(2);
        pods["status"] = json!({"readyReplicas": 1, "observedGeneration": 1});
    });
    let writer = server.writer();
    let of_before = async || {
        let endpoints = Endpoints::load(&writer, &[Kind::Deployment]).await.unwrap();
        endpoints.standings()[&tenant("acme")].clone()
    };
    let mut standing = Standing {
        wanted: 2,
        ready: 1,
        trouble: None,
        is_current: true,
    };
    assert_eq!(of_before().await, standing);
    server.change(&at, |pods| pods["metadata"]["generation"] = json!(2));
    standing.is_current = false;
    assert_eq!(of_before().await, standing);
}

#[tokio::test]
async fn what_others_take_from_the_metadata_is_put_back_and_what_they_add_stays() {
    let server = Server::new();
    let mut ingress = object(Kind::Ingress, "acme", &json!({}));
    ingress.body["metadata"]["annotations"] = json!({"class": "public"});
    let owner = json!([{"apiVersion": "v1", "kind": "Tenant", "name": "acme", "uid": "t"}]);
    ingress.body["metadata"]["ownerReferences"] = owner;
    let wanted = BTreeMap::from([(tenant("acme"), vec![ingress])]);
    let mut endpoints = Endpoints::default();
    apply(&mut endpoints, &server, &wanted).await;
    let at = path(Kind::Ingress, "acme");
    let intact = server.at(&at).unwrap();
    server.change(&at, |ingress| {
        ingress["metadata"]["annotations"]["theirs"] = json!("1");
        ingress["status"] = json!({"loadBalancer": {}});
    });
    assert!(!endpoints.look(&there(&server, Kind::Ingress, "acme")));
    for (member, without) in [
        ("annotations", json!({"class": "private"})),
        ("ownerReferences", json!([])),
        ("labels", json!({LABEL: "acme"})),
    ] {
        let is_ours = member != "labels";
        server.change(&at, |ingress| ingress["metadata"][member] = without);
        assert_eq!(
            endpoints.look(&there(&server, Kind::Ingress, "acme")),
            is_ours,
            "{member}"
        );
        apply(&mut endpoints, &server, &wanted).await;
        let metadata = &server.at(&at).unwrap()["metadata"];
        assert_eq!(metadata[member], intact["metadata"][member]);
    }
}
