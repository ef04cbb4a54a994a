//! The tenant of `examples/webapp`, whose users sign in, on a port of its own.

use anyhow::Result;

use crate::cluster::free_port;
use crate::dev::Dev;
use crate::workspace;

/// The tenant's own domain, and its custom domain.
pub const HOSTS: [&str; 2] = ["acme.localhost", "login.acme-shop.localhost"];

/// The email address of the user.
pub const NAME: &str = "ada@example.com";

/// The password of the user.
pub const PASSWORD: &str = "correct horse battery staple";

/// The API that users let applications call.
pub const AUDIENCE: &str = "https://orders.acme.example";

/// A running tenant.
pub struct Tenant {
    /// What runs it.
    pub dev: Dev,
    port: u16,
}

impl Tenant {
    /// Starts `dev` with a copy of the example, each manifest changed by `edit` before it is read.
    pub async fn start(edit: impl Fn(String) -> String) -> Result<Self> {
        // The domains name the port, and are what clients compare.
        let port = free_port()?;
        let edit = |text: String| edit(text.replace(":7743", &format!(":{port}")));
        let listen = format!("127.0.0.1:{port}");
        let options = ["--tls-listen", &listen, "--log-level", "info"];
        let dev = Dev::start_edited(&workspace().join("examples/webapp"), edit, &options).await?;
        Ok(Self { dev, port })
    }

    /// The issuer that the tenant is at one of its hosts.
    pub fn issuer(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.port)
    }
}
