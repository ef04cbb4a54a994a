//! `mintage keys rotate` and `mintage keys revoke`: asked of the running `mintage dev`, or done in its place.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use mintage_core::plan::State;
use mintage_core::{Kid, Namespace, TenantRef};
use mintage_sidecar::clock::{self, Clock as _, SystemClock};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{print_rows, row, state_of};
use crate::Failure;
use crate::dev::Store;
use crate::dev::inbox::{Inbox, Request};
use crate::output::{self, Output};
use crate::progress::Progress;

/// How long a running `dev` may take to answer: it looks four times a second, and an RSA key takes a moment.
const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(50);

/// Make new keys before their time.
///
/// The new keys are published, and sign after the propagation delay; tokens under the old ones stay good. No manifest is
/// changed.
#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    /// The tenant, `<namespace>/<name>`; without it, every tenant.
    #[arg(value_name = "TENANT")]
    tenant: Option<TenantRef>,
    /// Only the keys of this namespace under the tenant.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<Namespace>,
}

/// Refuse a key, and every token under it, from now on and for good.
///
/// Another key takes its place. No manifest is changed.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// The name of the key, as `mintage keys` shows it.
    // Names are base64url, and some begin with a hyphen.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Kid,
}

/// Runs `mintage keys rotate`.
pub async fn rotate(args: &RotateArgs, dir: &Path, output: Output) -> Result<(), Failure> {
    let request = Request::Rotate {
        tenant: args.tenant.clone(),
        namespace: args.namespace.clone(),
        at: SystemClock.now(),
    };
    run(&request, dir, output, "new keys are asked for").await
}

/// Runs `mintage keys revoke`.
pub async fn revoke(args: &RevokeArgs, dir: &Path, output: Output) -> Result<(), Failure> {
    let request = Request::Revoke {
        kid: args.kid.clone(),
    };
    let what = format!("key {} is revoked", args.kid);
    run(&request, dir, output, &what).await
}

/// Who carried a request out.
#[derive(Clone, Copy, Eq, PartialEq)]
enum By {
    Dev,
    Us,
}

async fn run(request: &Request, dir: &Path, output: Output, what: &str) -> Result<(), Failure> {
    let before = state_of(dir)?;
    let by = have_done(request, dir).await?;
    if by == By::Dev {
        wait_for_keys(dir).await?;
    }
    let after = state_of(dir)?;
    let known: BTreeSet<&Kid> = kids(&before).collect();
    let now = SystemClock.now();
    let rows = after
        .keyrings
        .iter()
        .flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)))
        .filter(|(_, key)| !known.contains(key.kid()));
    let rows: Vec<_> = rows.collect();
    if output == Output::Json {
        let rows: Vec<_> = rows.iter().map(|(ring, key)| row(now, ring, key)).collect();
        return Ok(output::json(
            &json!({ "done": true, "running": by == By::Dev, "newKeys": rows }),
        )?);
    }
    output::line(what)?;
    match by {
        // What was done before needs no new keys.
        By::Dev if rows.is_empty() => Ok(()),
        By::Dev => Ok(print_rows(now, rows.into_iter())?),
        By::Us => Ok(output::line(
            "`mintage dev` does not run; its next start makes the new keys",
        )?),
    }
}

fn kids(state: &State) -> impl Iterator<Item = &Kid> {
    let keys = state.keyrings.iter().flat_map(|ring| &ring.keys);
    keys.map(mintage_core::keyring::Key::kid)
}

/// Has a request carried out: by whoever holds the state folder, else here.
async fn have_done(request: &Request, dir: &Path) -> Result<By, Failure> {
    if here(request, dir)? {
        return Ok(By::Us);
    }
    let random = clock::jti().ok_or_else(|| Failure::input("the system has no random numbers"))?;
    let id = format!("{:032x}", u128::from_be_bytes(random));
    let inbox = Inbox::of(dir);
    inbox.ask(&id, request)?;
    let waiting = Progress::begin("waiting for `mintage dev`", 0);
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = inbox.take_answer(&id)? {
            return answer.map(|()| By::Dev).map_err(Failure::Input);
        }
        // It may have ended, or have been another command like this one.
        if here(request, dir)? {
            inbox.withdraw(&id);
            return Ok(By::Us);
        }
        if Instant::now() > end {
            inbox.withdraw(&id);
            drop(waiting);
            return Err(Failure::Unreachable(format!(
                "something holds {} and does not answer; end that `mintage dev` and ask again. `mintage keys` shows whether it was done",
                dir.display()
            )));
        }
        sleep(INTERVAL).await;
    }
}

/// Carries a request out in the state folder, if nobody else holds it.
fn here(request: &Request, dir: &Path) -> Result<bool, Failure> {
    let Some(store) = Store::try_open(dir)? else {
        return Ok(false);
    };
    // Read again under the lock: what was read before may be old.
    let mut state = state_of(dir)?;
    request
        .carry_out(SystemClock.now(), &mut state)
        .map_err(Failure::Input)?;
    store.write_state(&state)?;
    Ok(true)
}

/// Waits until `dev` has made the keys of every rotation that was asked for; one may have to wait for the next second.
async fn wait_for_keys(dir: &Path) -> Result<(), Failure> {
    let _waiting = Progress::begin("waiting for the new keys", 0);
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let asked = |state: &State| {
            let mut rotations = state.rotations.iter();
            rotations.any(|rotation| rotation.request.is_none())
        };
        if !asked(&state_of(dir)?) {
            break;
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}
