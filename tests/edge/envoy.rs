//! Envoy and its `ext_authz` over gRPC, with `examples/envoy`.

use std::fs;

use anyhow::Result;
use mintage_tests::client::command_line;
use mintage_tests::{skip, workspace};

use crate::front::{Front, dev_with};
use crate::server::{App, Server, free, put};

#[tokio::test]
async fn envoy_lets_good_tokens_through() -> Result<()> {
    let program = match command_line("envoy")? {
        Ok(program) => program,
        Err(reason) => return skip::skip("envoy::envoy_lets_good_tokens_through", &reason),
    };
    let dev = dev_with(&["--ext-authz", "orders/api=127.0.0.1:0"]).await?;
    let (app, address) = (App::start().await?, free().await?);
    let dir = tempfile::tempdir()?;
    let example = fs::read_to_string(workspace().join("examples/envoy/envoy.yaml"))?;
    let port = |example, port: u16| format!("address: {example}, port_value: {port}");
    let sidecar = dev.ext_authz(1)?;
    let example = put(
        &example,
        &port("127.0.0.1", 7602),
        &port("127.0.0.1", sidecar.port()),
    )?;
    let example = put(
        &example,
        &port("127.0.0.1", 3000),
        &port("127.0.0.1", app.address.port()),
    )?;
    let example = put(
        &example,
        &port("0.0.0.0", 8080),
        &port("127.0.0.1", address.port()),
    )?;
    fs::write(dir.path().join("envoy.yaml"), example)?;
    // One thread, and no memory in common with another Envoy of this machine.
    let arguments = ["--config-path", "envoy.yaml", "--concurrency", "1"];
    let arguments = [&arguments[..], &["--disable-hot-restart"]].concat();
    let _envoy = Server::start(&program, &arguments, dir.path(), address).await?;
    Front { dev, app, address }.check().await
}
