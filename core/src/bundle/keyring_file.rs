use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::jose::{InvalidPrivateKey, Pkcs8, PrivateKey};
use crate::keyring::Owner;
use crate::{Alg, Kid};

/// The form this version writes and reads.
pub const KEYRING_FORMAT: &str = "mintage.dev/keyring/v1";

/// The private keys of one owner, as a Secret holds them. When each of them signs is not written here but in the
/// bundle, so a key that validators have not been told of cannot start to sign.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyringFile {
    /// [`KEYRING_FORMAT`].
    pub format: String,
    /// Whose keys.
    pub owner: Owner,
    /// The keys.
    pub keys: Vec<PrivateEntry>,
}

/// One private key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PrivateEntry {
    /// Its name: the thumbprint of its public part.
    pub kid: Kid,
    /// Its algorithm.
    pub alg: Alg,
    /// The key.
    pub pkcs8: Pkcs8,
}

/// A keyring file that cannot be used. It quotes nothing of the file.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeyringFile {
    /// Another version wrote it.
    #[error(
        "the keyring file has another format than {KEYRING_FORMAT}; sidecar and operator must be of versions that fit"
    )]
    Format,
    /// A key cannot be parsed.
    #[error("private key {kid} is unusable: {cause}")]
    Key {
        /// Its name.
        kid: Kid,
        /// Why.
        cause: InvalidPrivateKey,
    },
    /// The name is not the thumbprint of the key: the file was damaged or tampered with.
    #[error("private key {0} does not have the thumbprint it is named by")]
    Mismatch(Kid),
    /// Not JSON of the right shape. `serde_json`'s own text may quote the input, so only the place is kept.
    #[error(
        "the keyring file is not complete JSON of the right shape (line {line}, column {column})"
    )]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

impl KeyringFile {
    /// An empty file.
    pub fn new(owner: Owner) -> Self {
        Self {
            format: KEYRING_FORMAT.to_owned(),
            owner,
            keys: Vec::new(),
        }
    }

    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidKeyringFile> {
        let file: Self =
            serde_json::from_slice(bytes).map_err(|error| InvalidKeyringFile::Syntax {
                line: error.line(),
                column: error.column(),
            })?;
        if file.format != KEYRING_FORMAT {
            return Err(InvalidKeyringFile::Format);
        }
        Ok(file)
    }

    /// Writes the file; the bytes are wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(self).expect("a keyring file has string keys only"))
    }
}

impl PrivateEntry {
    /// Parses the key and checks that it is the one named.
    pub fn open(&self) -> Result<PrivateKey, InvalidKeyringFile> {
        let key = PrivateKey::from_pkcs8(self.alg, &self.pkcs8).map_err(|cause| {
            InvalidKeyringFile::Key {
                kid: self.kid.clone(),
                cause,
            }
        })?;
        if *key.kid() == self.kid {
            Ok(key)
        } else {
            Err(InvalidKeyringFile::Mismatch(self.kid.clone()))
        }
    }
}
