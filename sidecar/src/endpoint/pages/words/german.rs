//! German.

use std::time::Duration;

use super::super::consent::Identity;
use super::super::failure::Failure;
use super::{Consent, Explained, Failed, Front, Passing, SignIn, SignOut, SignedOut, Wait, Words};

pub static WORDS: Words = Words {
    consent: Consent {
        allow: "Erlauben",
        decline: "Ablehnen",
        call: "In Ihrem Namen darauf zugreifen",
        heading: |application| format!("{application} bittet um Zugriff"),
        identity: |identity| match identity {
            Identity::Openid => "Wissen, wer Sie sind, anhand einer gleichbleibenden Kennung",
            Identity::Profile => "Ihr Profil sehen, etwa Name und Bild",
            Identity::Email => "Ihre E-Mail-Adresse sehen",
            Identity::OfflineAccess => {
                "Den Zugriff auch in Ihrer Abwesenheit behalten, bis er entzogen wird"
            }
        },
        identity_heading: "Ihr Konto",
        lead: |tenant| format!("Mit Ihrem Konto bei {tenant} könnte die Anwendung:"),
        signed_in_as: "Angemeldet als",
        third_party: |application, tenant| {
            format!(
                "{application} wird nicht von {tenant} betrieben. Erlauben Sie den Zugriff nur, wenn Sie die Anwendung kennen und ihr vertrauen."
            )
        },
        third_party_mark: "Anwendung eines Dritten",
        title: "Zugriff erlauben",
        to_application: |scheme| {
            format!(
                "Danach werden Sie zu einer Anwendung auf diesem Gerät ({scheme}) weitergeleitet."
            )
        },
        to_device: |address| {
            format!(
                "Danach werden Sie zu einer Anwendung auf diesem Gerät ({address}) weitergeleitet."
            )
        },
        to_site: |address| format!("Danach werden Sie zu {address} weitergeleitet."),
    },
    failed: Failed {
        code: "Code",
        detail: "Einzelheit",
        explain,
        for_support: "Für alle, die Ihnen helfen",
        request: "Anfrage",
    },
    front: Front {
        heading: |tenant| format!("Hier melden sich die Benutzer von {tenant} an"),
        lead: "Es ist alles in Ordnung. Die Anmeldung beginnt bei einer Anwendung: Öffnen Sie die, die Sie benutzen möchten; sie leitet Sie hierher.",
        title: "Anmelden",
    },
    passing: Passing {
        close: "Sie können dieses Fenster schließen.",
        go_on: "Weiter",
        no_script: "Ihr Browser führt hier keine Skripte aus. Gehen Sie von Hand weiter:",
        title: "Einen Moment",
    },
    sign_in: SignIn {
        connect: |label| format!("Weiter mit {label}"),
        connection_failed: |label| {
            format!(
                "Die Anmeldung mit {label} hat nicht geklappt. Versuchen Sie es noch einmal oder auf anderem Weg."
            )
        },
        lead: |application| format!("um zu {application} zu gelangen"),
        or: "oder",
        password: "Passwort",
        problem: "Fehler",
        submit: "Anmelden",
        title: "Anmelden",
        too_many: |wait| {
            format!(
                "Zu viele Versuche. Versuchen Sie es {} noch einmal.",
                in_time(wait)
            )
        },
        username: "E-Mail-Adresse oder Benutzername",
        wrong: "E-Mail-Adresse oder Passwort ist falsch.",
    },
    sign_out: SignOut {
        everywhere: "Auf allen Geräten abmelden",
        lead: "Ihre Anwendungen werden Sie vielleicht bitten, sich neu anzumelden.",
        stay: "Angemeldet bleiben",
        stayed: "Sie sind noch angemeldet",
        stayed_lead: |tenant| {
            format!("Ihre Sitzung bei {tenant} läuft weiter. Sie können dieses Fenster schließen.")
        },
        submit: "Abmelden",
        title: |tenant| format!("Von {tenant} abmelden?"),
    },
    signed_out: SignedOut {
        back: |application| format!("Zurück zu {application}"),
        lead: |tenant| {
            format!("Ihre Sitzung bei {tenant} ist beendet. Sie können dieses Fenster schließen.")
        },
        title: "Sie sind abgemeldet",
    },
    support: "Hilfe",
};

fn in_time(wait: Duration) -> String {
    match Wait::of(wait) {
        Wait::Seconds(1) => "in 1 Sekunde".into(),
        Wait::Seconds(seconds) => format!("in {seconds} Sekunden"),
        Wait::Minutes(minutes) => format!("in {minutes} Minuten"),
    }
}

