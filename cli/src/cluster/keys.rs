//! `kubectl mintage keys`.

use kube::Api;
use mintage_crds::Tenant;
use mintage_sidecar::clock::{Clock as _, SystemClock};

use super::bundles::Bundles;
use super::{Scene, reach};
use crate::Failure;
use crate::keys::{print_rows, row};
use crate::output::{self, Output};

/// List the public keys of a tenant and of its namespaces, with the state that each is in now.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The tenant: `<namespace>/<name>`, or its name in the namespace of --namespace.
    #[arg(value_name = "TENANT")]
    tenant: String,
}

/// Runs the command.
pub async fn run(args: &Args, scene: &Scene) -> Result<(), Failure> {
    let tenant = scene.tenant(&args.tenant)?;
    let api: Api<Tenant> = Api::namespaced(scene.client.clone(), tenant.namespace.as_str());
    let found = api.get_metadata(tenant.name.as_str()).await;
    found.map_err(|error| reach::failure(&format!("Tenant {tenant}"), &error))?;
    let keyrings = Bundles::read(&scene.client, &tenant, None)
        .await?
        .keyrings(&tenant);
    let now = SystemClock.now();
    let rows = keyrings
        .iter()
        .flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)));
    if scene.output == Output::Json {
        let rows: Vec<_> = rows.map(|(ring, key)| row(now, ring, key)).collect();
        return Ok(output::json(&rows)?);
    }
    Ok(print_rows(now, rows)?)
}
