//! `mintage completion`: what a shell completes.

use clap::{Command, ValueEnum};
use clap_complete::Shell;

use crate::Failure;

/// Print the completion script of a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  source <(mintage completion bash)\n  mintage completion zsh > \"${fpath[1]}/_mintage\"\n  mintage completion fish > ~/.config/fish/completions/mintage.fish"
)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Known,
}

/// The shells that are tested.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Known {
    Bash,
    Fish,
    Zsh,
}

/// Runs the command.
pub fn run(args: &Args, mut command: Command) -> Result<(), Failure> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Fish => Shell::Fish,
        Known::Zsh => Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "mintage", &mut script);
    Ok(std::io::Write::write_all(
        &mut std::io::stdout().lock(),
        &script,
    )?)
}
