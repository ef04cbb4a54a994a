//! The report about the peers, as a section of the page.

use std::time::Duration;

use anyhow::Result;

use super::super::rows::{a_second, mib};
use super::super::table::Circumstances;
use super::{Figures, Row};

const INTRODUCTION: &str = "\
Made by `cargo xtask bench peers --write`. Client-credentials tokens over plain HTTP on the loopback: RS256 JWTs by a key of
2048 bits, one core for the server and another for the generator, which is the one of the section above. Each server is
warmed up, asked with 1, 8 and 32 requests under way at once, and measured with the number that suits it best; the round
with the median ratio to bare signing on the same core counts. p50 and p99 are of one request after the other, evenly
spaced, at half of the rate that can be reached so, from when each was due. Memory is that of all processes of the server, its own share (PSS), and resident
in parentheses: after the first token, and after all load.

What is not the same. The others are whole identity providers: they know many clients, look one up, and compare its secret
at each request, where the sidecar knows only its pod and takes no secret. They store what they have in memory here, so
none waits for a database, which most installations have. None is spread over several cores or processes, as one would do
with Keycloak and Node.js. Their settings are in `xtask/peers`; whatever stands in no file there is their default.
";

/// Writes the section.
pub fn render(run: &Circumstances, rows: &[Row]) -> Result<String> {
    let mut text = format!("{INTRODUCTION}\n{}", run.heading()?);
    text.push_str(
        "\n| server | tokens | of bare signing | at once | p50 | p99 | memory, idle | memory, loaded | start to first answer | remark |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for row in rows {
        text.push_str(&line(row));
    }
    Ok(text)
}

fn line((name, remark, figures): &Row) -> String {
    let Figures {
        rate,
        connections,
        latency,
        idle,
        loaded,
        start_to_ready,
        distinct: (answers, distinct),
    } = match figures {
        Ok(figures) => figures,
        Err(error) => {
            let why = format!("{error:#}").replace(['|', '\n', '\r'], " ");
            return format!("| {name} | SKIPPED | – | – | – | – | – | – | – | {why} |\n");
        }
    };
    let repeated = if answers == distinct {
        "all tokens distinct".to_owned()
    } else {
        format!("{answers} answers, {distinct} different tokens")
    };
    let cells = [
        (*name).to_owned(),
        a_second(rate.round.measured),
        format!("{:.1} %", rate.ratio * 100.0),
        connections.to_string(),
        millis(latency.p50),
        millis(latency.p99),
        format!("{} ({})", mib(idle.pss), mib(idle.rss)),
        format!("{} ({})", mib(loaded.pss), mib(loaded.rss)),
        millis(*start_to_ready),
        rate.noted(format!("{repeated}; {remark}")),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 100.0 {
        format!("{millis:.2} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_peer_without_figures_says_why() {
        let row = (
            "X 1.0",
            "fast",
            Err(anyhow!("no network").context("it could not be prepared")),
        );
        let wanted = "| X 1.0 | SKIPPED | – | – | – | – | – | – | – | it could not be prepared: no network |\n";
        assert_eq!(line(&row), wanted);
    }

    #[test]
    fn short_times_have_more_digits() {
        assert_eq!(millis(Duration::from_micros(261)), "0.26 ms");
        assert_eq!(millis(Duration::from_secs(35)), "35000 ms");
    }
}