fn explain(failure: Failure<'_>) -> Explained {
    let (title, what, mend) = match failure {
        Failure::CallbackMismatch => (
            "Die Callback-URL passt nicht",
            "Die Anwendung wollte Sie an eine Adresse weiterleiten, die nicht zu ihr gehört.",
            "Sie haben nichts falsch gemacht. Wer die Anwendung betreibt, muss diese Adresse in ihre Callback-URLs aufnehmen.",
        ),
        Failure::ConnectionFailed { label } => {
            return Explained {
                title: "Die Gegenseite hat nicht geantwortet",
                what: format!(
                    "{label}, wo Sie sich anmelden wollten, gab keine brauchbare Antwort."
                ),
                mend: "Gehen Sie zurück zur Anwendung und versuchen Sie es später noch einmal oder auf anderem Weg.".into(),
            };
        }
        Failure::ConnectionUnusable { label } => {
            return Explained {
                title: "Dieser Weg, sich anzumelden, geht noch nicht",
                what: format!("{label}, wo Sie sich anmelden wollten, ist nicht richtig eingerichtet."),
                mend: "Sie haben nichts falsch gemacht. Wer diese Anmeldeseite betreibt, muss das beheben; vielleicht kennt die Anwendung einen anderen Weg.".into(),
            };
        }
        Failure::CookiesMissing => (
            "Ihr Browser hat kein Cookie gesendet",
            "Ohne das Cookie lässt sich nicht feststellen, dass Sie es sind, der die Anmeldung begonnen hat.",
            "Erlauben Sie Cookies für diese Seite, gehen Sie zurück zur Anwendung und melden Sie sich neu an.",
        ),
        Failure::Expired => (
            "Diese Seite ist nicht mehr gültig",
            "Sie war zu lange offen oder wurde schon verwendet.",
            "Gehen Sie zurück zur Anwendung und melden Sie sich neu an.",
        ),
        Failure::Internal => (
            "Hier ist etwas schiefgegangen",
            "Es liegt nicht an Ihnen, und es wurde nichts geändert.",
            "Versuchen Sie es noch einmal. Wenn es wieder geschieht, geben Sie die Angaben unten weiter.",
        ),
        Failure::LogoutMismatch => (
            "Die Logout-URL passt nicht",
            "Die Anwendung wollte Sie an eine Adresse weiterleiten, die nicht zu ihr gehört.",
            "Wer die Anwendung betreibt, muss diese Adresse in ihre Logout-URLs aufnehmen.",
        ),
        Failure::NoConnection => (
            "Es gibt keinen Weg, sich anzumelden",
            "Hier ist keine Verbindung eingerichtet, über die Sie sich anmelden könnten.",
            "Sie haben nichts falsch gemacht. Wer diese Anmeldeseite betreibt, muss eine einrichten.",
        ),
        Failure::NotFound => (
            "Diese Seite gibt es nicht",
            "Vielleicht ist die Adresse falsch geschrieben.",
            "Gehen Sie zurück zur Anwendung und folgen Sie ihrem eigenen Link.",
        ),
        Failure::RequestWrong => (
            "Die Anfrage stimmt nicht",
            "Die Anwendung hat Sie mit einer Anfrage hierher geschickt, die nicht zu verstehen ist.",
            "Gehen Sie zurück und versuchen Sie es noch einmal. Wenn es wieder geschieht, geben Sie die Angaben unten an die Betreiber der Anwendung weiter.",
        ),
        Failure::TooMany { wait } => {
            return Explained {
                title: "Zu viele Versuche",
                what: "Aus Ihrem Netz kamen in kurzer Zeit viele Anfragen.".into(),
                mend: format!("Versuchen Sie es {} noch einmal.", in_time(wait)),
            };
        }
        Failure::Unavailable => (
            "Im Augenblick nicht verfügbar",
            "Etwas, das für die Anmeldung gebraucht wird, antwortet nicht.",
            "Versuchen Sie es in einer Minute noch einmal.",
        ),
        Failure::UnknownApplication => (
            "Unbekannte Anwendung",
            "Es gibt hier keine Anwendung mit dem angegebenen Namen.",
            "Wer die Anwendung betreibt, muss ihre Client-ID und ihre Domain prüfen.",
        ),
    };
    Explained {
        title,
        what: what.into(),
        mend: mend.into(),
    }
}
