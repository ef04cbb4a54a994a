//! Many who present one thing at once, at two replicas.

use std::future::Future;
use std::sync::Arc;

use anyhow::Result;
use mintage_sidecar::endpoint::store::{Digest, Error, Redeemed, Rotated, Standing, Store};
use tokio::task::JoinSet;

use crate::records::{MANY, NOW, by, client, code, family, id, leniently_to, tenant, to};
use crate::stores::{Opened, on_both, patiently};

/// The answers to 64 who ask at once, by turns at two replicas.
async fn at_once<T, F>(opened: &Opened, ask: fn(Arc<dyn Store>, usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let replicas = [Arc::clone(&opened.store), opened.again().await?];
    let mut asked = JoinSet::new();
    for number in 0..64 {
        let store = Arc::clone(&replicas[number % 2]);
        asked.spawn(async move { patiently(|| ask(Arc::clone(&store), number)).await });
    }
    let answers: Result<Vec<T>, Error> = asked.join_all().await.into_iter().collect();
    replicas[1].close().await;
    Ok(answers?)
}

#[tokio::test]
async fn attack_21_of_64_who_redeem_one_code_at_once_one_wins() -> Result<()> {
    on_both(
        "race::attack_21_of_64_who_redeem_one_code_at_once_one_wins",
        async |opened| {
            let digest = Digest::of("code");
            opened
                .store
                .add_code(&tenant(), &digest, &code(id(1)))
                .await?;
            let answers = at_once(opened, |store: Arc<dyn Store>, _| async move {
                store
                    .redeem_code(&tenant(), &Digest::of("code"), &client("shop"), NOW)
                    .await
            })
            .await?;
            let (good, others): (Vec<_>, Vec<_>) = answers
                .into_iter()
                .partition(|answer| matches!(answer, Redeemed::Good { .. }));
            assert_eq!(good.len(), 1);
            let replayed = Redeemed::Replayed { family: id(1) };
            assert!(
                others.iter().all(|answer| *answer == replayed),
                "{others:?}"
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_25_of_64_who_refresh_with_one_token_at_once_one_wins_and_the_family_ends()
-> Result<()> {
    on_both(
        "race::attack_25_of_64_who_refresh_with_one_token_at_once_one_wins_and_the_family_ends",
        async |opened| {
            opened
                .store
                .begin_family(&tenant(), &family(id(1)), &Digest::of("r1"), MANY)
                .await?;
            let answers = at_once(opened, |store: Arc<dyn Store>, number| async move {
                let (shop, token) = (client("shop"), Digest::of("r1"));
                let next = to(&format!("next {number}"));
                store
                    .rotate(&tenant(), by(&shop, &id(1), &token), next, NOW)
                    .await
            })
            .await?;
            let count =
                |which: fn(&Rotated) -> bool| answers.iter().filter(|answer| which(answer)).count();
            let counts = [
                count(|answer| matches!(answer, Rotated::Good(_))),
                count(|answer| matches!(answer, Rotated::Reused(_))),
                count(|answer| matches!(answer, Rotated::Revoked(_))),
            ];
            assert_eq!(counts, [1, 1, 62]);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn with_leeway_all_who_refresh_at_once_have_an_answer_and_one_token_lives() -> Result<()> {
    on_both(
        "race::with_leeway_all_who_refresh_at_once_have_an_answer_and_one_token_lives",
        async |opened| {
            opened
                .store
                .begin_family(&tenant(), &family(id(1)), &Digest::of("r1"), MANY)
                .await?;
            let answers = at_once(opened, |store: Arc<dyn Store>, number| async move {
                let (shop, token) = (client("shop"), Digest::of("r1"));
                let next = leniently_to(&format!("next {number}"));
                store
                    .rotate(&tenant(), by(&shop, &id(1), &token), next, NOW)
                    .await
            })
            .await?;
            assert!(
                answers
                    .iter()
                    .all(|answer| matches!(answer, Rotated::Good(_))),
                "{answers:?}"
            );
            let mut live = 0;
            for number in 0..64 {
                let token = Digest::of(&format!("next {number}"));
                let found = opened
                    .store
                    .find_family(&tenant(), &id(1), &token, NOW)
                    .await?;
                live += usize::from(found.is_some_and(|(_, standing)| standing == Standing::Live));
            }
            assert_eq!(live, 1);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_21_a_family_that_begins_while_its_code_is_used_again_does_not_live() -> Result<()> {
    on_both(
        "race::attack_21_a_family_that_begins_while_its_code_is_used_again_does_not_live",
        async |opened| {
            let store = &opened.store;
            for round in 1..=20 {
                let digest = Digest::of(&format!("code {round}"));
                let token = Digest::of("r1");
                store.add_code(&tenant(), &digest, &code(id(round))).await?;
                let (shop, tenant, family) = (client("shop"), tenant(), family(id(round)));
                store.redeem_code(&tenant, &digest, &shop, NOW).await?;
                let (begun, replayed) = tokio::join!(
                    store.begin_family(&tenant, &family, &token, MANY),
                    store.redeem_code(&tenant, &digest, &shop, NOW),
                );
                begun?;
                assert_eq!(replayed?, Redeemed::Replayed { family: id(round) });
                let found = store.find_family(&tenant, &id(round), &token, NOW).await?;
                let standing = found.map(|(_, standing)| standing);
                assert!(
                    matches!(standing, None | Some(Standing::Revoked)),
                    "{standing:?}"
                );
            }
            Ok(())
        },
    )
    .await
}
