//! What the objects of an endpoint are.

use mintage_core::Domain;
use mintage_core::endpoint::Config;
use mintage_crds::domain::IssuerRef;
use mintage_crds::login::Endpoint;
use serde_json::{Value, json};

use super::{Kind, Object, Settings, objects};
use crate::inject::{PullPolicy, Resources};

fn settings() -> Settings {
    Settings {
        image: "registry.test/sidecar:1".to_owned(),
        pull_policy: PullPolicy::IfNotPresent,
        resources: Resources::default(),
        user: 65532,
        reviews: false,
        gateway_api: false,
        cert_manager: false,
    }
}

fn config(tenant: &str) -> Config {
    let config = json!({
        "tenant": format!("identity/{tenant}"),
        "tenantUid": "u1",
        "domain": "acme.test",
        "domains": { "acme.test": { "phase": "open", "from": 0 } },
        "maxAge": 86_400,
        "allowNonRsa": false,
        "keys": [],
        "apis": {},
        "applications": {},
        "certificates": { "acme.test": "acme.tls" },
        "login": {
            "connections": [{ "name": "staff", "source": { "users": { "secret": "staff" } } }],
            "theme": {},
            "session": { "idle": 1, "lifetime": 2 },
            "trustedProxies": [],
        },
    });
    serde_json::from_value(config).unwrap()
}

fn made(tenant: &str, wishes: &Value) -> Vec<Object> {
    let wishes: Endpoint = serde_json::from_value(wishes.clone()).unwrap();
    let owner = json!({ "kind": "Tenant", "name": tenant, "uid": "u1" });
    objects(&wishes, &[], &config(tenant), &owner, &settings())
}

fn kinds(all: &[Object]) -> Vec<Kind> {
    all.iter().map(|object| object.kind).collect()
}

fn body(all: &[Object], kind: Kind) -> &Value {
    &all.iter().find(|object| object.kind == kind).unwrap().body
}

fn embedded() -> Value {
    json!({ "enabled": true })
}

fn with_database(replicas: u16) -> Value {
    json!({
        "enabled": true,
        "replicas": replicas,
        "store": { "type": "PostgreSQL", "urlSecretRef": { "name": "acme-db" } },
    })
}

#[test]
fn an_embedded_store_has_a_volume_and_one_pod_at_a_time() {
    let all = made("acme", &embedded());
    assert_eq!(
        kinds(&all),
        [
            Kind::NetworkPolicy,
            Kind::PersistentVolumeClaim,
            Kind::Service,
            Kind::Deployment
        ]
    );
    let deployment = body(&all, Kind::Deployment);
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let pod = &deployment["spec"]["template"]["spec"];
    let env = &pod["containers"][0]["env"];
    assert_eq!(
        env,
        &json!([{ "name": "MINTAGE_STORE", "value": "sqlite:/var/lib/mintage/endpoint.db" }])
    );
    let claim = body(&all, Kind::PersistentVolumeClaim);
    let volumes = pod["volumes"].as_array().unwrap();
    let data = volumes
        .iter()
        .find(|volume| volume["name"] == "data")
        .unwrap();
    assert_eq!(
        data["persistentVolumeClaim"]["claimName"],
        claim["metadata"]["name"]
    );
}

#[test]
fn a_database_lets_several_pods_serve_and_its_address_is_in_a_file() {
    let all = made("acme", &with_database(2));
    assert_eq!(
        kinds(&all),
        [
            Kind::NetworkPolicy,
            Kind::Service,
            Kind::PodDisruptionBudget,
            Kind::Deployment
        ]
    );
    let deployment = body(&all, Kind::Deployment);
    assert_eq!(deployment["spec"]["strategy"]["type"], "RollingUpdate");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["env"],
        json!([{ "name": "MINTAGE_STORE_FILE", "value": "/var/run/mintage-secrets/acme-db/url" }])
    );
    let one = made("acme", &with_database(1));
    assert!(!kinds(&one).contains(&Kind::PodDisruptionBudget));
}

