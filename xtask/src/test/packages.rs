//! Programs of the system, which Debian has as packages.

use std::path::Path;
use std::process::Command;

use crate::process;
use crate::progress::say;

/// Finds a program, and installs its package where that can do no harm.
pub fn find(program: &str, package: &str) -> Result<String, String> {
    if process::find(program).is_none() {
        install(package).map_err(|reason| {
            format!("{program} was not found, and {reason}; `apt-get install {package}` installs it on Debian")
        })?;
    }
    let path = process::find(program)
        .ok_or_else(|| format!("the package {package} has no program {program}"))?;
    path.into_os_string()
        .into_string()
        .map_err(|path| format!("{} is not UTF-8", path.display()))
}

/// Installs a package as root of a container. On a machine with an init system a package may start a service, and that
/// is for its owner to decide.
fn install(package: &str) -> Result<(), String> {
    if process::find("apt-get").is_none() {
        return Err("there is no apt-get here".into());
    }
    if !rustix::process::geteuid().is_root() {
        return Err("only root can install it".into());
    }
    if Path::new("/run/systemd/system").exists() {
        return Err("it is not installed unasked beside running services".into());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["--quiet", "--quiet", "--yes"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut command).is_ok_and(|done| done)
    };
    say(format_args!("installing the Debian package {package}"))
        .map_err(|error| error.to_string())?;
    let install = ["install", "--no-install-recommends", package];
    // The lists may be missing, or older than the archive.
    if apt(&install) || apt(&["update"]) && apt(&install) {
        Ok(())
    } else {
        Err("apt-get could not install it".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_is_not_installed() {
        assert!(find("sh", "dash").unwrap().ends_with("/sh"));
    }
}
