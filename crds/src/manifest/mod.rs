//! A folder of manifests, read as `kubectl apply -R -f` reads it, without a cluster.
//!
//! ```text
//!  files ─► YAML documents with positions ─► objects (lists unfolded) ─► judged and typed ─► Manifests
//! ```
//!
//! Every problem of the whole folder is found in one go and names file, line, field and mend.

mod error;
mod files;
mod kinds;
mod objects;
mod place;
mod scalar;
mod transition;
mod tree;
mod yaml;

use std::path::Path;

use crate::{ApiAudience, Application, CustomDomain, Tenant};

pub use error::{Fault, LoadError};
pub use files::{Text, is_program};
pub use kinds::{Ignored, Namespace, Secret, Workload};
pub use place::{Located, Location, Source};

/// What a folder of manifests declares. Each list is in the order of files and lines.
#[derive(Debug, Default)]
pub struct Manifests {
    /// Tenants, with their defaults.
    pub tenants: Vec<Located<Tenant>>,
    /// Applications, with their defaults.
    pub applications: Vec<Located<Application>>,
    /// APIs, with their defaults.
    pub audiences: Vec<Located<ApiAudience>>,
    /// Custom domains, with their defaults.
    pub domains: Vec<Located<CustomDomain>>,
    /// Namespaces, for their labels and annotations.
    pub namespaces: Vec<Located<Namespace>>,
    /// Secrets, for the users and providers of tenants.
    pub secrets: Vec<Located<Secret>>,
    /// Service accounts, and pods or what makes pods.
    pub workloads: Vec<Located<Workload>>,
    /// Objects of other kinds, which are not read.
    pub ignored: Vec<Located<Ignored>>,
}

/// Reads the file, or all `.yaml`, `.yml` and `.json` files of the folder, at `path`. Folders below that are a program's
/// ([`is_program`]) are left out.
///
/// # Errors
/// Every problem, by file and line, if there is any.
pub fn load(path: &Path) -> Result<Manifests, Vec<LoadError>> {
    let (texts, errors) = files::read(path);
    finish(&texts, errors)
}

/// Reads manifests that are in memory.
///
/// # Errors
/// Every problem, by file and line, if there is any.
pub fn parse(texts: &[Text]) -> Result<Manifests, Vec<LoadError>> {
    finish(texts, Vec::new())
}

fn finish(texts: &[Text], mut errors: Vec<LoadError>) -> Result<Manifests, Vec<LoadError>> {
    let mut objects = objects::Collector::default();
    for text in texts {
        for document in yaml::read(text, &mut errors) {
            objects.add(document, &mut errors);
        }
    }
    if errors.is_empty() {
        return Ok(objects.manifests);
    }
    errors.sort_by(|a, b| a.at.cmp(&b.at));
    Err(errors)
}
