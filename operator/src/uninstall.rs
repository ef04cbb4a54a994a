//! Before the operator goes for good: Tenants lose the finalizer that only it takes off.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures::StreamExt as _;
use futures::stream;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt as _};
use mintage_core::managed::{FIELD_MANAGER, FINALIZER, LABEL};
use mintage_crds::Tenant;
use mintage_sidecar::clock::SystemClock;
use serde_json::json;
use tokio::time::timeout;

use crate::api::shown;
use crate::connect;
use crate::lease::{Election, Settings};
use crate::options::Uninstall;

/// The Lease is left as it is at the end: until the operator's pods are gone none of them may lead again. Where they stay
/// (somebody changed their mind), one does after this time, and puts the finalizers back.
const LEASE: Settings = Settings {
    duration: Duration::from_mins(1),
    deadline: Duration::from_secs(40),
    retry: Duration::from_secs(2),
};

/// So many Tenants are changed at once.
const AT_ONCE: usize = 8;

/// How many are listed at once.
const PAGE: u32 = 500;

/// Others change Tenants meanwhile; those are looked at again, so often at most.
const PASSES: usize = 5;

/// Runs `mintage-operator uninstall`.
pub fn uninstall(options: &Uninstall) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = connect::client().await?;
        let limit = Duration::from_secs(options.timeout_seconds);
        let done = timeout(limit, remove_finalizers(&client, options)).await;
        done.map_err(|_| {
            anyhow!("not finished after {} s: run it again, or take the finalizer {FINALIZER} off by hand (kubectl edit tenant)", limit.as_secs())
        })?
    })
}

async fn remove_finalizers(client: &Client, options: &Uninstall) -> Result<()> {
    let Some(tenants) = list(client).await? else {
        return say(
            "The cluster does not know Tenants (mintage.dev/v1alpha1): there is nothing to do.",
        );
    };
    if tenants.is_empty() {
        return say("There are no Tenants: there is nothing to do.");
    }
    let namespace = options.process.namespace();
    say(&format!(
        "Taking the Lease in {namespace} from the operator, which would put finalizers back…"
    ))?;
    let clock = Arc::new(SystemClock);
    let identity = format!("{} (uninstall)", options.process.identity());
    let election = Election::seizing(client, namespace.as_str(), identity, LEASE, clock);
    let turn = election.lead().await;
    let outcome = tokio::select! {
        outcome = pass_after_pass(client) => outcome,
        () = turn.lost() => Err(anyhow!("somebody else took the Lease: another uninstall? Run it again")),
    };
    turn.leave().await;
    election.finish().await;
    let (removed, all) = outcome?;
    say(&format!(
        "{removed} of {all} Tenants had the finalizer {FINALIZER}; now none has."
    ))?;
    say(&format!(
        "Tenants and the Secrets with their keys stay; so do endpoints, which go on until their Tenants' maxBundleAge is over, and go with their Tenants. To remove those as well: kubectl delete tenants,apiaudiences,applications,customdomains --all -A; kubectl delete secrets -A -l {LABEL}"
    ))
}

/// Until no Tenant has it; how many had, and of how many.
async fn pass_after_pass(client: &Client) -> Result<(usize, usize)> {
    let mut removed = 0;
    for _ in 0..PASSES {
        let tenants = list(client).await?.unwrap_or_default();
        let all = tenants.len();
        let with: Vec<_> = tenants.into_iter().filter(has_it).collect();
        if with.is_empty() {
            return Ok((removed, all));
        }
        let mut outcomes = stream::iter(with)
            .map(|tenant| async move {
                let outcome = remove(client, &tenant).await;
                (tenant, outcome)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((tenant, outcome)) = outcomes.next().await {
            let at = format!(
                "{}/{}",
                tenant.namespace().unwrap_or_default(),
                tenant.name_any()
            );
            let is_new = outcome.with_context(|| format!("Tenant {at}"))?;
            if is_new {
                removed += 1;
                let fate = if tenant.metadata.deletion_timestamp.is_some() {
                    ": it was being deleted, and is gone now; its Secrets in other namespaces stay"
                } else {
                    ""
                };
                say(&format!("Tenant {at}{fate}"))?;
            }
        }
    }
    bail!(
        "somebody puts the finalizer back: is there another operator? Scale its Deployment to 0 and run this again"
    )
}

fn has_it(tenant: &PartialObjectMeta<Tenant>) -> bool {
    tenant.finalizers().iter().any(|name| name == FINALIZER)
}

/// Whether this took it off; somebody else may have, or changed something else.
async fn remove(client: &Client, tenant: &PartialObjectMeta<Tenant>) -> Result<bool> {
    let rest: Vec<&String> = tenant
        .finalizers()
        .iter()
        .filter(|name| *name != FINALIZER)
        .collect();
    // With the version, since the list is replaced as a whole: nobody's own finalizer may be lost.
    let patch =
        json!({ "metadata": { "resourceVersion": tenant.resource_version(), "finalizers": rest } });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let namespace = tenant.namespace().unwrap_or_default();
    let tenants: Api<Tenant> = Api::namespaced(client.clone(), &namespace);
    let name = tenant.name_any();
    match tenants
        .patch_metadata(&name, &params, &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => bail!(shown(&error)),
    }
}

/// All Tenants; `None` where the cluster does not know the kind.
async fn list(client: &Client) -> Result<Option<Vec<PartialObjectMeta<Tenant>>>> {
    let tenants: Api<Tenant> = Api::all(client.clone());
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        match tenants.list_metadata(&params).await {
            Ok(page) => {
                let next = page.metadata.continue_.filter(|token| !token.is_empty());
                all.extend(page.items);
                match next {
                    Some(token) => params = params.continue_token(&token),
                    None => return Ok(Some(all)),
                }
            }
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            // The list took so long that its rest is forgotten: from the start.
            Err(kube::Error::Api(status)) if status.code == 410 => {
                all.clear();
                params = ListParams::default().limit(PAGE);
            }
            Err(error) => {
                bail!("Tenants cannot be listed: {}", shown(&error))
            }
        }
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .or_else(|error| {
            // Nobody reads it: that is no reason to stop half-way.
            if error.kind() == io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(error)
            }
        })?;
    Ok(())
}
