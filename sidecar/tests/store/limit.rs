use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Result;
use mintage_core::Seconds;
use mintage_sidecar::endpoint::store::{Begun, Digest, Family, Standing, Store};
use tokio::task::JoinSet;

use crate::records::{MANY, NOW, client, family, id, tenant, user};
use crate::stores::{on_both, patiently};

const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

fn token() -> Digest {
    Digest::of("r1")
}

/// A family that began so many seconds later than others.
fn later(number: u8, seconds: Seconds) -> Family {
    Family {
        created_at: NOW + seconds,
        ..family(id(number))
    }
}

async fn living(store: &dyn Store) -> Result<Vec<u8>> {
    let mut living = Vec::new();
    for number in 1..=100 {
        let found = store
            .find_family(&tenant(), &id(number), &token(), NOW + 60)
            .await?;
        if found.is_some_and(|(_, standing)| standing == Standing::Live) {
            living.push(number);
        }
    }
    Ok(living)
}

#[tokio::test]
async fn the_oldest_families_make_room() -> Result<()> {
    on_both("limit::the_oldest_families_make_room", async |opened| {
        let store = &*opened.store;
        let bobs = Family {
            user: user("bob"),
            ..family(id(51))
        };
        let elsewhere = Family {
            client: client("other"),
            ..family(id(52))
        };
        for other in [bobs, elsewhere] {
            store
                .begin_family(&tenant(), &other, &token(), THREE)
                .await?;
        }
        // A revoked one takes no room.
        store
            .begin_family(&tenant(), &family(id(53)), &token(), THREE)
            .await?;
        store.revoke_family(&tenant(), &id(53), NOW).await?;
        for number in 1..=5 {
            let begun = store
                .begin_family(&tenant(), &later(number, number.into()), &token(), THREE)
                .await?;
            let dropped = usize::from(number > 3);
            assert_eq!(begun, Begun::Kept { dropped }, "{number}");
        }
        assert_eq!(living(store).await?, [3, 4, 5, 51, 52]);
        // The limit was lowered.
        let begun = store
            .begin_family(&tenant(), &later(6, 6), &token(), NonZeroU32::MIN)
            .await?;
        assert_eq!(begun, Begun::Kept { dropped: 3 });
        assert_eq!(living(store).await?, [6, 51, 52]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn families_that_begin_at_once_keep_to_the_limit() -> Result<()> {
    on_both(
        "limit::families_that_begin_at_once_keep_to_the_limit",
        async |opened| {
            let replica = opened.again().await?;
            let mut begun = JoinSet::new();
            for number in 1..=40 {
                let store = Arc::clone(if number % 2 == 0 {
                    &opened.store
                } else {
                    &replica
                });
                begun.spawn(async move {
                    let ask = || {
                        let store = Arc::clone(&store);
                        async move {
                            let family = later(number, 0);
                            store
                                .begin_family(&tenant(), &family, &token(), THREE)
                                .await
                        }
                    };
                    patiently(ask).await
                });
            }
            for begun in begun.join_all().await {
                begun?;
            }
            assert_eq!(living(&*opened.store).await?.len(), 3);
            replica.close().await;
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn two_hundred_families_live_and_no_more() -> Result<()> {
    on_both(
        "limit::two_hundred_families_live_and_no_more",
        async |opened| {
            let store = &*opened.store;
            for number in 1..=201 {
                let begun = store
                    .begin_family(&tenant(), &later(number, number.into()), &token(), MANY)
                    .await?;
                let dropped = usize::from(number == 201);
                assert_eq!(begun, Begun::Kept { dropped }, "{number}");
            }
            let found = store.find_family(&tenant(), &id(1), &token(), NOW).await?;
            assert_eq!(found, None);
            Ok(())
        },
    )
    .await
}
