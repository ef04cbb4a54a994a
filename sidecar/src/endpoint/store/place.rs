use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where a store is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file of `SQLite`, which is made if it is missing: `sqlite:<path>`. Nobody else may have it open for long.
    File(PathBuf),
    /// In this process, and gone with it: `memory`.
    Memory,
    /// A database of `PostgreSQL`: `postgres://<user>@<host>/<database>`.
    Postgres(PostgresUrl),
}

/// How a `PostgreSQL` is reached.
///
/// The parameters are those of libpq that sqlx knows: `host` (also the folder of a Unix socket), `port`, `sslmode`, `sslrootcert`,
/// `sslcert`, `sslkey`. A password is better not written into the URL: it is also read from `PGPASSWORD`, and from the file
/// that `PGPASSFILE` names. Without an `sslmode`, or with one that an attacker on the way can talk down (`allow`, `prefer`),
/// the certificate is verified (`verify-full`), unless the database is on this machine.
#[derive(Clone)]
pub struct PostgresUrl(Box<PgConnectOptions>);

/// A text that is no place.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPlace {
    /// It begins in none of the known ways.
    #[error("a store is `memory`, `sqlite:<path>`, or `postgres://<user>@<host>/<database>`")]
    Unknown,
    /// It is a URL that cannot be read. What it is is not told: it may have a password.
    #[error(
        "the URL of the PostgreSQL cannot be read: {0}; write postgres://<user>@<host>/<database>?sslrootcert=<file>"
    )]
    Url(String),
}

/// It is not the place that the store is at, but another one, where none of what it knows is.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "this is another store than the one that is in use, which goes on being used: start the endpoint anew to move to it"
)]
pub struct Moved;

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.parse()?)),
            _ => Err(InvalidPlace::Unknown),
        }
    }
}

impl FromStr for PostgresUrl {
    type Err = InvalidPlace;

    fn from_str(url: &str) -> Result<Self, InvalidPlace> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|error: sqlx::Error| InvalidPlace::Url(error.to_string()))?;
        let local = options.get_socket().is_some() || is_local(options.get_host());
        let asked = options.get_ssl_mode();
        let mode = match asked {
            PgSslMode::Allow | PgSslMode::Prefer if local => PgSslMode::Disable,
            PgSslMode::Allow | PgSslMode::Prefer => PgSslMode::VerifyFull,
            _ => asked,
        };
        Ok(Self(Box::new(options.ssl_mode(mode))))
    }
}

impl PostgresUrl {
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.0
    }

    /// Whether it leads to where other options lead, be it as another user or with other certificates.
    pub(super) fn leads_to(&self, other: &PgConnectOptions) -> bool {
        let place = |options: &PgConnectOptions| {
            let socket = options.get_socket().cloned();
            let host = socket.is_none().then(|| options.get_host().to_owned());
            let database = options.get_database();
            let database = database.unwrap_or(options.get_username()).to_owned();
            (socket, host, options.get_port(), database)
        };
        place(&self.0) == place(other)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options have the password.
        f.write_str("PostgresUrl(…)")
    }
}

/// A host of which no packet leaves this machine; one that begins with a slash is the folder of a socket.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/')
        || host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> &'static str {
        match url.parse::<PostgresUrl>().unwrap().options().get_ssl_mode() {
            PgSslMode::Disable => "disable",
            PgSslMode::Require => "require",
            PgSslMode::VerifyCa => "verify-ca",
            PgSslMode::VerifyFull => "verify-full",
            PgSslMode::Allow | PgSslMode::Prefer => "as the attacker likes",
        }
    }

    #[test]
    fn a_certificate_is_verified_unless_the_database_is_here_or_the_admin_says_otherwise() {
        for (url, expected) in [
            ("postgres://mintage@db.example.com/mintage", "verify-full"),
            (
                "postgres://mintage@db.example.com/mintage?sslmode=prefer",
                "verify-full",
            ),
            (
                "postgres://mintage@db.example.com/mintage?sslmode=allow",
                "verify-full",
            ),
            (
                "postgres://mintage@127.0.0.1.example.com/mintage",
                "verify-full",
            ),
            ("postgres://mintage@10.0.0.1/mintage", "verify-full"),
            (
                "postgres://mintage@db.example.com/mintage?sslmode=verify-ca",
                "verify-ca",
            ),
            (
                "postgres://mintage@db.example.com/mintage?sslmode=require",
                "require",
            ),
            (
                "postgres://mintage@db.example.com/mintage?sslmode=disable",
                "disable",
            ),
            ("postgres://mintage@127.0.0.1/mintage", "disable"),
            ("postgres://mintage@[::1]/mintage", "disable"),
            ("postgres://mintage@localhost/mintage", "disable"),
            (
                "postgres:///mintage?user=mintage&host=/run/postgresql",
                "disable",
            ),
            (
                "postgres://mintage@localhost/mintage?sslmode=verify-full",
                "verify-full",
            ),
        ] {
            assert_eq!(mode(url), expected, "{url}");
        }
    }

    #[test]
    fn a_place_is_memory_a_file_or_a_url() {
        assert!(matches!("memory".parse(), Ok(Place::Memory)));
        assert!(
            matches!("sqlite:/var/lib/m.db".parse(), Ok(Place::File(path)) if path.ends_with("lib/m.db"))
        );
        for url in ["postgres://db/m", "postgresql://db/m"] {
            assert!(matches!(url.parse(), Ok(Place::Postgres(_))), "{url}");
        }
        for text in ["", "Memory", "sqlite:", "mysql://db/m", "/var/lib/m.db"] {
            assert!(
                matches!(text.parse::<Place>(), Err(InvalidPlace::Unknown)),
                "{text}"
            );
        }
    }

    #[test]
    fn another_password_or_user_leads_to_the_same_place_and_another_database_does_not() {
        let url = |text: &str| text.parse::<PostgresUrl>().unwrap();
        let known = url("postgres://m:first@db.example.com/m");
        for (text, same) in [
            ("postgres://m:second@db.example.com/m", true),
            ("postgres://n:second@db.example.com:5432/m", true),
            ("postgres://m:first@db.example.com", true),
            ("postgres://m@db.example.com/m?sslrootcert=/ca.pem", true),
            ("postgres://n:first@db.example.com", false),
            ("postgres://m:first@db.example.com/other", false),
            ("postgres://m:first@db.example.com:5433/m", false),
            ("postgres://m:first@db2.example.com/m", false),
            (
                "postgres://m:first@db.example.com/m?host=/run/postgresql",
                false,
            ),
        ] {
            assert_eq!(url(text).leads_to(known.options()), same, "{text}");
        }
    }

    #[test]
    fn nothing_tells_a_password() {
        let place: Place = "postgres://m:hunter2@db.example.com/m".parse().unwrap();
        assert_eq!(format!("{place:?}"), "Postgres(PostgresUrl(…))");
        let error = "postgres://m:hunter2@db:port/m"
            .parse::<Place>()
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
