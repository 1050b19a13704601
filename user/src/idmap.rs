//! Maps of ids: who somebody in a user namespace is outside of it.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

mod check;
mod pair;
mod permitted;
mod read;
mod subids;

pub use pair::IdMaps;
pub use subids::Owner;

/// What the kernel shows, and takes nowhere, for an id that a user namespace lacks.
const NO_ID: u32 = u32::MAX;

/// Ids that follow each other, mapped to others, as a line of `/proc/PID/uid_map` has them.
///
/// ```
/// let range = user::IdRange { inside: 0, outside: 100_000, length: 65_536 };
/// assert_eq!(range.to_string(), "0 100000 65536");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The first id in the user namespace.
    pub inside: u32,
    /// The same id outside of it; 4294967295 if there is none (see [`IdMap::parse`]).
    pub outside: u32,
    /// How many ids there are.
    pub length: u32,
}

impl IdRange {
    /// Returns the id after the last one outside.
    fn outside_end(&self) -> u64 {
        u64::from(self.outside) + u64::from(self.length)
    }
}

impl FromStr for IdRange {
    type Err = Error;

    /// Reads a range as it is printed, or with colons between the numbers, as engines take it.
    ///
    /// ```
    /// let range: user::IdRange = "0:100000:65536".parse()?;
    /// assert_eq!(range, "0 100000 65536".parse()?);
    /// # Ok::<(), user::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        read::range(text.replace(':', " ").as_bytes()).ok_or_else(|| {
            let what = format!("id map range {text:?}");
            Error::new(ErrorKind::InvalidInput, what, read::NOT_A_RANGE)
        })
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inside, self.outside, self.length)
    }
}

/// A map of user ids, or of group ids, of a user namespace ([`user_namespaces(7)`]).
///
/// It has at most 340 ranges, as the kernel takes them; none is empty, none goes beyond the last id, which is
/// 4294967294, and no two overlap. Printed, it is the text that `/proc/PID/uid_map` takes in one write.
///
/// An empty map maps nothing, as in the kernel: nobody in such a namespace is anybody outside. It does not stand for
/// "each id is itself"; that is [`IdMap::identity`].
///
/// ```
/// use user::{IdMap, SubId};
///
/// let subuid: Vec<SubId> = SubId::read(&b"matt:100000:65536\n"[..]).collect::<Result<_, _>>()?;
/// let map = IdMap::rootless(1000, &subuid)?;
/// assert_eq!(map.to_string(), "0 1000 1\n1 100000 65536");
/// assert_eq!(map.to_host(0), Some(1000)); // root in the container is matt on the host
/// assert_eq!(map.to_host(33), Some(100_032));
/// assert_eq!(map.to_container(100_032), Some(33));
/// assert_eq!(map.to_host(65_537), None);
/// # Ok::<(), user::Error>(())
/// ```
///
/// [`user_namespaces(7)`]: https://man7.org/linux/man-pages/man7/user_namespaces.7.html
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[doc(alias = "IDMap")]
pub struct IdMap {
    ranges: Box<[IdRange]>,
    by_inside: Box<[IdRange]>,
    /// Without those that have no outside.
    by_outside: Box<[IdRange]>,
}

impl IdMap {
    /// Takes the ranges of a map.
    ///
    /// ```
    /// use user::{IdMap, IdRange};
    ///
    /// let root = IdRange { inside: 0, outside: 1000, length: 1 };
    /// let others = IdRange { inside: 1, outside: 999, length: 10 };
    /// let error = IdMap::new([root, others]).unwrap_err();
    /// assert_eq!(error.to_string(), r#"id map range "1 999 10": outside it overlaps "0 1000 1""#);
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for more than 340 ranges, for one that is empty or goes beyond id
    /// 4294967294, inside or outside, and for two that overlap, inside or outside.
    pub fn new(ranges: impl IntoIterator<Item = IdRange>) -> Result<Self> {
        let ranges: Box<[_]> = ranges.into_iter().take(check::RANGES_MAX + 1).collect();
        if ranges.len() > check::RANGES_MAX {
            let why = format!("there are more than {} ranges", check::RANGES_MAX);
            return Err(Error::new(ErrorKind::InvalidInput, "id map", why));
        }
        let without_outside = ranges.iter().find(|range| range.outside == NO_ID);
        if let Some(range) = without_outside {
            return Err(refused(range, check::beyond("outside")));
        }
        check::ranges(&ranges).map_err(|(at, why)| refused(&ranges[at], why))?;
        Ok(IdMap::of_checked(ranges))
    }

    /// Returns the map of the initial user namespace, `0 0 4294967295`: each id is itself.
    pub fn identity() -> Self {
        IdMap::of_checked([IdRange { inside: 0, outside: 0, length: u32::MAX }].into())
    }

