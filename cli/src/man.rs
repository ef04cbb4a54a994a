//! `mintage man`: manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;

use crate::Failure;

/// Print the manual page, or write one for each command to a folder.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mintage man | man -l -\n  mintage man --dir ~/.local/share/man/man1"
)]
pub struct Args {
    /// Write mintage.1, mintage-token.1 and so on into this folder.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, command: Command) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        return Ok(Man::new(command).render(&mut std::io::stdout().lock())?);
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command, dir))
        .with_context(|| {
            format!(
                "cannot write to {}; choose another folder with --dir",
                dir.display()
            )
        })?;
    Ok(())
}
