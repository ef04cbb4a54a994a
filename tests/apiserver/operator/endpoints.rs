//! Endpoints of tenants: what the operator makes for them, keeps as it is, and removes.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_crds::status::{READY, find};
use mintage_crds::{Application, Tenant};
use mintage_tests::cluster::{Authority, within};
use mintage_tests::endpoint::EndpointPod;
use mintage_tests::operator::{Operator, Options};
use mintage_tests::permissions::REVIEWER;
use serde_json::{Value, json};

use super::convergence::{silence, writes};
use super::scene::{PATIENCE, Scene};

/// The Deployment of the endpoint of `identity/acme`, and all that goes with it.
pub(super) const PODS: &str = "mintage-endpoint-acme";

/// An API whose tokens are signed with a secret that it shares with the endpoint.
const LEDGER: &str = "https://ledger.test";

pub(super) fn with_endpoints() -> Options {
    Options::with(&[
        "--endpoints",
        "--endpoint-reviewer",
        REVIEWER,
        "--sidecar-image",
        "registry.test/sidecar:1",
    ])
}

pub(super) fn acme(endpoint: &Value) -> Value {
    json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}, "endpoint": endpoint})
}

/// The tenant `identity/acme` with an endpoint, the API `ledger/ledger` and the application `shop/batch`, which may read it.
pub async fn tenant(scene: &Scene, endpoint: &Value) -> Result<()> {
    for namespace in ["identity", "ledger", "shop"] {
        scene.namespace(namespace, &json!({})).await?;
    }
    scene.tenant("identity/acme", acme(endpoint)).await?;
    let reference = json!({"name": "acme", "namespace": "identity"});
    let grant = json!({"application": {"namespace": "shop", "name": "batch"}, "scopes": ["read"]});
    let api = json!({
        "tenantRef": reference, "identifier": LEDGER, "signingAlgorithm": "HS256", "issuance": "Central",
        "scopes": [{"name": "read"}], "grants": [grant],
    });
    scene.audience("ledger/ledger", api).await?;
    let batch = json!({"tenantRef": reference, "type": "Machine"});
    scene.application("shop/batch", batch).await?;
    Ok(())
}

/// Starts both.
async fn start(test: &str, endpoint: &Value) -> Result<Option<(Scene, Operator)>> {
    let Some(scene) = Scene::start(&format!("operator::endpoints::{test}")).await? else {
        return Ok(None);
    };
    let operator = scene.operator(&with_endpoints()).await?;
    tenant(&scene, endpoint).await?;
    Ok(Some((scene, operator)))
}

/// What an application is set up with, once its status says where that is.
pub async fn set_up_with(scene: &Scene, at: &str) -> Result<BTreeMap<String, String>> {
    let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
    let api: Api<Application> = Api::namespaced(scene.client.clone(), namespace);
    let (client, secret) = within(PATIENCE, "the application is ready", async || {
        let status = api.get(name).await?.status.context("it has no status")?;
        let ready = find(&status.conditions, READY).context("it has no Ready")?;
        ensure!(ready.status == "True", "{}", ready.message);
        let secret = status.secret_name.context("it names no Secret")?;
        Ok((status.client_id, secret))
    })
    .await?;
    let entries = entries(scene, namespace, &secret).await?;
    ensure!(entries.get("CLIENT_ID") == client.as_ref());
    Ok(entries)
}

/// The entries of a Secret, as text.
pub async fn entries(
    scene: &Scene,
    namespace: &str,
    name: &str,
) -> Result<BTreeMap<String, String>> {
    let secret = scene.secret(namespace, name).await?;
    let secret = secret.with_context(|| format!("no Secret {namespace}/{name}"))?;
    let data = secret.data.unwrap_or_default().into_iter();
    data.map(|(key, bytes)| Ok((key, String::from_utf8(bytes.0)?)))
        .collect()
}

fn of<K>(scene: &Scene) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(scene.client.clone(), "identity")
}

/// Waits until the tenant says that its endpoint was made and has no pod yet: nobody runs pods here.
pub async fn made(scene: &Scene) -> Result<()> {
    let said = scene
        .tenant_says("identity/acme", "EndpointReady", "False", "NotServing")
        .await?;
    ensure!(said.starts_with("0 of "), "{said}");
    Ok(())
}

