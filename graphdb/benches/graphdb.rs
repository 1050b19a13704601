//! Names set and listed, against the bare SQL.

use divan::Bencher;
use graphdb::Database;
use rusqlite::Connection;

const COUNT: usize = 1000;

fn main() {
    divan::main();
}

fn filled() -> Database {
    let db = Database::open_in_memory().expect("memory");
    for number in 1..=COUNT {
        db.set(format!("/{number}"), number.to_string()).expect("a new name");
    }
    db
}

fn bare() -> Connection {
    let raw = Connection::open_in_memory().expect("memory");
    raw.execute_batch(
        "CREATE TABLE entity (id text NOT NULL PRIMARY KEY);
         CREATE TABLE edge (entity_id text NOT NULL, parent_id text NULL, name text NOT NULL);
         CREATE UNIQUE INDEX name_parent_ix ON edge (parent_id, name)",
    )
    .expect("a new database");
    raw
}

fn fill(raw: &Connection) {
    for number in 1..=COUNT {
        let number = number.to_string();
        let run = |sql: &str| raw.prepare_cached(sql).and_then(|mut sql| sql.execute([&number]));
        raw.execute_batch("BEGIN IMMEDIATE").expect("begun");
        run("INSERT INTO entity (id) VALUES (?1)").expect("a new id");
        run("INSERT INTO edge (parent_id, name, entity_id) VALUES ('0', ?1, ?1)").expect("a new name");
        raw.execute_batch("COMMIT").expect("committed");
    }
}

#[divan::bench]
fn set(bencher: Bencher) {
    bencher.bench_local(filled);
}

#[divan::bench]
fn set_bare(bencher: Bencher) {
    bencher.bench_local(|| fill(&bare()));
}

#[divan::bench]
fn children(bencher: Bencher) {
    let db = filled();
    bencher.bench_local(|| db.children("/", -1).expect("listed").len());
}

#[divan::bench]
fn children_bare(bencher: Bencher) {
    let raw = bare();
    fill(&raw);
    let sql = "WITH RECURSIVE below (id, path) AS (VALUES ('0', '') UNION ALL
        SELECT entity_id, path || '/' || name FROM edge JOIN below ON parent_id = id) SELECT id, path FROM below";
    bencher.bench_local(|| {
        let mut statement = raw.prepare_cached(sql).expect("sql");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("run");
        rows.collect::<Result<Vec<(String, String)>, _>>().expect("read").len()
    });
}
