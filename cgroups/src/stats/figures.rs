//! Figures by name, as many and as the kernel names them.

use std::fmt::{self, Debug};
use std::ops::Index;

/// Figures by the kernel's names and in the kernel's order.
///
/// A kernel adds names from version to version, and all that it writes are here. Two of these are equal if names,
/// figures and order are.
///
/// ```
/// # fn with(stats: &cgroups::Stats) {
/// if let Some(memory) = &stats.memory {
///     println!("{:?} bytes of page tables", memory.detail.get("pagetables"));
///     for (name, figure) in &memory.detail {
///         println!("{name}: {figure}");
///     }
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Figures<T = u64> {
    rows: Vec<(Box<str>, T)>,
}

impl<T> Figures<T> {
    /// Returns the figure with this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.rows.iter().find(|(key, _)| **key == *name).map(|(_, figure)| figure)
    }

    /// Returns names and figures, in the kernel's order.
    pub fn iter(&self) -> FiguresIter<'_, T> {
        FiguresIter(self.rows.iter())
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Begins to put new figures in the place of these.
    pub(crate) fn refill(&mut self) -> Refill<'_, T> {
        Refill { figures: self, at: 0 }
    }
}

/// Puts new figures in the place of old ones. Names stay where they were from one look to the next, so that nothing
/// is searched for, and nothing allocated.
pub(crate) struct Refill<'a, T> {
    figures: &'a mut Figures<T>,
    at: usize,
}

impl<T> Refill<'_, T> {
    /// The name that was here the last time.
    pub(crate) fn expected(&self) -> Option<&str> {
        self.figures.rows.get(self.at).map(|(name, _)| &**name)
    }

    /// Puts a figure of the name that was expected.
    pub(crate) fn update(&mut self, figure: T) {
        if let Some(row) = self.figures.rows.get_mut(self.at) {
            row.1 = figure;
            self.at += 1;
        }
    }

    pub(crate) fn put(&mut self, name: &str, figure: T) {
        let rows = &mut self.figures.rows;
        match rows.get_mut(self.at) {
            Some(row) if *row.0 == *name => row.1 = figure,
            Some(row) => *row = (name.into(), figure),
            None => rows.push((name.into(), figure)),
        }
        self.at += 1;
    }
}

impl<T> Drop for Refill<'_, T> {
    fn drop(&mut self) {
        self.figures.rows.truncate(self.at);
    }
}

/// Names and figures, from [`Figures::iter`].
#[derive(Debug, Clone)]
pub struct FiguresIter<'a, T>(std::slice::Iter<'a, (Box<str>, T)>);

impl<'a, T> Iterator for FiguresIter<'a, T> {
    type Item = (&'a str, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, figure)| (&**name, figure))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<'a, T> IntoIterator for &'a Figures<T> {
    type Item = (&'a str, &'a T);
    type IntoIter = FiguresIter<'a, T>;

    fn into_iter(self) -> FiguresIter<'a, T> {
        self.iter()
    }
}

impl<T> Default for Figures<T> {
    fn default() -> Figures<T> {
        Figures { rows: Vec::new() }
    }
}

impl<T: Debug> Debug for Figures<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// Panics where there is no such name, as a map does.
impl<T> Index<&str> for Figures<T> {
    type Output = T;

    fn index(&self, name: &str) -> &T {
        self.get(name).unwrap_or_else(|| panic!("no figure {name:?}"))
    }
}

impl<T, N: Into<Box<str>>> FromIterator<(N, T)> for Figures<T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(rows: I) -> Figures<T> {
        Figures { rows: rows.into_iter().map(|(name, figure)| (name.into(), figure)).collect() }
    }
}

#[cfg(feature = "serde")]
mod data {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
    use serde::ser::{Serialize, Serializer};

    use super::Figures;

    impl<T: Serialize> Serialize for Figures<T> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map(self)
        }
    }

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Figures<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Figures<T>, D::Error> {
            from.deserialize_map(Rows(PhantomData))
        }
    }

    struct Rows<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Rows<T> {
        type Value = Figures<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("figures by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Figures<T>, A::Error> {
            let mut rows = Vec::new();
            while let Some((name, figure)) = map.next_entry::<String, T>()? {
                rows.push((name.into(), figure));
            }
            Ok(Figures { rows })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refilled(figures: &mut Figures, rows: &[(&str, u64)]) {
        let mut refill = figures.refill();
        for (name, figure) in rows {
            refill.put(name, *figure);
        }
    }

    #[test]
    fn new_figures_take_the_place_of_old_ones() {
        let mut figures = Figures::from_iter([("a", 1), ("b", 2), ("c", 3)]);
        for rows in [
            &[("a", 5), ("b", 6), ("c", 7)][..],
            &[("a", 1), ("new", 2), ("c", 3), ("d", 4)],
            &[("c", 1)],
            &[],
        ] {
            refilled(&mut figures, rows);
            assert_eq!(figures, rows.iter().copied().collect());
            assert_eq!((figures.len(), figures.is_empty()), (rows.len(), rows.is_empty()));
            assert!(rows.iter().all(|(name, figure)| figures[name] == *figure));
        }
        assert_eq!(figures.get("a"), None);
    }
}
