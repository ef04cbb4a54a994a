use std::num::NonZeroU32;

use async_trait::async_trait;
use mintage_core::{ClientId, Seconds, Uid, UnixTime, UserId};

use super::records::{Family, FamilyId};
use super::{Digest, Error};

mod rules;

/// What came of the wish to begin a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begun {
    /// It lives.
    Kept {
        /// How many older ones were deleted, so that there are not too many.
        dropped: usize,
    },
    /// The code that it was to come of has been presented again meanwhile, or was taken back: no token may be given out.
    CodeSpoilt,
}

/// A refresh token as a client presents it.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The family that it names.
    pub family: &'a FamilyId,
    /// Its digest.
    pub token: &'a Digest,
    /// Who presents it.
    pub client: &'a ClientId,
}

/// What is to happen if the token is good.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The token that takes its place; `None`: it may be used again.
    pub replacement: Option<Digest>,
    /// How long after a rotation the token before may be presented once more, because the answer was lost.
    pub leeway: Seconds,
    /// When the family ends for want of use from now on.
    pub idle_until: Option<UnixTime>,
}

/// What came of presenting a refresh token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rotated {
    /// It was good. The replacement is now, if there is one.
    Good(Family),
    /// It was a token of this family that is not good any more, or never was: the family is revoked by this very call.
    Reused(Family),
    /// The family had come to its end; it is marked, so that a clock that steps back does not revive it.
    Ended(Family),
    /// The family was revoked before, or found to have ended.
    Revoked(Family),
    /// There is no such family of this client. If it is another's, nothing happened to it.
    Unknown,
}

/// How a refresh token stands, as introspection wants to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is good.
    Live,
    /// Another has taken its place.
    Replaced,
    /// Its family has come to its end.
    Ended,
    /// Its family is revoked.
    Revoked,
}

/// Whose families are revoked.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// All of an application.
    Client(&'a ClientId),
    /// Those that came of a session.
    Session(&'a Digest),
    /// All of a user.
    User(&'a UserId),
    /// Those of a user at an application.
    UserAndClient(&'a UserId, &'a ClientId),
}

/// Refresh tokens, in families.
#[async_trait]
pub trait Families {
    /// Begins a family with its first token. Of the families of this user at this application that live, the newest
    /// `limit` stay, this one among them. [`Error::Clash`] if the name is taken.
    async fn begin_family(
        &self,
        tenant: &Uid,
        family: &Family,
        token: &Digest,
        limit: NonZeroU32,
    ) -> Result<Begun, Error>;

    /// Uses a refresh token, in one statement: of any number that present it at once and have no leeway, one finds it
    /// good, and the next one has the family revoked. After an error the caller refuses; the token may be used up.
    async fn rotate(
        &self,
        tenant: &Uid,
        presented: Presented<'_>,
        rotation: Rotation,
        now: UnixTime,
    ) -> Result<Rotated, Error>;

    /// Revokes a family; whether it had been good until now.
    async fn revoke_family(
        &self,
        tenant: &Uid,
        id: &FamilyId,
        now: UnixTime,
    ) -> Result<bool, Error>;

    /// Revokes many families; how many had been good until now. Where they are a user's, codes that are on their way are
    /// taken back, too.
    async fn revoke_families(
        &self,
        tenant: &Uid,
        whose: Whose<'_>,
        now: UnixTime,
    ) -> Result<usize, Error>;

    /// Whose a token is and how it stands; `None` if it is no token of that family that is remembered (the current one and
    /// the one before are).
    async fn find_family(
        &self,
        tenant: &Uid,
        id: &FamilyId,
        token: &Digest,
        now: UnixTime,
    ) -> Result<Option<(Family, Standing)>, Error>;
}
