//! Caddy and its `forward_auth`, with `examples/caddy`.

use std::fs;

use anyhow::Result;
use mintage_tests::client::command_line;
use mintage_tests::{skip, workspace};

use crate::front::{Front, dev};
use crate::server::{App, Server, free, put};

#[tokio::test]
async fn caddy_lets_good_tokens_through() -> Result<()> {
    let program = match command_line("caddy")? {
        Ok(program) => program,
        Err(reason) => return skip::skip("caddy::caddy_lets_good_tokens_through", &reason),
    };
    let (dev, app, address) = (dev().await?, App::start().await?, free().await?);
    let dir = tempfile::tempdir()?;
    let example = fs::read_to_string(workspace().join("examples/caddy/Caddyfile"))?;
    let sidecar = dev.url(1);
    let example = put(
        &example,
        "127.0.0.1:7600",
        sidecar.trim_start_matches("http://"),
    )?;
    let example = put(&example, "127.0.0.1:3000", &app.address.to_string())?;
    let site = format!(":{} {{\n\tbind 127.0.0.1\n", address.port());
    let example = put(&example, ":8080 {\n", &site)?;
    // Neither its admin port nor anything beside this folder.
    let example = format!("{{\n\tadmin off\n\tpersist_config off\n}}\n{example}");
    fs::write(dir.path().join("Caddyfile"), example)?;
    let arguments = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
    let _caddy = Server::start(&program, &arguments, dir.path(), address).await?;
    Front { dev, app, address }.check().await
}
