//! A folder as `mintage dev` would see it now, or a cluster as its sidecars do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use mintage_core::bundle::{Body, Bundle};
use mintage_core::inject::{NoTenant, PodWishes};
use mintage_core::keyring::{Keyring, Schedule};
use mintage_core::ownership::Kind;
use mintage_core::plan::{Fleet, Input, Plan, Status, plan};
use mintage_core::{Namespace, ObjectRef, Seconds, TenantRef, UnixTime, WorkloadId};
use mintage_crds::Manifests;
use mintage_sidecar::clock::{Clock as _, SystemClock};

use crate::dev::Store;
use crate::dev::folder::{self, Folder};
use crate::output::Output;

/// What is looked at, and how the answer is printed.
#[derive(Debug, clap::Args)]
pub struct View {
    /// The manifests: a folder, or one file.
    pub folder: PathBuf,
    /// The tenant of the workload, `<namespace>/<name>`. Default: as its annotations say, or the only one that admits it.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<TenantRef>,
    /// The folder in which `mintage dev` keeps its state.
    #[arg(
        long,
        env = "MINTAGE_STATE_DIR",
        default_value = ".mintage",
        value_name = "FOLDER"
    )]
    pub state_dir: PathBuf,
    /// How long a new key or grant is published before it is used; as for `mintage dev`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = crate::dev::seconds)]
    pub propagation_delay: Seconds,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Where the public keys come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// From the state folder of `mintage dev`.
    State,
    /// From nowhere: there is no state folder.
    NoState,
    /// From the bundles of a cluster.
    Bundles,
    /// From nowhere: there is no bundle, or it may not be read.
    NoBundle,
}

/// What was declared, observed and planned.
pub struct Scene {
    /// Now.
    pub now: UnixTime,
    /// As read.
    pub manifests: Manifests,
    /// As observed.
    pub folder: Folder,
    /// The plan that `mintage dev` would follow, without the keys that are still to be made.
    pub plan: Plan,
    /// Where the keys of the plan come from.
    pub keys: Keys,
    /// Whether each new key signs at once, and not only the first.
    pub at_once: bool,
}

impl Scene {
    /// Looks at a folder through the eyes of a workload.
    pub fn open(view: &View, workload: &WorkloadId) -> Result<Self> {
        let now = SystemClock.now();
        let manifests = folder::read(&view.folder, None)?;
        let state = Store::read_state(&view.state_dir)?;
        let keys = match &state {
            Some(_) => Keys::State,
            None => Keys::NoState,
        };
        let state = state.unwrap_or_default();
        let mut folder = Folder::observe(
            &manifests,
            std::iter::once(workload),
            view.propagation_delay,
        )?;
        // Namespaces that a running `dev` acts for want their keys, although no manifest says so.
        for keyring in &state.keyrings {
            let signs =
                |key: &mintage_core::keyring::Key| matches!(key.schedule, Schedule::Open { .. });
            if let Some(namespace) = &keyring.owner.namespace
                && keyring.keys.iter().any(signs)
                && let Some(info) = folder.world.namespaces.get_mut(namespace)
            {
                info.opted_in = true;
            }
        }
        // Private keys are not looked at: those of the state are taken to be at hand.
        let private: BTreeSet<_> = state
            .keyrings
            .iter()
            .flat_map(|keyring| &keyring.keys)
            .map(|key| key.kid().clone())
            .collect();
        let fresh = BTreeMap::new();
        let input = Input {
            world: &folder.world,
            state: &state,
            fresh: &fresh,
            brought: &BTreeMap::new(),
            private: &private,
            fleet: Fleet::UNKNOWN,
        };
        let plan = plan(now, input);
        Ok(Self {
            now,
            manifests,
            folder,
            plan,
            keys,
            at_once: view.propagation_delay == 0,
        })
    }

    /// A cluster, of which the objects were read. `bundles` is what its namespaces are told, as far as that may be read:
    /// it stands in place of what the plan, which knows no history, would tell them.
    pub fn of_cluster(
        now: UnixTime,
        manifests: Manifests,
        folder: Folder,
        bundles: BTreeMap<(TenantRef, Namespace), Bundle>,
        keyrings: Vec<Keyring>,
    ) -> Self {
        let input = Input::first(&folder.world);
        let mut plan = plan(now, input);
        let keys = if bundles.is_empty() {
            Keys::NoBundle
        } else {
            Keys::Bundles
        };
        plan.bundles.extend(bundles);
        plan.state.keyrings = keyrings;
        Self {
            now,
            manifests,
            folder,
            plan,
            keys,
            at_once: false,
        }
    }

    /// The tenant of a workload, with what its namespace is told.
    pub fn tenant(
        &self,
        workload: &WorkloadId,
        wishes: &PodWishes,
    ) -> Result<(TenantRef, &Body), NoBody<'_>> {
        let tenant = self
            .folder
            .tenant_of(workload, wishes)
            .map_err(NoBody::NoTenant)?;
        let bundle = self
            .plan
            .bundles
            .get(&(tenant.clone(), workload.namespace.clone()));
        match bundle {
            Some(bundle) => Ok((tenant, &bundle.body)),
            None => Err(NoBody::NotServed(self.status_of_tenant(&tenant))),
        }
    }

    /// How an object fares.
    pub fn status(&self, kind: Kind, at: &ObjectRef) -> Option<&Status> {
        self.plan
            .statuses
            .iter()
            .find(|status| status.object.kind == kind && status.object.at == *at)
    }

    fn status_of_tenant(&self, tenant: &TenantRef) -> &Status {
        let at = ObjectRef::new(tenant.namespace.clone(), tenant.name.clone());
        self.status(Kind::Tenant, &at)
            .expect("a plan says how each tenant fares")
    }
}

/// Why a workload is told nothing.
#[derive(Debug)]
pub enum NoBody<'a> {
    /// It has no tenant.
    NoTenant(NoTenant),
    /// Its tenant is not served.
    NotServed(&'a Status),
}
