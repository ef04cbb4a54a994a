//! What is measured of an issuer, whichever it is.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::Alg;
use serde_json::Value;

use super::super::cores::Cores;
use super::super::family::Memory;
use super::super::http::{access_token, one_token};
use super::super::limits::Bare;
use super::super::load::{Latency, flat_out_on, latency_at};
use super::super::rows::{Effort, Middle, Round};

/// The loads of which the best counts: requests under way at once.
const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// How many loads long it is warmed up: a just-in-time compiler needs some time.
const WARM_UP: u32 = 5;

/// A running issuer.
pub struct Subject {
    /// Its process.
    pub process: u32,
    /// Where tokens are.
    pub address: SocketAddr,
    /// A request for one.
    pub request: Vec<u8>,
    /// From the start of the process to the first answer.
    pub start_to_ready: Duration,
}

/// What came out.
pub struct Figures {
    /// Tokens a second beside bare signing.
    pub rate: Middle,
    /// Requests under way at once.
    pub connections: usize,
    /// At half of the rate that one request after the other reaches.
    pub latency: Latency,
    /// After the first token.
    pub idle: Memory,
    /// After all load.
    pub loaded: Memory,
    /// From the start of the process to the first answer.
    pub start_to_ready: Duration,
    /// Answers of the rounds, and how many different tokens were in them.
    pub distinct: (usize, usize),
}

impl Subject {
    /// Measures everything, in about half a minute.
    pub fn measure(&self, cores: Cores, effort: Effort) -> Result<Figures> {
        check(&one_token(&self.address.into(), &self.request)?)?;
        let idle = Memory::of(self.process)?;
        self.load(8, effort.load * WARM_UP, |_| Ok(()))?;
        let mut rates = Vec::new();
        for connections in CONNECTIONS {
            rates.push((
                self.load(connections, effort.load, |_| Ok(()))?,
                connections,
            ));
        }
        let (alone, _) = rates[0];
        rates.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (_, connections) = rates[0];

        let bare = Bare::new(Alg::RS256)?;
        let hasher = RandomState::new();
        let (mut answers, mut distinct) = (0, HashSet::new());
        let rate = Middle::of(effort.rounds, |_| {
            let limit = cores.at_server(|| bare.signing(effort.bare))?;
            let measured = self.load(connections, effort.load, |body| {
                answers += 1;
                distinct.insert(hasher.hash_one(access_token(body)?));
                Ok(())
            })?;
            Ok(Round { measured, limit })
        })?;
        let latency = latency_at(self.address, &self.request, alone / 2.0, effort.load)?;
        Ok(Figures {
            rate,
            connections,
            latency,
            idle,
            loaded: Memory::of(self.process)?,
            start_to_ready: self.start_to_ready,
            distinct: (answers, distinct.len()),
        })
    }

    fn load(
        &self,
        connections: usize,
        time: Duration,
        look: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<f64> {
        flat_out_on(connections, self.address, &self.request, time, look)
    }
}

/// All must do the same work: an RS256 signature by a key of 2048 bits, over claims with an end.
pub fn check(token: &str) -> Result<()> {
    let parts: Vec<Vec<u8>> = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part))
        .collect::<Result<_, _>>()
        .context("the token is no JWT")?;
    let [header, claims, signature] = parts.as_slice() else {
        anyhow::bail!("the token is no JWT");
    };
    let header: Value = serde_json::from_slice(header)?;
    let claims: Value = serde_json::from_slice(claims)?;
    ensure!(header["alg"] == "RS256", "its tokens are {}", header["alg"]);
    ensure!(
        signature.len() == 256,
        "its key has {} bits",
        signature.len() * 8
    );
    ensure!(claims["exp"].is_u64(), "its tokens have no end");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_kind_of_token_is_compared() {
        let token = |header: &str, claims: &str, signature: usize| {
            let parts = [header.as_bytes(), claims.as_bytes(), &vec![0; signature]];
            parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
        };
        let (header, claims) = (r#"{"alg":"RS256"}"#, r#"{"exp":1}"#);
        check(&token(header, claims, 256)).unwrap();
        for (other, why) in [
            (token(r#"{"alg":"ES256"}"#, claims, 256), "ES256"),
            (token(header, claims, 512), "4096 bits"),
            (token(header, "{}", 256), "no end"),
            ("opaque".to_owned(), "no JWT"),
        ] {
            let error = check(&other).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
