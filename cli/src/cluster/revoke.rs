//! `kubectl mintage revoke`.

use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use mintage_core::keyring::Schedule;
use mintage_core::{Kid, TenantRef};
use mintage_crds::Tenant;
use mintage_crds::observe::{REVOKE_KEY, listed};
use mintage_crds::tenant::Propagation;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::bundles::Bundles;
use super::{MANAGER, POLL, Scene, Wait, propagation, reach};
use crate::Failure;
use crate::output::{self, Output};
use crate::progress::Progress;

/// How long sidecars may take to say that they have heard of it: they do within two seconds, and the status says so every
/// two.
const HEARD: Duration = Duration::from_secs(10);

/// So often a Tenant is read anew that somebody else changes in the same moment.
const TRIES: usize = 5;

/// Refuse a key, and every token under it, from now on and for good.
///
/// Another key takes its place at once. The kid stays in the Tenant's annotation mintage.dev/revoke-key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The tenant: `<namespace>/<name>`, or its name in the namespace of --namespace.
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// The name of the key, as `kubectl mintage keys` shows it and the header of its tokens has it.
    // Names are base64url, and some begin with a hyphen.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Kid,
    #[command(flatten)]
    wait: Wait,
}

/// Runs the command.
pub async fn run(args: &Args, scene: &Scene) -> Result<(), Failure> {
    let (tenant, kid) = (scene.tenant(&args.tenant)?, &args.kid);
    let before = Bundles::read(&scene.client, &tenant, None).await?;
    if before.know(kid).next().is_none() {
        let rings = before.keyrings(&tenant);
        let kids = rings.iter().flat_map(|ring| &ring.keys);
        let near = output::nearest(kid.as_str(), kids.map(|key| key.kid().as_str()));
        let near = near
            .first()
            .map(|near| format!(" (did you mean {near}?)"))
            .unwrap_or_default();
        return Err(Failure::Input(format!(
            "no namespace of tenant {tenant} knows a key {kid}, so nothing is revoked{near}; `kubectl mintage keys {tenant}` lists them"
        )));
    }
    ask(scene, &tenant, kid).await?;
    let Some(patience) = args.wait.patience() else {
        return say(
            scene,
            kid,
            "is to be refused",
            before.know(kid).count(),
            None,
        );
    };

    let waiting = Progress::begin("waiting until every namespace is told", 0);
    let end = Instant::now() + patience;
    loop {
        let bundles = Bundles::read(&scene.client, &tenant, None).await?;
        let (told, untold): (Vec<_>, Vec<_>) = bundles
            .know(kid)
            .partition(|(_, key)| matches!(key.schedule, Schedule::Revoked { .. }));
        if untold.is_empty() {
            let heard_by = end.min(Instant::now() + HEARD);
            let heard = propagation::heard(scene, &tenant, bundles.version(), heard_by).await?;
            drop(waiting);
            return say(scene, kid, "is refused", told.len(), heard.as_ref());
        }
        if Instant::now() > end {
            drop(waiting);
            let untold: Vec<_> = untold
                .iter()
                .map(|(namespace, _)| namespace.as_str())
                .collect();
            return Err(Failure::Unreachable(format!(
                "the revocation of {kid} is asked for, and these namespaces are not told yet: {}; `kubectl mintage status {tenant}` shows what is in the way",
                untold.join(", ")
            )));
        }
        sleep(POLL).await;
    }
}

/// Adds the key to the annotation, whatever else is in it.
async fn ask(scene: &Scene, tenant: &TenantRef, kid: &Kid) -> Result<(), Failure> {
    let api: Api<Tenant> = Api::namespaced(scene.client.clone(), tenant.namespace.as_str());
    let failure = |error: &kube::Error| reach::failure(&format!("Tenant {tenant}"), error);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    for _ in 0..TRIES {
        let found = api.get_metadata(tenant.name.as_str()).await;
        let found = found.map_err(|error| failure(&error))?.metadata;
        let mut kids: Vec<&str> = listed(&found, REVOKE_KEY).collect();
        if kids.contains(&kid.as_str()) {
            return Ok(());
        }
        kids.push(kid.as_str());
        // Only this version: what somebody else adds in the same moment must not be lost.
        let patch = json!({ "metadata": {
            "resourceVersion": found.resource_version,
            "annotations": { REVOKE_KEY: kids.join(",") },
        } });
        let patched = api
            .patch(tenant.name.as_str(), &params, &Patch::Merge(&patch))
            .await;
        match patched {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(failure(&error)),
        }
    }
    Err(Failure::Unreachable(format!(
        "Tenant {tenant} is changed by somebody else all the time; try again"
    )))
}

fn say(
    scene: &Scene,
    kid: &Kid,
    what: &str,
    namespaces: usize,
    heard: Option<&Propagation>,
) -> Result<(), Failure> {
    if scene.output == Output::Json {
        return Ok(output::json(&json!({
            "kid": kid,
            "asked": true,
            "done": what == "is refused",
            "namespaces": namespaces,
            "sidecars": heard,
        }))?);
    }
    output::line(format!(
        "key {kid} {what} in {namespaces} namespaces{}",
        propagation::words(heard)
    ))?;
    Ok(())
}