    fn of_checked(ranges: Box<[IdRange]>) -> Self {
        let mut by_inside = ranges.clone();
        by_inside.sort_unstable_by_key(|range| range.inside);
        let mut by_outside: Box<[_]> =
            ranges.iter().copied().filter(|range| range.outside != NO_ID).collect();
        by_outside.sort_unstable_by_key(|range| range.outside);
        IdMap { ranges, by_inside, by_outside }
    }

    /// Returns the ranges, in the order in which they were given.
    pub fn ranges(&self) -> &[IdRange] {
        &self.ranges
    }

    /// Returns whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns who an id of the user namespace is outside, or `None` if it isn't mapped.
    ///
    /// ```
    /// let map: user::IdMap = "0 100000 65536".parse()?;
    /// assert_eq!(map.to_host(65_535), Some(165_535));
    /// assert_eq!(map.to_host(65_536), None);
    /// # Ok::<(), user::Error>(())
    /// ```
    #[doc(alias = "ToHost")]
    #[inline]
    pub fn to_host(&self, inside: u32) -> Option<u32> {
        let range = self.range_of(inside)?;
        (range.outside != NO_ID).then(|| range.outside + (inside - range.inside))
    }

    /// Returns who an id outside is in the user namespace, or `None` if it isn't mapped.
    ///
    /// What belongs to such an id is seen inside as the overflow id's, which mostly is 65534.
    #[doc(alias = "ToContainer")]
    #[inline]
    pub fn to_container(&self, outside: u32) -> Option<u32> {
        let range = find(&self.by_outside, outside, |range| range.outside)?;
        Some(range.inside + (outside - range.outside))
    }

    /// Returns who root of the user namespace is outside, or `None` if it has no root.
    #[doc(alias = "RootPair")]
    pub fn root(&self) -> Option<u32> {
        self.to_host(0)
    }

    /// Returns the range that has an id inside.
    fn range_of(&self, inside: u32) -> Option<&IdRange> {
        find(&self.by_inside, inside, |range| range.inside)
    }

    /// Returns the map as [`newuidmap(1)`] and [`newgidmap(1)`] take it after the process: three words a range.
    ///
    /// ```no_run
    /// # let (child, map) = (1, user::IdMap::default());
    /// let done = std::process::Command::new("newuidmap").arg(child.to_string()).args(map.to_args()).status()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// What they will refuse, [`IdMap::check_newuidmap`] and [`IdMap::check_newgidmap`] tell before.
    ///
    /// [`newuidmap(1)`]: https://man7.org/linux/man-pages/man1/newuidmap.1.html
    /// [`newgidmap(1)`]: https://man7.org/linux/man-pages/man1/newgidmap.1.html
    pub fn to_args(&self) -> Vec<String> {
        let words = |range: &IdRange| [range.inside, range.outside, range.length];
        self.ranges.iter().flat_map(words).map(|number| number.to_string()).collect()
    }
}

impl fmt::Display for IdMap {
    /// Prints a line a range, with no newline after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.ranges.iter().enumerate() {
            write!(f, "{}{range}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdMap").field(&self.ranges).finish()
    }
}

/// Finds the range that has an id on the side on which they are sorted.
#[inline]
fn find(sorted: &[IdRange], id: u32, first: fn(&IdRange) -> u32) -> Option<&IdRange> {
    let after = sorted.partition_point(|range| first(range) <= id);
    let range = sorted[..after].last()?;
    (id - first(range) < range.length).then_some(range)
}

