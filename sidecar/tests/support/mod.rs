//! What the tests of several roles start: servers over TLS, and a cluster's API server.

pub mod api_server;
pub mod tls;
