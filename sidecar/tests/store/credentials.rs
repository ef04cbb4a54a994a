//! The password of the database changes, and with it the user.

use anyhow::Result;
use mintage_sidecar::endpoint::store::{Digest, FamilyId, Moved, Place, Redeemed, open};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::records::{NOW, client, code, tenant};
use crate::server::{self, connect};
use crate::skip::skip;

#[tokio::test]
async fn another_user_is_taken_up_and_another_database_is_not() -> Result<()> {
    let server = match server::shared().await? {
        Ok(server) => server,
        Err(reason) => {
            return skip(
                "credentials::another_user_is_taken_up_and_another_database_is_not",
                &reason,
            );
        }
    };
    let url = server.database().await?;
    let of = |user: &str| -> Result<Place> {
        Ok(url
            .replace("user=postgres", &format!("user={user}"))
            .parse()?)
    };
    let mut admin = connect(&url).await?;
    for user in ["first", "second"] {
        let create = format!("CREATE ROLE credentials_{user} LOGIN SUPERUSER");
        admin.execute(AssertSqlSafe(create)).await?;
    }
    let store = open(&of("credentials_first")?).await?;
    let (secret, shop) = (Digest::of("code"), client("shop"));
    store
        .add_code(&tenant(), &secret, &code(FamilyId::from([7; 16])))
        .await?;

    let other: Place = server.database().await?.parse()?;
    assert_eq!(store.take_up(&other), Err(Moved));
    assert_eq!(store.take_up(&"memory".parse()?), Err(Moved));
    store.check().await?;

    // The first user is gone, as a password that is good no more.
    admin
        .execute("ALTER ROLE credentials_first NOLOGIN")
        .await?;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'credentials_first'";
    admin.execute(end).await?;
    store.check().await.unwrap_err();
    store.take_up(&of("credentials_second")?)?;
    store.check().await?;
    let redeemed = store.redeem_code(&tenant(), &secret, &shop, NOW).await?;
    assert!(matches!(redeemed, Redeemed::Good { .. }), "{redeemed:?}");
    store.close().await;
    admin.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_file_is_never_left_for_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| Place::File(folder.path().join(name));
    let store = open(&at("a.db")).await?;
    assert_eq!(store.take_up(&at("b.db")), Err(Moved));
    assert!(!folder.path().join("b.db").exists());
    store.check().await?;
    Ok(())
}
