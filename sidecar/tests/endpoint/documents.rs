//! Discovery and keys, for each domain of a tenant.

use anyhow::Result;
use serde_json::json;

use crate::cluster::Forge;
use crate::cluster::endpoint::WEB;
use crate::site::Site;
use crate::stores::on_both;

#[tokio::test]
async fn discovery_is_of_the_host_that_was_asked_and_true() -> Result<()> {
    on_both(
        "documents::discovery_is_of_the_host_that_was_asked_and_true",
        async |opened| {
            let site = Site::on(opened);
            for host in ["acme.test", "login.acme.test"] {
                let mut browser = site.browser().at(host);
                let document = browser
                    .get("/.well-known/openid-configuration")
                    .await
                    .good();
                let said = document.json();
                assert_eq!(said["issuer"], format!("https://{host}/"));
                for (name, path) in [
                    ("authorization_endpoint", "authorize"),
                    ("token_endpoint", "oauth/token"),
                    ("userinfo_endpoint", "userinfo"),
                    ("jwks_uri", ".well-known/jwks.json"),
                    ("revocation_endpoint", "oauth/revoke"),
                    ("introspection_endpoint", "oauth/introspect"),
                    ("end_session_endpoint", "oidc/logout"),
                ] {
                    assert_eq!(said[name], format!("https://{host}/{path}"));
                    let reply = browser.get(&format!("/{path}")).await;
                    assert_ne!(reply.status, 404, "{name}");
                }
                assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
                assert_eq!(said["authorization_response_iss_parameter_supported"], true);
                assert_eq!(document.header("access-control-allow-origin"), "*");
                let alias = browser.get("/.well-known/oauth-authorization-server").await;
                assert_eq!(alias.good().body, document.body);
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn every_signature_is_by_a_key_that_is_published() -> Result<()> {
    on_both(
        "documents::every_signature_is_by_a_key_that_is_published",
        async |opened| {
            let site = Site::on(opened);
            let jwks = site
                .browser()
                .get("/.well-known/jwks.json")
                .await
                .good()
                .json();
            let published: Vec<_> = jwks["keys"].as_array().unwrap().iter().collect();
            let audiences = site.realm().config.apis.keys().cloned().collect::<Vec<_>>();
            for audience in audiences {
                let tokens = site.tokens(WEB, audience.as_str(), "openid read").await;
                for token in [tokens.text("access_token"), tokens.text("id_token")] {
                    let header = Forge::of(&token).header;
                    if header["alg"] == "HS256" {
                        continue;
                    }
                    let mut keys = published.iter();
                    let key = keys.find(|key| key["kid"] == header["kid"]);
                    assert_eq!(
                        key.map(|key| &key["alg"]),
                        Some(&header["alg"]),
                        "{audience}"
                    );
                }
            }
            assert!(
                published
                    .iter()
                    .all(|key| key["use"] == "sig" && key.get("d").is_none())
            );
            Ok(())
        },
    )
    .await
}
