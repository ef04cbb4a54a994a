//! All texts, one table for each language: a language that lacks one does not compile. Sentences with a [`Name`] in them become HTML
//! by [`html`](super::name::html).

pub mod english;
pub mod german;

use std::time::Duration;

use super::consent::Identity;
use super::failure::Failure;
use super::name::Name;

/// The texts of one language.
pub struct Words {
    pub consent: Consent,
    pub failed: Failed,
    pub front: Front,
    pub passing: Passing,
    pub sign_in: SignIn,
    pub sign_out: SignOut,
    pub signed_out: SignedOut,
    /// The link to whoever helps.
    pub support: &'static str,
}

/// May the application do this?
pub struct Consent {
    pub allow: &'static str,
    pub decline: &'static str,
    /// Of an API without scopes.
    pub call: &'static str,
    pub heading: fn(application: Name<'_>) -> String,
    pub identity: fn(Identity) -> &'static str,
    pub identity_heading: &'static str,
    pub lead: fn(tenant: Name<'_>) -> String,
    pub signed_in_as: &'static str,
    pub third_party: fn(application: Name<'_>, tenant: Name<'_>) -> String,
    pub third_party_mark: &'static str,
    pub title: &'static str,
    pub to_application: fn(scheme: &str) -> String,
    pub to_device: fn(address: &str) -> String,
    pub to_site: fn(address: &str) -> String,
}

/// What went wrong.
pub struct Failed {
    pub code: &'static str,
    pub detail: &'static str,
    pub explain: fn(Failure<'_>) -> Explained,
    pub for_support: &'static str,
    pub request: &'static str,
}

/// Whose users sign in here?
pub struct Front {
    pub heading: fn(tenant: Name<'_>) -> String,
    pub lead: &'static str,
    pub title: &'static str,
}

/// One failure in words.
pub struct Explained {
    pub title: &'static str,
    pub what: String,
    pub mend: String,
}

/// Pages that are there for a moment.
pub struct Passing {
    pub close: &'static str,
    pub go_on: &'static str,
    pub no_script: &'static str,
    pub title: &'static str,
}

/// Who are you?
pub struct SignIn {
    pub connect: fn(label: Name<'_>) -> String,
    pub connection_failed: fn(label: Name<'_>) -> String,
    pub lead: fn(application: Name<'_>) -> String,
    pub or: &'static str,
    pub password: &'static str,
    /// Stands before the title of a page that has one.
    pub problem: &'static str,
    pub submit: &'static str,
    pub title: &'static str,
    pub too_many: fn(wait: Duration) -> String,
    pub username: &'static str,
    pub wrong: &'static str,
}

/// Do you want to sign out?
pub struct SignOut {
    pub everywhere: &'static str,
    pub lead: &'static str,
    pub stay: &'static str,
    pub stayed: &'static str,
    pub stayed_lead: fn(tenant: Name<'_>) -> String,
    pub submit: &'static str,
    pub title: fn(tenant: Name<'_>) -> String,
}

/// You have.
pub struct SignedOut {
    pub back: fn(application: Name<'_>) -> String,
    pub lead: fn(tenant: Name<'_>) -> String,
    pub title: &'static str,
}

/// A wait that is never said to be shorter than it is: seconds up to a minute and a half, then minutes.
enum Wait {
    Seconds(u64),
    Minutes(u64),
}

impl Wait {
    fn of(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        if seconds <= 90 {
            Self::Seconds(seconds.max(1))
        } else {
            Self::Minutes(seconds.div_ceil(60))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_full() {
        for (wait, english, german) in [
            (Duration::ZERO, "in 1 second", "in 1 Sekunde"),
            (Duration::from_millis(1001), "in 2 seconds", "in 2 Sekunden"),
            (Duration::from_secs(90), "in 90 seconds", "in 90 Sekunden"),
            (Duration::from_secs(91), "in 2 minutes", "in 2 Minuten"),
            (Duration::from_hours(1), "in 60 minutes", "in 60 Minuten"),
        ] {
            for (words, expected) in [(&english::WORDS, english), (&german::WORDS, german)] {
                let text = (words.sign_in.too_many)(wait);
                assert!(text.contains(expected), "{text}");
            }
        }
    }
}
