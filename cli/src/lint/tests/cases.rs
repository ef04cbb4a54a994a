//! The findings about workloads and their tenants.

use mintage_core::code::Coded as _;

use super::folder::{ENDPOINT, application, custom, edited, second_api, second_tenant};
use super::sign_in;
use crate::lint::Code;

/// A finding, a folder that has it, and one that nearly has.
pub struct Case {
    pub code: Code,
    pub fires: String,
    pub near: String,
}

#[expect(clippy::too_many_lines, reason = "one entry for each code")]
pub fn case(code: Code) -> Case {
    const ACCEPT: &str = "{mintage.dev/accept-audiences: orders}";
    const GRANT: &str =
        "  - workload: {namespace: shop, serviceAccount: cart}\n    scopes: [read, write]";
    const LIFE: &str = "tokenLifetimeSeconds: 3600";
    const ALL: &str = "allowedNamespaces: {from: All}";
    const TENANT_REF: &str = "tenantRef: {name: acme, namespace: idp}";
    let all = |more: &str| format!("{ALL}\n  {more}");
    if let Some((fires, near)) = sign_in::case(code) {
        return Case { code, fires, near };
    }
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
        _ => panic!("{} has no case", code.code()),
    };
    Case { code, fires, near }
}
