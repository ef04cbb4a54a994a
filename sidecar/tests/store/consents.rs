use std::collections::BTreeSet;
use std::num::NonZeroU32;

use anyhow::Result;
use mintage_core::{Identifier, Scope, Uid};
use mintage_sidecar::endpoint::store::{About, UNUSED};

use crate::records::{DAY, MANY, NOW, client, tenant, user};
use crate::stores::on_both;

fn scopes(text: &str) -> BTreeSet<Scope> {
    let scopes = text.split(' ').filter(|scope| !scope.is_empty());
    scopes.map(|scope| Scope::parse(scope).unwrap()).collect()
}

#[tokio::test]
async fn consents_add_up_and_are_taken_back_one_by_one() -> Result<()> {
    on_both(
        "consents::consents_add_up_and_are_taken_back_one_by_one",
        async |opened| {
            let store = &opened.store;
            let (ada, bob, shop) = (user("ada"), user("bob"), client("shop"));
            let orders = Identifier::parse("https://orders.example.com").unwrap();
            let about = About {
                user: &ada,
                client: &shop,
                audience: Some(&orders),
            };
            assert_eq!(store.find_consent(&tenant(), about, NOW).await?, scopes(""));
            store
                .record_consent(&tenant(), about, &scopes("read:orders"), NOW)
                .await?;
            store
                .record_consent(&tenant(), about, &scopes("read:orders write:orders"), NOW)
                .await?;
            assert_eq!(
                store.find_consent(&tenant(), about, NOW).await?,
                scopes("read:orders write:orders")
            );

            // Nobody else's, and not about the profile.
            let profile = About {
                audience: None,
                ..about
            };
            let other = client("other");
            for elsewhere in [
                profile,
                About {
                    user: &bob,
                    ..about
                },
                About {
                    client: &other,
                    ..about
                },
            ] {
                assert_eq!(
                    store.find_consent(&tenant(), elsewhere, NOW).await?,
                    scopes("")
                );
            }
            store
                .record_consent(&tenant(), profile, &scopes("openid email"), NOW)
                .await?;

            assert!(store.withdraw_consent(&tenant(), about).await?);
            assert!(!store.withdraw_consent(&tenant(), about).await?);
            assert_eq!(store.find_consent(&tenant(), about, NOW).await?, scopes(""));
            assert_eq!(
                store.find_consent(&tenant(), profile, NOW).await?,
                scopes("openid email")
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn two_consents_at_once_lose_no_scope() -> Result<()> {
    on_both(
        "consents::two_consents_at_once_lose_no_scope",
        async |opened| {
            let (ada, shop) = (user("ada"), client("shop"));
            let about = About {
                user: &ada,
                client: &shop,
                audience: None,
            };
            let (left, right) = (scopes("email openid phone"), scopes("address email openid"));
            let tenant = tenant();
            let (left, right) = tokio::join!(
                opened.store.record_consent(&tenant, about, &left, NOW),
                opened.store.record_consent(&tenant, about, &right, NOW),
            );
            left.and(right)?;
            let found = opened.store.find_consent(&tenant, about, NOW).await?;
            assert_eq!(found, scopes("address email openid phone"));
            Ok(())
        },
    )
    .await
}

/// Those of a tenant that was deleted end so, and none of a tenant whose endpoint is merely down for a while.
#[tokio::test]
async fn a_consent_is_forgotten_when_nobody_asked_for_it_in_so_long() -> Result<()> {
    let name = "consents::a_consent_is_forgotten_when_nobody_asked_for_it_in_so_long";
    on_both(name, async |opened| {
        let store = &opened.store;
        let (ada, shop, other) = (user("ada"), client("shop"), client("other"));
        let used = About {
            user: &ada,
            client: &shop,
            audience: None,
        };
        let unused = About {
            client: &other,
            ..used
        };
        let (tenant, deleted) = (tenant(), Uid::parse("deleted").unwrap());
        let both = scopes("email openid");
        for (tenant, about) in [(&tenant, used), (&tenant, unused), (&deleted, used)] {
            store.record_consent(tenant, about, &both, NOW).await?;
        }
        let visit = NOW + 30 * DAY;
        assert_eq!(store.find_consent(&tenant, used, visit).await?, both);

        assert_eq!(store.sweep(NOW + UNUSED - 1, MANY).await?.consents, 0);
        let one = NonZeroU32::MIN;
        let mut rows = 0;
        loop {
            let swept = store.sweep(NOW + UNUSED, one).await?;
            rows += swept.consents;
            if !swept.may_be_more(one) {
                break;
            }
        }
        assert_eq!(rows, 4, "two scopes of each that nobody asked for");
        let later = NOW + UNUSED;
        assert_eq!(
            store.find_consent(&tenant, unused, later).await?,
            scopes("")
        );
        assert_eq!(store.find_consent(&deleted, used, later).await?, scopes(""));
        // It was asked for at `visit`, and is now; and what is given again counts from then.
        assert_eq!(store.find_consent(&tenant, used, later).await?, both);
        assert_eq!(store.sweep(visit + UNUSED, MANY).await?.consents, 0);
        let email = scopes("email");
        store
            .record_consent(&tenant, used, &email, later + 2 * DAY)
            .await?;
        assert_eq!(store.sweep(later + UNUSED, MANY).await?.consents, 1);
        let kept = store.find_consent(&tenant, used, later + UNUSED).await?;
        assert_eq!(kept, email);
        Ok(())
    })
    .await
}

/// A clock that is set back marks nothing as used earlier.
#[tokio::test]
async fn a_consent_that_is_in_use_is_marked_forwards_only() -> Result<()> {
    let name = "consents::a_consent_that_is_in_use_is_marked_forwards_only";
    on_both(name, async |opened| {
        let store = &opened.store;
        let (ada, shop) = (user("ada"), client("shop"));
        let about = About {
            user: &ada,
            client: &shop,
            audience: None,
        };
        let openid = scopes("openid");
        let given = NOW + 100 * DAY;
        store
            .record_consent(&tenant(), about, &openid, given)
            .await?;
        store.record_consent(&tenant(), about, &openid, NOW).await?;
        store.find_consent(&tenant(), about, NOW).await?;
        let swept = store.sweep(NOW + UNUSED, MANY).await?;
        assert_eq!(swept.consents, 0);
        let kept = store.find_consent(&tenant(), about, NOW).await?;
        assert_eq!(kept, openid);
        Ok(())
    })
    .await
}
