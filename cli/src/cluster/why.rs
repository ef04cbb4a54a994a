//! `kubectl mintage why`: as `mintage why`, with the world of a cluster.

use std::collections::BTreeMap;

use clap::Subcommand;
use mintage_core::inject::PodWishes;
use mintage_core::{TenantRef, WorkloadId};
use mintage_sidecar::clock::{Clock as _, SystemClock};

use super::Scene;
use super::bundles::Bundles;
use super::seen::Seen;
use crate::Failure;
use crate::why::grant::{self, How, Wanted};
use crate::why::scene::Scene as World;
use crate::why::step::Answer;
use crate::why::token;

/// Say whether a workload would get a token, or accept one, and which object of the cluster decides.
///
/// What counts is the bundle of the workload's namespace, as its sidecars have it; without the right to read Secrets
/// there, what the objects declare. Exits with 0 if it would and with 1 if it would not.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  kubectl mintage why shop/checkout https://orders.example.com --scope read:orders\n  kubectl mintage why token \"$TOKEN\" --at orders/api"
)]
pub struct Args {
    #[command(subcommand)]
    of_token: Option<OfToken>,
    /// The workload that asks, `<namespace>/<serviceaccount>`.
    #[arg(value_name = "WORKLOAD", required = true)]
    workload: Option<WorkloadId>,
    /// The identifier of the API. Without it, the tenant's default audience.
    #[arg(value_name = "AUDIENCE")]
    audience: Option<String>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Subcommand)]
enum OfToken {
    /// Say whether the sidecar of a workload would accept a token.
    Token(TokenArgs),
}

#[derive(Debug, clap::Args)]
struct TokenArgs {
    #[command(flatten)]
    asked: token::Asked,
    #[command(flatten)]
    of: Of,
}

#[derive(Clone, Debug, clap::Args)]
struct Of {
    /// The tenant of the workload, `<namespace>/<name>`. Default: as its annotations say, or the only one that admits it.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantRef>,
}

/// Runs the command.
pub async fn run(args: &Args, scene: &Scene) -> Result<(), Failure> {
    if let Some(OfToken::Token(args)) = &args.of_token {
        let tenant = args.of.tenant.as_ref();
        let asked = &args.asked;
        let (world, notes) = world(scene, &asked.at, |folder| asked.wishes(folder, tenant)).await?;
        let answer = asked.answer(&world, tenant)?;
        return noted(answer, notes).report("accepted", &asked.what(), scene.output);
    }
    let Some(workload) = &args.workload else {
        return Err(Failure::Input(
            "name a workload, as shop/checkout".to_owned(),
        ));
    };
    let wanted = Wanted {
        audience: args.audience.clone(),
        how: args.how.clone(),
    };
    let asked = grant::Asked {
        workload,
        tenant: args.of.tenant.as_ref(),
        wanted: &wanted,
    };
    let (world, notes) = world(scene, workload, |folder| asked.wishes(folder)).await?;
    let answer = asked.answer(&world);
    noted(answer, notes).report("granted", &asked.what(), scene.output)
}

fn noted(mut answer: Answer, notes: Vec<String>) -> Answer {
    answer.notes.extend(notes);
    answer
}

/// The cluster through the eyes of a workload, and what was not seen.
async fn world(
    scene: &Scene,
    workload: &WorkloadId,
    wishes: impl FnOnce(&crate::dev::folder::Folder) -> PodWishes,
) -> Result<(World, Vec<String>), Failure> {
    let namespace = workload.namespace.as_str();
    let seen = Seen::read(&scene.client, Some(namespace)).await?;
    if let Some(kind) = seen.unknown.first() {
        return Err(Failure::Input(format!(
            "the cluster does not know {kind}: install the chart mintage-crds (helm install mintage-crds charts/mintage-crds)"
        )));
    }
    let mut notes = seen.unread.clone();
    let folder = seen.folder(Some(workload))?;
    // Why there is none is a step of the explanation itself.
    let tenant = folder.tenant_of(workload, &wishes(&folder)).ok();
    if tenant.is_none() && (seen.gaps.tenants || seen.gaps.namespaces) {
        return Err(Failure::Refused(format!(
            "which Tenant {workload} has cannot be seen, so nothing can be said: {}",
            notes.join("; ")
        )));
    }
    let (mut bundles, mut keyrings) = (BTreeMap::new(), Vec::new());
    if let Some(tenant) = tenant {
        match Bundles::read(&scene.client, &tenant, Some(namespace)).await {
            Ok(found) => {
                keyrings = found.keyrings(&tenant);
                let of_tenant = found.by_namespace();
                bundles.extend(of_tenant.map(|(of, bundle)| ((tenant.clone(), of), bundle)));
                if bundles.is_empty() {
                    notes.push(format!(
                        "namespace {namespace} is told nothing by tenant {tenant} yet, so no sidecar there answers; `kubectl mintage doctor -n {namespace}` looks for the cause"
                    ));
                }
            }
            Err(Failure::Refused(_)) => notes.push(format!(
                "Secrets of namespace {namespace}: you may not read them, so this is what the objects declare, and no key was looked at"
            )),
            Err(failure) => return Err(failure),
        }
    }
    let now = SystemClock.now();
    let world = World::of_cluster(now, seen.manifests, folder, bundles, keyrings);
    Ok((world, notes))
}