#[test]
fn every_secret_that_is_named_is_mounted_and_nothing_else() {
    let all = made("acme", &with_database(2));
    let pod = &body(&all, Kind::Deployment)["spec"]["template"]["spec"];
    let volumes = pod["volumes"].as_array().unwrap();
    let secrets: Vec<&str> = volumes
        .iter()
        .filter_map(|volume| volume["secret"]["secretName"].as_str())
        .collect();
    assert_eq!(secrets, ["acme-db", "acme.tls", "staff"]);
    let told = &volumes[0]["projected"]["sources"];
    let told: Vec<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["secret"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(told.first(), Some(&"mintage-endpoint-0.acme"));
    assert_eq!(
        told[8..],
        ["mintage-tenant-keys.acme", "mintage-master.acme"]
    );
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let named: Vec<&Value> = mounts.iter().map(|mount| &mount["name"]).collect();
    let there: Vec<&Value> = volumes.iter().map(|volume| &volume["name"]).collect();
    assert_eq!(named, there);
    assert!(mounts.iter().all(|mount| mount["readOnly"] == true));
}

#[test]
fn the_pods_are_fit_for_the_restricted_standard() {
    let all = made("acme", &embedded());
    let pod = &body(&all, Kind::Deployment)["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let context = &pod["containers"][0]["securityContext"];
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
    assert_eq!(context["readOnlyRootFilesystem"], true);
}

#[test]
fn everything_is_the_tenants_and_finds_its_pods() {
    let all = made("acme", &with_database(2));
    let pods = &body(&all, Kind::Deployment)["spec"]["template"]["metadata"]["labels"];
    assert_eq!(pods["mintage.dev/endpoint"], "acme");
    assert_eq!(pods["mintage.dev/inject"], "false");
    for object in &all {
        let meta = &object.body["metadata"];
        assert_eq!(meta["name"], "mintage-endpoint-acme");
        assert_eq!(meta["namespace"], "identity");
        assert_eq!(meta["ownerReferences"][0]["uid"], "u1");
        assert_eq!(meta["labels"]["mintage.dev/endpoint"], "acme");
    }
    let selector = json!({ "mintage.dev/endpoint": "acme" });
    assert_eq!(body(&all, Kind::Service)["spec"]["selector"], selector);
    for kind in [Kind::Deployment, Kind::PodDisruptionBudget] {
        let of = &body(&all, kind)["spec"]["selector"]["matchLabels"];
        assert_eq!(of, &selector);
    }
}

#[test]
fn a_pod_that_is_to_end_goes_on_until_nobody_is_led_to_it_any_more() {
    let all = made("acme", &with_database(2));
    let pod = &body(&all, Kind::Deployment)["spec"]["template"]["spec"];
    let linger = &pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
    assert_eq!(*linger, 5);
    // With what requests under way have then, `--drain-seconds`.
    assert!(linger.as_u64().unwrap() + 20 < pod["terminationGracePeriodSeconds"].as_u64().unwrap());
}

#[test]
fn an_ingress_leads_each_domain_to_the_listener_that_fits_its_controller() {
    let mut wishes = embedded();
    assert!(!kinds(&made("acme", &wishes)).contains(&Kind::Ingress));
    wishes["ingress"] = json!({ "className": "nginx", "annotations": { "a.test/b": "c" } });
    let all = made("acme", &wishes);
    let ingress = body(&all, Kind::Ingress);
    let backend = |port: &str| {
        let service = json!({ "name": "mintage-endpoint-acme", "port": { "name": port } });
        json!([{ "path": "/", "pathType": "Prefix", "backend": { "service": service } }])
    };
    let wanted = json!({
        "ingressClassName": "nginx",
        "rules": [{ "host": "acme.test", "http": { "paths": backend("https") } }],
        "tls": [{ "hosts": ["acme.test"], "secretName": "acme.tls" }],
    });
    assert_eq!(ingress["spec"], wanted);
    assert_eq!(
        ingress["metadata"]["annotations"],
        json!({ "a.test/b": "c" })
    );

    wishes["trustedProxies"] = json!(["10.0.0.0/8"]);
    let all = made("acme", &wishes);
    let ingress = body(&all, Kind::Ingress);
    assert_eq!(
        ingress["spec"]["rules"][0]["http"]["paths"],
        backend("proxies")
    );
}

#[test]
fn routes_and_certificates_are_made_where_the_cluster_has_them() {
    let mut wishes = embedded();
    wishes["httpRoute"] = json!({ "parentRefs": [{ "name": "public", "namespace": "gateways" }] });
    let wishes: Endpoint = serde_json::from_value(wishes).unwrap();
    let authority: IssuerRef = serde_json::from_value(json!({ "name": "ca" })).unwrap();
    let issued = ["acme.test", "127.0.0.1:8443"]
        .map(|domain| (Domain::parse(domain).unwrap(), authority.clone()));
    let owner = json!({ "kind": "Tenant", "name": "acme", "uid": "u1" });
    let without = objects(&wishes, &issued, &config("acme"), &owner, &settings());
    let outside = [Kind::HttpRoute, Kind::Certificate];
    assert!(!kinds(&without).iter().any(|kind| outside.contains(kind)));

    let with = Settings {
        gateway_api: true,
        cert_manager: true,
        ..settings()
    };
    let all = objects(&wishes, &issued, &config("acme"), &owner, &with);
    let route = json!({
        "parentRefs": [{ "name": "public", "namespace": "gateways" }],
        "hostnames": ["acme.test"],
        "rules": [{ "backendRefs": [{ "name": "mintage-endpoint-acme", "port": 443 }] }],
    });
    assert_eq!(body(&all, Kind::HttpRoute)["spec"], route);
    let certificates = all.iter().filter(|object| object.kind == Kind::Certificate);
    let certificates: Vec<&Value> = certificates.map(|object| &object.body).collect();
    assert_eq!(certificates.len(), 2);
    let (named, numbered) = (certificates[0], certificates[1]);
    assert_ne!(named["metadata"]["name"], numbered["metadata"]["name"]);
    assert_eq!(named["metadata"]["name"], named["spec"]["secretName"]);
    assert_eq!(named["spec"]["dnsNames"], json!(["acme.test"]));
    assert_eq!(numbered["spec"]["ipAddresses"], json!(["127.0.0.1"]));
    let of = json!({ "name": "ca", "kind": "Issuer", "group": "cert-manager.io" });
    assert_eq!(named["spec"]["issuerRef"], of);
}

#[test]
fn names_are_short_enough_for_the_longest_tenant() {
    let tenant = "a".repeat(63);
    for object in made(&tenant, &embedded()) {
        assert!(object.name().len() <= 63, "{}", object.name());
    }
}
