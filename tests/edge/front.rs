//! What any proxy in front of an API has to do, set up as our example says.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::{Dev, eventually, http};
use mintage_tests::quickstart;
use reqwest::{RequestBuilder, Response};

use crate::server::{App, exchange};

const ORDERS: &str = "https://orders.example.com";

/// The proxy under test, what it asks, and what it protects.
pub struct Front {
    pub dev: Dev,
    pub app: App,
    pub address: SocketAddr,
}

/// The caller, the API, and a workload whose token has no scopes.
pub async fn dev() -> Result<Dev> {
    dev_with(&[]).await
}

/// The same with further options.
pub async fn dev_with(more: &[&str]) -> Result<Dev> {
    let also = [
        "--also",
        "orders/api=127.0.0.1:0",
        "--also",
        "payments/api=127.0.0.1:0",
    ];
    let dev = Dev::start(&quickstart(), &[&also, more].concat()).await?;
    dev.edit("orders.yaml", |text| {
        let grant = "    - workload:\n        namespace: payments\n        serviceAccount: api\n      scopes: []\n";
        text.replacen("  grants:\n", &format!("  grants:\n{grant}"), 1)
    })?;
    eventually("payments/api has its grant", async || {
        Ok((dev.ask(2, &[("audience", ORDERS)]).await?.0 == 200).then_some(()))
    })
    .await?;
    Ok(dev)
}

impl Front {
    fn get(&self, path: &str) -> Result<RequestBuilder> {
        Ok(http()?.get(format!("http://{}{path}", self.address)))
    }

    /// Sends a request that must not come through; its status and challenge.
    async fn stopped(&self, request: RequestBuilder) -> Result<(u16, String)> {
        let before = self.app.count();
        let response = request.send().await?;
        ensure!(self.app.count() == before, "it came through: {response:?}");
        let challenges = response.headers().get_all("www-authenticate").iter();
        let challenges: Vec<_> = challenges
            .map(|value| value.to_str())
            .collect::<Result<_, _>>()?;
        ensure!(challenges.len() <= 1, "{challenges:?}");
        let challenge = challenges.first().copied().unwrap_or_default().to_owned();
        Ok((response.status().as_u16(), challenge))
    }

    /// Sends a request that must come through; what the application received, in lower case.
    async fn passed(&self, request: RequestBuilder) -> Result<String> {
        let response: Response = request.send().await?;
        ensure!(response.status() == 200, "{response:?}");
        Ok(response.text().await?.to_ascii_lowercase())
    }

    /// All of it. Ends `dev` at the end.
    pub async fn check(mut self) -> Result<()> {
        let all = self.dev.token(0, ORDERS).await?;
        self.who_asks_is_told(&all)
            .await
            .context("who asks is told")?;
        self.bad_tokens_are_stopped(&all)
            .await
            .context("bad tokens are stopped")?;
        self.scopes_are_asked_for(&all)
            .await
            .context("scopes are asked for")?;
        self.nobody_speaks_for_another(&all)
            .await
            .context("nobody speaks for another")?;
        self.dev.stop().await?;
        let (status, _) = self.stopped(self.get("/")?.bearer_auth(&all)).await?;
        ensure!(status >= 500, "without a sidecar: {status}");
        Ok(())
    }

    async fn who_asks_is_told(&self, token: &str) -> Result<()> {
        let post = http()?.post(format!("http://{}/new?a=b", self.address));
        for request in [
            self.get("/")?,
            post.body("order=1"),
            // A page that the API itself allows to call it.
            self.get("/")?
                .header("origin", "https://shop.example.com")
                .header("sec-fetch-site", "cross-site"),
            self.get("/")?.header("host", "orders.example.com"),
        ] {
            let received = self.passed(request.bearer_auth(token)).await?;
            for line in [
                "x-mintage-subject: shop/checkout@clients\r\n",
                "x-mintage-client: shop/checkout\r\n",
                "x-mintage-scope: read:orders write:orders\r\n",
                "x-mintage-audience: https://orders.example.com\r\n",
            ] {
                ensure!(received.contains(line), "{line} is not in {received}");
            }
        }
        Ok(())
    }

