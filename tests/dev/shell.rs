//! `mintage completion`, `mintage man`, and output on terminals and elsewhere.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::binary;
use mintage_tests::mintage::{mintage, mintage_with};
use mintage_tests::quickstart;
use mintage_tests::skip::skip;
use tokio::process::Command;

const ESCAPE: char = '\u{1b}';

/// The long options and the commands that `--help` of a command lists.
async fn help(command: &[&str]) -> Result<(Vec<String>, Vec<String>)> {
    let run = mintage(&[command, &["--help"]].concat()).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let mut options = Vec::new();
    let mut commands = Vec::new();
    let mut heading = "";
    for line in run.out.lines() {
        let word = line.trim_start();
        if line.ends_with(':') && !line.starts_with(' ') {
            heading = line;
        } else if heading == "Commands:" && line.starts_with("  ") && !line.starts_with("   ") {
            commands.extend(word.split(' ').next().map(str::to_owned));
        } else if word.starts_with('-') && heading != "Examples:" {
            // Examples are wrapped, and a line may begin with another program's option.
            let option = word
                .split([' ', ',', '='])
                .find(|part| part.starts_with("--"));
            options.extend(option.map(str::to_owned));
        }
    }
    commands.retain(|command| command != "help");
    Ok((options, commands))
}

/// Every command with its options, those below `keys` and `why` too.
async fn everything() -> Result<Vec<(Vec<String>, Vec<String>)>> {
    let mut all = Vec::new();
    let mut left = vec![Vec::<String>::new()];
    while let Some(command) = left.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (options, below) = help(&words).await?;
        left.extend(
            below
                .into_iter()
                .map(|below| [command.clone(), vec![below]].concat()),
        );
        all.push((command, options));
    }
    ensure!(all.len() >= 15, "{all:?}");
    Ok(all)
}

/// The completion of a shell has everything, and the shell can read it.
async fn completes(test: &str, shell: &str, option: &str) -> Result<()> {
    let script = mintage(&["completion", shell]).await?;
    ensure!(script.code == Some(0), "{}", script.said());
    for (command, options) in &everything().await? {
        for word in command {
            ensure!(script.out.contains(word.as_str()), "{word}");
        }
        for option in options {
            // fish writes long options as -l name.
            let long = format!("-l {}", option.trim_start_matches('-'));
            ensure!(
                script.out.contains(option.as_str()) || script.out.contains(&long),
                "{command:?} {option}"
            );
        }
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("script");
    fs::write(&path, script.out)?;
    let run = Command::new(shell)
        .arg(option)
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .await;
    match run {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{said}");
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip(test, &format!("{shell} is not installed"))
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn bash_reads_its_completion() -> Result<()> {
    completes("shell::bash_reads_its_completion", "bash", "-n").await
}

#[tokio::test]
async fn fish_reads_its_completion() -> Result<()> {
    completes("shell::fish_reads_its_completion", "fish", "--no-execute").await
}

#[tokio::test]
async fn zsh_reads_its_completion() -> Result<()> {
    completes("shell::zsh_reads_its_completion", "zsh", "-n").await
}

#[tokio::test]
async fn bash_completes_a_command() -> Result<()> {
    let script = mintage(&["completion", "bash"]).await?.out;
    let ask = "COMP_WORDS=(mintage why gr); COMP_CWORD=2; _mintage mintage gr why; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("{script}\n{ask}"))
        .output()
        .await?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        said.trim() == "grant",
        "{said:?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_command_with_its_options() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_string_lossy().into_owned();
    let run = mintage(&["man", "--dir", &path]).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    for (command, options) in everything().await? {
        let name = [vec!["mintage".to_owned()], command].concat().join("-");
        let page = fs::read_to_string(folder.path().join(format!("{name}.1")))
            .with_context(|| name.clone())?;
        ensure!(page.contains(".TH"), "{name} is no manual page");
        for option in options {
            let written = option.replace('-', "\\-");
            ensure!(page.contains(&written), "{name}: {option}");
        }
    }
    let run = mintage(&["man"]).await?;
    ensure!(
        run.code == Some(0) && run.out.contains(".TH mintage 1"),
        "{}",
        run.said()
    );
    Ok(())
}

/// A command whose output has something to colour.
fn refused(folder: &str) -> [&str; 7] {
    [
        "why",
        "grant",
        folder,
        "--as",
        "shop/other",
        "-a",
        "https://orders.example.com",
    ]
}

#[tokio::test]
async fn there_are_no_colours_where_nobody_looks() -> Result<()> {
    let folder = quickstart().to_string_lossy().into_owned();
    for arguments in [
        &refused(&folder)[..],
        &["explain"],
        &["--help"],
        &["mint"],
        &["decode", "x"],
    ] {
        let run = mintage(arguments).await?;
        ensure!(
            !run.said().contains(ESCAPE),
            "{arguments:?}: {}",
            run.said()
        );
        let asked = [arguments, &["--color", "always"]].concat();
        let run = mintage_with(&asked, "", &[("NO_COLOR", "1")]).await?;
        let colourful = run.said().contains(ESCAPE) || arguments == ["explain"];
        ensure!(colourful, "{arguments:?}: {}", run.said());
    }
    Ok(())
}

/// What a command prints to a terminal, which `script` of util-linux makes.
async fn on_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Option<String>> {
    let mintage = binary("mintage")?;
    let line = format!("{} {}", mintage.display(), arguments.join(" "));
    let run = Command::new("script")
        .args(["-q", "-c", &line, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await;
    match run {
        Ok(output) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip(
                "shell::a_terminal_has_colours_unless_they_are_refused",
                "script is not installed",
            )?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn a_terminal_has_colours_unless_they_are_refused() -> Result<()> {
    let folder = quickstart().to_string_lossy().into_owned();
    let arguments = refused(&folder);
    let Some(said) = on_terminal(&arguments, &[]).await? else {
        return Ok(());
    };
    ensure!(
        said.contains(ESCAPE) && said.contains("grant-missing"),
        "{said}"
    );
    for (more, variables) in [
        (&["--color=never"][..], &[][..]),
        (&[], &[("NO_COLOR", "1")]),
    ] {
        let said = on_terminal(&[&arguments, more].concat(), variables).await?;
        let said = said.context("script is gone")?;
        ensure!(
            !said.contains(ESCAPE) && said.contains("grant-missing"),
            "{more:?}: {said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() -> Result<()> {
    // As `| head` does it; closed before the command begins, since one that is faster would write all of it first.
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let child = Command::new(binary("mintage")?)
        .arg("explain")
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()?;
    let output = child.wait_with_output().await?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(said.is_empty() && !output.status.success(), "{said}");
    Ok(())
}
