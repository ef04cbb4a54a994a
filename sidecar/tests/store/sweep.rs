use std::num::NonZeroU32;

use anyhow::Result;
use mintage_sidecar::endpoint::store::{
    Digest, Family, Redeemed, Rotated, Rotation, Standing, Swept,
};

use crate::records::{DAY, MANY, NOW, by, client, code, domain, family, id, session, tenant, to};
use crate::stores::on_both;

#[tokio::test]
async fn what_has_ended_goes_in_batches() -> Result<()> {
    on_both("sweep::what_has_ended_goes_in_batches", async |opened| {
        let store = &opened.store;
        for number in 0..5_u8 {
            let digest = Digest::from([number; 32]);
            store
                .begin_session(&tenant(), &digest, &session("ada"))
                .await?;
            store
                .add_code(&tenant(), &digest, &code(id(number)))
                .await?;
        }
        let two = NonZeroU32::new(2).unwrap();
        let later = NOW + 60 + DAY;
        assert_eq!(store.sweep(NOW, two).await?, Swept::default());
        for left in [2, 2, 1, 0] {
            let swept = store.sweep(later, two).await?;
            let expected = Swept {
                sessions: left,
                codes: left,
                ..Swept::default()
            };
            assert_eq!(swept, expected);
            assert_eq!(swept.may_be_more(two), left == 2);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_used_up_or_revoked_is_recognised_for_a_day_after_its_end() -> Result<()> {
    on_both(
        "sweep::what_is_used_up_or_revoked_is_recognised_for_a_day_after_its_end",
        async |opened| {
            let (store, shop, token) = (&opened.store, client("shop"), Digest::of("r1"));
            store.add_code(&tenant(), &token, &code(id(1))).await?;
            store.redeem_code(&tenant(), &token, &shop, NOW).await?;
            // Revoked; ended for want of use; alive.
            for number in 1..=3 {
                store
                    .begin_family(&tenant(), &family(id(number)), &token, MANY)
                    .await?;
            }
            store.revoke_family(&tenant(), &id(1), NOW).await?;
            let alive = Family {
                idle_until: None,
                ..family(id(4))
            };
            store.begin_family(&tenant(), &alive, &token, MANY).await?;

            store.sweep(NOW + 60 + DAY - 1, MANY).await?;
            let replayed = store.redeem_code(&tenant(), &token, &shop, NOW).await?;
            assert_eq!(replayed, Redeemed::Replayed { family: id(1) });
            store.sweep(NOW + 60 + DAY, MANY).await?;
            let gone = store.redeem_code(&tenant(), &token, &shop, NOW).await?;
            assert_eq!(gone, Redeemed::Unknown);

            let swept = store.sweep(NOW + 11 * DAY, MANY).await?;
            assert_eq!(swept.families, 2);
            for (number, last) in [(4, NOW + 30 * DAY - 1), (1, NOW + 31 * DAY - 1)] {
                assert_eq!(store.sweep(last, MANY).await?.families, 0);
                let lasting = Rotation {
                    idle_until: None,
                    ..to("r2")
                };
                let used = store
                    .rotate(&tenant(), by(&shop, &id(number), &token), lasting, last)
                    .await?;
                match number {
                    1 => assert!(matches!(used, Rotated::Revoked(_)), "{used:?}"),
                    _ => assert!(matches!(used, Rotated::Good(_)), "{used:?}"),
                }
            }
            assert_eq!(store.sweep(NOW + 31 * DAY, MANY).await?.families, 2);
            Ok(())
        },
    )
    .await
}

/// A sweep marks what has ended, so it is not for somebody to come and find it out.
#[tokio::test]
async fn f4_what_was_swept_does_not_live_again_when_the_clock_steps_back() -> Result<()> {
    on_both(
        "sweep::f4_what_was_swept_does_not_live_again_when_the_clock_steps_back",
        async |opened| {
            let (store, shop, token) = (&opened.store, client("shop"), Digest::of("r1"));
            let [unused, used] = ["unused", "used"].map(Digest::of);
            store.add_code(&tenant(), &unused, &code(id(1))).await?;
            store.add_code(&tenant(), &used, &code(id(2))).await?;
            store.redeem_code(&tenant(), &used, &shop, NOW).await?;
            let lasting = Family {
                idle_until: None,
                ..family(id(3))
            };
            for kept in [&lasting, &family(id(4))] {
                store.begin_family(&tenant(), kept, &token, MANY).await?;
            }
            let swept = store.sweep(NOW + 10 * DAY, MANY).await?;
            let expected = Swept {
                codes: 2,
                ended: 1,
                ..Swept::default()
            };
            assert_eq!(swept, expected);
            let redeemed = store.redeem_code(&tenant(), &unused, &shop, NOW).await?;
            assert_eq!(redeemed, Redeemed::Unknown);
            let ended = store
                .rotate(&tenant(), by(&shop, &id(4), &token), to("r2"), NOW)
                .await?;
            assert!(matches!(ended, Rotated::Revoked(_)), "{ended:?}");
            let good = store
                .rotate(&tenant(), by(&shop, &id(3), &token), to("r2"), NOW)
                .await?;
            assert!(matches!(good, Rotated::Good(_)), "{good:?}");
            // The one that ended for want of use goes a day later, and not when it might have ended.
            assert_eq!(store.sweep(NOW + 11 * DAY, MANY).await?.families, 1);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn f4_what_had_ended_by_a_time_ends_for_good() -> Result<()> {
    on_both(
        "sweep::f4_what_had_ended_by_a_time_ends_for_good",
        async |opened| {
            let (store, shop) = (&opened.store, client("shop"));
            let [used, unused, token, cookie] = ["used", "unused", "r1", "c"].map(Digest::of);
            store.add_code(&tenant(), &used, &code(id(1))).await?;
            store.redeem_code(&tenant(), &used, &shop, NOW).await?;
            store.add_code(&tenant(), &unused, &code(id(2))).await?;
            store
                .begin_session(&tenant(), &cookie, &session("ada"))
                .await?;
            store
                .begin_family(&tenant(), &family(id(3)), &token, MANY)
                .await?;
            let find = async || {
                let family = store.find_family(&tenant(), &id(3), &token, NOW).await?;
                let session = store
                    .find_session(&tenant(), &cookie, &domain(), NOW)
                    .await?;
                let standing = family.map(|(_, standing)| standing);
                anyhow::Ok((standing, session.is_some()))
            };
            store.end_by(NOW + 3599).await?;
            // Codes in any case: who knows which time they are of.
            let redeemed = store.redeem_code(&tenant(), &unused, &shop, NOW).await?;
            assert_eq!(redeemed, Redeemed::Unknown);
            let replayed = store.redeem_code(&tenant(), &used, &shop, NOW).await?;
            assert!(
                matches!(replayed, Redeemed::Replayed { .. }),
                "{replayed:?}"
            );
            assert_eq!(find().await?, (Some(Standing::Live), true));
            store.end_by(NOW + 3600).await?;
            assert_eq!(find().await?, (Some(Standing::Live), false));
            store.end_by(NOW + 10 * DAY).await?;
            assert_eq!(find().await?, (Some(Standing::Revoked), false));
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn what_lives_is_not_swept() -> Result<()> {
    on_both("sweep::what_lives_is_not_swept", async |opened| {
        let (store, digest) = (&opened.store, Digest::of("r1"));
        store
            .begin_session(&tenant(), &digest, &session("ada"))
            .await?;
        store.add_code(&tenant(), &digest, &code(id(2))).await?;
        store
            .begin_family(&tenant(), &family(id(1)), &digest, MANY)
            .await?;
        assert_eq!(store.sweep(NOW + 59, MANY).await?, Swept::default());
        let found = store
            .find_session(&tenant(), &digest, &domain(), NOW + 59)
            .await?;
        assert_eq!(found, Some(session("ada")));
        let redeemed = store
            .redeem_code(&tenant(), &digest, &client("shop"), NOW + 59)
            .await?;
        assert!(matches!(redeemed, Redeemed::Good { .. }), "{redeemed:?}");
        assert!(
            store
                .find_family(&tenant(), &id(1), &digest, NOW)
                .await?
                .is_some()
        );
        Ok(())
    })
    .await
}
