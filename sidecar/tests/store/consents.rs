use std::collections::BTreeSet;

use anyhow::Result;
use mintage_core::{Identifier, Scope};
use mintage_sidecar::endpoint::store::About;

use crate::records::{NOW, client, tenant, user};
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
            assert_eq!(store.find_consent(&tenant(), about).await?, scopes(""));
            store
                .record_consent(&tenant(), about, &scopes("read:orders"), NOW)
                .await?;
            store
                .record_consent(&tenant(), about, &scopes("read:orders write:orders"), NOW)
                .await?;
            assert_eq!(
                store.find_consent(&tenant(), about).await?,
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
                assert_eq!(store.find_consent(&tenant(), elsewhere).await?, scopes(""));
            }
            store
                .record_consent(&tenant(), profile, &scopes("openid email"), NOW)
                .await?;

            assert!(store.withdraw_consent(&tenant(), about).await?);
            assert!(!store.withdraw_consent(&tenant(), about).await?);
            assert_eq!(store.find_consent(&tenant(), about).await?, scopes(""));
            assert_eq!(
                store.find_consent(&tenant(), profile).await?,
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
            let found = opened.store.find_consent(&tenant, about).await?;
            assert_eq!(found, scopes("address email openid phone"));
            Ok(())
        },
    )
    .await
}
