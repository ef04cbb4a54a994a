use std::collections::BTreeSet;

use async_trait::async_trait;
use mintage_core::{ClientId, Identifier, Scope, Seconds, Uid, UnixTime, UserId};

use super::backend::statement;
use super::{Database, Error};

/// What a consent is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Who consents.
    pub user: &'a UserId,
    /// To whom.
    pub client: &'a ClientId,
    /// To which API; `None` is the tenant's own: the user's profile.
    pub audience: Option<&'a Identifier>,
}

impl About<'_> {
    /// No identifier is empty.
    fn audience(&self) -> &str {
        self.audience.map_or("", Identifier::as_str)
    }
}

/// A consent that is in use is marked so often at most: most visits write nothing.
const MARKED: Seconds = 86_400;

/// Which scopes users let applications have. A consent that nobody asked for in [`UNUSED`] seconds is forgotten.
///
/// [`UNUSED`]: super::UNUSED
#[async_trait]
pub trait Consents {
    /// The scopes that were consented to; none if there is no consent. It counts as used.
    async fn find_consent(
        &self,
        tenant: &Uid,
        about: About<'_>,
        now: UnixTime,
    ) -> Result<BTreeSet<Scope>, Error>;

    /// Adds scopes to those that were consented to, all or none.
    async fn record_consent(
        &self,
        tenant: &Uid,
        about: About<'_>,
        scopes: &BTreeSet<Scope>,
        now: UnixTime,
    ) -> Result<(), Error>;

    /// Takes a consent back; whether there was one. Refresh families under it are the caller's to revoke
    /// ([`Whose::UserAndClient`]).
    ///
    /// [`Whose::UserAndClient`]: super::Whose::UserAndClient
    async fn withdraw_consent(&self, tenant: &Uid, about: About<'_>) -> Result<bool, Error>;
}

#[async_trait]
impl Consents for Database {
    async fn find_consent(
        &self,
        tenant: &Uid,
        about: About<'_>,
        now: UnixTime,
    ) -> Result<BTreeSet<Scope>, Error> {
        let select = statement!(
            "SELECT scope, COALESCE(used_at, given_at) FROM consents
             WHERE tenant = $1 AND user_id = $2 AND client = $3 AND audience = $4",
            tenant.as_str(),
            about.user.as_str(),
            about.client.as_str(),
            about.audience(),
        );
        let mut scopes = BTreeSet::new();
        let mut is_due = false;
        for mut row in self.backend.read(select).await? {
            scopes.insert(Scope::parse(&row.text()?).map_err(Error::damaged)?);
            is_due |= row.time()? <= now - MARKED;
        }
        if is_due {
            let mark = statement!(
                "UPDATE consents SET used_at = $5
                 WHERE tenant = $1 AND user_id = $2 AND client = $3 AND audience = $4
                 AND COALESCE(used_at, given_at) < $5
                 RETURNING used_at",
                tenant.as_str(),
                about.user.as_str(),
                about.client.as_str(),
                about.audience(),
                now,
            );
            self.backend.write(mark).await?;
        }
        Ok(scopes)
    }

    async fn record_consent(
        &self,
        tenant: &Uid,
        about: About<'_>,
        scopes: &BTreeSet<Scope>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let topic = format!("{tenant} {} {}", about.user, about.client);
        let mut work = self.backend.begin(&topic).await?;
        for scope in scopes {
            let insert = statement!(
                "INSERT INTO consents (tenant, user_id, client, audience, scope, given_at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (tenant, user_id, client, audience, scope)
                 DO UPDATE SET used_at = excluded.given_at
                 WHERE COALESCE(consents.used_at, consents.given_at) < excluded.given_at",
                tenant.as_str(),
                about.user.as_str(),
                about.client.as_str(),
                about.audience(),
                scope.as_str(),
                now,
            );
            work.rows(insert).await?;
        }
        work.commit().await
    }

    async fn withdraw_consent(&self, tenant: &Uid, about: About<'_>) -> Result<bool, Error> {
        let delete = statement!(
            "DELETE FROM consents
             WHERE tenant = $1 AND user_id = $2 AND client = $3 AND audience = $4
             RETURNING given_at",
            tenant.as_str(),
            about.user.as_str(),
            about.client.as_str(),
            about.audience(),
        );
        Ok(!self.backend.write(delete).await?.is_empty())
    }
}
