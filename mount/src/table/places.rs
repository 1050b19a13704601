//! Where the mounts of a table are, and which of them a path leads to.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Table;
use super::entry::is_beneath;

#[derive(Debug, Clone)]
pub(super) struct Places {
    /// By mount point; at the same one those that are hidden come first, then by the tree.
    by_path: Vec<usize>,
    pub(super) hidden: Vec<bool>,
}

impl Places {
    pub(super) fn new(table: &Table) -> Self {
        let paths: Vec<_> = table.iter().map(|entry| entry.place()).collect();
        let mut by_path: Vec<_> = (0..paths.len()).collect();
        by_path.sort_unstable_by(|&a, &b| order(&paths[a], &paths[b]).then(a.cmp(&b)));
        let hidden = hidden(table, &paths, &by_path);
        let rank = &table.links().rank;
        for same in by_path.chunk_by_mut(|&a, &b| paths[a] == paths[b]) {
            same.sort_unstable_by_key(|&line| (!hidden[line], rank[line]));
        }
        Places { by_path, hidden }
    }

    /// Returns the lines of the mounts at a path.
    pub(super) fn at(&self, table: &Table, path: &[u8]) -> &[usize] {
        let place = |line: usize| table.entry(line).place();
        let start = self.by_path.partition_point(|&line| order(&place(line), path).is_lt());
        let count = self.by_path[start..].partition_point(|&line| *place(line) == *path);
        &self.by_path[start..start + count]
    }
}

/// Orders paths so that what is below one follows it at once: `/a`, `/a/b`, `/a-b`.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let (same, _) =
        a.iter().zip(b).enumerate().find(|(_, (a, b))| a != b).unwrap_or((a.len().min(b.len()), (&0, &0)));
    let next = |path: &[u8]| path.get(same).map(|&byte| if byte == b'/' { 0 } else { u16::from(byte) + 1 });
    next(a).cmp(&next(b))
}

/// Finds the mounts that no path leads to.
fn hidden(table: &Table, paths: &[Cow<'_, [u8]>], by_path: &[usize]) -> Vec<bool> {
    let lines = &table.lines;
    let tree = table.links();
    let mut siblings: Vec<_> =
        by_path.iter().copied().filter(|&line| lines[line].parent != lines[line].id).collect();
    siblings.sort_by_key(|&line| lines[line].parent);

    // Where no lookup gets in, and what is covered from its root on.
    let (mut closed, mut covered) = (vec![false; paths.len()], vec![false; paths.len()]);
    for siblings in siblings.chunk_by(|&a, &b| lines[a].parent == lines[b].parent) {
        let parent = tree.find(lines, lines[siblings[0]].parent);
        let holds_root = match parent {
            Some(parent) => *paths[parent] == *b"/" && tree.parent(lines, parent).is_none(),
            // A root directory that is no mount: had it been, only that mount would have no parent here.
            None => siblings.iter().any(|&line| *paths[line] != *b"/"),
        };
        let mut cover: Option<usize> = None;
        for &line in siblings {
            if holds_root && *paths[line] == *b"/" {
                // Lookups begin at the process's root and not at what was mounted on it later.
                closed[line] = true;
                continue;
            }
            match cover {
                Some(above) if paths[above] == paths[line] => closed[above] = true,
                Some(above) if is_beneath(&paths[line], &paths[above]) => {
                    closed[line] = true;
                    continue;
                }
                _ => {}
            }
            cover = Some(line);
            if let Some(parent) = parent.filter(|&parent| paths[parent] == paths[line]) {
                covered[parent] = true;
            }
        }
    }

    // Whatever lies on a closed mount is closed too.
    for branch in &tree.branches {
        let parent = tree.parent(lines, branch.line).filter(|_| branch.depth > 0);
        closed[branch.line] |= parent.is_some_and(|parent| closed[parent]);
    }
    closed.iter().zip(covered).map(|(&closed, covered)| closed || covered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_path_follows_it_at_once() {
        let mut paths = ["/b", "/a!", "/a/b", "/a", "/", "/a/b/c", "/a-b", "/a/!", "/aa", ""];
        paths.sort_by(|a, b| order(a.as_bytes(), b.as_bytes()));
        assert_eq!(paths, ["", "/", "/a", "/a/!", "/a/b", "/a/b/c", "/a!", "/a-b", "/aa", "/b"]);
    }
}
