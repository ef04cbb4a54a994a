//! Client libraries that nobody here wrote, against a running `mintage dev`: the same process of each sees good tokens,
//! then bad ones, before, during and after a rotation.

mod application;
mod express;
mod forge;
mod provider;
mod rotation;
mod users;
mod words;

use anyhow::Result;
use mintage_tests::client::Client;
use mintage_tests::dev::Dev;
use mintage_tests::{quickstart, skip};
use serde_json::{Value, json};

const ISSUER: &str = "https://acme.localhost:7743/";
const ORDERS: &str = "https://orders.example.com";
const PAYMENTS: &str = "https://payments.example.com";
const REPORTS: &str = "https://reports.example.com";

/// `dev` as the caller and as the two APIs. A rotation takes two seconds, so that there is a time during it.
async fn dev() -> Result<Dev> {
    let options = [
        "--as",
        "shop/checkout",
        "--also",
        "orders/api=127.0.0.1:0",
        "--also",
        "payments/api=127.0.0.1:0",
        "--propagation-delay",
        "2s",
    ];
    Dev::start(&quickstart(), &options).await
}

/// Where a library finds the keys.
enum Keys {
    /// At the JWKS URL of the API's own pod.
    Pod(usize),
    /// By discovery over TLS.
    Discovery,
}

/// An API as a library is told of it.
struct Api {
    audience: &'static str,
    alg: &'static str,
    typ: &'static str,
    keys: Keys,
}

const APIS: [Api; 3] = [
    Api {
        audience: ORDERS,
        alg: "RS256",
        typ: "JWT",
        keys: Keys::Pod(1),
    },
    Api {
        audience: PAYMENTS,
        alg: "ES256",
        typ: "at+jwt",
        keys: Keys::Pod(2),
    },
    Api {
        audience: REPORTS,
        alg: "PS256",
        typ: "JWT",
        keys: Keys::Discovery,
    },
];

fn settings(dev: &Dev, api: &Api) -> Value {
    let mut settings = json!({ "issuer": ISSUER, "audience": api.audience, "algorithms": [api.alg], "typ": api.typ });
    match api.keys {
        Keys::Pod(workload) => {
            settings["mode"] = "jwks".into();
            settings["jwks_uri"] = format!("{}/.well-known/jwks.json", dev.url(workload)).into();
        }
        Keys::Discovery => {
            settings["mode"] = "discovery".into();
            settings["ca_file"] = dev.ca_file().to_string_lossy().into();
            settings["connect"] = dev.tls_addr().into();
        }
    }
    settings
}

/// A library's program; without it the test is skipped.
fn start(test: &str, library: &str) -> Result<Option<Client>> {
    match Client::start(library)? {
        Ok(client) => Ok(Some(client)),
        Err(reason) => skip::skip(test, &reason).map(|()| None),
    }
}
