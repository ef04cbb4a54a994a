//! `mintage lint`: what is valid and will be regretted all the same.
//!
//! ```text
//!  folder ─► Folder (observe) ─► plan ─► objects that are not served ─┐
//!                 ├─► one look for each subject ──────────────────────┼─► findings, by file and line
//!                 └─► what `dev` notes ───────────────────────────────┘
//! ```

mod applications;
mod audiences;
mod code;
mod explain;
mod grants;
mod notes;
mod pods;
mod tenants;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::ValueEnum;
use mintage_core::UnixTime;
use mintage_core::code::Coded as _;
use mintage_core::ownership::Kind;
use mintage_core::plan::{Input, Plan, Reason, plan};
use mintage_crds::Manifests;
use mintage_crds::manifest::LoadError;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde_json::json;

use crate::Failure;
use crate::dev::folder::{self, Folder};
use crate::output::{self, Output};
use crate::place::{self, Place};
pub use code::{Code, Level};

/// Look through a folder of manifests for what is valid and will be regretted.
///
/// Grants to nobody, scopes that nobody has, lives that do not fit together, domains that nobody can reach, names that
/// are taken, connections by which nobody can sign in, and all that `mintage dev` notes. Exits with 1 if there are errors; with
/// `--deny warnings` also if there are warnings, and never for notes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The manifests: a folder, or one file.
    folder: PathBuf,
    /// Look at what does no harm on a laptop, too: domains that only this machine can reach.
    #[arg(long)]
    production: bool,
    /// What ends with exit code 1 besides errors.
    #[arg(long, value_enum, value_name = "LEVEL")]
    deny: Option<Deny>,
    /// Findings that are left out, by code, with commas between them. May be repeated.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code)]
    allow: Vec<Code>,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// What is denied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Deny {
    /// Warnings, too.
    Warnings,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// In words, with the mend.
    pub text: String,
}

/// What is looked at.
pub struct View<'a> {
    /// As read.
    pub manifests: &'a Manifests,
    /// As observed.
    pub folder: &'a Folder,
    /// As it would be served on an empty cluster.
    pub plan: &'a Plan,
    /// Whether others than this machine are to reach it.
    pub production: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let loaded = folder::load(&args.folder, None);
    if let (Output::Json, Err(problems)) = (args.output, &loaded) {
        output::json(&problems.iter().map(problem).collect::<Vec<_>>())?;
        return Err(Failure::Input(String::new()));
    }
    let manifests = loaded.map_err(|problems| folder::unreadable(&args.folder, &problems))?;
    let is_empty = manifests.tenants.is_empty()
        && manifests.applications.is_empty()
        && manifests.audiences.is_empty()
        && manifests.domains.is_empty()
        && manifests.workloads.is_empty();
    if is_empty {
        let folder = args.folder.display();
        return Err(Failure::Input(format!("there is no Tenant in {folder}")));
    }
    let mut findings = look(&manifests, SystemClock.now(), args.production)?;
    findings.retain(|finding| !args.allow.contains(&finding.code));
    match args.output {
        Output::Json => output::json(&findings.iter().map(as_json).collect::<Vec<_>>())?,
        Output::Text => print(&findings)?,
    }
    let denied = |finding: &Finding| match finding.code.level() {
        Level::Error => true,
        Level::Warning => args.deny == Some(Deny::Warnings),
        Level::Note => false,
    };
    if findings.iter().any(denied) {
        return Err(Failure::Refused(String::new()));
    }
    Ok(())
}

/// All findings, by file and line.
pub fn look(
    manifests: &Manifests,
    now: UnixTime,
    production: bool,
) -> Result<Vec<Finding>, anyhow::Error> {
    let folder = Folder::observe(manifests, std::iter::empty(), 0)?;
    let input = Input::first(&folder.world);
    let view = View {
        manifests,
        folder: &folder,
        plan: &plan(now, input),
        production,
    };
    let mut findings = Vec::new();
    not_served(&view, &mut findings);
    applications::look(&view, &mut findings);
    audiences::look(&view, &mut findings);
    grants::look(&view, &mut findings);
    pods::look(&view, &mut findings);
    tenants::look(&view, &mut findings);
    // After the others, which say the same in better words.
    notes::look(&view, &mut findings);
    findings.sort_by(|a, b| (&a.place.at, a.code).cmp(&(&b.place.at, b.code)));
    Ok(findings)
}

/// Objects that the plan does not serve.
fn not_served(view: &View<'_>, findings: &mut Vec<Finding>) {
    for status in &view.plan.statuses {
        let Some(code) = Code::of_reason(status.reason) else {
            continue;
        };
        // That a CustomDomain repeats its own tenant's domain is said in better words.
        if code == Code::NameConflict
            && status.object.kind == Kind::CustomDomain
            && tenants::repeats_tenant(view, &status.object.at)
        {
            continue;
        }
        let place = place::of_status(view.manifests, status);
        findings.extend(place.map(|place| Finding {
            code,
            place,
            // The place says the field.
            text: match status.reason {
                Reason::InvalidAddress => match status.message.split_once(": ") {
                    Some((_, fault)) => fault.to_owned(),
                    None => status.message.clone(),
                },
                _ => status.message.clone(),
            },
        }));
    }
}

fn code(text: &str) -> Result<Code, String> {
    let mut codes = Code::ALL.iter();
    let found = codes.find(|code| code.code() == text);
    found.copied().ok_or_else(|| {
        let near = output::nearest(text, Code::ALL.iter().map(|code| code.code()));
        if near.is_empty() {
            "there is no such finding; `mintage explain` lists all".to_owned()
        } else {
            format!("there is no such finding; near to it: {}", near.join(", "))
        }
    })
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "level": finding.code.level(),
        "code": finding.code.code(),
        "file": &*finding.place.at.file,
        "line": finding.place.at.line,
        "resource": finding.place.resource,
        "field": finding.place.field,
        "text": finding.text,
    })
}

/// What keeps the folder from being read, in the form of a finding.
fn problem(problem: &LoadError) -> serde_json::Value {
    json!({
        "level": Level::Error,
        "code": "manifest-invalid",
        "file": &*problem.at.file,
        "line": problem.at.line,
        "text": problem.fault.to_string(),
    })
}

fn print(findings: &[Finding]) -> std::io::Result<()> {
    for finding in findings {
        let level = match finding.code.level() {
            Level::Error => output::bad("error"),
            Level::Warning => output::doubtful("warning"),
            Level::Note => output::faint("note"),
        };
        let place = &finding.place;
        output::line(format!("{}: {level} [{}]", place.at, finding.code.code()))?;
        output::line(format!("    {}: {}", place.subject(), finding.text))?;
    }
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.code.level() == level)
            .count()
    };
    if findings.is_empty() {
        return output::line("nothing to regret");
    }
    let plural =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let notes = match count(Level::Note) {
        0 => String::new(),
        notes => format!(", {}", plural(notes, "note")),
    };
    output::line(format!(
        "{}, {}{notes}; `mintage explain <code>` says more",
        plural(count(Level::Error), "error"),
        plural(count(Level::Warning), "warning")
    ))
}
