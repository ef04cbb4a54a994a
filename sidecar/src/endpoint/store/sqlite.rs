//! `SQLite`: the store of one process, in a file or in memory.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Row as _, TypeInfo as _, ValueRef as _};
use tokio::runtime::Handle;

use super::backend::{Backend, Row, Statement, Value, Work, rows_of, statement};
use super::{Error, migrations};

/// How long to wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);

/// How long to wait for another process that writes: a backup, or this one's predecessor.
const BUSY: Duration = Duration::from_secs(5);

/// Those who read do not wait for the one who writes.
const READERS: u32 = 4;

pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// Opens a file, or memory.
pub async fn open(path: Option<&Path>) -> Result<Sqlite, Error> {
    let options = SqliteConnectOptions::new()
        .busy_timeout(BUSY)
        .foreign_keys(true)
        // What was answered is on the disk.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let options = match path {
        Some(path) => {
            make_private(path).map_err(Error::unavailable)?;
            options.filename(path).journal_mode(SqliteJournalMode::Wal)
        }
        None => options.in_memory(true),
    };
    // Memory lasts as long as its one connection.
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None);
    let writer = pool
        .clone()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    // sqlx has no lock for `SQLite`: of two processes that start at once, one does all steps, and the other finds them done.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    migrations::sqlite()
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.commit().await?;
    let readers = match path {
        Some(_) => pool.max_connections(READERS).connect_with(options).await?,
        None => writer.clone(),
    };
    Ok(Sqlite { writer, readers })
}

/// Makes a file that only its owner reads; `SQLite` gives those beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[async_trait]
impl Backend for Sqlite {
    async fn read(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        let mut connection = self.readers.acquire().await?;
        Ok(rows(&mut connection, statement).await?)
    }

    async fn write(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        let mut connection = self.writer.acquire().await?;
        Ok(rows(&mut connection, statement).await?)
    }

    async fn begin(&self, _topic: &str) -> Result<Box<dyn Work>, Error> {
        // There is one writer, so the topic does not matter.
        let mut work = Box::new(Begun(Some(self.writer.acquire().await?)));
        work.rows(statement!("BEGIN IMMEDIATE")).await?;
        Ok(work)
    }

    async fn check(&self) -> Result<(), Error> {
        self.read(statement!("SELECT version FROM _sqlx_migrations"))
            .await
            .map(drop)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The connection, until the work is done. sqlx's own transactions are not used: a full disk makes `SQLite` roll one back by
/// itself, and sqlx would wait for the end of it for ever.
struct Begun(Option<PoolConnection<sqlx::Sqlite>>);

impl Begun {
    fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let connection = self.0.as_deref_mut();
        connection.ok_or_else(|| Error::unavailable("the work is done already"))
    }
}

#[async_trait]
impl Work for Begun {
    async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, Error> {
        Ok(rows(self.connection()?, statement).await?)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.rows(statement!("COMMIT")).await?;
        // Now there is nothing to roll back.
        self.0 = None;
        Ok(())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(mut connection) = self.0.take() else {
            return;
        };
        match Handle::try_current() {
            // Who comes next waits for the connection.
            Ok(runtime) => drop(runtime.spawn(async move {
                // It fails if `SQLite` did it by itself.
                rows(&mut connection, statement!("ROLLBACK")).await.ok();
            })),
            // The process ends; closing it rolls back.
            Err(_) => drop(connection.detach()),
        }
    }
}

rows_of!(sqlx::Sqlite, SqliteConnection, SqliteRow);
