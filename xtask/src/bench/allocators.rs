//! `cargo xtask bench allocators`: one sidecar, three allocators. The release sidecar of this machine is linked
//! dynamically, so another allocator's library can be loaded before the C library, and nothing has to be built for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::cores::Cores;
use super::family::{Memory, processor_time};
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
turns in each round, and the median of each column stands here; in parentheses, the sidecar's time on its core for one
request, which a busy machine disturbs less. Memory is the sidecar's own share (PSS): after the start,
and after all of the load of a round. The last row is the static binary of `cargo xtask release`: musl's routines, and
mimalloc built in, without huge pages; nothing can be loaded into it.
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
    asked: [Asked; 3],
    idle: u64,
    loaded: u64,
}

/// How one kind of request went.
#[derive(Clone, Copy)]
struct Asked {
    rate: f64,
    /// The sidecar's time on its core, for each request.
    cost: Duration,
}

/// The measured requests: shared signatures, P-256 signatures, and a token that is validated again and again.
const KINDS: [&str; 3] = ["RS256 without jti", "ES256", "validate"];

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
    let [shared, each, validate] = KINDS;
    writeln!(
        text,
        "\n| allocator | {shared} | {each} | {validate} | memory, idle | memory, loaded |\n|---|---:|---:|---:|---:|---:|"
    )?;
    for ((name, subject), rounds) in choices.iter().zip(&rounds) {
        match subject {
            Ok(_) => text.push_str(&line(name, rounds)),
            Err(reason) => writeln!(text, "| {name} | SKIPPED: {reason} | | | | |")?,
        }
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
        ("static release (musl, mimalloc)", released),
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
    let ask = |request: &[u8]| {
        let before = processor_time(server.id())?;
        let mut answers = 0;
        let rate = flat_out(server.workload, request, time, |_| {
            answers += 1;
            Ok(())
        })?;
        let cost = processor_time(server.id())?.saturating_sub(before) / answers;
        anyhow::Ok(Asked { rate, cost })
    };
    let shared = ask(&token_request(&identifier("rs256-auth0")))?;
    let each = ask(&token_request(&identifier("es256-jti")))?;

    let token = one_token(
        &server.workload.into(),
        &token_request(&identifier(ACCEPTED)),
    )?;
    let validate = ask(&get("/validate", Some(&token)))?;
    Ok(Round {
        asked: [shared, each, validate],
        idle,
        loaded: Memory::of(server.id())?.pss,
    })
}

fn line(name: &str, rounds: &[Round]) -> String {
    let mut cells = vec![name.to_owned()];
    for index in 0..KINDS.len() {
        let mut asked: Vec<Asked> = rounds.iter().map(|round| round.asked[index]).collect();
        asked.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let rate = a_second(asked[asked.len() / 2].rate);
        asked.sort_by_key(|asked| asked.cost);
        let micros = asked[asked.len() / 2].cost.as_secs_f64() * 1e6;
        cells.push(format!("{rate} ({micros:.1} µs)"));
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
        let asked = |rate: u32| Asked {
            rate: f64::from(rate),
            cost: Duration::from_micros(100) / rate,
        };
        let round = |rate: u32, memory: u64| Round {
            asked: [asked(rate), asked(10 - rate), asked(5)],
            idle: memory,
            loaded: 4096 - memory,
        };
        let rounds = [round(1, 1024), round(4, 2048), round(2, 3072)];
        let wanted = "| x | 2/s (50.0 µs) | 8/s (12.5 µs) | 5/s (20.0 µs) | 2.0 MiB | 2.0 MiB |\n";
        assert_eq!(line("x", &rounds), wanted);
    }
}
