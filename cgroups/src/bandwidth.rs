//! Why the kernel refuses quotas, periods and shares: it says no more than EINVAL.

use std::fmt::{self, Display};
use std::path::Path;

use crate::file::{Dir, children};

/// A quota in a period, in microseconds; `None` for as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bandwidth {
    pub(crate) quota: Option<u64>,
    pub(crate) period: u64,
}

impl Bandwidth {
    /// Whether it is more of a processor than the other one.
    pub(crate) fn exceeds(self, other: Bandwidth) -> bool {
        match (self.quota, other.quota) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(mine), Some(theirs)) => {
                u128::from(mine) * u128::from(other.period) > u128::from(theirs) * u128::from(self.period)
            }
        }
    }

    /// What is wrong with it in itself.
    pub(crate) fn fault(self) -> Option<&'static str> {
        // kernel/sched/core.c: a millisecond at the least, a second at the most.
        if !(1_000..=1_000_000).contains(&self.period) {
            return Some("a period is 1000 to 1000000 microseconds");
        }
        self.quota.filter(|&quota| quota < 1_000).map(|_| "a quota is 1000 microseconds at the least")
    }

    /// Reads what is in force; the files are named as those of v1.
    pub(crate) fn read(dir: &Dir, quota: &str, period: &str) -> Option<Bandwidth> {
        let quota: i64 = dir.read(quota).ok()?.trim().parse().ok()?;
        let period = dir.read(period).ok()?.trim().parse().ok()?;
        Some(Bandwidth { quota: u64::try_from(quota).ok(), period })
    }
}

impl Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quota {
            Some(quota) => write!(f, "{quota} of {} microseconds", self.period),
            None => f.write_str("no limit"),
        }
    }
}

/// The cgroups above this one, nearest first, as far as they have the file.
pub(crate) fn ancestors(dir: &Dir, file: &str) -> impl Iterator<Item = Dir> {
    let above: Vec<_> = dir.path().ancestors().skip(1).map(Path::to_owned).collect();
    above.into_iter().map_while(|path| Dir::open(&path).ok()).take_while(move |dir| dir.has(file))
}

/// All cgroups below this one, each before those in it.
pub(crate) fn below(dir: &Dir) -> impl Iterator<Item = Dir> {
    let mut paths = children(dir.path()).unwrap_or_default();
    std::iter::from_fn(move || {
        let path = paths.pop()?;
        paths.extend(children(&path).unwrap_or_default());
        Some(path)
    })
    .filter_map(|path| Dir::open(&path).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_compare_by_what_they_are_of_a_processor() {
        let of = |quota, period| Bandwidth { quota, period };
        assert!(of(Some(60_000), 100_000).exceeds(of(Some(5_000), 10_000)));
        assert!(!of(Some(50_000), 100_000).exceeds(of(Some(5_000), 10_000)));
        assert!(of(None, 1).exceeds(of(Some(1), 1)));
        assert!(!of(Some(u64::MAX), 1).exceeds(of(None, 1)));
        assert!(of(Some(u64::MAX), 1).exceeds(of(Some(u64::MAX), 2)));
    }

    #[test]
    fn the_kernels_bounds_are_told() {
        // T38, as measured.
        let fault = |quota, period| Bandwidth { quota, period }.fault().unwrap_or_default();
        assert_eq!(fault(Some(1_000), 1_000), "");
        assert_eq!(fault(Some(999), 100_000), "a quota is 1000 microseconds at the least");
        assert!(fault(None, 999).starts_with("a period"));
        assert!(fault(None, 1_000_001).starts_with("a period"));
    }
}
