//! The users: entries of a Secret, with hashes that cost next to nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cluster::endpoint::ASSIGNED;

/// What everybody's password is here.
pub const PASSWORD: &str = "correct horse";

/// Of [`PASSWORD`]: argon2id with 8 KiB and one pass.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$t5QLzMlfSPLMezb1X/hRw1bKTTpryM1JhqBpLyqseOw";

pub type Accounts = BTreeMap<String, Value>;

/// Ada, who was assigned a scope, and Bob.
pub fn standard() -> Accounts {
    let ada = json!({
        "password_hash": HASH,
        "permissions": { ASSIGNED: ["read"] },
        "profile": { "email": "ada@acme.test", "email_verified": true, "name": "Ada Lovelace" },
    });
    let bob = json!({
        "password_hash": HASH,
        "profile": { "email": "bob@acme.test", "name": "Bob" },
    });
    BTreeMap::from([("ada".to_owned(), ada), ("bob".to_owned(), bob)])
}
