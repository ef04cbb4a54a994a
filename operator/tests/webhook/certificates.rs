//! What a replica serves, and whether it says to be ready.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use mintage_core::UnixTime;
use mintage_operator::tls::{Certificates, Config, Mode, Policy, State, make};
use mintage_operator::webhook::Metrics;
use mintage_sidecar::clock::ManualClock;

use crate::cluster::{NOW, name};
use crate::life::names;

const LIFE: i64 = 1000;

pub struct Replica {
    pub clock: Arc<ManualClock>,
    pub metrics: Arc<Metrics>,
    pub certificates: Certificates,
}

pub fn replica(mode: Mode) -> Replica {
    let clock = Arc::new(ManualClock::at(NOW));
    let metrics = Arc::new(Metrics::default());
    let config = Config {
        feed: None,
        mode,
        names: names(),
        namespace: name("mintage-system"),
        secret: name("mintage-webhook-tls"),
    };
    let certificates = Certificates::new(config, Arc::clone(&clock) as _, Arc::clone(&metrics));
    Replica {
        clock,
        metrics,
        certificates,
    }
}

pub fn made() -> Mode {
    Mode::Made {
        configuration: "mintage".to_owned(),
        policy: Policy::default(),
    }
}

pub fn fresh(names: &BTreeSet<String>, now: UnixTime) -> (State, Secret) {
    let state = State::start(make(names, now, LIFE).unwrap(), Vec::new()).unwrap();
    let mut secret = Secret::default();
    state.write(&mut secret);
    (state, secret)
}

impl Replica {
    fn unready(&self) -> String {
        self.certificates.ready().unwrap_err()
    }
}

#[test]
fn without_a_certificate_it_is_not_ready() {
    let replica = replica(made());
    assert!(replica.unready().contains("it has not been read yet"));
    replica.certificates.load(None);
    let text = replica.unready();
    assert!(
        text.contains("Secret mintage-system/mintage-webhook-tls: it does not exist"),
        "{text}"
    );
    replica.certificates.load(Some(&Secret::default()));
    assert!(replica.unready().contains("it has no tls.crt"));
    assert_eq!(replica.metrics.certificate_expiry(), UnixTime(0));
}

#[test]
fn f7_a_certificate_counts_while_it_is_good() {
    let replica = replica(made());
    replica.certificates.load(Some(&fresh(&names(), NOW).1));
    replica.certificates.ready().unwrap();
    assert_eq!(replica.metrics.certificate_expiry(), NOW + LIFE);
    replica.clock.set(NOW + LIFE - 1);
    replica.certificates.ready().unwrap();
    replica.clock.set(NOW + LIFE);
    let text = replica.unready();
    assert!(
        text.contains("expired at 2026-11-18T") && text.contains("the leader makes a new one"),
        "{text}"
    );
    replica.clock.set(UnixTime(0));
    assert!(replica.unready().contains("look at the clocks"));
}

#[test]
fn f7_a_certificate_for_another_name_does_not_count() {
    let replica = replica(Mode::Given);
    let elsewhere = BTreeSet::from(["elsewhere.test".to_owned()]);
    replica.certificates.load(Some(&fresh(&elsewhere, NOW).1));
    let text = replica.unready();
    assert!(
        text.contains("is not for mintage-webhook.mintage-system.svc: renew it"),
        "{text}"
    );
    let any = BTreeSet::from(["*.mintage-system.svc".to_owned()]);
    replica.certificates.load(Some(&fresh(&any, NOW).1));
    replica.certificates.ready().unwrap();
}

/// F5: what was good stays in memory.
#[test]
fn f7_a_damaged_secret_leaves_what_is_served() {
    let replica = replica(made());
    let (_, secret) = fresh(&names(), NOW);
    replica.certificates.load(Some(&secret));
    let tls = replica.certificates.tls();
    let before = tls.load_full();
    for part in ["tls.crt", "tls.key"] {
        let mut damaged = secret.clone();
        damaged
            .data
            .as_mut()
            .unwrap()
            .insert(part.to_owned(), ByteString(b"x".to_vec()));
        replica.certificates.load(Some(&damaged));
    }
    replica.certificates.load(None);
    replica.certificates.ready().unwrap();
    assert!(Arc::ptr_eq(&before, &tls.load_full()));
    // Nor does the same again change anything.
    replica.certificates.load(Some(&secret));
    assert!(Arc::ptr_eq(&before, &tls.load_full()));
    replica.certificates.load(Some(&fresh(&names(), NOW).1));
    assert!(!Arc::ptr_eq(&before, &tls.load_full()));
}
