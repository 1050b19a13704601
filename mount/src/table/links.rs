//! How the mounts of a table hang together: by id, by parent, and as a tree.

use super::line::Line;

/// Sorted lists of the lines' numbers. Sorting can't be made slow by ids that somebody chose.
#[derive(Debug, Clone)]
pub(super) struct Links {
    by_id: Vec<usize>,
    /// Without those that are their own parent.
    by_parent: Vec<usize>,
    /// Those whose parent isn't in the table.
    pub(super) roots: Vec<usize>,
    /// The tree: a parent before its children.
    pub(super) branches: Vec<Branch>,
    /// Where each line is in `branches`.
    pub(super) rank: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) line: usize,
    pub(super) depth: usize,
    pub(super) is_last: bool,
}

impl Links {
    pub(super) fn new(lines: &[Line]) -> Self {
        let mut by_id: Vec<_> = (0..lines.len()).collect();
        by_id.sort_unstable_by_key(|&line| (lines[line].id, line));
        let mut by_parent: Vec<_> =
            (0..lines.len()).filter(|&line| lines[line].parent != lines[line].id).collect();
        by_parent.sort_unstable_by_key(|&line| (lines[line].parent, line));
        let mut made =
            Links { by_id, by_parent, roots: Vec::new(), branches: Vec::new(), rank: vec![0; lines.len()] };
        made.grow(lines);
        made
    }

    /// Returns the line of a mount. Where a table says an id twice, the first has it.
    pub(super) fn find(&self, lines: &[Line], id: u64) -> Option<usize> {
        let first = self.by_id.partition_point(|&line| lines[line].id < id);
        self.by_id.get(first).copied().filter(|&line| lines[line].id == id)
    }

    pub(super) fn children(&self, lines: &[Line], id: u64) -> &[usize] {
        let start = self.by_parent.partition_point(|&line| lines[line].parent < id);
        let count = self.by_parent[start..].partition_point(|&line| lines[line].parent == id);
        &self.by_parent[start..start + count]
    }

    /// Returns the line of the mount that a line's mount lies on.
    pub(super) fn parent(&self, lines: &[Line], line: usize) -> Option<usize> {
        let Line { id, parent, .. } = lines[line];
        if id == parent { None } else { self.find(lines, parent) }
    }

    fn grow(&mut self, lines: &[Line]) {
        let parents: Vec<_> = (0..lines.len()).map(|line| self.parent(lines, line)).collect();
        self.roots = (0..lines.len()).filter(|&line| parents[line].is_none()).collect();
        let circles = one_of_each_circle(&parents);

        let mut stack = Vec::new();
        for &start in self.roots.iter().chain(&circles) {
            stack.push((start, 0));
            while let Some((line, depth)) = stack.pop() {
                self.rank[line] = self.branches.len();
                self.branches.push(Branch { line, depth, is_last: false });
                let below = self.children(lines, lines[line].id).iter().rev();
                // Of two mounts with the same id only the first has children; a circle ends where it began.
                let own = below
                    .filter(|&&child| parents[child] == Some(line) && circles.binary_search(&child).is_err());
                stack.extend(own.map(|&child| (child, depth + 1)));
            }
        }
        mark_last(&mut self.branches);
    }
}

/// Finds lines that lead back to themselves from parent to parent, and are below no root: a mount that was
/// moved while the table was read, or lines that somebody made up.
fn one_of_each_circle(parents: &[Option<usize>]) -> Vec<usize> {
    let mut circles = Vec::new();
    // Who came by first; walks end where somebody has been.
    let mut seen_from = vec![None; parents.len()];
    for start in 0..parents.len() {
        let mut at = start;
        while seen_from[at].is_none() {
            seen_from[at] = Some(start);
            match parents[at] {
                Some(parent) if seen_from[parent] == Some(start) => circles.push(parent),
                Some(parent) => at = parent,
                None => {}
            }
        }
    }
    circles.sort_unstable();
    circles
}

/// Marks the last child of each parent: seen from the end, the first of its depth since a shallower one.
fn mark_last(branches: &mut [Branch]) {
    let mut seen = Vec::new();
    for branch in branches.iter_mut().rev() {
        seen.resize(branch.depth + 1, false);
        branch.is_last = !seen[branch.depth];
        seen[branch.depth] = true;
    }
}
