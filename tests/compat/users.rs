//! Libraries as applications whose users sign in at the tenant's endpoint: code flow with PKCE and nonce, ID token, `/userinfo`,
//! refresh, revocation, and a token for the application itself; on the tenant's own domain and on its custom domain.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::Client;
use mintage_tests::visitor::Visitor;
use mintage_tests::webapp::{AUDIENCE, HOSTS, NAME, Tenant};
use reqwest::Url;
use serde_json::{Value, json};

use crate::start;

const SCOPE: &str = "openid profile email offline_access read:orders";

/// Asks for something that has to succeed.
pub async fn good(client: &mut Client, request: Value) -> Result<Value> {
    let answer = client.ask(&request).await?;
    ensure!(answer["ok"] == true, "{}: {answer}", request["op"]);
    Ok(answer)
}

/// Asks for something that has to be refused with an error of OAuth's.
async fn bad(client: &mut Client, request: Value, error: &str) -> Result<()> {
    let answer = client.ask(&request).await?;
    let refused = answer["ok"] == false && answer["error"] == error;
    ensure!(refused, "{}: {answer} is not {error}", request["op"]);
    Ok(())
}

pub fn text<'a>(answer: &'a Value, name: &str) -> Result<&'a str> {
    let text = answer["tokens"][name].as_str();
    text.with_context(|| format!("no {name} in {answer}"))
}

/// The claims of a JWT, unseen by anybody who has to believe them.
pub fn claims(token: &str) -> Result<Value> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).context("no JWT")?;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload)?;
    Ok(serde_json::from_slice(&payload)?)
}

/// How a library is used.
struct Use {
    test: &'static str,
    library: &'static str,
    /// The application whose users sign in.
    application: &'static str,
    /// What the library calls a refused secret.
    refused: &'static str,
}

impl Use {
    async fn signs_users_in(&self) -> Result<()> {
        let Some(mut client) = start(self.test, self.library)? else {
            return Ok(());
        };
        let tenant = Tenant::start(|text| text).await?;
        for host in HOSTS {
            self.at(&tenant, &tenant.issuer(host), &mut client)
                .await
                .with_context(|| format!("{} at {host}", self.library))?;
        }
        Ok(())
    }

    async fn at(&self, tenant: &Tenant, issuer: &str, client: &mut Client) -> Result<()> {
        let set_up = set_up(tenant, issuer, self.application)?;
        good(client, set_up.clone()).await?;
        let me = &set_up["client_id"];
        let user = users(tenant, issuer, &set_up, client).await?;
        ensure!(user["aud"] == *me, "{user}");

        let mut machine = self::set_up(tenant, issuer, "web")?;
        good(client, machine.clone()).await?;
        let own = good(client, json!({ "op": "client_credentials" })).await?;
        let token = claims(text(&own, "access_token")?)?;
        let id = machine["client_id"].as_str().unwrap_or_default();
        ensure!(
            token["sub"] == format!("{id}@clients")
                && token["aud"] == AUDIENCE
                && token["scope"] == "read:orders"
                && token["gty"] == "client-credentials",
            "{token}"
        );
        machine["client_secret"] = "wrong".into();
        good(client, machine).await?;
        bad(client, json!({ "op": "client_credentials" }), self.refused).await
    }
}

/// Sets a library up as one of the example's applications.
pub fn set_up(tenant: &Tenant, issuer: &str, application: &str) -> Result<Value> {
    let known = tenant.dev.application("acme", application)?;
    Ok(json!({
        "op": "set_up",
        "issuer": issuer,
        "client_id": known["CLIENT_ID"],
        "client_secret": known.get("CLIENT_SECRET"),
        "redirect_uri": if application == "web" { "http://localhost:3000/callback" } else { "http://localhost:3001" },
        "audience": AUDIENCE,
        "scope": SCOPE,
        "ca_file": tenant.dev.ca_file(),
        "connect": tenant.dev.tls_addr(),
    }))
}

