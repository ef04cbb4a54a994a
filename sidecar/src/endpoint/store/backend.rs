//! What the two databases have in common: statements with numbered parameters (`$1`), rows, and work that is done as a
//! whole or not at all.

use async_trait::async_trait;
use mintage_core::UnixTime;

use super::{Digest, Error, FamilyId, Moved, Place};

/// A value on its way in or out.
pub enum Value {
    /// `BLOB` or `BYTEA`.
    Bytes(Option<Vec<u8>>),
    /// `INTEGER` or `BIGINT`.
    Int(Option<i64>),
    /// `NULL` of a column whose kind `SQLite` does not say.
    Nothing,
    /// `TEXT`.
    Text(Option<String>),
}

impl From<&Digest> for Value {
    fn from(digest: &Digest) -> Self {
        Self::Bytes(Some(digest.bytes().to_vec()))
    }
}

impl From<Option<Digest>> for Value {
    fn from(digest: Option<Digest>) -> Self {
        Self::Bytes(digest.map(|digest| digest.bytes().to_vec()))
    }
}

impl From<&FamilyId> for Value {
    fn from(id: &FamilyId) -> Self {
        Self::Bytes(Some(id.bytes().to_vec()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<UnixTime> for Value {
    fn from(time: UnixTime) -> Self {
        Self::Int(Some(time.0))
    }
}

impl From<Option<UnixTime>> for Value {
    fn from(time: Option<UnixTime>) -> Self {
        Self::Int(time.map(|time| time.0))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

/// A statement and its parameters.
pub struct Statement {
    pub sql: &'static str,
    pub values: Vec<Value>,
}

/// A statement, then what stands for `$1`, `$2` and so on.
macro_rules! statement {
    ($sql:expr $(, $value:expr)* $(,)?) => {
        $crate::endpoint::store::backend::Statement {
            sql: $sql,
            values: vec![$($value.into()),*],
        }
    };
}
pub(super) use statement;

/// A row, read from its first column to its last.
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column as so many bytes.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.optional_bytes()?.ok_or_else(misread)
    }

    /// The same, where there may be none.
    pub fn optional_bytes<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Error> {
        match self.0.next() {
            Some(Value::Bytes(Some(bytes))) => bytes.try_into().map(Some).map_err(|_| misread()),
            Some(Value::Bytes(None) | Value::Nothing) => Ok(None),
            _ => Err(misread()),
        }
    }

    /// The next column as a time.
    pub fn time(&mut self) -> Result<UnixTime, Error> {
        self.optional_time()?.ok_or_else(misread)
    }

    /// The same, where there may be none.
    pub fn optional_time(&mut self) -> Result<Option<UnixTime>, Error> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number.map(UnixTime)),
            Some(Value::Nothing) => Ok(None),
            _ => Err(misread()),
        }
    }

    /// The next column as text.
    pub fn text(&mut self) -> Result<String, Error> {
        match self.0.next() {
            Some(Value::Text(Some(text))) => Ok(text),
            _ => Err(misread()),
        }
    }
}

fn misread() -> Error {
    Error::damaged("a column does not hold what was written there")
}

/// A database.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Reads.
    async fn read(&self, statement: Statement) -> Result<Vec<Row>, Error>;

    /// Writes with one statement, which is atomic by itself; the rows that it returns.
    async fn write(&self, statement: Statement) -> Result<Vec<Row>, Error>;

    /// Begins work of several statements. Of those who begin work on one topic, each sees what the one before it did.
    async fn begin(&self, topic: &str) -> Result<Box<dyn Work>, Error>;

    /// Takes up another way to the same place.
    fn take_up(&self, _place: &Place) -> Result<(), Moved> {
        Err(Moved)
    }

    /// Whether it can be written to.
    async fn check(&self) -> Result<(), Error>;

    /// Closes all connections.
    async fn close(&self);
}

/// Work of several statements; none of it was done if it is dropped.
#[async_trait]
pub trait Work: Send {
    /// Does one statement of it; the rows that it returns.
    async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, Error>;

    /// Has it done. After an error nobody knows whether it was.
    async fn commit(self: Box<Self>) -> Result<(), Error>;
}

/// The functions that differ between the databases in nothing but types: `rows` does a statement on a connection.
macro_rules! rows_of {
    ($database:ty, $connection:ty, $row:ty) => {
        async fn rows(
            connection: &mut $connection,
            statement: Statement,
        ) -> Result<Vec<Row>, sqlx::Error> {
            let mut query = sqlx::query::<$database>(statement.sql);
            for value in statement.values {
                query = match value {
                    Value::Bytes(bytes) => query.bind(bytes),
                    Value::Int(number) => query.bind(number),
                    Value::Nothing => query.bind(None::<i64>),
                    Value::Text(text) => query.bind(text),
                };
            }
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(row).collect()
        }

        fn row(row: &$row) -> Result<Row, sqlx::Error> {
            let value = |index| {
                Ok(match row.try_get_raw(index)?.type_info().name() {
                    "BLOB" | "BYTEA" => Value::Bytes(row.try_get(index)?),
                    "INT8" | "INTEGER" => Value::Int(row.try_get(index)?),
                    "TEXT" => Value::Text(row.try_get(index)?),
                    _ => Value::Nothing,
                })
            };
            let values: Result<_, sqlx::Error> = (0..row.len()).map(value).collect();
            Ok(Row::new(values?))
        }
    };
}
pub(super) use rows_of;
