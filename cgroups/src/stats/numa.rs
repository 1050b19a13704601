//! Memory by node.

use crate::stats::text::{Parsed, cut, number, rename, slot};

/// One figure of memory by the node that it is on, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct NumaStats {
    /// The kernel's name for it: `anon` and more on v2; `total`, `hierarchical_anon` and more on v1.
    pub name: String,
    /// Node and bytes.
    pub nodes: Vec<(u32, u64)>,
}

impl NumaStats {
    /// Returns the sum over all nodes, in bytes.
    pub fn total(&self) -> u64 {
        self.nodes.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// Reads lines such as `anon N0=4096 N1=0` (v2) or `anon=1 N0=1 N1=0` (v1), whatever rows a kernel has.
pub(crate) struct NumaLines<'a> {
    rows: &'a mut Vec<NumaStats>,
    /// Bytes of one unit.
    unit: u64,
    count: usize,
}

impl<'a> NumaLines<'a> {
    pub(crate) fn new(rows: &'a mut Vec<NumaStats>, unit: u64) -> NumaLines<'a> {
        NumaLines { rows, unit, count: 0 }
    }

    pub(crate) fn line(&mut self, line: &str) -> Parsed<()> {
        let (first, mut rest) = cut(line, b' ');
        let name = cut(first, b'=').0;
        let row = slot(self.rows, self.count);
        self.count += 1;
        rename(&mut row.name, name);
        row.nodes.clear();
        while !rest.is_empty() {
            let (word, behind) = cut(rest, b' ');
            rest = behind;
            let (node, value) = cut(word, b'=');
            // Another column than those of nodes is no reason to read nothing.
            let Some(Ok(node)) = node.strip_prefix('N').map(str::parse) else { continue };
            row.nodes.push((node, number(value)?.saturating_mul(self.unit)));
        }
        Ok(())
    }
}

impl Drop for NumaLines<'_> {
    fn drop(&mut self) {
        self.rows.truncate(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &mut Vec<NumaStats>, unit: u64, text: &str) -> Parsed<()> {
        let mut lines = NumaLines::new(rows, unit);
        text.lines().try_for_each(|line| lines.line(line))
    }

    #[test]
    fn rows_of_both_versions_and_unknown_ones_are_read() {
        let mut rows = Vec::new();
        read(&mut rows, 4096, "total=3 N0=1 N1=2\nnew=7 N0=7 extra=x odd\n").unwrap();
        assert_eq!((rows[0].name.as_str(), &rows[0].nodes[..]), ("total", &[(0, 4096), (1, 8192)][..]));
        assert_eq!((rows[1].name.as_str(), rows[1].total()), ("new", 7 * 4096));
        read(&mut rows, 1, "anon N0=18446744073709551615 N3=1\n").unwrap();
        assert_eq!((rows.len(), rows[0].nodes[1].0, rows[0].total()), (1, 3, u64::MAX));
        assert!(read(&mut rows, 1, "anon N0=x\n").is_err());
    }
}
