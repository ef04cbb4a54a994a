//! `mintage keys`: the signing keys of `mintage dev`.

use std::path::PathBuf;

use mintage_core::keyring::{Key, Keyring, Schedule};
use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde_json::json;

use crate::Failure;
use crate::dev::Store;
use crate::output::{self, Output};

/// List the signing keys of `mintage dev`, with the state that each is in now.
///
/// Next keys are published and do not sign yet; Active keys sign; Retiring keys only verify; Revoked keys are refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder in which `mintage dev` keeps its state.
    #[arg(
        long,
        env = "MINTAGE_STATE_DIR",
        default_value = ".mintage",
        value_name = "FOLDER"
    )]
    state_dir: PathBuf,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let state = Store::read_state(&args.state_dir)?.ok_or_else(|| {
        Failure::Input(format!(
            "there is no state in {}; run `mintage dev <folder>` first, or name its folder with --state-dir",
            args.state_dir.display()
        ))
    })?;
    let now = SystemClock.now();
    let rows = state
        .keyrings
        .iter()
        .flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)));
    if args.output == Output::Json {
        let row = |(ring, key): (&Keyring, &Key)| {
            let (activate_at, sign_until) = signing_term(key.schedule);
            json!({ "tenant": ring.owner.tenant, "namespace": ring.owner.namespace, "kid": key.kid(), "alg": key.alg(),
                "generation": key.generation, "state": key.state(now), "activateAt": activate_at, "signUntil": sign_until })
        };
        output::json(&rows.map(row).collect::<Vec<_>>())?;
        return Ok(());
    }
    output::line(format!(
        "{:<9} {:<6} {:<43} {:<22} {}",
        "STATE", "ALG", "KID", "SIGNS UNTIL", "OWNER"
    ))?;
    for (ring, key) in rows {
        let until = signing_term(key.schedule)
            .1
            .unwrap_or_else(|| "the next rotation".to_owned());
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
