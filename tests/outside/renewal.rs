//! Certificates are renewed, and no pod is started anew for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_tests::cluster::within;
use mintage_tests::stage::Stage;
use serde_json::{Value, json};

use super::way::Way;
use super::{HOSTS, NAMESPACE};

/// A kubelet looks at Secrets every minute or so.
pub const PATIENCE: Duration = Duration::from_mins(4);

/// What makes cert-manager renew a certificate.
#[derive(Clone, Copy)]
pub enum By {
    /// Its Secret is deleted.
    Deletion,
    /// As `cmctl renew` does.
    Renewal,
}

/// Renews all certificates; each way shows the new ones, which the authority has signed.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever asks for a renewal says when"
)]
pub async fn shows(stage: &Stage, ways: &[Way], authority: &str, by: By) -> Result<()> {
    let pods = pods(stage).await?;
    let before = shown(ways, authority).await?;
    for (certificate, secret) in certificates(stage).await? {
        match by {
            By::Deletion => {
                stage
                    .kubectl(NAMESPACE, &["delete", "secret", &secret])
                    .await?;
            }
            By::Renewal => {
                let condition = json!({
                    "type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
                    "message": "somebody asked for it", "lastTransitionTime": Timestamp::now(),
                });
                let patch = json!({"status": {"conditions": [condition]}}).to_string();
                let patch = [
                    "patch",
                    "certificate",
                    &certificate,
                    "--subresource=status",
                    "--type=merge",
                    "--patch",
                    &patch,
                ];
                stage.kubectl(NAMESPACE, &patch).await?;
            }
        }
    }
    within(PATIENCE, "each way shows new certificates", async || {
        let now = shown(ways, authority).await?;
        for ((way, old), (_, new)) in before.iter().zip(&now) {
            ensure!(old != new, "{way} shows the old one");
        }
        Ok(())
    })
    .await?;
    let now = self::pods(stage).await?;
    ensure!(pods == now, "pods changed: {pods:?}, {now:?}");
    Ok(())
}

/// The Certificates of the tenant's domains, and their Secrets.
async fn certificates(stage: &Stage) -> Result<Vec<(String, String)>> {
    let selector = "mintage.dev/endpoint=staff";
    let list = [
        "get",
        "certificates",
        "--selector",
        selector,
        "--output",
        "json",
    ];
    let list: Value = serde_json::from_str(&stage.kubectl(NAMESPACE, &list).await?)?;
    let items = list["items"].as_array().into_iter().flatten();
    let all: Vec<_> = items
        .filter_map(|item| {
            let name = item["metadata"]["name"].as_str()?;
            Some((
                name.to_owned(),
                item["spec"]["secretName"].as_str()?.to_owned(),
            ))
        })
        .collect();
    ensure!(all.len() == HOSTS.len(), "{all:?}");
    Ok(all)
}

/// The certificate that each way shows for each host.
async fn shown(ways: &[Way], authority: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for way in ways {
        for host in HOSTS {
            let certificate = way.door(host, authority)?.certificate().await?;
            all.push((format!("{host}, {}", way.name), certificate));
        }
    }
    Ok(all)
}

/// The pods of the endpoint, and how often each was started anew.
async fn pods(stage: &Stage) -> Result<Vec<(String, i32)>> {
    let api: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let params = ListParams::default().labels("mintage.dev/endpoint=staff");
    let pods = api.list(&params).await?.items.into_iter();
    let restarts = |pod: &Pod| {
        let statuses = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten());
        statuses.map(|status| status.restart_count).sum()
    };
    Ok(pods.map(|pod| (pod.name_any(), restarts(&pod))).collect())
}
