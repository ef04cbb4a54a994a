//! Everything secret of a tenant's endpoint but its signing keys, derived from one master secret.
//!
//! ```text
//!  master (32 random bytes, in the tenant's namespace) ─HKDF─┬─► client secret of each application, by generation
//!                                                            ├─► sealing keys, one for each day and purpose
//!                                                            ├─► nonce and code verifier of each visit to a provider
//!                                                            └─► HS256 key of each API
//! ```
//!
//! What is derived can be written anew whenever it is lost, and is not a second truth that could differ.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::config::Api;
use crate::jose::{BASE64URL, encode_segment};
use crate::{ClientId, Seconds, Uid, UnixTime};

/// The master secret; wiped when dropped, never shown.
#[derive(Clone)]
pub struct Master(Zeroizing<[u8; 32]>);

/// The random bytes of one sealing.
pub type SealNonce = [u8; 12];

/// What is sealed; a text of one kind does not open as another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// What a form carries from one page to the next.
    Form,
    /// An opaque access token.
    Token,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Token => "token",
        }
    }
}

/// A day: the life of a sealing key. A day holds far fewer than the 2³² sealings that random nonces allow under one key.
const DAY: Seconds = 86_400;

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

impl Master {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Derives 32 bytes (RFC 5869); each part is preceded by its length, so that no two lists of parts meet.
    fn derive(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut info = b"mintage.dev/endpoint/v1".to_vec();
        for part in parts {
            info.extend((part.len() as u64).to_be_bytes());
            info.extend(*part);
        }
        let mut derived = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, &[])
            .extract(&*self.0)
            .expand(&[&info], Len32)
            .and_then(|okm| okm.fill(&mut *derived))
            .expect("HKDF gives up to 8160 bytes");
        derived
    }

    /// The `client_secret` of an application: 43 characters. `generation` counts the times that it was changed.
    pub fn client_secret(&self, client: &ClientId, generation: u32) -> Zeroizing<String> {
        let parts: [&[u8]; 3] = [
            b"client-secret",
            client.as_str().as_bytes(),
            &generation.to_be_bytes(),
        ];
        Zeroizing::new(BASE64URL.encode(*self.derive(&parts)))
    }

    /// Whether a text is the secret of an application; in constant time. An empty one never is.
    pub fn is_client_secret(&self, client: &ClientId, generation: u32, offered: &str) -> bool {
        let secret = self.client_secret(client, generation);
        verify_slices_are_equal(secret.as_bytes(), offered.as_bytes()).is_ok()
    }

    /// The secret that an API shares with the endpoint where its tokens are signed with HS256: 43 characters, whose bytes are the
    /// key (RFC 7518 section 3.2). Who takes a freed identifier over has another one.
    pub fn api_secret(&self, api: &Api) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL.encode(*self.derive_for(b"api-secret", api)))
    }

    fn derive_for(&self, what: &[u8], api: &Api) -> Zeroizing<[u8; 32]> {
        let (uid, identifier) = (api.uid.as_str(), api.identifier.as_str());
        self.derive(&[what, uid.as_bytes(), identifier.as_bytes()])
    }

    /// Signs `header.payload` for an API with its shared secret, to a compact JWS.
    pub fn sign_for(&self, api: &Api, payload: &str) -> String {
        #[derive(Serialize)]
        struct Header {
            alg: &'static str,
            typ: &'static str,
            kid: String,
        }
        // Which secret, without telling anything of it.
        let kid = self.derive_for(b"api-kid", api);
        let header = encode_segment(&Header {
            alg: "HS256",
            typ: api.dialect.typ(),
            kid: BASE64URL.encode(&kid[..16]),
        });
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.api_secret(api).as_bytes());
        let input = format!("{header}.{payload}");
        let signature = BASE64URL.encode(hmac::sign(&key, input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// Whether the secret that an API shares signed a text, `header.payload`; in constant time.
    pub fn has_signed(&self, api: &Api, input: &[u8], signature: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.api_secret(api).as_bytes());
        hmac::verify(&key, input, signature).is_ok()
    }

    /// The `nonce` of a visit to a provider, which follows from its `state`: it need not travel to be known again.
    pub fn provider_nonce(&self, state: &str) -> String {
        BASE64URL.encode(*self.derive(&[b"provider-nonce", state.as_bytes()]))
    }

    /// The code verifier of a visit to a provider (RFC 7636), which follows from its `state` and is not in it: 43 characters.
    pub fn provider_verifier(&self, state: &str) -> Zeroizing<String> {
        let verifier = self.derive(&[b"provider-verifier", state.as_bytes()]);
        Zeroizing::new(BASE64URL.encode(*verifier))
    }

    fn sealing_key(&self, purpose: Purpose, day: i64) -> LessSafeKey {
        let bytes = self.derive(&[b"seal", purpose.label().as_bytes(), &day.to_be_bytes()]);
        let key = UnboundKey::new(&AES_256_GCM, &*bytes).expect("the key has 32 bytes");
        LessSafeKey::new(key)
    }

    /// Seals a text: `<day>.<nonce>.<ciphertext and tag>`. `context` must be given again to open it, and is not in it.
    pub fn seal(
        &self,
        purpose: Purpose,
        now: UnixTime,
        nonce: SealNonce,
        context: &str,
        plain: &[u8],
    ) -> String {
        let day = day_of(now);
        let sealed = self.seal_bytes(purpose, day, nonce, context, plain);
        let (nonce, sealed) = (BASE64URL.encode(nonce), BASE64URL.encode(sealed));
        format!("{day:x}.{nonce}.{sealed}")
    }

    /// Opens what [`Self::seal`] made for the same purpose and context, a day ago at the most; `None` for anything else.
    pub fn open(
        &self,
        purpose: Purpose,
        now: UnixTime,
        context: &str,
        sealed: &str,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (day, rest) = sealed.split_once('.')?;
        let (nonce, sealed) = rest.split_once('.')?;
        let day = i64::from_str_radix(day, 16).ok()?;
        let nonce = BASE64URL.decode(nonce).ok()?.try_into().ok()?;
        let sealed = BASE64URL.decode(sealed).ok()?;
        self.open_bytes(purpose, now, day, nonce, context, sealed)
    }

    /// Seals under the key of a day; the tag is at the end.
    pub(super) fn seal_bytes(
        &self,
        purpose: Purpose,
        day: i64,
        nonce: SealNonce,
        context: &str,
        plain: &[u8],
    ) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        let key = self.sealing_key(purpose, day);
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(context.as_bytes()), &mut sealed)
            .expect("a text is shorter than the 64 GiB of one sealing");
        sealed
    }

    /// Opens what was sealed under the key of a day, if that is this day or the one before or after.
    pub(super) fn open_bytes(
        &self,
        purpose: Purpose,
        now: UnixTime,
        day: i64,
        nonce: SealNonce,
        context: &str,
        sealed: Vec<u8>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        // A clock that was set back a little may meet a seal of tomorrow.
        if day_of(now).abs_diff(day) > 1 {
            return None;
        }
        let mut bytes = Zeroizing::new(sealed);
        let key = self.sealing_key(purpose, day);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(context.as_bytes());
        let length = key.open_in_place(nonce, aad, &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

/// The day of a moment, since 1970.
pub(super) fn day_of(now: UnixTime) -> i64 {
    now.0.div_euclid(DAY)
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(…)")
    }
}

impl Serialize for Master {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64URL.encode(*self.0)))
    }
}

