//! Names for entities: `cargo run --example graph`.
//!
//! The entities live in a database as Docker kept it: every name is a path, and an entity may have
//! several.

use graphdb::Database;

fn main() -> graphdb::Result<()> {
    let path = std::env::temp_dir().join(format!("graph-{}.db", std::process::id()));
    let shown = show(&path);
    let _ = std::fs::remove_file(&path);
    shown
}

fn show(path: &std::path::Path) -> graphdb::Result<()> {
    let db = Database::open(path)?;
    db.set("/parent", "momma")?;
    db.set("/parent/child", "matt")?;
    db.set("/parent/other", "koye")?;
    for child in db.children("/parent", -1)? {
        println!("{}", child.id());
    }
    db.close()
}
