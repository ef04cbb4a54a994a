//! Least privilege: what the operator asks the API server for is what the chart's roles say, both ways.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use mintage_crds::permissions::{Names, OPERATOR, Permission, Scope, UNINSTALL};
use mintage_crds::{Application, CustomDomain, Tenant};
use mintage_tests::cluster::{Event, Mark, free_port, within};
use mintage_tests::operator::{self, ACCOUNT, NAMESPACE, Operator};
use mintage_tests::permissions::{REVIEWER, WEBHOOK};
use mintage_tests::pod::Sidecar;
use mintage_tests::quickstart;
use mintage_tests::volume::Volume;
use serde_json::{Value, json};

use super::convergence::silence;
use super::scene::{PATIENCE, Scene};

const HOOK: &str = "mintage-uninstall";

/// What may be done with what: group, resource, verb.
type Right = (String, String, String);

/// The rights that a table gives, and the rows that they stand in.
fn rights(table: &'static [Permission]) -> BTreeMap<Right, Vec<&'static Permission>> {
    let mut rights: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in table {
        for resource in row.resources {
            for verb in row.verbs {
                let right = [row.group, resource, verb].map(str::to_owned).into();
                rights.entry(right).or_default().push(row);
            }
        }
    }
    rights
}

/// The rights that a request takes: applying what is not there takes two.
fn rights_for(event: &Event) -> Vec<Right> {
    let resource = match event.subresource.as_str() {
        "" => event.resource.clone(),
        part => format!("{}/{part}", event.resource),
    };
    let creates = event.verb == "patch" && event.code == 201;
    let verbs = [Some(event.verb.as_str()), creates.then_some("create")];
    let verbs = verbs.into_iter().flatten();
    verbs
        .map(|verb| (event.group.clone(), resource.clone(), verb.to_owned()))
        .collect()
}

/// Whether a row is about what was asked for.
fn covers(row: &Permission, event: &Event) -> bool {
    let place = row.scope == Scope::Cluster || event.namespace == NAMESPACE;
    // A list of one object says so in its query, which the API server takes for the name.
    let name = match row.names {
        Names::Any => true,
        Names::Reviewer => event.name == REVIEWER,
        Names::WebhookConfiguration => event.name == WEBHOOK,
    };
    place && name
}

/// Makes sure that what an account asked for is the table, both ways.
fn compare(events: &[Event], account: &str, table: &'static [Permission]) -> Result<()> {
    let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
    let rights = rights(table);
    let mut met = BTreeSet::new();
    let mut beyond = BTreeSet::new();
    for event in events.iter().filter(|event| event.user == user) {
        for right in rights_for(event) {
            let rows = rights.get(&right).map(Vec::as_slice).unwrap_or_default();
            if event.code != 403 && rows.iter().any(|row| covers(row, event)) {
                met.insert(right);
            } else {
                beyond.insert(format!("{} {}: {}", event.verb, event.uri, event.code));
            }
        }
    }
    ensure!(
        beyond.is_empty(),
        "requests outside of crds/src/permissions.rs: add a row, or do without\n{beyond:#?}"
    );
    let unmet: BTreeSet<&Right> = rights.keys().filter(|right| !met.contains(right)).collect();
    ensure!(
        unmet.is_empty(),
        "rights that {account} has and does not use: take them out of crds/src/permissions.rs, and run cargo xtask gen\n{unmet:#?}"
    );
    Ok(())
}

/// An application of a tenant without an endpoint, which its status says; then with one of each kind, and without one again.
async fn an_application(scene: &Scene, tenant: &Value) -> Result<()> {
    let applications: Api<Application> = Api::namespaced(scene.client.clone(), "identity");
    let application = json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "quick"},
        "spec": {"tenantRef": {"name": "quick", "namespace": "identity"}, "type": "Machine"},
    });
    let application = serde_json::from_value(application)?;
    applications
        .create(&PostParams::default(), &application)
        .await?;
    let shared = json!({
        "enabled": true, "replicas": 2,
        "store": {"type": "PostgreSQL", "urlSecretRef": {"name": "database"}},
    });
    let outside = json!({
        "enabled": true, "ingress": {}, "httpRoute": {"parentRefs": [{"name": "public"}]},
        "tls": {"issuerRef": {"name": "ca"}},
    });
    for (endpoint, wanted) in [
        (None, "NoEndpoint"),
        (Some(shared), "Served"),
        (Some(outside), "Served"),
        (None, "NoEndpoint"),
    ] {
        let mut spec = tenant.clone();
        spec["endpoint"] = endpoint.unwrap_or_else(|| json!({"enabled": false}));
        let applied = scene.tenant("identity/quick", spec).await?;
        within(PATIENCE, "the application says how it fares", async || {
            let status = applications.get("quick").await?.status;
            let conditions = status.map(|status| status.conditions).unwrap_or_default();
            let ready = mintage_crds::status::ready(&conditions);
            let reason = ready.map(|ready| ready.reason.as_str());
            ensure!(reason == Some(wanted), "{reason:?}");
            Ok(())
        })
        .await?;
        let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
        within(PATIENCE, "the tenant is done with it", async || {
            let status = tenants.get("quick").await?.status.context("no status")?;
            ensure!(status.observed_generation == applied.metadata.generation);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// A tenant whose keys come and go quickly, with all that can happen to it.
async fn a_busy_tenant(scene: &Scene) -> Result<()> {
    let keys = "mintage-keys.identity.quick";
    let tenant = json!({
        "domain": "quick.test",
        "allowedNamespaces": {"from": "All"},
        "signing": {"propagationDelay": "1s"},
    });
    scene.tenant("identity/quick", tenant.clone()).await?;
    let audience = json!({
        "tenantRef": {"name": "quick", "namespace": "identity"},
        "identifier": "https://api.quick.test",
        "signingAlgorithm": "ES256",
        "scopes": [{"name": "read"}],
        "grants": [{"workload": {"namespace": "fleeting", "serviceAccount": "app"}, "scopes": ["read"]}],
    });
    scene.opted_in("fleeting").await?;
    scene.audience("orders/quick", audience).await?;
    scene.audience_ready("orders/quick").await?;
    let domain = json!({
        "tenantRef": {"name": "quick"},
        "domain": "login.quick.test",
        "verification": {"method": "None"},
    });
    scene.domain("identity/quick", domain).await?;
    an_application(scene, &tenant).await?;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), "fleeting");
    let pod = json!({
        "metadata": {"name": "app", "labels": {"mintage.dev/inject": "true"}},
        "spec": {"containers": [{"name": "app", "image": "example.test/app:1"}]},
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?)
        .await?;
    scene.event("fleeting", "StalePod").await?;

    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "fleeting");
    let secret = within(PATIENCE, "there are keys", async || {
        Ok(secrets.get(keys).await?)
    })
    .await?;
    let ring = secret.data.context("no data")?;
    let ring: Value = serde_json::from_slice(&ring["keyring.json"].0)?;
    let kid = ring["keys"][0]["kid"].as_str().context("no key")?;
    scene
        .annotate("identity/quick", json!({"mintage.dev/rotate-now": "1"}))
        .await?;
    scene.event("identity", "KeyPublished").await?;
    scene
        .annotate("identity/quick", json!({"mintage.dev/revoke-key": kid}))
        .await?;
    scene.event("identity", "KeyRevoked").await?;
    // Its successor is made after that, and written to the same Secret.
    within(PATIENCE, "the successor is there", async || {
        let data = secrets.get(keys).await?.data.context("no data")?;
        let ring: Value = serde_json::from_slice(&data["keyring.json"].0)?;
        let kids = ring["keys"].as_array().context("no keys")?;
        ensure!(!kids.is_empty() && kids.iter().all(|key| key["kid"] != kid));
        Ok(())
    })
    .await?;
    silence(scene, std::time::Duration::from_secs(1)).await?;
    secrets.delete(keys, &DeleteParams::default()).await?;
    scene.event("identity", "Restored").await?;

    // Opted out, and nobody asks for a sidecar any more.
    pods.delete("app", &DeleteParams::default().grace_period(0))
        .await?;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let label = json!({"metadata": {"labels": {"mintage.dev/injection": null}}});
    namespaces
        .patch("fleeting", &PatchParams::default(), &Patch::Merge(&label))
        .await?;
    within(PATIENCE, "the keys are gone", async || {
        ensure!(secrets.get_opt(keys).await?.is_none());
        Ok(())
    })
    .await?;

    for run in [
        ["delete", "apiaudience", "quick", "-n", "orders"],
        ["delete", "customdomain", "quick", "-n", "identity"],
        ["delete", "application", "quick", "-n", "identity"],
    ] {
        scene.plane.kubectl(&run).await?.succeeded()?;
    }
    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
    tenants.delete("quick", &DeleteParams::default()).await?;
    within(PATIENCE, "the Tenant is gone", async || {
        ensure!(tenants.get_opt("quick").await?.is_none());
        Ok(())
    })
    .await
}

/// A sidecar whose token is no pod's: the API server is asked about it.
async fn somebody_asks_for_the_stream(scene: &Scene, operator: &Operator) -> Result<()> {
    let request = json!({"spec": {"audiences": ["mintage.dev"]}});
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), "shop");
    let request = serde_json::from_value(request)?;
    let token = accounts
        .create_token_request("checkout", &PostParams::default(), &request)
        .await?;
    let token = token.status.context("no token")?.token;
    let dir = scene.plane.folder().join("asking");
    let mut volume = Volume::new(scene.client.clone(), "shop", "identity/acme", &dir)?;
    volume.sync().await?;
    std::fs::write(dir.join("operator-token"), token)?;
    let _sidecar = Sidecar::start(&dir, "shop/checkout", &[]).await?;
    within(PATIENCE, "it is refused", async || {
        let refused = "mintage_operator_feed_refusals_total{code=\"UNAUTHENTICATED\"}";
        ensure!(
            operator
                .metric(refused)
                .await?
                .is_some_and(|count| count > 0.0)
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_audit_log_is_the_table_both_ways() -> Result<()> {
    let test = "operator::permissions::the_audit_log_is_the_table_both_ways";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    let port = free_port()?;
    // For no namespace: nothing here is about pods.
    let nowhere = json!({"matchLabels": {"tests.mintage.dev/none": "none"}});
    let mut options = scene.webhook(port, nowhere).await?;
    let feed = format!("127.0.0.1:{}", free_port()?);
    let more = [
        "--feed-listen",
        &feed,
        "--feed-address",
        &feed,
        "--allow-unverified-domains",
        "--endpoints",
        "--endpoint-gateway-api",
        "--endpoint-cert-manager",
        "--endpoint-reviewer",
        REVIEWER,
        "--namespace-linger",
        "1s",
        "--resync-seconds",
        "2",
    ];
    options.arguments.extend(more.map(str::to_owned));
    scene.foreign_kinds().await?;
    let mut operator = scene.operator(&options).await?;
    scene.webhook_trusted().await?;
    scene.apply(&quickstart()).await?;
    scene.tenant_ready("identity/acme").await?;
    scene.audience_ready("orders/orders").await?;
    a_busy_tenant(&scene).await?;
    somebody_asks_for_the_stream(&scene, &operator).await?;
    let domains: Api<CustomDomain> = Api::namespaced(scene.client.clone(), "identity");
    within(
        PATIENCE,
        "the other domain says what is missing",
        async || {
            let status = domains.get("login").await?.status;
            ensure!(status.is_some_and(|status| !status.conditions.is_empty()));
            Ok(())
        },
    )
    .await?;
    silence(&scene, std::time::Duration::from_secs(3)).await?;
    // Another process finds everything there, and reads it.
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );
    let mut next = scene.operator(&options).await?;
    next.leads().await?;
    silence(&scene, std::time::Duration::from_secs(3)).await?;

    let hook = operator::account(&scene.plane, HOOK, UNINSTALL).await?;
    let run = operator::uninstall(&hook).await?;
    let said = run.succeeded()?;
    ensure!(said.contains("Tenant identity/acme"), "{said}");
    next.terminate().await?;
    // Where the operator never led there is no Lease yet.
    let leases: Api<Lease> = Api::namespaced(scene.client.clone(), NAMESPACE);
    leases
        .delete("mintage-operator", &DeleteParams::default())
        .await?;
    let run = operator::uninstall(&hook).await?;
    run.succeeded()?;

    let log = scene.plane.audit_since(Mark::START)?;
    compare(&log, ACCOUNT, OPERATOR)?;
    compare(&log, HOOK, UNINSTALL)
}
