//! A small graph of named entities in SQLite, in the format of Docker's link database.
//!
//! ```
//! # let dir = std::env::temp_dir().join(format!("graphdb-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir).expect("a directory");
//! # let links = dir.join("links.db");
//! let db = graphdb::Database::open(&links)?;
//!
//! db.set("/parent", "momma")?;
//! db.set("/parent/child", "matt")?;
//! db.set("/parent/other", "koye")?;
//!
//! for child in db.children("/parent", -1)? {
//!     println!("{}", child.id()); // matt, koye
//! }
//! # assert_eq!(db.list("/parent", 0)?.iter().map(|(_, entity)| entity.id().to_string()).collect::<Vec<_>>(), ["matt", "koye"]);
//! # std::fs::remove_dir_all(&dir).expect("it is ours");
//! # Ok::<(), graphdb::Error>(())
//! ```
//!
//! An *entity* is an id. An *edge* is the name that one entity has for another. A *path* is a
//! series of names from the root; one entity may be reached by many. Docker kept its container
//! names and links so, in `linkgraph.db`, from 2013 to 2017; this crate reads and writes those
//! files, at the same time as Docker where need be.
//!
//! SQLite is compiled in, so a C compiler is needed to build and nothing to run.
//!
//! # From 2014
//!
//! | Go, `pkg/graphdb` | here | what was wrong |
//! |---|---|---|
//! | `NewSqliteConn(path)` | [`Database::open`] | two processes at once failed with "database is locked" |
//! | `db.Set(path, id)` | [`Database::set`] | accepted cycles, in which a later `List` never ended; panicked at an empty path; `/a/` made an entity without a name |
//! | `db.Get(path)`, `db.Exists(path)` | [`Database::get`], [`Database::exists`] | errors looked like absence; `Exists("anything")` was true, as relative paths meant the root |
//! | `db.List(path, depth)` | [`Database::list`] | an empty answer for every error, one of them being 64 levels on 64 descriptors |
//! | `db.Children`, `db.Walk` | [`Database::children`], [`Database::walk`] | names `..`, `.` and the empty one gave wrong full paths |
//! | `db.Parents(path)` | [`Database::parents`] | failed for the root |
//! | `db.Refs(id)`, `db.RefPaths(id)` | [`Database::refs`], [`Database::ref_paths`] | errors looked like no names |
//! | `db.Delete(path)` | [`Database::delete`] | |
//! | `db.Purge(id)` | [`Database::purge`] | left the names below the entity behind; removed the root if asked |
//! | `db.Rename(from, to)` | [`Database::rename`] | |
//! | `db.RootEntity()`, `entity.ID()` | [`Database::root_entity`], [`Entity::id`] | |
//! | `entities.Paths()` | [`Entities::paths`] | the order of equals was random |
//! | `PathDepth(path)` | [`path_depth`] | a trailing slash counted |
//! | `splitPath(path)` | [`split_path`] | panicked at an empty path |
//! | `IsNonUniqueNameError(err)` | [`ErrorKind::AlreadyExists`] | any failed constraint counted |

mod database;
mod error;
mod path;
mod schema;
mod sql;
mod text;
mod walk;

pub use database::{Database, Edge, Entity};
pub use error::{Error, ErrorKind, Result};
pub use path::{path_depth, split_path};
pub use text::Text;
pub use walk::{Child, Entities};
