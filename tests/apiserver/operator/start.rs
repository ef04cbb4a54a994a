//! A start that cannot go on says why, and how to mend it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_tests::cluster::{self, within};
use mintage_tests::dev::{binary, http};
use mintage_tests::operator::{self, Operator, Options};
use tokio::process::Command;
use tokio::time::timeout;

async fn start(kubeconfig: &Path, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let output = Command::new(binary("mintage-operator")?)
        .args(["--admin-listen", "127.0.0.1:0", "--log-format", "text"])
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("NO_PROXY", "*")
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_mins(1), output).await??;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[tokio::test]
async fn it_waits_for_the_resources_and_refuses_to_go_on_without_a_role() -> Result<()> {
    let name = "operator::start::it_waits_for_the_resources_and_refuses_to_go_on_without_a_role";
    let options = cluster::Options {
        definitions: false,
        ..cluster::Options::default()
    };
    let Some(plane) = cluster::private(name, options).await? else {
        return Ok(());
    };
    let account = operator::install_account(&plane).await?;
    let mut operator = Operator::start(&account, plane.folder(), &Options::default())?;
    let ready = async || -> Result<(u16, String)> {
        let url = format!("http://{}/readyz", operator.admin());
        let answer = http()?.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    };
    within(Duration::from_mins(1), "it names the chart", async || {
        let (code, text) = ready().await?;
        ensure!(
            code == 503 && text.contains("mintage-crds"),
            "{code}: {text}"
        );
        Ok(())
    })
    .await?;
    ensure!(operator.log()?.contains("crds-missing"));
    plane.install_definitions().await?;
    operator.ready().await?;

    let nobody = plane.kubeconfig("nobody", &[])?;
    let (code, said) = start(&nobody, &[]).await?;
    ensure!(code == Some(1), "{code:?}: {said}");
    ensure!(said.contains("\"nobody\" cannot list resource"), "{said}");
    ensure!(said.contains("the chart mintage gives"), "{said}");

    let (code, said) = start(Path::new("/nowhere/kubeconfig"), &[]).await?;
    ensure!(
        code == Some(2) && said.contains("KUBECONFIG=/nowhere"),
        "{code:?}: {said}"
    );
    let (code, said) = start(&account, &["--webhook-listen", "127.0.0.1:0"]).await?;
    ensure!(
        code == Some(2) && said.contains("--webhook-service"),
        "{code:?}: {said}"
    );
    Ok(())
}
