//! What `mintage dev` notes about a folder, besides what the other looks find.
//!
//! ```text
//!  Folder::remarks ─────────────────────────────────┐
//!  notes of the plan's statuses ─► known by a word ─┼─► findings
//!  complaints of the endpoints (Sources) ───────────┘
//! ```

use mintage_core::plan::Status;
use mintage_crds::observe::{RELEASE_CLAIM, REVOKE_KEY};
use mintage_sidecar::endpoint::{About, Sources};

use super::{Code, Finding, View};
use crate::complaint;
use crate::dev::folder;
use crate::place;

/// Takes up all that is noted, and that no finding before says.
pub fn look(view: &View<'_>, findings: &mut Vec<Finding>) {
    for remark in &view.folder.remarks {
        findings.push(Finding {
            code: Code::KeySecretElsewhere,
            place: remark.place.clone(),
            text: remark.text.clone(),
        });
    }
    for status in &view.plan.statuses {
        let notes = status.notes.iter();
        findings.extend(notes.filter_map(|note| of_note(view, status, note)));
    }
    for (tenant, told) in &view.plan.endpoints {
        let secrets = |name: &_| folder::secret(view.manifests, &tenant.namespace, name);
        let (_, complaints) = Sources::read(&told.body, secrets);
        for complaint in complaints {
            let code = match &complaint.about {
                About::Connection(_) => Code::ConnectionBroken,
                About::NoConnection => Code::ConnectionMissing,
                // The schema refuses what is no network.
                About::Proxy(_) => Code::StatusNote,
                About::Secret { .. } => Code::SecretElsewhere,
                About::User { .. } => Code::UserUnreadable,
            };
            let told = complaint::tell(view.manifests, tenant, &complaint);
            findings.extend(told.map(|told| Finding {
                code,
                place: told.place,
                text: told.text,
            }));
        }
    }
}

/// Parts of notes that other looks say in better words, with the line.
const SAID: [&str; 7] = [
    "does not admit its namespace",
    "names scopes that spec.scopes does not declare",
    "serves no application of that name",
    "get no tokens: a namespace has to be there",
    "the namespace has not opted in",
    "defaultAudienceRef names",
    REVOKE_KEY,
];

fn of_note(view: &View<'_>, status: &Status, note: &str) -> Option<Finding> {
    if SAID.iter().any(|part| note.contains(part)) {
        return None;
    }
    let (code, field) = if note.starts_with("firstParty") {
        (Code::FirstPartyElsewhere, "spec.firstParty".to_owned())
    } else if note.starts_with(RELEASE_CLAIM) {
        let annotation = format!("metadata.annotations.{RELEASE_CLAIM}");
        (Code::StatusNote, annotation)
    } else {
        (Code::StatusNote, String::new())
    };
    Some(Finding {
        code,
        place: place::of_object(view.manifests, &status.object, &field)?,
        text: note.to_owned(),
    })
}
