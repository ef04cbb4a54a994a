//! When there is nothing to plan.

use std::sync::Arc;

use mintage_core::plan::Status;
use mintage_core::world::World;
use mintage_crds::Tenant;

use crate::snapshot::{Objects, Snapshot};

/// What a turn was about after which nothing was left to do. Most of what is seen next is what that turn wrote; until
/// it is something else, or the plan is due to change by itself, the same plan would come of it, and only statuses can
/// differ from it.
pub struct Rest {
    world: Arc<World>,
    tenants: Objects<Tenant>,
    /// How each object fares.
    pub statuses: Vec<Status>,
}

impl Rest {
    /// After a turn about this.
    pub fn new(snapshot: &Snapshot, statuses: Vec<Status>) -> Self {
        Self {
            world: Arc::clone(&snapshot.world),
            tenants: Arc::clone(&snapshot.tenants),
            statuses,
        }
    }

    /// Whether it is still about what the watches show. Tenants count as they are: they have a finalizer, too.
    pub fn covers(&self, snapshot: &Snapshot) -> bool {
        Arc::ptr_eq(&self.world, &snapshot.world) && Arc::ptr_eq(&self.tenants, &snapshot.tenants)
    }
}
