//! What one check found out, and how that is said. What a server sent is counted and never quoted: a status is read in
//! terminals and consoles, and its writer must not be whoever runs that server.

use jiff::Timestamp;
use mintage_core::UnixTime;
use mintage_crds::domain::VerificationMethod;

use super::challenge::Subject;
use super::schedule::Pace;

/// What one check found out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The operator's settings or the object itself rule a check out: why, and what to do.
    Barred(String),
    /// An answer that does not show control: what was found.
    Contradicted(String),
    /// The proof is there.
    Shown,
    /// No answer: what was in its way. It says nothing about who controls the domain.
    Unanswered(String),
}

/// The message of the condition `Verified` after a check. `doubted_since`: since when a proof that was there has not been
/// found.
pub fn message(
    subject: &Subject,
    outcome: &Outcome,
    doubted_since: Option<UnixTime>,
    pace: &Pace,
) -> String {
    let found = match outcome {
        Outcome::Barred(why) => return why.clone(),
        Outcome::Shown => return shown(subject),
        Outcome::Contradicted(found) => format!("found: {found}"),
        Outcome::Unanswered(found) => format!("there was no answer: {found}"),
    };
    let Some(since) = doubted_since else {
        return format!("{}; {found}", mend(subject));
    };
    let since = Timestamp::from_second(since.0).unwrap_or(Timestamp::UNIX_EPOCH);
    format!(
        "{}, but not since {since}; {found}. The domain lapses, and tokens are issued under it no more, after {} such \
         answers over {}, or {} without any; to keep it, {}",
        shown(subject),
        pace.lapse_answers,
        hours(pace.lapse_after),
        hours(pace.lapse_silence),
        mend(subject),
    )
}

/// The message where nothing is known yet of an object whose status speaks of another challenge.
pub fn pending(subject: &Subject) -> String {
    format!("not shown yet: {}", mend(subject))
}

/// The message where control over the domain is shown. It is the same after each check, so that nothing is written.
pub fn shown(subject: &Subject) -> String {
    let place = subject.challenge().map(|challenge| challenge.location);
    match (subject.method, place) {
        (VerificationMethod::DnsTxt, Some(name)) => format!("shown by the TXT record {name}"),
        (VerificationMethod::HttpWellKnown, Some(url)) => format!("shown by the file {url}"),
        _ => {
            "taken without a proof, because verification.method is None and the operator runs with \
              --allow-unverified-domains"
                .to_owned()
        }
    }
}

/// What to do.
pub fn mend(subject: &Subject) -> String {
    match (subject.method, subject.challenge()) {
        (VerificationMethod::DnsTxt, Some(challenge)) => format!(
            "publish a TXT record {} with the value {}",
            challenge.location, challenge.value
        ),
        (VerificationMethod::HttpWellKnown, Some(challenge)) => format!(
            "serve at {} a file with the line {}",
            challenge.location, challenge.value
        ),
        _ => "choose the verification.method DnsTxt or HttpWellKnown".to_owned(),
    }
}

fn hours(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds % 3600) {
        (1, 0) => "1 hour".to_owned(),
        (hours, 0) if hours > 1 => format!("{hours} hours"),
        _ => format!("{seconds} seconds"),
    }
}
