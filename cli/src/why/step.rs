//! An answer as steps, of which one may fail.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::output::{self, Output};
use crate::place::{Place, is_of_cluster};

/// How a step came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, and it decides.
    Failed,
    /// One before it failed.
    NotReached,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What is looked at.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The resource that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// What was found at a step.
pub type Found = (String, Option<Place>);

/// Why the answer is no.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The code.
    pub code: &'static str,
    /// In words.
    pub text: String,
    /// The resource that decides.
    pub place: Option<Place>,
}

/// The whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// Why not, if not.
    pub refused: Option<Refused>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

impl Answer {
    /// An answer from the names of the steps: those before the failed one passed, those after it were not reached.
    pub fn new(
        names: &[&'static str],
        refused: Option<(&'static str, Refused)>,
        mut found: impl FnMut(&'static str) -> Found,
    ) -> Self {
        let failed = refused.as_ref().map(|(name, _)| *name);
        let failed = failed.and_then(|failed| names.iter().position(|name| *name == failed));
        let refused = refused.map(|(_, refused)| refused);
        let step = |(index, name): (usize, &&'static str)| {
            let (outcome, (text, place)) = match (failed, &refused) {
                (Some(failed), Some(refused)) if index == failed => (
                    Outcome::Failed,
                    (refused.text.clone(), refused.place.clone()),
                ),
                (Some(failed), _) if index > failed => (Outcome::NotReached, (String::new(), None)),
                _ => (Outcome::Passed, found(name)),
            };
            Step {
                name,
                outcome,
                text,
                place,
            }
        };
        let steps = names.iter().enumerate().map(step).collect();
        Self {
            steps,
            refused,
            notes: Vec::new(),
        }
    }

    /// Prints the answer; a no is an error, with its text printed already. `yes` is what a good answer is called.
    pub fn report(self, yes: &'static str, what: &str, output: Output) -> Result<(), Failure> {
        match output {
            Output::Json => output::json(&self.json(yes))?,
            Output::Text => self.print(yes, what)?,
        }
        match self.refused {
            None => Ok(()),
            Some(_) => Err(Failure::Refused(String::new())),
        }
    }

    fn json(&self, yes: &str) -> Value {
        let mut answer = Map::new();
        answer.insert(yes.to_owned(), self.refused.is_none().into());
        if let Some(refused) = &self.refused {
            answer.insert("code".to_owned(), refused.code.into());
            answer.insert("reason".to_owned(), refused.text.as_str().into());
            answer.insert("decidedBy".to_owned(), json!(refused.place));
        }
        answer.insert("steps".to_owned(), json!(self.steps));
        answer.insert("notes".to_owned(), json!(self.notes));
        Value::Object(answer)
    }

    fn print(&self, yes: &str, what: &str) -> std::io::Result<()> {
        match &self.refused {
            None => output::line(format!("{}: {what}", output::good(yes)))?,
            Some(refused) => output::line(format!(
                "{} ({}): {what}",
                output::bad("refused"),
                refused.code
            ))?,
        }
        for step in &self.steps {
            let mark = match step.outcome {
                Outcome::Passed => output::good("ok"),
                Outcome::Failed => output::bad("NO"),
                Outcome::NotReached => output::faint("--"),
            };
            output::line(format!("  {mark}  {:<10} {}", step.name, step.text).trim_end())?;
            if let Some(place) = &step.place {
                let place = if is_of_cluster(&place.at) {
                    place.subject()
                } else {
                    format!("{}   {}", place.subject(), place.at)
                };
                output::line(format!("                 {}", output::faint(&place)))?;
            }
        }
        for note in &self.notes {
            output::line(format!("note: {note}"))?;
        }
        if let Some(refused) = &self.refused {
            output::line(format!(
                "`mintage explain {}` says what leads to it",
                refused.code
            ))?;
        }
        Ok(())
    }
}
