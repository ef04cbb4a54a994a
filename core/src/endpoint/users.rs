//! Users in a Secret, for small set-ups: one entry for each, with an argon2id hash of the password.

use std::collections::{BTreeMap, BTreeSet};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier as _, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ident::InvalidName;
use crate::{Identifier, Scope, UnixTime, UserId};

/// What is known of a user: the standard claims (OpenID Connect Core section 5.1) that there is a scope for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// `email`, of the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `email_verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// `name`, of the scope `profile`, as the ones below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `given_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// `family_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// `nickname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// `picture`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl Profile {
    /// The claims that scopes allow.
    pub fn claims(&self, scopes: &[Scope]) -> Map<String, Value> {
        let has = |name: &str| scopes.iter().any(|scope| scope.as_str() == name);
        let all = serde_json::to_value(self).unwrap_or_default();
        let Value::Object(all) = all else {
            return Map::new();
        };
        let allowed = all.into_iter().filter(|(name, _)| {
            has(if name.starts_with("email") {
                "email"
            } else {
                "profile"
            })
        });
        allowed.collect()
    }
}

/// A user, as an entry of the Secret has it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The argon2id hash of the password, as `mintage users add` writes it (PHC string).
    pub password_hash: HashText,
    /// Whether signing in is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Since when the entry is this person's, with this password: what was given under it before is good no more. In seconds since
    /// the beginning of 1970; `mintage users add` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_out_before: Option<UnixTime>,
    /// The scopes of APIs that the user was assigned, for APIs with `enforceRbac`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: BTreeMap<Identifier, BTreeSet<Scope>>,
    /// What is known of the user.
    #[serde(default)]
    pub profile: Profile,
}

/// A password's hash. It is not shown.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct HashText(String);

impl std::fmt::Debug for HashText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashText(…)")
    }
}

/// The users of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Users {
    all: BTreeMap<UserId, User>,
    /// Those whose entries cannot be read.
    unread: BTreeSet<UserId>,
    /// By the lower-case e-mail address, or the entry's own name. `None`: two have it, so nobody signs in by it.
    names: BTreeMap<String, Option<UserId>>,
    /// The hash that takes the longest to check, and what it costs.
    dearest: Option<(Cost, HashText)>,
    /// The most memory that one takes, in KiB.
    memory: u32,
}

/// What checking a hash costs: memory in KiB times passes, which is the time that it takes, and memory in KiB.
type Cost = (u32, u32);

/// Whether there is such a user is not known now: what was given to them is neither good nor to be taken away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the user's entry, or the Secret with it, cannot be read")]
pub struct Unread;

/// An entry that is no user. It quotes nothing of the entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidUser {
    /// The entry has another form.
    #[error("the entry {0} of the Secret is not a user as `mintage users add` writes one")]
    Entry(String),
    /// The hash is none, or would take too much to check.
    #[error(
        "the password_hash of {0} is not an argon2id hash of at most 64 MiB and 16 passes; `mintage users add` makes one"
    )]
    Hash(String),
    /// The name of the entry cannot be part of a `sub`.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Two users would sign in by the same name or e-mail address, so neither does.
    #[error(
        "{0} and {1} have the same name or e-mail address, so nobody signs in by it: take one away"
    )]
    Twice(UserId, UserId),
}

impl InvalidUser {
    /// The entry, where it can be one.
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::Entry(name) | Self::Hash(name) => Some(name),
            Self::Name(_) => None,
            Self::Twice(_, id) => Some(id.as_str().split_once('|')?.1),
        }
    }
}

/// Nobody of that name has that password, or signing in is refused; which of these is not said (no enumeration).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoUser {
    /// There is nobody of that name with that password.
    #[error("Wrong email or password.")]
    Wrong,
    /// Name and password are right, and the user is blocked.
    #[error("This account is blocked. Ask the administrator.")]
    Blocked,
}

/// The most memory that checking a hash may take, in KiB: as much as RFC 9106 asks of a server without much of it.
const MOST_MEMORY: u32 = 64 * 1024;

/// The most passes.
const MOST_PASSES: u32 = 16;

/// What a new hash costs (OWASP's first choice for argon2id: 19 MiB, 2 passes): memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// The longest password, in bytes: hashing a longer one is work that anybody could cause.
pub const LONGEST_PASSWORD: usize = 1024;

fn hasher() -> Argon2<'static> {
    let (memory, passes, lanes) = COST;
    let params =
        Params::new(memory, passes, lanes, Some(32)).expect("the cost is within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl HashText {
    /// Hashes a password with a random salt.
    pub fn of(password: &str, salt: &[u8; 16]) -> Self {
        let mut output = [0; 32];
        hasher()
            .hash_password_into(password.as_bytes(), salt, &mut output)
            .expect("argon2 takes a password of any length and a salt of 16 bytes");
        let (memory, passes, lanes) = COST;
        let encode = |bytes: &[u8]| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
        };
        let (salt, output) = (encode(salt), encode(&output));
        Self(format!(
            "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}"
        ))
    }

    /// What checking it costs; `None` if it is no hash, or would take too much.
    fn cost(&self) -> Option<Cost> {
        let hash = PasswordHash::new(&self.0).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let (memory, passes) = (params.m_cost(), params.t_cost());
        let is_good =
            hash.algorithm.as_str() == "argon2id" && memory <= MOST_MEMORY && passes <= MOST_PASSES;
        is_good.then(|| (memory * passes, memory))
    }

    fn is_of(&self, password: &str) -> bool {
        PasswordHash::new(&self.0)
            .is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok())
    }
}

