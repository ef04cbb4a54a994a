use anyhow::Result;
use mintage_sidecar::endpoint::store::{Begun, Digest, Error, Redeemed, Standing};

use crate::records::{MANY, NOW, client, code, family, id, tenant};
use crate::stores::{Opened, on_both};

/// A code `code` of family 1, and a family that came of it.
async fn used(opened: &Opened) -> Result<()> {
    let store = &opened.store;
    let digest = Digest::of("code");
    store.add_code(&tenant(), &digest, &code(id(1))).await?;
    let good = Redeemed::Good {
        payload: code(id(1)).payload,
        family: id(1),
    };
    let redeemed = store
        .redeem_code(&tenant(), &digest, &client("shop"), NOW)
        .await?;
    assert_eq!(redeemed, good);
    let begun = store
        .begin_family(&tenant(), &family(id(1)), &Digest::of("r1"), MANY)
        .await?;
    assert_eq!(begun, Begun::Kept { dropped: 0 });
    let found = store
        .find_family(&tenant(), &id(1), &Digest::of("r1"), NOW)
        .await?;
    assert_eq!(found, Some((family(id(1)), Standing::Live)));
    Ok(())
}

#[tokio::test]
async fn attack_21_a_code_that_is_used_again_ends_what_came_of_it() -> Result<()> {
    on_both(
        "codes::attack_21_a_code_that_is_used_again_ends_what_came_of_it",
        async |opened| {
            used(opened).await?;
            let store = &opened.store;
            for _ in 0..2 {
                let again = store
                    .redeem_code(&tenant(), &Digest::of("code"), &client("shop"), NOW + 1)
                    .await?;
                assert_eq!(again, Redeemed::Replayed { family: id(1) });
            }
            let found = store
                .find_family(&tenant(), &id(1), &Digest::of("r1"), NOW)
                .await?;
            assert_eq!(found.map(|(_, standing)| standing), Some(Standing::Revoked));
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_21_no_family_begins_once_its_code_was_used_again() -> Result<()> {
    on_both(
        "codes::attack_21_no_family_begins_once_its_code_was_used_again",
        async |opened| {
            let store = &opened.store;
            let digest = Digest::of("code");
            store.add_code(&tenant(), &digest, &code(id(1))).await?;
            for replayed in [false, true] {
                let redeemed = store
                    .redeem_code(&tenant(), &digest, &client("shop"), NOW)
                    .await?;
                assert_eq!(matches!(redeemed, Redeemed::Replayed { .. }), replayed);
            }
            let begun = store
                .begin_family(&tenant(), &family(id(1)), &Digest::of("r1"), MANY)
                .await?;
            assert_eq!(begun, Begun::CodeSpoilt);
            let found = store
                .find_family(&tenant(), &id(1), &Digest::of("r1"), NOW)
                .await?;
            assert_eq!(found, None);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_22_a_code_is_of_no_use_to_another_client() -> Result<()> {
    on_both(
        "codes::attack_22_a_code_is_of_no_use_to_another_client",
        async |opened| {
            let store = &opened.store;
            let digest = Digest::of("code");
            store.add_code(&tenant(), &digest, &code(id(1))).await?;
            let other = store
                .redeem_code(&tenant(), &digest, &client("mallory"), NOW)
                .await?;
            assert_eq!(other, Redeemed::Unknown);
            // It was not used up, neither then nor by being shown again afterwards.
            let own = store
                .redeem_code(&tenant(), &digest, &client("shop"), NOW)
                .await?;
            assert!(matches!(own, Redeemed::Good { .. }), "{own:?}");
            store
                .begin_family(&tenant(), &family(id(1)), &Digest::of("r1"), MANY)
                .await?;
            let other = store
                .redeem_code(&tenant(), &digest, &client("mallory"), NOW)
                .await?;
            assert_eq!(other, Redeemed::Unknown);
            let found = store
                .find_family(&tenant(), &id(1), &Digest::of("r1"), NOW)
                .await?;
            assert_eq!(found.map(|(_, standing)| standing), Some(Standing::Live));
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_code_that_nobody_made_is_unknown() -> Result<()> {
    on_both(
        "codes::a_code_that_nobody_made_is_unknown",
        async |opened| {
            used(opened).await?;
            let digest = Digest::of("another code");
            let redeemed = opened
                .store
                .redeem_code(&tenant(), &digest, &client("shop"), NOW)
                .await?;
            assert_eq!(redeemed, Redeemed::Unknown);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn f4_a_code_that_came_too_late_stays_so_when_the_clock_steps_back() -> Result<()> {
    on_both(
        "codes::f4_a_code_that_came_too_late_stays_so_when_the_clock_steps_back",
        async |opened| {
            let store = &opened.store;
            let [in_time, late] = ["in time", "late"].map(Digest::of);
            store.add_code(&tenant(), &in_time, &code(id(1))).await?;
            store.add_code(&tenant(), &late, &code(id(2))).await?;
            let redeemed = store
                .redeem_code(&tenant(), &in_time, &client("shop"), NOW + 59)
                .await?;
            assert!(matches!(redeemed, Redeemed::Good { .. }), "{redeemed:?}");
            let redeemed = store
                .redeem_code(&tenant(), &late, &client("shop"), NOW + 60)
                .await?;
            assert_eq!(redeemed, Redeemed::Expired);
            for back in [300, 86_400] {
                let redeemed = store
                    .redeem_code(&tenant(), &late, &client("shop"), NOW - back)
                    .await?;
                assert_eq!(redeemed, Redeemed::Replayed { family: id(2) });
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_random_value_that_comes_again_is_noticed() -> Result<()> {
    on_both(
        "codes::a_random_value_that_comes_again_is_noticed",
        async |opened| {
            used(opened).await?;
            let store = &opened.store;
            let same_code = store
                .add_code(&tenant(), &Digest::of("code"), &code(id(2)))
                .await;
            assert!(matches!(same_code, Err(Error::Clash)), "{same_code:?}");
            let same_family = store
                .add_code(&tenant(), &Digest::of("code 2"), &code(id(1)))
                .await;
            assert!(matches!(same_family, Err(Error::Clash)), "{same_family:?}");
            let begun = store
                .begin_family(&tenant(), &family(id(1)), &Digest::of("r2"), MANY)
                .await;
            assert!(matches!(begun, Err(Error::Clash)), "{begun:?}");
            // The work that was broken off holds nobody up, and left nothing behind.
            store
                .add_code(&tenant(), &Digest::of("code 2"), &code(id(2)))
                .await?;
            let found = store
                .find_family(&tenant(), &id(1), &Digest::of("r1"), NOW)
                .await?;
            assert_eq!(found, Some((family(id(1)), Standing::Live)));
            Ok(())
        },
    )
    .await
}
