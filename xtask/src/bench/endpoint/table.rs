//! The report about the endpoint, as a section of the page.

use anyhow::Result;

use super::super::rows::{Round, a_second};
use super::super::table::Circumstances;
use super::figures::{Figure, Outcomes};
use super::work::Operation;

const INTRODUCTION: &str = "\
Made by `cargo xtask bench endpoint --write`. The role `endpoint` of the release sidecar and the other servers, one after
the other: one core for the server, another for the generator, 32 keep-alive connections over TLS 1.3 (AES-128-GCM,
P-256) on the loopback. RS256 with a key of 2048 bits everywhere; tokens of users are an access token for an API, an ID
token and a refresh token that rotates; the application sends a secret. Users signed in and codes were made before: only
the exchange is measured, each code once. Each connection follows a chain of refresh tokens of its own. `/userinfo` is
asked with one token again and again, and tells an email address.

*Per core* is the answers for each second that the server's processes spent on their core, and in parentheses their time
for one answer: others on the machine disturb that less than *reached*, the answers a second by the clock, in which the server
also waits for the disk and the generator. The limit is bare signatures or verifications (aws-lc, on the same core, just before each
round), counted in the same way, or the server's own discovery document where nothing is signed (a longer answer). The
round with the median ratio counts; the lowest and the highest are in parentheses. *Disk* is the commits that each request waits for, and what they
come to as a share of what the same disk does when a page is written and synced (`fdatasync`) again and again: `PRAGMA synchronous` is
FULL, so what was answered is on the disk, and SQLite makes one commit after the other.

What is not the same. Only Mintage in the first rows of each group has anything on a disk; the others keep all in memory, and
their like is Mintage with its store in memory. Mintage writes a line of its log for each token (here to nowhere); the others
log nothing. oidc-provider's map is a few lines of ours (its own holds 1,000 entries) and forgets nothing. Keycloak's
refresh tokens are bound to the session, and not `offline_access`.
";

/// A server's name, and what came of it.
pub type Measured = (&'static str, Result<Outcomes>);

/// Writes the section.
pub fn render(run: &Circumstances, all: &[Measured]) -> Result<String> {
    let mut text = format!("{INTRODUCTION}\n{}", run.heading()?);
    text.push_str(
        "\n| request | server | per core | limit | ratio | of its discovery document | reached | disk | what it does for one |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for operation in Operation::ALL {
        for (name, outcomes) in all {
            text.push_str(&match outcomes {
                Ok(outcomes) => {
                    let mut found = outcomes.iter();
                    let found = found.find(|(of, _)| *of == operation);
                    found.map_or_else(String::new, |(_, figure)| line(operation, name, figure))
                }
                Err(error) => skipped(operation, name, error),
            });
        }
    }
    Ok(text)
}

fn line(operation: Operation, name: &str, figure: &Result<Figure>) -> String {
    let figure = match figure {
        Ok(figure) => figure,
        Err(error) => return skipped(operation, name, error),
    };
    let Figure {
        per_core,
        reached,
        discovery,
        syncs,
        work,
    } = figure;
    let Round { measured, limit } = per_core.round;
    let (lowest, highest) = per_core.spread;
    let disk = syncs.map_or_else(
        || "–".to_owned(),
        |syncs| {
            let used = reached * f64::from(work.commits) / syncs;
            format!("{}; {} of {}", work.commits, percent(used), a_second(syncs))
        },
    );
    let cells = [
        operation.name().to_owned(),
        name.to_owned(),
        format!("{} ({:.0} µs)", a_second(measured), 1e6 / measured),
        format!("{} ({})", a_second(limit), work.limit.name()),
        format!(
            "{} ({} to {})",
            percent(per_core.ratio),
            percent(lowest),
            percent(highest)
        ),
        format!(
            "{} of {}",
            percent(measured / discovery),
            a_second(*discovery)
        ),
        a_second(*reached),
        disk,
        work.says.to_owned(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn skipped(operation: Operation, name: &str, error: &anyhow::Error) -> String {
    let why = format!("{error:#}").replace(['|', '\n', '\r'], " ");
    format!(
        "| {} | {name} | – | – | – | – | – | – | not measured: {why} |\n",
        operation.name()
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::super::super::rows::Middle;
    use super::super::work::mintage;
    use super::*;

    fn figure(operation: Operation, syncs: Option<f64>) -> Figure {
        let rounds = [(400.0, 1000.0), (500.0, 1000.0), (600.0, 1000.0)];
        Figure {
            per_core: Middle::of(3, |round| {
                let (measured, limit) = rounds[round];
                Ok(Round { measured, limit })
            })
            .unwrap(),
            reached: 400.0,
            discovery: 5000.0,
            syncs,
            work: mintage(operation),
        }
    }

    #[test]
    fn a_row_says_what_bounds_it() {
        let row = line(
            Operation::Code,
            "X",
            &Ok(figure(Operation::Code, Some(2000.0))),
        );
        let begin = "| code with PKCE | X | 500/s (2000 µs) | 1000/s (2 RS256 signatures) | 50.0 % (40.0 % to 60.0 %) | 10.0 % of 5000/s | 400/s | 2; 40.0 % of 2000/s | secret";
        assert!(row.starts_with(begin), "{row}");
        let row = line(
            Operation::UserInfoJwt,
            "X",
            &Ok(figure(Operation::UserInfoJwt, None)),
        );
        assert!(row.contains("| 400/s | – | signature verified"), "{row}");
    }

    #[test]
    fn a_server_without_a_figure_says_why() {
        let failed = Err(anyhow!("refused").context("no | answer"));
        let row = line(Operation::Refresh, "X", &failed);
        let wanted =
            "| refresh token | X | – | – | – | – | – | – | not measured: no   answer: refused |\n";
        assert_eq!(row, wanted);
    }
}
