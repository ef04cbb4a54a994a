//! The clock of this machine beside that of the API server.

use super::Findings;
use super::look::Look;
use crate::output;

/// The `Date` of an answer is cut to the second, and the way takes some time.
const TOLERATED: i64 = 5;

/// What validators forgive (core's leeway), in seconds.
const LEEWAY: i64 = 30;

/// Looks at the difference.
pub fn examine(look: &Look, findings: &mut Findings) {
    let Some(ahead) = look.ahead.filter(|ahead| ahead.abs() > TOLERATED) else {
        return;
    };
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    findings.add(
        "clock-skew",
        "this machine",
        format!("its clock is {} {way} the API server's", output::length(ahead.abs())),
        format!(
            "sidecars switch keys and judge tokens by their node's clock; validators forgive {LEEWAY} s. One of the two clocks is wrong, and what this command says of times is by this one"
        ),
        "synchronise the clocks (chrony, systemd-timesyncd) of this machine and of the nodes: `timedatectl` shows whether one is",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_said() {
        for (ahead, found) in [
            (None, None),
            (Some(5), None),
            (Some(-5), None),
            (Some(90), Some("1m 30s ahead of")),
            (Some(-40), Some("40s behind")),
        ] {
            let mut findings = Findings::default();
            let look = Look {
                ahead,
                ..Look::nothing()
            };
            examine(&look, &mut findings);
            let said = findings.0.first().map(|finding| finding.found.clone());
            assert_eq!(said.is_some(), found.is_some(), "{ahead:?}");
            assert!(said.unwrap_or_default().contains(found.unwrap_or_default()));
        }
    }
}
