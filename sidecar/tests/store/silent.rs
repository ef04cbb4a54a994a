//! A database that is there and does not do what it is to do: it says nothing, another holds it, or it takes no writes.

use std::future::pending;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mintage_sidecar::endpoint::store::{Digest, Error, Place, Redeemed, Store, open};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::records::{MANY, NOW, client, code, family, id, tenant};
use crate::server::{self, Server};
use crate::skip::skip;

/// Far more than the store waits, and far less than for ever.
const BOUND: Duration = Duration::from_mins(1);

/// Passes bytes on between clients and a server, until it is told to hold them back; whoever it holds back stays so.
async fn pass_on(listener: TcpListener, to: String, silent: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (to, silent) = (to.clone(), silent.clone());
        tokio::spawn(async move {
            let server = TcpStream::connect(to).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                one_way(from_client, to_server, silent.clone()),
                one_way(from_server, to_client, silent),
            );
        });
    }
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) {
    let mut piece = [0; 4096];
    loop {
        tokio::select! {
            read = from.read(&mut piece) => {
                let Ok(length @ 1..) = read else { return };
                if to.write_all(&piece[..length]).await.is_err() {
                    return;
                }
            }
            () = held_back(&mut silent) => return pending().await,
        }
    }
}

/// Resolves when nothing is to be passed on any more.
async fn held_back(silent: &mut watch::Receiver<bool>) {
    if silent.wait_for(|silent| *silent).await.is_err() {
        // The test is over.
        pending::<()>().await;
    }
}

/// Everything is refused, and nobody waits without end for that.
async fn refuses(store: &dyn Store, secret: &Digest) -> Result<()> {
    let asked = async {
        let (shop, token) = (client("shop"), Digest::of("r1"));
        let redeemed = store.redeem_code(&tenant(), secret, &shop, NOW).await;
        assert!(
            matches!(redeemed, Err(Error::Unavailable(_))),
            "{redeemed:?}"
        );
        let begun = store
            .begin_family(&tenant(), &family(id(1)), &token, MANY)
            .await;
        assert!(matches!(begun, Err(Error::Unavailable(_))), "{begun:?}");
    };
    timeout(BOUND, asked)
        .await
        .context("it waits for an answer")
}

/// It comes back by itself, and the code is good for once at the most.
async fn recovers(store: &dyn Store, secret: &Digest) -> Result<()> {
    let back = async {
        loop {
            let redeemed = store
                .redeem_code(&tenant(), secret, &client("shop"), NOW)
                .await;
            match redeemed {
                Err(Error::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
                redeemed => return redeemed,
            }
        }
    };
    let first = timeout(BOUND, back)
        .await
        .context("it does not come back")??;
    assert!(
        matches!(first, Redeemed::Good { .. } | Redeemed::Replayed { .. }),
        "{first:?}"
    );
    let second = store
        .redeem_code(&tenant(), secret, &client("shop"), NOW)
        .await?;
    assert!(matches!(second, Redeemed::Replayed { .. }), "{second:?}");
    Ok(())
}

#[tokio::test]
async fn f11_a_database_that_says_nothing_is_waited_for_only_so_long() -> Result<()> {
    let name = "silent::f11_a_database_that_says_nothing_is_waited_for_only_so_long";
    let server = match server::shared().await? {
        Ok(server) => server,
        Err(reason) => return skip(name, &reason),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (silence, silent) = watch::channel(false);
    let passing = tokio::spawn(pass_on(listener, server.address(), silent));
    let database = server.named_database().await?;
    let place: Place = format!("postgres://postgres@{address}/{database}").parse()?;
    let store = open(&place).await?;
    let secret = Digest::of("code");
    store.add_code(&tenant(), &secret, &code(id(1))).await?;

    silence.send(true)?;
    refuses(&*store, &secret).await?;
    let checked = timeout(BOUND, store.check()).await?;
    assert!(matches!(checked, Err(Error::Unavailable(_))), "{checked:?}");
    silence.send(false)?;
    recovers(&*store, &secret).await?;

    silence.send(true)?;
    timeout(BOUND, store.close())
        .await
        .context("it cannot be closed")?;
    passing.abort();
    Ok(())
}

#[tokio::test]
async fn f10_a_file_that_another_holds_is_waited_for_only_so_long() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("store.db");
    let store = open(&Place::File(path.clone())).await?;
    let secret = Digest::of("code");
    store.add_code(&tenant(), &secret, &code(id(1))).await?;
    let mut other = SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await?;
    other.execute("BEGIN IMMEDIATE").await?;
    refuses(&*store, &secret).await?;
    // Those who read do not wait.
    let read = store.find_family(&tenant(), &id(1), &secret, NOW).await?;
    assert_eq!(read, None);
    other.close().await?;
    recovers(&*store, &secret).await?;
    store.close().await;
    Ok(())
}

#[tokio::test]
async fn f11_a_standby_or_a_read_only_database_is_not_ready_and_recovers() -> Result<()> {
    let test = "silent::f11_a_standby_or_a_read_only_database_is_not_ready_and_recovers";
    let mut server = match Server::own().await? {
        Ok(server) => server,
        Err(reason) => return skip(test, &reason),
    };
    let name = server.named_database().await?;
    let url = server.url(&name);
    let place: Place = url.parse()?;
    let store = open(&place).await?;
    let mut admin = server::connect(&url).await?;
    let mut set = async |what: &str| -> Result<()> {
        let sql = format!("ALTER DATABASE {name} {what}");
        admin.execute(AssertSqlSafe(sql)).await?;
        // It holds for who connects from then on.
        admin.execute(END_OTHERS).await?;
        Ok(())
    };
    let secret = Digest::of("code");
    store.add_code(&tenant(), &secret, &code(id(1))).await?;
    store.check().await?;
    set("SET default_transaction_read_only = on").await?;
    takes_no_writes(&*store, &place, &secret).await?;
    set("RESET default_transaction_read_only").await?;
    recovers(&*store, &secret).await?;
    drop(admin);

    let secret = Digest::of("another code");
    store.add_code(&tenant(), &secret, &code(id(2))).await?;
    server.restart(true).await?;
    takes_no_writes(&*store, &place, &secret).await?;
    server.restart(false).await?;
    recovers(&*store, &secret).await?;
    store.check().await?;
    store.close().await;
    Ok(())
}

const END_OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// It is not ready, it gives nothing out, and another replica does not start on it.
async fn takes_no_writes(store: &dyn Store, place: &Place, secret: &Digest) -> Result<()> {
    let checked = store.check().await.unwrap_err().to_string();
    assert!(
        checked.contains("it is a standby or was made read-only"),
        "{checked}"
    );
    refuses(store, secret).await?;
    let other = open(place).await.err().unwrap();
    assert!(matches!(other, Error::Unavailable(_)), "{other:?}");
    Ok(())
}
