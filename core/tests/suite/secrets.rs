//! Keyring files that are damaged (fault F5), and secrets that must not show.

use mintage_core::bundle::{InvalidKeyringFile, KeyringFile};
use mintage_core::jose::{InvalidPrivateKey, Pkcs8, PrivateKey};
use mintage_core::keyring::Owner;
use mintage_core::mint::Mint;
use mintage_core::{Alg, Kid};
use serde_json::{Value, json};

use crate::support::{ACME, Cluster, name};

fn file() -> KeyringFile {
    let owner = Owner::namespace(name(ACME), name("shop"));
    Cluster::standard().keyring_file(&owner)
}

/// The private part of a stored key as it is written, in pieces: the private exponent and primes of an RSA key, the
/// scalar or seed of the others. The public part lies beside it in PKCS#8, and may be shown.
pub(crate) fn secret_pieces(alg: Alg, pkcs8: &Pkcs8) -> Vec<String> {
    let written = serde_json::to_value(pkcs8).unwrap();
    let written = written.as_str().unwrap();
    let secret = match alg {
        Alg::EdDSA => &written[24..64],
        Alg::ES256 => &written[48..88],
        Alg::PS256 | Alg::RS256 | Alg::RS384 | Alg::RS512 => &written[404..1600],
    };
    let pieces = secret.as_bytes().chunks_exact(10);
    pieces
        .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
        .collect()
}

/// The file as JSON with one change, read again.
fn changed(change: impl FnOnce(&mut Value)) -> Result<KeyringFile, InvalidKeyringFile> {
    let mut value = serde_json::to_value(file()).unwrap();
    change(&mut value);
    KeyringFile::parse(value.to_string().as_bytes())
}

fn mint(file: KeyringFile) -> Result<Mint, InvalidKeyringFile> {
    let body = &Cluster::standard().bundle(ACME, "shop").body;
    Mint::new(body, name("shop/checkout"), None, &[file])
}

#[test]
fn a_keyring_file_comes_back_as_it_was() {
    let file = file();
    assert_eq!(file.keys.len(), 3, "RS256, ES256 and EdDSA");
    let read = KeyringFile::parse(&file.to_bytes()).unwrap();
    assert_eq!(read, file);
    for entry in &read.keys {
        let key = entry.open().unwrap();
        assert_eq!((key.kid(), key.alg()), (&entry.kid, entry.alg));
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere() {
    let bytes = file().to_bytes();
    for length in 0..bytes.len() {
        let refused = KeyringFile::parse(&bytes[..length]).unwrap_err();
        assert!(
            matches!(refused, InvalidKeyringFile::Syntax { .. }),
            "{length}: {refused}"
        );
    }
}

#[test]
fn a_file_of_another_version() {
    let format = changed(|file| file["format"] = json!("mintage.dev/keyring/v2"));
    assert!(matches!(format, Err(InvalidKeyringFile::Format)));
    let member = changed(|file| file["later"] = json!(1));
    assert!(matches!(member, Err(InvalidKeyringFile::Syntax { .. })));
}

#[test]
fn a_key_under_another_name() {
    let other: Kid = file().keys[1].kid.clone();
    let swapped = changed(|file| file["keys"][0]["kid"] = json!(other)).unwrap();
    let refused = mint(swapped).unwrap_err();
    match refused {
        // Where the algorithms differ, too, it cannot be read as what it says.
        InvalidKeyringFile::Mismatch(kid) | InvalidKeyringFile::Key { kid, .. } => {
            assert_eq!(kid, other);
        }
        unexpected => panic!("{unexpected}"),
    }
}

#[test]
fn a_key_of_another_algorithm_than_it_says() {
    for entry in file().keys {
        for alg in Alg::ALL.into_iter().filter(|alg| *alg != entry.alg) {
            let mut entry = entry.clone();
            let both_rsa = entry.alg.is_rsa() && alg.is_rsa();
            entry.alg = alg;
            // An RSA key serves each RSA algorithm; which one is for the bundle to say.
            assert_eq!(entry.open().is_ok(), both_rsa, "{alg}");
        }
    }
}

#[test]
fn a_key_with_damaged_bytes() {
    for index in 0..3 {
        let pkcs8 = serde_json::to_value(&file().keys[index].pkcs8).unwrap();
        let base64 = pkcs8.as_str().unwrap();
        for place in (0..base64.len() - 4).step_by(17) {
            let other = if base64.as_bytes()[place] == b'A' {
                "B"
            } else {
                "A"
            };
            let damaged = format!("{}{other}{}", &base64[..place], &base64[place + 1..]);
            let read = changed(|file| file["keys"][index]["pkcs8"] = json!(damaged)).unwrap();
            let opened = read.keys[index].open();
            // What still is a key is another one, or has the same public part and so signs the same.
            let sound = opened
                .as_ref()
                .is_ok_and(|key| *key.kid() == read.keys[index].kid);
            assert!(opened.is_err() || sound, "character {place}");
        }
    }
    let broken = changed(|file| file["keys"][0]["pkcs8"] = json!("AAAA")).unwrap();
    let refused = broken.keys[0].open().unwrap_err();
    assert!(matches!(
        refused,
        InvalidKeyringFile::Key {
            cause: InvalidPrivateKey::Malformed,
            ..
        }
    ));
}

#[test]
fn a_key_that_the_bundle_does_not_list_is_not_opened() {
    let mut file = file();
    let unknown = Pkcs8::generate(Alg::EdDSA).unwrap();
    let key = PrivateKey::from_pkcs8(Alg::EdDSA, &unknown).unwrap();
    file.keys[0].kid = key.kid().clone();
    file.keys[0].pkcs8 = unknown;
    assert!(mint(file).is_ok(), "validators have not been told of it");
}

#[test]
fn no_debug_text_and_no_error_shows_a_private_key() {
    let file = file();
    let cluster = Cluster::standard();
    let mut texts = vec![
        format!("{file:?}"),
        format!("{file:#?}"),
        format!("{:?}", cluster.mint_with(ACME, "shop/checkout", None, true)),
        format!("{:?}", cluster.verifier(ACME, "orders")),
        format!("{:?}", cluster.bundle(ACME, "shop")),
    ];
    for entry in &file.keys {
        texts.push(format!(
            "{entry:?} {:?} {:?}",
            entry.pkcs8,
            entry.open().unwrap()
        ));
    }
    let bytes = file.to_bytes();
    for length in (0..bytes.len()).step_by(101) {
        let refused = KeyringFile::parse(&bytes[..length]).unwrap_err();
        texts.push(format!("{refused} {refused:?}"));
    }
    let bad = changed(|file| file["keys"][0]["pkcs8"] = json!("MIIE%SECRET%"));
    texts.push(format!("{bad:?}"));
    for entry in &file.keys {
        for piece in secret_pieces(entry.alg, &entry.pkcs8) {
            assert!(texts.iter().all(|text| !text.contains(&piece)), "{piece}");
        }
    }
    assert!(texts.iter().all(|text| !text.contains("SECRET")));
    assert!(
        texts
            .iter()
            .all(|text| !text.contains("48, 130") && !text.contains("30, 82"))
    );
}
