//! What the operator shows to Prometheus, asked of the operator's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use mintage_core::UnixTime;
use mintage_core::plan::{Input, plan};
use mintage_core::world::World;
use mintage_operator::metrics::Metrics;
use mintage_operator::webhook;

/// One line: a name and labels.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Series {
    /// As it is on the wire, with `_total` or `_bucket`.
    pub name: String,
    /// By their names.
    pub labels: BTreeMap<String, String>,
}

/// Everything that an operator shows that leads, serves the webhook and has written something.
pub struct Exposed {
    /// The names of the families, as documents have them: a counter without `_total`.
    pub families: BTreeSet<String>,
    /// Every line.
    pub series: Vec<Series>,
}

impl Exposed {
    /// Asks for it.
    pub fn by_the_operator() -> Result<Self> {
        let metrics = Metrics::new(|registry| webhook::Metrics::default().register(registry));
        metrics.start_leading();
        let world = World::default();
        let input = Input::first(&world);
        let now = UnixTime(1_764_000_000);
        metrics.count_plan(&plan(now, input), now, Duration::from_millis(2));
        // A family is there from its first member on.
        metrics.count_write("truth", "done");
        metrics.count_event("sent");
        Self::parse(&metrics.encode()?)
    }

    fn parse(text: &str) -> Result<Self> {
        let families = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let series = text.lines().filter(|line| !line.starts_with('#'));
        Ok(Self {
            families: families.map(str::to_owned).collect(),
            series: series
                .map(|line| Series::parse(line).with_context(|| line.to_owned()))
                .collect::<Result<_>>()?,
        })
    }

    /// The labels of a metric, by its name on the wire; none if there is no such metric.
    pub fn labels(&self, name: &str) -> Option<BTreeSet<&str>> {
        let mut series = self.series.iter().filter(|one| one.name == name);
        let labels = series.next()?.labels.keys();
        Some(labels.map(String::as_str).collect())
    }

    /// Every name that a line or a family has.
    pub fn names(&self) -> BTreeSet<&str> {
        let families = self.families.iter().map(String::as_str);
        let series = self.series.iter().map(|one| one.name.as_str());
        families.chain(series).collect()
    }
}

impl Series {
    /// A line as `name{label="value",…} number`; no value of ours has a comma or a quotation mark.
    fn parse(line: &str) -> Option<Self> {
        let (series, _) = line.rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            None => (series, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
        };
        let labels = labels.split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (name, value) = label.split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Some(Self {
            name: name.to_owned(),
            labels: labels.collect::<Option<_>>()?,
        })
    }

    /// As `PromQL` has it, with the labels that Prometheus adds.
    pub fn scraped(&self, namespace: &str, pod: &str) -> String {
        let added = [
            ("container", "operator"),
            ("namespace", namespace),
            ("pod", pod),
        ];
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: Vec<String> = labels
            .chain(added)
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        format!("{}{{{}}}", self.name, labels.join(","))
    }
}
