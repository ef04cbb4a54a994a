//! The `mintage` command: runs Mintage on a laptop, and asks a running sidecar.

mod ask;
mod cluster;
mod color;
mod complaint;
mod completion;
mod decode;
mod dev;
mod explain;
mod failure;
mod keys;
mod lint;
mod man;
mod output;
mod place;
mod progress;
mod token;
mod users;
mod verify;
mod why;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// Access tokens for workloads, declared as Kubernetes resources.
///
/// Exit codes: 0 done; 1 refused (the token, or the request for one); 2 wrong usage or input; 3 no sidecar answers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When output has colours; `auto` is on a terminal, unless `NO_COLOR` is set.
    #[arg(
        long,
        value_enum,
        default_value_t = ColorChoice::Auto,
        value_name = "WHEN",
        global = true
    )]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Cluster(cluster::Args),
    Completion(completion::Args),
    Decode(decode::Args),
    Dev(dev::Args),
    Explain(explain::Args),
    Keys(keys::Args),
    Lint(lint::Args),
    Man(man::Args),
    Token(token::Args),
    Users(users::Args),
    Verify(verify::Args),
    Why(why::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    // The only one that is built in; a second installation cannot happen this early.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let program = std::env::args_os().next();
    let cli = if cluster::Plugin::is(program.as_deref()) {
        let plugin: cluster::Plugin = parse();
        Cli {
            command: Command::Cluster(plugin.args),
            color: plugin.color,
        }
    } else {
        parse()
    };
    color::follow(cli.color);
    let outcome = match cli.command {
        Command::Cluster(args) => cluster::run(&args).await,
        Command::Completion(args) => completion::run(&args, Cli::command()),
        Command::Decode(args) => decode::run(&args),
        Command::Dev(args) => dev::run(args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Keys(args) => keys::run(&args).await,
        Command::Lint(args) => lint::run(&args),
        Command::Man(args) => man::run(&args, Cli::command()),
        Command::Token(args) => token::run(args).await,
        Command::Users(args) => users::run(&args),
        Command::Verify(args) => verify::run(args).await,
        Command::Why(args) => why::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Reads the command line; help and errors have their colours as `--color` says, too.
fn parse<T: Parser>() -> T {
    let command = T::command().color(color::asked(std::env::args_os()));
    let parsed = T::from_arg_matches(&command.get_matches());
    parsed.unwrap_or_else(|error| error.exit())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_key_whose_name_begins_with_a_hyphen_can_be_revoked() {
        for line in [
            "mintage keys revoke -_0uQ9ZvfXpPc5WcXrh7InZ3ZbHsh8_XIzwzYpWHMXs",
            "mintage keys revoke -_0uQ9ZvfXpPc5WcXrh7InZ3ZbHsh8_XIzwzYpWHMXs --output json",
            "mintage keys revoke --output json -_0uQ9ZvfXpPc5WcXrh7InZ3ZbHsh8_XIzwzYpWHMXs",
            "mintage keys revoke -o json -oO",
            "mintage keys revoke --state-dir x -- --a",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