impl Users {
    /// Reads the entries of a connection's Secret, and says which of them are no users: the others are. An empty entry is nobody:
    /// `kubectl apply` leaves one where an entry was taken out of `stringData`.
    pub fn read<'a>(
        connection: &str,
        entries: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> (Self, Vec<InvalidUser>) {
        let mut users = Self::default();
        let mut wrong = Vec::new();
        for (name, bytes) in entries.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let id = match UserId::parse(&format!("{connection}|{name}")) {
                Ok(id) => id,
                Err(error) => {
                    wrong.push(error.into());
                    continue;
                }
            };
            match user(name, bytes) {
                Ok((cost, user)) => {
                    if users.dearest.as_ref().is_none_or(|(most, _)| *most < cost) {
                        users.dearest = Some((cost, user.password_hash.clone()));
                    }
                    users.memory = users.memory.max(cost.1);
                    wrong.extend(users.add(id, name, user));
                }
                Err(error) => {
                    wrong.push(error);
                    users.unread.insert(id);
                }
            }
        }
        (users, wrong)
    }

    fn add(&mut self, id: UserId, name: &str, user: User) -> Option<InvalidUser> {
        let email = user.profile.email.as_deref().map(str::to_lowercase);
        let mut wrong = None;
        for name in [Some(name.to_lowercase()), email].into_iter().flatten() {
            let others = self
                .names
                .get(&name)
                .filter(|has| has.as_ref() != Some(&id));
            let Some(others) = others.cloned() else {
                self.names.insert(name, Some(id.clone()));
                continue;
            };
            self.names.insert(name, None);
            wrong = others
                .map(|other| InvalidUser::Twice(other, id.clone()))
                .or(wrong);
        }
        self.all.insert(id, user);
        wrong
    }

    /// A user, if there is one.
    pub fn get(&self, id: &UserId) -> Result<Option<&User>, Unread> {
        match self.all.get(id) {
            None if self.unread.contains(id) => Err(Unread),
            found => Ok(found),
        }
    }

    /// The memory that [`Users::sign_in`] takes at most, in KiB.
    pub fn memory(&self) -> u32 {
        self.memory.max(COST.0)
    }

    /// Finds the user of a name and password. It takes as long for a name that nobody has. This hashes, for about 20 ms: not
    /// for a thread that answers others.
    pub fn sign_in(&self, name: &str, password: &str) -> Result<(&UserId, &User), NoUser> {
        let known = self.names.get(&name.trim().to_lowercase());
        let found = known
            .and_then(Option::as_ref)
            .and_then(|id| self.all.get_key_value(id));
        if password.len() > LONGEST_PASSWORD {
            return Err(NoUser::Wrong);
        }
        let right = if let Some((_, user)) = found {
            user.password_hash.is_of(password)
        } else {
            // Who is not there must not be told by the time it takes, also where hashes cost more than ours.
            match &self.dearest {
                Some((_, hash)) => drop(hash.is_of(password)),
                None => drop(HashText::of(password, &[0; 16])),
            }
            false
        };
        match found.filter(|_| right) {
            None => Err(NoUser::Wrong),
            Some((_, user)) if user.blocked => Err(NoUser::Blocked),
            Some(found) => Ok(found),
        }
    }
}

