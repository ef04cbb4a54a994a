//! The rows S1 to S6 of the page that all this starts from ("Get Access Tokens").

use anyhow::Result;
use mintage_core::verify::Expected;
use mintage_core::{Domain, Identifier};
use mintage_sidecar::endpoint::store::{Place, open};
use serde_json::{Value, json};

use crate::cluster::endpoint::{BRIEF, LEDGERS, PROFILES, SHARED, SPA, WEB};
use crate::cluster::{Forge, NOW, ORDERS, name, verdict};
use crate::reply::Reply;
use crate::site::{HOST, Site};

const CUSTOM: &str = "login.acme.test";
const MANAGEMENT: &str = "https://acme.test/api/v2/";

async fn site() -> Result<Site> {
    Ok(Site::over(open(&Place::Memory).await?))
}

/// What an access token says.
fn claims(reply: &Reply) -> Value {
    let claims = Forge::of(&reply.text("access_token")).claims;
    Value::Object(claims)
}

/// Whether a token is a JWT, which says what it is for; an opaque one is a JWE with an empty second part.
fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Whether the API itself finds a token good.
fn is_accepted(site: &Site, api: &str, token: &str) -> bool {
    let accepted = [name::<Identifier>(api)].into();
    let expected = Expected::Apis(&accepted);
    verdict(&site.realm().verifier, token, expected, NOW).is_ok()
}

#[tokio::test]
async fn s1_a_token_is_asked_for_while_a_user_signs_in() -> Result<()> {
    let site = site().await?;
    let ask = site.ask(WEB).with("scope", "openid profile email");
    let mut browser = site.browser();
    let page = browser.get(&ask.target()).await.good();
    assert!(page.asks_to_sign_in());
    let reply = browser
        .sign_in(&page, "ada@acme.test", "correct horse")
        .await;
    assert!(reply.location().starts_with("https://web.test/callback?"));
    let tokens = site.redeem(&site.client(WEB), &ask, &reply.code()).await;
    let tokens = tokens.good();
    assert_eq!(tokens.text("token_type"), "Bearer");
    assert_eq!(tokens.text("scope"), "openid profile email");
    assert_eq!(tokens.json().get("refresh_token"), None);
    let id = Forge::of(&tokens.text("id_token")).claims;
    let expected = json!({
        "iss": "https://acme.test/", "sub": "staff|ada", "aud": site.client(WEB).id, "nonce": "a-nonce",
        "iat": NOW.0, "exp": NOW.0 + 36_000, "auth_time": NOW.0, "sid": id["sid"],
        "email": "ada@acme.test", "email_verified": true, "name": "Ada Lovelace",
    });
    assert_eq!(Value::Object(id), expected);
    let user = site.userinfo(HOST, &tokens.text("access_token")).await;
    let expected = json!({
        "sub": "staff|ada", "email": "ada@acme.test", "email_verified": true, "name": "Ada Lovelace",
    });
    assert_eq!(user.good().json(), expected);
    Ok(())
}

#[tokio::test]
async fn s2_audience_and_scopes_are_asked_for_at_authorize_and_the_user_grants_them() -> Result<()>
{
    let site = site().await?;
    let ask = site
        .ask(SPA)
        .with("audience", ORDERS)
        .with("scope", "openid read fly");
    let mut browser = site.browser();
    let page = browser.get(&ask.target()).await;
    let page = browser.sign_in(&page, "ada", "correct horse").await.good();
    assert!(page.asks_for_consent(), "{page:?}");
    let declined = browser.submit(&page, &[("decision", "no")]).await;
    declined.misused("access_denied", "User did not authorize the request");
    let allowed = browser.submit(&page, &[("decision", "yes")]).await;
    let tokens = site.redeem(&site.client(SPA), &ask, &allowed.code()).await;
    assert_eq!(tokens.good().text("scope"), "openid read");
    // What was granted is not asked about again.
    let again = browser.get(&ask.target()).await;
    assert!(!again.code().is_empty());

    let of_default = site.tokens(WEB, "", "openid read").await;
    assert!(!is_jwt(&of_default.text("access_token")));
    site.edit(|world, _| world.tenants[0].default_audience = Some(name("orders/orders")));
    let of_default = site.tokens(WEB, "", "openid read").await;
    assert_eq!(claims(&of_default)["aud"][0], ORDERS);
    assert_eq!(of_default.text("scope"), "openid read");
    Ok(())
}

#[tokio::test]
async fn s3_the_format_follows_from_the_audience() -> Result<()> {
    let site = site().await?;
    let opaque = async |audience: &str| {
        let tokens = site.tokens(WEB, audience, "openid email").await;
        let token = tokens.text("access_token");
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!((parts.len(), parts[1]), (5, ""), "{audience}: {token}");
        assert_eq!(tokens.json()["expires_in"], 86_400);
        let user = site.userinfo(HOST, &token).await.good();
        assert_eq!(user.json()["email"], "ada@acme.test");
    };
    // By the tenant's name, an empty audience, and none.
    opaque("acme.test").await;
    opaque("").await;
    let ask = site.ask(WEB).without("audience");
    let code = site.browser().authorize(&ask, "ada").await.code();
    let none = site.redeem(&site.client(WEB), &ask, &code).await.good();
    assert!(!is_jwt(&none.text("access_token")));

    let management = site.tokens(WEB, MANAGEMENT, "").await;
    assert_eq!(claims(&management)["aud"], MANAGEMENT);
    assert_eq!(management.json()["expires_in"], 86_400);
    let custom = site.tokens(WEB, ORDERS, "read").await;
    assert_eq!(claims(&custom)["aud"], ORDERS);
    assert_eq!(claims(&custom)["azp"], site.client(WEB).id.as_str());
    let profile = site.tokens(WEB, PROFILES, "read").await;
    let token = Forge::of(&profile.text("access_token"));
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(token.claims["client_id"], site.client(WEB).id.as_str());
    assert!(token.claims.contains_key("jti"));

    // With a default audience, none and an empty one mean that; the domain stays opaque.
    site.edit(|world, _| world.tenants[0].default_audience = Some(name("orders/orders")));
    opaque("acme.test").await;
    assert!(is_jwt(
        &site.tokens(WEB, "", "openid").await.text("access_token")
    ));
    Ok(())
}

