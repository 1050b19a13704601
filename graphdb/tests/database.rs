//! The graph's behaviour, bug by bug.

mod scratch;

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use graphdb::{Child, Database, ErrorKind, Result, Text};
use grounds::tests;
use rusqlite::Connection;
use scratch::Scratch;

fn main() -> ExitCode {
    grounds::run(tests![
        a_new_graph_holds_its_root_only,
        an_alias_shows_what_is_below_the_entity,
        depth_limits_a_chain,
        a_path_is_set_once,
        a_failed_set_leaves_no_entity,
        cycles_are_refused,
        a_cycle_that_is_there_already_is_shown_and_not_entered,
        a_graph_of_diamonds_is_too_large_rather_than_endless,
        relative_paths_start_at_the_root,
        odd_names_and_ids_are_kept_as_they_are,
        deleting_takes_a_name_and_leaves_the_entity,
        purging_takes_the_names_above_and_below,
        the_root_can_not_be_purged,
        renaming_moves_what_is_below,
        absence_is_told_from_failure,
        a_walk_may_stop_and_may_change_the_graph,
        a_failed_foreign_key_is_not_a_taken_name,
        several_root_rows_are_read_as_one,
        a_purged_root_is_made_again,
        an_empty_file_is_a_new_graph,
        what_is_no_graph_is_refused_and_untouched,
        a_missing_directory_is_told_with_the_systems_reason,
        a_path_is_never_a_uri,
        a_file_name_need_not_be_utf8,
        a_locked_file_is_busy_after_the_timeout,
        a_change_waits_for_another_writer,
        a_database_can_go_to_another_thread,
    ])
}

/// `/webapp` and `/db` at the top; the database is also the web application's, under another name.
fn webapp() -> Result<Database> {
    let db = Database::open_in_memory()?;
    db.set("/webapp", "1")?;
    db.set("/db", "2")?;
    db.set("/webapp/postgres", "2")?;
    db.set("/webapp/logs", "3")?;
    db.set("/db/logs", "4")?;
    Ok(db)
}

fn a_new_graph_holds_its_root_only() -> Result<()> {
    let db = Database::open_in_memory()?;
    assert_eq!(db.root_entity().id(), "0");
    assert_eq!(db.get("/")?, Some(db.root_entity()));
    assert!(db.children("/", -1)?.is_empty());
    assert!(db.parents("/")?.is_empty());
    assert_eq!((db.refs("0")?, db.ref_paths("0")?.len()), (1, 0));
    Ok(())
}

fn an_alias_shows_what_is_below_the_entity() -> Result<()> {
    let db = webapp()?;
    assert_eq!(db.get("/webapp/postgres/logs")?.expect("there").id(), "4");
    assert_eq!(
        paths(&db.children("/", -1)?),
        ["/db", "/db/logs", "/webapp", "/webapp/logs", "/webapp/postgres", "/webapp/postgres/logs"]
    );
    assert_eq!(db.list("/webapp", 0)?.len(), 2);
    assert_eq!(db.list("/webapp", 1)?.len(), 3);
    let names = db.ref_paths("2")?;
    assert_eq!(names.iter().map(|edge| edge.name.to_string()).collect::<Vec<_>>(), ["db", "postgres"]);
    assert_eq!(names[1].parent.id(), "1");
    assert_eq!(
        db.parents("/webapp/postgres")?.iter().map(|e| e.id().to_string()).collect::<Vec<_>>(),
        ["0", "1"]
    );
    Ok(())
}

fn depth_limits_a_chain() -> Result<()> {
    let db = Database::open_in_memory()?;
    let mut path = String::new();
    for number in 1..=25 {
        path = format!("{path}/{number}");
        db.set(&path, number.to_string())?;
    }
    for (depth, count) in
        [(0, 1), (5, 6), (20, 21), (24, 25), (25, 25), (i32::MAX, 25), (-1, 25), (i32::MIN, 25)]
    {
        assert_eq!(db.children("/", depth)?.len(), count, "{depth}");
    }
    Ok(())
}

