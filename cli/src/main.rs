//! The `mintage` command: runs Mintage on a laptop, and asks a running sidecar.

mod ask;
mod decode;
mod dev;
mod explain;
mod failure;
mod keys;
mod lint;
mod output;
mod place;
mod token;
mod verify;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Access tokens for workloads, declared as Kubernetes resources.
///
/// Exit codes: 0 done; 1 refused (the token, or the request for one); 2 wrong usage or input; 3 no sidecar answers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Decode(decode::Args),
    Dev(dev::Args),
    Explain(explain::Args),
    Keys(keys::Args),
    Lint(lint::Args),
    Token(token::Args),
    Verify(verify::Args),
    Why(why::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    // The only one that is built in; a second installation cannot happen this early.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let outcome = match Cli::parse().command {
        Command::Decode(args) => decode::run(&args),
        Command::Dev(args) => dev::run(args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Token(args) => token::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Why(args) => why::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
