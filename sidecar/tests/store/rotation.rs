//! Rotated tokens that are presented again.

use anyhow::Result;
use mintage_core::UnixTime;
use mintage_sidecar::endpoint::store::{Digest, Rotated, Rotation, Store};

use crate::records::{MANY, NOW, by, client, family, id, leniently_to, tenant, to};
use crate::stores::on_both;

/// Family 1, with a token `r1` that made room for `r2` at [`NOW`].
async fn rotated(store: &dyn Store) -> Result<()> {
    store
        .begin_family(&tenant(), &family(id(1)), &Digest::of("r1"), MANY)
        .await?;
    let rotated = present(store, "r1", to("r2"), NOW).await?;
    assert!(matches!(rotated, Rotated::Good(_)), "{rotated:?}");
    Ok(())
}

async fn present(
    store: &dyn Store,
    token: &str,
    rotation: Rotation,
    now: UnixTime,
) -> Result<Rotated> {
    let (shop, token) = (client("shop"), Digest::of(token));
    Ok(store
        .rotate(&tenant(), by(&shop, &id(1), &token), rotation, now)
        .await?)
}

#[tokio::test]
async fn attack_25_a_token_that_made_room_ends_its_family_when_it_comes_again() -> Result<()> {
    on_both(
        "rotation::attack_25_a_token_that_made_room_ends_its_family_when_it_comes_again",
        async |opened| {
            let store = &*opened.store;
            rotated(store).await?;
            let again = present(store, "r1", to("r3"), NOW).await?;
            let Rotated::Reused(family) = again else {
                panic!("{again:?}");
            };
            assert_eq!(family.revoked_at, Some(NOW));
            for token in ["r2", "r1", "r3"] {
                let after = present(store, token, leniently_to("r4"), NOW).await?;
                assert!(matches!(after, Rotated::Revoked(_)), "{token}: {after:?}");
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_25_a_guessed_token_ends_the_family_that_it_names() -> Result<()> {
    on_both(
        "rotation::attack_25_a_guessed_token_ends_the_family_that_it_names",
        async |opened| {
            let store = &*opened.store;
            rotated(store).await?;
            let guessed = present(store, "guessed", leniently_to("r3"), NOW).await?;
            assert!(matches!(guessed, Rotated::Reused(_)), "{guessed:?}");
            let after = present(store, "r2", to("r3"), NOW).await?;
            assert!(matches!(after, Rotated::Revoked(_)), "{after:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_25_a_token_that_made_room_is_dead_after_a_restart() -> Result<()> {
    on_both(
        "rotation::attack_25_a_token_that_made_room_is_dead_after_a_restart",
        async |opened| {
            rotated(&*opened.store).await?;
            opened.store.close().await;
            let store = opened.again().await?;
            let good = present(&*store, "r2", to("r3"), NOW + 1).await?;
            assert!(matches!(good, Rotated::Good(_)), "{good:?}");
            store.close().await;
            let store = opened.again().await?;
            for token in ["r1", "r2"] {
                let dead = present(&*store, token, to("r4"), NOW + 2).await?;
                assert!(
                    matches!(dead, Rotated::Reused(_) | Rotated::Revoked(_)),
                    "{dead:?}"
                );
            }
            store.close().await;
            let store = opened.again().await?;
            let after = present(&*store, "r3", to("r4"), NOW + 3).await?;
            assert!(matches!(after, Rotated::Revoked(_)), "{after:?}");
            store.close().await;
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn f15_who_lost_an_answer_may_ask_again_for_a_while() -> Result<()> {
    on_both(
        "rotation::f15_who_lost_an_answer_may_ask_again_for_a_while",
        async |opened| {
            let store = &*opened.store;
            rotated(store).await?;
            // The time counts from the first answer: asking again does not renew it.
            for (after, token) in [(10, "r3"), (30, "r4")] {
                let again = present(store, "r1", leniently_to(token), NOW + after).await?;
                let Rotated::Good(family) = again else {
                    panic!("{again:?}");
                };
                assert_eq!(family.rotated_at, Some(NOW));
            }
            let late = present(store, "r1", leniently_to("r5"), NOW + 31).await?;
            assert!(matches!(late, Rotated::Reused(_)), "{late:?}");
            let after = present(store, "r4", leniently_to("r5"), NOW + 31).await?;
            assert!(matches!(after, Rotated::Revoked(_)), "{after:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn f15_the_token_of_a_lost_answer_is_good_for_nothing() -> Result<()> {
    on_both(
        "rotation::f15_the_token_of_a_lost_answer_is_good_for_nothing",
        async |opened| {
            let store = &*opened.store;
            rotated(store).await?;
            let again = present(store, "r1", leniently_to("r3"), NOW + 10).await?;
            assert!(matches!(again, Rotated::Good(_)), "{again:?}");
            // Somebody has the answer that was lost.
            let lost = present(store, "r2", leniently_to("r4"), NOW + 11).await?;
            assert!(matches!(lost, Rotated::Reused(_)), "{lost:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn f4_a_clock_that_steps_back_does_not_lengthen_the_grace() -> Result<()> {
    on_both(
        "rotation::f4_a_clock_that_steps_back_does_not_lengthen_the_grace",
        async |opened| {
            let store = &*opened.store;
            rotated(store).await?;
            // Two replicas' clocks may differ by as much.
            let skewed = present(store, "r1", leniently_to("r3"), NOW - 30).await?;
            assert!(matches!(skewed, Rotated::Good(_)), "{skewed:?}");
            let back = present(store, "r1", leniently_to("r4"), NOW - 31).await?;
            assert!(matches!(back, Rotated::Reused(_)), "{back:?}");
            Ok(())
        },
    )
    .await
}
