//! The endpoint, an application and a stranger on one port: which of them is asked depends on the name.

use std::collections::BTreeMap;

use anyhow::Result;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mintage_sidecar::endpoint::pages::{Language, Window};
use reqwest::Url;
use tokio::net::TcpListener;

use crate::gallery::Gallery;

type Fields = BTreeMap<String, String>;

/// A server that lives as long as the test.
pub struct Server {
    port: u16,
}

impl Server {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let app = Router::new()
            .route("/pages/{name}", get(page))
            .route("/u/login", post(login))
            .route("/u/connect", get(login))
            .route("/u/choice", post(echo))
            .route("/callback", get(go_on).post(echo))
            .route(
                "/landed",
                get(async || Html("<title>landed</title><h1>Landed</h1>")),
            )
            .route("/frame", get(frame))
            .route("/opener", get(opener))
            .route("/logo.svg", get(logo))
            .with_state(port);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { port })
    }

    /// A URL at one of the names: `acme` is the endpoint, `shop` the application, whose pages are at `desk`.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.localhost:{}{path}", self.port)
    }

    /// A page of the endpoint.
    pub fn page(&self, name: &str) -> String {
        self.url("acme", &format!("/pages/{name}"))
    }
}

async fn page(
    State(port): State<u16>,
    Path(name): Path<String>,
    Query(query): Query<Fields>,
    headers: HeaderMap,
) -> Response {
    let accepted = headers.get(ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    let wanted = query.get("ui_locales").map(String::as_str);
    let gallery = Gallery {
        port,
        language: Language::choose(wanted, accepted),
        window: if query.contains_key("popup") {
            Window::Opened
        } else {
            Window::Own
        },
    };
    match gallery.page(&name) {
        Some(page) => page.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Takes a form, or a link, and sends the browser back to the application.
async fn login(State(port): State<u16>) -> Redirect {
    Redirect::to(&format!("http://shop.localhost:{port}/callback"))
}

/// The application sends the browser on to another host before it shows a page.
async fn go_on(State(port): State<u16>) -> Redirect {
    Redirect::to(&format!("http://desk.localhost:{port}/landed"))
}

/// Shows what a form carried.
async fn echo(form: String) -> Json<Fields> {
    let pairs = Url::parse(&format!("http://localhost/?{form}"));
    Json(pairs.map_or_else(
        |_| Fields::new(),
        |url| url.query_pairs().into_owned().collect(),
    ))
}

/// Shows a page in a frame, and the first message that comes from it.
async fn frame(Query(query): Query<Fields>) -> Html<String> {
    Html(listening(&format!(
        "<iframe src=\"{}\"></iframe>",
        query["src"]
    )))
}

/// Opens a page in a popup at the push of a button, and shows the first message that comes from it.
async fn opener(Query(query): Query<Fields>) -> Html<String> {
    Html(listening(&format!(
        "<button onclick=\"popup = open('{}', 'popup', 'width=400,height=500')\">Sign in</button>",
        query["src"]
    )))
}

fn listening(body: &str) -> String {
    format!(
        "<!DOCTYPE html><title>waits</title><script>
        let popup;
        addEventListener('message', (event) => {{
          document.title = 'told';
          window.told = {{ from: event.origin, data: event.data }};
        }});
        </script>{body}"
    )
}

async fn logo() -> Response {
    let image = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"96\" height=\"48\"><rect width=\"96\" height=\"48\" rx=\"8\" fill=\"#444\"/><path d=\"M16 36 28 12 40 36M52 24h28\" stroke=\"#ffe600\" stroke-width=\"5\" fill=\"none\"/></svg>";
    ([(CONTENT_TYPE, "image/svg+xml")], image).into_response()
}
