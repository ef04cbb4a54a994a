//! Manifests, and folders of them, for the tests of the loader.

#![expect(
    clippy::unwrap_used,
    reason = "a folder that can't be made fails its test"
)]

use std::{fs, path::Path};

use mintage_crds::load;

pub const TENANT: &str = "\
apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata:
  name: acme
  namespace: identity
spec:
  domain: acme.localhost:7743
";

pub const AUDIENCE: &str = "\
apiVersion: mintage.dev/v1alpha1
kind: ApiAudience
metadata:
  name: orders
  namespace: orders
spec:
  tenantRef:
    name: acme
    namespace: identity
  identifier: https://orders.example.com
";

pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Errors of a folder, with the folder's own path taken out.
pub fn folder_errors(path: &Path) -> Vec<String> {
    let root = format!("{}/", path.display());
    load(path)
        .unwrap_err()
        .iter()
        .map(|error| error.to_string().replace(&root, ""))
        .collect()
}
