//! The tenant's own private keys at its endpoint.

use crate::bundle::{InvalidKeyringFile, KeyringFile};
use crate::claims::header_segment;
use crate::jose::{PrivateKey, SigningFailed};
use crate::keyring::{Key, State};
use crate::world::Dialect;
use crate::{Alg, UnixTime};

/// The keys that sign, each with its life.
#[derive(Debug)]
pub struct Signers(Vec<(Key, PrivateKey)>);

impl Signers {
    /// Opens those private keys that validators have been told of.
    pub fn open(keys: &[Key], file: &KeyringFile) -> Result<Self, InvalidKeyringFile> {
        let mut signers = Vec::new();
        for entry in &file.keys {
            if let Some(key) = keys.iter().find(|key| *key.kid() == entry.kid) {
                signers.push((key.clone(), entry.open()?));
            }
        }
        Ok(Self(signers))
    }

    /// Signs with the key of an algorithm that is active now; `None` if there is none.
    pub fn sign(
        &self,
        now: UnixTime,
        alg: Alg,
        dialect: Dialect,
        payload: &str,
    ) -> Option<Result<String, SigningFailed>> {
        let active = self
            .0
            .iter()
            .filter(|(key, _)| key.alg() == alg && key.state(now) == State::Active);
        let newest = active.max_by_key(|(key, _)| (key.schedule.activate_at(), key.generation));
        newest.map(|(_, private)| {
            let header = header_segment(private.alg(), dialect, private.kid());
            private.sign_compact(&header, payload)
        })
    }
}
