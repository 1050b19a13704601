//! The tables, byte for byte as Docker made them from 2014 to 2017.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Cause, ErrorKind};

/// The id of the root.
pub(crate) const ROOT: &str = "0";

// SQLite keeps the text of these in the file, so the white space is Docker's too.
const TABLES: &str = r#"
    CREATE TABLE IF NOT EXISTS entity (
        id text NOT NULL PRIMARY KEY
    );
    CREATE TABLE IF NOT EXISTS edge (
        "entity_id" text NOT NULL,
        "parent_id" text NULL,
        "name" text NOT NULL,
        CONSTRAINT "parent_fk" FOREIGN KEY ("parent_id") REFERENCES "entity" ("id"),
        CONSTRAINT "entity_fk" FOREIGN KEY ("entity_id") REFERENCES "entity" ("id")
        );
    CREATE UNIQUE INDEX IF NOT EXISTS "name_parent_ix" ON "edge" (parent_id, name);
"#;

/// Makes the tables and the root where they are missing. A complete file is not written to.
pub(crate) fn prepare(connection: &Connection) -> Result<(), Cause> {
    if has_tables(connection)? && has_root(connection)? {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES).map_err(foreign)?;
    check_columns(&transaction)?;
    transaction.execute("INSERT OR IGNORE INTO entity (id) VALUES (?1)", [ROOT])?;
    // The unique index lets any number of these in: a NULL parent equals no other.
    transaction.execute(
        "INSERT INTO edge (entity_id, name) SELECT ?1, '/'
         WHERE NOT EXISTS (SELECT 1 FROM edge WHERE entity_id = ?1 AND parent_id IS NULL)",
        [ROOT],
    )?;
    Ok(transaction.commit()?)
}

fn has_tables(connection: &Connection) -> Result<bool, Cause> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_master WHERE (type = 'table' AND name IN ('entity', 'edge'))
         OR (type = 'index' AND name = 'name_parent_ix')",
        [],
        |row| row.get(0),
    )?;
    Ok(count == 3)
}

fn has_root(connection: &Connection) -> Result<bool, Cause> {
    check_columns(connection)?;
    Ok(connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM entity WHERE id = ?1)
         AND EXISTS (SELECT 1 FROM edge WHERE parent_id IS NULL AND name = '/' AND entity_id = ?1)",
        [ROOT],
        |row| row.get(0),
    )?)
}

/// Refuses a file whose tables have our names and another shape.
fn check_columns(connection: &Connection) -> Result<(), Cause> {
    for columns in ["SELECT id FROM entity", "SELECT entity_id, parent_id, name FROM edge"] {
        connection.prepare(columns).map_err(foreign)?;
    }
    Ok(())
}

/// Tells what SQLite's general error means for these statements: a column is not there.
fn foreign(error: rusqlite::Error) -> Cause {
    match Cause::from(error) {
        cause if cause.kind() == ErrorKind::Other => {
            Cause::new(ErrorKind::Unreadable, "its tables are not those of a link graph")
        }
        cause => cause,
    }
}
