//! `mintage-sidecar`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mintage_sidecar::{logging, options::Options};

// For aws-lc, too: it takes the place of the C library's.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse();
    // What it holds writes the last lines at the end of this function.
    let common = options.common();
    let log = logging::start(common.log_format, &common.log_level).map_err(anyhow::Error::msg);
    let outcome = log.and_then(|log| mintage_sidecar::run(options).map(|()| log));
    match outcome {
        Ok(_log) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(
                std::io::stderr().lock(),
                "mintage-sidecar: {error:#}"
            ));
            ExitCode::from(2)
        }
    }
}
