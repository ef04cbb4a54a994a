//! Years of certificates in a second: leaders that come and go, API servers that know an old `caBundle`, replicas that
//! serve an old certificate. F7.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use mintage_core::{Seconds, UnixTime};
use mintage_operator::tls::{BACKDATED, Names, Policy, State, Step, Told, make, renew_at, step};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime as TlsTime};

use crate::cluster::NOW;

const MINUTE: Seconds = 60;
const DAY: Seconds = 86_400;
const NAME: &str = "mintage-webhook.mintage-system.svc";

/// How long a replica may serve what the Secret held before.
const REPLICA_LAG: Seconds = 5 * MINUTE;

pub fn names() -> BTreeSet<String> {
    BTreeSet::from([NAME.to_owned()])
}

/// Whether a client that trusts the bundle believes the certificate.
pub fn verifies(certificate: &str, bundle: &str, name: &str, now: UnixTime) -> bool {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(der.unwrap()).unwrap();
    }
    if roots.is_empty() {
        return false;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = TlsTime::since_unix_epoch(std::time::Duration::from_secs(now.0.unsigned_abs()));
    verifier
        .verify_server_cert(&certificate, &[], &name, &[], at)
        .is_ok()
}

/// What was there, each from its moment on.
struct History<T>(Vec<(UnixTime, T)>);

impl<T: PartialEq> History<T> {
    fn push(&mut self, now: UnixTime, value: T) {
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((now, value));
        }
    }

    /// All that somebody may still see who is so far behind.
    fn seen(&self, now: UnixTime, lag: Seconds) -> impl Iterator<Item = &T> {
        let ended = self
            .0
            .iter()
            .skip(1)
            .map(|(at, _)| *at)
            .chain([UnixTime(i64::MAX)]);
        let lives = self.0.iter().zip(ended);
        lives
            .filter(move |(_, ended)| *ended > now - lag)
            .map(|((_, value), _)| value)
    }
}

/// A cluster with one Secret and one configuration.
struct Cluster {
    now: UnixTime,
    /// What certificates are made for.
    names: BTreeSet<String>,
    /// What API servers call, if that is not all of it.
    called: Option<BTreeSet<String>>,
    policy: Policy,
    secret: Option<Secret>,
    configured: bool,
    bundle: History<String>,
    served: History<String>,
    steps: BTreeMap<&'static str, usize>,
    known: BTreeMap<(String, String), bool>,
}

