//! oidc-provider, which nobody here wrote, as the provider that knows a tenant's users: signed in there, they have a session here,
//! and an application (openid-client) has tokens for them.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::Client;
use mintage_tests::visitor::Visitor;
use mintage_tests::webapp::{AUDIENCE, HOSTS, Tenant};
use serde_json::{Value, json};

use crate::start;
use crate::users::{good, set_up, text};

const SECRET: &str = "a secret: of 100%";

/// The manifests with a connection to the provider.
fn with_connection(text: &str, issuer: &str) -> String {
    let connections = "  login:\n    connections:\n";
    if !text.contains(connections) {
        return text.to_owned();
    }
    let connection = format!(
        "{connections}    - name: corp\n      displayName: Corp\n      oidc:\n        issuer: {issuer}\n        clientId: acme@corp:1\n        clientSecretRef:\n          name: corp\n"
    );
    let secret = format!(
        "\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: corp\n  namespace: acme\nstringData:\n  client_secret: '{SECRET}'\n"
    );
    text.replace(connections, &connection) + secret.as_str()
}

/// What the application has of a user who signs in by the provider.
async fn signs_in(application: &mut Client, visitor: &mut Visitor, user: &str) -> Result<Value> {
    let begun = good(application, json!({ "op": "begin" })).await?;
    let url = begun["url"].as_str().context("no url")?;
    let url = format!("{url}&connection=corp");
    let callback = visitor.sign_in_elsewhere(&url, user).await?;
    good(application, json!({ "op": "finish", "callback": callback })).await
}

#[tokio::test]
async fn users_of_oidc_provider_sign_in() -> Result<()> {
    let name = "provider::users_of_oidc_provider_sign_in";
    let Some(mut provider) = start(name, "oidc-provider")? else {
        return Ok(());
    };
    let Some(mut application) = start(name, "openid-client")? else {
        return Ok(());
    };
    let listening = good(&mut provider, json!({ "op": "listen" })).await?;
    let there = listening["issuer"].as_str().context("no issuer")?;
    let tenant = Tenant::start(|text| with_connection(&text, there)).await?;
    let issuers = HOSTS.map(|host| tenant.issuer(host));
    let callbacks = issuers
        .each_ref()
        .map(|issuer| format!("{issuer}login/callback/corp"));
    let client = json!({
        "op": "set_up", "client_id": "acme@corp:1", "client_secret": SECRET, "redirect_uris": callbacks,
    });
    good(&mut provider, client).await?;
    for issuer in &issuers {
        good(&mut application, set_up(&tenant, issuer, "web")?).await?;
        let mut visitor = Visitor::new(&tenant.dev)?;
        let first = signs_in(&mut application, &mut visitor, "ada").await?;
        let who = &first["claims"];
        ensure!(
            who["iss"] == *issuer
                && who["sub"] == "corp|ada"
                && who["email"] == "ada@corp.example"
                && who["email_verified"] == true
                && who["name"] == "ada of Corp",
            "{who}"
        );
        let token = crate::users::claims(text(&first, "access_token")?)?;
        ensure!(
            token["sub"] == "corp|ada" && token["aud"][0] == AUDIENCE,
            "{token}"
        );
        let refresh = json!({ "op": "refresh", "refresh_token": text(&first, "refresh_token")? });
        let second = good(&mut application, refresh).await?;
        let id = crate::users::claims(text(&second, "id_token")?)?;
        ensure!(id["email"] == "ada@corp.example", "{id}");
        let info = json!({
            "op": "userinfo", "access_token": text(&second, "access_token")?, "subject": "corp|ada",
        });
        let info = good(&mut application, info).await?;
        ensure!(info["claims"]["name"] == "ada of Corp", "{info}");

        // The session here does for the next time, and at the provider nobody is asked by somebody else's browser.
        let again = signs_in(&mut application, &mut visitor, "nobody is asked").await?;
        ensure!(again["claims"]["sub"] == "corp|ada", "{again}");
        let bob = signs_in(&mut application, &mut Visitor::new(&tenant.dev)?, "bob").await?;
        ensure!(bob["claims"]["sub"] == "corp|bob", "{bob}");
    }
    Ok(())
}
