//! What the tests keep.

use std::num::NonZeroU32;

use mintage_core::{ClientId, Domain, Seconds, Uid, UnixTime, UserId};
use mintage_sidecar::endpoint::store::{
    Code, Digest, Family, FamilyId, Presented, Profile, Rotation, Session,
};

pub const NOW: UnixTime = UnixTime(1_800_000_000);
pub const DAY: Seconds = 86_400;
pub const MANY: NonZeroU32 = NonZeroU32::new(200).unwrap();

pub fn tenant() -> Uid {
    Uid::parse("5c2b9b3e-0000-4000-8000-000000000001").unwrap()
}

pub fn user(name: &str) -> UserId {
    UserId::parse(&format!("users|{name}")).unwrap()
}

pub fn client(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

pub fn domain() -> Domain {
    Domain::parse("login.example.com").unwrap()
}

pub fn id(byte: u8) -> FamilyId {
    FamilyId::from([byte; 16])
}

/// An hour of idling, a day at the most.
pub fn session(name: &str) -> Session {
    Session {
        user: user(name),
        domain: domain(),
        authenticated_at: NOW,
        created_at: NOW,
        idle_until: NOW + 3600,
        ends_at: NOW + DAY,
        profile: Profile::parse(r#"{"name":"Ada"}"#.into()).unwrap(),
    }
}

/// A code of `shop`'s that lives for a minute.
pub fn code(family: FamilyId) -> Code {
    Code {
        user: user("ada"),
        client: client("shop"),
        family,
        expires_at: NOW + 60,
        payload: r#"{"scope":"read:orders"}"#.into(),
    }
}

/// A family of Ada's at `shop` that lives for thirty days, and ten without use.
pub fn family(id: FamilyId) -> Family {
    Family {
        id,
        client: client("shop"),
        user: user("ada"),
        session: Some(Digest::of("cookie")),
        payload: r#"{"scope":"read:orders"}"#.into(),
        created_at: NOW,
        ends_at: NOW + 30 * DAY,
        idle_until: Some(NOW + 10 * DAY),
        rotated_at: None,
        revoked_at: None,
    }
}

/// A token as `client` presents it.
pub const fn by<'a>(
    client: &'a ClientId,
    family: &'a FamilyId,
    token: &'a Digest,
) -> Presented<'a> {
    Presented {
        family,
        token,
        client,
    }
}

/// A rotation without leeway.
pub fn to(token: &str) -> Rotation {
    Rotation {
        replacement: Some(Digest::of(token)),
        leeway: 0,
        idle_until: Some(NOW + 20 * DAY),
    }
}

/// The same with half a minute.
pub fn leniently_to(token: &str) -> Rotation {
    Rotation {
        leeway: 30,
        ..to(token)
    }
}
