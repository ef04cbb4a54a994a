//! RSA keys that can be factored from their public part (CVE-2017-15361, "ROCA"). Ours never are, but a key that an
//! admin brings may have been made by a smart card or TPM that is affected.

/// The primes below 168 for which the powers of 65537 are not all residues. The primes of an affected key are powers of
/// 65537 modulo each of them, and so is their product.
const PRIMES: [u32; 17] = [
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
];

/// Whether a modulus, big-endian, has the form of an affected key. A sound one has it with a chance below 2⁻²⁷.
pub(super) fn is_affected(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let residue = modulus
            .iter()
            .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        is_power(residue, *prime)
    })
}

fn is_power(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == residue {
            return true;
        }
        power = power * 65_537 % prime;
        if power == 1 {
            return false;
        }
    }
}
