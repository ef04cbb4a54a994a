//! A person at the tenant's pages, without a browser: reads forms, sends them, and keeps cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, Url};

use crate::dev::Dev;
use crate::webapp::{HOSTS, NAME, PASSWORD};

/// The person.
pub struct Visitor {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Somebody who has never been there.
    pub fn new(dev: &Dev) -> Result<Self> {
        let address: SocketAddr = dev.tls_addr().parse()?;
        Self::at(&HOSTS, address, &std::fs::read(dev.ca_file())?)
    }

    /// The same where hosts have an address, and certificates of an authority, given as PEM.
    pub fn at(hosts: &[&str], address: SocketAddr, authority: &[u8]) -> Result<Self> {
        // The only one that is built in, whoever comes first.
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let ca = Certificate::from_pem(authority)?;
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            // Each request may meet another process.
            .pool_max_idle_per_host(0)
            .tls_info(true)
            .tls_certs_only([ca]);
        for host in hosts {
            builder = builder.resolve(host, address);
        }
        Ok(Self {
            client: builder.build()?,
            cookies: BTreeMap::new(),
        })
    }

    /// What goes by the authority and the addresses of the tenant, without cookies.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The names of the cookies.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        self.cookies.keys().map(String::as_str)
    }

    /// Takes over the cookies of another one: the same browser, elsewhere.
    pub fn know(&mut self, other: &Self) {
        self.cookies.clone_from(&other.cookies);
    }

    /// Asks without a page to see; the address of the application, with the answer.
    pub async fn ask_silently(&mut self, request: &str) -> Result<String> {
        let response = self.send(self.client.get(request)).await?;
        ensure!(response.status() == 302, "{request}: {}", response.status());
        Ok(location(&response)?.to_owned())
    }

    /// Signs in for an authorization request; the address of the application, with the answer.
    pub async fn sign_in(&mut self, request: &str) -> Result<String> {
        let url = Url::parse(request)?;
        let response = self.send(self.client.get(url.clone())).await?;
        ensure!(response.status() == 200, "{request}: {}", response.status());
        let credentials = [("username", NAME), ("password", PASSWORD)];
        let response = self.answer(&url, response, &credentials).await?;
        let onwards = url.join(location(&response)?)?;
        let response = self.send(self.client.get(onwards)).await?;
        if response.status() == 302 {
            return Ok(location(&response)?.to_owned());
        }
        // Somebody else's application has to be allowed what it asks for.
        ensure!(
            response.status() == 200,
            "at the end: {}",
            response.status()
        );
        let response = self.answer(&url, response, &[("decision", "yes")]).await?;
        Ok(location(&response)?.to_owned())
    }

    /// The same for a request that leads to a provider, whose pages have forms of their own for the name and for what the tenant
    /// may know. Somebody who is signed in at the tenant never gets there.
    pub async fn sign_in_elsewhere(&mut self, request: &str, user: &str) -> Result<String> {
        let mut url = Url::parse(request)?;
        // There and back: about ten steps.
        for _ in 0..20 {
            if !Self::serves(&url) {
                return Ok(url.into());
            }
            let mut response = self.send(self.client.get(url.clone())).await?;
            if response.status() == 200 {
                let page = response.text().await?;
                let action = attribute(&page, "action=\"").context("no form")?;
                let prompt = attribute(&page, "name=\"prompt\" value=\"").context("no prompt")?;
                let form = [("prompt", prompt), ("login", user), ("password", "any")];
                let request = self.client.post(url.join(action)?).form(&form);
                response = self.send(request).await?;
            }
            let status = response.status();
            ensure!(status.is_redirection(), "{url}: {status}");
            url = url.join(location(&response)?)?;
        }
        bail!("{request} leads nowhere")
    }

    /// Whether an address is the tenant's or the provider's, and not the application's.
    fn serves(url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        host == "127.0.0.1" || HOSTS.contains(&host)
    }

    /// Fills the form of a page in and sends it.
    async fn answer(
        &mut self,
        url: &Url,
        page: Response,
        fields: &[(&str, &str)],
    ) -> Result<Response> {
        let page = page.text().await?;
        // A slash is escaped as well.
        let action = attribute(&page, "action=\"").context("no form")?;
        let action = action.replace("&#x2f;", "/");
        let state = attribute(&page, "name=\"state\" value=\"").context("no state")?;
        let form = [&[("state", state)], fields].concat();
        let request = self.client.post(url.join(&action)?).form(&form);
        let response = self.send(request).await?;
        // 303: a password goes no further than here.
        ensure!(
            response.status() == 303,
            "after the form: {}",
            response.status()
        );
        Ok(response)
    }

    async fn send(&mut self, request: RequestBuilder) -> Result<Response> {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = request.header(COOKIE, cookies.join("; ")).send().await?;
        for line in response.headers().get_all(SET_COOKIE) {
            let line = line.to_str()?;
            let Some((name, rest)) = line.split_once('=') else {
                bail!("{line} is no cookie");
            };
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(response)
    }
}

/// The text from a mark to the next quotation mark.
fn attribute<'a>(page: &'a str, mark: &str) -> Option<&'a str> {
    page.split_once(mark)?.1.split('"').next()
}

fn location(response: &Response) -> Result<&str> {
    let location = response.headers().get(LOCATION).context("no Location")?;
    Ok(location.to_str()?)
}
