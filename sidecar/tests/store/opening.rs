//! Opening a store: schema, modes of files, several at once, other versions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use mintage_sidecar::endpoint::store::{Digest, Error, Place, open};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::task::JoinSet;

use crate::records::{NOW, domain, session, tenant};
use crate::server;
use crate::skip::skip;
use crate::stores::{Opened, on_both};

/// Does something to the tables behind the store's back.
pub async fn execute(opened: &Opened, sql: &str) -> Result<()> {
    let sql = AssertSqlSafe(sql.to_owned());
    match (&opened.place, &opened.url) {
        (Place::File(path), _) => {
            let mut connection: SqliteConnection =
                SqliteConnectOptions::new().filename(path).connect().await?;
            connection.execute(sql).await?;
            connection.close().await?;
        }
        (_, Some(url)) => {
            let mut connection = server::connect(url).await?;
            connection.execute(sql).await?;
            connection.close().await?;
        }
        _ => panic!("nobody else reaches a store in memory"),
    }
    Ok(())
}

#[tokio::test]
async fn a_store_is_ready_until_it_is_closed() -> Result<()> {
    on_both(
        "opening::a_store_is_ready_until_it_is_closed",
        async |opened| {
            opened.store.check().await?;
            let other = opened.again().await?;
            other.check().await?;
            other.close().await;
            let closed = other.check().await;
            assert!(matches!(closed, Err(Error::Unavailable(_))), "{closed:?}");
            opened.store.check().await?;
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_newer_or_changed_schema_is_not_touched() -> Result<()> {
    on_both("opening::a_newer_or_changed_schema_is_not_touched", async |opened| {
        opened.again().await?.close().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            SELECT 99, description, success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        execute(opened, newer).await?;
        let refused = opened.again().await.err().unwrap().downcast::<Error>()?;
        assert!(matches!(refused, Error::Incompatible(_)), "{refused:?}");
        assert!(refused.to_string().contains("a newer one"), "{refused}");

        execute(opened, "DELETE FROM _sqlx_migrations WHERE version = 99").await?;
        opened.again().await?.close().await;
        let changed = "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations LIMIT 0)";
        // The column takes no NULL: so it is another text's checksum.
        assert!(execute(opened, changed).await.is_err());
        let changed = match opened.place {
            Place::File(_) => "UPDATE _sqlx_migrations SET checksum = x'00'",
            _ => "UPDATE _sqlx_migrations SET checksum = '\\x00'",
        };
        execute(opened, changed).await?;
        let refused = opened.again().await.err().unwrap().downcast::<Error>()?;
        assert!(matches!(refused, Error::Incompatible(_)), "{refused:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_table_that_is_gone_is_damage() -> Result<()> {
    on_both("opening::a_table_that_is_gone_is_damage", async |opened| {
        let find = async || {
            opened
                .store
                .find_session(&tenant(), &Digest::of("c"), &domain(), NOW)
                .await
        };
        assert_eq!(find().await?, None);
        execute(opened, "ALTER TABLE sessions RENAME TO elsewhere").await?;
        let damaged = find().await;
        assert!(matches!(damaged, Err(Error::Damaged(_))), "{damaged:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn replicas_that_start_at_once_all_start() -> Result<()> {
    let mut places = Vec::new();
    let dir = tempfile::tempdir()?;
    places.push(Place::File(dir.path().join("store.db")));
    match server::shared().await? {
        Ok(server) => places.push(server.database().await?.parse()?),
        Err(reason) => skip("opening::replicas_that_start_at_once_all_start", &reason)?,
    }
    for place in places {
        let mut starts = JoinSet::new();
        for _ in 0..8 {
            let place = place.clone();
            starts.spawn(async move { open(&place).await });
        }
        for store in starts.join_all().await {
            let store = store?;
            store.check().await?;
            store.close().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn nobody_else_reads_the_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for made_before in [false, true] {
        let path = dir.path().join(format!("{made_before}.db"));
        if made_before {
            fs::write(&path, "")?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        }
        let store = open(&Place::File(path)).await?;
        store
            .begin_session(&tenant(), &Digest::of("c"), &session("ada"))
            .await?;
        let files: Vec<_> = fs::read_dir(dir.path())?.collect::<Result<_, _>>()?;
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            let mode = file.metadata()?.permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
        }
        store.close().await;
        fs::remove_dir_all(dir.path())?;
        fs::create_dir(dir.path())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("store.db");
    let text = "not a database at all; ".repeat(100);
    fs::write(&path, &text)?;
    let refused = open(&Place::File(path.clone())).await.err().unwrap();
    assert!(matches!(refused, Error::Damaged(_)), "{refused:?}");
    assert_eq!(fs::read_to_string(path)?, text);
    let missing = open(&Place::File(dir.path().join("no/store.db")))
        .await
        .err()
        .unwrap();
    assert!(matches!(missing, Error::Unavailable(_)), "{missing:?}");
    Ok(())
}

#[tokio::test]
async fn memory_keeps_as_long_as_the_store_is_open() -> Result<()> {
    let store = open(&Place::Memory).await?;
    store
        .begin_session(&tenant(), &Digest::of("c"), &session("ada"))
        .await?;
    // Work that is broken off takes nothing along.
    let again = store
        .begin_session(&tenant(), &Digest::of("c"), &session("ada"))
        .await;
    assert!(matches!(again, Err(Error::Clash)), "{again:?}");
    let found = store
        .find_session(&tenant(), &Digest::of("c"), &domain(), NOW)
        .await?;
    assert_eq!(found, Some(session("ada")));
    let other = open(&Place::Memory).await?;
    let found = other
        .find_session(&tenant(), &Digest::of("c"), &domain(), NOW)
        .await?;
    assert_eq!(found, None);
    Ok(())
}
