//! The graph: entities, and the names that lead to them.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::{Cause, ErrorKind, Result};
use crate::schema::{self, ROOT};
use crate::sql::{Bytes, text};
use crate::walk::{self, Child, Entities};
use crate::{Text, path, split_path};

/// How long a write waits for those of other processes, unless told otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that has an id, and as many names as one gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    id: Text,
}

impl Entity {
    pub(crate) fn new(id: Text) -> Self {
        Self { id }
    }

    /// Returns the id; that of the root is `0`.
    pub fn id(&self) -> &Text {
        &self.id
    }
}

/// A name that one entity has for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Edge {
    /// The entity that is named.
    pub entity: Entity,
    /// Its name.
    pub name: Text,
    /// The entity that it is a child of.
    pub parent: Entity,
}

/// A graph in a file.
///
/// Paths may be `&str`, `String`, bytes or [`Text`]. They start at the root, with a leading slash or
/// without, and empty names in them don't count: `web//db/` is `/web/db`. An alias shows the same
/// children as the entity's other names do, because edges hang on entities and not on paths.
///
/// Every operation is one transaction: it happens whole or not at all, whatever kills the process,
/// and other processes (Docker up to 17.03 among them) may use the file at the same time.
///
/// A `Database` can be sent to another thread but not shared: put it into a `Mutex`, or open the
/// file once per thread. Don't carry it over a `fork`.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// let db = Arc::new(Mutex::new(graphdb::Database::open_in_memory()?));
/// let other = Arc::clone(&db);
/// std::thread::spawn(move || other.lock().unwrap().set("/web", "1")).join().unwrap()?;
/// assert!(db.lock().unwrap().exists("/web")?);
/// # Ok::<(), graphdb::Error>(())
/// ```
pub struct Database {
    connection: Connection,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.connection.path()).finish()
    }
}