fn refused(range: &IdRange, why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput, format_args!("id map range \"{range}\""), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(inside: u32, outside: u32, length: u32) -> IdRange {
        IdRange { inside, outside, length }
    }

    #[test]
    fn an_id_is_mapped_up_to_the_very_last() {
        let map = IdMap::new([range(10, 1000, 5), range(15, 500, 1), range(0, 4_294_967_290, 5)]).unwrap();
        for (inside, outside) in [
            (0, Some(4_294_967_290)),
            (4, Some(4_294_967_294)),
            (5, None),
            (9, None),
            (10, Some(1000)),
            (14, Some(1004)),
            (15, Some(500)),
            (16, None),
            (u32::MAX, None),
        ] {
            assert_eq!(map.to_host(inside), outside, "{inside}");
            if let Some(outside) = outside {
                assert_eq!(map.to_container(outside), Some(inside), "{outside}");
            }
        }
        for outside in [0, 499, 501, 999, 1005, 4_294_967_289, u32::MAX] {
            assert_eq!(map.to_container(outside), None, "{outside}");
        }
        assert_eq!(map.root(), Some(4_294_967_290));
        let all = IdMap::identity();
        for id in [0, 1, u32::MAX - 1] {
            assert_eq!((all.to_host(id), all.to_container(id)), (Some(id), Some(id)));
        }
        assert_eq!((all.to_host(u32::MAX), all.to_container(u32::MAX)), (None, None));
        assert_eq!(IdMap::default().root(), None);
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_with_the_reason() {
        for (ranges, why) in [
            (&[range(0, 1, 0)][..], r#"id map range "0 1 0": it is empty"#),
            (
                &[range(1, 0, u32::MAX)],
                r#"id map range "1 0 4294967295": inside it goes beyond the last id, 4294967294"#,
            ),
            (
                &[range(0, u32::MAX - 1, 2)],
                r#"id map range "0 4294967294 2": outside it goes beyond the last id, 4294967294"#,
            ),
            (
                &[range(0, u32::MAX, 1)],
                r#"id map range "0 4294967295 1": outside it goes beyond the last id, 4294967294"#,
            ),
            (&[range(0, 0, 10), range(9, 100, 1)], r#"id map range "9 100 1": inside it overlaps "0 0 10""#),
            (&[range(9, 100, 1), range(0, 0, 10)], r#"id map range "0 0 10": inside it overlaps "9 100 1""#),
            (
                &[range(0, 100, 1), range(50, 9, 1), range(10, 91, 10)],
                r#"id map range "10 91 10": outside it overlaps "0 100 1""#,
            ),
            (&[range(5, 5, 1), range(5, 5, 1)], r#"id map range "5 5 1": outside it overlaps "5 5 1""#),
        ] {
            let error = IdMap::new(ranges.iter().copied()).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, why));
        }
        assert!(IdMap::new([range(0, 0, u32::MAX)]).is_ok());
        assert!(IdMap::new([range(u32::MAX - 1, u32::MAX - 1, 1)]).is_ok());
        assert!(IdMap::new([range(10, 0, 10), range(0, 10, 10)]).is_ok());
    }

    #[test]
    fn there_are_340_ranges_at_most() {
        let singles = |count| (0..count).map(|id| range(id, id, 1));
        assert_eq!(IdMap::new(singles(340)).unwrap().ranges().len(), 340);
        assert_eq!(
            IdMap::new(singles(341)).unwrap_err().to_string(),
            "id map: there are more than 340 ranges"
        );
        assert!(IdMap::new((0..).map(|id| range(id, id, 1))).is_err());
        assert!(IdMap::new([]).unwrap().is_empty());
    }

    /// Numbers that look random, and are the same each time (xorshift).
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u32 % end
        }

        /// Ranges among so few ids that they often overlap, near the lowest ids or near the last.
        fn ranges(&mut self) -> Vec<IdRange> {
            let base = [0, u32::MAX - 30][self.below(2) as usize];
            let count = self.below(7);
            let id = |random: &mut Self| base + random.below(30);
            (0..count).map(|_| range(id(self), id(self), self.below(4))).collect()
        }
    }

    /// The ids of a range, one by one, inside and outside; as far as there are numbers.
    fn pairs(range: &IdRange) -> impl Iterator<Item = (u64, u64)> {
        let (inside, outside) = (u64::from(range.inside), u64::from(range.outside));
        (0..u64::from(range.length)).map(move |offset| (inside + offset, outside + offset))
    }

    #[test]
    fn a_map_does_as_a_list_of_single_ids_does() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let ranges = random.ranges();
            let list: Vec<_> = ranges.iter().flat_map(pairs).collect();
            let unique = |one: fn(&(u64, u64)) -> u64| {
                let ids: std::collections::HashSet<_> = list.iter().map(one).collect();
                ids.len() == list.len() && ids.iter().all(|&id| id < u64::from(u32::MAX))
            };
            let good =
                unique(|pair| pair.0) && unique(|pair| pair.1) && ranges.iter().all(|range| range.length > 0);
            let map = IdMap::new(ranges.iter().copied());
            assert_eq!(map.is_ok(), good, "{ranges:?}");
            let Ok(map) = map else {
                refused += 1;
                continue;
            };
            taken += 1;
            assert_eq!(map.ranges(), ranges);
            assert_eq!(map.to_string().parse::<IdMap>().unwrap(), map);
            for id in (0..40).chain(u32::MAX - 40..=u32::MAX) {
                let find = |from: fn(&(u64, u64)) -> u64, to: fn(&(u64, u64)) -> u64| {
                    list.iter().find(|pair| from(pair) == u64::from(id)).map(|pair| to(pair) as u32)
                };
                assert_eq!(map.to_host(id), find(|pair| pair.0, |pair| pair.1), "{id} in {ranges:?}");
                assert_eq!(map.to_container(id), find(|pair| pair.1, |pair| pair.0), "{id} in {ranges:?}");
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
    }
}
