//! The files that a sidecar reads: shards, the bundle in them, keyrings.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use mintage_core::bundle::{Bundle, InvalidBundle, KeyringFile, join, split};
use mintage_core::keyring::Owner;
use mintage_fuzz::edited;
use mintage_sidecar::files::{Files, KEYRING, bundle_name};
use mintage_sidecar::state::{Identity, Loaded};
use serde_json::Value;

use crate::cluster::{ACME, Cluster, NOW, ORDERS, name};

const WORDS: &[&str] = &[
    "\n",
    " ",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0061",
    "null",
    "true",
    "0",
    "-1",
    "1e3",
    "8",
    "9",
    "18446744073709551615",
    "9223372036854775807",
    "\"version\":2,",
    "\"shards\":2,",
    "\"index\":1,",
    "\"sha256\":\"\",",
    "\"body\":{},",
    "\"keys\":[],",
    "\"namespace\":\"shop\",",
    "\"tenant\":\"identity/acme\",",
    "mintage.dev/bundle/v1",
    "mintage.dev/keyring/v1",
    "RS256",
    "ES256",
    "activateAt",
    "revoked",
    "https://orders.test",
    "AAAA",
    "\u{0}",
    "\u{fffd}",
];

/// What one sidecar has: its bundle, that bundle's only shard, and its keyring file.
struct Mounted {
    bundle: Bundle,
    shard: Vec<u8>,
    keyring: Vec<u8>,
    identity: Identity,
    token: String,
}

static MOUNTED: LazyLock<Mounted> = LazyLock::new(|| {
    let cluster = Cluster::standard();
    let bundle = cluster.bundle(ACME, "shop").clone();
    let owner = Owner::namespace(name(ACME), name("shop"));
    Mounted {
        shard: split(&bundle).unwrap().remove(0),
        bundle,
        keyring: cluster.keyring_file(&owner).to_bytes().to_vec(),
        identity: Identity {
            workload: name("shop/checkout"),
            accept: Vec::new(),
            domain: None,
        },
        token: cluster.token(ACME, "shop/checkout", ORDERS),
    }
});

pub fn check(input: &[u8]) {
    let mounted = &*MOUNTED;
    assert!(joined(input).is_err(), "nobody hit upon a hash");
    keyring(input);

    // A shard that was changed on its way is not taken, unless it says the same in other white space.
    if let Ok(bundle) = joined(&edited(&mounted.shard, input, WORDS)) {
        assert_eq!(bundle, mounted.bundle);
    }
    // Content that a faulty writer made, with the hash that belongs to it.
    let whole = serde_json::to_vec(&mounted.bundle).unwrap();
    let shard = hashed(&edited(&whole, input, WORDS));
    if let Ok(bundle) = joined(&shard) {
        let again = split(&bundle).unwrap().remove(0);
        assert_eq!(join(&[Some(&again)]), Ok(bundle), "as it was written");
    }
    loaded(&shard, &mounted.keyring);

    let changed = edited(&mounted.keyring, input, WORDS);
    keyring(&changed);
    loaded(&mounted.shard, &changed);
}

fn joined(shard: &[u8]) -> Result<Bundle, InvalidBundle> {
    let verdict = join(&[Some(shard)]);
    assert_eq!(verdict, join(&[Some(shard)]), "the same verdict twice");
    verdict
}

/// One shard around any content: the manifest line of the good shard with the content's own hash.
fn hashed(content: &[u8]) -> Vec<u8> {
    let good = &MOUNTED.shard;
    let end = good.iter().position(|byte| *byte == b'\n').unwrap();
    let mut manifest: Value = serde_json::from_slice(&good[..end]).unwrap();
    let hash = digest(&SHA256, content);
    let digits = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
    manifest["sha256"] = digits.collect::<String>().into();
    let mut shard = manifest.to_string().into_bytes();
    shard.push(b'\n');
    shard.extend_from_slice(content);
    shard
}

fn keyring(bytes: &[u8]) {
    let Ok(file) = KeyringFile::parse(bytes) else {
        assert!(KeyringFile::parse(bytes).is_err());
        return;
    };
    let again = KeyringFile::parse(&file.to_bytes()).unwrap();
    assert_eq!(again, file, "as it was written");
    for entry in &file.keys {
        // A key signs under its own thumbprint and algorithm, or not at all.
        if let Ok(key) = entry.open() {
            assert_eq!((key.kid(), key.alg()), (&entry.kid, entry.alg));
            assert_eq!(key.jwk().material.thumbprint(), entry.kid);
        }
    }
}

/// Files are loaded whole or not at all, and what was loaded can be asked.
fn loaded(shard: &[u8], keyring: &[u8]) {
    let mounted = &*MOUNTED;
    let mut files = Files::default();
    files.insert(&bundle_name(0), shard.to_vec());
    files.insert(KEYRING, keyring.to_vec());
    let build = || Loaded::build(NOW, &files, &mounted.identity, None);
    let Ok(loaded) = build() else {
        assert!(build().is_err(), "the same verdict twice");
        return;
    };
    assert_eq!(loaded.bundle.body.namespace.as_str(), "shop");
    let _ = loaded.authenticate(&mounted.token, NOW);
    let _ = loaded.age(NOW);
}
