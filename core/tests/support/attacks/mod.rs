//! Tokens of attacks, by the numbers of `docs/attacks.md`: each is a token that an API accepts with one thing changed,
//! and the reason for which it is refused. Core's tests ask the verifier; the sidecar's ask over HTTP.

mod claims;
mod forms;
mod headers;

use mintage_core::Alg;
use mintage_core::jose::{InvalidCompact, PrivateKey};
use mintage_core::verify::Rejection;

pub use claims::{attack_12_lives, attack_12_no_numbers, attack_12_times, attack_13_audiences};
pub use forms::{
    attack_14_base64, attack_14_serialisations, attack_14_twice, attack_16_huge, attack_17_opaque,
    attack_17_truncated,
};
pub use headers::{
    attack_01_empty_signature, attack_01_none, attack_02_family, attack_02_hmac, attack_03_wrapped,
    attack_04_embedded, attack_05_kids, attack_07_fetches, attack_10_forms, attack_10_zeros,
    attack_11_extensions, attack_15_bombs,
};

use super::{ACME, Cluster, Forge, GLOBEX, Good, ORDERS};

/// One token, and why it is refused.
#[derive(Debug)]
pub struct Attempt {
    /// What was changed.
    pub what: String,
    /// The API that it is sent to, of `shop/checkout` under the tenant acme.
    pub audience: &'static str,
    pub token: String,
    pub refused: Rejection,
}

impl Attempt {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "whatever can be written, owned or not"
    )]
    fn new(good: &Good, what: impl ToString, token: String, refused: Rejection) -> Self {
        Self {
            what: what.to_string(),
            audience: good.audience,
            token,
            refused,
        }
    }
}

/// Attack 6: keys of another tenant, and of another owner of the same tenant.
pub fn attack_06_other_keys() -> Vec<Attempt> {
    let cluster = Cluster::standard();
    let good = orders();
    let forge = Forge::of(&good.token);
    let key = |owner| cluster.key(owner, Alg::RS256);
    let attempt = |what, token, refused| Attempt::new(&good, what, token, refused);
    let kid = key("identity/acme").kid().to_string();
    vec![
        attempt(
            "the other tenant's key for the namespace",
            forge.clone().sign_as(&key("identity/globex/shop")),
            Rejection::KeyUnknown,
        ),
        attempt(
            "the other tenant's own key",
            forge.clone().sign_as(&key("identity/globex")),
            Rejection::KeyUnknown,
        ),
        attempt(
            "a real token of the other tenant for the same identifier",
            cluster.token(GLOBEX, "shop/checkout", ORDERS),
            Rejection::KeyUnknown,
        ),
        attempt(
            "our kid over a signature of the other tenant",
            forge.sign(&key("identity/globex/shop")),
            Rejection::Signature,
        ),
        attempt(
            "the kid of another key of the tenant",
            forge
                .clone()
                .header("kid", kid)
                .sign(&key("identity/acme/shop")),
            Rejection::Signature,
        ),
        attempt(
            "an issuer of the other tenant",
            forge
                .claim("iss", issuer_of_globex())
                .sign(&key("identity/acme/shop")),
            Rejection::Issuer,
        ),
    ]
}

fn issuer_of_globex() -> String {
    let tenants = &Cluster::standard().world.tenants;
    let globex = tenants
        .iter()
        .find(|tenant| tenant.at.to_string() == GLOBEX);
    globex.unwrap().domain.issuer().as_str().to_owned()
}

/// A token that the orders API accepts.
pub fn orders() -> Good {
    Cluster::standard().good(ORDERS)
}

/// The key with which the namespace shop signs.
pub fn shop_key(alg: Alg) -> PrivateKey {
    Cluster::standard().key(&format!("{ACME}/shop"), alg)
}

fn malformed(cause: InvalidCompact) -> Rejection {
    Rejection::Malformed(cause)
}

/// Header, payload and signature of a token.
pub fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}