impl Database {
    /// Opens a file, and makes it where it is missing or empty.
    ///
    /// A complete file is not written to, so one that this user may only read can still be read.
    /// The path is a path: `file:…` and `:memory:` are files of these names.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where the file can't be opened, [`Unreadable`](ErrorKind::Unreadable)
    /// where it is no database or its tables have another shape.
    #[doc(alias = "NewSqliteConn")]
    #[doc(alias = "NewDatabase")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || -> std::result::Result<Self, Cause> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(literal(path), flags)?;
            Self::new(connection)
        };
        open().map_err(|cause| reason(path, cause).of(format!("open graph {:?}", path.to_string_lossy())))
    }

    /// Opens a graph that lives in memory until it is dropped.
    ///
    /// # Errors
    ///
    /// Only where memory is short.
    pub fn open_in_memory() -> Result<Self> {
        let open = || Self::new(Connection::open_in_memory()?);
        open().map_err(|cause: Cause| cause.of("open a graph in memory"))
    }

    fn new(connection: Connection) -> std::result::Result<Self, Cause> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Files from before Docker 1.7 hold edges of entities that are gone; with foreign keys
        // enforced, as this build of SQLite does on its own, they could not be purged.
        connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF")?;
        schema::prepare(&connection)?;
        Ok(Self { connection })
    }

    /// Sets how long an operation waits for other processes before it is [`Busy`](ErrorKind::Busy);
    /// 10 seconds at first.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<()> {
        self.connection.busy_timeout(timeout).map_err(|e| Cause::from(e).of("set the busy timeout"))
    }

    /// Names an entity, and makes it where it is new.
    ///
    /// The parent must exist. An entity may have several names, as long as it is not reached from
    /// itself: a container can't be linked into one that is linked into it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where the parent doesn't exist,
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) where the path does, even with the same id,
    /// [`Cycle`](ErrorKind::Cycle), [`InvalidPath`](ErrorKind::InvalidPath) for the root.
    #[doc(alias = "Set")]
    pub fn set(&self, path: impl AsRef<[u8]>, id: impl AsRef<[u8]>) -> Result<Entity> {
        let entity = Entity::new(id.as_ref().into());
        self.change(|connection| {
            let (parent, name) = parent_and_name(path.as_ref())?;
            run(connection, "INSERT OR IGNORE INTO entity (id) VALUES (?1)", &[&entity.id])?;
            let parent = find(connection, &parent)?;
            if reaches(connection, &entity, &parent)? {
                let why = format!("{:?} would become a child of itself", entity.id);
                return Err(Cause::new(ErrorKind::Cycle, why));
            }
            let edge = "INSERT INTO edge (parent_id, name, entity_id) VALUES (?1, ?2, ?3)";
            run(connection, edge, &[&parent.id, &name, &entity.id])
                .map_err(|cause| taken(cause, path.as_ref()))
        })
        .map_err(|cause| cause.of(format!("set {:?}", path::normal(path.as_ref()))))?;
        Ok(entity)
    }

    /// Returns the entity at a path, or `None` where there is none.
    #[doc(alias = "Get")]
    pub fn get(&self, path: impl AsRef<[u8]>) -> Result<Option<Entity>> {
        self.read(|connection| lookup(connection, path.as_ref()))
            .map_err(|cause| cause.of(format!("get {:?}", path::normal(path.as_ref()))))
    }

    /// Tells whether a path exists.
    #[doc(alias = "Exists")]
    pub fn exists(&self, path: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(path)?.is_some())
    }

    /// Returns the root, which every path starts at.
    #[doc(alias = "RootEntity")]
    pub fn root_entity(&self) -> Entity {
        Entity::new(ROOT.into())
    }

    /// Returns the entities below a path by their full paths; `depth` as for [`children`](Self::children).
    ///
    /// # Errors
    ///
    /// Those of [`children`](Self::children).
    #[doc(alias = "List")]
    pub fn list(&self, path: impl AsRef<[u8]>, depth: i32) -> Result<Entities> {
        Ok(self.children(path, depth)?.into_iter().collect())
    }

    /// Returns what is below a path, as it is at one moment: parents before their children, siblings
    /// in the order of their names' bytes.
    ///
    /// With a `depth` of 0 these are the children only, with 1 also theirs, and with a negative one
    /// everything. An entity that is inside itself, in a file that something else wrote, is shown
    /// there but not entered again.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where the path doesn't exist,
    /// [`TooLarge`](ErrorKind::TooLarge) above half a million paths or so (128 MiB).
    #[doc(alias = "Children")]
    pub fn children(&self, path: impl AsRef<[u8]>, depth: i32) -> Result<Vec<Child>> {
        let path = path::normal(path.as_ref());
        self.read(|connection| walk::below(connection, (find(connection, &path)?, path.clone()), depth))
            .map_err(|cause| cause.of(format!("list {path:?}")))
    }

    /// Visits what is below a path, in the order and as of the moment of [`children`](Self::children).
    ///
    /// The visitor may stop early, and may use and change the graph: it is not locked meanwhile.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// let db = graphdb::Database::open_in_memory()?;
    /// db.set("/web", "1")?;
    /// db.set("/web/db", "2")?;
    ///
    /// let mut first = None;
    /// db.walk("/", -1, |child| {
    ///     first = Some(child.path.clone());
    ///     ControlFlow::Break(())
    /// })?;
    /// assert_eq!(first, Some("/web".into()));
    /// # Ok::<(), graphdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`children`](Self::children).
    #[doc(alias = "Walk")]
    pub fn walk(
        &self,
        path: impl AsRef<[u8]>,
        depth: i32,
        visit: impl FnMut(&Child) -> ControlFlow<()>,
    ) -> Result<()> {
        let _ = self.children(path, depth)?.iter().try_for_each(visit);
        Ok(())
    }

    /// Returns the entities that the one at a path is a child of, in the order in which they came to
    /// be; the root has none.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where the path doesn't exist.
    #[doc(alias = "Parents")]
    pub fn parents(&self, path: impl AsRef<[u8]>) -> Result<Vec<Entity>> {
        let path = path::normal(path.as_ref());
        self.read(|connection| edges(connection, &find(connection, &path)?))
            .map(|edges| edges.into_iter().map(|edge| edge.parent).collect())
            .map_err(|cause| cause.of(format!("find the parents of {path:?}")))
    }

    /// Returns how many names an entity has; 0 where nobody knows the id.
    #[doc(alias = "Refs")]
    pub fn refs(&self, id: impl AsRef<[u8]>) -> Result<usize> {
        let id = Text::from(id.as_ref());
        self.read(|connection| {
            let sql = "SELECT count(*) FROM edge WHERE entity_id = ?1";
            let count: i64 =
                connection.prepare_cached(sql)?.query_row([Bytes(id.as_bytes())], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(0))
        })
        .map_err(|cause| cause.of(format!("count the names of {id:?}")))
    }

    /// Returns the names that an entity has, in the order in which they came to be; the root's own
    /// is none of them, as it is nobody's child.
    #[doc(alias = "RefPaths")]
    pub fn ref_paths(&self, id: impl AsRef<[u8]>) -> Result<Vec<Edge>> {
        let entity = Entity::new(id.as_ref().into());
        self.read(|connection| edges(connection, &entity))
            .map_err(|cause| cause.of(format!("find the names of {:?}", entity.id)))
    }

    /// Takes a name away, and tells whether there was one. The entity stays, with its other names.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where the parent doesn't exist,
    /// [`InvalidPath`](ErrorKind::InvalidPath) for the root.
    #[doc(alias = "Delete")]
    pub fn delete(&self, path: impl AsRef<[u8]>) -> Result<bool> {
        self.change(|connection| {
            let (parent, name) = parent_and_name(path.as_ref())?;
            let parent = find(connection, &parent)?;
            let sql = "DELETE FROM edge WHERE parent_id = ?1 AND name = ?2";
            Ok(run(connection, sql, &[&parent.id, &name])? > 0)
        })
        .map_err(|cause| cause.of(format!("delete {:?}", path::normal(path.as_ref()))))
    }

    /// Removes an entity with all its names and all names that it has for others, and returns how
    /// many names that were; 0 where nobody knows the id.
    ///
    /// # Errors
    ///
    /// [`InvalidPath`](ErrorKind::InvalidPath) for the root's id.
    #[doc(alias = "Purge")]
    pub fn purge(&self, id: impl AsRef<[u8]>) -> Result<usize> {
        let id = Text::from(id.as_ref());
        self.change(|connection| {
            if id == ROOT {
                return Err(Cause::new(ErrorKind::InvalidPath, "it is the root"));
            }
            let count = run(connection, "DELETE FROM edge WHERE entity_id = ?1 OR parent_id = ?1", &[&id])?;
            run(connection, "DELETE FROM entity WHERE id = ?1", &[&id])?;
            Ok(count)
        })
        .map_err(|cause| cause.of(format!("purge {id:?}")))
    }

    /// Gives a path another last name. Below a different parent it would be another edge: delete and
    /// set that.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where `from` doesn't exist,
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) where `to` does,
    /// [`InvalidPath`](ErrorKind::InvalidPath) for the root and where the parents differ.
    #[doc(alias = "Rename")]
    pub fn rename(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<()> {
        let (from, to) = (path::normal(from.as_ref()), path::normal(to.as_ref()));
        self.change(|connection| {
            let (parent, old) = parent_and_name(from.as_bytes())?;
            let (new_parent, new) = parent_and_name(to.as_bytes())?;
            if parent != new_parent {
                return Err(Cause::new(ErrorKind::InvalidPath, "their parents differ"));
            }
            let parent = find(connection, &parent)?;
            let sql = "UPDATE edge SET name = ?1 WHERE parent_id = ?2 AND name = ?3";
            let count = run(connection, sql, &[&new, &parent.id, &old])
                .map_err(|cause| taken(cause, to.as_bytes()))?;
            if count == 0 { Err(missing(&from)) } else { Ok(()) }
        })
        .map_err(|cause| cause.of(format!("rename {from:?} to {to:?}")))
    }

    /// Closes the file and tells how that went, which dropping doesn't.
    pub fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| Cause::from(error).of("close the graph"))
    }

    /// Runs a change as one transaction.
    ///
    /// It takes the write lock at once: a transaction that begins as a reader fails without waiting
    /// when it comes to write and another process has written meanwhile.
    fn change<T>(
        &self,
        body: impl FnOnce(&Connection) -> std::result::Result<T, Cause>,
    ) -> std::result::Result<T, Cause> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let result = body(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Reads as of one moment.
    fn read<T>(
        &self,
        body: impl FnOnce(&Connection) -> std::result::Result<T, Cause>,
    ) -> std::result::Result<T, Cause> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)?;
        let result = body(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// Spells a path so that SQLite takes it for nothing else: it reads `file:` as a URI, `:memory:` as
/// no file at all, and an empty path as a temporary one.
fn literal(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let mut literal = OsString::from("./");
    literal.push(path);
    literal.into()
}

/// Finds the system's reason, where SQLite only says that it could not open the file.
///
/// A file that exists is not opened for that: closing it would end the locks that other connections
/// of this process hold on it.
fn reason(path: &Path, cause: Cause) -> Cause {
    if cause.kind() != ErrorKind::Io {
        return cause;
    }
    let made = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            OpenOptions::new().append(true).create(true).open(path).map(drop)
        }
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        found => found.map(drop),
    };
    made.err().map_or(cause, Cause::from)
}

