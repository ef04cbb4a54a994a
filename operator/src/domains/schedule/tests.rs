//! The schedule over simulated time.

use std::time::Duration;

use mintage_core::{Domain, ObjectRef, Uid};
use mintage_crds::CustomDomain;
use mintage_crds::domain::VerificationMethod;
use serde_json::json;

use super::{Chance, Pace, Past, Record, Standing};
use crate::domains::challenge::Subject;
use crate::domains::outcome::{self, Outcome};

const HOUR: Duration = Duration::from_hours(1);

/// Chances from the smallest to the largest.
const CHANCES: [Chance; 4] = [0, 1 << 30, 3 << 30, Chance::MAX];

fn contradicted() -> Outcome {
    Outcome::Contradicted("nothing".to_owned())
}

fn unanswered() -> Outcome {
    Outcome::Unanswered("nobody is there".to_owned())
}

fn begin(past: Past, now: Duration, chance: Chance) -> Record {
    let uid = Uid::parse("u1").unwrap();
    Record::begin(uid, past, now, chance, &Pace::default())
}

fn proven() -> Record {
    begin(Past::New, Duration::ZERO, 0).after(&Outcome::Shown, Duration::ZERO, 0, &Pace::default())
}

/// Checks a record whenever it is due until a moment; each check finds what `find` says. Gives the record, and when each
/// check was.
fn simulate(
    mut record: Record,
    until: Duration,
    chance: Chance,
    find: impl Fn(Duration) -> Outcome,
) -> (Record, Vec<Duration>) {
    let mut checks = Vec::new();
    while record.next_check <= until {
        let now = record.next_check;
        checks.push(now);
        record = record.after(&find(now), now, chance, &Pace::default());
    }
    (record, checks)
}

/// When a record that was shown at the beginning lapses, at the latest a check after the end of `until`.
fn lapses(until: Duration, chance: Chance, find: impl Fn(Duration) -> Outcome) -> Option<Duration> {
    let mut record = proven();
    while record.next_check <= until {
        let now = record.next_check;
        record = record.after(&find(now), now, chance, &Pace::default());
        if !record.is_verified() {
            return Some(now);
        }
    }
    None
}

#[test]
fn what_is_new_is_checked_at_once_and_then_less_and_less_often() {
    for chance in CHANCES {
        let record = begin(Past::New, HOUR, chance);
        assert_eq!((record.next_check, record.is_verified()), (HOUR, false));
        let (record, checks) = simulate(record, 3 * HOUR, chance, |_| contradicted());
        assert!(!record.is_verified());
        let waits: Vec<f64> = checks
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64())
            .collect();
        let wishes = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0];
        for (wait, wish) in waits.iter().zip(wishes) {
            assert!((wish * 0.8..=wish).contains(wait), "{waits:?}");
        }
        assert!(waits.iter().all(|wait| *wait <= 600.0), "{waits:?}");
    }
}

#[test]
fn many_failures_overflow_nothing() {
    let record = Record {
        standing: Standing::Unproven { failures: u32::MAX },
        ..proven()
    };
    let after = record.after(&contradicted(), HOUR, 0, &Pace::default());
    assert_eq!(after.next_check, HOUR + Duration::from_mins(10));
}

#[test]
fn what_is_shown_is_checked_twice_a_day() {
    for chance in CHANCES {
        let (record, checks) = simulate(proven(), 10 * 24 * HOUR, chance, |_| Outcome::Shown);
        assert!(record.is_verified());
        assert!((20..=25).contains(&checks.len()), "{checks:?}");
    }
}

#[test]
fn a_proof_that_is_taken_away_lapses_after_three_answers_over_an_hour() {
    for chance in CHANCES {
        let gone = lapses(24 * HOUR, chance, |_| contradicted()).unwrap();
        let first = simulate(proven(), 13 * HOUR, chance, |_| contradicted()).1[0];
        let doubted = gone.saturating_sub(first);
        assert!(doubted >= HOUR && doubted <= HOUR + HOUR / 2, "{doubted:?}");
    }
}

#[test]
fn a_proof_that_comes_back_in_time_does_not_lapse() {
    for chance in CHANCES {
        let first = simulate(proven(), 13 * HOUR, chance, |_| contradicted()).1[0];
        let back = first + HOUR * 3 / 4;
        let lapsed = lapses(20 * HOUR, chance, |now| {
            if now < back {
                contradicted()
            } else {
                Outcome::Shown
            }
        });
        assert_eq!(lapsed, None);
    }
}

#[test]
fn what_was_shown_again_begins_to_be_missed_anew() {
    // Away for 40 minutes, again and again: never an hour on end.
    let lapsed = lapses(30 * 24 * HOUR, 0, |now| {
        if now.as_secs() % 5400 < 2400 {
            contradicted()
        } else {
            Outcome::Shown
        }
    });
    assert_eq!(lapsed, None);
}

#[test]
fn without_an_answer_a_proof_lapses_after_a_day() {
    for chance in CHANCES {
        let gone = lapses(72 * HOUR, chance, |_| unanswered()).unwrap();
        let first = simulate(proven(), 13 * HOUR, chance, |_| unanswered()).1[0];
        let doubted = gone.saturating_sub(first);
        assert!(doubted >= 24 * HOUR && doubted <= 25 * HOUR, "{doubted:?}");
    }
}

