//! A browser as far as the endpoint sees one: it keeps cookies by host, reads forms, and follows redirects on a host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;

use crate::accounts::PASSWORD;
use crate::ask::Ask;
use crate::reply::Reply;
use crate::site::{HOST, Site, post};

pub struct Browser<'a> {
    site: &'a Site,
    pub host: String,
    pub peer: Option<IpAddr>,
    /// Sent with each request.
    pub headers: Vec<(&'static str, String)>,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// The name of the cookie of who is signed in.
pub const SESSION: &str = "__Host-mintage-session";

impl<'a> Browser<'a> {
    pub fn new(site: &'a Site) -> Self {
        Self {
            site,
            host: HOST.to_owned(),
            peer: None,
            headers: Vec::new(),
            cookies: BTreeMap::new(),
        }
    }

    /// The same, at another host.
    pub fn at(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// A cookie of the host, or nothing.
    pub fn cookie(&self, name: &str) -> String {
        let of_host = self.cookies.get(&self.host);
        of_host
            .and_then(|cookies| cookies.get(name))
            .cloned()
            .unwrap_or_default()
    }

    /// Plants a cookie.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        let of_host = self.cookies.entry(self.host.clone()).or_default();
        of_host.insert(name.to_owned(), value.to_owned());
    }

    /// Sends a request with the cookies of the host, and keeps those of the answer.
    pub async fn send(&mut self, request: Request<Body>) -> Reply {
        let (mut parts, body) = request.into_parts();
        let of_host = self.cookies.entry(self.host.clone()).or_default();
        let line: Vec<_> = of_host.iter().map(|(k, v)| format!("{k}={v}")).collect();
        if !line.is_empty() {
            parts
                .headers
                .insert("cookie", line.join("; ").parse().unwrap());
        }
        for (name, value) in &self.headers {
            parts.headers.append(*name, value.parse().unwrap());
        }
        let request = Request::from_parts(parts, body);
        let reply = self.site.send(request, self.peer).await;
        for line in reply.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once("; ").unwrap();
            assert!(attributes.starts_with("Path=/; Secure; HttpOnly"), "{line}");
            assert!(!attributes.contains("Domain"), "{line}");
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.ends_with("Max-Age=0") {
                of_host.remove(name);
            } else {
                of_host.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    fn request(&self, request: Builder) -> Request<Body> {
        let request = request.header("host", &self.host);
        request.body(Body::empty()).unwrap()
    }

    /// Goes to a place, and on where that leads on this host.
    pub async fn get(&mut self, target: &str) -> Reply {
        let mut reply = self.get_once(target).await;
        while matches!(reply.status, 302 | 303) && reply.location().starts_with('/') {
            let next = reply.location().to_owned();
            reply = self.get_once(&next).await;
        }
        reply
    }

    /// Goes to a place.
    pub async fn get_once(&mut self, target: &str) -> Reply {
        let request = self.request(Request::get(target));
        self.send(request).await
    }

    /// Posts a form.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = post(&self.host, path, form);
        self.send(request).await
    }

    /// Fills in the form of a page, and goes where that leads.
    pub async fn submit(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let reply = self.submit_once(page, fields).await;
        if matches!(reply.status, 302 | 303) && reply.location().starts_with('/') {
            assert_eq!(reply.status, 303, "by GET, so that no password is sent on");
            let next = reply.location().to_owned();
            return self.get(&next).await;
        }
        reply
    }

    /// Fills in the form of a page.
    pub async fn submit_once(&mut self, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let form = page.form();
        let hidden = form.hidden.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(&form.action, &all).await
    }

    /// Fills in the page to sign in on.
    pub async fn sign_in(&mut self, page: &Reply, user: &str, password: &str) -> Reply {
        assert!(page.asks_to_sign_in(), "{page:?}");
        let fields = [("username", user), ("password", password)];
        self.submit(page, &fields).await
    }

    /// Does all that a request asks of a user, and allows it; the answer to the application.
    pub async fn authorize(&mut self, ask: &Ask, user: &str) -> Reply {
        let mut reply = self.get(&ask.target()).await;
        if reply.asks_to_sign_in() {
            reply = self.sign_in(&reply, user, PASSWORD).await;
        }
        if reply.asks_for_consent() {
            reply = self.submit(&reply, &[("decision", "yes")]).await;
        }
        reply
    }
}
