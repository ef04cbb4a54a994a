use async_trait::async_trait;
use mintage_core::{Uid, UnixTime, UserId};

use super::backend::statement;
use super::records::{Person, Profile};
use super::{Database, Error};

/// What ended of somebody who had the name before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Replaced {
    /// Families of refresh tokens.
    pub families: usize,
    /// Scopes that they had allowed.
    pub scopes: usize,
    /// Sessions.
    pub sessions: usize,
}

/// Users whom a provider knows: what it said of them when they last signed in.
#[async_trait]
pub trait People {
    /// Keeps what a provider said of a user. If another provider had a user of that name before, they are somebody else: all
    /// that was theirs ends, and it is told how much that was.
    async fn keep_person(
        &self,
        tenant: &Uid,
        user: &UserId,
        issuer: &str,
        profile: &Profile,
        now: UnixTime,
    ) -> Result<Option<Replaced>, Error>;

    /// What was kept of a user.
    async fn find_person(&self, tenant: &Uid, user: &UserId) -> Result<Option<Person>, Error>;
}

/// What ends with somebody who had the name before.
const THEIRS: [&str; 3] = [
    "DELETE FROM families WHERE tenant = $1 AND user_id = $2 RETURNING user_id",
    "DELETE FROM consents WHERE tenant = $1 AND user_id = $2 RETURNING user_id",
    "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2 RETURNING user_id",
];

#[async_trait]
impl People for Database {
    async fn keep_person(
        &self,
        tenant: &Uid,
        user: &UserId,
        issuer: &str,
        profile: &Profile,
        now: UnixTime,
    ) -> Result<Option<Replaced>, Error> {
        let mut work = self.backend.begin(&format!("{tenant} {user}")).await?;
        let select = statement!(
            "SELECT issuer FROM people WHERE tenant = $1 AND user_id = $2 AND issuer <> $3",
            tenant.as_str(),
            user.as_str(),
            issuer,
        );
        let replaced = if work.rows(select).await?.is_empty() {
            None
        } else {
            let mut ended = [0; 3];
            for (count, delete) in ended.iter_mut().zip(THEIRS) {
                let delete = statement!(delete, tenant.as_str(), user.as_str());
                *count = work.rows(delete).await?.len();
            }
            let [families, scopes, sessions] = ended;
            Some(Replaced {
                families,
                scopes,
                sessions,
            })
        };
        let keep = statement!(
            "INSERT INTO people (tenant, user_id, issuer, profile, known_since, seen_at)
             VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (tenant, user_id) DO UPDATE SET
                 known_since = CASE WHEN people.issuer = excluded.issuer
                     THEN people.known_since ELSE excluded.known_since END,
                 issuer = excluded.issuer, profile = excluded.profile, seen_at = excluded.seen_at",
            tenant.as_str(),
            user.as_str(),
            issuer,
            profile.as_str(),
            now,
        );
        work.rows(keep).await?;
        work.commit().await?;
        Ok(replaced)
    }

    async fn find_person(&self, tenant: &Uid, user: &UserId) -> Result<Option<Person>, Error> {
        let select = statement!(
            "SELECT issuer, profile, known_since FROM people WHERE tenant = $1 AND user_id = $2",
            tenant.as_str(),
            user.as_str(),
        );
        let row = self.backend.read(select).await?.into_iter().next();
        let person = row.map(|mut row| {
            Ok(Person {
                issuer: row.text()?,
                profile: Profile::parse(row.text()?).map_err(Error::damaged)?,
                known_since: row.time()?,
            })
        });
        person.transpose()
    }
}
