//! `mintage token | verify | decode | keys`.

use anyhow::{Result, ensure};
use mintage_tests::dev::Dev;
use mintage_tests::mintage::mintage;
use mintage_tests::quickstart;

#[tokio::test]
async fn a_token_from_the_shell_is_verified_and_shown() -> Result<()> {
    let dev = Dev::start(&quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    let (caller, api) = (dev.url(0), dev.url(1));
    let audience = "https://orders.example.com";
    let output = mintage(&[
        "token",
        "-a",
        audience,
        "-s",
        "read:orders",
        "--url",
        &caller,
    ])
    .await?;
    ensure!(output.code == Some(0), "{}", output.said());
    let token = output.out.trim().to_owned();

    let output = mintage(&[
        "verify",
        &token,
        "-s",
        "read:orders",
        "--url",
        &api,
        "-o",
        "json",
    ])
    .await?;
    ensure!(output.code == Some(0), "{}", output.said());
    let verdict = output.json()?;
    ensure!(
        verdict["client"] == "shop/checkout" && verdict["audience"] == audience,
        "{verdict}"
    );

    let output = mintage(&["decode", &token, "-o", "json"]).await?;
    let decoded = output.json()?;
    ensure!(
        decoded["claims"]["azp"] == "shop/checkout" && decoded["verified"] == false,
        "{decoded}"
    );

    let state = dev.state.to_string_lossy();
    let output = mintage(&["keys", "--state-dir", &state, "-o", "json"]).await?;
    let keys = output.json()?;
    ensure!(
        keys.as_array()
            .is_some_and(|keys| keys.len() > 3 && keys.iter().all(|key| key["state"] == "Active")),
        "{keys}"
    );
    Ok(())
}

#[tokio::test]
async fn refusals_end_with_1_bad_input_with_2_and_silence_with_3() -> Result<()> {
    let dev = Dev::start(&quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    let (caller, api) = (dev.url(0), dev.url(1));
    let token = dev.token(0, "https://orders.example.com").await?;
    // One character of the signature is another, away from its end, where the last bits must be zero.
    let at = token.len() - 100;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    for (code, words, arguments) in [
        (
            1,
            "Service not enabled within domain",
            vec![
                "token",
                "-a",
                "https://nobody.example.com",
                "--url",
                &caller,
            ],
        ),
        (
            1,
            "not been granted scopes: delete:orders",
            vec![
                "token",
                "-a",
                "https://orders.example.com",
                "-s",
                "delete:orders",
                "--url",
                &caller,
            ],
        ),
        (1, "signature", vec!["verify", &forged, "--url", &api]),
        (
            1,
            "insufficient-scope",
            vec!["verify", &token, "-s", "delete:orders", "--url", &api],
        ),
        (
            1,
            "has no ApiAudience",
            vec!["verify", &token, "--url", &caller],
        ),
        (2, "not a signed token", vec!["decode", "nonsense"]),
        (
            2,
            "mintage dev",
            vec!["keys", "--state-dir", "/nonexistent"],
        ),
        (2, "unrecognized subcommand", vec!["mint"]),
        (
            2,
            "must be written <namespace>/<service_account>",
            vec!["dev", ".", "--as", "shop"],
        ),
        (2, "loopback", vec!["dev", ".", "--listen", "0.0.0.0:7600"]),
        (
            3,
            "nothing answers",
            vec!["token", "--url", "http://127.0.0.1:9"],
        ),
    ] {
        let output = mintage(&arguments).await?;
        let said = output.said();
        ensure!(
            output.code == Some(code),
            "{arguments:?} ended with {:?}:\n{said}",
            output.code
        );
        ensure!(
            said.contains(words),
            "{words} is not in what {arguments:?} said:\n{said}"
        );
        ensure!(!said.contains("panicked"), "{said}");
    }
    Ok(())
}
