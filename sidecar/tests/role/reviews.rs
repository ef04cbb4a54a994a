//! Workloads at the process: their tokens are reviewed by the cluster that it runs in.

use std::path::Path;

use crate::cluster::endpoint::{PROFILES, WORKER};
use crate::cluster::{grant, name};
use crate::process::Process;
use crate::support::api_server::Cluster;
use crate::tenant::Tenant;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn tenant() -> Tenant {
    Tenant::new(|world| {
        let mut all = world.audiences.iter_mut();
        let profiles = all.find(|api| api.identifier == name(PROFILES)).unwrap();
        profiles.grants.push(grant(WORKER, "read"));
    })
}

fn form(token: &str) -> Vec<(&'static str, String)> {
    [
        ("grant_type", "client_credentials"),
        ("audience", PROFILES),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", token),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

#[tokio::test]
async fn in_a_cluster_workloads_get_tokens_by_their_own() {
    let cluster = Cluster::start();
    let mut tenant = tenant();
    let files = tenant.files();
    let port = cluster.server.address.port().to_string();
    let mut process = Process::start_with(&tenant, &files, ["--store", "memory"], |command| {
        command
            .arg("--token-reviews")
            .args(["--service-account-dir", path(cluster.account())])
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", port);
    })
    .await;
    process.until_ready(200).await;
    let token = cluster.token(WORKER, "https://acme.test/", tenant.now + 3600);
    let (status, answer) = process.token(&form(&token)).await;
    assert_eq!(
        (status, &answer["scope"]),
        (200, &"read".into()),
        "{answer}"
    );
    let (_, metrics) = process.admin("/metrics").await;
    let reviews = "mintage_endpoint_token_reviews_total{outcome=\"accepted\"} 1";
    assert!(metrics.contains(reviews), "{metrics}");
    let said = process.said();
    assert!(said.contains(WORKER), "{said}");
    for part in token.split('.') {
        assert!(!said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn unless_it_was_told_to_it_takes_no_workloads_token() {
    let cluster = Cluster::start();
    let mut tenant = tenant();
    let process = Process::ready(&mut tenant).await;
    let token = cluster.token(WORKER, "https://acme.test/", tenant.now + 3600);
    let (status, answer) = process.token(&form(&token)).await;
    assert_eq!(status, 400, "{answer}");
    let said = answer["error_description"].as_str().unwrap();
    assert!(said.contains("assertion-not-taken"), "{said}");
}

#[test]
fn outside_a_cluster_nobody_reviews_tokens() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mintage-sidecar"));
    let arguments = ["endpoint", "--store", "memory", "--token-reviews"];
    let output = command.args(arguments).env_clear().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("KUBERNETES_SERVICE_HOST"), "{said}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
