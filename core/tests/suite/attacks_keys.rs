//! Attacks 6, 8 and 9: keys of other tenants, and keys that are not, or no longer, to be believed.

use mintage_core::bundle::Body;
use mintage_core::jose::{Material, Pkcs8, PrivateKey};
use mintage_core::keyring::State;
use mintage_core::verify::{Expected, Rejection, Verifier};
use mintage_core::{Alg, LEEWAY};

use super::attacks_tokens::refused;
use crate::support::{ACME, Cluster, Forge, GLOBEX, NOW, ORDERS, attacks, name, standard, verdict};

#[test]
fn attack_06_keys_of_others() {
    refused(attacks::attack_06_other_keys());
}

#[test]
fn attack_06_a_real_token_is_good_in_its_own_tenant_only() {
    let cluster = Cluster::standard();
    let good = cluster.good(ORDERS);
    let theirs = cluster.token(GLOBEX, "shop/checkout", ORDERS);
    assert!(cluster.judge(GLOBEX, ORDERS, &theirs).is_ok());
    assert_eq!(good.verdict(&theirs), Err(Rejection::KeyUnknown));
    let ours = cluster.judge(GLOBEX, ORDERS, &good.token);
    assert_eq!(ours.unwrap_err(), Rejection::KeyUnknown);
    // Their key under their kid, with our issuer: their tenant does not have our issuer.
    let key = cluster.key("identity/globex/shop", Alg::RS256);
    let token = Forge::of(&good.token).sign_as(&key);
    let verdict = cluster.judge(GLOBEX, ORDERS, &token);
    assert_eq!(verdict.unwrap_err(), Rejection::Issuer);
}

#[test]
fn a_key_that_nobody_knows() {
    let good = Cluster::standard().good(ORDERS);
    let key = PrivateKey::from_pkcs8(Alg::RS256, &Pkcs8::generate(Alg::RS256).unwrap()).unwrap();
    let token = Forge::of(&good.token).sign_as(&key);
    assert_eq!(good.verdict(&token), Err(Rejection::KeyUnknown));
}

#[test]
fn a_key_of_a_namespace_without_a_grant_here() {
    let cluster = Cluster::standard();
    let good = cluster.good(ORDERS);
    // The namespace orders has a key of its own, granted payments only; it is known in its own namespace.
    let key = cluster.key("identity/acme/orders", Alg::ES256);
    let short = Forge::of(&good.token).claim("exp", NOW.0 + 600);
    assert_eq!(
        good.verdict(&short.sign_as(&key)),
        Err(Rejection::AlgNotOfAudience)
    );
    // In payments, shop-evil's key is not even known.
    let evil = cluster.key("identity/acme/shop-evil", Alg::RS256);
    let good = cluster.good(crate::support::PAYMENTS);
    let token = Forge::of(&good.token).sign_as(&evil);
    assert_eq!(good.verdict(&token), Err(Rejection::KeyUnknown));
}

#[test]
fn attack_08_a_revoked_key_is_refused_at_once_and_for_ever() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    let kid = key.kid().clone();

    cluster.edit(|world| world.tenants[0].revoke_keys = [kid.clone()].into());
    let verdict = cluster.judge(ACME, ORDERS, &token);
    assert_eq!(verdict.unwrap_err(), Rejection::KeyRevoked);

    // The annotation taken away again brings nothing back.
    cluster.edit(|world| world.tenants[0].revoke_keys.clear());
    let verdict = cluster.judge(ACME, ORDERS, &token);
    assert_eq!(verdict.unwrap_err(), Rejection::KeyRevoked);

    // Remembered as long as a token under it can live, then unknown.
    let mut last = NOW;
    while last < NOW + 86_400 * 3 {
        last = last + 3600;
        cluster.advance_to(last);
        let late = Forge::of(&token)
            .claim("iat", last.0)
            .claim("exp", last.0 + 600)
            .sign(&key);
        let code = cluster.judge(ACME, ORDERS, &late).unwrap_err();
        let remembered = last <= NOW + 86_400 + LEEWAY;
        let expected = if remembered {
            Rejection::KeyRevoked
        } else {
            Rejection::KeyUnknown
        };
        assert_eq!(code, expected, "{} s later", last - NOW);
    }
}

