//! What others ask of a running `mintage dev`, by files in its state folder.
//!
//! ```text
//!  requests/<id>.json     what is asked: written whole by `mintage keys`, taken away once it is answered
//!  requests/<id>.answer   what came of it: written by `dev`, taken away by the one who asked
//! ```
//!
//! Carrying a request out twice does what once does, so that a crash between the state and the answer costs nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use mintage_core::plan::State;
use mintage_core::{Kid, Namespace, TenantRef, UnixTime};
use serde::{Deserialize, Serialize};

use super::store::write_whole;

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    tag = "ask",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// New keys of a tenant, or of all; of one namespace only, or of all.
    Rotate {
        /// The tenant.
        tenant: Option<TenantRef>,
        /// The namespace.
        namespace: Option<Namespace>,
        /// When it was asked: keys published later are new already.
        at: UnixTime,
    },
    /// Refuse a key.
    Revoke {
        /// Its name.
        kid: Kid,
    },
}

impl Request {
    /// Carries it out on a state; the error says what is wrong with the request.
    pub fn carry_out(&self, now: UnixTime, state: &mut State) -> Result<(), String> {
        match self {
            Self::Revoke { kid } => match state.revoke(now, kid) {
                Some(_) => Ok(()),
                None => Err(no_key(state, kid)),
            },
            Self::Rotate {
                tenant,
                namespace,
                at,
            } => {
                let mut tenants: Vec<TenantRef> = state
                    .keyrings
                    .iter()
                    .map(|ring| &ring.owner)
                    .filter(|owner| tenant.as_ref().is_none_or(|tenant| owner.tenant == *tenant))
                    .filter(|owner| namespace.is_none() || owner.namespace == *namespace)
                    .map(|owner| owner.tenant.clone())
                    .collect();
                tenants.dedup();
                if tenants.is_empty() {
                    return Err(no_keyring(state));
                }
                for tenant in tenants {
                    state.rotate(now.min(*at), &tenant, namespace.as_ref());
                }
                Ok(())
            }
        }
    }
}

fn no_key(state: &State, kid: &Kid) -> String {
    let keys = state.keyrings.iter().flat_map(|ring| &ring.keys);
    let near = crate::output::nearest(kid.as_str(), keys.map(|key| key.kid().as_str()));
    match near.first() {
        Some(near) => {
            format!("there is no key {kid}; did you mean {near}? `mintage keys` lists them")
        }
        None => format!("there is no key {kid}; `mintage keys` lists them"),
    }
}

fn no_keyring(state: &State) -> String {
    let owners: Vec<String> = state
        .keyrings
        .iter()
        .map(|ring| ring.owner.to_string())
        .collect();
    format!(
        "nobody of this name has keys; there are those of {}",
        owners.join(", ")
    )
}

/// The folder of requests and answers.
pub struct Inbox(PathBuf);

impl Inbox {
    /// That of a state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self(state_dir.join("requests"))
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.0.join(format!("{id}.{extension}"))
    }

    /// Asks.
    pub fn ask(&self, id: &str, request: &Request) -> Result<()> {
        write_whole(&self.path(id, "json"), &serde_json::to_vec(request)?, 0o600)
    }

    /// The answer, if it is there; it is taken away. The inner error is the answer.
    pub fn take_answer(&self, id: &str) -> Result<Option<Result<(), String>>> {
        let path = self.path(id, "answer");
        let Ok(bytes) = fs::read(&path) else {
            return Ok(None);
        };
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        let error: Option<String> = serde_json::from_slice(&bytes)?;
        Ok(Some(error.map_or(Ok(()), Err)))
    }

    /// Asks no longer.
    pub fn withdraw(&self, id: &str) {
        // Left behind, it is carried out by the next run; whoever asked was told that it may be.
        drop(fs::remove_file(self.path(id, "json")));
    }

    /// The requests that wait, by their ids; those that cannot be read with the reason.
    pub fn waiting(&self) -> Vec<(String, Result<Request, String>)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let requests = entries.filter_map(|entry| {
            let path = entry.path();
            let id = path.file_stem()?.to_str()?.to_owned();
            if path.extension()? != "json" {
                return None;
            }
            let bytes = fs::read(&path).ok()?;
            let request = serde_json::from_slice(&bytes)
                .map_err(|error| format!("the request cannot be read: {error}"));
            Some((id, request))
        });
        requests.collect()
    }

    /// Answers a request, which is done with.
    pub fn answer(&self, id: &str, outcome: &Result<(), String>) -> Result<()> {
        let error = outcome.as_ref().err();
        write_whole(
            &self.path(id, "answer"),
            &serde_json::to_vec(&error)?,
            0o600,
        )?;
        self.withdraw(id);
        Ok(())
    }

    /// Takes away answers that nobody waited for.
    pub fn clear_answers(&self) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        for entry in entries {
            if entry.path().extension().is_some_and(|it| it == "answer") {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}
