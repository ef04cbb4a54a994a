//! What the shipped programs are built from, and what must not be among it.

use std::collections::BTreeSet;
use std::process::Command;

use mintage_tests::workspace;

/// The crates of the shipped programs, as built for this machine.
fn shipped() -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args(["tree", "--package=mintage", "--package=mintage-sidecar"])
        .args(["--edges=normal", "--prefix=none"])
        .args(["--offline", "--locked"])
        .current_dir(workspace())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{errors}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split_once(' '));
    let names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
    for known in [
        "mintage",
        "mintage-core",
        "mintage-crds",
        "mintage-sidecar",
        "aws-lc-rs",
    ] {
        assert!(names.contains(known), "{known} is missing: {names:?}");
    }
    names
}

/// Attack 15: with nothing to decompress or derive keys with, no token and no body can make a program do it. (argon2 is
/// there for the passwords of users: it hashes what a form brings, with costs that the admin's Secret says and `Users` bounds.)
#[test]
fn attack_15_nothing_to_unpack_with() {
    let shipped = shipped();
    for banned in [
        "async-compression",
        "bcrypt",
        "brotli",
        "brotli-decompressor",
        "bzip2",
        "deflate",
        "flate2",
        "inflate",
        "libdeflater",
        "libz-sys",
        "lz4",
        "lz4_flex",
        "miniz_oxide",
        "pbkdf2",
        "scrypt",
        "snap",
        "zip",
        "zlib-rs",
        "zopfli",
        "zstd",
    ] {
        assert!(!shipped.contains(banned), "{banned} is linked in");
    }
}

/// Attack 18: the `rsa` crate leaks private keys by timing (RUSTSEC-2023-0071). It is in nothing that is built here, and
/// `cargo deny` keeps it out.
#[test]
fn attack_18_no_rsa_crate() {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"aws-lc-rs\"\n"));
    assert!(!lock.contains("name = \"rsa\"\n"), "rsa is in Cargo.lock");
    let deny = std::fs::read_to_string(workspace().join("deny.toml")).unwrap();
    let bans = deny.split_once("[bans]").unwrap().1;
    assert!(bans.contains("{ crate = \"rsa\", reason = "), "{bans}");
}
