//! What the kernel takes for no map: `map_write()` of kernel/user_namespace.c.

use super::{IdMap, IdRange, NO_ID, refused};
use crate::Result;

/// How many ranges the kernel takes, since Linux 4.15 ([`user_namespaces(7)`]).
///
/// [`user_namespaces(7)`]: https://man7.org/linux/man-pages/man7/user_namespaces.7.html
pub(super) const RANGES_MAX: usize = 340;

/// Tells the place of the first range that can't be in a map with those before it, and why.
///
/// Ranges that have no outside are left alone there: [`NO_ID`] may be the outside of many.
pub(super) fn ranges(ranges: &[IdRange]) -> std::result::Result<(), (usize, String)> {
    if let Some(at) = ranges.iter().position(|range| range.length == 0) {
        return Err((at, "it is empty".to_owned()));
    }
    let all: Vec<usize> = (0..ranges.len()).collect();
    let with_outside = all.iter().copied().filter(|&at| ranges[at].outside != NO_ID).collect();
    side(ranges, with_outside, "outside", |range| range.outside)?;
    side(ranges, all, "inside", |range| range.inside)
}

pub(super) fn beyond(side: &str) -> String {
    format!("{side} it goes beyond the last id, 4294967294")
}

fn side(
    ranges: &[IdRange],
    mut order: Vec<usize>,
    name: &str,
    first: fn(&IdRange) -> u32,
) -> std::result::Result<(), (usize, String)> {
    let end = |at: usize| u64::from(first(&ranges[at])) + u64::from(ranges[at].length);
    if let Some(&at) = order.iter().find(|&&at| end(at) > u64::from(NO_ID)) {
        return Err((at, beyond(name)));
    }
    order.sort_unstable_by_key(|&at| first(&ranges[at]));
    // If any two overlap, then two neighbours do.
    for pair in order.windows(2) {
        if end(pair[0]) > u64::from(first(&ranges[pair[1]])) {
            let (before, at) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            return Err((at, format!("{name} it overlaps \"{}\"", ranges[before])));
        }
    }
    Ok(())
}

impl IdMap {
    /// Checks whether a user namespace can have this map whose parent has the map `parent`.
    ///
    /// Each range outside must be in one range of the parent inside. The kernel refuses other maps even to root,
    /// and those too whose ranges lie across several of the parent's that leave nothing out between them.
    ///
    /// ```
    /// use user::IdMap;
    ///
    /// let parent: IdMap = "0 1000 1\n1 100000 65536".parse()?; // IdMap::uids_of(None)
    /// "0 1 65536".parse::<IdMap>()?.check_within(&parent)?;
    /// let error = "0 0 65537".parse::<IdMap>()?.check_within(&parent).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"id map range "0 0 65537": the parent user namespace has it in several ranges, the first is "0 1000 1""#
    /// );
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) with the first range that the parent hasn't got, or not
    /// in one piece.
    pub fn check_within(&self, parent: &IdMap) -> Result<()> {
        for range in &self.ranges {
            let Some(around) = parent.range_of(range.outside) else {
                let why = format!("the parent user namespace has no id {}", range.outside);
                return Err(refused(range, why));
            };
            let end = u64::from(around.inside) + u64::from(around.length);
            if range.outside_end() <= end {
                continue;
            }
            let next = u32::try_from(end).ok().and_then(|end| parent.range_of(end));
            return Err(match next {
                Some(_) => {
                    let has = "the parent user namespace has it in several ranges, the first is";
                    refused(range, format_args!("{has} \"{around}\""))
                }
                None => refused(range, format_args!("the parent user namespace has no id {end}")),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_within_another_has_each_range_in_one_of_its_ranges() {
        let parent: IdMap = "0 1000 1\n1 100000 10\n11 200000 10\n4294967290 5 5".parse().unwrap();
        for good in ["", "0 0 1", "0 1 10", "0 11 10\n10 2 1", "0 4294967290 5"] {
            good.parse::<IdMap>().unwrap().check_within(&parent).unwrap();
        }
        let several = "the parent user namespace has it in several ranges, the first is";
        for (bad, why) in [
            ("0 21 1", "the parent user namespace has no id 21".to_owned()),
            ("0 20 2", "the parent user namespace has no id 21".to_owned()),
            ("0 0 1\n1 100 1", "the parent user namespace has no id 100".to_owned()),
            ("0 10 2", format!("{several} \"1 100000 10\"")),
            ("0 0 4294967295", format!("{several} \"0 1000 1\"")),
            ("0 4294967295 1", "the parent user namespace has no id 4294967295".to_owned()),
        ] {
            let error = bad.parse::<IdMap>().unwrap().check_within(&parent).unwrap_err().to_string();
            let range = bad.lines().last().unwrap();
            assert_eq!(error, format!("id map range \"{range}\": {why}"));
        }
        let error = parent.check_within(&IdMap::default()).unwrap_err().to_string();
        assert!(error.contains("no id 1000"), "{error}");
        parent.check_within(&IdMap::identity()).unwrap();
    }
}