/// All that a user's application does; who signed in.
async fn users(
    tenant: &Tenant,
    issuer: &str,
    set_up: &Value,
    client: &mut Client,
) -> Result<Value> {
    let begun = good(client, json!({ "op": "begin" })).await?;
    let url = begun["url"].as_str().context("no url")?;
    let asked = Url::parse(url)?;
    for name in ["code_challenge", "nonce", "state"] {
        ensure!(
            asked.query_pairs().any(|(known, _)| known == name),
            "{name}: {url}"
        );
    }
    let callback = Visitor::new(&tenant.dev)?.sign_in(url).await?;
    let home = set_up["redirect_uri"].as_str().unwrap_or_default();
    ensure!(callback.starts_with(&format!("{home}?code=")), "{callback}");
    let finish = json!({ "op": "finish", "callback": callback });
    let first = good(client, finish.clone()).await?;
    let who = &first["claims"];
    ensure!(
        who["iss"] == issuer && who["email"] == NAME && who["name"] == "Ada Lovelace",
        "{who}"
    );
    let token = claims(text(&first, "access_token")?)?;
    ensure!(
        token["aud"] == json!([AUDIENCE, format!("{issuer}userinfo")])
            && token["sub"] == who["sub"]
            && token["azp"] == set_up["client_id"]
            && token["scope"] == SCOPE,
        "{token}"
    );

    let info = json!({ "op": "userinfo", "access_token": text(&first, "access_token")?, "subject": who["sub"] });
    let info = good(client, info).await?;
    ensure!(
        info["claims"]["sub"] == who["sub"] && info["claims"]["email"] == NAME,
        "{info}"
    );

    let refresh = |token: &str| json!({ "op": "refresh", "refresh_token": token });
    let second = good(client, refresh(text(&first, "refresh_token")?)).await?;
    ensure!(
        text(&second, "refresh_token")? != text(&first, "refresh_token")?,
        "it was not rotated"
    );
    let token = claims(text(&second, "access_token")?)?;
    ensure!(
        token["gty"] == "refresh_token" && token["sub"] == who["sub"],
        "{token}"
    );
    let revoke = json!({ "op": "revoke", "refresh_token": text(&second, "refresh_token")? });
    good(client, revoke).await?;
    bad(
        client,
        refresh(text(&second, "refresh_token")?),
        "invalid_grant",
    )
    .await?;
    bad(client, finish, "invalid_grant").await?;

    Ok(who.clone())
}

#[tokio::test]
async fn openid_client_signs_users_in() -> Result<()> {
    let how = Use {
        test: "users::openid_client_signs_users_in",
        library: "openid-client",
        application: "web",
        refused: "OAUTH_WWW_AUTHENTICATE_CHALLENGE",
    };
    how.signs_users_in().await
}

#[tokio::test]
async fn authlib_signs_users_in() -> Result<()> {
    let how = Use {
        test: "users::authlib_signs_users_in",
        library: "authlib_users",
        application: "web",
        refused: "access_denied",
    };
    how.signs_users_in().await
}

#[tokio::test]
async fn oauth2_and_go_oidc_sign_users_in() -> Result<()> {
    let how = Use {
        test: "users::oauth2_and_go_oidc_sign_users_in",
        library: "oauth2",
        application: "web",
        refused: "access_denied",
    };
    how.signs_users_in().await
}

/// With PKCE it sends no secret, so its users sign in at a page.
#[tokio::test]
async fn auth0_python_signs_users_in() -> Result<()> {
    let how = Use {
        test: "users::auth0_python_signs_users_in",
        library: "auth0",
        application: "spa",
        refused: "access_denied",
    };
    how.signs_users_in().await
}

/// Auth0's own for Passport, without PKCE. It has `/userinfo` asked with the token in the query.
#[tokio::test]
async fn passport_auth0_signs_users_in() -> Result<()> {
    let Some(mut client) = start("users::passport_auth0_signs_users_in", "passport-auth0")? else {
        return Ok(());
    };
    let tenant = Tenant::start(|text| text).await?;
    for host in HOSTS {
        let issuer = tenant.issuer(host);
        good(&mut client, set_up(&tenant, &issuer, "web")?).await?;
        let begun = good(&mut client, json!({ "op": "begin" })).await?;
        let url = begun["url"].as_str().context("no url")?;
        let callback = Visitor::new(&tenant.dev)?.sign_in(url).await?;
        let finish = json!({ "op": "finish", "callback": callback });
        let user = good(&mut client, finish.clone()).await?;
        let told = &user["claims"];
        ensure!(
            told["email"] == NAME && told["sub"] == "staff|ada",
            "{user}"
        );
        let token = claims(text(&user, "access_token")?)?;
        ensure!(
            token["iss"] == issuer && token["sub"] == told["sub"],
            "{token}"
        );
        text(&user, "refresh_token")?;
        // The code was used, and so was the state.
        bad(&mut client, finish, "fail").await?;
    }
    Ok(())
}
