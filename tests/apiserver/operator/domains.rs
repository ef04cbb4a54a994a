//! Custom domains: verified by a DNS server of the test's own, lapsed, and claimed by two (F6, attack 39).

#[path = "../../../operator/tests/domains/dns_server.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "it is shared with the operator's own tests, which use more of it"
)]
mod dns_server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use kube::Api;
use mintage_crds::CustomDomain;
use mintage_crds::domain::Challenge;
use mintage_crds::status::{READY, find};
use mintage_tests::cluster::within;
use mintage_tests::operator::{Operator, Options};
use mintage_tests::pod::Sidecar;
use mintage_tests::volume::Volume;
use serde_json::{Value, json};

use self::dns_server::{Reply, Server, txt};
use super::convergence::{silence, writes};
use super::scene::{PATIENCE, Scene};

const API: &str = "https://orders.test";

/// A zone: names and their TXT records.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Zone {
    async fn serve(&self) -> Server {
        let zone = self.clone();
        Server::start(move |(name, kind, _)| {
            let records = zone.0.lock().unwrap_or_else(PoisonError::into_inner);
            match records.get(name) {
                Some(texts) if kind == RecordType::TXT => {
                    Reply::Records(texts.iter().map(|text| txt(text)).collect())
                }
                _ => Reply::Code(ResponseCode::NXDomain),
            }
        })
        .await
    }

    fn publish(&self, challenge: &Challenge) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = records.entry(challenge.location.clone()).or_default();
        texts.push(challenge.value.clone());
    }

    fn clear(&self) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.clear();
    }
}

/// A scene whose operator asks a zone.
struct Names {
    scene: Scene,
    zone: Zone,
    _server: Server,
    _operator: Operator,
}

impl Names {
    async fn start(name: &str) -> Result<Option<Self>> {
        let Some(scene) = Scene::start(&format!("operator::domains::{name}")).await? else {
            return Ok(None);
        };
        let zone = Zone::default();
        let server = zone.serve().await;
        let address = server.address.to_string();
        let options = Options::with(&[
            "--dns-server",
            &address,
            "--domain-check-seconds",
            "10",
            "--domain-lapse-seconds",
            "3",
        ]);
        for tenant in ["identity", "other"] {
            scene.namespace(tenant, &json!({})).await?;
            let spec = json!({
                "domain": format!("{tenant}.test"),
                "allowedNamespaces": {"from": "All"},
                "signing": {"propagationDelay": "1s"},
            });
            scene.tenant(&format!("{tenant}/acme"), spec).await?;
        }
        let operator = scene.operator(&options).await?;
        Ok(Some(Self {
            scene,
            zone,
            _server: server,
            _operator: operator,
        }))
    }

    async fn claim(&self, namespace: &str, domain: &str) -> Result<()> {
        let spec = json!({"tenantRef": {"name": "acme"}, "domain": domain});
        self.scene
            .domain(&format!("{namespace}/login"), spec)
            .await?;
        Ok(())
    }

    fn domains(&self, namespace: &str) -> Api<CustomDomain> {
        Api::namespaced(self.scene.client.clone(), namespace)
    }

    /// What a namespace's domain has to publish.
    async fn challenge(&self, namespace: &str) -> Result<Challenge> {
        let api = self.domains(namespace);
        within(PATIENCE, "the status says what to publish", async || {
            let status = api.get("login").await?.status.context("no status")?;
            status.challenge.context("no challenge")
        })
        .await
    }

    /// Waits until a namespace's domain is ready, or says why not; the message.
    async fn says(&self, namespace: &str, reason: &str) -> Result<String> {
        let api = self.domains(namespace);
        let what = format!("the domain of {namespace} says {reason}");
        within(PATIENCE, &what, async || {
            let status = api.get("login").await?.status.context("no status")?;
            let ready = find(&status.conditions, READY).context("it has no Ready")?;
            let is_ready = ready.status == "True";
            ensure!(
                is_ready == (reason == READY) && (is_ready || ready.reason == reason),
                "{ready:?}"
            );
            Ok(ready.message.clone())
        })
        .await
    }
}

fn issuer(token: &str) -> Result<String> {
    use base64::Engine as _;
    let part = token.split('.').nth(1).context("no payload")?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part)?;
    let payload: Value = serde_json::from_slice(&bytes)?;
    Ok(payload["iss"].as_str().context("no iss")?.to_owned())
}