/// Asks for new keys, a second after the first were published.
fn ask_for_rotation(cluster: &mut Cluster) {
    cluster.now = NOW + 1;
    cluster.edit(|world| world.tenants[0].rotate_request = Some("1".to_owned()));
}

#[test]
fn attack_08_a_removed_key_is_trusted_no_more() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    ask_for_rotation(&mut cluster);
    let next = NOW + 301;

    // Until the new key signs, the old one does; then it verifies for the longest life and the leeway.
    cluster.advance_to(next);
    assert_ne!(
        cluster.key("identity/acme/shop", Alg::RS256).kid(),
        key.kid()
    );
    let good = cluster.judge(ACME, ORDERS, &token);
    assert!(good.is_ok(), "{good:?}");
    let end = next + 86_400 + LEEWAY;
    let at = |cluster: &mut Cluster, moment: mintage_core::UnixTime| {
        cluster.advance_to(moment);
        let iat = moment.0 - 10;
        let forged = Forge::of(&token)
            .claim("iat", iat)
            .claim("exp", iat + 600)
            .sign(&key);
        cluster.judge(ACME, ORDERS, &forged).map(|_| ())
    };
    assert_eq!(at(&mut cluster, end), Ok(()));
    assert_eq!(at(&mut cluster, end + 1), Err(Rejection::KeyUnknown));
}

#[test]
fn attack_08_a_removed_key_in_an_old_bundle_is_refused_by_the_clock() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    ask_for_rotation(&mut cluster);
    let late = NOW + 301 + 86_400 + LEEWAY + 1;
    let forged = Forge::of(&token)
        .claim("iat", late.0)
        .claim("exp", late.0 + 600)
        .sign(&key);
    cluster.now = late; // time passes, no news arrives
    let verdict = cluster.judge(ACME, ORDERS, &forged);
    assert_eq!(verdict.unwrap_err(), Rejection::KeyRemoved);
}

/// Without keys nothing is believed, and keys that cannot be read are an error: there is nothing to fall back to.
#[test]
fn attack_09_no_keys_are_no_reason_to_believe() {
    let cluster = Cluster::standard();
    let good = cluster.good(ORDERS);
    let mut body = cluster.bundle(ACME, "orders").body.clone();
    let accepted = [name(ORDERS)].into();
    let expected = Expected::Apis(&accepted);
    let judge = |body: &Body| {
        let verifier = Verifier::new(body).unwrap();
        verdict(&verifier, &good.token, expected, NOW).map(|_| ())
    };
    assert_eq!(judge(&body), Ok(()));
    let keys = std::mem::take(&mut body.keys);
    assert_eq!(judge(&body), Err(Rejection::KeyUnknown));
    body.keys = keys;
    if let Material::Rsa { n, .. } = &mut body.keys[0].key.jwk.material {
        *n = n[..8].into();
    }
    assert!(Verifier::new(&body).is_err(), "not just without that key");
}

#[test]
fn a_key_that_is_not_active_yet_is_refused() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    ask_for_rotation(&mut cluster);
    let owner = name("identity/acme");
    let rings = cluster.state.keyrings.iter();
    let ring = rings
        .filter(|ring| ring.owner.tenant == owner)
        .find(|ring| ring.owner.namespace == Some(name("shop")))
        .unwrap();
    let next = ring
        .keys
        .iter()
        .find(|key| key.alg() == Alg::RS256 && key.state(NOW) == State::Next);
    let next = next.unwrap();
    let key = PrivateKey::from_pkcs8(Alg::RS256, &cluster.private[next.kid()].2).unwrap();
    let forged = Forge::of(&token).sign_as(&key);
    let verdict = |now| {
        let mut later = cluster.clone();
        later.now = now;
        later.judge(ACME, ORDERS, &forged).map(|_| ())
    };
    assert_eq!(verdict(NOW), Err(Rejection::KeyNotActive));
    assert_eq!(
        verdict(NOW + 301 - LEEWAY - 1),
        Err(Rejection::KeyNotActive)
    );
    // The signer's clock may be ahead by the leeway.
    assert_eq!(verdict(NOW + 301 - LEEWAY), Ok(()));
}
