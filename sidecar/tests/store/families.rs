use anyhow::Result;
use mintage_sidecar::endpoint::store::{Digest, Family, Rotated, Rotation, Standing};

use crate::records::{DAY, MANY, NOW, by, client, family, id, tenant, to};
use crate::stores::on_both;

#[tokio::test]
async fn a_token_makes_room_for_the_next_and_its_family_lives_on() -> Result<()> {
    on_both(
        "families::a_token_makes_room_for_the_next_and_its_family_lives_on",
        async |opened| {
            let (store, shop) = (&opened.store, client("shop"));
            let [r1, r2] = ["r1", "r2"].map(Digest::of);
            store
                .begin_family(&tenant(), &family(id(1)), &r1, MANY)
                .await?;
            let rotated = store
                .rotate(&tenant(), by(&shop, &id(1), &r1), to("r2"), NOW + 5)
                .await?;
            // What was granted is as it was: no refresh widens it (attack 26).
            let expected = Family {
                idle_until: Some(NOW + 20 * DAY),
                rotated_at: Some(NOW + 5),
                ..family(id(1))
            };
            assert_eq!(rotated, Rotated::Good(expected.clone()));
            for (token, standing) in [(&r1, Standing::Replaced), (&r2, Standing::Live)] {
                let found = store.find_family(&tenant(), &id(1), token, NOW + 5).await?;
                assert_eq!(found, Some((expected.clone(), standing)));
            }
            let found = store
                .find_family(&tenant(), &id(1), &Digest::of("r3"), NOW)
                .await?;
            assert_eq!(found, None);
            let rotated = store
                .rotate(&tenant(), by(&shop, &id(1), &r2), to("r3"), NOW + 6)
                .await?;
            assert!(matches!(rotated, Rotated::Good(_)), "{rotated:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_token_that_is_not_replaced_is_good_again() -> Result<()> {
    on_both(
        "families::a_token_that_is_not_replaced_is_good_again",
        async |opened| {
            let (store, shop, r1) = (&opened.store, client("shop"), Digest::of("r1"));
            store
                .begin_family(&tenant(), &family(id(1)), &r1, MANY)
                .await?;
            for second in 1..4 {
                let keep = Rotation {
                    replacement: None,
                    leeway: 0,
                    idle_until: None,
                };
                let used = store
                    .rotate(&tenant(), by(&shop, &id(1), &r1), keep, NOW + second)
                    .await?;
                let expected = Family {
                    idle_until: None,
                    ..family(id(1))
                };
                assert_eq!(used, Rotated::Good(expected));
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_22_a_refresh_token_is_of_no_use_to_another_client() -> Result<()> {
    on_both(
        "families::attack_22_a_refresh_token_is_of_no_use_to_another_client",
        async |opened| {
            let (store, shop, r1) = (&opened.store, client("shop"), Digest::of("r1"));
            store
                .begin_family(&tenant(), &family(id(1)), &r1, MANY)
                .await?;
            let mallory = client("mallory");
            for token in [&r1, &Digest::of("guessed")] {
                let rotated = store
                    .rotate(&tenant(), by(&mallory, &id(1), token), to("r2"), NOW)
                    .await?;
                assert_eq!(rotated, Rotated::Unknown);
            }
            // Nor can it be revoked that way.
            let rotated = store
                .rotate(&tenant(), by(&shop, &id(1), &r1), to("r2"), NOW)
                .await?;
            assert!(matches!(rotated, Rotated::Good(_)), "{rotated:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_family_that_nobody_began_is_unknown() -> Result<()> {
    on_both(
        "families::a_family_that_nobody_began_is_unknown",
        async |opened| {
            let (store, shop, r1) = (&opened.store, client("shop"), Digest::of("r1"));
            store
                .begin_family(&tenant(), &family(id(1)), &r1, MANY)
                .await?;
            let rotated = store
                .rotate(&tenant(), by(&shop, &id(2), &r1), to("r2"), NOW)
                .await?;
            assert_eq!(rotated, Rotated::Unknown);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn f4_a_family_that_came_to_its_end_stays_there_when_the_clock_steps_back() -> Result<()> {
    on_both(
        "families::f4_a_family_that_came_to_its_end_stays_there_when_the_clock_steps_back",
        async |opened| {
            let (store, shop, r1) = (&opened.store, client("shop"), Digest::of("r1"));
            let endless = Family {
                idle_until: None,
                ..family(id(2))
            };
            store
                .begin_family(&tenant(), &family(id(1)), &r1, MANY)
                .await?;
            store.begin_family(&tenant(), &endless, &r1, MANY).await?;
            for (family, last) in [(id(1), NOW + 10 * DAY - 1), (id(2), NOW + 30 * DAY - 1)] {
                let found = store.find_family(&tenant(), &family, &r1, last).await?;
                assert_eq!(found.map(|(_, standing)| standing), Some(Standing::Live));
                let found = store.find_family(&tenant(), &family, &r1, last + 1).await?;
                assert_eq!(found.map(|(_, standing)| standing), Some(Standing::Ended));
                let rotated = store
                    .rotate(&tenant(), by(&shop, &family, &r1), to("r2"), last + 1)
                    .await?;
                assert!(matches!(rotated, Rotated::Ended(_)), "{rotated:?}");
                for back in [300, DAY] {
                    let rotated = store
                        .rotate(&tenant(), by(&shop, &family, &r1), to("r2"), last - back)
                        .await?;
                    assert!(matches!(rotated, Rotated::Revoked(_)), "{rotated:?}");
                }
            }
            Ok(())
        },
    )
    .await
}
