//! English.

use std::time::Duration;

use super::super::consent::Identity;
use super::super::failure::Failure;
use super::{Consent, Explained, Failed, Front, Passing, SignIn, SignOut, SignedOut, Wait, Words};

pub static WORDS: Words = Words {
    consent: Consent {
        allow: "Allow",
        decline: "Decline",
        call: "Call it in your name",
        heading: |application| format!("{application} asks for access"),
        identity: |identity| match identity {
            Identity::Openid => "Know who you are, by an identifier that stays the same",
            Identity::Profile => "See your profile, such as your name and picture",
            Identity::Email => "See your email address",
            Identity::OfflineAccess => {
                "Keep this access while you are away, until it is taken back"
            }
        },
        identity_heading: "Your account",
        lead: |tenant| format!("It would use your account at {tenant} to:"),
        signed_in_as: "Signed in as",
        third_party: |application, tenant| {
            format!("{application} is not run by {tenant}. Allow it only if you know and trust it.")
        },
        third_party_mark: "Third-party application",
        title: "Allow access",
        to_application: |scheme| {
            format!("You will then be sent to an application on this device ({scheme}).")
        },
        to_device: |address| {
            format!("You will then be sent to an application on this device ({address}).")
        },
        to_site: |address| format!("You will then be sent to {address}."),
    },
    failed: Failed {
        code: "Code",
        detail: "Detail",
        explain,
        for_support: "For whoever helps you",
        request: "Request",
    },
    front: Front {
        heading: |tenant| format!("Users of {tenant} sign in here"),
        lead: "Nothing is wrong. Signing in begins at an application: open the one that you want to use, and it brings you here.",
        title: "Sign in",
    },
    passing: Passing {
        close: "You can close this window.",
        go_on: "Continue",
        no_script: "Your browser runs no scripts here. Go on by hand:",
        title: "One moment",
    },
    sign_in: SignIn {
        connect: |label| format!("Continue with {label}"),
        connection_failed: |label| {
            format!("Signing in with {label} did not work. Try again, or choose another way.")
        },
        lead: |application| format!("to continue to {application}"),
        or: "or",
        password: "Password",
        problem: "Error",
        submit: "Sign in",
        title: "Sign in",
        too_many: |wait| format!("Too many attempts. Try again {}.", in_time(wait)),
        username: "Email or username",
        wrong: "Wrong email or password.",
    },
    sign_out: SignOut {
        everywhere: "Sign out on all devices",
        lead: "Applications that you use may ask you to sign in again.",
        stay: "Stay signed in",
        stayed: "You are still signed in",
        stayed_lead: |tenant| {
            format!("Your session at {tenant} goes on. You can close this window.")
        },
        submit: "Sign out",
        title: |tenant| format!("Sign out of {tenant}?"),
    },
    signed_out: SignedOut {
        back: |application| format!("Back to {application}"),
        lead: |tenant| format!("Your session at {tenant} has ended. You can close this window."),
        title: "You are signed out",
    },
    support: "Get help",
};

fn in_time(wait: Duration) -> String {
    match Wait::of(wait) {
        Wait::Seconds(1) => "in 1 second".into(),
        Wait::Seconds(seconds) => format!("in {seconds} seconds"),
        Wait::Minutes(minutes) => format!("in {minutes} minutes"),
    }
}

fn explain(failure: Failure<'_>) -> Explained {
    let (title, what, mend) = match failure {
        Failure::CallbackMismatch => (
            "Callback URL mismatch",
            "The application wanted you to be sent to an address that is not one of its own.",
            "You did nothing wrong. Whoever runs the application has to add this address to its callback URLs.",
        ),
        Failure::ConnectionFailed { label } => {
            return Explained {
                title: "The other side did not answer",
                what: format!("{label}, where you would sign in, gave no answer that can be used."),
                mend: "Go back to the application and try again in a while, or in another way."
                    .into(),
            };
        }
        Failure::ConnectionUnusable { label } => {
            return Explained {
                title: "This way to sign in does not work yet",
                what: format!("{label}, where you would sign in, is not set up rightly."),
                mend: "You did nothing wrong. Whoever runs this sign-in page has to mend that; perhaps the application knows another way.".into(),
            };
        }
        Failure::CookiesMissing => (
            "Your browser sent no cookie",
            "Without it nobody can tell that it is you who began to sign in.",
            "Allow cookies for this site, go back to the application and sign in again.",
        ),
        Failure::Expired => (
            "This page is out of date",
            "It was open for too long, or was used already.",
            "Go back to the application and sign in again.",
        ),
        Failure::Internal => (
            "Something went wrong here",
            "It is not your fault, and nothing was changed.",
            "Try again. If it happens again, pass on what stands below.",
        ),
        Failure::LogoutMismatch => (
            "Logout URL mismatch",
            "The application wanted you to be sent to an address that is not one of its own.",
            "Whoever runs the application has to add this address to its logout URLs.",
        ),
        Failure::NoConnection => (
            "There is no way to sign in",
            "No connection is set up here with which you could sign in.",
            "You did nothing wrong. Whoever runs this sign-in page has to set one up.",
        ),
        Failure::NotFound => (
            "There is no such page",
            "Perhaps the address was mistyped.",
            "Go back to the application and follow its own link.",
        ),
        Failure::RequestWrong => (
            "The request is not right",
            "The application sent you here with a request that cannot be understood.",
            "Go back to it and try again. If it happens again, pass on what stands below to whoever runs it.",
        ),
        Failure::TooMany { wait } => {
            return Explained {
                title: "Too many attempts",
                what: "There were many requests from your network in a short time.".into(),
                mend: format!("Try again {}.", in_time(wait)),
            };
        }
        Failure::Unavailable => (
            "Not available at the moment",
            "Something that is needed to sign you in does not answer.",
            "Try again in a minute.",
        ),
        Failure::UnknownApplication => (
            "Unknown application",
            "There is no application with the name that was given here.",
            "Whoever runs the application has to check its client ID and its domain.",
        ),
    };
    Explained {
        title,
        what: what.into(),
        mend: mend.into(),
    }
}
