//! `mintage keys`: the signing keys of `mintage dev`.

mod change;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use mintage_core::UnixTime;
use mintage_core::keyring::{Key, Keyring, Schedule};
use mintage_core::plan::State;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::Failure;
use crate::dev::Store;
use crate::output::{self, Output};

/// List the signing keys of `mintage dev`, with the state that each is in now; rotate or revoke them.
///
/// Next keys are published and do not sign yet; Active keys sign; Retiring keys only verify; Revoked keys are refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    change: Option<Change>,
    /// The folder in which `mintage dev` keeps its state.
    #[arg(
        long,
        env = "MINTAGE_STATE_DIR",
        default_value = ".mintage",
        value_name = "FOLDER",
        global = true
    )]
    state_dir: PathBuf,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t, global = true)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Change {
    Revoke(change::RevokeArgs),
    Rotate(change::RotateArgs),
}

/// Runs the command.
pub async fn run(args: &Args) -> Result<(), Failure> {
    match &args.change {
        Some(Change::Revoke(change)) => change::revoke(change, &args.state_dir, args.output).await,
        Some(Change::Rotate(change)) => change::rotate(change, &args.state_dir, args.output).await,
        None => list(args),
    }
}

fn list(args: &Args) -> Result<(), Failure> {
    let state = state_of(&args.state_dir)?;
    let now = SystemClock.now();
    let rows = state
        .keyrings
        .iter()
        .flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)));
    if args.output == Output::Json {
        return Ok(output::json(
            &rows
                .map(|(ring, key)| row(now, ring, key))
                .collect::<Vec<_>>(),
        )?);
    }
    Ok(print_rows(now, rows)?)
}

/// The state in a folder, which must be there.
fn state_of(dir: &Path) -> Result<State, Failure> {
    Store::read_state(dir)?.ok_or_else(|| {
        Failure::Input(format!(
            "there is no state in {}; run `mintage dev <folder>` first, or name its folder with --state-dir",
            dir.display()
        ))
    })
}

pub fn row(now: UnixTime, ring: &Keyring, key: &Key) -> Value {
    let (activate_at, sign_until) = signing_term(key.schedule);
    json!({ "tenant": ring.owner.tenant, "namespace": ring.owner.namespace, "kid": key.kid(), "alg": key.alg(),
        "generation": key.generation, "state": key.state(now), "activateAt": activate_at, "signUntil": sign_until })
}

pub fn print_rows<'a>(
    now: UnixTime,
    rows: impl Iterator<Item = (&'a Keyring, &'a Key)>,
) -> std::io::Result<()> {
    output::line(format!(
        "{:<9} {:<6} {:<43} {:<22} {}",
        "STATE", "ALG", "KID", "SIGNS UNTIL", "OWNER"
    ))?;
    for (ring, key) in rows {
        let (from, until) = signing_term(key.schedule);
        let until = match (key.state(now), from, until) {
            (_, _, Some(until)) => until,
            (mintage_core::keyring::State::Next, Some(from), None) => format!("from {from}"),
            _ => "the next rotation".to_owned(),
        };
        let state = format!("{:?}", key.state(now));
        output::line(format!(
            "{state:<9} {:<6} {:<43} {until:<22} {}",
            key.alg(),
            key.kid(),
            ring.owner
        ))?;
    }
    Ok(())
}

/// When a key begins and ends to sign, as RFC 3339.
fn signing_term(schedule: Schedule) -> (Option<String>, Option<String>) {
    match schedule {
        Schedule::Open { activate_at } => (Some(output::moment(activate_at)), None),
        Schedule::Closed {
            activate_at,
            sign_until,
        } => (
            Some(output::moment(activate_at)),
            Some(output::moment(sign_until)),
        ),
        Schedule::Revoked { revoked_at, .. } => (None, Some(output::moment(revoked_at))),
    }
}
