//! Mintage's resources as Kubernetes knows them: the typed kinds of `mintage.dev/v1alpha1`, their definitions as
//! YAML, a validator that gives the API server's verdict without one, and a loader of manifest folders.
//!
//! ```text
//!  Tenant, ApiAudience, Application, … ──definitions()──► generated/*.yaml ──► API server
//!            ▲                              │
//!            │ typed                        ▼ schema, defaults, CEL
//!  folder ─► documents with positions ─► Validator ─► Manifests | every problem with file, line, field and mend
//! ```

pub mod application;
pub mod audience;
pub mod domain;
pub mod duration;
mod field;
pub mod generated;
pub mod login;
pub mod manifest;
pub mod observe;
pub mod permissions;
pub mod reference;
pub mod schema;
pub mod selector;
pub mod status;
pub mod tenant;
pub mod uid;

pub use application::{Application, ApplicationSpec};
pub use audience::{ApiAudience, ApiAudienceSpec};
pub use domain::{CustomDomain, CustomDomainSpec};
pub use duration::GoDuration;
pub use generated::{chart_templates, definitions, generated};
pub use manifest::{LoadError, Located, Manifests, load};
pub use schema::{FieldError, Validator};
pub use tenant::{Tenant, TenantSpec};

/// The API group of every kind here.
pub const GROUP: &str = "mintage.dev";

/// The one version of the group that is served and stored.
pub const VERSION: &str = "v1alpha1";
