//! What is below a path, depth first.

use std::collections::BTreeMap;
use std::vec;

use rusqlite::{CachedStatement, Connection};

use crate::error::{Cause, ErrorKind};
use crate::sql::{Bytes, text};
use crate::{Entity, Text, path, path_depth};

/// How many bytes one answer may take.
const MAX_ANSWER: usize = 128 << 20;

/// An entity below another one, and the edge that leads to it; 2014's `WalkMeta`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "WalkMeta")]
pub struct Child {
    /// The full path, from the root.
    pub path: Text,
    /// The last name of the path.
    pub name: Text,
    /// The entity at the path.
    pub entity: Entity,
    /// The entity that it is a child of.
    pub parent: Entity,
}

impl Child {
    /// Returns the id of the entity at the path.
    pub fn id(&self) -> &Text {
        self.entity.id()
    }

    fn size(&self) -> usize {
        let texts = [&self.path, &self.name, self.entity.id(), self.parent.id()];
        size_of::<Self>() + texts.map(|text| text.as_bytes().len()).iter().sum::<usize>()
    }
}

/// Entities by their full paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entities(BTreeMap<Text, Entity>);

impl Entities {
    /// Returns the entity at a full path: `/web/db`.
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<&Entity> {
        self.0.get(path.as_ref())
    }

    /// Returns the number of paths.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes through paths and entities, in the order of the paths' bytes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Text, &Entity)> {
        self.0.iter()
    }

    /// Returns the paths, the deepest first, and those of one depth in the order of their bytes.
    pub fn paths(&self) -> Vec<&Text> {
        let mut paths: Vec<_> = self.0.keys().collect();
        paths.sort_by_key(|path| std::cmp::Reverse(path_depth(path)));
        paths
    }
}

impl FromIterator<Child> for Entities {
    fn from_iter<I: IntoIterator<Item = Child>>(children: I) -> Self {
        Self(children.into_iter().map(|child| (child.path, child.entity)).collect())
    }
}

impl IntoIterator for Entities {
    type Item = (Text, Entity);
    type IntoIter = std::collections::btree_map::IntoIter<Text, Entity>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The children of one entity that are still to be visited.
struct Level {
    path: Text,
    parent: Entity,
    rest: vec::IntoIter<(Entity, Text)>,
}

/// Reads everything below an entity down to a depth, parents before children, siblings by name.
///
/// One statement and no open cursor, however deep: 2014 held a connection and a cursor per level,
/// and ran out of descriptors. It is no recursive query, because a query doesn't know which
/// entities it is inside of, and what is its own ancestor must be shown but not entered.
pub(crate) fn below(connection: &Connection, start: (Entity, Text), depth: i32) -> Result<Vec<Child>, Cause> {
    let mut children = Children(
        connection.prepare_cached("SELECT entity_id, name FROM edge WHERE parent_id = ?1 ORDER BY name")?,
    );
    let mut found = Vec::new();
    let mut size = 0;
    let mut levels = vec![children.level(start)?];

    while let Some(level) = levels.last_mut() {
        let Some((entity, name)) = level.rest.next() else {
            levels.pop();
            continue;
        };
        let path = path::join(&level.path, &name);
        let child = Child { path: path.clone(), name, entity: entity.clone(), parent: level.parent.clone() };
        size += child.size();
        if size > MAX_ANSWER {
            return Err(Cause::new(ErrorKind::TooLarge, format!("more than {} paths", found.len())));
        }
        found.push(child);

        let deep_enough = usize::try_from(depth).is_ok_and(|depth| levels.len() > depth);
        let inside_itself = levels.iter().any(|level| level.parent == entity);
        if !deep_enough && !inside_itself {
            levels.push(children.level((entity, path))?);
        }
    }
    Ok(found)
}

struct Children<'a>(CachedStatement<'a>);

impl Children<'_> {
    fn level(&mut self, (parent, path): (Entity, Text)) -> Result<Level, Cause> {
        let rows = self.0.query_map([Bytes(parent.id().as_bytes())], |row| {
            Ok((Entity::new(text(row, 0)?), text(row, 1)?))
        })?;
        let rest = rows.collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(Level { path, parent, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_deepest_first_and_then_by_name() {
        // 2014 went through a Go map: equals came in another order every time.
        let child = |path: &str| Child {
            path: path.into(),
            name: Text::default(),
            entity: Entity::new("1".into()),
            parent: Entity::new("0".into()),
        };
        let entities: Entities = ["/b", "/a/x/y", "/c/d", "/a", "/a/x"].map(child).into_iter().collect();
        assert_eq!(entities.paths(), ["/a/x/y", "/a/x", "/c/d", "/a", "/b"]);
    }
}
