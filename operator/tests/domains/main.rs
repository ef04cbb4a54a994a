//! The checks of custom domains against DNS and HTTP servers of the tests' own, on the loopback, and the leader's task
//! over simulated time.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

mod dns;
mod dns_server;
mod http;
mod http_server;
mod stage;
mod turns;
mod watched;

use std::net::SocketAddr;
use std::time::Duration;

use mintage_core::{Domain, ObjectRef, Uid};
use mintage_crds::domain::VerificationMethod;
use mintage_operator::domains::{Outcome, Settings, Subject};

/// An object that is checked.
fn subject(domain: &str, method: VerificationMethod) -> Subject {
    Subject {
        at: ObjectRef::parse("identity/login").unwrap(),
        uid: Uid::parse("d2f1c1de-0001").unwrap(),
        domain: Domain::parse(domain).unwrap(),
        method,
    }
}

/// Settings that ask a server of the test's own, and wait for it no longer than a test can.
fn settings(dns: SocketAddr) -> Settings {
    Settings {
        dns_server: Some(dns),
        dns_timeout: Duration::from_millis(300),
        timeout: Duration::from_secs(3),
        ..Settings::default()
    }
}

/// What an answer showed instead.
#[track_caller]
fn contradicted(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Contradicted(found) => found,
        other => panic!("{other:?}"),
    }
}

/// What was in the way of an answer.
#[track_caller]
fn unanswered(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Unanswered(found) => found,
        other => panic!("{other:?}"),
    }
}