fn parent_and_name(path: &[u8]) -> std::result::Result<(Text, Text), Cause> {
    split_path(path).ok_or_else(|| Cause::new(ErrorKind::InvalidPath, "it is the root"))
}

fn missing(path: &Text) -> Cause {
    Cause::new(ErrorKind::NotFound, format!("there is no {path:?}"))
}

fn taken(cause: Cause, path: &[u8]) -> Cause {
    match cause.kind() {
        ErrorKind::AlreadyExists => {
            Cause::new(ErrorKind::AlreadyExists, format!("{:?} exists", path::normal(path)))
        }
        _ => cause,
    }
}

fn run(connection: &Connection, sql: &str, values: &[&Text]) -> std::result::Result<usize, Cause> {
    let values = values.iter().map(|text| Bytes(text.as_bytes()));
    Ok(connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?)
}

fn lookup(connection: &Connection, path: &[u8]) -> std::result::Result<Option<Entity>, Cause> {
    let mut statement =
        connection.prepare_cached("SELECT entity_id FROM edge WHERE parent_id = ?1 AND name = ?2")?;
    let mut id = Text::from(ROOT);
    for name in path::names(path) {
        let child =
            statement.query_row([Bytes(id.as_bytes()), Bytes(name)], |row| text(row, 0)).optional()?;
        match child {
            Some(child) => id = child,
            None => return Ok(None),
        }
    }
    Ok(Some(Entity::new(id)))
}

