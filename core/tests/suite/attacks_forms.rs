//! Attacks 14, 16 and 17: texts that two readers read differently, that are expensive to read, or that are cut off.

use mintage_core::jose::InvalidCompact;
use mintage_core::verify::Rejection;

use super::attacks_tokens::refused;
use crate::support::attacks;

#[test]
fn attack_14_members_named_twice() {
    refused(attacks::attack_14_twice());
}

#[test]
fn attack_14_json_serialisation_and_polyglots() {
    refused(attacks::attack_14_serialisations());
}

#[test]
fn attack_14_base64_that_is_not_canonical() {
    refused(attacks::attack_14_base64());
}

#[test]
fn attack_16_many_dots_and_huge_tokens() {
    refused(attacks::attack_16_huge());
    let empty = attacks::orders().verdict("");
    let cause = InvalidCompact::Segments;
    assert_eq!(empty, Err(Rejection::Malformed(cause)));
}

#[test]
fn attack_17_tokens_cut_off_anywhere() {
    refused(attacks::attack_17_truncated());
}

#[test]
fn attack_17_opaque_tokens() {
    refused(attacks::attack_17_opaque());
}