/// A certificate of the tenant's domain in the Secret `acme-tls`; the authority that signed it.
async fn certificate(scene: &Scene) -> Result<String> {
    let authority = Authority::new()?;
    let server = authority.server(&["acme.test"])?;
    let secret = json!({
        "metadata": {"name": "acme-tls"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": server.certificate, "tls.key": server.key},
    });
    of::<Secret>(scene)
        .create(&PostParams::default(), &serde_json::from_value(secret)?)
        .await?;
    Ok(authority.pem)
}

#[tokio::test]
async fn a_pod_as_the_deployment_says_gives_an_application_tokens_that_its_api_believes()
-> Result<()> {
    let test = "a_pod_as_the_deployment_says_gives_an_application_tokens_that_its_api_believes";
    let endpoint = json!({
        "enabled": true, "tls": {"secretName": "acme-tls"}, "ingress": {"className": "public"},
    });
    let Some((scene, _operator)) = start(test, &endpoint).await? else {
        return Ok(());
    };
    let authority = certificate(&scene).await?;
    made(&scene).await?;
    let ingress = of::<Ingress>(&scene)
        .get(PODS)
        .await?
        .spec
        .context("no spec")?;
    let hosts = ingress
        .rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.host);
    assert_eq!(hosts.collect::<Vec<_>>(), ["acme.test"]);
    let batch = set_up_with(&scene, "shop/batch").await?;
    assert_eq!(batch["ISSUER_BASE_URL"], "https://acme.test/");
    let ledger = entries(&scene, "ledger", "mintage-api.ledger").await?;
    assert_eq!(ledger["AUDIENCE"], LEDGER);

    let node = scene.plane.folder().join("node");
    let pod = EndpointPod::start(&scene.plane, "identity", PODS, &node).await?;
    let ask = async |secret: &str| -> Result<(u16, Value)> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &batch["CLIENT_ID"]),
            ("client_secret", secret),
            ("audience", LEDGER),
        ];
        let request = pod.post("acme.test", "/oauth/token", &authority)?;
        let answer = request.form(&form).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    let (status, answer) = ask(&batch["CLIENT_SECRET"]).await?;
    assert_eq!(
        (status, &answer["scope"]),
        (200, &json!("read")),
        "{answer}"
    );
    let token = answer["access_token"].as_str().context("no token")?;
    let key = jsonwebtoken::DecodingKey::from_secret(ledger["SIGNING_SECRET"].as_bytes());
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_audience(&[LEDGER]);
    rules.set_issuer(&["https://acme.test/"]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules)?.claims;
    assert_eq!(claims["azp"], batch["CLIENT_ID"].as_str());

    let (status, answer) = ask("wrong").await?;
    assert_eq!((status, &answer["error"]), (401, &json!("access_denied")));

    // The API server reviews what workloads show, and says no to a token that is no pod's.
    let job = json!({"metadata": {"name": "job"}});
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), "shop");
    let params = PostParams::default();
    accounts
        .create(&params, &serde_json::from_value(job)?)
        .await?;
    let token = scene
        .plane
        .service_account_token("shop", "job", &["https://acme.test/"])
        .await?;
    let form = [
        ("grant_type", "client_credentials"),
        ("audience", LEDGER),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &token),
    ];
    let request = pod.post("acme.test", "/oauth/token", &authority)?;
    let answer: Value = request.form(&form).send().await?.json().await?;
    let said = answer["error_description"].as_str().unwrap_or_default();
    ensure!(said.contains("assertion-invalid"), "{answer}");

    // What it was told is as readable as a private key, and is in no status.
    let tenant = serde_json::to_string(&of::<Tenant>(&scene).get("acme").await?)?;
    let log = fs::read_to_string(scene.plane.folder().join("operator-0.log")).unwrap_or_default();
    for secret in [&batch["CLIENT_SECRET"], &ledger["SIGNING_SECRET"]] {
        ensure!(!tenant.contains(secret.as_str()) && !log.contains(secret.as_str()));
    }
    Ok(())
}

