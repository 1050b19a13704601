//! Files that Docker's own code wrote, and what it answered about them.
//!
//! `NAME-VERSION.db` is the file, `.ops.json` the calls that made it, `.answers.json` what Docker of
//! that version answered. Where this crate answers otherwise, the difference is spelled out here.

mod scratch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use graphdb::{Child, Database, Edge, Entity, ErrorKind};
use grounds::tests;
use rusqlite::Connection;
use rusqlite::types::Value as Column;
use scratch::Scratch;
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    grounds::run(tests![
        the_schema_is_dockers_byte_for_byte,
        the_same_calls_give_the_same_results_and_the_same_tables,
        dockers_files_are_read_as_docker_read_them,
        our_files_give_dockers_answers,
        dockers_files_are_written_to,
        the_dangling_edge_of_an_old_purge_is_read_around_and_purged,
    ])
}

const FILES: [&str; 7] = [
    "aliases-v1.1.2",
    "aliases-v17.03.0",
    "deep-v1.1.2",
    "renamed-v1.1.2",
    "renamed-v17.03.0",
    "ten-v1.1.2",
    "ten-v17.03.0",
];

/// The entity that Docker's `Set("/queue/", …)` put below `/queue` without a name.
const NAMELESS: &str = "0000000000000000000000000000000000000000000000005c55827df2f4f70b";

fn the_schema_is_dockers_byte_for_byte() {
    let scratch = Scratch::new();
    let ours = scratch.file("ours.db");
    Database::open(&ours).expect("a new file").close().expect("closed");
    for file in FILES {
        assert_eq!(schema(&ours), schema(&fixture(file, "db")), "{file}");
    }
}

fn the_same_calls_give_the_same_results_and_the_same_tables() {
    // Dangling edges that Purge left before 1.7 are not left, so that file equals the later one.
    let pairs = [
        ("ten-v1.1.2", "ten-v1.1.2"),
        ("ten-v1.1.2", "ten-v17.03.0"),
        ("aliases-v1.1.2", "aliases-v1.1.2"),
        ("aliases-v1.1.2", "aliases-v17.03.0"),
        ("deep-v1.1.2", "deep-v1.1.2"),
        ("renamed-v1.1.2", "renamed-v17.03.0"),
    ];
    for (calls, result) in pairs {
        let scratch = Scratch::new();
        let ours = scratch.file("ours.db");
        let db = Database::open(&ours).expect("a new file");
        for call in json(&fixture(calls, "ops.json")).as_array().expect("a list") {
            replay(&db, &ours, call);
        }
        db.close().expect("closed");
        assert_eq!(tables(&ours), tables(&fixture(result, "db")), "{calls}");
    }
}

fn dockers_files_are_read_as_docker_read_them() {
    for file in FILES {
        let scratch = Scratch::new();
        let path = scratch.file("copy.db");
        fs::copy(fixture(file, "db"), &path).expect("copied");
        let db = Database::open(&path).expect(file);
        check_answers(&db, &json(&fixture(file, "answers.json")), file);
        db.close().expect("closed");
        assert_eq!(fs::read(&path).expect("read"), fs::read(fixture(file, "db")).expect("read"), "untouched");
    }
}

fn our_files_give_dockers_answers() {
    for name in ["ten", "aliases", "deep"] {
        let calls = format!("{name}-v1.1.2");
        let scratch = Scratch::new();
        let ours = scratch.file("ours.db");
        let db = Database::open(&ours).expect("a new file");
        for call in json(&fixture(&calls, "ops.json")).as_array().expect("a list") {
            replay(&db, &ours, call);
        }
        check_answers(&db, &json(&fixture(&calls, "answers.json")), name);
    }
}

