//! What the leader's task says, over simulated time.

use std::time::Duration;

use mintage_operator::domains::Outcome;
use mintage_operator::snapshot::Finding;
use serde_json::json;

use super::stage::{
    HOUR, QUICK, Stage, contradicted, object, object_with, shown, unanswered, with_status,
};

const DAY: Duration = Duration::from_hours(24);

fn only(said: &[(Duration, Finding)]) -> &Finding {
    let [(_, finding)] = said else {
        panic!("{said:#?}")
    };
    finding
}

#[tokio::test(start_paused = true)]
async fn what_is_so_is_said_once() {
    let mut stage = Stage::start(|_, _| (Outcome::Shown, QUICK));
    let login = object("identity/login", "u1");
    stage.show([login.clone()]);
    let said = stage.until(10 * DAY).await;
    let finding = only(&said);
    assert!(finding.verified);
    assert_eq!(finding.uid.as_str(), "u1");
    assert_eq!(finding.message, shown(&login));
    assert!(said[0].0 < Duration::from_secs(1));
    let checks = stage.checked("identity/login").len();
    assert!((20..=26).contains(&checks), "{checks} checks in ten days");
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_with_the_mend() {
    let mut stage = Stage::start(|_, now| {
        let outcome = if now < HOUR {
            contradicted()
        } else {
            Outcome::Shown
        };
        (outcome, QUICK)
    });
    stage.show([object("identity/login", "u1")]);
    let said = stage.until(2 * HOUR).await;
    let [(_, first), (shown_at, second)] = said.as_slice() else {
        panic!("{said:#?}")
    };
    assert!(!first.verified);
    let text = &first.message;
    assert!(
        text.starts_with(
            "publish a TXT record _mintage-challenge.login.identity.example with the value \
             mintage-domain-verification="
        ) && text.ends_with("; found: nothing, the name does not exist"),
        "{text}"
    );
    assert!(second.verified);
    assert!(*shown_at < HOUR + Duration::from_mins(10) + QUICK);
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_is_gone_is_said_at_once_and_lapses_later() {
    let (gone, back) = (20 * HOUR, 40 * HOUR);
    let mut stage = Stage::start(move |_, now| {
        let outcome = if (gone..back).contains(&now) {
            contradicted()
        } else {
            Outcome::Shown
        };
        (outcome, QUICK)
    });
    let login = object("identity/login", "u1");
    stage.show([login.clone()]);
    let said = stage.until(45 * HOUR).await;
    let verified: Vec<bool> = said.iter().map(|(_, finding)| finding.verified).collect();
    assert_eq!(verified, [true, true, false, true], "{said:#?}");
    let doubt = &said[1].1.message;
    assert!(
        doubt.starts_with(&format!("{}, but not since 2027-01-", shown(&login))),
        "{doubt}"
    );
    for part in [
        "found: nothing, the name does not exist",
        "after 3 such answers over 1 hour, or 24 hours without any",
        "to keep it, publish a TXT record",
    ] {
        assert!(doubt.contains(part), "{doubt}");
    }
    let (doubted, lapsed) = (said[1].0, said[2].0);
    assert!(lapsed >= doubted + HOUR && lapsed < doubted + 2 * HOUR);
    assert!(said[3].0 < back + Duration::from_mins(10) + QUICK);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_dns_lapses_nothing_for_a_day() {
    let (out, back) = (20 * HOUR, 40 * HOUR);
    let mut stage = Stage::start(move |_, now| {
        let outcome = if (out..back).contains(&now) {
            unanswered()
        } else {
            Outcome::Shown
        };
        (outcome, QUICK)
    });
    stage.show([object("identity/login", "u1")]);
    let said = stage.until(60 * HOUR).await;
    assert!(
        said.iter().all(|(_, finding)| finding.verified),
        "{said:#?}"
    );
    assert_eq!(said.len(), 3);
    assert!(
        said[1]
            .1
            .message
            .contains("there was no answer: the DNS server"),
        "{said:#?}"
    );

    let mut stage = Stage::start(move |_, now| {
        let outcome = if now > out {
            unanswered()
        } else {
            Outcome::Shown
        };
        (outcome, QUICK)
    });
    stage.show([object("identity/login", "u1")]);
    let said = stage.until(60 * HOUR).await;
    assert!(!said.last().unwrap().1.verified, "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_forgotten() {
    let mut stage = Stage::start(|_, _| (contradicted(), QUICK));
    stage.show([object("identity/login", "u1"), object("shop/login", "u2")]);
    stage.until(HOUR).await;
    stage.show([object("shop/login", "u2")]);
    let (before, other) = (
        stage.checked("identity/login").len(),
        stage.checked("shop/login").len(),
    );
    let said = stage.until(5 * HOUR).await;
    assert!(said.is_empty(), "{said:#?}");
    assert_eq!(stage.checked("identity/login").len(), before);
    assert!(stage.checked("shop/login").len() > other);
}

/// What an old life's check finds says nothing about the new one.
#[tokio::test(start_paused = true)]
async fn a_recreated_object_begins_anew() {
    let mut stage = Stage::start(|subject, _| {
        if subject.uid.as_str() == "u1" {
            (Outcome::Shown, Duration::from_secs(5))
        } else {
            (contradicted(), QUICK)
        }
    });
    stage.show([object("identity/login", "u1")]);
    stage.until(Duration::from_secs(1)).await;
    stage.show([object("identity/login", "u2")]);
    let said = stage.until(HOUR).await;
    let finding = only(&said);
    assert_eq!((finding.uid.as_str(), finding.verified), ("u2", false));
}

#[tokio::test(start_paused = true)]
async fn a_new_status_is_no_reason_to_check() {
    let mut stage = Stage::start(|_, _| (Outcome::Shown, QUICK));
    let login = object("identity/login", "u1");
    stage.show([login.clone()]);
    stage.until(Duration::from_secs(1)).await;
    for second in 2..20 {
        stage.show([with_status(&login, true, &shown(&login))]);
        assert!(stage.until(Duration::from_secs(second)).await.is_empty());
    }
    assert_eq!(stage.checked("identity/login").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_before_the_first_snapshot() {
    let mut stage = Stage::start(|_, _| (Outcome::Shown, QUICK));
    assert!(stage.until(HOUR).await.is_empty());
    stage.show([object("identity/login", "u1")]);
    assert_eq!(stage.until(2 * HOUR).await.len(), 1);
}

/// A thousand domains that were shown before this process: they stay so, each says so once and with the same words, and
/// their checks are spread over the period.
#[tokio::test(start_paused = true)]
async fn a_restart_neither_lapses_nor_stampedes() {
    let mut stage = Stage::start(|_, _| (Outcome::Shown, QUICK));
    let all = (0..1000).map(|n| {
        let object = object(&format!("shop-{}/x{n}", n % 100), &format!("u{n}"));
        with_status(&object, true, &shown(&object))
    });
    let all: Vec<_> = all.collect();
    stage.show(all.clone());
    let said = stage.until(Duration::from_secs(1)).await;
    assert_eq!(said.len(), 1000);
    assert!(said.iter().all(|(_, finding)| finding.verified));
    let login = said
        .iter()
        .find(|(_, finding)| finding.uid.as_str() == "u7")
        .unwrap();
    assert_eq!(login.1.message, shown(&all[7]));
    assert!(stage.until(12 * HOUR).await.is_empty());
    let checks = stage.all_checks();
    assert!(checks.len() >= 1000);
    for hour in 0..12 {
        let (from, to) = (HOUR * hour, HOUR * (hour + 1));
        let count = checks.iter().filter(|at| from <= **at && **at < to).count();
        // A twelfth of a thousand by chance: 83, and some that are already checked again.
        assert!((40..=180).contains(&count), "{count} in hour {hour}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_says_what_was_said_before() {
    let mut stage = Stage::start(|_, _| (contradicted(), QUICK));
    let waiting = with_status(&object("identity/waiting", "u1"), false, "publish …");
    let doubted = object("identity/doubted", "u2");
    let doubted = with_status(
        &doubted,
        true,
        &format!("{}, but not since", shown(&doubted)),
    );
    stage.show([waiting, doubted]);
    let said = stage.until(Duration::from_millis(1)).await;
    let texts: Vec<_> = said
        .iter()
        .map(|(_, f)| (f.verified, f.message.as_str()))
        .collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].0 && texts[0].1.ends_with("but not since"));
    assert_eq!(texts[1], (false, "publish …"));
    // Both are looked at soon, whatever the period.
    stage.until(Duration::from_mins(10)).await;
    assert!(!stage.checked("identity/doubted").is_empty());
    assert!(!stage.checked("identity/waiting").is_empty());
}

/// The status of another life, restored with a backup: what it says is of a challenge that is not this object's.
#[tokio::test(start_paused = true)]
async fn a_status_of_another_challenge_is_not_believed() {
    let mut stage = Stage::start(|_, _| (Outcome::Shown, Duration::from_secs(5)));
    let before = object("identity/login", "u1");
    let mut restored = object("identity/login", "u2");
    restored.status = with_status(&before, true, &shown(&before)).status;
    stage.show([restored]);
    let said = stage.until(Duration::from_secs(1)).await;
    let finding = only(&said);
    assert!(!finding.verified);
    assert!(
        finding.message.starts_with("not shown yet: publish"),
        "{}",
        finding.message
    );
    let said = stage.until(Duration::from_secs(10)).await;
    assert!(only(&said).verified);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_bars_is_said_at_once_whatever_was_so_before() {
    let barred = Outcome::Barred("choose another".to_owned());
    let mut stage = Stage::settled(Some(barred), |_, _| (Outcome::Shown, QUICK));
    let status = json!({ "conditions": [{
        "type": "Verified", "status": "True", "reason": "Shown", "message": "taken without a proof",
        "lastTransitionTime": "2026-11-25T12:00:00Z",
    }] });
    stage.show([object_with("identity/login", "u1", "None", &status)]);
    let said = stage.until(HOUR).await;
    let finding = only(&said);
    assert_eq!(
        (finding.verified, finding.message.as_str()),
        (false, "choose another")
    );
    assert!(stage.checked("identity/login").is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_way_to_show_it_is_tried_at_once() {
    let mut stage = Stage::start(|subject, now| {
        let is_dns = subject
            .challenge()
            .unwrap()
            .location
            .starts_with("_mintage");
        let found = is_dns || now > 2 * HOUR;
        (
            if found {
                Outcome::Shown
            } else {
                contradicted()
            },
            QUICK,
        )
    });
    stage.show([object("identity/login", "u1")]);
    assert!(only(&stage.until(HOUR).await).verified);
    stage.show([object_with(
        "identity/login",
        "u1",
        "HttpWellKnown",
        &json!(null),
    )]);
    let said = stage.until(HOUR + Duration::from_secs(1)).await;
    let finding = only(&said);
    assert!(
        finding.verified,
        "it was shown a moment ago: there is time to bring the file"
    );
    assert!(
        finding
            .message
            .contains("serve at http://login.identity.example/.well-known/")
    );
    let said = stage.until(3 * HOUR).await;
    assert!(said.last().unwrap().1.verified);
}

/// What was taken without a proof is not shown by that.
#[tokio::test(start_paused = true)]
async fn a_proof_that_comes_after_none_must_be_there() {
    let mut stage = Stage::start(|subject, _| {
        let outcome = if subject.challenge().is_none() {
            Outcome::Shown
        } else {
            contradicted()
        };
        (outcome, Duration::from_secs(5))
    });
    stage.show([object_with("identity/login", "u1", "None", &json!(null))]);
    assert!(only(&stage.until(HOUR).await).verified);
    let login = object("identity/login", "u1");
    // As it is seen if the status was written for the new spec before this task looked.
    stage.show([with_status(&login, true, "taken without a proof")]);
    let said = stage.until(HOUR + Duration::from_secs(1)).await;
    assert!(!only(&said).verified);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_ends_nothing_else() {
    let mut stage = Stage::start(|subject, _| {
        assert_ne!(
            subject.at.name.as_str(),
            "crafted",
            "an answer that breaks the reader"
        );
        (Outcome::Shown, QUICK)
    });
    stage.show([
        object("identity/crafted", "u1"),
        object("identity/login", "u2"),
    ]);
    let said = stage.until(Duration::from_secs(3)).await;
    assert_eq!(said.len(), 2);
    let crafted = said
        .iter()
        .find(|(_, finding)| finding.uid.as_str() == "u1")
        .unwrap();
    assert!(!crafted.1.verified && crafted.1.message.contains("the operator's log"));
    assert!(!stage.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_those_it_works_for() {
    let stage = Stage::start(|_, _| (Outcome::Shown, QUICK));
    stage.show([object("identity/login", "u1")]);
    drop(stage.findings);
    stage.task.await.unwrap();
    let stage = Stage::start(|_, _| (Outcome::Shown, QUICK));
    drop(stage.snapshots);
    stage.task.await.unwrap();
}
