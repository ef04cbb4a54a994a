//! `mintage-operator`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mintage_operator::options::{Cli, Process, Task};
use mintage_operator::{run, uninstall};
use mintage_sidecar::logging;

// Plans are made in one thread and taken apart in others, for which glibc's keeps several times what there is (ADR 6). It
// takes the place of the C library's for aws-lc, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Wrong usage, or no way to a cluster.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // The only one that is built in; a second installation cannot happen this early.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    match Cli::parse().task() {
        Task::Run(options) => match options.check() {
            Ok(()) => logged(&options.process, || run::run(&options)),
            Err(wrong) => fail(&anyhow::Error::msg(wrong), USAGE),
        },
        Task::Uninstall(options) => logged(&options.process, || uninstall::uninstall(&options)),
    }
}

/// Does something, with a log.
fn logged(process: &Process, work: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    // What it holds writes the last lines at the end of this function.
    let _log = match logging::start(process.log_format, &process.log_level) {
        Ok(log) => log,
        Err(wrong) => return fail(&anyhow::Error::msg(wrong), USAGE),
    };
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, code(&error)),
    }
}

/// 2 if there was no way to a cluster to begin with.
fn code(error: &anyhow::Error) -> u8 {
    if error.is::<mintage_operator::connect::NoWay>() {
        USAGE
    } else {
        1
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(
        std::io::stderr().lock(),
        "mintage-operator: {error:#}"
    ));
    ExitCode::from(code)
}
