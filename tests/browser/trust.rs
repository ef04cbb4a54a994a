//! The browser believes an authority that it was given, and no other.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::browser::{Browser, Options, Programs};
use mintage_tests::client::command_line;
use mintage_tests::dev::Dev;
use mintage_tests::{quickstart, skip};

#[tokio::test]
async fn a_browser_trusts_the_authority_of_mintage_dev_once_it_is_told() -> Result<()> {
    let name = "trust::a_browser_trusts_the_authority_of_mintage_dev_once_it_is_told";
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => return skip::skip(name, &reason),
    };
    if let Err(reason) = command_line("certutil")? {
        return skip::skip(name, &reason);
    }
    let dev = Dev::start(&quickstart(), &[]).await?;
    let address = dev.tls_addr().parse()?;
    // The issuer's own name and port; the options lead them to where this process listens.
    let url = "https://acme.localhost:7743/.well-known/openid-configuration";
    let mut options = Options {
        hosts: vec![("acme.localhost:7743".into(), address)],
        ..Options::default()
    };
    let browser = Browser::start(&programs, &options).await?;
    let refused = browser.open(url).await.err();
    let refused = refused.context("an unknown authority was believed")?;
    let refused = format!("{refused:#}");
    ensure!(refused.contains("ERR_CERT_AUTHORITY_INVALID"), "{refused}");
    browser.quit().await?;

    options.trusted.push(dev.ca_file());
    let browser = Browser::start(&programs, &options).await?;
    browser.open(url).await?;
    let shown = browser.find("body").await?.text().await?;
    ensure!(
        shown.contains("\"issuer\":\"https://acme.localhost:7743/\""),
        "{shown}"
    );
    browser.quit().await
}