#[tokio::test]
async fn a_domain_is_an_issuer_once_it_is_verified_and_a_lapse_stops_issuing_only() -> Result<()> {
    let name = "a_domain_is_an_issuer_once_it_is_verified_and_a_lapse_stops_issuing_only";
    let Some(names) = Names::start(name).await? else {
        return Ok(());
    };
    let scene = &names.scene;
    scene.opted_in("shop").await?;
    scene.opted_in("orders").await?;
    let audience = json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": API,
        "signingAlgorithm": "ES256",
        "scopes": [{"name": "read"}],
        "grants": [{"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": ["read"]}],
    });
    scene.audience("orders/orders", audience).await?;
    scene.audience_ready("orders/orders").await?;
    names.claim("identity", "login.acme.test").await?;
    let challenge = names.challenge("identity").await?;
    ensure!(
        challenge.location == "_mintage-challenge.login.acme.test",
        "{challenge:?}"
    );
    names.says("identity", "NotVerified").await?;

    let dir = tempfile::tempdir()?;
    let volume = |namespace: &str| {
        let path = dir.path().join(namespace);
        Volume::new(scene.client.clone(), namespace, "identity/acme", &path)
    };
    let (mut shop, mut orders) = (volume("shop")?, volume("orders")?);
    shop.sync().await?;
    orders.sync().await?;
    let domain = ["--domain", "login.acme.test"];
    let app = Sidecar::start(shop.dir(), "shop/app", &domain).await?;
    let plain = Sidecar::start(shop.dir(), "shop/app", &[]).await?;
    let api = Sidecar::start(orders.dir(), "orders/api", &[]).await?;
    let refusal = app.ask(API).await?.text().await?;
    ensure!(refusal.contains("domain-not-served"), "{refusal}");
    plain.token(API).await?;

    names.zone.publish(&challenge);
    names.says("identity", READY).await?;
    let token = within(PATIENCE, "tokens name the domain", async || {
        orders.sync().await?;
        shop.sync().await?;
        app.token(API).await
    })
    .await?;
    ensure!(issuer(&token)? == "https://login.acme.test/");
    ensure!(api.validate(&token).await?.status() == 200);

    // The record goes: after some answers without it nothing is issued any more, and what was issued stays good.
    names.zone.clear();
    names.says("identity", "NotVerified").await?;
    let lapsed = names.domains("identity").get("login").await?.status;
    let lapsed = lapsed.context("no status")?.conditions;
    let verified = find(&lapsed, "Verified").context("it has no Verified")?;
    ensure!(
        verified.message.contains(&challenge.location),
        "it does not say where the record is missing: {}",
        verified.message
    );
    within(PATIENCE, "nothing is issued any more", async || {
        orders.sync().await?;
        shop.sync().await?;
        let refusal = app.ask(API).await?.text().await?;
        ensure!(refusal.contains("domain-not-served"), "{refusal}");
        Ok(())
    })
    .await?;
    ensure!(api.validate(&token).await?.status() == 200, "it is cut off");
    plain.token(API).await?;

    // And back, by the same record: the name is still its own.
    names.zone.publish(&challenge);
    names.says("identity", READY).await?;
    within(PATIENCE, "tokens name the domain again", async || {
        shop.sync().await?;
        app.token(API).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn of_two_namespaces_that_claim_a_host_the_one_that_shows_it_has_it() -> Result<()> {
    let name = "of_two_namespaces_that_claim_a_host_the_one_that_shows_it_has_it";
    let Some(names) = Names::start(name).await? else {
        return Ok(());
    };
    // The squatter comes first, and its words show nothing for the other.
    names.claim("other", "login.shared.test").await?;
    let squatters = names.challenge("other").await?;
    names.says("other", "NotVerified").await?;
    names.claim("identity", "login.shared.test").await?;
    let owners = names.challenge("identity").await?;
    ensure!(squatters.location == owners.location && squatters.value != owners.value);
    names.zone.publish(&owners);
    names.says("identity", READY).await?;
    names.says("other", "NotVerified").await?;

    // Two values beside each other: one holder, who is told to the other.
    names.zone.publish(&squatters);
    let message = names.says("other", "Conflict").await?;
    ensure!(message.contains("identity/login"), "{message}");
    names.says("identity", READY).await?;

    // Quiet, though both are checked: under one write a minute.
    silence(&names.scene, Duration::from_secs(3)).await?;
    let mark = names.scene.plane.audit_mark();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let written = writes(&names.scene.plane.audit_since(mark)?);
    ensure!(written.is_empty(), "{written:?}");
    Ok(())
}

#[tokio::test]
async fn the_domain_of_a_tenant_is_no_other_tenants_custom_domain() -> Result<()> {
    let name = "the_domain_of_a_tenant_is_no_other_tenants_custom_domain";
    let Some(names) = Names::start(name).await? else {
        return Ok(());
    };
    names.scene.tenant_ready("identity/acme").await?;
    names.claim("other", "identity.test").await?;
    names.zone.publish(&names.challenge("other").await?);
    let message = names.says("other", "Conflict").await?;
    ensure!(message.contains("Tenant identity/acme"), "{message}");
    names.scene.tenant_ready("identity/acme").await
}
