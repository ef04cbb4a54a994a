//! What the Secret holds, and what is made of one that is damaged.

use base64::Engine as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use mintage_core::managed;
use mintage_operator::tls::{State, Unusable, make};

use crate::cluster::NOW;
use crate::life::{names, verifies};

const LIFE: i64 = 86_400;

fn state() -> State {
    State::start(make(&names(), NOW, LIFE).unwrap(), Vec::new()).unwrap()
}

fn secret(state: &State) -> Secret {
    let mut secret = Secret::default();
    state.write(&mut secret);
    secret
}

#[test]
fn it_is_a_tls_secret_that_the_operator_alone_writes() {
    let secret = secret(&state());
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    assert_eq!(secret.metadata.labels.unwrap()[managed::LABEL], "tls");
    let keys: Vec<_> = secret.data.unwrap().into_keys().collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
}

/// Who reads the Secret gets a certificate, and no authority that could sign another.
#[test]
fn no_key_of_an_authority_is_in_it() {
    let mut state = state().prepare(make(&names(), NOW, LIFE).unwrap()).unwrap();
    state = state.told(NOW);
    let data = secret(&state).data.unwrap();
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["ca.crt", "next.crt", "next.key", "tls.crt", "tls.key"]
    );
    for (name, bytes) in data {
        let text = String::from_utf8(bytes.0).unwrap();
        assert_eq!(
            text.matches("PRIVATE KEY-----").count(),
            if name.strip_suffix(".key").is_some() {
                2
            } else {
                0
            },
            "{name}"
        );
    }
}

#[test]
fn what_is_written_is_read_again() {
    let state = state()
        .prepare(make(&names(), NOW, LIFE).unwrap())
        .unwrap()
        .told(NOW);
    let read = State::read(&secret(&state)).unwrap();
    assert_eq!(read.bundle(), state.bundle());
    assert_eq!(read.current.certificate, state.current.certificate);
    let next = read.next.unwrap();
    assert_eq!(next.told_since, Some(NOW));
    assert!(verifies(
        &next.served.certificate,
        &state.bundle(),
        "mintage-webhook.mintage-system.svc",
        NOW
    ));
    // Another write over it leaves no rest of the next one.
    let mut secret = secret(&state);
    let promoted = State::read(&secret).unwrap().promote();
    secret
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("own".to_owned(), "kept".to_owned());
    promoted.write(&mut secret);
    let annotations = secret.metadata.annotations.as_ref().unwrap();
    assert_eq!(annotations.keys().collect::<Vec<_>>(), ["own"]);
    assert_eq!(secret.data.as_ref().unwrap().len(), 3);
    assert_eq!(
        State::read(&secret).unwrap().current.certificate,
        next.served.certificate
    );
}

#[test]
fn damage_is_noticed_and_the_authorities_are_saved() {
    let other = secret(&state());
    let part = |name: &str| other.data.as_ref().unwrap()[name].clone();
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    for (name, value, expected) in [
        ("tls.key", Some(text("")), Unusable::Part("tls.crt")),
        ("tls.key", Some(part("tls.key")), Unusable::Part("tls.crt")),
        ("tls.key", None, Unusable::Part("tls.key")),
        (
            "tls.crt",
            Some(text(
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            )),
            Unusable::Part("tls.crt"),
        ),
        (
            "tls.crt",
            Some(ByteString(vec![0xff, 0xfe])),
            Unusable::Part("tls.crt"),
        ),
        ("ca.crt", Some(part("ca.crt")), Unusable::Authority),
        ("ca.crt", Some(text("")), Unusable::Authority),
    ] {
        let state = state();
        let mut damaged = secret(&state);
        let data = damaged.data.as_mut().unwrap();
        match value {
            Some(value) => drop(data.insert(name.to_owned(), value)),
            None => drop(data.remove(name)),
        }
        let error = State::read(&damaged).err().unwrap();
        assert_eq!(error, expected, "{name}");
        let salvaged = State::salvage(&damaged);
        assert_eq!(
            salvaged.len(),
            usize::from(
                name != "ca.crt"
                    || error != Unusable::Authority
                    || !damaged.data.unwrap()["ca.crt"].0.is_empty()
            )
        );
    }
    assert_eq!(
        State::read(&Secret::default()).err(),
        Some(Unusable::Part("ca.crt"))
    );
}

#[test]
fn a_damaged_next_certificate_is_none() {
    let state = state().prepare(make(&names(), NOW, LIFE).unwrap()).unwrap();
    let mut damaged = secret(&state);
    let garbage = ByteString(b"x".to_vec());
    damaged
        .data
        .as_mut()
        .unwrap()
        .insert("next.key".to_owned(), garbage);
    let read = State::read(&damaged).unwrap();
    assert!(read.next.is_none());
    assert_eq!(read.current.certificate, state.current.certificate);
}

/// Somebody who damages it again and again does not make it grow for ever.
#[test]
fn authorities_are_limited_and_those_in_use_are_kept() {
    let mut state = state();
    for _ in 0..20 {
        state = State::start(make(&names(), NOW, LIFE).unwrap(), state.trusted).unwrap();
        state = state.prepare(make(&names(), NOW, LIFE).unwrap()).unwrap();
        assert!(state.trusted.len() <= 8);
        State::read(&secret(&state)).unwrap().next.unwrap();
    }
    assert_eq!(state.trusted.len(), 8);
}

#[test]
fn no_text_for_people_shows_a_key() {
    let made = make(&names(), NOW, LIFE).unwrap();
    let key: String = made.key.lines().nth(1).unwrap().to_owned();
    let state = State::start(made, Vec::new()).unwrap();
    let mut damaged = secret(&state);
    let data = damaged.data.as_mut().unwrap();
    let swapped = data["tls.key"].clone();
    data.insert("tls.crt".to_owned(), swapped);
    let error = State::read(&damaged).err().unwrap();
    for text in [error.to_string(), format!("{error:?}"), state.bundle()] {
        assert!(!text.contains(&key));
        assert!(!text.contains(&base64::engine::general_purpose::STANDARD.encode(&key)));
    }
}
