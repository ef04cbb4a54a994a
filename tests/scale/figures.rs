//! The table.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::Size;
use super::traffic::Writes;

/// The most memory that the design gives the operator, in KiB.
const MEMORY: u64 = 200 * 1024;

/// The longest that a change may take to show.
const CHANGE: Duration = Duration::from_secs(1);

/// New keys are told of together, every so often: an object that is written more often than that turns in circles.
const TOGETHER: Duration = Duration::from_secs(5);

/// What was measured.
pub struct Figures {
    pub size: Size,
    pub converged: Duration,
    pub converging: Writes,
    pub steady: Writes,
    pub changes: Vec<Duration>,
    pub restart: Writes,
    pub same_keys: bool,
    pub keys: usize,
    pub peak: u64,
    pub resident: u64,
}

impl Figures {
    /// Whether what does not depend on the machine is as it has to be.
    pub fn are_sound(&self) -> bool {
        self.same_keys && self.steady.count() == 0 && !self.is_hot()
    }

    fn is_hot(&self) -> bool {
        let times = self.converged.as_secs() / TOGETHER.as_secs();
        let busiest = self.converging.busiest();
        busiest.is_some_and(|(_, count)| count as u64 > times)
    }

    /// As Markdown.
    pub fn render(&self) -> String {
        let mut text = format!("{}.\n\n", self.size);
        text.push_str("| what | measured | goal | met | remark |\n|---|---:|---|---|---|\n");
        let mut row =
            |what: &str, measured: String, goal: &str, met: Option<bool>, remark: String| {
                let met = match met {
                    None => "–",
                    Some(true) => "yes",
                    Some(false) => "**no**",
                };
                writeln!(text, "| {what} | {measured} | {goal} | {met} | {remark} |").ok();
            };
        let kinds = |writes: &Writes| {
            let kinds = writes.by_kind().into_iter();
            let kinds: Vec<_> = kinds
                .map(|(kind, count)| format!("{count} {kind}"))
                .collect();
            kinds.join(", ")
        };
        row(
            "start of the operator to the last write",
            format!("{:.1} s", self.converged.as_secs_f64()),
            "none",
            None,
            format!("{} keys were made, all APIs are ready", self.keys),
        );
        row(
            "writes until then, for each ApiAudience",
            hundredths(self.converging.count() * 100 / self.size.audiences()),
            "none",
            None,
            format!(
                "{}; {} were refused",
                kinds(&self.converging),
                self.converging.failed()
            ),
        );
        let (busiest, most) = self.converging.busiest().unwrap_or_default();
        row(
            "writes of the object that was written most",
            most.to_string(),
            "no hot loop",
            Some(!self.is_hot()),
            busiest,
        );
        row(
            "writes while nothing changes",
            self.steady.count().to_string(),
            "0 but the Lease",
            Some(self.steady.count() == 0),
            format!("35 s, with a resync every 10 s {}", kinds(&self.steady)),
        );
        row(
            "memory, steady",
            mebibytes(self.resident),
            "≤ 200 MiB",
            Some(self.resident <= MEMORY),
            "resident".to_owned(),
        );
        row(
            "memory, the most there was",
            mebibytes(self.peak),
            "≤ 200 MiB",
            Some(self.peak <= MEMORY),
            "resident, over everything in this table".to_owned(),
        );
        let mut changes = self.changes.clone();
        changes.sort_unstable();
        let at = |percent: usize| {
            let index = (changes.len() * percent).div_ceil(100).saturating_sub(1);
            changes.get(index).copied().unwrap_or_default()
        };
        row(
            "a change in status, p99",
            format!("{} ms", at(99).as_millis()),
            "≤ 1 s",
            Some(at(99) <= CHANGE),
            format!("p50 {} ms; {} changes", at(50).as_millis(), changes.len()),
        );
        row(
            "keys replaced by a restart",
            if self.same_keys { "0" } else { "some" }.to_owned(),
            "0",
            Some(self.same_keys),
            format!("{} writes {}", self.restart.count(), kinds(&self.restart)),
        );
        text
    }
}

fn mebibytes(kibibytes: u64) -> String {
    let tenths = kibibytes * 10 / 1024;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn hundredths(count: usize) -> String {
    format!("{}.{:02}", count / 100, count % 100)
}
