use std::num::NonZeroU32;

use anyhow::Result;
use mintage_sidecar::endpoint::store::{Digest, Family, Redeemed, Rotated, Swept};

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
                families: 0,
            };
            assert_eq!(swept, expected);
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
            for (number, last) in [(1, NOW + 31 * DAY - 1), (4, NOW + 30 * DAY - 1)] {
                assert_eq!(store.sweep(last, MANY).await?.families, 0);
                let used = store
                    .rotate(&tenant(), by(&shop, &id(number), &token), to("r2"), last)
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
