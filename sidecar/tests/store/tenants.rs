use std::collections::BTreeSet;

use anyhow::Result;
use mintage_core::{Scope, Uid};
use mintage_sidecar::endpoint::store::{About, Digest, Redeemed, Rotated, Standing, Whose};

use crate::records::{MANY, NOW, by, client, code, domain, family, id, session, tenant, to, user};
use crate::stores::on_both;

#[tokio::test]
async fn attack_32_who_takes_over_a_tenants_name_finds_nothing() -> Result<()> {
    on_both(
        "tenants::attack_32_who_takes_over_a_tenants_name_finds_nothing",
        async |opened| {
            let store = &opened.store;
            let (old, new) = (
                tenant(),
                Uid::parse("5c2b9b3e-0000-4000-8000-000000000002").unwrap(),
            );
            let (cookie, secret, token) =
                (Digest::of("cookie"), Digest::of("code"), Digest::of("r1"));
            let (ada, shop) = (user("ada"), client("shop"));
            let about = About {
                user: &ada,
                client: &shop,
                audience: None,
            };
            let openid = BTreeSet::from([Scope::parse("openid").unwrap()]);
            store.begin_session(&old, &cookie, &session("ada")).await?;
            store.add_code(&old, &secret, &code(id(2))).await?;
            store
                .begin_family(&old, &family(id(1)), &token, MANY)
                .await?;
            store.record_consent(&old, about, &openid, NOW).await?;

            assert_eq!(
                store.find_session(&new, &cookie, &domain(), NOW).await?,
                None
            );
            assert!(!store.touch_session(&new, &cookie, NOW + 7200, NOW).await?);
            assert_eq!(store.end_session(&new, &cookie).await?, None);
            assert_eq!(store.end_sessions(&new, &ada).await?, 0);
            assert_eq!(
                store.redeem_code(&new, &secret, &shop, NOW).await?,
                Redeemed::Unknown
            );
            assert_eq!(store.find_family(&new, &id(1), &token, NOW).await?, None);
            let rotated = store
                .rotate(&new, by(&shop, &id(1), &token), to("r2"), NOW)
                .await?;
            assert_eq!(rotated, Rotated::Unknown);
            assert!(!store.revoke_family(&new, &id(1), NOW).await?);
            for whose in [
                Whose::Client(&shop),
                Whose::Session(&cookie),
                Whose::User(&ada),
                Whose::UserAndClient(&ada, &shop),
            ] {
                assert_eq!(store.revoke_families(&new, whose, NOW).await?, 0);
            }
            assert_eq!(store.find_consent(&new, about, NOW).await?, BTreeSet::new());
            assert!(!store.withdraw_consent(&new, about).await?);

            // The same calls, by the tenant itself.
            assert_eq!(
                store.find_session(&old, &cookie, &domain(), NOW).await?,
                Some(session("ada"))
            );
            let found = store.find_family(&old, &id(1), &token, NOW).await?;
            assert_eq!(found, Some((family(id(1)), Standing::Live)));
            let redeemed = store.redeem_code(&old, &secret, &shop, NOW).await?;
            assert!(matches!(redeemed, Redeemed::Good { .. }), "{redeemed:?}");
            assert_eq!(store.find_consent(&old, about, NOW).await?, openid);
            Ok(())
        },
    )
    .await
}
