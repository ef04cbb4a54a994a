//! The errors that SDKs and tools know: status, `error`, and how `error_description` begins.

use anyhow::Result;

use crate::ask::VERIFIER;
use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, SHARED, SPA, WEB};
use crate::site::{Client, HOST, Site};
use crate::stores::on_both;

type Row<'a> = (&'a Client, &'a [(&'a str, &'a str)], u16, &'a str, &'a str);

#[tokio::test]
async fn the_token_endpoint_refuses_in_the_words_that_sdks_know() -> Result<()> {
    let name = "texts::the_token_endpoint_refuses_in_the_words_that_sdks_know";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, spa, machine) = (site.client(WEB), site.client(SPA), site.client(MACHINE));
        let wrong = Client {
            secret: "wrong".into(),
            ..web.clone()
        };
        let unknown = Client {
            id: "nobody".into(),
            ..web.clone()
        };
        let grant_type = |value| ("grant_type", value);
        let (own, code, refresh) = (
            grant_type("client_credentials"),
            grant_type("authorization_code"),
            grant_type("refresh_token"),
        );
        let for_orders = ("audience", ORDERS);
        let not_authorized = "Client is not authorized to access \"https://hs256.test\". You need to create a \"client-grant\" associated to this API.";
        let table: &[Row<'_>] = &[
            (&wrong, &[own, for_orders], 401, "access_denied", "Unauthorized"),
            (&unknown, &[own, for_orders], 401, "access_denied", "Unauthorized"),
            (&web, &[for_orders], 400, "invalid_request", "Missing required parameter: grant_type"),
            (&machine, &[code, ("code", "x")], 403, "unauthorized_client", "Grant type 'authorization_code' not allowed for the client."),
            (&spa, &[own, for_orders], 403, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client."),
            (&web, &[grant_type("password")], 403, "unauthorized_client", "Grant type 'password' not allowed for the client."),
            (&web, &[grant_type("http://auth0.com/oauth/grant-type/mfa-otp")], 403, "unauthorized_client", "Grant type 'http://auth0.com/oauth/grant-type/mfa-otp' not allowed for the client."),
            (&web, &[grant_type("magic")], 400, "unsupported_grant_type", ""),
            (&machine, &[own, ("audience", "https://nowhere.test")], 403, "access_denied", "Service not enabled within domain: https://nowhere.test"),
            (&machine, &[own], 403, "access_denied", "No audience parameter was provided, and no default audience has been configured"),
            (&web, &[own, ("audience", SHARED)], 403, "access_denied", not_authorized),
            (&web, &[own, for_orders, ("scope", "write")], 403, "access_denied", "Client has not been granted scopes: write"),
            (&web, &[own, for_orders, ("resource", SHARED)], 400, "invalid_target", ""),
            (&web, &[code], 400, "invalid_request", "Missing required parameter: code"),
            (&web, &[code, ("code", "never"), ("redirect_uri", "https://web.test/callback")], 403, "invalid_grant", "Invalid authorization code"),
            (&web, &[refresh], 400, "invalid_request", "Missing required parameter: refresh_token"),
            (&web, &[refresh, ("refresh_token", "never")], 403, "invalid_grant", "Unknown or invalid refresh token."),
        ];
        for (client, form, status, error, text) in table {
            let reply = site.token(&[&client.shown(), *form].concat()).await;
            reply.refused(*status, error, text);
        }
        // What the refusal tells to do can be done.
        let reply = site.token(&[wrong.shown(), vec![own, for_orders]].concat()).await;
        let text = reply.text("error_description");
        assert!(text.contains("CLIENT_ID and CLIENT_SECRET"), "{text}");
        let management = [own, ("audience", "https://acme.test/api/v2/")];
        let reply = site.token(&[&machine.shown(), &management[..]].concat()).await;
        let text = "Client is not authorized to access \"https://acme.test/api/v2/\".";
        reply.refused(403, "access_denied", text);
        assert!(!reply.body.contains("ApiAudience)"), "{reply:?}");
        let nobody = site.token(&[own, for_orders]).await;
        nobody.refused(400, "invalid_request", "Missing required parameter: client_id");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_code_is_refused_in_the_words_that_sdks_know() -> Result<()> {
    on_both(
        "texts::a_code_is_refused_in_the_words_that_sdks_know",
        async |opened| {
            let site = Site::on(opened);
            let (web, ask) = (site.client(WEB), site.ask(WEB));
            let give = async || site.browser().authorize(&ask, "ada").await.code();
            let other = ask.clone().with("redirect_uri", "https://web.test/other");
            let reply = site.redeem(&web, &other, &give().await).await;
            reply.refused(403, "invalid_grant", "The redirect URI is wrong");
            let code = give().await;
            let reply = site.redeem(&web, &ask, &code).await.good();
            assert!(!reply.text("id_token").is_empty());
            let reply = site.redeem(&web, &ask, &code).await;
            reply.refused(403, "invalid_grant", "Invalid authorization code");
            let code = give().await;
            let mut form = [web.shown(), ask.redemption(&code)].concat();
            form.retain(|(name, _)| *name != "code_verifier");
            let wrong = VERIFIER.to_uppercase();
            form.push(("code_verifier", &wrong));
            let reply = site.token(&form).await;
            reply.refused(403, "invalid_grant", "Failed to verify code verifier");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn authorize_refuses_in_the_words_that_sdks_know() -> Result<()> {
    on_both(
        "texts::authorize_refuses_in_the_words_that_sdks_know",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            let ask = site.ask(WEB).with("audience", "https://nowhere.test");
            let reply = browser.get(&ask.target()).await;
            reply.misused("access_denied", "Service not found: https://nowhere.test");
            let silent = site.ask(SPA).with("prompt", "none");
            let reply = browser.get(&silent.target()).await;
            reply.misused("login_required", "Login required");
            browser.authorize(&site.ask(WEB), "ada").await.code();
            let reply = browser.get(&silent.target()).await;
            reply.misused("consent_required", "Consent required");
            let elsewhere = site.ask(WEB).with("redirect_uri", "https://evil.test/");
            let reply = browser.get(&elsewhere.target()).await;
            reply.failed(400, "callback-mismatch");
            assert!(
                reply.body.contains("<h1>Callback URL mismatch</h1>"),
                "{reply:?}"
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_the_words_that_sdks_know() -> Result<()> {
    let name = "texts::a_wrong_password_is_refused_in_the_words_that_sdks_know";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let mut browser = site.browser();
        let page = browser.get(&site.ask(WEB).target()).await.good();
        let again = browser.sign_in(&page, "ada", "wrong").await;
        assert_eq!(again.status, 400);
        assert!(again.body.contains("Wrong email or password."), "{again:?}");
        let reply = browser.sign_in(&again, "ada", "correct horse").await;
        assert!(!reply.code().is_empty());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_other_routes_refuse_in_the_words_that_sdks_know() -> Result<()> {
    let name = "texts::the_other_routes_refuse_in_the_words_that_sdks_know";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.tokens(WEB, "", "openid").await.text("access_token");
        site.userinfo(HOST, &token).await.good();
        let reply = site.userinfo(HOST, &token[1..]).await;
        reply.refused(401, "invalid_token", "");
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge, "Bearer error=\"invalid_token\"");
        let without = site.tokens(WEB, "", "email").await.text("access_token");
        let reply = site.userinfo(HOST, &without).await;
        reply.refused(403, "insufficient_scope", "");

        let revoke = async |form: &[(&str, &str)]| site.post(HOST, "/oauth/revoke", form).await;
        let unknown = [web.shown(), vec![("token", "never")]].concat();
        assert_eq!(revoke(&unknown).await.good().body, "");
        revoke(&web.shown())
            .await
            .refused(400, "invalid_request", "");
        let wrong = [
            ("client_id", &*web.id),
            ("client_secret", "x"),
            ("token", "y"),
        ];
        revoke(&wrong).await.refused(401, "invalid_client", "");
        Ok(())
    })
    .await
}
