//! The limits: aws-lc with a key parsed once, and none of our code around it.

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as bare, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaKeyPair,
};
use criterion::Criterion;
use mintage_core::Alg;

/// A message of a token's size.
const MESSAGE: [u8; 420] = [b'a'; 420];

/// A benchmark of each algorithm, signing and verifying.
pub fn limits(criterion: &mut Criterion) {
    let random = SystemRandom::new();
    for (alg, encoding, parameters) in [
        (
            Alg::RS256,
            &bare::RSA_PKCS1_SHA256,
            &bare::RSA_PKCS1_2048_8192_SHA256,
        ),
        (
            Alg::RS384,
            &bare::RSA_PKCS1_SHA384,
            &bare::RSA_PKCS1_2048_8192_SHA384,
        ),
        (
            Alg::RS512,
            &bare::RSA_PKCS1_SHA512,
            &bare::RSA_PKCS1_2048_8192_SHA512,
        ),
        (
            Alg::PS256,
            &bare::RSA_PSS_SHA256,
            &bare::RSA_PSS_2048_8192_SHA256,
        ),
    ] {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let public = ParsedPublicKey::new(parameters, pair.public_key()).expect("a key");
        let mut signature = vec![0; pair.public_modulus_len()];
        let mut sign = |message: &[u8]| pair.sign(encoding, &random, message, &mut signature);
        limit(criterion, alg, "sign", || sign(black_box(&MESSAGE)).is_ok());
        limit(criterion, alg, "verify", || {
            public.verify_sig(black_box(&MESSAGE), &signature).is_ok()
        });
    }
    let pair = EcdsaKeyPair::generate(&bare::ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let public = ParsedPublicKey::new(&bare::ECDSA_P256_SHA256_FIXED, pair.public_key());
    let sign = || pair.sign(&random, black_box(&MESSAGE));
    both(criterion, Alg::ES256, sign, &public.expect("a key"));
    let pair = Ed25519KeyPair::generate().expect("a key");
    let public = ParsedPublicKey::new(&bare::ED25519, pair.public_key());
    let sign = || pair.try_sign(black_box(&MESSAGE));
    both(criterion, Alg::EdDSA, sign, &public.expect("a key"));
}

fn both(
    criterion: &mut Criterion,
    alg: Alg,
    sign: impl Fn() -> Result<bare::Signature, aws_lc_rs::error::Unspecified>,
    public: &ParsedPublicKey,
) {
    let signature = sign().expect("a signature");
    limit(criterion, alg, "sign", || sign().is_ok());
    limit(criterion, alg, "verify", || {
        let message = black_box(&MESSAGE);
        public.verify_sig(message, signature.as_ref()).is_ok()
    });
}

fn limit(criterion: &mut Criterion, alg: Alg, what: &str, mut operation: impl FnMut() -> bool) {
    criterion.bench_function(&format!("limit: {what} {alg}"), |bencher| {
        bencher.iter(|| assert!(operation(), "a bare operation failed"));
    });
}
