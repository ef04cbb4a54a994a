//! The pods that serve tenants' endpoints: the sidecar's binary in the role `endpoint`, in the tenant's own namespace, where the
//! Secrets lie that it reads.
//!
//! ```text
//!  Tenant, what its endpoint is told ─► objects (pure) ─► what differs from what was applied ─► API server
//! ```

mod apply;
mod keep;
mod kinds;
mod objects;
mod outside;
#[cfg(test)]
mod tests;
mod watch;

pub use keep::{Endpoints, Standing};
pub use kinds::Kind;
pub use objects::{Object, Settings, objects};
pub use watch::{Changes, Seen, start};
