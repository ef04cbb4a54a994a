//! The core stays pure: no runtime, no network, no cluster, no database in what it is built from.

use std::process::Command;

#[test]
fn the_crate_depends_on_nothing_that_does_io() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--package=mintage-core",
            "--edges=normal",
            "--prefix=none",
            "--offline",
            "--locked",
        ])
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        crates.contains(&"mintage-core") && crates.contains(&"aws-lc-rs"),
        "{tree}"
    );
    for banned in [
        "async-std",
        "axum",
        "hyper",
        "kube",
        "kube-client",
        "mio",
        "notify",
        "reqwest",
        "rustls",
        "smol",
        "socket2",
        "sqlx",
        "sqlx-core",
        "tokio",
        "tower",
        "tracing",
    ] {
        assert!(
            !crates.contains(&banned),
            "{banned} is below mintage-core:\n{tree}"
        );
    }
}
