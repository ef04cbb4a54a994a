//! One test, both databases.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use mintage_sidecar::endpoint::store::{Error, Place, Store, open};
use tempfile::TempDir;

use crate::server;
use crate::skip::skip;

/// An open store, and where it is.
pub struct Opened {
    pub place: Place,
    /// The URL, if it is a `PostgreSQL`.
    pub url: Option<String>,
    pub store: Arc<dyn Store>,
}

impl Opened {
    /// What another replica has, or this one after a start anew.
    pub async fn again(&self) -> Result<Arc<dyn Store>> {
        Ok(open(&self.place).await?)
    }
}

/// Does a test on a file of `SQLite` and then on a `PostgreSQL`; the part that cannot be done is reported under `name`.
pub async fn on_both(name: &str, test: impl AsyncFn(&Opened) -> Result<()>) -> Result<()> {
    let dir = TempDir::new()?;
    let place = Place::File(dir.path().join("store.db"));
    let store = open(&place).await?;
    let opened = Opened {
        place,
        url: None,
        store,
    };
    test(&opened).await.context("on SQLite")?;
    opened.store.close().await;

    let server = match server::shared().await? {
        Ok(server) => server,
        Err(reason) => return skip(name, &reason),
    };
    let url = server.database().await?;
    let place = url.parse()?;
    let store = open(&place).await?;
    let opened = Opened {
        place,
        url: Some(url),
        store,
    };
    test(&opened).await.context("on PostgreSQL")?;
    opened.store.close().await;
    Ok(())
}

/// Asks again where there was no connection within two seconds, so nothing was done: the machine does much else.
pub async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask().await {
            Err(Error::Unavailable(cause)) if is_timeout(&*cause) => {}
            answer => return answer,
        }
    }
}

fn is_timeout(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(sqlx::Error::PoolTimedOut))
}
