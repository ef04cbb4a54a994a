//! Libraries as applications: they get tokens from a sidecar, and ask one about a token.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::Client;
use mintage_tests::dev::Dev;
use serde_json::{Value, json};

use crate::{ORDERS, PAYMENTS, dev, forge, start};

/// An OAuth library as an application, set up by the metadata of the sidecars: a token, its refusal, and the token's
/// introspection. The client introspects at the API's sidecar from then on; the token is good.
async fn application(dev: &Dev, client: &mut Client) -> Result<String> {
    let discovery = |workload| format!("{}/.well-known/openid-configuration", dev.url(workload));
    let ask = |workload, scope| {
        json!({ "op": "token", "discovery_uri": discovery(workload), "client_id": "shop/checkout",
            "audience": ORDERS, "scope": scope })
    };
    let answer = client.ask(&ask(0, "read:orders")).await?;
    ensure!(answer["ok"] == true, "{answer}");
    let token = answer["response"]["access_token"]
        .as_str()
        .context("no token")?
        .to_owned();
    ensure!(
        answer["response"]["expires_in"] == 86_400 && answer["response"]["scope"] == "read:orders",
        "{answer}"
    );

    let answer = client.ask(&ask(0, "delete:orders")).await?;
    ensure!(
        answer["ok"] == false && answer["error"] == "access_denied",
        "{answer}"
    );

    // The API's own sidecar introspects; the caller's accepts no audience.
    let of_api = json!({ "op": "token", "discovery_uri": discovery(1), "client_id": "orders/api",
        "audience": PAYMENTS, "scope": "refund" });
    let answer = client.ask(&of_api).await?;
    ensure!(answer["ok"] == true, "{answer}");
    let answer = client
        .ask(&json!({ "op": "introspect", "token": token }))
        .await?;
    ensure!(
        answer["claims"]["active"] == true && answer["claims"]["client_id"] == "shop/checkout",
        "{answer}"
    );
    Ok(token)
}

#[tokio::test]
async fn openid_client_gets_and_introspects_a_token() -> Result<()> {
    let Some(mut client) = start(
        "application::openid_client_gets_and_introspects_a_token",
        "jose",
    )?
    else {
        return Ok(());
    };
    let dev = dev().await?;
    let bad = forge::with_other_signature(&application(&dev, &mut client).await?)?;
    let answer = client
        .ask(&json!({ "op": "introspect", "token": bad }))
        .await?;
    ensure!(answer["claims"] == json!({ "active": false }), "{answer}");
    Ok(())
}

/// Its validator tells an inactive token and one without a scope apart.
#[tokio::test]
async fn authlib_gets_and_introspects_a_token() -> Result<()> {
    let Some(mut client) = start(
        "application::authlib_gets_and_introspects_a_token",
        "authlib",
    )?
    else {
        return Ok(());
    };
    let dev = dev().await?;
    let token = application(&dev, &mut client).await?;
    let bad = forge::with_other_signature(&token)?;
    for (token, scope, expected) in [
        (&token, "read:orders", Value::Null),
        (&token, "write:orders", "insufficient_scope".into()),
        (&bad, "read:orders", "invalid_token".into()),
    ] {
        let answer = client
            .ask(&json!({ "op": "introspect", "token": token, "scope": scope }))
            .await?;
        ensure!(answer["error"] == expected, "{scope}: {answer}");
    }
    Ok(())
}
