use std::error::Error as StdError;
use std::io;

/// Why the store gave no answer. Nothing may be given out on the strength of what it did not say: the caller refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is random was there before.
    #[error(
        "a value that should be random is in the store already; if this is seen twice, this machine's random numbers are not random"
    )]
    Clash,
    /// What is stored cannot be what was written.
    #[error(
        "the store is damaged: {0}; restore it from a backup, or begin with an empty one, and everybody signs in again"
    )]
    Damaged(#[source] Cause),
    /// Another version of Mintage made the schema.
    #[error(
        "the store's schema is not this version's: {0}; run the version of Mintage that wrote it, or a newer one"
    )]
    Incompatible(#[source] Cause),
    /// It may work later; whether a change was made is not known.
    #[error(
        "the store cannot be used now: {0}; see that the database runs and can be reached, takes this user, and has room on its disk"
    )]
    Unavailable(#[source] Cause),
    /// The database could not show by its certificate who it is.
    #[error(
        "the database's certificate is not trusted: {0}; name the file of its authority in the URL (`sslrootcert=…`), and the host as the certificate does"
    )]
    Untrusted(#[source] Cause),
}

/// What another library said.
pub type Cause = Box<dyn StdError + Send + Sync>;

impl Error {
    /// Its kind by name, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clash => "clash",
            Self::Damaged(_) => "damaged",
            Self::Incompatible(_) => "incompatible",
            Self::Unavailable(_) => "unavailable",
            Self::Untrusted(_) => "untrusted",
        }
    }

    /// The system has no randomness, so that nothing can be kept under a secret.
    pub fn without_randomness() -> Self {
        Self::Unavailable("this machine has no random numbers".into())
    }

    /// Something that is not where it was written, or not as it was written.
    pub fn damaged(what: impl Into<Cause>) -> Self {
        Self::Damaged(what.into())
    }

    /// Something that took too long, or that cannot be reached.
    pub(super) fn unavailable(what: impl Into<Cause>) -> Self {
        Self::Unavailable(what.into())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Clash,
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| means_damage(&code)) =>
            {
                Self::Damaged(error.into())
            }
            sqlx::Error::Tls(_) => Self::Untrusted(error.into()),
            sqlx::Error::Io(io) if is_of_tls(io) => Self::Untrusted(error.into()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. } => Self::Damaged(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

/// A handshake that failed at what the other side showed, and not at the connection.
fn is_of_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// A code of `SQLite` (its result codes; the lower byte is the kind) or of `PostgreSQL` (five characters) that waiting does
/// not mend: pages that are no database, tables or columns that are gone.
fn means_damage(code: &str) -> bool {
    const ERROR: u32 = 1;
    const CORRUPT: u32 = 11;
    const CONSTRAINT: u32 = 19;
    const NOT_A_DATABASE: u32 = 26;
    if code.len() == 5 {
        return ["XX001", "XX002"].contains(&code) || code.starts_with("42") && code != "42501";
    }
    code.parse::<u32>()
        .is_ok_and(|code| [ERROR, CORRUPT, CONSTRAINT, NOT_A_DATABASE].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_mends_a_full_disk_and_not_a_damaged_one() {
        // SQLITE_CORRUPT_INDEX, SQLITE_NOTADB; data_corrupted, undefined_table.
        for code in ["779", "26", "XX001", "42P01"] {
            assert!(means_damage(code), "{code}");
        }
        // SQLITE_FULL, SQLITE_BUSY, SQLITE_IOERR_WRITE; disk_full, query_canceled, insufficient_privilege.
        for code in ["13", "5", "778", "53100", "57014", "42501"] {
            assert!(!means_damage(code), "{code}");
        }
    }

    #[test]
    fn each_error_says_what_to_do() {
        let error = Error::from(sqlx::Error::PoolTimedOut);
        assert_eq!(
            error.to_string(),
            "the store cannot be used now: pool timed out while waiting for an open connection; see that the database \
             runs and can be reached, takes this user, and has room on its disk"
        );
        assert!(matches!(
            Error::from(sqlx::Error::RowNotFound),
            Error::Damaged(_)
        ));
        let tls = sqlx::Error::Tls("UnknownIssuer".into());
        assert!(Error::from(tls).to_string().contains("sslrootcert"));
    }
}
