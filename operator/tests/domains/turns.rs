//! That namespaces take turns.

use std::collections::BTreeSet;
use std::time::Duration;

use mintage_operator::domains::Outcome;

use super::stage::{QUICK, Stage, object, unanswered};

const SLOW: Duration = Duration::from_secs(10);

/// A tenant with ten thousand domains whose servers never answer, and others with one each.
#[tokio::test(start_paused = true)]
async fn attack_41_many_domains_of_one_tenant_delay_no_other() {
    let mut stage = Stage::start(|subject, _| {
        if subject.at.namespace.as_str() == "a-giant" {
            (unanswered(), SLOW)
        } else {
            (Outcome::Shown, QUICK)
        }
    });
    let giant = (0..10_000).map(|n| object(&format!("a-giant/x{n}"), &format!("g{n}")));
    let giant: Vec<_> = giant.collect();
    let others = (0..100).map(|n| object(&format!("shop-{n}/login"), &format!("u{n}")));
    let others: Vec<_> = others.collect();
    stage.show(giant.iter().chain(&others).cloned());
    let said = stage.until(Duration::from_secs(1)).await;
    let shown: BTreeSet<_> = said
        .iter()
        .filter(|(_, f)| f.verified)
        .map(|(_, f)| &f.at)
        .collect();
    assert_eq!(shown.len(), 100, "each of the others, within a second");

    // One that comes in the middle of it.
    stage.until(Duration::from_mins(5)).await;
    let late = object("late/login", "late");
    stage.show(giant.iter().chain(&others).chain([&late]).cloned());
    stage.until(Duration::from_secs(301)).await;
    let checked = stage.checked("late/login");
    assert!(checked[0] < Duration::from_millis(300_100), "{checked:?}");

    // And the giant gets on, with its share.
    let count = stage.all_checks().len();
    assert!(count > 110, "{count}");
    assert_eq!(*stage.checks.most.lock().unwrap(), (16, 4));
}

/// When everything is taken by those that take long, the next free place is for a namespace that has none.
#[tokio::test(start_paused = true)]
async fn slow_namespaces_delay_others_by_their_number_and_not_by_what_they_have() {
    let mut stage = Stage::start(|subject, _| {
        if subject.at.namespace.as_str().starts_with("slow") {
            (unanswered(), SLOW)
        } else {
            (Outcome::Shown, QUICK)
        }
    });
    let slow = (0..8).flat_map(|namespace| {
        (0..500).map(move |n| {
            object(
                &format!("slow-{namespace}/x{n}"),
                &format!("s{namespace}-{n}"),
            )
        })
    });
    let slow: Vec<_> = slow.collect();
    stage.show(slow.clone());
    stage.until(Duration::from_secs(35)).await;
    stage.show(slow.into_iter().chain([object("z/login", "u1")]));
    stage.until(Duration::from_mins(1)).await;
    let checked = stage.checked("z/login");
    assert!(checked[0] < Duration::from_secs(46), "{checked:?}");
    assert_eq!(stage.checks.most.lock().unwrap().0, 16);
}
