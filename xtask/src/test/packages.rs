//! Programs of the system, which Debian has as packages.

use std::fs;
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

/// Finds the newest `PostgreSQL`, or installs one. Debian keeps its programs out of the way: each version's in a folder of
/// its own.
pub fn postgres() -> Result<String, String> {
    const PACKAGE: &str = "postgresql-15";
    let versions = Path::new("/usr/lib/postgresql");
    if let Some(program) = newest_postgres(versions) {
        return Ok(program);
    }
    install(PACKAGE).map_err(|reason| {
        format!("PostgreSQL was not found, and {reason}; `apt-get install {PACKAGE}` installs it on Debian")
    })?;
    newest_postgres(versions)
        .ok_or_else(|| format!("the package {PACKAGE} has no program postgres"))
}

/// The server of the highest version that can also make a database.
fn newest_postgres(versions: &Path) -> Option<String> {
    let versions = fs::read_dir(versions).ok()?.filter_map(Result::ok);
    let whole = versions.filter_map(|version| {
        let bin = version.path().join("bin");
        let whole = bin.join("initdb").exists() && bin.join("postgres").exists();
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        whole.then_some((number, bin.join("postgres")))
    });
    let (_, program) = whole.max()?;
    program.into_os_string().into_string().ok()
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

    #[test]
    fn of_several_postgres_the_newest_whole_one_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_postgres(dir.path()), None);
        // The client's package has a folder, too, without the server.
        for (version, programs) in [
            ("9", &["initdb", "postgres"][..]),
            ("15", &["initdb", "postgres"]),
            ("17", &["psql"]),
        ] {
            let bin = dir.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
        }
        let newest = newest_postgres(dir.path()).unwrap();
        assert!(newest.ends_with("/15/bin/postgres"), "{newest}");
    }
}
