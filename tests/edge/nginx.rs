//! nginx and its `auth_request`, with `examples/nginx`.

use std::fs;

use anyhow::Result;
use mintage_tests::client::command_line;
use mintage_tests::{skip, workspace};

use crate::front::{Front, dev};
use crate::server::{App, Server, free, put};

/// What surrounds the example: one process that keeps to its own folder.
const AROUND: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include orders.conf;
}
";

#[tokio::test]
async fn nginx_lets_good_tokens_through() -> Result<()> {
    let program = match command_line("nginx")? {
        Ok(program) => program,
        Err(reason) => return skip::skip("nginx::nginx_lets_good_tokens_through", &reason),
    };
    let (dev, app, address) = (dev().await?, App::start().await?, free().await?);
    let dir = tempfile::tempdir()?;
    let example = fs::read_to_string(workspace().join("examples/nginx/orders.conf"))?;
    let sidecar = dev.url(1);
    let example = put(
        &example,
        "127.0.0.1:7600",
        sidecar.trim_start_matches("http://"),
    )?;
    let example = put(&example, "127.0.0.1:3000", &app.address.to_string())?;
    let example = put(&example, "listen 8080;", &format!("listen {address};"))?;
    fs::write(dir.path().join("orders.conf"), example)?;
    fs::write(dir.path().join("nginx.conf"), AROUND)?;
    let prefix = dir.path().to_string_lossy();
    let arguments = ["-p", &*prefix, "-c", "nginx.conf", "-e", "stderr"];
    let _nginx = Server::start(&program, &arguments, dir.path(), address).await?;
    Front { dev, app, address }.check().await
}
