//! The core stays pure: no runtime, no network, no cluster, no database in what it is built from.

use std::process::Command;

/// The crates that `mintage-core` is built from.
fn crates() -> Vec<String> {
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
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: Vec<String> = tree
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect();
    for known in ["mintage-core", "aws-lc-rs"] {
        assert!(crates.iter().any(|name| name == known), "{tree}");
    }
    crates
}

fn assert_without(banned: &[&str]) {
    let crates = crates();
    for banned in banned {
        let found = crates.iter().any(|name| name == banned);
        assert!(!found, "{banned} is below mintage-core: {crates:?}");
    }
}

#[test]
fn the_crate_depends_on_nothing_that_does_io() {
    assert_without(&[
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
    ]);
}

/// Attack 15: what reads tokens can neither decompress nor derive a key from a password.
#[test]
fn attack_15_nothing_to_unpack_with() {
    assert_without(&[
        "brotli",
        "bzip2",
        "deflate",
        "flate2",
        "inflate",
        "libdeflater",
        "libz-sys",
        "lz4",
        "lz4_flex",
        "miniz_oxide",
        "snap",
        "zlib-rs",
        "zopfli",
        "zstd",
        "argon2",
        "bcrypt",
        "pbkdf2",
        "scrypt",
    ]);
}
