//! Bundles on their way: cut, mixed, damaged, shrunk (fault F13).

use mintage_core::Scope;
use mintage_core::bundle::{
    Body, Bundle, InvalidBundle, MAX_PART, MAX_SHARDS, join, split, version,
};

use super::secrets::secret_pieces;
use crate::support::{ACME, Cluster, name};

fn small() -> Bundle {
    Cluster::standard().bundle(ACME, "orders").clone()
}

/// A bundle of about `kib` KiB: an API with very many scopes.
fn large(kib: usize) -> Bundle {
    let mut bundle = small();
    let scope = |number: usize| name::<Scope>(&format!("{number:0120}"));
    bundle.body.accept[0].scopes = (0..kib * 1024 / 123).map(scope).collect();
    bundle
}

fn joined(shards: &[Vec<u8>]) -> Result<Bundle, InvalidBundle> {
    let shards: Vec<_> = shards.iter().map(|shard| Some(shard.as_slice())).collect();
    join(&shards)
}

#[test]
fn every_bundle_of_the_cluster_comes_back_as_it_was() {
    for bundle in Cluster::standard().bundles.values() {
        let shards = split(bundle).unwrap();
        assert_eq!(shards.len(), 1);
        assert_eq!(joined(&shards).as_ref(), Ok(bundle));
    }
}

#[test]
fn a_large_bundle_comes_back_from_its_shards() {
    for (kib, count) in [(1000, 2), (3000, 4), (7000, 8)] {
        let bundle = large(kib);
        let shards = split(&bundle).unwrap();
        assert_eq!(shards.len(), count);
        assert!(shards.iter().all(|shard| shard.len() < MAX_PART + 1024));
        assert_eq!(joined(&shards), Ok(bundle));
    }
    let refused = split(&large(8000)).unwrap_err();
    assert!(refused.size > MAX_SHARDS * MAX_PART);
    assert!(refused.to_string().contains("spread the APIs"), "{refused}");
}

#[test]
fn shards_of_two_bundles() {
    let old = split(&large(3000)).unwrap();
    let mut changed = large(3000);
    changed.version += 1;
    let new = split(&changed).unwrap();
    for first in 1..4 {
        let update_under_way = [&new[..first], &old[first..]].concat();
        assert_eq!(joined(&update_under_way), Err(InvalidBundle::Mixed));
        let the_other_way = [&old[..first], &new[first..]].concat();
        assert_eq!(joined(&the_other_way), Err(InvalidBundle::Mixed));
    }
    let mut swapped = old.clone();
    swapped.swap(1, 2);
    assert_eq!(joined(&swapped), Err(InvalidBundle::Mixed));
}

#[test]
fn a_shard_is_missing() {
    let shards = split(&large(3000)).unwrap();
    for missing in 0..4 {
        let with_gap: Vec<_> = shards
            .iter()
            .enumerate()
            .map(|(index, shard)| (index != missing).then_some(shard.as_slice()))
            .collect();
        assert_eq!(
            join::<Body>(&with_gap),
            Err(InvalidBundle::Missing(missing))
        );
    }
    assert_eq!(join::<Body>(&[]), Err(InvalidBundle::Missing(0)));
    assert_eq!(joined(&shards[..3]), Err(InvalidBundle::Missing(3)));
}

#[test]
fn a_shard_is_cut_off_anywhere() {
    let shard = split(&small()).unwrap().remove(0);
    for length in 0..shard.len() {
        assert!(
            joined(&[shard[..length].to_vec()]).is_err(),
            "{length} bytes"
        );
    }
    let large = split(&large(1000)).unwrap();
    for length in (0..large[1].len()).step_by(9973) {
        let cut = [large[0].clone(), large[1][..length].to_vec()];
        assert!(joined(&cut).is_err(), "{length} bytes");
    }
}

#[test]
fn a_byte_is_flipped_anywhere() {
    let shard = split(&small()).unwrap().remove(0);
    for place in 0..shard.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut damaged = shard.clone();
            damaged[place] ^= bit;
            assert!(joined(&[damaged]).is_err(), "byte {place}");
        }
    }
}

