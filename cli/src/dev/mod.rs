//! `mintage dev`: the whole of Mintage on one machine, without a cluster.
//!
//! ```text
//!  folder ─► Folder (observe) ─► Engine (plan, make keys, keep) ─► Files ─► Shared ─► workload API
//!                                                             ├──► Realms ──────────► endpoints over TLS
//!                                                             └──► Issuers, Tls ────► issuers over TLS
//! ```

mod addresses;
mod authority;
mod endpoints;
mod engine;
pub mod folder;
pub mod inbox;
mod options;
mod report;
mod serve;
mod session;
mod statuses;
mod store;
mod watch;

pub use options::{Args, seconds};
pub use store::Store;

use mintage_sidecar::{logging, options::LogFormat, signals};

use crate::Failure;
use session::Session;

/// Runs until a signal ends it.
pub async fn run(args: Args) -> Result<(), Failure> {
    // It writes the last lines when it goes.
    let _log = logging::start(LogFormat::Text, &args.log_level).map_err(Failure::Input)?;
    let mut session = Session::start(args)?;
    let servers = serve::Servers::start(&session).await?;
    report::welcome(&session, &servers)?;
    servers.announce(&session)?;
    let ended = signals::termination();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            end = &mut ended => {
                end?;
                break;
            }
            () = tokio::time::sleep(watch::INTERVAL) => tokio::task::block_in_place(|| session.look()),
        }
    }
    crate::output::line("\nending: finishing the requests that were begun")?;
    servers.end(&session).await;
    Ok(())
}