impl<'de> Deserialize<'de> for Master {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // Neither the decoder's error nor the text is to be repeated.
        let bytes = BASE64URL.decode(&*text).map(Zeroizing::new);
        let bytes = bytes
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        bytes.map(Self::new).ok_or_else(|| {
            serde::de::Error::custom("a master secret is not the base64url of 32 bytes")
        })
    }
}

/// A master secret as it is stored, with the life of the tenant that it is of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MasterFile {
    /// Which life of the tenant.
    pub tenant_uid: Uid,
    /// The secret.
    pub master: Master,
}

/// What is stored is no master secret. Nothing of it is repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the file of the master secret is damaged")]
pub struct InvalidMasterFile;

impl MasterFile {
    /// Reads it.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMasterFile> {
        serde_json::from_slice(bytes).map_err(|_| InvalidMasterFile)
    }

    /// Writes it.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(self).expect("it has string keys only"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sorted::SortedMap;
    use crate::world::{AudienceAlg, Dialect, UserRules};
    use crate::{Identifier, ObjectRef};

    const NOW: UnixTime = UnixTime(1_795_000_000);

    fn master(byte: u8) -> Master {
        Master::new([byte; 32])
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let sealed = master(1).seal(
            Purpose::Token,
            NOW,
            [7; 12],
            "https://acme.example/",
            b"claims",
        );
        let open = |master: &Master, purpose, now, context| {
            master
                .open(purpose, now, context, &sealed)
                .map(|plain| plain.to_vec())
        };
        let good = open(&master(1), Purpose::Token, NOW, "https://acme.example/");
        assert_eq!(good.as_deref(), Some(&b"claims"[..]));
        assert_eq!(
            open(&master(2), Purpose::Token, NOW, "https://acme.example/"),
            None
        );
        assert_eq!(
            open(&master(1), Purpose::Form, NOW, "https://acme.example/"),
            None
        );
        assert_eq!(
            open(&master(1), Purpose::Token, NOW, "https://globex.example/"),
            None
        );
        assert!(
            open(
                &master(1),
                Purpose::Token,
                NOW + DAY,
                "https://acme.example/"
            )
            .is_some()
        );
        assert_eq!(
            open(
                &master(1),
                Purpose::Token,
                NOW + 3 * DAY,
                "https://acme.example/"
            ),
            None
        );
    }

    /// Attack 17 (CVE-2026-27840).
    #[test]
    fn a_sealed_text_that_was_cut_or_changed_does_not_open() {
        let sealed = master(1).seal(Purpose::Token, NOW, [7; 12], "", b"claims of a user");
        for end in 0..sealed.len() {
            assert!(
                master(1)
                    .open(Purpose::Token, NOW, "", &sealed[..end])
                    .is_none(),
                "{end}"
            );
        }
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(
                master(1).open(Purpose::Token, NOW, "", &changed).is_none(),
                "{changed}"
            );
        }
        for more in ["A", ".", " ", "\n"] {
            assert!(
                master(1)
                    .open(Purpose::Token, NOW, "", &format!("{sealed}{more}"))
                    .is_none()
            );
        }
    }

    #[test]
    fn a_visit_to_a_provider_has_its_own_nonce_and_verifier() {
        let (nonce, verifier) = (
            master(1).provider_nonce("a"),
            master(1).provider_verifier("a"),
        );
        assert_eq!((nonce.len(), verifier.len()), (43, 43));
        assert_ne!(nonce, *verifier);
        assert_eq!(nonce, master(1).provider_nonce("a"));
        assert_ne!(nonce, master(1).provider_nonce("b"));
        assert_ne!(nonce, master(2).provider_nonce("a"));
        assert_ne!(*verifier, *master(1).provider_verifier("b"));
    }

    /// Attack 27 (CVE-2020-36569).
    #[test]
    fn only_the_secret_of_the_application_is_its_secret() {
        let [a, b] = ["a", "b"].map(|id| ClientId::parse(id).unwrap());
        let secret = master(1).client_secret(&a, 1);
        assert_eq!(secret.len(), 43);
        assert!(master(1).is_client_secret(&a, 1, &secret));
        assert!(!master(1).is_client_secret(&b, 1, &secret));
        assert!(!master(1).is_client_secret(&a, 2, &secret));
        assert!(!master(2).is_client_secret(&a, 1, &secret));
        for other in ["", " ", &secret[1..], &format!("{} ", *secret)] {
            assert!(!master(1).is_client_secret(&a, 1, other));
        }
    }

    fn api(identifier: &str, uid: &str) -> Api {
        Api {
            at: ObjectRef::parse("orders/api").unwrap(),
            uid: Uid::parse(uid).unwrap(),
            identifier: Identifier::parse(identifier).unwrap(),
            about: None,
            alg: AudienceAlg::Hs256,
            algs: SortedMap::new(),
            dialect: Dialect::Auth0,
            lifetime: 60,
            scopes: Vec::new(),
            users: UserRules::default(),
            grants: BTreeMap::new(),
            central: None,
        }
    }

    #[test]
    fn an_api_verifies_what_was_signed_with_its_secret_and_no_other_api_does() {
        let [a, b] = ["https://a", "https://b"].map(|identifier| api(identifier, "u1"));
        let token = master(1).sign_for(&a, &encode_segment(&"claims"));
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64URL.decode(signature).unwrap();
        let input = input.as_bytes();
        // As the API itself does it.
        let key = hmac::Key::new(hmac::HMAC_SHA256, master(1).api_secret(&a).as_bytes());
        assert!(hmac::verify(&key, input, &signature).is_ok());
        assert!(master(1).has_signed(&a, input, &signature));
        assert!(!master(1).has_signed(&b, input, &signature));
        assert!(!master(2).has_signed(&a, input, &signature));
        assert!(!master(1).has_signed(&a, &input[1..], &signature));
        assert!(!master(1).has_signed(&a, input, &signature[1..]));
        assert!(!master(1).has_signed(&a, input, &[]));
        // Attack 32: who takes a freed identifier over.
        assert!(!master(1).has_signed(&api("https://a", "u2"), input, &signature));
        assert_ne!(
            *master(1).api_secret(&a),
            *master(1).client_secret(&ClientId::parse("a").unwrap(), 1)
        );
    }

    #[test]
    fn a_stored_master_secret_comes_back_and_a_damaged_one_is_not_repeated() {
        let file = MasterFile {
            tenant_uid: Uid::parse("u1").unwrap(),
            master: master(1),
        };
        let read = MasterFile::parse(&file.to_bytes()).unwrap();
        assert_eq!(read.tenant_uid, file.tenant_uid);
        assert_eq!(*read.to_bytes(), *file.to_bytes());
        let error = MasterFile::parse(br#"{"tenantUid":"u1","master":"c2VjcmV0"}"#).unwrap_err();
        assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
    }

    #[test]
    fn the_master_secret_is_not_shown() {
        assert_eq!(format!("{:?}", master(1)), "Master(…)");
        let error = serde_json::from_str::<Master>("\"c2VjcmV0\"")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
}
