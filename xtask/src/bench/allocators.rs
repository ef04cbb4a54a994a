//! `cargo xtask bench allocators`: one sidecar, three allocators. The release sidecar of this machine is linked
//! dynamically, so another allocator's library can be loaded before the C library, and nothing has to be built for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::cores::Cores;
use super::family::Memory;
use super::fixture::{ACCEPTED, Fixture, identifier};
use super::http::{get, one_token, token_request};
use super::load::flat_out;
use super::rows::{a_second, mib};
use super::server::Server;
use super::table::Circumstances;
use super::{Args, copy_of_sidecar, wall_clock};
use crate::progress::say;
use crate::{process, release, workspace};

const INTRODUCTION: &str = "\
Made by `cargo xtask bench allocators --write`: the release sidecar with one worker thread on one core, the generator on
another; the same build each time, with another allocator's library loaded before the C library. The allocators take
turns in each round, and the median of each column stands here. Memory is the sidecar's own share (PSS): after the start,
and after all of the load of a round. The last row is the static binary of `cargo xtask release`, which has musl's
allocator and musl's other routines; nothing can be loaded into it.
";

/// An allocator: its name, and its library or why it is not to be had.
type Choice = (&'static str, Result<Subject, String>);

/// A program, and what is loaded into it.
struct Subject {
    program: PathBuf,
    library: Option<PathBuf>,
}

/// What one round gives.
#[derive(Clone, Copy)]
struct Round {
    rates: [f64; 3],
    idle: u64,
    loaded: u64,
}

/// The measured requests: shared signatures, P-256 signatures, and a token that is validated again and again.
const RATES: [&str; 3] = ["RS256 without jti", "ES256", "validate"];

/// Measures and shows the table.
pub fn measure(args: &Args) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (cores, started, effort) = (Cores::find()?, wall_clock(), args.effort());
    let fixture = Fixture::new(started, 0)?;
    fixture.write(dir.path())?;
    let choices = choices(&copy_of_sidecar(dir.path())?)?;

    let mut rounds: Vec<Vec<Round>> = choices.iter().map(|_| Vec::new()).collect();
    for number in 1..=effort.rounds {
        for ((name, subject), rounds) in choices.iter().zip(&mut rounds) {
            if let Ok(subject) = subject {
                say(format_args!("round {number}: {name}"))?;
                let library = subject.library.as_deref();
                let server = Server::start(&subject.program, dir.path(), cores, library)?;
                rounds.push(round(&server, effort.load)?);
            }
        }
    }

    let run = Circumstances {
        started,
        rounds: effort.rounds,
        shared_core: cores.are_shared(),
    };
    let mut text = format!("{INTRODUCTION}\n{}", run.heading()?);
    let [shared, each, validate] = RATES;
    writeln!(
        text,
        "\n| allocator | {shared} | {each} | {validate} | memory, idle | memory, loaded |\n|---|---:|---:|---:|---:|---:|"
    )?;
    for ((name, subject), rounds) in choices.iter().zip(&rounds) {
        text.push_str(&match subject {
            Ok(_) => line(name, rounds),
            Err(reason) => format!("| {name} | SKIPPED: {reason} | | | | |\n"),
        });
    }
    args.publish("allocators", &text)
}

fn choices(sidecar: &Path) -> Result<Vec<Choice>> {
    let libraries = process::read(Command::new("ldconfig").arg("-p")).unwrap_or_default();
    let preloaded = |soname: &str, package: &str| {
        let library = find(&libraries, soname)
            .ok_or_else(|| format!("{soname} is not installed: Debian's {package} has it"))?;
        Ok(Subject {
            program: sidecar.to_owned(),
            library: Some(library),
        })
    };
    let system = Subject {
        program: sidecar.to_owned(),
        library: None,
    };
    let released = workspace::target()?
        .join("dist")
        .join(release::target())
        .join("mintage-sidecar");
    let released = if released.is_file() {
        Ok(Subject {
            program: released,
            library: None,
        })
    } else {
        Err("`cargo xtask release` makes it".to_owned())
    };
    Ok(vec![
        ("the system's (glibc)", Ok(system)),
        ("mimalloc", preloaded("libmimalloc.so.2", "libmimalloc2.0")),
        ("jemalloc", preloaded("libjemalloc.so.2", "libjemalloc2")),
        ("static release (musl)", released),
    ])
}

/// A library's file in what `ldconfig -p` lists.
fn find(libraries: &str, soname: &str) -> Option<PathBuf> {
    let mut lines = libraries.lines().map(str::trim);
    let line = lines.find(|line| line.split(' ').next() == Some(soname))?;
    Some(line.split_once("=> ")?.1.into())
}

fn round(server: &Server, time: Duration) -> Result<Round> {
    let idle = Memory::of(server.id())?.pss;
    let ask = |request: &[u8]| flat_out(server.workload, request, time, |_| Ok(()));
    let shared = ask(&token_request(&identifier("rs256-auth0")))?;
    let each = ask(&token_request(&identifier("es256-jti")))?;

    let token = one_token(server.workload, &token_request(&identifier(ACCEPTED)))?;
    let validate = ask(&get("/validate", Some(&token)))?;
    Ok(Round {
        rates: [shared, each, validate],
        idle,
        loaded: Memory::of(server.id())?.pss,
    })
}

fn line(name: &str, rounds: &[Round]) -> String {
    let mut cells = vec![name.to_owned()];
    for index in 0..RATES.len() {
        let mut rates: Vec<f64> = rounds.iter().map(|round| round.rates[index]).collect();
        rates.sort_by(f64::total_cmp);
        cells.push(a_second(rates[rates.len() / 2]));
    }
    for memory in [|round: &Round| round.idle, |round: &Round| round.loaded] {
        let mut taken: Vec<u64> = rounds.iter().map(memory).collect();
        taken.sort_unstable();
        cells.push(mib(taken[taken.len() / 2]));
    }
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_by_its_whole_name() {
        let listed = "2 libs found in cache `/etc/ld.so.cache'\n\
                      \tlibjemalloc.so.2.1 (libc6,x86-64) => /lib/other\n\
                      \tlibjemalloc.so.2 (libc6,x86-64) => /lib/libjemalloc.so.2\n";
        let found = find(listed, "libjemalloc.so.2");
        assert_eq!(found, Some("/lib/libjemalloc.so.2".into()));
        assert_eq!(find(listed, "libmimalloc.so.2"), None);
    }

    #[test]
    fn a_line_shows_the_median_of_each_column() {
        let round = |rate: f64, memory: u64| Round {
            rates: [rate, 10.0 - rate, 5.0],
            idle: memory,
            loaded: 4096 - memory,
        };
        let rounds = [round(1.0, 1024), round(3.0, 2048), round(2.0, 3072)];
        let wanted = "| x | 2/s | 8/s | 5/s | 2.0 MiB | 2.0 MiB |\n";
        assert_eq!(line("x", &rounds), wanted);
    }
}