fn user(name: &str, bytes: &[u8]) -> Result<(Cost, User), InvalidUser> {
    let user: User =
        serde_json::from_slice(bytes).map_err(|_| InvalidUser::Entry(name.to_owned()))?;
    match user.password_hash.cost() {
        Some(cost) => Ok((cost, user)),
        None => Err(InvalidUser::Hash(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(password: &str, more: &str) -> String {
        let hash = HashText::of(password, &[5; 16]);
        format!(r#"{{"password_hash":"{}"{more}}}"#, hash.0)
    }

    fn read(entries: &[(&str, String)]) -> (Users, Vec<InvalidUser>) {
        Users::read(
            "staff",
            entries.iter().map(|(name, text)| (*name, text.as_bytes())),
        )
    }

    #[test]
    fn a_user_signs_in_by_name_or_address_with_the_password_alone() {
        let ada = entry(
            "correct horse",
            r#","profile":{"email":"Ada@example.com","name":"Ada"}"#,
        );
        let bob = entry("battery staple", r#","blocked":true"#);
        let (users, wrong) = read(&[("ada", ada), ("bob", bob)]);
        assert_eq!(wrong, []);
        for name in ["ada", "ada@example.com", " ADA@EXAMPLE.COM "] {
            let (id, user) = users.sign_in(name, "correct horse").unwrap();
            assert_eq!(id.as_str(), "staff|ada");
            assert_eq!(user.profile.name.as_deref(), Some("Ada"));
        }
        assert_eq!(users.memory(), 19 * 1024);
        for (name, password) in [
            ("ada", ""),
            ("ada", "Correct horse"),
            ("ada", "battery staple"),
            ("eve", "correct horse"),
            ("", ""),
        ] {
            assert_eq!(
                users.sign_in(name, password),
                Err(NoUser::Wrong),
                "{name} {password}"
            );
        }
        assert_eq!(users.sign_in("ada", &"a".repeat(2000)), Err(NoUser::Wrong));
        assert_eq!(users.sign_in("bob", "battery staple"), Err(NoUser::Blocked));
        assert_eq!(
            users.sign_in("bob", "wrong"),
            Err(NoUser::Wrong),
            "that he is blocked is told to him alone"
        );
    }

    #[test]
    fn hashes_that_are_none_or_cost_too_much_are_refused() {
        for hash in [
            "",
            "plain",
            "$argon2i$v=19$m=19456,t=2,p=1$BQUFBQUFBQUFBQUFBQUFBQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=1048576,t=2,p=1$BQUFBQUFBQUFBQUFBQUFBQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=100,p=1$BQUFBQUFBQUFBQUFBQUFBQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$2b$10$abcdefghijklmnopqrstuv",
        ] {
            let text = format!(r#"{{"password_hash":"{hash}"}}"#);
            let (_, wrong) = read(&[("ada", text)]);
            assert_eq!(wrong, [InvalidUser::Hash("ada".into())], "{hash}");
        }
        let (_, wrong) = read(&[("ada", r#"{"password_hash":7,"secret":"s3cret"}"#.into())]);
        let error = wrong[0].to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn an_entry_that_is_no_user_concerns_nobody_else_and_an_empty_one_is_nobody() {
        let all = [
            ("ada", entry("correct horse", "")),
            ("bob", "{".to_owned()),
            ("eve", String::new()),
            ("x y", entry("p", "")),
        ];
        let (users, wrong) = read(&all);
        assert!(users.sign_in("ada", "correct horse").is_ok());
        let id = |name: &str| UserId::parse(&format!("staff|{name}")).unwrap();
        assert!(users.get(&id("ada")).unwrap().is_some());
        assert_eq!(users.get(&id("bob")), Err(Unread));
        assert_eq!(users.get(&id("eve")), Ok(None));
        assert!(
            matches!(&wrong[..], [InvalidUser::Entry(bob), InvalidUser::Name(_)] if bob == "bob"),
            "{wrong:?}"
        );
    }

    /// Whoever is not there is looked for as long as whoever takes the longest.
    #[test]
    fn the_dearest_hash_stands_for_users_who_are_not_there() {
        let of = |memory: u32, passes: u32| {
            format!(
                r#"{{"password_hash":"$argon2id$v=19$m={memory},t={passes},p=1$BQUFBQUFBQUFBQUFBQUFBQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}"#
            )
        };
        let all = [
            ("ada", of(19_456, 2)),
            ("bob", of(32_768, 1)),
            ("eve", of(65_536, 3)),
            ("zoe", of(65_536, 1)),
        ];
        for (count, expected) in [
            (1, (38_912, 19_456)),
            (2, (38_912, 19_456)),
            (4, (196_608, 65_536)),
        ] {
            let (users, wrong) = read(&all[..count]);
            assert_eq!(wrong, []);
            let (cost, hash) = users.dearest.as_ref().unwrap();
            assert_eq!((*cost, hash.cost()), (expected, Some(expected)));
        }
        assert_eq!(read(&all[..2]).0.memory(), 32_768);
        assert_eq!(read(&all).0.memory(), 65_536);
        assert_eq!(read(&[]).0.memory(), 19_456);
    }

    #[test]
    fn by_an_address_that_several_have_nobody_signs_in() {
        let same =
            |name: &'static str| (name, entry("p", r#","profile":{"email":"a@example.com"}"#));
        let (users, wrong) = read(&[same("ada"), same("eve"), same("zoe")]);
        assert!(matches!(&wrong[..], [InvalidUser::Twice(..)]), "{wrong:?}");
        assert_eq!(users.sign_in("a@example.com", "p"), Err(NoUser::Wrong));
        for name in ["ada", "eve", "zoe"] {
            let (id, _) = users.sign_in(name, "p").unwrap();
            assert_eq!(id.as_str(), format!("staff|{name}"));
        }
    }

    #[test]
    fn scopes_say_what_an_application_may_know() {
        let profile = Profile {
            email: Some("a@example.com".into()),
            name: Some("Ada".into()),
            ..Profile::default()
        };
        let claims = |text: &str| profile.claims(&crate::ident::parse_scopes(text).unwrap());
        assert!(claims("openid").is_empty());
        assert_eq!(
            claims("openid profile").keys().collect::<Vec<_>>(),
            ["name"]
        );
        assert_eq!(claims("openid email").keys().collect::<Vec<_>>(), ["email"]);
        assert_eq!(claims("profile email").len(), 2);
    }
}
