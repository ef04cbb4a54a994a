//! Attacks 1–5, 7, 10, 11 and 15: what a token's header and signature can try.

use std::collections::BTreeMap;

use mintage_core::verify::Rejection;

use crate::support::attacks::{self, Attempt};
use crate::support::{Cluster, Good};

/// Each is refused for its own reason; the token that it was made from is accepted, which `good` asserts.
pub(crate) fn refused(attempts: Vec<Attempt>) {
    assert!(!attempts.is_empty());
    let mut judges: BTreeMap<&str, Good> = BTreeMap::new();
    for attempt in attempts {
        let judge = judges.entry(attempt.audience);
        let judge = judge.or_insert_with(|| Cluster::standard().good(attempt.audience));
        let verdict = judge.verdict(&attempt.token);
        assert_eq!(verdict, Err(attempt.refused), "{}", attempt.what);
    }
}

#[test]
fn attack_01_alg_none_in_every_case() {
    refused(attacks::attack_01_none());
}

#[test]
fn attack_01_empty_signature() {
    refused(attacks::attack_01_empty_signature());
}

#[test]
fn attack_02_public_key_as_hmac_secret() {
    refused(attacks::attack_02_hmac());
}

#[test]
fn attack_02_alg_of_another_key_family() {
    refused(attacks::attack_02_family());
}

#[test]
fn attack_03_unsigned_token_inside_an_encrypted_one() {
    refused(attacks::attack_03_wrapped());
}

#[test]
fn attack_04_key_inside_the_token() {
    refused(attacks::attack_04_embedded());
}

#[test]
fn attack_05_kid_of_every_kind() {
    refused(attacks::attack_05_kids());
}

#[test]
fn attack_07_places_to_fetch_a_key_from() {
    refused(attacks::attack_07_fetches());
}

#[test]
fn attack_10_ecdsa_signature_of_zeros() {
    refused(attacks::attack_10_zeros());
}

#[test]
fn attack_10_signature_in_another_form() {
    refused(attacks::attack_10_forms());
}

#[test]
fn attack_11_header_parameters_that_change_the_meaning() {
    refused(attacks::attack_11_extensions());
}

/// The cost of a bomb lies in unpacking it, so the test is that nothing is unpacked: an encrypted token ends at the
/// count of its segments, whatever is in its header, and of a signed one the payload is not even decoded. That no
/// decompression or key derivation is linked in is a test of its own, `attack_15_nothing_to_unpack_with`.
#[test]
fn attack_15_bombs_are_not_unpacked() {
    refused(attacks::attack_15_bombs());
    let good = attacks::orders();
    for header in ["", "%", "a\u{0}", &"A".repeat(2000)] {
        let token = format!("{header}.A.A.A.A");
        let cause = mintage_core::jose::InvalidCompact::Segments;
        assert_eq!(good.verdict(&token), Err(Rejection::Malformed(cause)));
    }
}