#[tokio::test]
async fn what_others_change_is_made_good_and_what_is_not_ours_is_left_alone() -> Result<()> {
    let test = "what_others_change_is_made_good_and_what_is_not_ours_is_left_alone";
    let Some((scene, _operator)) = start(test, &json!({"enabled": true})).await? else {
        return Ok(());
    };
    made(&scene).await?;
    let deployments = of::<Deployment>(&scene);
    let services = of::<Service>(&scene);
    let first = deployments.get(PODS).await?;
    deployments.delete(PODS, &DeleteParams::default()).await?;
    let patch = json!({"spec": {"selector": {"mintage.dev/endpoint": "nobody"}}});
    services
        .patch(PODS, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    within(PATIENCE, "both are made good", async || {
        let again = deployments.get(PODS).await?;
        ensure!(again.uid() != first.uid());
        let selector = services
            .get(PODS)
            .await?
            .spec
            .and_then(|spec| spec.selector);
        let selector = selector.context("no selector")?;
        ensure!(selector["mintage.dev/endpoint"] == "acme", "{selector:?}");
        Ok(())
    })
    .await?;
    silence(&scene, Duration::from_secs(2)).await?;

    // Somebody had the name before.
    let theirs = json!({
        "metadata": {"name": "mintage-endpoint-other"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}},
    });
    let theirs: Service = serde_json::from_value(theirs)?;
    let theirs = services.create(&PostParams::default(), &theirs).await?;
    let other = json!({"domain": "other.test", "endpoint": {"enabled": true}});
    scene.tenant("identity/other", other).await?;
    let said = scene
        .tenant_says("identity/other", "Degraded", "True", "Trouble")
        .await?;
    ensure!(
        said.contains("mintage-endpoint-other") && said.contains("delete or rename"),
        "{said}"
    );
    let left = services.get("mintage-endpoint-other").await?;
    assert_eq!(left.resource_version(), theirs.resource_version());
    services
        .delete("mintage-endpoint-other", &DeleteParams::default())
        .await?;
    within(PATIENCE, "it takes the name", async || {
        let labels = services.get("mintage-endpoint-other").await?;
        ensure!(labels.labels().contains_key("mintage.dev/endpoint"));
        deployments.get("mintage-endpoint-other").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn switched_off_it_goes_but_for_what_it_remembers_and_its_tenant_takes_that_along()
-> Result<()> {
    let test = "switched_off_it_goes_but_for_what_it_remembers_and_its_tenant_takes_that_along";
    let Some((scene, _operator)) = start(test, &json!({"enabled": true})).await? else {
        return Ok(());
    };
    made(&scene).await?;
    let batch = set_up_with(&scene, "shop/batch").await?;
    let claims = of::<PersistentVolumeClaim>(&scene);
    let claim = claims.get(PODS).await?;
    let owner = claim.owner_references().first().context("no owner")?;
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("Tenant", "acme")
    );

    scene
        .tenant("identity/acme", acme(&json!({"enabled": false})))
        .await?;
    within(PATIENCE, "it is gone", async || {
        ensure!(of::<Deployment>(&scene).get_opt(PODS).await?.is_none());
        ensure!(of::<Service>(&scene).get_opt(PODS).await?.is_none());
        ensure!(of::<NetworkPolicy>(&scene).get_opt(PODS).await?.is_none());
        for (namespace, name) in [
            ("identity", "mintage-endpoint-0.acme"),
            ("shop", "mintage-client.batch"),
            ("ledger", "mintage-api.ledger"),
        ] {
            ensure!(
                scene.secret(namespace, name).await?.is_none(),
                "{name} is there"
            );
        }
        let tenant = of::<Tenant>(&scene).get("acme").await?;
        let status = tenant.status.context("no status")?;
        ensure!(find(&status.conditions, "EndpointReady").is_none());
        Ok(())
    })
    .await?;
    ensure!(claims.get(PODS).await?.uid() == claim.uid());
    ensure!(
        scene
            .secret("identity", "mintage-master.acme")
            .await?
            .is_some()
    );

    // Applications go on with the secret that they have.
    scene
        .tenant("identity/acme", acme(&json!({"enabled": true})))
        .await?;
    made(&scene).await?;
    assert_eq!(set_up_with(&scene, "shop/batch").await?, batch);

    for run in [
        ["delete", "apiaudience", "ledger", "-n", "ledger"],
        ["delete", "application", "batch", "-n", "shop"],
        ["delete", "tenant", "acme", "-n", "identity"],
    ] {
        scene.plane.kubectl(&run).await?.succeeded()?;
    }
    within(PATIENCE, "nothing of it is left", async || {
        ensure!(of::<Tenant>(&scene).get_opt("acme").await?.is_none());
        let left = scene.managed().await?;
        let left: Vec<_> = left
            .iter()
            .filter(|(place, _)| place.contains("acme") || place.contains("batch"))
            .collect();
        ensure!(left.is_empty(), "{left:?}");
        ensure!(claims.get_opt(PODS).await?.is_none(), "the claim is there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_leader_finds_all_as_it_should_be() -> Result<()> {
    let test = "another_leader_finds_all_as_it_should_be";
    let endpoint = json!({
        "enabled": true, "replicas": 2,
        "store": {"type": "PostgreSQL", "urlSecretRef": {"name": "acme-database"}},
    });
    let Some((scene, mut operator)) = start(test, &endpoint).await? else {
        return Ok(());
    };
    made(&scene).await?;
    set_up_with(&scene, "shop/batch").await?;
    of::<PodDisruptionBudget>(&scene).get(PODS).await?;
    ensure!(
        of::<PersistentVolumeClaim>(&scene)
            .get_opt(PODS)
            .await?
            .is_none()
    );
    silence(&scene, Duration::from_secs(2)).await?;
    operator.terminate().await?;

    let mark = scene.plane.audit_mark();
    let next = scene.operator(&with_endpoints()).await?;
    next.leads().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before: Vec<String> = writes(&scene.plane.audit_since(mark)?);
    // The token by which tokens are reviewed is another one: it may be of an account that is gone.
    let (token, before): (Vec<_>, Vec<_>) = before
        .into_iter()
        .partition(|line| line.contains("mintage-reviewer.acme"));
    ensure!(token.len() == 1, "{token:?}");
    let changed = |line: &&String| line.contains("secrets") || line.starts_with("delete");
    ensure!(!before.iter().any(|line| changed(&line)), "{before:?}");
    // It applies once what it has not applied itself, and nothing comes of that.
    let deployment = of::<Deployment>(&scene).get(PODS).await?;
    assert_eq!(deployment.metadata.generation, Some(1));
    silence(&scene, Duration::from_secs(2)).await?;

    // One replica needs no budget.
    let mut fewer = endpoint.clone();
    fewer["replicas"] = json!(1);
    scene.tenant("identity/acme", acme(&fewer)).await?;
    within(PATIENCE, "the budget is gone", async || {
        ensure!(
            of::<PodDisruptionBudget>(&scene)
                .get_opt(PODS)
                .await?
                .is_none()
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn routes_and_certificates_are_made_where_the_cluster_has_them() -> Result<()> {
    let test = "operator::endpoints::routes_and_certificates_are_made_where_the_cluster_has_them";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    let endpoint = json!({
        "enabled": true, "tls": {"issuerRef": {"name": "ca"}},
        "httpRoute": {"parentRefs": [{"name": "public", "namespace": "gateways"}]},
    });
    let mut operator = scene.operator(&with_endpoints()).await?;
    tenant(&scene, &endpoint).await?;
    made(&scene).await?;
    let said = scene
        .tenant_says("identity/acme", "Ready", "True", "Served")
        .await?;
    for told in ["endpoints.gatewayApi: true", "endpoints.certManager: true"] {
        ensure!(said.contains(told), "{said}");
    }
    operator.terminate().await?;

    scene.foreign_kinds().await?;
    let mut options = with_endpoints();
    let more = [
        "--endpoint-gateway-api",
        "--endpoint-cert-manager",
        "--allow-unverified-domains",
    ];
    options.arguments.extend(more.map(str::to_owned));
    let _operator = scene.operator(&options).await?;
    let custom = json!({
        "tenantRef": {"name": "acme"}, "domain": "login.acme.test",
        "verification": {"method": "None"}, "tls": {"issuerRef": {"name": "ca"}},
    });
    scene.domain("identity/login", custom).await?;
    let look = async |kind: &str| -> Result<Value> {
        let get = ["get", kind, "-n", "identity", "-o", "json"];
        let said = scene.plane.kubectl(&get).await?;
        Ok(serde_json::from_str(said.succeeded()?)?)
    };
    let hosts = async || -> Result<Vec<String>> {
        let found = look("certificates").await?;
        let items = found["items"].as_array().context("no list")?.iter();
        let hosts = items.map(|one| {
            one["spec"]["dnsNames"][0]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        let mut hosts: Vec<_> = hosts.collect();
        hosts.sort();
        Ok(hosts)
    };
    within(
        PATIENCE,
        "both domains have a route and a certificate",
        async || {
            let found = look("httproutes").await?;
            let names = &found["items"][0]["spec"]["hostnames"];
            ensure!(*names == json!(["acme.test", "login.acme.test"]), "{found}");
            let hosts = hosts().await?;
            ensure!(hosts == ["acme.test", "login.acme.test"], "{hosts:?}");
            Ok(())
        },
    )
    .await?;
    scene
        .plane
        .kubectl(&["delete", "customdomain", "login", "-n", "identity"])
        .await?
        .succeeded()?;
    within(PATIENCE, "its certificate goes with a domain", async || {
        let hosts = hosts().await?;
        ensure!(hosts == ["acme.test"], "{hosts:?}");
        Ok(())
    })
    .await
}
