use std::collections::BTreeSet;

use async_trait::async_trait;
use mintage_core::{ClientId, Identifier, Scope, Uid, UnixTime, UserId};

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

/// Which scopes users let applications have.
#[async_trait]
pub trait Consents {
    /// The scopes that were consented to; none if there is no consent.
    async fn find_consent(&self, tenant: &Uid, about: About<'_>) -> Result<BTreeSet<Scope>, Error>;

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
    async fn find_consent(&self, tenant: &Uid, about: About<'_>) -> Result<BTreeSet<Scope>, Error> {
        let select = statement!(
            "SELECT scope FROM consents
             WHERE tenant = $1 AND user_id = $2 AND client = $3 AND audience = $4",
            tenant.as_str(),
            about.user.as_str(),
            about.client.as_str(),
            about.audience(),
        );
        let rows = self.backend.read(select).await?.into_iter();
        rows.map(|mut row| Scope::parse(&row.text()?).map_err(Error::damaged))
            .collect()
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
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
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
