//! The way to the API server, and what stands in it, each with its mend.

use std::env;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail};
use kube::api::ListParams;
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config, Resource};
use mintage_core::pem;
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};
use tokio::time::{Instant, sleep, timeout};

use crate::api::shown;

/// How long the API server may take to say whether it knows a kind.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often something that is missing is looked for.
const AGAIN: Duration = Duration::from_secs(3);

/// The same obstacle is named in the log so often at most.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// There is no way to a cluster.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoWay(String);

impl NoWay {
    fn because<E: std::error::Error + 'static>(text: String) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{text}: {}", shown(&error)))
    }
}

/// A client for the cluster that `KUBECONFIG` names, else for the one that the process runs in, else for the one of
/// `~/.kube/config`.
pub async fn client() -> Result<Client, NoWay> {
    Ok(known_by().await?.0)
}

/// The same, with the authorities that sign the API server's certificate, in PEM; empty where it is known by those of the
/// machine.
pub async fn known_by() -> Result<(Client, String), NoWay> {
    let config = config().await?;
    let server = config.cluster_url.to_string();
    let certificates = config.root_cert.iter().flatten();
    let authorities = certificates.map(|der| pem::certificate(der)).collect();
    let client =
        Client::try_from(config).map_err(NoWay::because(format!("no client for {server}")))?;
    Ok((client, authorities))
}

async fn config() -> Result<Config, NoWay> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let options = KubeConfigOptions::default();
    if is_set("KUBECONFIG") {
        // A file that was named must not give way to another cluster.
        let path = env::var("KUBECONFIG").unwrap_or_default();
        let text = format!(
            "KUBECONFIG={path} cannot be used, let it name a kubeconfig with a current context"
        );
        return Config::from_kubeconfig(&options)
            .await
            .map_err(NoWay::because(text));
    }
    if is_set("KUBERNETES_SERVICE_HOST") {
        let text = "this looks like a pod, but one without a ServiceAccount token: set automountServiceAccountToken, or KUBECONFIG";
        return Config::incluster().map_err(NoWay::because(text.to_owned()));
    }
    let text = "no cluster: set KUBECONFIG to a kubeconfig, or run in a pod with a ServiceAccount";
    Config::from_kubeconfig(&options)
        .await
        .map_err(NoWay::because(text.to_owned()))
}

/// What stands in the way.
#[derive(Debug)]
enum Obstacle {
    /// The cluster does not know a kind.
    Unknown(String),
    /// Waiting helps nobody.
    Refused(String),
    /// It does not answer, or not now.
    Away(String),
}

/// Waits until the API server answers, knows the kinds, and lets them be read. `report` is told what is being waited
/// for, and at last that nothing is. An error says that waiting is of no use.
pub async fn until_usable(client: &Client, report: impl Fn(Option<String>)) -> Result<()> {
    let mut last: Option<(String, Instant)> = None;
    loop {
        let (event, text) = match look(client).await {
            Ok(()) => {
                report(None);
                return Ok(());
            }
            Err(Obstacle::Refused(text)) => bail!(text),
            Err(Obstacle::Unknown(text)) => ("crds-missing", text),
            Err(Obstacle::Away(text)) => ("api-server-away", text),
        };
        let is_news = last
            .as_ref()
            .is_none_or(|(said, at)| *said != text || at.elapsed() >= SAY_EVERY);
        if is_news {
            tracing::warn!(event, text, "waiting");
            last = Some((text.clone(), Instant::now()));
        }
        report(Some(text));
        sleep(AGAIN).await;
    }
}

async fn look(client: &Client) -> Result<(), Obstacle> {
    look_for::<Tenant>(client).await?;
    look_for::<ApiAudience>(client).await?;
    look_for::<Application>(client).await?;
    look_for::<CustomDomain>(client).await
}

/// Lists one object, as the watches will list all.
async fn look_for<K>(client: &Client) -> Result<(), Obstacle>
where
    K: Resource<DynamicType = ()> + Clone + Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let one = ListParams::default().limit(1);
    match timeout(PATIENCE, api.list_metadata(&one)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(obstacle(&error, &K::plural(&()))),
        Err(_) => Err(Obstacle::Away("the API server does not answer".to_owned())),
    }
}

fn obstacle(error: &kube::Error, plural: &str) -> Obstacle {
    let code = match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    match code {
        404 => Obstacle::Unknown(format!(
            "the cluster does not know {plural}.mintage.dev: install the chart mintage-crds (helm install mintage-crds charts/mintage-crds)"
        )),
        401 => Obstacle::Refused(format!(
            "the API server does not accept who this is ({}): look at the credentials in KUBECONFIG, or at the pod's ServiceAccount",
            shown(error)
        )),
        403 => Obstacle::Refused(format!(
            "{}: the chart mintage gives the operator's ServiceAccount its role; outside of a cluster use a kubeconfig that may do the same",
            shown(error)
        )),
        _ => Obstacle::Away(format!("the API server cannot be asked: {}", shown(error))),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn each_obstacle_is_named_with_its_mend() {
        for (code, kind, mend) in [
            (404, "Unknown", "helm install mintage-crds"),
            (401, "Refused", "KUBECONFIG"),
            (403, "Refused", "the chart mintage gives"),
            (429, "Away", "cannot be asked"),
            (503, "Away", "cannot be asked"),
        ] {
            let error = kube::Error::Api(Box::new(Status {
                code,
                ..Status::default()
            }));
            let said = format!("{:?}", obstacle(&error, "tenants"));
            assert!(
                said.starts_with(kind) && said.contains(mend),
                "{code}: {said}"
            );
        }
        let away = format!("{:?}", obstacle(&kube::Error::TlsRequired, "tenants"));
        assert!(away.starts_with("Away"), "{away}");
    }
}
