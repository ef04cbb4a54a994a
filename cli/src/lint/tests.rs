//! One change of a clean folder for each finding, and one that is nearly the same and fine.

mod cases;
mod folder;
mod sign_in;

use std::collections::BTreeSet;

use mintage_core::UnixTime;
use mintage_core::code::Coded as _;
use mintage_crds::manifest::{Text, parse};

use cases::{Case, case};
use folder::CLEAN;

use super::{Code, Finding, Level, look};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn findings(text: &str, production: bool) -> Vec<Finding> {
    let text = Text {
        file: "folder.yaml".into(),
        text: text.to_owned(),
    };
    let manifests = match parse(&[text]) {
        Ok(manifests) => manifests,
        Err(problems) => panic!("{problems:#?}"),
    };
    look(&manifests, NOW, production).unwrap()
}

fn codes(text: &str, production: bool) -> BTreeSet<Code> {
    let findings = findings(text, production);
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn each_finding_is_found_and_its_near_miss_is_not() {
    for code in Code::ALL {
        let Case { code, fires, near } = case(*code);
        let found = findings(&fires, false);
        let finding = found.iter().find(|finding| finding.code == code);
        let Some(finding) = finding else {
            panic!("{} is not found in{fires}\nbut {found:#?}", code.code())
        };
        assert!(finding.place.at.line > 1, "{finding:?} has no line");
        assert!(
            !codes(&near, false).contains(&code),
            "{} is found in{near}",
            code.code()
        );
    }
}

#[test]
fn a_clean_folder_has_no_finding() {
    assert_eq!(codes(CLEAN, false), BTreeSet::new());
    assert_eq!(codes(CLEAN, true), BTreeSet::new());
}

/// What the status notes, too.
#[test]
fn nothing_is_said_twice() {
    for code in [
        Code::DefaultAudienceNotFound,
        Code::DefaultAudienceOfOther,
        Code::GrantNamespaceNotAllowed,
        Code::GrantScopeUndeclared,
        Code::GrantToUnknownApplication,
        Code::NamespaceNotOptedIn,
        Code::RevokeKeyUnreadable,
    ] {
        let found = findings(&case(code).fires, false);
        let of_code = found.iter().filter(|finding| finding.code == code);
        assert_eq!(of_code.count(), 1, "{found:#?}");
        let twice = found.iter().any(|it| it.code == Code::StatusNote);
        assert!(!twice, "{found:#?}");
    }
}

#[test]
fn users_need_no_grant_to_have_a_scope() {
    let ungranted = case(Code::ScopeUnused).fires;
    let all = "allowedNamespaces: {from: All}";
    let with_users = ungranted.replace(all, &format!("{all}\n  endpoint: {{enabled: true}}"));
    assert_ne!(with_users, ungranted);
    assert!(!codes(&with_users, false).contains(&Code::ScopeUnused));
}

#[test]
fn the_web_application_is_clean() {
    let manifests = mintage_crds::manifest::load("../examples/webapp".as_ref()).unwrap();
    let findings = look(&manifests, NOW, false).unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn the_quickstart_is_clean() {
    let folder = "../examples/quickstart";
    let manifests = mintage_crds::manifest::load(folder.as_ref()).unwrap();
    let findings = look(&manifests, NOW, false).unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
    // Its domains are this machine's, which is right for a laptop only.
    let strict = look(&manifests, NOW, true).unwrap();
    assert!(
        !strict.is_empty()
            && strict
                .iter()
                .all(|finding| finding.code == Code::DomainNotPublic),
        "{strict:#?}"
    );
}

#[test]
fn findings_name_the_line() {
    let line = |text: &str, code: Code| {
        let found = findings(text, false);
        let finding = found
            .into_iter()
            .find(|finding| finding.code == code)
            .unwrap();
        text.lines()
            .nth(finding.place.at.line - 1)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let text = case(Code::GrantScopeUndeclared).fires;
    assert_eq!(
        line(&text, Code::GrantScopeUndeclared),
        "scopes: [read, write, delete]"
    );
    let text = case(Code::AcceptUnknown).fires;
    assert_eq!(
        line(&text, Code::AcceptUnknown),
        "annotations: {mintage.dev/accept-audiences: order}"
    );
    let text = case(Code::PropagationDelayShort).fires;
    assert_eq!(
        line(&text, Code::PropagationDelayShort),
        "signing: {propagationDelay: 119s}"
    );
}

#[test]
fn what_does_not_work_is_an_error_and_what_may_be_meant_a_warning() {
    for (code, level) in [
        (Code::GrantScopeUndeclared, Level::Error),
        (Code::NameConflict, Level::Error),
        (Code::ScopeUnused, Level::Warning),
        (Code::GrantToNobody, Level::Warning),
        (Code::SecretElsewhere, Level::Note),
    ] {
        assert_eq!(code.level(), level, "{}", code.code());
    }
}