#[test]
fn a_bundle_that_shrank_leaves_old_shards_behind() {
    let mut shards = split(&small()).unwrap();
    shards.extend(split(&large(3000)).unwrap().into_iter().skip(1));
    assert_eq!(joined(&shards), Ok(small()));
}

#[test]
fn manifests_that_lie() {
    let shard = split(&small()).unwrap().remove(0);
    let text = String::from_utf8(shard).unwrap();
    let (manifest, part) = text.split_once('\n').unwrap();
    let version = format!(r#""version":{}"#, small().version);
    let swap = |from: &str, to: &str| {
        let changed = manifest.replace(from, to);
        assert_ne!(changed, manifest, "{from}");
        joined(&[format!("{changed}\n{part}").into_bytes()])
    };
    assert_eq!(swap(&version, r#""version":1"#), Err(InvalidBundle::Mixed));
    assert_eq!(
        swap("bundle/v1", "bundle/v2"),
        Err(InvalidBundle::Format {
            index: 0,
            expected: "mintage.dev/bundle/v1"
        })
    );
    assert_eq!(
        swap(r#""shards":1"#, r#""shards":0"#),
        Err(InvalidBundle::Manifest(0))
    );
    assert_eq!(
        swap(r#""shards":1"#, r#""shards":9"#),
        Err(InvalidBundle::Manifest(0))
    );
    assert_eq!(
        swap(r#""shards":1"#, r#""shards":2"#),
        Err(InvalidBundle::Missing(1))
    );
    assert_eq!(
        swap(r#""index":0"#, r#""index":1"#),
        Err(InvalidBundle::Manifest(0))
    );
    assert_eq!(
        swap(r#""index":0"#, r#""more":1,"index":0"#),
        Err(InvalidBundle::Manifest(0))
    );
    assert_eq!(joined(&[b"{}\n".to_vec()]), Err(InvalidBundle::Manifest(0)));
    assert_eq!(
        joined(&[manifest.as_bytes().to_vec()]),
        Err(InvalidBundle::Manifest(0))
    );
}

/// A shard with this content, whatever it is; the hash fits.
fn shard_of(whole: &str) -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, whole.as_bytes());
    let sha256 = digest
        .as_ref()
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let manifest = serde_json::json!({
        "format": "mintage.dev/bundle/v1", "version": 1, "index": 0, "shards": 1, "sha256": sha256,
    });
    format!("{manifest}\n{whole}").into_bytes()
}

#[test]
fn content_of_another_version_is_named_as_such() {
    let text = serde_json::to_string(&small()).unwrap();
    let refused = joined(&[shard_of(&text.replacen("renewedAt", "madeAt", 1))]).unwrap_err();
    assert!(matches!(refused, InvalidBundle::Content(_)), "{refused}");
}

#[test]
fn a_reader_passes_over_what_a_newer_operator_adds() {
    let mut known = small();
    known.version = 1;
    let text = serde_json::to_string(&known).unwrap();
    for place in ["{", "\"body\":{"] {
        let more = text.replacen(place, &format!("{place}\"later\":1,"), 1);
        assert_ne!(more, text);
        assert_eq!(joined(&[shard_of(&more)]), Ok(known.clone()));
    }
}

#[test]
fn a_first_shard_tells_the_version() {
    let shards = split(&small()).unwrap();
    assert_eq!(version(&shards[0]), Ok(small().version));
    assert_eq!(version(b"no manifest"), Err(InvalidBundle::Manifest(0)));
}

#[test]
fn a_bundle_holds_no_private_key() {
    let cluster = Cluster::standard();
    for bundle in cluster.bundles.values() {
        let text = serde_json::to_string(bundle).unwrap();
        for (_, alg, pkcs8) in cluster.private.values() {
            for piece in secret_pieces(*alg, pkcs8) {
                assert!(!text.contains(&piece), "{piece}");
            }
        }
        for member in [r#""d":"#, r#""p":"#, r#""k":"#, "pkcs8"] {
            assert!(!text.contains(member), "{member}");
        }
    }
}
