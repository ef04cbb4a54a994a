//! The report as a page.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::rows::Report;

/// Writes the page.
pub fn render(report: &Report) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nMade by `cargo xtask bench --write`. One core serves, the other one asks; each figure stands beside a limit that was\n\
         measured in the same run on the server's core: aws-lc with a key parsed once. Machines are noisy: the ratio counts.\n\n",
    );
    line(
        &mut page,
        &format!("Processor: {}. Commit: {}.\n", processor(), commit()),
    );
    line(
        &mut page,
        "| what | per second | limit in the same run | ratio | goal | met | |",
    );
    line(&mut page, "|---|---:|---:|---:|---|---|---|");
    for row in &report.rows {
        let ratio = row.rate / row.limit.1;
        let ratio = if ratio < 2.0 {
            format!("{:.0} %", ratio * 100.0)
        } else {
            format!("{ratio:.1} ×")
        };
        line(
            &mut page,
            &format!(
                "| {} | {:.0} | {:.0} ({}) | {ratio} | {} | {} | {} |",
                row.what,
                row.rate,
                row.limit.1,
                row.limit.0,
                row.goal,
                yes(row.met),
                row.note
            ),
        );
    }
    line(
        &mut page,
        &format!(
            "\nThe generator and the cheapest route (`/healthz`) do {:.0} requests a second together: no row can pass that.\n",
            report.generator
        ),
    );
    line(&mut page, "| what | figure | goal | met |");
    line(&mut page, "|---|---:|---|---|");
    let p99 = report.p99.as_secs_f64() / report.one_signature.as_secs_f64();
    let rows = [
        (
            "p99 of a signed RS256 token at half load",
            format!("{} = {p99:.1} signatures", micros(report.p99)),
            "≤ 2 signatures",
            p99 <= 2.0,
        ),
        (
            "memory, idle",
            mib(report.idle_kib),
            "≤ 8 MiB",
            report.idle_kib <= 8 * 1024,
        ),
        (
            "memory, after the load",
            mib(report.loaded_kib),
            "≤ 16 MiB",
            report.loaded_kib <= 16 * 1024,
        ),
        (
            "start to ready with 1,000 audiences",
            micros(report.start_to_ready),
            "≤ 50 ms",
            report.start_to_ready <= Duration::from_millis(50),
        ),
        (
            "binary, stripped",
            mib(report.binary_bytes / 1024),
            "≤ 15 MB",
            report.binary_bytes <= 15_000_000,
        ),
    ];
    for (what, figure, goal, met) in rows {
        line(
            &mut page,
            &format!("| {what} | {figure} | {goal} | {} |", yes(met)),
        );
    }
    page
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}

fn yes(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}

fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 10_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.1} ms", micros / 1000.0)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "kibibytes of a process, far below 2^52"
)]
fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown");
    model.trim_start_matches([' ', '\t', ':']).to_owned()
}

fn commit() -> String {
    let output = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .current_dir(crate::workspace::root())
        .output();
    output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
