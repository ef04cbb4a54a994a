//! The audit: one line for each thing that happens, with who, where and what; and no secret in any, nor in a metric.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Once;

use anyhow::Result;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tracing::field::{Field, Visit};
use tracing::subscriber::set_global_default;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::accounts::PASSWORD;
use crate::browser::Browser;
use crate::cluster::endpoint::{SPA, WEB};
use crate::cluster::{Forge, ORDERS};
use crate::site::{HOST, Site};
use crate::stores::on_both;

/// A line, by its fields.
pub type Line = BTreeMap<String, String>;

thread_local! {
    /// The lines of this thread's log, if its test listens. One subscriber serves all tests: with one for each, what a test
    /// without any logs first is logged for nobody afterwards.
    static LINES: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

pub struct Log;

struct Fields(Line);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LINES.with_borrow_mut(|lines| {
            let Some(lines) = lines else { return };
            let mut fields = Fields(Line::new());
            event.record(&mut fields);
            // Those of libraries have no name.
            if fields.0.contains_key("event") {
                lines.push(fields.0);
            }
        });
    }
}

impl Log {
    /// Listens to this thread.
    pub fn listen() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            set_global_default(tracing_subscriber::registry().with(Self)).unwrap();
        });
        LINES.set(Some(Vec::new()));
    }

    /// The lines since it was asked last.
    pub fn lines() -> Vec<Line> {
        LINES.replace(Some(Vec::new())).unwrap()
    }
}

/// The lines since it was asked last, which must be of these events. Each has the tenant and the address.
fn take(all: &mut Vec<Line>, events: &[&str]) -> Vec<Line> {
    let lines = Log::lines();
    let found: Vec<&str> = lines.iter().map(|line| &*line["event"]).collect();
    assert_eq!(found, events, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["tenant"], "identity/acme", "{line:?}");
        assert_eq!(line["address"], "192.0.2.7", "{line:?}");
    }
    all.extend(lines.iter().cloned());
    lines
}

/// Asserts fields of a line.
fn says(line: &Line, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        let found = line.get(*name).map(String::as_str);
        assert_eq!(found, Some(*value), "{name}: {line:?}");
    }
}

/// What was told of the counts, in `OpenMetrics`.
pub fn exposed(site: &Site) -> String {
    let mut registry = Registry::default();
    site.metrics.register(&mut registry);
    let mut shown = String::new();
    text::encode(&mut shown, &registry).unwrap();
    shown
}

