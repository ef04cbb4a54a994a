//! `cargo xtask nightly`: what takes too long for every change, as steps with names.

mod courses;
mod fuzz;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::progress::{Steps, say};
use crate::{bench, cluster, test};

/// The options of `cargo xtask nightly`.
#[derive(clap::Args)]
pub struct Args {
    /// Name the steps, and run none
    #[arg(long)]
    list: bool,
    /// Run only this step
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// How many minutes each fuzz target runs, the random courses, and each long part in a cluster
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

/// Something that takes long.
struct Step {
    name: String,
    about: &'static str,
    run: Run,
}

type Run = Box<dyn Fn(&Args) -> Result<Outcome>>;

/// How a step ended.
enum Outcome {
    Passed,
    /// What was found, and what to do about it.
    Failed(String),
    /// Why it cannot be on this machine.
    Skipped(String),
}

impl From<cluster::Outcome> for Outcome {
    fn from(outcome: cluster::Outcome) -> Self {
        match outcome {
            cluster::Outcome::Passed => Self::Passed,
            cluster::Outcome::Failed(what) => Self::Failed(what),
            cluster::Outcome::Skipped(why) => Self::Skipped(why),
        }
    }
}

/// All steps, in their order. Another one is one more line here.
fn steps() -> Vec<Step> {
    let step = |name: &str, about, run: Run| Step {
        name: name.to_owned(),
        about,
        run,
    };
    fuzz::TARGETS
        .iter()
        .map(|(target, about)| {
            let run = Box::new(|args: &Args| fuzz::run(target, args.minutes));
            step(&format!("fuzz-{target}"), about, run)
        })
        .chain([step(
            "courses",
            "random courses of keyrings, plans, manifests and pods, again and again: every property holds",
            Box::new(|args: &Args| courses::run(args.minutes)),
        )])
        .chain([step(
            "soak",
            "a sidecar's hour in six minutes: flat memory, no failed request",
            Box::new(|_| bench::soak(&bench::SoakArgs::default()).map(|_| Outcome::Passed)),
        )])
        .chain([step(
            "operator",
            "10,000 APIs on a real control plane: nothing is written twice, no key is replaced",
            Box::new(|_| bench::operator().map(|()| Outcome::Passed)),
        )])
        .chain([step(
            "streams",
            "5,000 sidecars at the operator's stream: all are connected, and all hear of a revocation",
            Box::new(|_| bench::streams().map(|()| Outcome::Passed)),
        )])
        .chain([step(
            "helm-3-to-4",
            "releases that Helm 3 made, upgraded, rolled back and uninstalled by Helm 4 on a real control plane",
            Box::new(|_| {
                Ok(match test::helm_3_to_4()? {
                    Ok(()) => Outcome::Passed,
                    Err(what) => Outcome::Failed(what),
                })
            }),
        )])
        .chain([step(
            "kind",
            "all of `cargo xtask e2e` on a kind cluster; where no Docker runs, one is started for it",
            Box::new(|_| cluster::kind().map(Outcome::from)),
        )])
        .chain([step(
            "outside",
            "an endpoint behind Traefik, by an Ingress and by a Gateway, with certificates by cert-manager",
            Box::new(|_| {
                Ok(match cluster::outside()? {
                    Ok(()) => Outcome::Passed,
                    Err(what) => Outcome::Failed(what),
                })
            }),
        )])
        .chain(ENDURANCE.map(|(name, about, part)| {
            let run = move |args: &Args| {
                Ok(match cluster::endurance(part, args.minutes)? {
                    Ok(()) => Outcome::Passed,
                    Err(what) => Outcome::Failed(what),
                })
            };
            step(name, about, Box::new(run))
        }))
        .collect()
}

/// What is shown in a cluster of its own: a step, what it is about, and the test of `tests/endurance`.
const ENDURANCE: [(&str, &str, &str); 8] = [
    (
        "e2e-operators",
        "the operator that leads is killed and frozen; a rolling restart while pods are made",
        "operators_take_over_and_restart",
    ),
    (
        "e2e-rotations",
        "10 rotations under traffic, also while no operator runs: no good token is refused",
        "keys_rotate_under_traffic",
    ),
    (
        "e2e-revocations",
        "3 revocations under traffic: revoked tokens are refused, and others are not",
        "keys_are_revoked_under_traffic",
    ),
    (
        "e2e-cut",
        "10 rotations and 3 revocations under traffic while nothing gets through to the operator's stream, which comes back by itself",
        "keys_change_while_the_stream_is_cut",
    ),
    (
        "e2e-outage",
        "10 minutes without an API server: calls go on, and what is killed comes back",
        "tokens_outlive_the_api_server",
    ),
    (
        "e2e-chaos",
        "operators killed for 5 minutes while manifests change: it ends as a fresh start would",
        "operators_are_killed_while_manifests_change",
    ),
    (
        "e2e-soak",
        "10 minutes of calls, rotations, and pods that come and go: flat memory and descriptors, no failed call",
        "memory_and_descriptors_stay_flat",
    ),
    (
        "e2e-upgrade",
        "the chart is upgraded under traffic: old sidecars go on, and are reported",
        "the_chart_is_upgraded_under_traffic",
    ),
];

/// Runs `cargo xtask nightly`: every step, also after one has failed, and names the failed ones at the end.
pub fn run(args: &Args) -> Result<ExitCode> {
    let steps = chosen(args.only.as_deref())?;
    if args.list {
        for step in &steps {
            say(format_args!("{:16} {}", step.name, step.about))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut progress = Steps::new(steps.len());
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for step in &steps {
        progress.next(&format!("{}: {}", step.name, step.about))?;
        match (step.run)(args) {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::Failed(what)) => failed.push(format!("{}: {what}", step.name)),
            Ok(Outcome::Skipped(why)) => skipped.push(format!("{}: {why}", step.name)),
            Err(error) => failed.push(format!("{}: {error:#}", step.name)),
        }
    }
    say(format_args!(
        "\n{} of {} steps passed",
        steps.len() - failed.len() - skipped.len(),
        steps.len()
    ))?;
    for why in &skipped {
        say(format_args!("SKIPPED: {why}"))?;
    }
    for what in &failed {
        say(format_args!("FAILED: {what}"))?;
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(only: Option<&str>) -> Result<Vec<Step>> {
    let all = steps();
    let Some(only) = only else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|step| step.name.clone()).collect();
    let chosen: Vec<Step> = all.into_iter().filter(|step| step.name == only).collect();
    if chosen.is_empty() {
        bail!("there is no step {only}; there are {}", names.join(", "));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_chosen_by_its_name() {
        let chosen_names = |only| -> Vec<String> {
            let steps = chosen(only).unwrap();
            steps.into_iter().map(|step| step.name).collect()
        };
        let all = chosen_names(None);
        assert!(all.contains(&"fuzz-token".to_owned()), "{all:?}");
        for name in &all {
            assert_eq!(chosen_names(Some(name)), [name.as_str()], "once");
        }
        let error = chosen(Some("fuzz")).err().unwrap().to_string();
        assert!(
            error.contains("there is no step fuzz; there are fuzz-bundle, "),
            "{error}"
        );
    }
}
