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
    let outcome =
        logging::start(options.log_format, &options.log_level).map_err(anyhow::Error::msg);
    match outcome.and_then(|()| mintage_sidecar::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
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
