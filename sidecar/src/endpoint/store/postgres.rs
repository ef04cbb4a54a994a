//! `PostgreSQL`: the store of two and more replicas.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, Row as _, TypeInfo as _, ValueRef as _,
};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::backend::{Backend, Row, Statement, Value, Work, rows_of, statement};
use super::{Error, Moved, Place, PostgresUrl, migrations};

/// How long to wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);

/// How long to wait for an answer: a second more than the database itself tries.
const ANSWER: Duration = Duration::from_secs(6);

/// How long the first of several replicas may take for the schema while others wait for it.
const MIGRATION: Duration = Duration::from_mins(1);

/// Of one replica.
const CONNECTIONS: u32 = 10;

/// What a session goes by, whatever the database's own defaults are. The rules rely on `read committed`: an `UPDATE` that
/// waited for another looks at the row again.
const SETTINGS: [(&str, &str); 4] = [
    ("default_transaction_isolation", "read committed"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "2s"),
    ("statement_timeout", "5s"),
];

/// What was answered is on the disk. Stricter settings stay, such as waiting for a standby.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')";

pub struct Postgres {
    pool: PgPool,
}

/// Connects, and brings the schema up to date.
pub async fn open(url: &PostgresUrl) -> Result<Postgres, Error> {
    let options = named(url);
    migrate(&options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(DURABLE).await.map(drop) })
        })
        .connect_with(options.options(SETTINGS))
        .await?;
    Ok(Postgres { pool })
}

fn named(url: &PostgresUrl) -> PgConnectOptions {
    let options = url.options().clone().application_name("mintage-endpoint");
    options.disable_statement_logging()
}

async fn migrate(options: &PgConnectOptions) -> Result<(), Error> {
    let migration = async {
        let mut connection = options.connect().await?;
        // Under a lock that all replicas share. `run` does the same, and its future can't be sent between threads.
        migrations::postgres()
            .run_direct(None, &mut connection, false)
            .await?;
        connection.close().await?;
        Ok(())
    };
    timeout(MIGRATION, migration)
        .await
        .map_err(Error::unavailable)?
}

#[async_trait]
impl Backend for Postgres {
    async fn read(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        self.write(statement).await
    }

    async fn write(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        Lent::of(&self.pool).await?.rows(statement).await
    }

    async fn begin(&self, topic: &str) -> Result<Box<dyn Work>, Error> {
        let mut work = Box::new(Begun(Lent::of(&self.pool).await?));
        work.rows(statement!("BEGIN")).await?;
        // There may be no row yet that could be locked.
        work.rows(statement!(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            topic
        ))
        .await?;
        Ok(work)
    }

    fn take_up(&self, place: &Place) -> Result<(), Moved> {
        let known = self.pool.connect_options();
        match place {
            Place::Postgres(url) if url.leads_to(&known) => {
                self.pool.set_connect_options(named(url).options(SETTINGS));
                Ok(())
            }
            _ => Err(Moved),
        }
    }

    async fn check(&self) -> Result<(), Error> {
        let writable = statement!(
            "SELECT version FROM _sqlx_migrations
             WHERE NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'"
        );
        if self.read(writable).await?.is_empty() {
            return Err(Error::unavailable(
                "it is a standby or was made read-only, so nothing can be written to it",
            ));
        }
        Ok(())
    }

    async fn close(&self) {
        // A database that says nothing would be waited for without end: nothing is lost if it is not told.
        timeout(ANSWER * 2, self.pool.close()).await.ok();
    }
}

/// A connection, until it goes back.
struct Lent(Option<PoolConnection<sqlx::Postgres>>);

impl Lent {
    async fn of(pool: &PgPool) -> Result<Self, Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, Error> {
        let connection = self.0.as_deref_mut();
        let connection =
            connection.ok_or_else(|| Error::unavailable("the connection is closed already"))?;
        match timeout(ANSWER, rows(connection, statement)).await {
            Ok(rows) => Ok(rows?),
            Err(elapsed) => {
                // The end of the statement would be waited for before anybody else gets the connection.
                self.close();
                Err(Error::unavailable(elapsed))
            }
        }
    }

    /// Closes it, which rolls back what was begun, also where the database does not answer.
    fn close(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.0.take() else {
            return;
        };
        match Handle::try_current() {
            // The pool asks the database before it takes the connection back; its own way of giving it back waits without
            // end for an answer, and the place in the pool is gone until then.
            Ok(runtime) => drop(runtime.spawn(timeout(ANSWER, connection.return_to_pool()))),
            // The process ends.
            Err(_) => drop(connection.detach()),
        }
    }
}

/// Work on a connection; closed with it unless it was done.
struct Begun(Lent);

#[async_trait]
impl Work for Begun {
    async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, Error> {
        self.0.rows(statement).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.rows(statement!("COMMIT")).await?;
        // Now there is nothing to roll back: it goes back to the pool.
        drop(Lent(self.0.0.take()));
        Ok(())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.close();
    }
}

rows_of!(sqlx::Postgres, PgConnection, PgRow);
