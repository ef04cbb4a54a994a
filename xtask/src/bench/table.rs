//! The report about the sidecar, as a section of the page.

use std::fs;
use std::process::Command;

use anyhow::Result;
use jiff::Timestamp;
use mintage_core::UnixTime;

use super::rows::{Outcome, Row};
use crate::{process, workspace};

const INTRODUCTION: &str = "\
Made by `cargo xtask bench --write`. The release sidecar has one core and one worker thread, the generator another core
and eight connections over the loopback; its log goes nowhere. The limit is aws-lc with a key parsed once and none of our
code around it, on the sidecar's core, measured anew just before each round: machines are noisy, so the ratio counts and
not the figure. A row shows the round with the median ratio; its remark begins with the lowest and the highest ratio.
";

/// The circumstances of a run.
pub struct Circumstances {
    /// When it began.
    pub started: UnixTime,
    /// Rounds of each row.
    pub rounds: usize,
    /// Whether server and generator had to share a core.
    pub shared_core: bool,
}

impl Circumstances {
    /// When, where and of what.
    pub fn heading(&self) -> Result<String> {
        let mut text = format!("{}, {} rounds.\n", origin(self.started)?, self.rounds);
        if self.shared_core {
            text.push_str(
                "\n**There was only one core: generator and server took each other's time.**\n",
            );
        }
        Ok(text)
    }
}

/// The day, the machine and the commit.
pub fn origin(started: UnixTime) -> Result<String> {
    let date = Timestamp::from_second(started.0)?.strftime("%Y-%m-%d");
    Ok(format!("{date}, {}, commit {}", processor(), commit()))
}

/// Writes the section.
pub fn render(run: &Circumstances, generator: &Result<f64>, rows: &[Row]) -> Result<String> {
    let mut page = format!("{INTRODUCTION}\n{}", run.heading()?);
    page.push_str(
        "\n| what | measured | limit in the same run | ratio | goal | met | remark |\n\
         |---|---:|---:|---:|---|---|---|\n",
    );
    for row in rows {
        page.push_str(&line(row));
    }
    let generator = match generator {
        Ok(rate) => format!(
            "Generator and `/healthz`, the cheapest route, do {rate:.0} requests a second together: no row can pass that."
        ),
        Err(error) => format!("The generator's own limit was not measured: {error:#}"),
    };
    page.extend(["\n", &generator, "\n"]);
    Ok(page)
}

fn line(row: &Row) -> String {
    let Row { what, goal, .. } = row;
    let Outcome {
        measured,
        limit,
        ratio,
        met,
        note,
    } = match &row.outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let why = format!("{error:#}").replace(['|', '\n', '\r'], " ");
            return format!("| {what} | – | – | – | {goal} | **not measured** | {why} |\n");
        }
    };
    let limit = limit.as_deref().unwrap_or("–");
    let ratio = match ratio {
        None => "–".to_owned(),
        Some(ratio) if *ratio < 1.5 => format!("{:.1} %", ratio * 100.0),
        Some(ratio) => format!("{ratio:.2} ×"),
    };
    let met = match met {
        None => "–",
        Some(true) => "yes",
        Some(false) => "**no**",
    };
    format!("| {what} | {measured} | {limit} | {ratio} | {goal} | {met} | {note} |\n")
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == "model name");
    model
        .map_or("unknown processor", |(_, model)| model.trim())
        .to_owned()
}

/// The commit, with `-dirty` where files were changed since.
fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(workspace::root());
    process::read(&mut git).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_row_without_a_figure_says_why() {
        let row = Row {
            what: "x".to_owned(),
            goal: "≥ 1",
            outcome: Err(anyhow!("refused").context("no | answer")),
        };
        let text = "| x | – | – | – | ≥ 1 | **not measured** | no   answer: refused |\n";
        assert_eq!(line(&row), text);
    }

    #[test]
    fn only_a_goal_can_be_met() {
        let outcome = Outcome {
            measured: "9/s".to_owned(),
            limit: Some("10/s".to_owned()),
            ratio: Some(0.9),
            met: None,
            note: String::new(),
        };
        let row = Row {
            what: "x".to_owned(),
            goal: "none",
            outcome: Ok(outcome),
        };
        assert_eq!(line(&row), "| x | 9/s | 10/s | 90.0 % | none | – |  |\n");
    }
}