    async fn bad_tokens_are_stopped(&self, good: &str) -> Result<()> {
        let realm = "Bearer realm=\"acme.localhost:7743\"";
        for without in [
            self.get("/")?,
            self.get("/")?.basic_auth("shop/checkout", Some("x")),
            self.get(&format!("/?access_token={good}"))?,
        ] {
            let stopped = self.stopped(without).await?;
            ensure!(stopped == (401, realm.into()), "{stopped:?}");
        }
        // One character of the signature is another, away from its end, where the last bits must be zero.
        let at = good.len() - 100;
        let other = if &good[at..=at] == "A" { "B" } else { "A" };
        let forged = format!("{}{other}{}", &good[..at], &good[at + 1..]);
        let other = self.dev.token(0, "https://payments.example.com").await?;
        for (token, rule) in [
            ("x", "malformed"),
            (&*forged, "signature"),
            (&*other, "audience"),
        ] {
            let (status, challenge) = self.stopped(self.get("/")?.bearer_auth(token)).await?;
            ensure!(status == 401, "{status}");
            ensure!(
                challenge.starts_with(&format!("{realm}, error=\"invalid_token\"")),
                "{challenge}"
            );
            ensure!(challenge.contains(rule), "{rule}: {challenge}");
        }
        Ok(())
    }

    async fn scopes_are_asked_for(&self, all: &str) -> Result<()> {
        let (_, answer) = self
            .dev
            .ask(0, &[("audience", ORDERS), ("scope", "read:orders")])
            .await?;
        let read = answer["access_token"].as_str().context("no token")?;
        self.passed(self.get("/orders")?.bearer_auth(read)).await?;
        self.passed(self.get("/admin/orders")?.bearer_auth(all))
            .await?;
        for path in [
            "/admin/orders",
            "/admin/?scope=read:orders&audience=",
            "//admin/",
            "/%61dmin/",
        ] {
            let (status, challenge) = self.stopped(self.get(path)?.bearer_auth(read)).await?;
            ensure!(status == 403, "{path}: {status}");
            ensure!(
                challenge.contains("error=\"insufficient_scope\""),
                "{path}: {challenge}"
            );
            ensure!(
                challenge.ends_with("scope=\"write:orders\""),
                "{path}: {challenge}"
            );
        }
        Ok(())
    }

    async fn nobody_speaks_for_another(&self, all: &str) -> Result<()> {
        let spoof = |request: RequestBuilder| {
            ["Subject", "Client", "Scope", "Audience"]
                .iter()
                .fold(request, |request, name| {
                    request
                        .header(format!("X-Mintage-{name}"), "spoofed")
                        .header(format!("X_Mintage_{name}"), "spoofed")
                        .header(format!("x_mintage-{name}"), "spoofed")
                })
        };
        let nothing = self.dev.token(2, ORDERS).await?;
        for (token, client) in [(all, "shop/checkout"), (&nothing, "payments/api")] {
            let received = self
                .passed(spoof(self.get("/")?).bearer_auth(token))
                .await?;
            ensure!(
                received.contains(&format!("x-mintage-client: {client}\r\n")),
                "{received}"
            );
            ensure!(!received.contains("spoofed"), "{received}");
        }
        // Two tokens: whichever is judged, the other must not arrive.
        for pair in [[all, "other"], ["other", all]] {
            let lines = pair
                .map(|token| format!("Authorization: Bearer {token}\r\n"))
                .concat();
            let request =
                format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
            let answer = exchange(self.address, &request).await?;
            ensure!(!answer.contains("Bearer other"), "{answer}");
        }
        Ok(())
    }
}
