//! The project's own kinds.

use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use super::access::Cluster;
use super::wait::eventually;

impl Cluster {
    /// Installs the definitions of `crds/generated`, or brings them up to date, and waits until their objects can be
    /// written. A control plane of ours has them from its start.
    pub async fn install_definitions(&self) -> Result<()> {
        let client = self.admin().await?;
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        let definitions = mintage_crds::definitions();
        for definition in &definitions {
            let params = PatchParams::apply("mintage-tests").force();
            let patch = Patch::Apply(definition);
            api.patch(&definition.name_any(), &params, &patch).await?;
        }
        for definition in &definitions {
            let what = format!("{} is served", definition.name_any());
            eventually(&what, async || served(&api, &client, definition).await).await?;
        }
        Ok(())
    }
}

/// Whether the definition is established, and its objects can be listed.
async fn served(
    api: &Api<CustomResourceDefinition>,
    client: &Client,
    definition: &CustomResourceDefinition,
) -> Result<()> {
    let found = api.get(&definition.name_any()).await?;
    let conditions = found.status.and_then(|status| status.conditions);
    let established = conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True");
    ensure!(established, "its conditions are {conditions:?}");
    let spec = &definition.spec;
    for version in &spec.versions {
        let path = format!(
            "/apis/{}/{}/{}",
            spec.group, version.name, spec.names.plural
        );
        client
            .request_text(http::Request::get(path).body(Vec::new())?)
            .await?;
    }
    Ok(())
}
