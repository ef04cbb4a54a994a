//! As whom a client asks that has not shown who it is: for the audit alone.

use axum::http::header::AUTHORIZATION;

use super::client;
use super::visit::Visit;
use crate::params::Params;

/// The `client_id` of a form or of HTTP Basic, as it was sent; nothing where there is neither.
pub fn named(visit: &Visit, params: Option<&Params>) -> String {
    let in_form = params.and_then(|params| params.get("client_id"));
    let in_header = || {
        let header = visit.headers.get(AUTHORIZATION)?;
        client::basic(header.to_str().ok()?).map(|(client, _)| client)
    };
    let named = in_form.map(str::to_owned).or_else(in_header);
    named.unwrap_or_default()
}
