//! What the tenant endpoint remembers: sessions, codes, refresh families, consents, and users whom a provider knows.
//!
//! ```text
//!  Sessions  Codes  Families  Consents  People  Once  Upkeep      what callers see: each is a part of `Store`
//!      └───────┴───────┼─────────┴───────┴──────┴──────┘
//!                  Database                         the rules, as SQL that both databases understand
//!                      │ Backend
//!              ┌───────┴───────┐
//!           SQLite        PostgreSQL                connections, transactions, migrations
//! ```
//!
//! - The UID of the tenant is part of every key: a tenant that takes over another's name finds nothing.
//! - Secrets come as [`Digest`]s. Clock and randomness are the caller's.
//! - What may happen once is decided by one conditional `UPDATE … RETURNING`.
//! - What ended stays so when the clock steps back ([`Watched`]).
//! - An [`Error`] means that nothing is known, also of a change that was to be made: the caller refuses.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

mod backend;
mod codes;
mod consents;
mod error;
mod families;
mod migrations;
mod once;
mod people;
mod place;
mod postgres;
mod records;
mod sessions;
mod sqlite;
mod sweep;
mod watched;

pub use codes::{Codes, Redeemed};
pub use consents::{About, Consents};
pub use error::{Cause, Error};
pub use families::{Begun, Families, Presented, Rotated, Rotation, Standing, Whose};
pub use once::Once;
pub use people::{People, Replaced};
pub use place::{InvalidPlace, Moved, Place, PostgresUrl};
pub use records::{Code, Digest, Family, FamilyId, InvalidProfile, Person, Profile, Session};
pub use sessions::Sessions;
pub use sweep::{Swept, UNUSED, Upkeep};
pub use watched::Watched;

use backend::Backend;

/// All of it; `Arc<dyn Store>` is what the endpoint holds.
pub trait Store:
    Codes + Consents + Families + Once + People + Sessions + Upkeep + Send + Sync
{
    /// Takes up another way to the place that it is at, such as a new password: connections made from now on go by it, and
    /// those that are there go on. It stays where it is if the place is [another](Moved).
    fn take_up(&self, place: &Place) -> Result<(), Moved>;
}

impl Store for Database {
    fn take_up(&self, place: &Place) -> Result<(), Moved> {
        self.backend.take_up(place)
    }
}

/// Takes out what has ended, now and then. It never ends by itself.
pub async fn sweep(store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        loop {
            match store.sweep(clock.now(), SWEPT_AT_A_TIME).await {
                // So that no more comes in a minute than goes.
                Ok(swept) if swept.may_be_more(SWEPT_AT_A_TIME) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(event = "sweep-failed", %error, "trying again in a minute");
                    break;
                }
            }
        }
    }
}

const SWEEP_EVERY: Duration = Duration::from_mins(1);

const SWEPT_AT_A_TIME: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");

/// The rules over one of the databases.
struct Database {
    backend: Box<dyn Backend>,
}

/// Opens a store and brings its schema up to date. Replicas may do so at once.
///
/// [`Error::Incompatible`] if another version made the schema, [`Error::Untrusted`] if the database cannot show who it is,
/// [`Error::Unavailable`] if it cannot be reached: that is worth trying again.
pub async fn open(place: &Place) -> Result<Arc<dyn Store>, Error> {
    let backend: Box<dyn Backend> = match place {
        Place::File(path) => Box::new(sqlite::open(Some(path)).await?),
        Place::Memory => Box::new(sqlite::open(None).await?),
        Place::Postgres(url) => Box::new(postgres::open(url).await?),
    };
    Ok(Arc::new(Database { backend }))
}
