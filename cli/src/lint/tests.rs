//! One change of a clean folder for each finding, and one that is nearly the same and fine.

mod folder;

use std::collections::BTreeSet;

use mintage_core::UnixTime;
use mintage_core::code::Coded as _;
use mintage_crds::manifest::{Text, parse};

use folder::{CLEAN, ENDPOINT, application, custom, edited, second_api, second_tenant};

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

/// A finding, a folder that has it, and one that nearly has.
struct Case {
    code: Code,
    fires: String,
    near: String,
}

#[expect(clippy::too_many_lines, reason = "one entry for each code")]
fn case(code: Code) -> Case {
    const ACCEPT: &str = "{mintage.dev/accept-audiences: orders}";
    const GRANT: &str =
        "  - workload: {namespace: shop, serviceAccount: cart}\n    scopes: [read, write]";
    const LIFE: &str = "tokenLifetimeSeconds: 3600";
    const ALL: &str = "allowedNamespaces: {from: All}";
    const TENANT_REF: &str = "tenantRef: {name: acme, namespace: idp}";
    let all = |more: &str| format!("{ALL}\n  {more}");
    let (fires, near) = match code {
        Code::AcceptMissing => (
            edited(&[("+", &second_api("https://stock.example.com"))]),
            edited(&[
                ("+", &second_api("https://stock.example.com")),
                (ACCEPT, "{mintage.dev/accept-audiences: \"orders,stock\"}"),
            ]),
        ),
        Code::AcceptUnknown => (
            edited(&[(ACCEPT, "{mintage.dev/accept-audiences: order}")]),
            edited(&[(ACCEPT, "{}")]),
        ),
        Code::AddressInvalid => {
            let with = |uri: &str| edited(&[(ALL, ENDPOINT), ("+", &application(uri))]);
            (
                with("https://shop.example.com/../callback"),
                with("https://shop.example.com/a..b/callback"),
            )
        }
        Code::EndpointMissing => {
            let application = application("https://shop.example.com/callback");
            (
                edited(&[("+", &application)]),
                edited(&[(ALL, ENDPOINT), ("+", &application)]),
            )
        }
        Code::AlgorithmNotAllowed => (
            edited(&[(
                LIFE,
                "tokenLifetimeSeconds: 3600\n  signingAlgorithm: ES256\n  issuance: Central",
            )]),
            edited(&[
                (
                    LIFE,
                    "tokenLifetimeSeconds: 3600\n  signingAlgorithm: ES256\n  issuance: Central",
                ),
                (ALL, &all("jwks: {allowNonRsa: true}")),
            ]),
        ),
        Code::AlgorithmNotServed => (
            edited(&[(
                LIFE,
                "tokenLifetimeSeconds: 3600\n  signingAlgorithm: HS256\n  issuance: Central",
            )]),
            edited(&[(
                LIFE,
                "tokenLifetimeSeconds: 3600\n  signingAlgorithm: PS256\n  issuance: Central",
            )]),
        ),
        Code::AudienceWithoutGrants => (edited(&[(GRANT, "    []")]), edited(&[])),
        Code::DefaultAudienceNotFound => (
            edited(&[(
                ALL,
                &all("defaultAudienceRef: {name: order, namespace: api}"),
            )]),
            edited(&[(
                ALL,
                &all("defaultAudienceRef: {name: orders, namespace: api}"),
            )]),
        ),
        Code::DefaultAudienceOfOther => (
            edited(&[(
                "+",
                &second_tenant(
                    "globex.example.com\n  , defaultAudienceRef: {name: orders, namespace: api}",
                ),
            )]),
            edited(&[("+", &second_tenant("globex.example.com"))]),
        ),
        Code::DomainNotPublic => (
            edited(&[("acme.example.com", "acme")]),
            edited(&[("acme.example.com", "acme.localhost:7743")]),
        ),
        Code::DomainOfTenant => (
            edited(&[("+", &custom("acme.example.com"))]),
            edited(&[("+", &custom("login.acme.example.com"))]),
        ),
        Code::DomainUnproven => (
            edited(&[(
                "+",
                &custom("login.example.com, verification: {method: None}"),
            )]),
            edited(&[(
                "+",
                &custom("login.example.com, verification: {method: HttpWellKnown}"),
            )]),
        ),
        Code::GrantDuplicate => (
            edited(&[(
                GRANT,
                "  - {workload: {namespace: shop, serviceAccount: cart}, scopes: [read]}\n  - {workload: {namespace: shop, serviceAccount: cart}, scopes: [write]}",
            )]),
            edited(&[(
                GRANT,
                "  - {workload: {namespace: shop, serviceAccount: cart}, scopes: [read]}\n  - {workload: {namespace: api, serviceAccount: orders}, scopes: [write]}",
            )]),
        ),
        Code::GrantNamespaceNotAllowed => (
            edited(&[(
                ALL,
                "allowedNamespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: api}}}",
            )]),
            edited(&[(
                ALL,
                "allowedNamespaces: {from: Selector, selector: {matchLabels: {mintage.dev/injection: enabled}}}",
            )]),
        ),
        Code::GrantScopeUndeclared => (
            edited(&[("[read, write]", "[read, write, delete]")]),
            edited(&[("[read, write]", "[write, read]")]),
        ),
        Code::GrantToNobody => (
            edited(&[("serviceAccount: cart}", "serviceAccount: card}")]),
            // The folder does not say who is there.
            edited(&[(
                "kind: Pod\nmetadata: {name: cart, namespace: shop}\nspec: {serviceAccountName: cart}",
                "kind: ConfigMap\nmetadata: {name: cart, namespace: shop}",
            )]),
        ),
        Code::GrantToUnknownApplication => (
            edited(&[(
                GRANT,
                "  - {application: {namespace: shop, name: cart}, scopes: [read, write]}",
            )]),
            edited(&[
                (
                    GRANT,
                    "  - {application: {namespace: shop, name: cart}, scopes: [read, write]}",
                ),
                (ALL, ENDPOINT),
                ("+", &application("https://shop.example.com/callback")),
            ]),
        ),
        Code::IdentifierLookAlike => (
            edited(&[("+", &second_api("https://orders.example.com/"))]),
            edited(&[("+", &second_api("https://orders.example.com/v2"))]),
        ),
        Code::IdentifierReserved => (
            edited(&[(
                "https://orders.example.com",
                "https://acme.example.com/api/v2/",
            )]),
            edited(&[(
                "https://orders.example.com",
                "https://acme.example.com/api/v3/",
            )]),
        ),
        Code::LifetimeBeyondBundleAge => (
            edited(&[(LIFE, "tokenLifetimeSeconds: 86401")]),
            edited(&[(LIFE, "tokenLifetimeSeconds: 86400")]),
        ),
        Code::LifetimeBeyondRotation => (
            edited(&[
                (LIFE, "tokenLifetimeSeconds: 86401"),
                (ALL, &all("signing: {rotationPeriod: 24h}")),
            ]),
            edited(&[
                (LIFE, "tokenLifetimeSeconds: 86400"),
                (ALL, &all("signing: {rotationPeriod: 24h}")),
            ]),
        ),
        Code::NameConflict => (
            edited(&[("+", &second_tenant("acme.example.com"))]),
            edited(&[("+", &second_tenant("acme.example.com:8443"))]),
        ),
        Code::NamespaceNotAllowed => (
            edited(&[(
                ALL,
                "allowedNamespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}",
            )]),
            edited(&[(
                ALL,
                "allowedNamespaces: {from: Selector, selector: {matchLabels: {mintage.dev/injection: enabled}}}",
            )]),
        ),
        Code::NamespaceNotOptedIn => (
            edited(&[(
                "name: shop\n  labels: {mintage.dev/injection: enabled}",
                "name: shop",
            )]),
            edited(&[
                (
                    "name: shop\n  labels: {mintage.dev/injection: enabled}",
                    "name: shop",
                ),
                (
                    "{name: cart, namespace: shop}",
                    "{name: cart, namespace: shop, labels: {mintage.dev/inject: \"true\"}}",
                ),
            ]),
        ),
        Code::PodDomainUnknown => (
            edited(&[
                (
                    ACCEPT,
                    "{mintage.dev/accept-audiences: orders, mintage.dev/domain: login.example.com}",
                ),
                ("+", &custom("log-in.example.com")),
            ]),
            edited(&[
                (
                    ACCEPT,
                    "{mintage.dev/accept-audiences: orders, mintage.dev/domain: login.example.com}",
                ),
                ("+", &custom("login.example.com")),
            ]),
        ),
        Code::PodWithoutTenant => (
            edited(&[(
                "+",
                &second_tenant("globex.example.com\n  , allowedNamespaces: {from: All}"),
            )]),
            edited(&[(
                "+",
                &second_tenant("globex.example.com\n  , allowedNamespaces: {from: Same}"),
            )]),
        ),
        Code::PropagationDelayShort => (
            edited(&[(ALL, &all("signing: {propagationDelay: 119s}"))]),
            edited(&[(ALL, &all("signing: {propagationDelay: 2m}"))]),
        ),
        Code::RevokeKeyUnreadable => (
            edited(&[(
                "{name: acme, namespace: idp}\nspec",
                "{name: acme, namespace: idp, annotations: {mintage.dev/revoke-key: \"a key\"}}\nspec",
            )]),
            edited(&[(
                "{name: acme, namespace: idp}\nspec",
                "{name: acme, namespace: idp, annotations: {mintage.dev/revoke-key: \"a-key,\"}}\nspec",
            )]),
        ),
        Code::RevokeNowLeft => (
            edited(&[(
                "{name: orders, namespace: api}",
                "{name: orders, namespace: api, annotations: {mintage.dev/revoke-now: \"\"}}",
            )]),
            edited(&[(
                "{name: orders, namespace: api}",
                "{name: orders, namespace: api, annotations: {mintage.dev/other: \"\"}}",
            )]),
        ),
        Code::RotationWithinBundleAge => (
            edited(&[(ALL, &all("signing: {rotationPeriod: 23h}"))]),
            edited(&[(ALL, &all("signing: {rotationPeriod: 24h}"))]),
        ),
        Code::ScopeUnused => (
            edited(&[("[read, write]", "[read]")]),
            edited(&[
                (
                    "scopes: [{name: read}, {name: write}]",
                    "scopes: [{name: read}]",
                ),
                ("[read, write]", "[read]"),
            ]),
        ),
        Code::SelectorMatchesNothing => (
            edited(&[(
                ALL,
                "allowedNamespaces: {from: Selector, selector: {matchLabels: {mintage.dev/injection: Enabled}}}",
            )]),
            edited(&[(
                ALL,
                "allowedNamespaces: {from: Selector, selector: {matchLabels: {mintage.dev/injection: enabled}}}",
            )]),
        ),
        Code::TenantMissing => (
            edited(&[(TENANT_REF, "tenantRef: {name: acmee, namespace: idp}")]),
            edited(&[]),
        ),
        Code::TenantUnserved => (
            edited(&[
                ("+", &second_tenant("acme.example.com")),
                ("namespace: other}", "namespace: aa}"),
            ]),
            edited(&[("+", &second_tenant("globex.example.com"))]),
        ),
        Code::WebLifetimeClamped => (
            edited(&[(
                LIFE,
                "tokenLifetimeSeconds: 3600\n  tokenLifetimeForWebSeconds: 3601",
            )]),
            edited(&[(
                LIFE,
                "tokenLifetimeSeconds: 3600\n  tokenLifetimeForWebSeconds: 3600",
            )]),
        ),
    };
    Case { code, fires, near }
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
    ] {
        assert_eq!(code.level(), level, "{}", code.code());
    }
}