#[test]
fn an_outage_of_the_dns_server_of_some_hours_lapses_nothing() {
    let lapsed = lapses(72 * HOUR, 0, |now| {
        if (10 * HOUR..33 * HOUR).contains(&now) {
            unanswered()
        } else {
            Outcome::Shown
        }
    });
    assert_eq!(lapsed, None);
}

#[test]
fn answers_count_though_others_between_them_are_none() {
    let gone = lapses(72 * HOUR, 0, |now| {
        if now.as_secs() / 1200 % 2 == 0 {
            contradicted()
        } else {
            unanswered()
        }
    });
    let gone = gone.unwrap().saturating_sub(Duration::from_hours(12));
    assert!(gone >= HOUR && gone <= 3 * HOUR, "{gone:?}");
}

#[test]
fn what_lapsed_recovers_soon_after_it_is_mended() {
    let lapsed = lapses(24 * HOUR, 0, |_| contradicted()).unwrap();
    let mended = lapsed + 2 * HOUR;
    let (record, checks) = simulate(proven(), mended + Duration::from_mins(11), 0, |now| {
        if now < mended {
            contradicted()
        } else {
            Outcome::Shown
        }
    });
    assert!(record.is_verified(), "{checks:?}");
}

#[test]
fn what_is_barred_waits_for_no_second_check() {
    let barred = Outcome::Barred("not here".to_owned());
    let record = proven().after(&barred, HOUR, 0, &Pace::default());
    assert!(!record.is_verified());
    assert_eq!(record.next_check, 13 * HOUR);
}

#[test]
fn a_restart_neither_lapses_nor_stampedes() {
    let now = Duration::from_secs(7);
    for (past, verified, within) in [
        (Past::Proven, true, 12 * HOUR),
        (Past::Doubted, true, Duration::from_mins(10)),
        (Past::Unproven, false, Duration::from_mins(10)),
    ] {
        let moments: Vec<Duration> = (0..1000_u32)
            .map(|number| {
                let record = begin(past, now, number * 4_294_967);
                assert_eq!(record.is_verified(), verified);
                record.next_check
            })
            .collect();
        for hundredth in 0..100 {
            let from = now + within * hundredth / 100;
            let to = now + within * (hundredth + 1) / 100;
            let count = moments
                .iter()
                .filter(|at| from <= **at && **at < to)
                .count();
            assert!(
                (9..=11).contains(&count),
                "{past:?}: {count} in hundredth {hundredth}"
            );
        }
    }
}

#[test]
fn a_short_period_shortens_the_doubt_too() {
    let pace = Pace {
        period: Duration::from_secs(20),
        ..Pace::default()
    };
    let record = proven().after(&contradicted(), HOUR, 0, &pace);
    assert!(record.is_verified());
    assert_eq!(record.next_check, HOUR + Duration::from_secs(20));
}

fn object(method: &str, status: &serde_json::Value) -> CustomDomain {
    serde_json::from_value(json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": "CustomDomain",
        "metadata": { "namespace": "identity", "name": "login", "uid": "u1" },
        "spec": {
            "tenantRef": { "name": "acme" },
            "domain": "login.acme.example",
            "verification": { "method": method },
        },
        "status": status,
    }))
    .unwrap()
}

fn subject(uid: &str, method: VerificationMethod) -> Subject {
    Subject {
        at: ObjectRef::parse("identity/login").unwrap(),
        uid: Uid::parse(uid).unwrap(),
        domain: Domain::parse("login.acme.example").unwrap(),
        method,
    }
}

/// A status as the operator writes it.
fn said(of: &Subject, status: &str, reason: &str, message: &str) -> serde_json::Value {
    let challenge = of.challenge();
    json!({
        "challenge": challenge,
        "conditions": [
            {
                "type": "Verified", "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-11-25T12:00:00Z",
            },
            {
                "type": "Ready", "status": "True", "reason": "Served", "message": "Served",
                "lastTransitionTime": "2026-11-25T12:00:00Z",
            },
        ],
    })
}

#[test]
fn what_a_status_says_counts_for_the_challenge_in_it() {
    let dns = subject("u1", VerificationMethod::DnsTxt);
    let http = subject("u1", VerificationMethod::HttpWellKnown);
    let before = subject("u0", VerificationMethod::DnsTxt);
    let shown = outcome::shown(&dns);
    let past = |status: serde_json::Value| Past::of(&object("DnsTxt", &status), &dns);

    assert_eq!(past(said(&dns, "True", "Shown", &shown)), Past::Proven);
    assert_eq!(
        past(said(&dns, "True", "Shown", "…, but not since")),
        Past::Doubted
    );
    assert_eq!(
        past(said(&dns, "False", "NotShown", "publish …")),
        Past::Unproven
    );
    assert_eq!(past(said(&dns, "False", "NotChecked", "")), Past::New);
    for other in [&http, &before] {
        assert_eq!(past(said(other, "True", "Shown", &shown)), Past::New);
    }
    assert_eq!(past(json!({})), Past::New);
    assert_eq!(past(json!({ "challenge": dns.challenge() })), Past::New);
    assert_eq!(Past::of(&object("DnsTxt", &json!(null)), &dns), Past::New);
}
