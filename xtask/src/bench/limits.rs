//! What the machine can do at best: aws-lc with a key parsed once, on the core that the server will have.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use mintage_core::Alg;
use mintage_core::jose::{Pkcs8, PrivateKey, PublicKey};

/// How many operations a second.
pub struct Limit {
    pub sign: f64,
    pub verify: f64,
}

/// Measures bare signing and verifying of a token-sized message.
pub fn measure(alg: Alg, time: Duration) -> Result<Limit> {
    let private = PrivateKey::from_pkcs8(alg, &Pkcs8::generate(alg)?)?;
    let public = PublicKey::from_jwk(private.jwk())?;
    let message = [b'a'; 420];
    let signature = private.sign(&message)?;
    let sign = rate(time, || private.sign(black_box(&message)).is_ok());
    let verify = rate(time, || public.verifies(black_box(&message), &signature));
    Ok(Limit { sign, verify })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of seconds, far below 2^52"
)]
fn rate(time: Duration, mut operation: impl FnMut() -> bool) -> f64 {
    let start = now();
    let mut count = 0_u64;
    while start.elapsed() < time {
        for _ in 0..16 {
            assert!(operation(), "a bare operation failed");
        }
        count += 16;
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// The clock of measurements.
#[expect(
    clippy::disallowed_methods,
    reason = "measuring is what a bench is for; nothing is decided by it"
)]
pub fn now() -> Instant {
    Instant::now()
}