fn visitor(site: &Site) -> Browser<'_> {
    let mut browser = site.browser();
    browser.peer = Some("192.0.2.7".parse().unwrap());
    browser
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one flow, and what each of its steps writes"
)]
async fn each_thing_that_happens_has_its_line_and_its_count_and_no_secret_is_in_them() -> Result<()>
{
    let name = "audit::each_thing_that_happens_has_its_line_and_its_count_and_no_secret_is_in_them";
    on_both(name, async |opened| {
        Log::listen();
        let mut site = Site::on(opened);
        site.peer = Some("192.0.2.7".parse()?);
        let (site, mut all) = (&site, Vec::new());
        let (spa, web) = (site.client(SPA), site.client(WEB));
        let scope = "openid offline_access read";
        let ask = site.ask(SPA).with("audience", ORDERS).with("scope", scope);
        let mut secrets = BTreeSet::from([PASSWORD.to_owned(), web.secret.clone()]);
        let ada = [("sub", "staff|ada"), ("client", &*spa.id)];

        // Signing in, consent, code.
        let mut browser = visitor(site);
        let page = browser.get(&ask.target()).await.good();
        secrets.insert(page.form().hidden[0].1.clone());
        let page = browser.sign_in(&page, "ada", "hunter2-of-ada").await;
        secrets.insert("hunter2-of-ada".to_owned());
        let lines = take(&mut all, &["sign-in-refused"]);
        says(&lines[0], &[("client", &spa.id), ("reason", "wrong")]);
        let page = browser.sign_in(&page, "ada", PASSWORD).await.good();
        let lines = take(&mut all, &["signed-in"]);
        says(&lines[0], &ada);
        says(&lines[0], &[("connection", "staff")]);
        let reply = browser.submit(&page, &[("decision", "no")]).await;
        reply.misused("access_denied", "");
        let lines = take(&mut all, &["consent-declined", "authorization-refused"]);
        says(&lines[0], &ada);
        says(
            &lines[1],
            &[("client", &spa.id), ("error", "access_denied")],
        );
        let page = browser.get(&ask.target()).await.good();
        let code = browser.submit(&page, &[("decision", "yes")]).await.code();
        let lines = take(&mut all, &["consent-given", "code-issued"]);
        for line in &lines {
            says(line, &ada);
            says(line, &[("audience", ORDERS), ("scope", scope)]);
        }

        // Tokens for it, and then again.
        let first = site.redeem(&spa, &ask, &code).await.good();
        let lines = take(&mut all, &["token-issued"]);
        says(&lines[0], &ada);
        says(
            &lines[0],
            &[
                ("audience", ORDERS),
                ("format", "jwt"),
                ("grant", "authorization_code"),
                ("scope", scope),
            ],
        );
        let claims = Forge::of(&first.text("access_token")).claims;
        let ends = claims["exp"].to_string();
        says(&lines[0], &[("exp", &ends)]);
        let second = site
            .refresh(&spa, &first.text("refresh_token"))
            .await
            .good();
        let lines = take(&mut all, &["token-issued"]);
        says(&lines[0], &[("grant", "refresh_token")]);
        site.refresh(&spa, &first.text("refresh_token")).await;
        let lines = take(&mut all, &["refresh-token-reused", "token-refused"]);
        says(&lines[0], &ada);
        says(
            &lines[1],
            &[("client", &spa.id), ("rule", "refresh-token-invalid")],
        );
        site.redeem(&spa, &ask, &code).await;
        let lines = take(&mut all, &["code-replayed", "token-refused"]);
        says(&lines[1], &[("rule", "code-invalid")]);

        // Revocation, of what lives and of what does not.
        let third = browser.authorize(&ask, "ada").await.code();
        let tokens = site.redeem(&spa, &ask, &third).await.good();
        take(
            &mut all,
            &["consent-given", "code-issued", "token-issued"][1..],
        );
        let form = [
            ("client_id", &*spa.id),
            ("token", &tokens.text("refresh_token")),
        ];
        site.post(HOST, "/oauth/revoke", &form).await.good();
        let lines = take(&mut all, &["refresh-token-revoked"]);
        says(&lines[0], &ada);
        site.post(HOST, "/oauth/revoke", &form).await.good();
        take(&mut all, &[]);

        // Tokens of an application's own, and opaque ones.
        let form = [("grant_type", "client_credentials"), ("audience", ORDERS)];
        site.token(&[&web.shown(), &form[..]].concat()).await.good();
        let lines = take(&mut all, &["token-issued"]);
        says(
            &lines[0],
            &[("client", &web.id), ("grant", "client_credentials")],
        );
        assert_eq!(lines[0].get("sub"), None, "{lines:?}");
        let guess = [
            ("client_id", &*web.id),
            ("client_secret", "a-guessed-secret"),
        ];
        secrets.insert("a-guessed-secret".to_owned());
        site.token(&[&guess[..], &form].concat()).await;
        let lines = take(&mut all, &["token-refused"]);
        says(
            &lines[0],
            &[("client", &web.id), ("rule", "client-not-authenticated")],
        );
        let profile = site.ask(SPA);
        let reply = browser.get(&profile.target()).await.good();
        let fourth = browser.submit(&reply, &[("decision", "yes")]).await.code();
        let opaque = site.redeem(&spa, &profile, &fourth).await.good();
        let events = ["consent-given", "code-issued", "token-issued"];
        let lines = take(&mut all, &events);
        says(&lines[2], &[("format", "opaque")]);
        site.userinfo(HOST, &opaque.text("access_token"))
            .await
            .good();
        take(&mut all, &[]);
        site.userinfo(HOST, &format!("{}x", opaque.text("access_token")))
            .await;
        take(&mut all, &["token-rejected"]);

        // Requests that cannot be served, guesses, and the end.
        browser
            .get(&ask.clone().with("client_id", "nobody").target())
            .await;
        let lines = take(&mut all, &["page-refused"]);
        says(&lines[0], &[("rule", "unknown-application")]);
        browser
            .get(&ask.clone().with("response_type", "token").target())
            .await;
        take(&mut all, &["authorization-refused"]);
        browser
            .get(&format!("/v2/logout?client_id={}", spa.id))
            .await
            .good();
        let lines = take(&mut all, &["signed-out"]);
        says(&lines[0], &ada[..1]);
        browser
            .get(&format!("/v2/logout?client_id={}", spa.id))
            .await
            .good();
        take(&mut all, &[]);
        let mut page = browser.get(&ask.target()).await.good();
        for _ in 0..10 {
            page = browser.sign_in(&page, "bob", "x").await;
        }
        browser.sign_in(&page, "bob", "x").await;
        let events = [["sign-in-refused"; 10].as_slice(), &["sign-in-throttled"]].concat();
        let lines = take(&mut all, &events);
        says(&lines[10], &[("client", &spa.id), ("seconds", "300")]);

        secrets.extend([code, third, fourth]);
        for cookie in ["__Host-mintage-browser", "__Host-mintage-session"] {
            secrets.insert(browser.cookie(cookie));
        }
        secrets.remove("");
        for reply in [&first, &second, &tokens, &opaque] {
            for member in ["access_token", "id_token", "refresh_token"] {
                if let Some(token) = reply.json()[member].as_str() {
                    // Each part by itself: a line might have one of them.
                    secrets.extend(
                        token
                            .split('.')
                            .filter(|part| part.len() > 10)
                            .map(str::to_owned),
                    );
                }
            }
        }
        let shown = exposed(site);
        let told = format!("{all:?}");
        for secret in &secrets {
            assert!(!told.contains(secret), "{secret} in {told}");
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        for secret in ["ada", "192.0.2.7", &spa.id, &web.id, ORDERS, "acme"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        counts(&shown);
        Ok(())
    })
    .await
}

/// The counts after all of it.
fn counts(shown: &str) {
    for count in [
        "endpoint_codes_issued_total 3",
        "endpoint_consents_total{outcome=\"declined\"} 1",
        "endpoint_consents_total{outcome=\"given\"} 2",
        "endpoint_refresh_tokens_revoked_total 1",
        "endpoint_refusals_total{rule=\"access_denied\"} 1",
        "endpoint_refusals_total{rule=\"client-not-authenticated\"} 1",
        "endpoint_refusals_total{rule=\"code-invalid\"} 1",
        "endpoint_refusals_total{rule=\"refresh-token-invalid\"} 1",
        "endpoint_refusals_total{rule=\"token-invalid\"} 1",
        "endpoint_refusals_total{rule=\"unknown-application\"} 1",
        "endpoint_requests_total{route=\"/userinfo\",status=\"200\"} 1",
        "endpoint_requests_total{route=\"/userinfo\",status=\"401\"} 1",
        "endpoint_reuses_total{kind=\"code\"} 1",
        "endpoint_reuses_total{kind=\"refresh-token\"} 1",
        "endpoint_sign_ins_total{outcome=\"signed-in\"} 1",
        "endpoint_sign_ins_total{outcome=\"throttled\"} 1",
        "endpoint_sign_ins_total{outcome=\"wrong\"} 11",
        "endpoint_sign_outs_total 1",
        "endpoint_tokens_issued_total{grant=\"authorization_code\",format=\"jwt\"} 2",
        "endpoint_tokens_issued_total{grant=\"authorization_code\",format=\"opaque\"} 1",
        "endpoint_tokens_issued_total{grant=\"client_credentials\",format=\"jwt\"} 1",
        "endpoint_tokens_issued_total{grant=\"refresh_token\",format=\"jwt\"} 1",
        "store_call_duration_seconds_count{call=\"redeem_code\"} 4",
    ] {
        let line = format!("\nmintage_{count}\n");
        assert!(shown.contains(&line), "{count} in {shown}");
    }
}
