//! Both halves: a sidecar asks the endpoint over TLS, which has the pod's token reviewed.

use std::fs;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use mintage_core::Identifier;
use mintage_core::bundle::{Bundle, split};
use mintage_core::keyring::Owner;
use mintage_core::verify::Expected;
use mintage_sidecar::central::{self, Central};
use mintage_sidecar::endpoint::store::{Place, open};
use mintage_sidecar::files::{Files, KEYRING, bundle_name};
use mintage_sidecar::metrics::Metrics;
use mintage_sidecar::routes::{App, workload_api};
use mintage_sidecar::state::{Identity, Shared};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::cluster::endpoint::{LEDGERS, PROFILES, SHARED, WORKER, with_workloads};
use crate::cluster::{ACME, Cluster as Planned, NOW, ORDERS, name, verdict};
use crate::site::Site;
use crate::support::api_server::Cluster;
use crate::support::tls::Authority;

/// The workload API of the worker's sidecar, with its files in a folder.
struct Sidecar {
    api: Router,
    dir: TempDir,
}

impl Sidecar {
    fn of(site: &Site, planned: &Planned, bundle: &Bundle) -> Result<Self> {
        let dir = TempDir::new()?;
        let mut files = Files::default();
        for (index, shard) in split(bundle)?.into_iter().enumerate() {
            files.insert(&bundle_name(index), shard);
        }
        let owner = Owner::namespace(name(ACME), bundle.body.namespace.clone());
        files.insert(KEYRING, planned.keyring_file(&owner).to_bytes());
        let identity = Identity {
            workload: name(WORKER),
            accept: Vec::new(),
            domain: None,
        };
        let shared = Arc::new(Shared::new(Arc::clone(&site.clock) as Arc<_>));
        shared.load(&files, &identity)?;
        let metrics = Arc::new(Metrics::default());
        let api = workload_api(App {
            shared,
            central: Some(Arc::new(Central::new(dir.path(), Arc::clone(&metrics)))),
            metrics,
            traces: None,
        });
        Ok(Self { api, dir })
    }

    async fn ask(&self, audience: &str) -> Result<(u16, Value)> {
        let form = format!("grant_type=client_credentials&audience={audience}");
        let request = Request::post("/oauth/token")
            .header("host", "127.0.0.1")
            .header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form))?;
        let Ok(response) = self.api.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body)?))
    }
}

#[tokio::test]
async fn a_sidecar_gets_the_tokens_that_its_pod_may_have() -> Result<()> {
    let cluster = Cluster::start();
    let site = Site::of(with_workloads(), open(&Place::Memory).await?, |endpoint| {
        endpoint.reviewing(cluster.reached())
    });
    let authority = Authority::new();
    let server = authority.serve("acme.test", |_| site.router.clone());
    let planned = site.planned();
    let mut bundle = planned.bundle(ACME, "payments").clone();
    let endpoint = bundle.body.endpoint.as_mut().unwrap();
    assert_eq!(endpoint.address, "mintage-endpoint-acme.identity.svc:443");
    let told = Arc::make_mut(endpoint);
    told.address = server.address.to_string();
    told.authorities = Some(authority.pem());
    let sidecar = Sidecar::of(&site, &planned, &bundle)?;
    let token = cluster.token(WORKER, "https://acme.test/", NOW + 3600);
    fs::write(sidecar.dir.path().join(central::TOKEN), &token)?;

    for (audience, scope) in [
        (PROFILES, "read"),
        (LEDGERS, "read write"),
        (SHARED, "read"),
    ] {
        let (status, answer) = sidecar.ask(audience).await?;
        assert_eq!(status, 200, "{audience}: {answer}");
        assert_eq!(answer["scope"], scope);
        if audience != SHARED {
            let token = answer["access_token"].as_str().unwrap();
            let accepted = [name::<Identifier>(audience)].into();
            verdict(
                &site.realm().verifier,
                token,
                Expected::Apis(&accepted),
                NOW,
            )
            .unwrap();
        }
    }
    // What it signs itself is no matter of the endpoint's.
    let (status, answer) = sidecar.ask(ORDERS).await?;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(cluster.asked(), 1);

    // A pod that is gone gets nothing once a minute has passed; the endpoint's words come through.
    cluster.delete_pod_of(&token);
    site.clock.set(NOW + 60);
    let (status, answer) = sidecar.ask(PROFILES).await?;
    assert_eq!(status, 403, "{answer}");
    let said = answer["error_description"].as_str().unwrap();
    assert!(
        said.contains("assertion-invalid") && said.contains("endpoint-refused"),
        "{said}"
    );
    Ok(())
}
