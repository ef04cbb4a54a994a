//! What the machine can do at best: aws-lc with a key parsed once. None of our own code is in it, or a fault of ours
//! would lower the limit, too, and the ratio would hide it.

use std::fs::File;
use std::hint::black_box;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaEncoding, RsaKeyPair, RsaParameters,
};
use mintage_core::Alg;

/// A bare key and a message of a token's size.
pub struct Bare {
    pair: Pair,
    public: ParsedPublicKey,
    random: SystemRandom,
    message: [u8; 420],
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Bare {
    /// A new key: RSA of 2048 bits, P-256 or Ed25519.
    pub fn new(alg: Alg) -> Result<Self> {
        let made = match alg {
            Alg::EdDSA => Ed25519KeyPair::generate().and_then(|pair| {
                let public = ParsedPublicKey::new(&ED25519, pair.public_key())?;
                Ok((Pair::Ed(pair), public))
            }),
            Alg::ES256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).and_then(|pair| {
                    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())?;
                    Ok((Pair::Ec(pair), public))
                })
            }
            Alg::PS256 => rsa(
                &signature::RSA_PSS_SHA256,
                &signature::RSA_PSS_2048_8192_SHA256,
            ),
            Alg::RS256 => rsa(
                &signature::RSA_PKCS1_SHA256,
                &signature::RSA_PKCS1_2048_8192_SHA256,
            ),
            Alg::RS384 => rsa(
                &signature::RSA_PKCS1_SHA384,
                &signature::RSA_PKCS1_2048_8192_SHA384,
            ),
            Alg::RS512 => rsa(
                &signature::RSA_PKCS1_SHA512,
                &signature::RSA_PKCS1_2048_8192_SHA512,
            ),
        };
        let (pair, public) = made.map_err(|_| anyhow!("aws-lc makes no {alg} key"))?;
        Ok(Self {
            pair,
            public,
            random: SystemRandom::new(),
            message: [b'a'; 420],
        })
    }

    /// Signatures a second.
    pub fn signing(&self, time: Duration) -> Result<f64> {
        let mut into = [0; 256];
        rate(time, || self.sign(&mut into).is_some())
    }

    /// Verifications a second.
    pub fn verifying(&self, time: Duration) -> Result<f64> {
        let mut into = [0; 256];
        let length = self.sign(&mut into).ok_or_else(failed)?;
        rate(time, || {
            let message = black_box(&self.message);
            self.public.verify_sig(message, &into[..length]).is_ok()
        })
    }

    /// The signature's length.
    fn sign(&self, into: &mut [u8; 256]) -> Option<usize> {
        let message = black_box(&self.message);
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&self.random, message),
            Pair::Ed(pair) => pair.try_sign(message),
            Pair::Rsa(pair, encoding) => {
                let signed = pair.sign(*encoding, &self.random, message, into);
                return signed.is_ok().then_some(into.len());
            }
        };
        let signature = signature.ok()?;
        let signature = signature.as_ref();
        into[..signature.len()].copy_from_slice(signature);
        Some(signature.len())
    }
}

fn rsa(
    encoding: &'static dyn RsaEncoding,
    parameters: &'static RsaParameters,
) -> Result<(Pair, ParsedPublicKey), aws_lc_rs::error::Unspecified> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let public = ParsedPublicKey::new(parameters, pair.public_key())?;
    Ok((Pair::Rsa(pair, encoding), public))
}

fn failed() -> anyhow::Error {
    anyhow!("a bare operation failed")
}

fn rate(time: Duration, mut operation: impl FnMut() -> bool) -> Result<f64> {
    let start = now();
    let mut count = 0;
    while start.elapsed() < time {
        for _ in 0..16 {
            if !operation() {
                return Err(failed());
            }
        }
        count += 16;
    }
    Ok(per_second(count, start.elapsed()))
}

/// The page of a file, and how many of them a log of SQLite has before it begins anew.
const PAGE: [u8; 4096] = [b'a'; 4096];
const PAGES: usize = 1000;

/// How often a second the disk of a folder has a page for good, one after the other. They are written over, as SQLite does with
/// its log: a file that grows would have its length written, too.
pub fn syncing(dir: &Path, time: Duration) -> Result<f64> {
    let path = dir.join("syncing");
    let mut file = File::create(&path)?;
    for _ in 0..PAGES {
        file.write_all(&PAGE)?;
    }
    file.sync_all()?;
    let start = now();
    let mut count = 0;
    while start.elapsed() < time {
        if count % PAGES == 0 {
            file.rewind()?;
        }
        file.write_all(&PAGE)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = per_second(count, start.elapsed());
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// How often something happened in a second.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted in seconds is far below 2^52"
)]
pub fn per_second(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// The clock of measurements.
#[expect(
    clippy::disallowed_methods,
    reason = "measuring is what a bench is for; nothing is decided by it"
)]
pub fn now() -> Instant {
    Instant::now()
}
