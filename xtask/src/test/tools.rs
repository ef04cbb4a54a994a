//! The languages that the compat clients are written in.

use std::process::{Command, Stdio};

use crate::process;
use crate::progress::say;

/// Each tool's version, or why it cannot be used.
pub struct Tools {
    /// Python with what it takes to make a virtual environment.
    pub python: Result<String, String>,
    /// Node.js, and npm to go with it.
    pub node: Result<String, String>,
    /// Go.
    pub go: Result<String, String>,
    /// A JDK, and Maven to go with it.
    pub java: Result<String, String>,
}

/// Looks for the tools and prints what is there.
pub fn find() -> anyhow::Result<Tools> {
    // Debian splits `ensurepip` off: without it a virtual environment has no pip.
    let python = "import ensurepip, platform, venv; print(platform.python_version())";
    let tools = Tools {
        // The least versions are those of the pinned libraries.
        python: version("python3", &["-c", python], [3, 10, 0])
            .map_err(|reason| format!("{reason} (with its venv module)")),
        node: version("npm", &["--version"], [9, 0, 0])
            .and_then(|_| version("node", &["--version"], [20, 18, 1])),
        go: version("go", &["env", "GOVERSION"], [1, 25, 0]),
        java: version("mvn", &["--quiet", "--version"], [3, 6, 3])
            .and_then(|_| version("javac", &["-version"], [17, 0, 0])),
    };
    for (name, found) in [
        ("python3", &tools.python),
        ("node and npm", &tools.node),
        ("go", &tools.go),
        ("javac and mvn", &tools.java),
    ] {
        match found {
            Ok(version) => say(format_args!("{name} {version}"))?,
            Err(reason) => say(format_args!("SKIPPED {name}: {reason}"))?,
        }
    }
    Ok(tools)
}

fn version(program: &str, arguments: &[&str], least: [u32; 3]) -> Result<String, String> {
    let wanted = format!(
        "{program} {} or later is needed",
        least.map(|part| part.to_string()).join(".")
    );
    let found = process::read(Command::new(program).args(arguments).stderr(Stdio::null()))
        .map_err(|_| format!("{wanted}, and was not found"))?;
    // Maven resets the terminal's colour before it says anything.
    let found = found.trim().trim_start_matches("\u{1b}[0m");
    if parse(found) < least {
        return Err(format!("{wanted}, and {found} was found"));
    }
    Ok(found.into())
}

/// The first three numbers of a version, in whatever dress: `v20.18.1`, `go1.25`, `3.13.0rc1`.
fn parse(version: &str) -> [u32; 3] {
    let mut parts = version
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .split('.')
        .map(|part| {
            part.split(|c: char| !c.is_ascii_digit())
                .next()
                .and_then(|digits| digits.parse().ok())
        });
    [(); 3].map(|()| parts.next().flatten().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse("v20.18.1"), [20, 18, 1]);
        assert_eq!(parse("go1.25"), [1, 25, 0]);
        assert_eq!(parse("3.13.0rc1"), [3, 13, 0]);
        assert!(parse("3.9.2") < parse("3.10"));
    }

    #[test]
    fn a_missing_or_old_tool_gives_its_reason() {
        let missing = version("mintage-no-such-tool", &[], [1, 2, 3]);
        assert_eq!(
            missing,
            Err("mintage-no-such-tool 1.2.3 or later is needed, and was not found".into())
        );
        let coloured = version("printf", &["\\033[0m3.8.7\n"], [3, 6, 3]);
        assert_eq!(coloured, Ok("3.8.7".into()));
        let old = version("echo", &["v1.9.0"], [1, 25, 0]);
        assert_eq!(
            old,
            Err("echo 1.25.0 or later is needed, and v1.9.0 was found".into())
        );
    }
}
