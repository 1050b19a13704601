//! Paths, files that somebody else wrote, and changes one after another.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use graphdb::{Database, ErrorKind, path_depth, split_path};

use crate::Target;
use crate::corpus::{file, files};
use crate::laws::one_line;
use crate::scratch::Scratch;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "graphdb-path",
            feeds: "a path: split and joined it is the same, however it is spelled",
            run: Some(path),
            seeds: || ["/web/db", "a//b/", "/", "", "/a/../.", "/\u{fc}/ /x\n"].map(bytes).to_vec(),
        },
        Target {
            name: "graphdb-file",
            feeds: "an SQLite file: read whole, changed; one line for what is wrong",
            run: Some(database),
            seeds: || {
                let mut seeds = files("graphdb/tests/fixtures", ".db");
                seeds.extend([file("tests/fuzz/seeds/graphdb-file/small.db"), Vec::new()]);
                seeds
            },
        },
        Target {
            name: "graphdb-changes",
            feeds: "lines of set, delete, rename and purge: the graph is what a table of edges says",
            run: Some(changes),
            seeds: || {
                [
                    "set /web a\nset /web/db b\nset /db b\nrename /web /www\ndelete /www/db\npurge b\n",
                    "set /a x\nset /a/b y\nset /a/b/c x\nset /a/b/a 0\npurge x\nset /a z\n",
                    "set /a x\nset /a y\nset // z\nrename /a /b/c\nrename / /\npurge 0\ndelete /\n",
                ]
                .map(bytes)
                .to_vec()
            },
        },
    ]
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn path(path: &[u8]) {
    let depth = path_depth(path);
    let Some((parent, name)) = split_path(path) else {
        assert_eq!(depth, 1, "only the root has no name");
        return assert!(path.iter().all(|&byte| byte == b'/'));
    };
    assert!(!name.as_bytes().is_empty() && !name.as_bytes().contains(&b'/'));
    assert_eq!(path_depth(&parent) + 1, depth);
    for slash in [&b"/"[..], b"//"] {
        let joined = [parent.as_bytes(), slash, name.as_bytes(), b"/"].concat();
        assert_eq!(split_path(joined), Some((parent.clone(), name.clone())));
    }
}

fn database(bytes: &[u8]) {
    let scratch = Scratch::new();
    let file = scratch.path().join("links.db");
    fs::write(&file, bytes).expect("a file");
    let db = match Database::open(&file) {
        Ok(db) => db,
        Err(error) => return one_line(error),
    };
    // Nobody else has it open.
    db.set_busy_timeout(Duration::ZERO).expect("a number");
    let children = said(db.children("/", 3)).unwrap_or_default();
    for child in children.iter().take(8) {
        let end = [b"/", child.name.as_bytes()].concat();
        assert!(child.path.as_bytes().starts_with(b"/") && child.path.as_bytes().ends_with(&end));
        // A damaged index may hide what a table has: only that there is an answer can be asked for.
        said(db.get(&child.path));
        said(db.refs(child.id()));
        said(db.ref_paths(child.id()));
    }
    said(db.parents("/web"));
    said(db.set("/fuzz", "fuzzed"));
    said(db.rename("/fuzz", "/fuzzy"));
    said(db.delete("/fuzzy"));
    said(db.purge("fuzzed"));
    said(db.close());
}

/// Checks the line of an error.
fn said<T>(result: graphdb::Result<T>) -> Option<T> {
    result.inspect_err(|error| one_line(error)).ok()
}

/// The edges: parent's id and name, to the id.
#[derive(Default)]
struct Model(BTreeMap<(String, String), String>);

impl Model {
    fn get(&self, path: &str) -> Option<&str> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names
            .into_iter()
            .try_fold("0", |id, name| self.0.get(&(id.to_owned(), name.to_owned())).map(String::as_str))
    }
}

fn changes(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let db = Database::open_in_memory().expect("memory");
    let mut model = Model::default();
    for line in text.lines().take(24) {
        let mut words = line.split(' ');
        let (Some(verb), Some(first)) = (words.next(), words.next()) else { continue };
        change(&db, &mut model, (verb, first, words.next().unwrap_or_default()));
    }
    for ((parent, name), id) in &model.0 {
        let edges = db.ref_paths(id).expect("no damage in memory");
        let is = |edge: &graphdb::Edge| edge.parent.id() == parent.as_str() && edge.name == name.as_str();
        assert!(edges.iter().any(is), "the edge {name:?} from {parent:?} to {id:?} is lost");
    }
    for child in db.children("/", 4).expect("no damage in memory") {
        let path = child.path.to_str().expect("what was set");
        assert_eq!(child.id().to_str(), model.get(path), "{path:?}");
    }
}

fn change(db: &Database, model: &mut Model, (verb, first, second): (&str, &str, &str)) {
    let place = |model: &Model, path: &str| {
        let (parent, name) = split_path(path)?;
        let parent = model.get(parent.to_str()?)?.to_owned();
        Some((parent, name.to_str()?.to_owned()))
    };
    let at = place(model, first);
    match verb {
        "set" => {
            let set = db.set(first, second);
            match (set, at) {
                (Ok(entity), Some(at)) => {
                    assert_eq!(entity.id(), &second);
                    assert!(model.0.insert(at, second.to_owned()).is_none(), "the name was taken");
                }
                (Ok(_), None) => panic!("{first:?} has no parent"),
                (Err(error), Some(at)) => {
                    let expected =
                        if model.0.contains_key(&at) { ErrorKind::AlreadyExists } else { ErrorKind::Cycle };
                    assert!([expected, ErrorKind::Cycle].contains(&error.kind()), "{error}");
                    one_line(error);
                }
                (Err(error), None) => one_line(error),
            }
        }
        "delete" => {
            let was = at.and_then(|at| model.0.remove(&at)).is_some();
            assert_eq!(said(db.delete(first)).unwrap_or(false), was);
        }
        "rename" if said(db.rename(first, second)).is_some() => {
            let id = at.and_then(|at| model.0.remove(&at)).expect("what was renamed was there");
            let to = place(model, second).expect("the parent is the same");
            assert!(model.0.insert(to, id).is_none(), "the name was taken");
        }
        "purge" => {
            let before = model.0.len();
            if let Some(count) = said(db.purge(first)) {
                model.0.retain(|(parent, _), id| parent != first && id != first);
                assert_eq!(before - model.0.len(), count);
            }
        }
        _ => {}
    }
}
