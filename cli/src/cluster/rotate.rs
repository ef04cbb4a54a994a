//! `kubectl mintage rotate`.

use std::collections::BTreeSet;

use kube::Api;
use kube::api::{Patch, PatchParams};
use mintage_core::keyring::{Key, Keyring, Owner, Schedule};
use mintage_core::{Alg, Kid};
use mintage_crds::Tenant;
use mintage_crds::observe::ROTATE_NOW;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::bundles::Bundles;
use super::{MANAGER, POLL, Scene, Wait, reach};
use crate::Failure;
use crate::keys::{print_rows, row};
use crate::output::{self, Output};
use crate::progress::Progress;

/// Make new keys for a tenant and its namespaces before their time.
///
/// They are published at once and sign after the propagation delay; tokens under the old ones stay good.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The tenant: `<namespace>/<name>`, or its name in the namespace of --namespace.
    #[arg(value_name = "TENANT")]
    tenant: String,
    #[command(flatten)]
    wait: Wait,
}

/// Runs the command.
pub async fn run(args: &Args, scene: &Scene) -> Result<(), Failure> {
    let tenant = scene.tenant(&args.tenant)?;
    let before = Bundles::read(&scene.client, &tenant, None)
        .await?
        .keyrings(&tenant);
    let known: BTreeSet<&Kid> = before
        .iter()
        .flat_map(|ring| &ring.keys)
        .map(Key::kid)
        .collect();
    let api: Api<Tenant> = Api::namespaced(scene.client.clone(), tenant.namespace.as_str());
    // A value that was not there before is what asks.
    let value = output::moment(SystemClock.now());
    let patch = json!({ "metadata": { "annotations": { ROTATE_NOW: value } } });
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api
        .patch(tenant.name.as_str(), &params, &Patch::Merge(&patch))
        .await;
    patched.map_err(|error| reach::failure(&format!("Tenant {tenant}"), &error))?;
    let Some(patience) = args.wait.patience() else {
        return say(scene, "new keys are asked for", &[], &known);
    };

    let wanted = signing(&before);
    let waiting = Progress::begin("waiting for the new keys", 0);
    let end = Instant::now() + patience;
    loop {
        let after = Bundles::read(&scene.client, &tenant, None)
            .await?
            .keyrings(&tenant);
        let fresh: BTreeSet<(Owner, Alg)> = signing_among(&after, |kid| !known.contains(kid));
        let missing = wanted.difference(&fresh).count();
        if missing == 0 {
            drop(waiting);
            return say(scene, "new keys are published", &after, &known);
        }
        if Instant::now() > end {
            drop(waiting);
            return Err(Failure::Unreachable(format!(
                "new keys are asked for, and {missing} of {} are not published yet; `kubectl mintage keys {tenant}` shows them when they are, `kubectl mintage status {tenant}` what is in the way",
                wanted.len()
            )));
        }
        sleep(POLL).await;
    }
}

/// Who signs with what.
fn signing(rings: &[Keyring]) -> BTreeSet<(Owner, Alg)> {
    signing_among(rings, |_| true)
}

fn signing_among(rings: &[Keyring], among: impl Fn(&Kid) -> bool) -> BTreeSet<(Owner, Alg)> {
    let keys = rings
        .iter()
        .flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)));
    keys.filter(|(_, key)| matches!(key.schedule, Schedule::Open { .. }) && among(key.kid()))
        .map(|(ring, key)| (ring.owner.clone(), key.alg()))
        .collect()
}

fn say(
    scene: &Scene,
    what: &str,
    after: &[Keyring],
    known: &BTreeSet<&Kid>,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let rows = after
        .iter()
        .flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)))
        .filter(|(_, key)| !known.contains(key.kid()));
    if scene.output == Output::Json {
        let rows: Vec<_> = rows.map(|(ring, key)| row(now, ring, key)).collect();
        return Ok(output::json(&json!({ "asked": true, "newKeys": rows }))?);
    }
    output::line(what)?;
    if after.is_empty() {
        return Ok(());
    }
    Ok(print_rows(now, rows)?)
}