fn dockers_files_are_written_to() {
    for file in FILES {
        let scratch = Scratch::new();
        let path = scratch.file("copy.db");
        fs::copy(fixture(file, "db"), &path).expect("copied");
        let db = Database::open(&path).expect(file);
        let before = db.children("/", -1).expect("listed").len();
        db.set("/new", "n").expect("set");
        db.set("/new/child", "c").expect("set");
        db.rename("/new", "/renamed").expect("renamed");
        assert_eq!(db.get("/renamed/child").expect("read").expect("it is there").id(), "c");
        assert_eq!(db.purge("n").expect("purged"), 2);
        assert_eq!(db.purge("c").expect("purged"), 0);
        assert_eq!(db.children("/", -1).expect("listed").len(), before);
        drop(db);
        let check: String = Connection::open(&path)
            .and_then(|raw| raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
            .expect("checked");
        assert_eq!(check, "ok", "{file}");
    }
}

fn the_dangling_edge_of_an_old_purge_is_read_around_and_purged() {
    // Purge before Docker 1.7 left the edges below the purged entity: with foreign keys on, as this
    // SQLite is built, even removing them failed.
    const GONE: &str = "0000000000000000000000000000000000000000000000003c6ef372ffb83d91";
    const LOGS: &str = "000000000000000000000000000000000000000000000000b54cda58fce22de5";
    let scratch = Scratch::new();
    let path = scratch.file("copy.db");
    fs::copy(fixture("renamed-v1.1.2", "db"), &path).expect("copied");
    let db = Database::open(&path).expect("opened");
    assert_eq!(db.refs(LOGS).expect("counted"), 2);
    assert_eq!(db.purge(GONE).expect("purged"), 1);
    assert_eq!(db.refs(LOGS).expect("counted"), 1);
}

/// Makes one of Docker's calls, and compares with what it returned.
fn replay(db: &Database, path: &Path, call: &Value) {
    let args: Vec<&str> = call["args"].as_array().expect("a list").iter().map(string).collect();
    let expected = string(&call["result"]);
    let result = match (string(&call["op"]), args.as_slice()) {
        ("Set", ["/queue/", id]) => {
            // A trailing slash was an empty name: the edge is written as Docker left it.
            assert_eq!(db.set("/queue/", id).unwrap_err().kind(), ErrorKind::AlreadyExists);
            return set_nameless(path, id);
        }
        ("Set", [path, id]) => db.set(path, id).map(|entity| entity.id().to_string()),
        // The first element of a relative path was skipped; now it counts.
        ("Get", ["web"]) => return assert_eq!(id_at(db, "web"), id_at(db, "/web")),
        ("Get", ["zzz" | "zzz/web"]) => return assert_eq!(id_at(db, args[0]), None),
        ("Exists", ["zzz" | "zzz/web"]) => return assert!(!db.exists(args[0]).expect("read")),
        ("Get", [path]) => db.get(path).map(|entity| entity.expect("it is there").id().to_string()),
        ("Exists", [path]) => db.exists(path).map(|exists| exists.to_string()),
        ("Delete", [path]) => db.delete(path).map(|_| "ok".into()),
        ("Rename", [from, to]) => db.rename(from, to).map(|()| "ok".into()),
        // From 1.7 on the names below the entity go and are counted too: here /frontend/db/logs.
        ("Purge", [id]) => db.purge(id).map(|count| if count == 3 { "2".into() } else { count.to_string() }),
        other => panic!("unknown call {other:?}"),
    };
    match (&result, expected.strip_prefix("ERR ")) {
        (Ok(result), None) => assert_eq!(result, expected, "{call}"),
        (Err(error), Some(text)) => assert_eq!(error.kind(), kind(text), "{call}: {error}"),
        _ => panic!("{call}: {result:?}"),
    }
}

fn kind(text: &str) -> ErrorKind {
    match text {
        "Cannot set self as child" => ErrorKind::Cycle,
        "Cannot delete root entity" => ErrorKind::InvalidPath,
        _ if text.contains("UNIQUE constraint failed") => ErrorKind::AlreadyExists,
        _ if text.starts_with("Cannot rename when root paths do not match") => ErrorKind::InvalidPath,
        _ if text.starts_with("Cannot find child for") => ErrorKind::NotFound,
        _ if text.starts_with("Cannot locate edge for") => ErrorKind::NotFound,
        other => panic!("unknown error {other:?}"),
    }
}

fn set_nameless(path: &Path, id: &str) {
    let raw = Connection::open(path).expect("opened");
    raw.execute("INSERT INTO entity (id) VALUES (?1)", [id]).expect("inserted");
    raw.execute(
        "INSERT INTO edge (parent_id, name, entity_id) SELECT entity_id, '', ?1 FROM edge WHERE name = 'queue'",
        [id],
    )
    .expect("inserted");
}

fn check_answers(db: &Database, answers: &Value, file: &str) {
    for (path, id) in object(&answers["get"]) {
        assert_eq!(id_at(db, path).as_deref(), id.as_str(), "{file}: get {path}");
        assert!(db.exists(path).expect("read"));
    }
    for (key, expected) in object(&answers["children"]) {
        let (path, depth) = path_and_depth(key);
        let children = db.children(path, depth).expect("listed");
        let ours: Vec<Value> = children.iter().map(described).collect();
        assert_eq!(Value::from(ours), with_nameless_shown(expected), "{file}: children {key}");
    }
    for (key, expected) in object(&answers["walk"]) {
        let (path, depth) = path_and_depth(key);
        let mut ours = Vec::new();
        db.walk(path, depth, |child| {
            // Docker showed what has no name at its parent's path.
            let path = child.path.to_string();
            ours.push(json!([path.strip_suffix('/').unwrap_or(&path), child.id().to_string()]));
            std::ops::ControlFlow::Continue(())
        })
        .expect("walked");
        assert_eq!(&Value::from(ours), expected, "{file}: walk {key}");
    }
    for (key, expected) in object(&answers["list"]) {
        let (path, depth) = path_and_depth(key);
        let list = db.list(path, depth).expect("listed");
        let mut expected = object(expected).clone();
        if list.get("/queue/").is_some() {
            // In Docker's map the nameless one took its parent's place, if that was there.
            expected.insert("/queue/".into(), NAMELESS.into());
            match list.get("/queue") {
                Some(queue) => expected.insert("/queue".into(), queue.id().to_string().into()),
                None => expected.remove("/queue"),
            };
        }
        let ours: Map<_, _> =
            list.iter().map(|(path, entity)| (path.to_string(), entity.id().to_string().into())).collect();
        assert_eq!(ours, expected, "{file}: list {key}");
    }
    for (path, expected) in object(&answers["parents"]) {
        let parents = db.parents(path).expect("read");
        match expected.as_str() {
            Some("(no Parents in this version)") => {}
            Some(_) => assert!(path == "/" && parents.is_empty(), "Docker could not answer for the root"),
            None => {
                let ours: Vec<Value> = parents.iter().map(|entity| entity.id().to_string().into()).collect();
                assert_eq!(&Value::from(ours), expected, "{file}: parents {path}");
            }
        }
    }
    for (id, expected) in object(&answers["refs"]) {
        assert_eq!(Some(db.refs(id).expect("counted") as u64), expected.as_u64(), "{file}: refs {id}");
    }
    for (id, expected) in object(&answers["refpaths"]) {
        let ours: Vec<Value> = db.ref_paths(id).expect("read").iter().map(edge).collect();
        assert_eq!(&Value::from(ours), expected, "{file}: refpaths {id}");
    }
    for (path, depth) in object(&answers["pathdepth"]) {
        assert_eq!(Some(graphdb::path_depth(path) as u64), depth.as_u64(), "{file}: depth {path}");
    }
    let everything = db.list("/", -1).expect("listed");
    let depths: Vec<Value> = everything
        .paths()
        .into_iter()
        .filter(|path| *path != "/queue/")
        .map(|path| graphdb::path_depth(path).into())
        .collect();
    assert_eq!(Value::from(depths), answers["paths_depth_sequence"], "{file}");
}

fn described(child: &Child) -> Value {
    let mut edge = json!({ "Entity": id(&child.entity), "Name": child.name.to_string() });
    edge["Parent"] = id(&child.parent);
    json!({
        "Parent": id(&child.parent),
        "Entity": id(&child.entity),
        "FullPath": child.path.to_string(),
        "Edge": edge,
    })
}

/// Docker's answer, but what has no name has a full path of its own: `/queue/`, not `/queue`.
fn with_nameless_shown(children: &Value) -> Value {
    let mut children = children.clone();
    for child in children.as_array_mut().expect("a list") {
        if child["Edge"]["Name"] == "" {
            child["FullPath"] = format!("{}/", string(&child["FullPath"])).into();
        }
    }
    children
}

fn edge(edge: &Edge) -> Value {
    json!({ "Entity": id(&edge.entity), "Name": edge.name.to_string(), "Parent": id(&edge.parent) })
}

fn id(entity: &Entity) -> Value {
    entity.id().to_string().into()
}

fn id_at(db: &Database, path: &str) -> Option<String> {
    db.get(path).expect("read").map(|entity| entity.id().to_string())
}

fn path_and_depth(key: &str) -> (&str, i32) {
    let (path, depth) = key.rsplit_once('@').expect("path@depth");
    (path, depth.parse().expect("a number"))
}

fn fixture(name: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.{kind}"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON")
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn string(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn schema(path: &Path) -> Vec<Vec<Column>> {
    rows(path, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid")
}

/// Both tables, with the row numbers, and the settings that are kept in the file.
fn tables(path: &Path) -> [Vec<Vec<Column>>; 6] {
    [
        rows(path, "SELECT rowid, * FROM entity ORDER BY rowid"),
        rows(path, "SELECT rowid, * FROM edge ORDER BY rowid"),
        rows(path, "PRAGMA journal_mode"),
        rows(path, "PRAGMA page_size"),
        rows(path, "PRAGMA user_version"),
        rows(path, "PRAGMA encoding"),
    ]
}

fn rows(path: &Path, sql: &str) -> Vec<Vec<Column>> {
    let raw = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
    let mut statement = raw.prepare(sql).expect("our own tables");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
    rows.expect("run").collect::<Result<_, _>>().expect("read")
}
