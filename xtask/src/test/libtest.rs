//! What cargo's test runner says, read line by line and added up.

use std::path::Path;

use super::skips::Skip;
use crate::progress::say;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// Totals, and the names behind the failed and the skipped.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    totals: Totals,
    failures: Vec<String>,
    skips: Vec<Skip>,
}

impl Report {
    /// The sums so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Takes in one line of `cargo test`.
    pub fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |what: &str| -> u64 {
                let counts = counts.split([';', '.']);
                counts
                    .filter_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
                    .sum()
            };
            self.totals.passed += count("passed");
            self.totals.failed += count("failed");
            self.totals.skipped += count("ignored");
        } else if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|test| test.rsplit_once(" ... "))
        {
            if outcome == "FAILED" {
                self.failures.push(name.into());
            } else if let Some(reason) = outcome.strip_prefix("ignored") {
                let reason = reason.trim_start_matches([',', ' ']);
                self.skips.push(Skip {
                    name: name.into(),
                    reason: reason.into(),
                });
            }
        }
    }

    /// Counts a failure that no runner counted.
    pub fn fail(&mut self, what: String) {
        self.totals.failed += 1;
        self.failures.push(what);
    }

    /// Counts as skipped a test that had to return early, and that the runner therefore calls passed.
    pub fn skip_passed(&mut self, skip: Skip) {
        self.totals.passed = self.totals.passed.saturating_sub(1);
        self.totals.skipped += 1;
        self.skips.push(skip);
    }

    /// Counts as failed each skipped test that is not on the committed list.
    pub fn refuse_skips_except(&mut self, allowed: &[Skip], list: &Path) {
        let (kept, refused) = self
            .skips
            .drain(..)
            .partition(|skip| allowed.iter().any(|listed| listed.name == skip.name));
        self.skips = kept;
        for Skip { name, reason } in refused {
            self.totals.skipped = self.totals.skipped.saturating_sub(1);
            self.fail(format!(
                "{name}: skipped in CI ({reason}), and not listed in {}",
                list.display()
            ));
        }
    }

    /// Adds another report to this one.
    pub fn add(&mut self, other: Self) {
        self.totals.passed += other.totals.passed;
        self.totals.failed += other.totals.failed;
        self.totals.skipped += other.totals.skipped;
        self.failures.extend(other.failures);
        self.skips.extend(other.skips);
    }

    /// Prints the names, and the totals as the last line.
    pub fn print(&self) -> anyhow::Result<()> {
        for Skip { name, reason } in &self.skips {
            say(format_args!("SKIPPED {name}: {reason}"))?;
        }
        for failure in &self.failures {
            say(format_args!("FAILED {failure}"))?;
        }
        let Totals {
            passed,
            failed,
            skipped,
        } = self.totals;
        Ok(say(format_args!(
            "{passed} passed, {failed} failed, {skipped} skipped"
        ))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 4 tests
test scope::tests::parses ... ok
test scope::tests::refuses ... FAILED
test slow ... ignored, takes an hour
test core/src/scope.rs - scope::Scope (line 3) ... ignored

test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.01s

test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";

    fn report() -> Report {
        let mut report = Report::default();
        OUTPUT.lines().for_each(|line| report.read(line));
        report
    }

    fn skip(name: &str, reason: &str) -> Skip {
        Skip {
            name: name.into(),
            reason: reason.into(),
        }
    }

    #[test]
    fn totals_are_summed_and_names_kept() {
        let report = report();
        assert_eq!(
            report.totals(),
            Totals {
                passed: 41,
                failed: 1,
                skipped: 2
            }
        );
        assert_eq!(report.failures, ["scope::tests::refuses"]);
        assert_eq!(
            report.skips,
            [
                skip("slow", "takes an hour"),
                skip("core/src/scope.rs - scope::Scope (line 3)", "")
            ]
        );
    }

    #[test]
    fn a_test_that_returned_early_is_not_passed() {
        let mut report = report();
        report.skip_passed(skip("scope::tests::parses", "no node here"));
        assert_eq!(
            report.totals(),
            Totals {
                passed: 40,
                failed: 1,
                skipped: 3
            }
        );
    }

    #[test]
    fn in_ci_only_listed_tests_may_be_skipped() {
        let mut report = report();
        report.refuse_skips_except(&[skip("slow", "any reason")], Path::new("skips.txt"));
        assert_eq!(
            report.totals(),
            Totals {
                passed: 41,
                failed: 2,
                skipped: 1
            }
        );
        assert_eq!(report.skips, [skip("slow", "takes an hour")]);
        assert!(
            report.failures[1]
                .starts_with("core/src/scope.rs - scope::Scope (line 3): skipped in CI")
        );
    }
}
