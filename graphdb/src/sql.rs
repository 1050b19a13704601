//! Text to and from SQLite as bytes: rusqlite's own conversions want UTF-8.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Result, Row};

use crate::Text;

/// Bytes that go into a column of text as they are.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl ToSql for Bytes<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// Reads a column of text, whatever its bytes.
pub(crate) fn text(row: &Row<'_>, column: usize) -> Result<Text> {
    let value = row.get_ref(column)?;
    let bytes = value.as_bytes().map_err(|_| {
        rusqlite::Error::InvalidColumnType(
            column,
            row.as_ref().column_name(column).map_or_else(|_| String::new(), str::to_owned),
            value.data_type(),
        )
    })?;
    Ok(bytes.into())
}
