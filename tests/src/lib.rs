//! What the tests across crates share: `mintage dev` as a process, client libraries as processes, a Kubernetes API,
//! a node to go with it, and a cluster of both.

pub mod bare;
pub mod browser;
pub mod client;
pub mod cluster;
pub mod dev;
pub mod dice;
pub mod disk;
pub mod endpoint;
pub mod feed;
pub mod managed;
pub mod memory;
pub mod mintage;
pub mod node;
pub mod operator;
pub mod people;
pub mod permissions;
pub mod pod;
pub mod release;
pub mod skip;
pub mod stage;
pub mod visitor;
pub mod volume;
pub mod webapp;

/// The quickstart's workloads as apps that call each other.
pub fn calls() -> std::path::PathBuf {
    workspace().join("examples/calls")
}

/// The manifests of the README.
pub fn quickstart() -> std::path::PathBuf {
    workspace().join("examples/quickstart")
}

/// The top of the workspace that cargo runs this for, which need not be where it was built: two checkouts may build into
/// one folder.
pub fn workspace() -> std::path::PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    std::path::PathBuf::from(package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
        .join("..")
}

/// A path as a word of a command line.
fn text(path: &std::path::Path) -> anyhow::Result<String> {
    use anyhow::Context as _;
    let text = path.to_str();
    Ok(text
        .with_context(|| format!("{} is not UTF-8", path.display()))?
        .to_owned())
}