fn find(connection: &Connection, path: &Text) -> std::result::Result<Entity, Cause> {
    lookup(connection, path.as_bytes())?.ok_or_else(|| missing(path))
}

fn edges(connection: &Connection, entity: &Entity) -> std::result::Result<Vec<Edge>, Cause> {
    let sql =
        "SELECT name, parent_id FROM edge WHERE entity_id = ?1 AND parent_id IS NOT NULL ORDER BY rowid";
    let mut statement = connection.prepare_cached(sql)?;
    let edges = statement.query_map([Bytes(entity.id.as_bytes())], |row| {
        Ok(Edge { entity: entity.clone(), name: text(row, 0)?, parent: Entity::new(text(row, 1)?) })
    })?;
    Ok(edges.collect::<rusqlite::Result<_>>()?)
}

/// Tells whether one entity is another one, or above it.
///
/// UNION drops what it has seen, so this ends in any graph.
fn reaches(connection: &Connection, above: &Entity, below: &Entity) -> std::result::Result<bool, Cause> {
    let sql = "WITH RECURSIVE reached (id) AS (
            VALUES (?1) UNION SELECT entity_id FROM edge JOIN reached ON parent_id = id
        ) SELECT EXISTS (SELECT 1 FROM reached WHERE id = ?2)";
    let ids = [Bytes(above.id.as_bytes()), Bytes(below.id.as_bytes())];
    Ok(connection.prepare_cached(sql)?.query_row(ids, |row| row.get(0))?)
}
