//! A tenant's endpoint behind what others made: an Ingress controller and a Gateway (Traefik), and certificates by cert-manager, as
//! `examples/endpoint` sets them up. Run by `cargo xtask nightly`, since those programs take minutes to build.
//!
//! ```text
//!  the test ── Gate ─┬─► Traefik, by the Ingress ───┬─► port 80, for trusted proxies ─┐
//!                    ├─► Traefik, by the HTTPRoute ─┘                                  ├─ the endpoint's pod
//!                    └─► port 443, TLS ────────────────────────────────────────────────┘
//! ```

mod controllers;
mod front;
mod renewal;
mod way;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_tests::cluster::{eventually, within};
use mintage_tests::people::{applications, ready, users, volume};
use mintage_tests::stage::{Report, Stage, diagnosis};
use mintage_tests::{release, skip, workspace};
use serde_json::Value;

use controllers::{GATEWAY, INGRESS};
use renewal::{By, PATIENCE};
use way::Way;

/// The tenant's namespace in `examples/endpoint`.
const NAMESPACE: &str = "people";

/// Its domain, and its custom domain.
const HOSTS: [&str; 2] = ["login.example.com", "sign-in.example.org"];

/// What the chart is told.
const VALUES: [&str; 6] = [
    "--set",
    "endpoints.gatewayApi=true",
    "--set",
    "endpoints.certManager=true",
    "--set",
    "domainVerification.allowNone=true",
];

#[tokio::test]
async fn an_endpoint_behind_traefik_with_certificates_by_cert_manager() -> Result<()> {
    let name = "an_endpoint_behind_traefik_with_certificates_by_cert_manager";
    let images = match controllers::images()? {
        Ok(images) => images,
        Err(reason) => return skip::skip(name, &reason),
    };
    let mut report = Report::default();
    let Some(stage) = Stage::start_with(name, &mut report, &images).await? else {
        return Ok(());
    };
    let outcome = Box::pin(live(&stage, &mut report)).await;
    report.end();
    if let Err(error) = outcome {
        let told = diagnosis::of(&stage).await;
        stage.keep().await?;
        return Err(error).with_context(|| told);
    }
    stage.keep().await?;
    stage.end()
}

async fn live(stage: &Stage, report: &mut Report) -> Result<()> {
    let what = "the definitions of the Gateway API and of cert-manager";
    report.step(what, controllers::define(stage)).await?;
    let what = "helm install --wait, with endpoints.gatewayApi and endpoints.certManager";
    report
        .step(what, release::install_with(stage, &VALUES))
        .await?;
    let what = "cert-manager, and Traefik for Ingresses and for Gateways";
    report.step(what, controllers::start(stage)).await?;
    let what = "kubectl apply --filename examples/endpoint: the endpoint's pod is ready";
    report.step(what, applied(stage)).await?;
    let what = "an issuer of the namespace signs a certificate for each domain";
    let authority = report.step(what, issued(stage)).await?;
    let what = "the Gateway takes the route of both domains";
    report.step(what, routed(stage)).await?;
    let direct = (NAMESPACE, "mintage-endpoint-staff");
    let ways = [
        Way::open(stage, "by TLS", 1, direct).await?,
        Way::open(
            stage,
            "by the Ingress",
            2,
            (controllers::NAMESPACE, INGRESS),
        )
        .await?,
        Way::open(
            stage,
            "by the Gateway",
            3,
            (controllers::NAMESPACE, GATEWAY),
        )
        .await?,
    ];
    for way in &ways {
        let what = format!("{}: each domain has the certificate", way.name);
        let reached = async {
            within(PATIENCE, "it is reached", async || {
                for host in HOSTS {
                    way.door(host, &authority)?.certificate().await?;
                }
                Ok(())
            })
            .await
        };
        report.step(what, reached).await?;
        let what = format!(
            "{}: discovery, a client's token, and a user signs in, at each domain as an issuer of its own",
            way.name
        );
        report
            .step(what, front::serves(stage, way, &authority))
            .await?;
    }
    for way in &ways[1..] {
        let what = format!("{}: who comes by HTTP is sent to HTTPS", way.name);
        report.step(what, front::redirects(way, &authority)).await?;
        let what = format!(
            "{}: what a client says in headers of proxies has no effect",
            way.name
        );
        let fooled = front::is_not_fooled(stage, way, &authority);
        report.step(what, fooled).await?;
    }
    for (by, what) in [
        (By::Renewal, "renewed, as by cmctl"),
        (By::Deletion, "their Secrets are deleted"),
    ] {
        let what = format!("{what}: each way shows the new certificates, and no pod is started");
        let shown = renewal::shows(stage, &ways, &authority, by);
        report.step(what, shown).await?;
    }
    Ok(())
}

/// The example, and what the tests' tenants have.
async fn applied(stage: &Stage) -> Result<()> {
    volume(stage, NAMESPACE, "staff").await?;
    for name in ["tenant.yaml", "issuer.yaml", "gateway.yaml"] {
        let file = workspace().join("examples/endpoint").join(name);
        let manifests = fs::read_to_string(&file).with_context(|| name.to_owned())?;
        // A further domain is served after that: no five minutes, here.
        let sooner = "kind: Tenant\nmetadata:\n  name: staff\n  namespace: people\nspec:\n";
        let manifests = manifests.replace(
            sooner,
            &format!("{sooner}  signing: {{propagationDelay: 10s}}\n"),
        );
        stage.apply(name, &manifests).await?;
    }
    applications(stage, NAMESPACE).await?;
    users(stage, NAMESPACE).await?;
    ready(stage, NAMESPACE, "staff").await
}

/// Waits for the certificates; the authority's, in PEM.
async fn issued(stage: &Stage) -> Result<String> {
    let wait = ["wait", "certificate", "--all", "--for=condition=Ready"];
    let wait = [&wait[..], &["--timeout=120s"]].concat();
    stage.kubectl(NAMESPACE, &wait).await?;
    let named = ["get", "certificates", "--output", "name"];
    let named = stage.kubectl(NAMESPACE, &named).await?;
    // The authority's own, and one for each domain.
    ensure!(named.lines().count() == 1 + HOSTS.len(), "{named}");
    let secret = ["get", "secret", "authority", "--output"];
    let secret = [&secret[..], &["jsonpath={.data.tls\\.crt}"]].concat();
    let secret = stage.kubectl(NAMESPACE, &secret).await?;
    Ok(String::from_utf8(STANDARD.decode(secret)?)?)
}

async fn routed(stage: &Stage) -> Result<()> {
    let wait = ["wait", "gateway/public", "--for=condition=Programmed"];
    let wait = [&wait[..], &["--timeout=60s"]].concat();
    stage.kubectl(NAMESPACE, &wait).await?;
    eventually("the route is accepted", async || {
        let route = ["get", "httproute", "mintage-endpoint-staff"];
        let route = [&route[..], &["--output", "json"]].concat();
        let route: Value = serde_json::from_str(&stage.kubectl(NAMESPACE, &route).await?)?;
        let parents = route["status"]["parents"].as_array().context("no parent")?;
        let conditions = parents
            .iter()
            .flat_map(|parent| parent["conditions"].as_array().into_iter().flatten());
        let bad: Vec<_> = conditions
            .filter(|condition| condition["status"] != "True")
            .collect();
        ensure!(parents.len() == 2 && bad.is_empty(), "{route}");
        Ok(())
    })
    .await
}