fn a_path_is_set_once() -> Result<()> {
    let db = webapp()?;
    for id in ["1", "9"] {
        let error = db.set("/webapp", id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(error.to_string(), r#"set "/webapp": "/webapp" exists"#);
    }
    assert_eq!(db.refs("9")?, 0);
    assert_eq!(db.purge("9")?, 0);
    Ok(())
}

fn a_failed_set_leaves_no_entity() -> Result<()> {
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let db = Database::open(&path)?;
    let error = db.set("/no/child", "1").unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, r#"set "/no/child": there is no "/no""#)
    );
    let entities: i64 =
        raw(&path).query_row("SELECT count(*) FROM entity", [], |row| row.get(0)).expect("counted");
    assert_eq!(entities, 1);
    Ok(())
}

fn cycles_are_refused() -> Result<()> {
    // 2014 refused an entity as its own child, and let it in by one step more: List never ended.
    let db = Database::open_in_memory()?;
    db.set("/a", "1")?;
    db.set("/b", "2")?;
    db.set("/a/b", "2")?;
    for (path, id) in [("/a/self", "1"), ("/b/a", "1"), ("/a/b/a", "1"), ("/a/root", "0"), ("/root", "0")] {
        assert_eq!(db.set(path, id).unwrap_err().kind(), ErrorKind::Cycle, "{path}");
    }
    assert_eq!(db.children("/", -1)?.len(), 3);
    Ok(())
}

fn a_cycle_that_is_there_already_is_shown_and_not_entered() -> Result<()> {
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let db = Database::open(&path)?;
    db.set("/a", "1")?;
    db.set("/a/b", "2")?;
    let cycle = "INSERT INTO edge (parent_id, name, entity_id) VALUES ('2', 'a', '1'), ('2', 'zero', '0')";
    raw(&path).execute_batch(cycle).expect("2014 could write this");
    assert_eq!(paths(&db.children("/", -1)?), ["/a", "/a/b", "/a/b/a", "/a/b/zero"]);
    assert_eq!(
        paths(&db.children("/a/b", -1)?),
        ["/a/b/a", "/a/b/a/b", "/a/b/zero", "/a/b/zero/a", "/a/b/zero/a/b"]
    );
    assert_eq!(db.set("/a/b/c", "1").unwrap_err().kind(), ErrorKind::Cycle);
    db.set("/c", "3")?;
    assert_eq!(db.purge("1")?, 3);
    Ok(())
}

fn a_graph_of_diamonds_is_too_large_rather_than_endless() -> Result<()> {
    let db = Database::open_in_memory()?;
    db.set("/0", "d0")?;
    let mut path = "/0".to_owned();
    for level in 1..=64 {
        db.set(format!("{path}/l"), format!("d{level}"))?;
        db.set(format!("{path}/r"), format!("d{level}"))?;
        path.push_str("/l");
    }
    assert_eq!(db.children("/", -1).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(db.children("/", 3)?.len(), 1 + 2 + 4 + 8);
    Ok(())
}

fn relative_paths_start_at_the_root() -> Result<()> {
    // In 2014 every path without a slash existed, and was the root.
    let db = webapp()?;
    assert!(!db.exists("x")?);
    assert_eq!(db.get("webapp/logs")?, db.get("/webapp/logs")?);
    assert_eq!(db.get("//webapp//logs/")?.expect("there").id(), "3");
    assert_eq!(db.set("", "9").unwrap_err().kind(), ErrorKind::InvalidPath, "2014 panicked");
    assert_eq!(db.set("/", "9").unwrap_err().kind(), ErrorKind::InvalidPath);
    Ok(())
}

fn odd_names_and_ids_are_kept_as_they_are() -> Result<()> {
    // 2014 cleaned full paths, so what was named ".." showed up as its grandparent.
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let names: [&[u8]; 11] =
        [b" ", b"\"'", b"%", b".", b"..", b"A", b"a", b"a\0b", b"a\nb", "n\u{e4}me".as_bytes(), b"\xff\xfe"];
    let ids: [&[u8]; 11] = [b"", b"-5", b"007", b"1e3", b"7", b"\xff", b"\0", b" ", b"'", b"NULL", b"x'00'"];
    {
        let db = Database::open(&path)?;
        for (name, id) in names.iter().zip(ids) {
            db.set(name, id)?;
        }
    }
    let db = Database::open(&path)?;
    let children = db.children("/", 0)?;
    let mut sorted: Vec<_> = names.iter().zip(ids).collect();
    sorted.sort_unstable();
    assert_eq!(children.len(), sorted.len());
    for (child, (name, id)) in children.iter().zip(sorted) {
        assert_eq!(child.path.as_bytes(), [b"/", *name].concat());
        assert_eq!((child.name.as_bytes(), child.id().as_bytes()), (*name, id));
        assert_eq!(db.get(&child.path)?.as_ref(), Some(&child.entity));
        assert_eq!(db.refs(child.id())?, 1);
    }
    let error = db.set("/a\nb", "1").unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    Ok(())
}

fn deleting_takes_a_name_and_leaves_the_entity() -> Result<()> {
    let db = webapp()?;
    assert!(db.delete("/webapp/postgres")?);
    assert!(!db.delete("/webapp/postgres")?, "deleting twice is no error");
    assert_eq!(db.refs("2")?, 1);
    assert_eq!(db.delete("/no/such").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(db.delete("/").unwrap_err().kind(), ErrorKind::InvalidPath);
    Ok(())
}

fn purging_takes_the_names_above_and_below() -> Result<()> {
    // Before 1.7 the names below stayed behind, and came back with the next entity of that id.
    let db = webapp()?;
    assert_eq!(db.purge("2")?, 3);
    assert_eq!(paths(&db.children("/", -1)?), ["/webapp", "/webapp/logs"]);
    assert_eq!(db.refs("4")?, 0);
    assert_eq!(db.purge("2")?, 0);
    db.set("/db", "2")?;
    assert!(db.children("/db", -1)?.is_empty());
    Ok(())
}

fn the_root_can_not_be_purged() -> Result<()> {
    // 2014 removed it, and with it the way to everything else.
    let db = webapp()?;
    assert_eq!(db.purge("0").unwrap_err().kind(), ErrorKind::InvalidPath);
    assert_eq!(db.children("/", -1)?.len(), 6);
    Ok(())
}

fn renaming_moves_what_is_below() -> Result<()> {
    let db = webapp()?;
    db.rename("/webapp", "/site")?;
    assert_eq!(db.get("/site/logs")?.expect("there").id(), "3");
    assert!(!db.exists("/webapp")?);
    db.rename("/site", "/site/")?;
    for (from, to, kind) in [
        ("/site", "/db", ErrorKind::AlreadyExists),
        ("/site", "/db/site", ErrorKind::InvalidPath),
        ("/", "/x", ErrorKind::InvalidPath),
        ("/site", "/", ErrorKind::InvalidPath),
        ("/none", "/x", ErrorKind::NotFound),
        ("/none/a", "/none/b", ErrorKind::NotFound),
    ] {
        assert_eq!(db.rename(from, to).unwrap_err().kind(), kind, "{from} to {to}");
    }
    assert_eq!(
        db.rename("/none", "/x").unwrap_err().to_string(),
        r#"rename "/none" to "/x": there is no "/none""#
    );
    Ok(())
}

fn absence_is_told_from_failure() -> Result<()> {
    // 2014 answered every error with an empty list, false or 0.
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let db = Database::open(&path)?;
    assert_eq!(db.list("/none", -1).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(db.parents("/none").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(db.get("/none")?, None);

    raw(&path).execute_batch("DROP TABLE edge").expect("dropped");
    assert!(db.get("/none").is_err());
    assert!(db.exists("/none").is_err());
    assert!(db.list("/", -1).is_err());
    assert!(db.refs("0").is_err());
    assert!(db.ref_paths("0").is_err());
    Ok(())
}

fn a_walk_may_stop_and_may_change_the_graph() -> Result<()> {
    let db = webapp()?;
    let mut seen = Vec::new();
    db.walk("/", -1, |child| {
        seen.push(child.path.clone());
        db.purge(child.id()).expect("the graph is not locked");
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    assert_eq!(seen, ["/db", "/db/logs", "/webapp"].map(Text::from));
    assert!(db.children("/", -1)?.is_empty());
    Ok(())
}

fn a_failed_foreign_key_is_not_a_taken_name() -> Result<()> {
    // 2014 looked for "constraint failed" at the end of the text, and so met this one too.
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let db = Database::open(&path)?;
    raw(&path)
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON edge BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END")
        .expect("made");
    let error = db.set("/a", "1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other, "{error}");
    Ok(())
}

fn several_root_rows_are_read_as_one() -> Result<()> {
    // The unique index lets them in, as a NULL parent equals no other.
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    Database::open(&path)?.set("/a", "1")?;
    raw(&path).execute_batch("INSERT INTO edge (entity_id, name) VALUES ('0', '/')").expect("inserted");
    let db = Database::open(&path)?;
    assert_eq!(paths(&db.children("/", -1)?), ["/a"]);
    assert!(db.parents("/")?.is_empty());
    Ok(())
}

fn a_purged_root_is_made_again() -> Result<()> {
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    Database::open(&path)?;
    raw(&path).execute_batch("DELETE FROM edge; DELETE FROM entity").expect("2014 could do this");
    let db = Database::open(&path)?;
    db.set("/a", "1")?;
    assert_eq!((db.refs("0")?, db.refs("1")?), (1, 1));
    Ok(())
}

fn an_empty_file_is_a_new_graph() -> Result<()> {
    let scratch = Scratch::new();
    let path = scratch.file("empty.db");
    fs::write(&path, "").expect("written");
    Database::open(&path)?.set("/a", "1")?;
    assert!(Database::open(&path)?.exists("/a")?);
    Ok(())
}

fn what_is_no_graph_is_refused_and_untouched() {
    let scratch = Scratch::new();
    let garbage = scratch.file("garbage.db");
    fs::write(&garbage, "this is no database ".repeat(100)).expect("written");
    let other = scratch.file("other.db");
    raw(&other)
        .execute_batch("CREATE TABLE entity (key text); INSERT INTO entity VALUES ('a')")
        .expect("made");
    for path in [&garbage, &other] {
        let before = fs::read(path).expect("read");
        let error = Database::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{error}");
        assert_eq!(fs::read(path).expect("read"), before);
    }
}

fn a_missing_directory_is_told_with_the_systems_reason() {
    assert_eq!(Database::open("/").unwrap_err().to_string(), r#"open graph "/": is a directory"#);
    let error = Database::open("/no/such/links.db").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.raw_os_error(), Some(2));
    assert_eq!(
        error.to_string(),
        r#"open graph "/no/such/links.db": No such file or directory (os error 2)"#
    );
    assert_eq!(
        Database::open("").unwrap_err().kind(),
        ErrorKind::Io,
        "SQLite would take it for a temporary file"
    );
}

fn a_path_is_never_a_uri() -> Result<()> {
    // This SQLite is built to read "file:…?mode=memory" as a URI, whatever the flags say.
    let scratch = Scratch::new();
    let from_here = std::env::current_dir().expect("somewhere");
    let up = "../".repeat(from_here.components().count() - 1);
    let relative =
        |name: &str| format!("{up}{}", scratch.file(name).strip_prefix("/").expect("absolute").display());
    for name in ["file:links?mode=memory", ":memory:", "a?b#c%20d"] {
        Database::open(scratch.file(name))?.set("/a", "1")?;
        assert!(scratch.file(name).is_file(), "{name}");
        assert!(Database::open(relative(name))?.exists("/a")?, "{name}");
    }
    // Relative names that begin so: the directory they would name doesn't exist.
    let error = Database::open("file:no/such").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(2), "{error}");
    assert!(!Path::new("file:no").exists());
    Ok(())
}

fn a_file_name_need_not_be_utf8() -> Result<()> {
    let scratch = Scratch::new();
    let path = scratch.file(std::ffi::OsStr::from_bytes(b"\xff.db"));
    Database::open(&path)?.set("/a", "1")?;
    assert!(path.is_file());
    Ok(())
}

fn a_locked_file_is_busy_after_the_timeout() -> Result<()> {
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let db = Database::open(&path)?;
    db.set_busy_timeout(Duration::from_millis(1))?;
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert_eq!(db.set("/a", "1").unwrap_err().kind(), ErrorKind::Busy);
    assert!(!db.exists("/a")?, "reading goes on");
    other.execute_batch("COMMIT").expect("unlocked");
    db.set("/a", "1")?;
    Ok(())
}

fn a_change_waits_for_another_writer() -> Result<()> {
    // Docker 17.03 read first and then came to write: SQLite fails that at once, whatever the timeout,
    // because two that wait so would wait for each other.
    let scratch = Scratch::new();
    let path = scratch.file("links.db");
    let db = Database::open(&path)?;
    db.set("/a", "1")?;
    db.set("/a/b", "2")?;
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE; UPDATE edge SET name = 'c' WHERE name = 'b'").expect("locked");
    let renamed = std::thread::spawn(move || db.rename("/a/c", "/a/d").and_then(|()| db.exists("/a/d")));
    std::thread::sleep(Duration::from_millis(50));
    other.execute_batch("COMMIT").expect("unlocked");
    assert!(renamed.join().expect("no panic")?);
    Ok(())
}

fn a_database_can_go_to_another_thread() {
    fn check<T: Send>() {}
    check::<Database>();
}

fn paths(children: &[Child]) -> Vec<String> {
    children.iter().map(|child| child.path.to_string()).collect()
}

fn raw(path: &Path) -> Connection {
    Connection::open(path).expect("opened")
}
