//! What the tests across crates share: `mintage dev` as a process, and client libraries as processes.

pub mod client;
pub mod dev;
pub mod disk;
pub mod mintage;
pub mod skip;

/// The manifests of the README.
pub fn quickstart() -> std::path::PathBuf {
    workspace().join("examples/quickstart")
}

/// The top of the workspace.
pub fn workspace() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
