//! The way to a cluster.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::To;
use crate::Failure;

/// A client, and the namespace for names that say none.
pub async fn client(to: &To) -> Result<(Client, String), Failure> {
    let config = config(to).await.map_err(|error| {
        Failure::Unreachable(format!(
            "no cluster: {error}; set KUBECONFIG, or name a kubeconfig with --kubeconfig and a context with --context"
        ))
    })?;
    let namespace = to.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config)
        .map_err(|error| Failure::Unreachable(format!("no way to the cluster: {error}")))?;
    Ok((client, namespace))
}

async fn config(to: &To) -> anyhow::Result<Config> {
    let options = KubeConfigOptions {
        context: to.context.clone(),
        ..KubeConfigOptions::default()
    };
    Ok(match &to.kubeconfig {
        Some(file) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?
        }
        None if to.context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    })
}