impl Cluster {
    fn new() -> Self {
        Self {
            now: NOW,
            names: names(),
            called: None,
            policy: Policy::default(),
            secret: None,
            configured: true,
            bundle: History(Vec::new()),
            served: History(Vec::new()),
            steps: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    fn state(&self) -> Option<State> {
        self.secret
            .as_ref()
            .and_then(|secret| State::read(secret).ok())
    }

    /// A leader's round, as `keep` has it; until when it rests. `writes` are allowed before it crashes.
    fn round(&mut self, mut writes: usize) -> Option<UnixTime> {
        for _ in 0..8 {
            let state = self.state();
            let told = match (&state, self.configured) {
                (Some(state), true) => {
                    let bundle = state.bundle();
                    if self
                        .bundle
                        .0
                        .last()
                        .is_some_and(|(_, last)| *last == bundle)
                    {
                        Told::Already
                    } else {
                        writes = writes.checked_sub(1)?;
                        self.bundle.push(self.now, bundle);
                        Told::Now
                    }
                }
                _ => Told::Otherwise,
            };
            let names = Names {
                called: self.called.as_ref().unwrap_or(&self.names),
                all: &self.names,
            };
            let step = step(self.now, state.as_ref(), told, names, self.policy);
            let made = || make(&self.names, self.now, self.policy.life).unwrap();
            let (name, state) = match (step, state) {
                (Step::Keep { until }, _) => return Some(until),
                (Step::Start, state) => {
                    let trusted = state.map_or_else(Vec::new, |state| state.trusted);
                    ("start", State::start(made(), trusted).unwrap())
                }
                (Step::Prepare, Some(state)) => ("prepare", state.prepare(made()).unwrap()),
                (Step::Promote, Some(state)) => ("promote", state.promote()),
                (Step::Note { since }, Some(state)) => ("note", state.told(since)),
                (Step::Forget, Some(state)) => ("forget", state.forget(self.now)),
                (step, None) => panic!("{step:?} without a state"),
            };
            writes = writes.checked_sub(1)?;
            *self.steps.entry(name).or_default() += 1;
            state.write(self.secret.get_or_insert_default());
            self.served
                .push(self.now, state.current.certificate.clone());
        }
        panic!("the plan does not come to rest: {:?}", self.steps);
    }

    /// Every replica that may lag with every API server that may lag.
    fn assert_trust(&mut self) {
        let now = self.now;
        let served: Vec<_> = self.served.seen(now, REPLICA_LAG).cloned().collect();
        let bundles: Vec<_> = self.bundle.seen(now, self.policy.delay).cloned().collect();
        for certificate in &served {
            for bundle in &bundles {
                let pair = (certificate.clone(), bundle.clone());
                // The signature is checked once for each pair, the times each time.
                let known = self.known.entry(pair);
                let fits = known.or_insert_with(|| verifies(certificate, bundle, NAME, now));
                let facts = mintage_operator::tls::Facts::read(certificate).unwrap();
                assert!(*fits && facts.is_good(now), "at {now}: {:?}", self.steps);
            }
        }
    }
}

/// A number from a seed, and the next seed (a linear congruential generator, as good as any for this).
fn draw(seed: &mut u64, below: i64) -> i64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    i64::try_from(*seed >> 33).unwrap() % below
}

#[test]
fn f7_for_years_every_certificate_verifies_under_every_bundle_that_is_in_use() {
    for seed in 0..3 {
        let mut seed = seed;
        let mut cluster = Cluster::new();
        cluster.round(usize::MAX).unwrap();
        // From then on nothing may fail.
        cluster.now = cluster.now + cluster.policy.delay + 1;
        let end = cluster.now + 3 * 365 * DAY;
        // A renewal takes two rounds: without a leader for a third of its life a certificate expires, which is another test.
        let mut last_round = cluster.now;
        while cluster.now < end {
            // A leader that crashes after any write, one that goes on, or none for up to twelve days.
            let kind = draw(&mut seed, 10);
            let pause = if kind == 0 {
                let writes = usize::try_from(draw(&mut seed, 3)).unwrap();
                cluster.round(writes);
                draw(&mut seed, 20 * MINUTE)
            } else if kind == 1 && cluster.now - last_round < DAY {
                draw(&mut seed, 12 * DAY)
            } else {
                let until = cluster.round(usize::MAX).unwrap();
                assert!(until > cluster.now, "a rest has a length");
                last_round = cluster.now;
                let rest = (until - cluster.now).min(DAY);
                draw(&mut seed, rest.max(1)) + 1
            };
            // Looked at all along while something changes, and else at the end.
            let end_of_pause = cluster.now + pause.max(1);
            cluster.assert_trust();
            for _ in 0..20 {
                if cluster.now + MINUTE >= end_of_pause {
                    break;
                }
                cluster.now = cluster.now + MINUTE;
                cluster.assert_trust();
            }
            cluster.now = end_of_pause;
            cluster.assert_trust();
        }
        let promoted = cluster.steps["promote"];
        assert!(
            (15..=30).contains(&promoted),
            "about six a year: {:?}",
            cluster.steps
        );
        assert_eq!(cluster.steps["start"], 1, "{:?}", cluster.steps);
        assert!(cluster.state().unwrap().trusted.len() <= 3);
    }
}

/// Leaders that look all the time write four times for a renewal, and not at all in between.
#[test]
fn nothing_is_written_between_renewals() {
    let mut cluster = Cluster::new();
    let mut until = cluster.round(usize::MAX).unwrap();
    for _ in 0..100 {
        let before = cluster.steps.clone();
        cluster.now = cluster.now + (until - cluster.now) / 2;
        cluster.round(usize::MAX).unwrap();
        assert_eq!(
            cluster.steps, before,
            "before {until} there is nothing to do"
        );
        cluster.now = until;
        until = cluster.round(usize::MAX).unwrap();
    }
    let renewals = cluster.steps["promote"];
    let writes: usize = cluster.steps.values().sum();
    assert!(writes <= 4 * renewals + 4, "{:?}", cluster.steps);
}

#[test]
fn renewals_are_spread_over_the_last_twentieth_before_two_thirds() {
    let policy = Policy::default();
    let mut moments = BTreeSet::new();
    for _ in 0..20 {
        let made = make(&names(), NOW, policy.life).unwrap();
        let facts = mintage_operator::tls::Facts::read(&made.certificate).unwrap();
        assert_eq!(facts.not_before, NOW - BACKDATED);
        assert_eq!(facts.not_after, NOW + policy.life);
        let at = renew_at(&facts, policy) - NOW;
        assert!(
            (policy.life * 37 / 60..=policy.life * 2 / 3).contains(&at),
            "{at}"
        );
        moments.insert(at);
    }
    assert!(moments.len() > 15, "{moments:?}");
}

#[test]
fn the_next_certificate_waits_until_api_servers_were_told_for_long_enough() {
    let mut cluster = Cluster::new();
    let due = cluster.round(usize::MAX).unwrap();
    // The configuration is away: nobody is told of the next authority.
    cluster.configured = false;
    cluster.now = due;
    cluster.round(usize::MAX).unwrap();
    cluster.now = due + 5 * DAY;
    cluster.round(usize::MAX).unwrap();
    assert_eq!(cluster.steps.get("promote"), None);
    // It is back, with an empty bundle.
    cluster.configured = true;
    cluster.bundle.push(cluster.now, String::new());
    let told = cluster.now;
    assert_eq!(cluster.round(usize::MAX), Some(told + cluster.policy.delay));
    cluster.now = told + cluster.policy.delay - 1;
    // Somebody overwrites it: the time is counted anew.
    cluster.bundle.push(cluster.now, "-".to_owned());
    let told = cluster.now;
    assert_eq!(cluster.round(usize::MAX), Some(told + cluster.policy.delay));
    cluster.now = told + cluster.policy.delay;
    cluster.round(usize::MAX);
    assert_eq!(cluster.steps["promote"], 1);
}

#[test]
fn an_expired_certificate_is_replaced_at_once() {
    let mut cluster = Cluster::new();
    cluster.round(usize::MAX).unwrap();
    let first = cluster.state().unwrap().current.certificate;
    // No leader for longer than the certificate lives.
    cluster.now = cluster.now + 2 * cluster.policy.life;
    cluster.round(usize::MAX).unwrap();
    let state = cluster.state().unwrap();
    assert_ne!(state.current.certificate, first);
    assert!(verifies(
        &state.current.certificate,
        &state.bundle(),
        NAME,
        cluster.now
    ));
    assert_eq!(state.trusted.len(), 1, "the expired authority is gone");
    assert_eq!(cluster.steps["start"], 2);

    // With a next one that was prepared, that one is taken.
    let due = cluster.round(usize::MAX).unwrap();
    cluster.now = due;
    cluster.round(usize::MAX).unwrap();
    let next = cluster.state().unwrap().next.unwrap().served.certificate;
    cluster.now = state.current.facts.not_after;
    cluster.round(usize::MAX).unwrap();
    assert_eq!(cluster.state().unwrap().current.certificate, next);
    assert_eq!(cluster.steps["start"], 2);
}

/// The operator's stream is switched on, or the operator is upgraded to a version that has one: the certificate lacks its
/// name, and nobody is to notice.
#[test]
fn a_name_that_api_servers_do_not_call_waits_until_they_trust_the_next_certificate() {
    const FEED: &str = "mintage-feed.mintage-system.svc";
    let mut cluster = Cluster::new();
    cluster.round(usize::MAX).unwrap();
    let before = cluster.state().unwrap().current.certificate;
    cluster.called = Some(names());
    cluster.names.insert(FEED.to_owned());
    let until = cluster.round(usize::MAX).unwrap();
    assert_eq!(cluster.state().unwrap().current.certificate, before);
    assert_eq!(until, NOW + cluster.policy.delay);
    cluster.now = until;
    cluster.round(usize::MAX).unwrap();
    let state = cluster.state().unwrap();
    for name in [NAME, FEED] {
        let (certificate, bundle) = (&state.current.certificate, state.bundle());
        assert!(verifies(certificate, &bundle, name, cluster.now), "{name}");
    }
}

#[test]
fn another_name_is_served_as_soon_as_it_is_trusted() {
    let mut cluster = Cluster::new();
    cluster.round(usize::MAX).unwrap();
    cluster.names = BTreeSet::from(["10.1.2.3".to_owned(), "hook.test".to_owned()]);
    cluster.round(usize::MAX).unwrap();
    let state = cluster.state().unwrap();
    for name in ["hook.test", "10.1.2.3"] {
        assert!(
            verifies(
                &state.current.certificate,
                &state.bundle(),
                name,
                cluster.now
            ),
            "{name}"
        );
    }
    assert!(!verifies(
        &state.current.certificate,
        &state.bundle(),
        NAME,
        cluster.now
    ));
    assert_eq!(
        state.trusted.len(),
        2,
        "replicas may still serve the old one"
    );
}

/// F4: a clock that was wrong when something was written.
#[test]
fn f4_a_clock_that_was_wrong_for_a_while() {
    for wrong in [-DAY, -5 * MINUTE, 5 * MINUTE, DAY, 200 * DAY] {
        let mut cluster = Cluster::new();
        cluster.now = NOW + wrong;
        cluster.round(usize::MAX).unwrap();
        cluster.now = NOW;
        cluster.round(usize::MAX).unwrap();
        let state = cluster.state().unwrap();
        assert!(
            verifies(&state.current.certificate, &state.bundle(), NAME, NOW),
            "{wrong}"
        );
        let replaced = cluster.steps["start"] > 1;
        assert_eq!(replaced, wrong > BACKDATED, "{wrong}");
    }
    // The note of a time to come is not waited for.
    let mut cluster = Cluster::new();
    let due = cluster.round(usize::MAX).unwrap();
    cluster.now = due;
    cluster.round(usize::MAX).unwrap();
    let state = cluster.state().unwrap().told(due + 100 * DAY);
    state.write(cluster.secret.as_mut().unwrap());
    assert_eq!(cluster.round(usize::MAX), Some(due + cluster.policy.delay));
}
