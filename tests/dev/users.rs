//! `mintage users`: the Secret with the users, in a file.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_tests::mintage::{mintage, mintage_with};
use serde_json::Value;

/// The entry of a user.
fn entry(yaml: &str, name: &str) -> Result<Option<Value>> {
    let secret: Value = serde_yaml::from_str(yaml)?;
    ensure!(secret["type"] == "mintage.dev/users", "{secret}");
    ensure!(secret.get("stringData").is_none(), "{secret}");
    let Some(text) = secret["data"][name].as_str() else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_slice(&STANDARD.decode(text)?)?))
}

#[tokio::test]
async fn users_are_added_blocked_and_taken_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("users.yaml");
    let path = file.to_str().context("a path in UTF-8")?;
    let add = async |more: &[&str]| {
        let arguments = [&["users", "add", "ada", "--file", path], more].concat();
        mintage_with(&arguments, "correct horse\n", &[]).await
    };
    let ada =
        || -> Result<Value> { entry(&fs::read_to_string(&file)?, "ada")?.context("no entry") };
    let permit = ["--permit", "https://orders.test", "read write"];
    let options = [
        "-n",
        "identity",
        "--secret",
        "people",
        "--email",
        "ada@example.com",
    ];
    let added = add(&[&options[..], &permit].concat()).await?;
    ensure!(added.succeeded()?.contains("added"), "{}", added.said());
    let first = ada()?;
    ensure!(
        first["permissions"]["https://orders.test"] == serde_json::json!(["read", "write"]),
        "{first}"
    );
    let since = first["signed_out_before"].as_i64().context("no time")?;
    ensure!(since > 1_790_000_000, "{since}");

    let of =
        async |action: &str, user: &str| mintage(&["users", action, user, "--file", path]).await;
    of("block", "ada").await?.succeeded()?;
    // Another password unblocks nobody, and takes nothing away.
    let changed = add(&[]).await?;
    ensure!(
        changed.succeeded()?.contains("changed"),
        "{}",
        changed.said()
    );
    let second = ada()?;
    ensure!(second["blocked"] == true, "{second}");
    ensure!(second["permissions"] == first["permissions"], "{second}");
    ensure!(second["profile"] == first["profile"], "{second}");
    ensure!(
        second["password_hash"] != first["password_hash"],
        "{second}"
    );
    let list = mintage(&["users", "list", "--file", path]).await?;
    ensure!(
        list.succeeded()?.trim() == "ada  ada@example.com  (blocked)",
        "{}",
        list.said()
    );
    of("unblock", "ada").await?.succeeded()?;
    of("sign-out", "ada").await?.succeeded()?;
    ensure!(ada()?.get("blocked").is_none(), "{}", ada()?);

    // The file says where it belongs.
    for place in [["-n", "other"], ["--secret", "other"]] {
        let refused = add(&place).await?;
        ensure!(refused.code == Some(2), "{}", refused.said());
        ensure!(refused.err.contains("identity/people"), "{}", refused.err);
    }
    let refused = of("block", "eve").await?;
    ensure!(
        refused.code == Some(2) && refused.err.contains("no user eve"),
        "{}",
        refused.said()
    );
    of("remove", "ada").await?.succeeded()?;
    ensure!(entry(&fs::read_to_string(&file)?, "ada")?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_user_for_a_pipe_is_alone_in_a_secret() -> Result<()> {
    let arguments = [
        "users", "add", "bob", "-n", "identity", "--secret", "people",
    ];
    let output = mintage_with(&arguments, "battery staple", &[]).await?;
    let yaml = output.succeeded()?;
    ensure!(!yaml.contains("battery"), "{yaml}");
    ensure!(entry(yaml, "bob")?.is_some(), "{yaml}");
    let short = mintage_with(&arguments, "short", &[]).await?;
    ensure!(
        short.code == Some(2) && short.err.contains("8 characters"),
        "{}",
        short.said()
    );
    Ok(())
}

#[tokio::test]
async fn what_nobody_could_sign_in_with_is_refused() -> Result<()> {
    let add = async |more: &[&str], password: &str| {
        mintage_with(&[&["users", "add", "bob"], more].concat(), password, &[]).await
    };
    let long = "a".repeat(1024);
    add(&[], &format!("{long}\n")).await?.succeeded()?;
    for (more, password, said) in [
        (vec![], format!("{long}a"), "longer than 1024 bytes"),
        (vec![], "a".repeat(5000), "longer than 1024 bytes"),
        (vec![], String::new(), "no password came"),
        (vec![], "\n".to_owned(), "no password came"),
    ] {
        let refused = add(&more, &password).await?;
        ensure!(
            refused.code == Some(2) && refused.err.contains(said),
            "{}",
            refused.said()
        );
    }
    for email in [
        "not an email",
        "ada",
        "@a.example",
        "ada@",
        "a@b@c",
        "a@b c",
        "",
    ] {
        let refused = add(&["--email", email], "correct horse").await?;
        ensure!(
            refused.code == Some(2) && refused.err.contains("one @"),
            "{email}: {}",
            refused.said()
        );
    }
    Ok(())
}

#[tokio::test]
async fn entries_that_cannot_sign_in_are_marked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("users.yaml");
    let path = file.to_str().context("a path in UTF-8")?;
    let add = [
        "users",
        "add",
        "ada",
        "--email",
        "ada@example.com",
        "--file",
        path,
    ];
    mintage_with(&add, "correct horse", &[])
        .await?
        .succeeded()?;
    let yaml = fs::read_to_string(&file)?;
    let hash = entry(&yaml, "ada")?.context("no entry")?["password_hash"].clone();
    let same = serde_json::json!({"password_hash": hash, "profile": {"email": "ADA@example.com"}});
    let more = format!(
        "stringData:\n  bob: '{{\"password_hash\":\"plain\"}}'\n  eve: 'x'\n  zoe: '{same}'\n"
    );
    fs::write(&file, format!("{yaml}{more}"))?;
    let list = mintage(&["users", "list", "--file", path]).await?;
    let lines: Vec<&str> = list.succeeded()?.lines().collect();
    ensure!(
        lines.len() == 4 && lines[0] == "ada  ada@example.com",
        "{lines:?}"
    );
    for (line, start, part) in [
        (lines[1], "bob  cannot sign in: ", "not an argon2id hash"),
        (lines[2], "eve  cannot sign in: ", "is not a user"),
        (
            lines[3],
            "zoe  ADA@example.com  cannot sign in: ",
            "same name or e-mail",
        ),
    ] {
        ensure!(line.starts_with(start) && line.contains(part), "{lines:?}");
    }
    Ok(())
}
