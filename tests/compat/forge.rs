//! Bad tokens made of a good one, with one change each.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::bundle::KeyringFile;
use mintage_core::jose::PrivateKey;
use serde_json::Value;

fn parts(token: &str) -> Result<[&str; 3]> {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().ok().context("not three segments")
}

fn decode(segment: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment)?)?)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The `kid` of a token.
pub fn kid(token: &str) -> Result<String> {
    Ok(decode(parts(token)?[0])?["kid"]
        .as_str()
        .context("no kid")?
        .to_owned())
}

/// One bit of the signature is another.
pub fn with_other_signature(token: &str) -> Result<String> {
    let [header, payload, signature] = parts(token)?;
    let mut signature = URL_SAFE_NO_PAD.decode(signature)?;
    // Not the first byte: an RSA signature above the modulus would be refused for its size.
    let last = signature.last_mut().context("no signature")?;
    *last ^= 1;
    Ok(format!(
        "{header}.{payload}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// A claim is another, under the old signature.
pub fn with_claim(token: &str, name: &str, value: &str) -> Result<String> {
    let [header, payload, signature] = parts(token)?;
    let mut claims = decode(payload)?;
    claims[name] = value.into();
    Ok(format!("{header}.{}.{signature}", encode(&claims)))
}

/// A header parameter is another; for `alg: none` the signature is left out.
pub fn with_header(token: &str, name: &str, value: &str) -> Result<String> {
    let [header, payload, signature] = parts(token)?;
    let mut header = decode(header)?;
    header[name] = value.into();
    let signature = if value == "none" { "" } else { signature };
    Ok(format!("{}.{payload}.{signature}", encode(&header)))
}

/// The header says HS256, as if the public key were the secret.
pub fn hmac_confusion(token: &str) -> Result<String> {
    with_header(token, "alg", "HS256")
}

/// A good token that is changed and signed again with the very same key, as nobody can who has not got that key: what
/// is refused then is refused for the change.
pub fn signed_again(
    token: &str,
    state: &Path,
    change: impl FnOnce(&mut Value, &mut Value),
) -> Result<String> {
    let [header, payload, _] = parts(token)?;
    let (mut header, mut claims) = (decode(header)?, decode(payload)?);
    change(&mut header, &mut claims);
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = private_key(&state.join("keys"), &kid(token)?)?.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A key of `mintage dev`, which keeps a keyring file for each owner in a folder for each namespace.
fn private_key(keys: &Path, kid: &str) -> Result<PrivateKey> {
    for namespace in fs::read_dir(keys)? {
        for file in fs::read_dir(namespace?.path())? {
            let file = KeyringFile::parse(&fs::read(file?.path())?)?;
            if let Some(entry) = file.keys.iter().find(|entry| entry.kid.as_str() == kid) {
                return Ok(entry.open()?);
            }
        }
    }
    anyhow::bail!("no keyring file holds {kid}")
}
