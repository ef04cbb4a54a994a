//! `mintage why`: whether a request would be granted or a token accepted, and which line of the manifests decides.
//!
//! ```text
//!  folder, .mintage ─► Scene (observe, plan) ─► core's policy or verifier ─► steps, with the place of each
//!  cluster, bundles ─┘ (`kubectl mintage why`)
//! ```

mod application;
pub mod grant;
mod place_of;
pub mod scene;
pub mod step;
pub mod token;

use clap::Subcommand;

use crate::Failure;

/// Say why a request would be granted or refused, or a token accepted or not: the rule, the resource, file and line.
///
/// Works on a folder of manifests, without a cluster and without `mintage dev`; keys and promises are those of the state
/// folder, if there is one. Nothing is written.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    Grant(grant::Args),
    Token(token::Args),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.question {
        Question::Grant(args) => grant::run(args),
        Question::Token(args) => token::run(args),
    }
}
