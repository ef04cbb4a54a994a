//! The project's own tasks: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod check;
mod cluster;
mod deny;
mod elf;
mod generate;
mod images;
mod nightly;
mod place;
mod process;
mod progress;
mod release;
mod sbom;
mod test;
mod workspace;

/// The project's own tasks
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look the dependencies up in RustSec's advisory database
    Advisories(deny::Args),
    /// Measure the numbers of the design, each as a ratio to a limit of the same run
    Bench(bench::Args),
    /// Check formatting, lints, generated files, licences and banned dependencies
    Check,
    /// Install Mintage in a cluster, and show there what it does
    E2e(cluster::Args),
    /// Write every generated file
    #[command(name = "gen")]
    Generate(generate::Args),
    /// Write the images of the operator and the sidecar, which need no daemon and no registry
    Image(images::Args),
    /// Run what takes too long for every change: fuzzing
    Nightly(nightly::Args),
    /// Build static binaries that come out the same everywhere, with checksums and SBOMs
    Release(release::Args),
    /// Write what each binary is made of, as CycloneDX
    Sbom(sbom::Args),
    /// Run a sidecar through an hour of reloads, rotations and requests in minutes; memory must stay flat
    Soak(bench::SoakArgs),
    /// Prepare what the tests need, run all of them, and end with the totals
    Test(test::Args),
    /// Start a cluster with Mintage in it, to play with until Ctrl-C
    Up(cluster::UpArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    process::end_children_on_signal()?;
    match Cli::parse().command {
        Command::Advisories(args) => deny::advisories(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Check => check::run(),
        Command::E2e(args) => cluster::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Image(args) => images::run(&args),
        Command::Nightly(args) => nightly::run(&args),
        Command::Release(args) => release::run(&args),
        Command::Sbom(args) => sbom::run(&args),
        Command::Soak(args) => bench::soak(&args),
        Command::Test(args) => test::run(&args),
        Command::Up(args) => cluster::up(&args),
    }
}
