//! How answers are printed.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use mintage_core::UnixTime;
use serde::Serialize;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value.
    Json,
}

/// Prints one line to standard output; its colours only where they are wanted (`--color`, `NO_COLOR`, a terminal).
pub fn line(text: impl AsRef<str>) -> std::io::Result<()> {
    writeln!(anstream::stdout().lock(), "{}", text.as_ref())
}

/// A text that says that all is well.
pub fn good(text: &str) -> String {
    styled(AnsiColor::Green.on_default().bold(), text)
}

/// A text that says that something is to be looked at.
pub fn doubtful(text: &str) -> String {
    styled(AnsiColor::Yellow.on_default().bold(), text)
}

/// A text that says that something is refused or wrong.
pub fn bad(text: &str) -> String {
    styled(AnsiColor::Red.on_default().bold(), text)
}

/// A text that is of less weight.
pub fn faint(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a value as indented JSON.
pub fn json(value: &impl Serialize) -> std::io::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// A moment as people read it: RFC 3339 in UTC.
pub fn moment(time: UnixTime) -> String {
    jiff::Timestamp::from_second(time.0)
        .map_or_else(|_| time.to_string(), |moment| moment.to_string())
}

/// A length of time as people read it: `59m 58s`.
pub fn length(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Those of some names that are near to what was typed, the nearest first.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let score = |name: &'a str| (strsim::jaro(&typed, &name.to_ascii_lowercase()), name);
    let mut scored: Vec<_> = names
        .map(score)
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}