#[tokio::test]
async fn s4_an_array_of_audiences_for_rs256_with_openid_and_for_nothing_else() -> Result<()> {
    let site = site().await?;
    let userinfo = "https://acme.test/userinfo";
    for api in [ORDERS, PROFILES] {
        let with = site.tokens(WEB, api, "openid profile read").await;
        assert_eq!(claims(&with)["aud"], json!([api, userinfo]));
        let token = with.text("access_token");
        assert_eq!(
            site.userinfo(HOST, &token).await.good().json()["name"],
            "Ada Lovelace"
        );
        assert!(is_accepted(&site, api, &token));
        let without = site.tokens(WEB, api, "read").await;
        assert_eq!(claims(&without)["aud"], api);
        let token = without.text("access_token");
        assert!(is_accepted(&site, api, &token));
        site.userinfo(HOST, &token)
            .await
            .refused(401, "invalid_token", "");
    }
    let table = [
        ("https://rs384.test", "RS384"),
        ("https://rs512.test", "RS512"),
        ("https://ps256.test", "PS256"),
        (LEDGERS, "ES256"),
        ("https://eddsa.test", "EdDSA"),
        (SHARED, "HS256"),
    ];
    for (api, alg) in table {
        let tokens = site.tokens(WEB, api, "openid read").await;
        let token = tokens.text("access_token");
        assert_eq!(Forge::of(&token).header["alg"], alg);
        assert_eq!(claims(&tokens)["aud"], api);
        assert!(!tokens.text("id_token").is_empty());
        // An API that shares a secret verifies by that, and no key of the tenant does.
        assert_eq!(is_accepted(&site, api, &token), api != SHARED, "{api}");
        site.userinfo(HOST, &token)
            .await
            .refused(401, "invalid_token", "");
    }
    Ok(())
}

#[tokio::test]
async fn s5_the_issuer_is_the_domain_that_was_asked() -> Result<()> {
    let site = site().await?;
    let tokens = async |host: &str, audience: &str| {
        let ask = site.ask(WEB).with("audience", audience);
        let reply = site.browser().at(host).authorize(&ask, "ada").await;
        assert_eq!(reply.said("iss"), format!("https://{host}/"));
        let client = site.client(WEB);
        let code = reply.code();
        let form = [client.shown(), ask.redemption(&code)].concat();
        site.post(host, "/oauth/token", &form).await.good()
    };
    let hosts: [Domain; 2] = [HOST, CUSTOM].map(name);
    for (here, there) in [(&hosts[0], &hosts[1]), (&hosts[1], &hosts[0])] {
        let issuer = here.issuer();
        let of_orders = tokens(here.as_str(), ORDERS).await;
        assert_eq!(claims(&of_orders)["iss"], issuer.as_str());
        assert_eq!(claims(&of_orders)["aud"], json!([ORDERS, here.userinfo()]));
        let id = Forge::of(&of_orders.text("id_token")).claims;
        assert_eq!(id["iss"], issuer.as_str());
        let token = of_orders.text("access_token");
        assert!(
            is_accepted(&site, ORDERS, &token),
            "APIs accept both issuers"
        );
        site.userinfo(here.as_str(), &token).await.good();

        let of_management = tokens(here.as_str(), MANAGEMENT).await;
        let token = of_management.text("access_token");
        assert_eq!(claims(&of_management)["aud"][0], MANAGEMENT);
        let called_at = |host| {
            let expected = Expected::Management { host };
            verdict(&site.realm().verifier, &token, expected, NOW).is_ok()
        };
        assert!(called_at(here), "{here}");
        assert!(!called_at(there), "{there}");
    }
    Ok(())
}

#[tokio::test]
async fn s6_a_token_lives_a_day_or_as_long_as_its_api_says_and_is_refreshed_then() -> Result<()> {
    let site = site().await?;
    let day = site.tokens(WEB, ORDERS, "openid read").await;
    assert_eq!(day.json()["expires_in"], 86_400);
    assert_eq!(claims(&day)["exp"], NOW.0 + 86_400);
    let brief = site.tokens(WEB, BRIEF, "openid read").await;
    assert_eq!(brief.json()["expires_in"], 600);
    assert_eq!(claims(&brief)["exp"], NOW.0 + 600);

    let first = site.tokens(WEB, ORDERS, "openid offline_access read").await;
    site.edit_api(ORDERS, |api| api.lifetime = 900);
    let later = NOW + 86_400 + 61;
    site.advance_to(later);
    let token = first.text("access_token");
    site.userinfo(HOST, &token)
        .await
        .refused(401, "invalid_token", "");
    let next = site
        .refresh(&site.client(WEB), &first.text("refresh_token"))
        .await;
    let next = next.good();
    assert_eq!(next.json()["expires_in"], 900);
    assert_eq!(claims(&next)["exp"], later.0 + 900);
    assert_eq!(claims(&next)["gty"], "refresh_token");
    assert_eq!(next.text("scope"), "openid offline_access read");
    site.userinfo(HOST, &next.text("access_token")).await.good();
    Ok(())
}
