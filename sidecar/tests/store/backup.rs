//! What `docs/operations.md` has an admin do after a restored backup.

use anyhow::{Context as _, Result};
use mintage_sidecar::endpoint::store::{Digest, Redeemed, Rotated};

use crate::opening::execute;
use crate::records::{MANY, NOW, by, client, code, domain, family, id, session, tenant, to};
use crate::stores::on_both;

const PAGE: &str = include_str!("../../../docs/operations.md");

#[tokio::test]
async fn after_a_restored_backup_what_was_open_then_is_closed_as_the_page_says() -> Result<()> {
    on_both(
        "backup::after_a_restored_backup_what_was_open_then_is_closed_as_the_page_says",
        async |opened| {
            let (store, shop) = (&opened.store, client("shop"));
            let [cookie, secret, token] = ["cookie", "code", "r1"].map(Digest::of);
            store
                .begin_session(&tenant(), &cookie, &session("ada"))
                .await?;
            store.add_code(&tenant(), &secret, &code(id(2))).await?;
            store
                .begin_family(&tenant(), &family(id(1)), &token, MANY)
                .await?;
            assert!(
                store
                    .find_session(&tenant(), &cookie, &domain(), NOW)
                    .await?
                    .is_some()
            );

            let block = PAGE.split("```sql\n").nth(1).context("no block of SQL")?;
            execute(opened, block.split("```").next().context("no end of it")?).await?;

            assert_eq!(
                store
                    .find_session(&tenant(), &cookie, &domain(), NOW)
                    .await?,
                None
            );
            let redeemed = store.redeem_code(&tenant(), &secret, &shop, NOW).await?;
            assert_eq!(redeemed, Redeemed::Unknown);
            let rotated = store
                .rotate(&tenant(), by(&shop, &id(1), &token), to("r2"), NOW)
                .await?;
            assert!(matches!(rotated, Rotated::Revoked(_)), "{rotated:?}");
            Ok(())
        },
    )
    .await
}
