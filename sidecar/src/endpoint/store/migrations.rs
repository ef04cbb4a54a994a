//! The schemas, in steps. A step that was released never changes: its checksum is in every store.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::Error;

/// The steps for `SQLite`.
pub fn sqlite() -> Migrator {
    migrator([
        include_str!("migrations/0001_sqlite.sql"),
        include_str!("migrations/0002_sqlite.sql"),
        include_str!("migrations/0003_sqlite.sql"),
        include_str!("migrations/0004_sqlite.sql"),
        include_str!("migrations/0005_sqlite.sql"),
    ])
}

/// The same steps for `PostgreSQL`.
pub fn postgres() -> Migrator {
    migrator([
        include_str!("migrations/0001_postgres.sql"),
        include_str!("migrations/0002_postgres.sql"),
        include_str!("migrations/0003_postgres.sql"),
        include_str!("migrations/0004_postgres.sql"),
        include_str!("migrations/0005_postgres.sql"),
    ])
}

fn migrator<const N: usize>(steps: [&'static str; N]) -> Migrator {
    let steps = (1..).zip(steps).map(|(version, sql)| {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(
            version,
            Cow::Borrowed("mintage"),
            MigrationType::Simple,
            sql,
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::Dirty(_) => Self::Damaged(error.into()),
            _ => Self::Incompatible(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_differ_in_the_names_of_types_only() {
        let (sqlite, postgres) = (sqlite(), postgres());
        for (sqlite, postgres) in sqlite.iter().zip(postgres.iter()) {
            let translated = sqlite
                .sql
                .as_str()
                .replace(" INTEGER", " BIGINT")
                .replace(" BLOB", " BYTEA")
                .replace(") STRICT;", ");");
            assert_eq!(translated, postgres.sql.as_str());
        }
        assert_eq!(sqlite.iter().count(), postgres.iter().count());
    }
}
