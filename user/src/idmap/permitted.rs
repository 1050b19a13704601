//! What `newuidmap` and `newgidmap` let a user map, found out before they are asked.
//!
//! The rules are those of shadow 4.13 and 4.20.2 (newuidmap.c, newgidmap.c, idmapping.c, subordinateio.c), where they
//! make sense: 4.13 takes a length of 0 for "all ids", ranges beyond the last id, fourth fields, octal and hexadecimal
//! numbers; such a line grants nothing here.

use std::borrow::Borrow;
use std::fmt::Display;
use std::fs;

use super::{IdMap, IdRange, NO_ID, Owner};
use crate::{Error, ErrorKind, Result, SubId};

/// The page of most machines. The kernel takes a map in one write of less than a page.
const PAGE: usize = 4096;

/// How many ranges an error lists.
const LISTED: usize = 4;

impl IdMap {
    /// Checks whether [`newuidmap(1)`] will write this map for a user.
    ///
    /// It does if each range is of ids that are subordinate to the user, or is the user's own uid and no other. A
    /// range may lie across several lines of [`subuid(5)`] if they leave nothing out between them. Lines of other
    /// users may be among `subuids`; they don't count.
    ///
    /// Only the map is looked at. The program must also be installed and have its rights, and the process must be
    /// the user's, in a new user namespace that has no map yet. An engine that is itself in a user namespace
    /// needs [`IdMap::check_within`] too. Some things only the program knows: lines with *another* login name of
    /// the same uid; what a service says that `/etc/nsswitch.conf` names after `subid:`, when the files don't count at
    /// all; and whether it is set-user-ID root or has file capabilities only, with which the kernel (since Linux
    /// 5.12) lets nobody map the host's uid 0, even if a line grants it. Lines that aren't entries of [`SubId`] grant
    /// nothing here, though some versions of shadow read them.
    ///
    /// ```
    /// use user::{IdMap, Owner, SubId};
    ///
    /// let subuid: Vec<SubId> = SubId::read(&b"matt:100000:65536\n"[..]).collect::<Result<_, _>>()?;
    /// let matt = Owner { name: "matt".into(), uid: 1000, gid: 100 };
    /// IdMap::rootless(1000, &subuid)?.check_newuidmap(&matt, &subuid)?;
    ///
    /// let too_much: IdMap = "0 1000 1\n1 100000 65537".parse()?;
    /// let error = too_much.check_newuidmap(&matt, &subuid).unwrap_err().to_string();
    /// assert!(error.starts_with(r#"newuidmap of "1 100000 65537": id 165536 is not subordinate to "matt";"#));
    /// assert!(error.ends_with("permitted are 100000-165535, and 1000 by itself"));
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) with the first range that isn't permitted;
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a map that the kernel takes from nobody: an empty one, and
    /// one whose text fills a page, which is 4,096 bytes on most machines; the text of 340 ranges may.
    ///
    /// [`newuidmap(1)`]: https://man7.org/linux/man-pages/man1/newuidmap.1.html
    /// [`subuid(5)`]: https://man7.org/linux/man-pages/man5/subuid.5.html
    pub fn check_newuidmap(
        &self,
        owner: &Owner,
        subuids: impl IntoIterator<Item: Borrow<SubId>>,
    ) -> Result<()> {
        check(self, "newuidmap", owner, owner.uid, subuids)
    }

    /// Checks whether [`newgidmap(1)`] will write this map for a user.
    ///
    /// As [`IdMap::check_newuidmap`]; the user's own gid is that of the primary group. A map of nothing but that
    /// one is written too, but [`setgroups(2)`] is forbidden in that namespace from then on.
    ///
    /// # Errors
    ///
    /// As [`IdMap::check_newuidmap`].
    ///
    /// [`newgidmap(1)`]: https://man7.org/linux/man-pages/man1/newgidmap.1.html
    /// [`setgroups(2)`]: https://man7.org/linux/man-pages/man2/setgroups.2.html
    pub fn check_newgidmap(
        &self,
        owner: &Owner,
        subgids: impl IntoIterator<Item: Borrow<SubId>>,
    ) -> Result<()> {
        check(self, "newgidmap", owner, owner.gid, subgids)
    }
}

fn check(
    map: &IdMap,
    program: &str,
    owner: &Owner,
    own_id: u32,
    subids: impl IntoIterator<Item: Borrow<SubId>>,
) -> Result<()> {
    if map.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, program, "the map is empty"));
    }
    let granted = Granted::to(owner, subids);
    for range in &map.ranges {
        let own = range.length == 1 && range.outside == own_id;
        if let Some(id) = granted.lack(range).filter(|_| !own) {
            let what = format!("{program} of \"{range}\"");
            let why = format!(
                "id {id} is not subordinate to {:?}; permitted {}{own_id} by itself",
                owner.name,
                granted.list()
            );
            return Err(Error::new(ErrorKind::PermissionDenied, what, why));
        }
    }
    check_text(map).map_err(|why| Error::new(ErrorKind::InvalidInput, program, why))
}

/// The ids that are subordinate to a user: from, and up to but not with; in order, with gaps between them.
struct Granted(Vec<(u64, u64)>);

impl Granted {
    fn to(owner: &Owner, subids: impl IntoIterator<Item: Borrow<SubId>>) -> Self {
        let mut ranges = Vec::new();
        for subid in subids {
            let subid = subid.borrow();
            let (first, end) = (u64::from(subid.first), u64::from(subid.first) + u64::from(subid.length));
            // The last number of 32 bits is nobody's id.
            if owner.owns(subid) && end <= 1 << 32 {
                ranges.push((first, end.min(u64::from(NO_ID))));
            }
        }
        ranges.retain(|(first, end)| first < end);
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let touch = next.0 <= before.1;
            before.1 = if touch { before.1.max(next.1) } else { before.1 };
            touch
        });
        Granted(ranges)
    }

    /// Returns the first id of a range that isn't granted.
    fn lack(&self, range: &IdRange) -> Option<u64> {
        let first = u64::from(range.outside);
        let after = self.0.partition_point(|&(from, _)| from <= first);
        let granted_to = self.0[..after].last().map_or(0, |&(_, end)| end);
        (granted_to < range.outside_end()).then_some(first.max(granted_to))
    }

    fn list(&self) -> String {
        let one = |&(first, end): &(u64, u64)| match end - first {
            1 => first.to_string(),
            _ => format!("{first}-{}", end - 1),
        };
        let listed = self.0.iter().take(LISTED).map(one).collect::<Vec<_>>().join(", ");
        match self.0.len() {
            0 => "is only ".to_owned(),
            all if all > LISTED => format!("are {listed} and {} more ranges, and ", all - LISTED),
            _ => format!("are {listed}, and "),
        }
    }
}

/// Both programs write a line a range, the last one's newline too.
fn check_text(map: &IdMap) -> std::result::Result<(), impl Display> {
    let length = map.to_string().len() + 1;
    if length < PAGE || length < page_size() {
        return Ok(());
    }
    Err(format!("the map is {length} bytes of text, and the kernel takes less than a page, {}", page_size()))
}

/// The size of this machine's pages, or of most machines' if /proc doesn't tell (proc_pid_auxv(5)).
fn page_size() -> usize {
    const AT_PAGESZ: usize = 6;
    const WORD: usize = size_of::<usize>();
    let auxv = fs::read("/proc/self/auxv").unwrap_or_default();
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, usize::from_ne_bytes);
    let mut pairs = auxv.chunks_exact(2 * WORD);
    pairs.find(|pair| word(&pair[..WORD]) == AT_PAGESZ).map_or(PAGE, |pair| word(&pair[WORD..]))
}

#[cfg(test)]
mod tests {
    use super::super::subids::tests::subids;
    use super::*;

    fn matt() -> Owner {
        Owner { name: "matt".into(), uid: 1000, gid: 100 }
    }

    fn ask(map: &str, granted: &str) -> Result<()> {
        map.parse::<IdMap>().unwrap().check_newuidmap(&matt(), subids(granted))
    }

    #[test]
    fn ranges_are_permitted_up_to_the_very_last_id() {
        let granted = "matt:100000:65536";
        for map in ["0 100000 65536", "0 165535 1", "0 1000 1\n1 100000 10", "1000 1000 1", "7 100001 65535"]
        {
            ask(map, granted).unwrap();
        }
        for (map, id) in [
            ("0 99999 2", 99_999),
            ("0 165535 2", 165_536),
            ("0 100000 65537", 165_536),
            ("0 165536 1", 165_536),
            ("0 100 1", 100),
            ("0 1000 2", 1000),
            ("0 0 1", 0),
            ("0 0 4294967295", 0),
        ] {
            let error = ask(map, granted).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert_eq!(
                error.to_string(),
                format!(
                    r#"newuidmap of "{map}": id {id} is not subordinate to "matt"; {}"#,
                    "permitted are 100000-165535, and 1000 by itself"
                )
            );
        }
    }

    #[test]
    fn a_range_may_lie_across_lines_that_leave_nothing_out() {
        ask("0 100 30", "matt:110:10\nmatt:120:10\n1000:100:10").unwrap();
        ask("0 100 30", "matt:100:15\nmatt:105:50").unwrap();
        ask("0 105 3", "matt:100:50\nmatt:102:1").unwrap();
        let error = ask("0 100 30", "matt:100:10\nmatt:111:20").unwrap_err().to_string();
        assert!(
            error.contains("id 110 is not subordinate to \"matt\"; permitted are 100-109, 111-130, and"),
            "{error}"
        );
        // The own id is one by itself: it closes no gap.
        assert!(ask("0 999 3", "matt:999:1\nmatt:1001:1").is_err());
    }

    #[test]
    fn only_the_owners_lines_count_and_empty_or_endless_ones_do_not() {
        for granted in [
            "",
            "koye:100:10",
            "Matt:100:10",
            "01000:100:10",
            "100:100:10",
            "matt:100:0",
            "matt:0:0",
            "matt:100:4294967295",
        ] {
            let error = ask("0 100 1", granted).unwrap_err().to_string();
            assert_eq!(
                error,
                r#"newuidmap of "0 100 1": id 100 is not subordinate to "matt"; permitted is only 1000 by itself"#
            );
        }
        ask("0 4294967294 1", "matt:4294967294:2").unwrap();
        assert!(ask("0 4294967295 1", "matt:4294967294:2").is_err());
    }

    #[test]
    fn the_first_range_is_told_that_is_not_permitted() {
        let error = ask("0 1000 1\n9 7 1\n1 5 1", "matt:100:10").unwrap_err().to_string();
        assert!(error.starts_with(r#"newuidmap of "9 7 1": id 7 is"#), "{error}");
        let granted = (0..9)
            .fold(String::new(), |text, line| text + &format!("matt:{}:{}\n", 100 * line, line % 2 + 1));
        let error = ask("0 7 1", &granted).unwrap_err().to_string();
        assert!(
            error.contains("permitted are 0, 100-101, 200, 300-301 and 5 more ranges, and 1000 by"),
            "{error}"
        );
    }

    #[test]
    fn a_range_is_permitted_as_a_list_of_single_ids_is() {
        let (mut permitted, mut refused) = (0, 0);
        // Each number is one choice of two lines and a range, among few ids.
        for number in 0..8_u32.pow(6) {
            let digit = |place| number / 8_u32.pow(place) % 8;
            let line = |place| (digit(place), digit(place + 1) % 4);
            let (lines, (first, length)) = ([line(0), line(2)], (digit(4), digit(5) % 4 + 1));
            let granted = lines.map(|(first, length)| SubId { owner: "matt".into(), first, length });
            let has = |id| lines.iter().any(|&(first, length)| (first..first + length).contains(&id));
            let expected = (first..first + length).find(|&id| !has(id)).map(u64::from);
            let lack = Granted::to(&matt(), &granted).lack(&IdRange { inside: 0, outside: first, length });
            assert_eq!(lack, expected, "{lines:?} {first} {length}");
            *if lack.is_none() { &mut permitted } else { &mut refused } += 1;
        }
        assert!(permitted > 1000 && refused > 1000, "{permitted} permitted, {refused} refused");
    }

    #[test]
    fn groups_have_their_own_id() {
        let map: IdMap = "0 100 1\n1 500 10".parse().unwrap();
        map.check_newgidmap(&matt(), subids("matt:500:10")).unwrap();
        let map: IdMap = "0 1000 1".parse().unwrap();
        let error = map.check_newgidmap(&matt(), subids("1000:500:10")).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"newgidmap of "0 1000 1": id 1000 is not subordinate to "matt"; permitted are 500-509, and 100 by itself"#
        );
    }

    #[test]
    fn a_map_is_less_than_a_page_of_text_and_more_than_none() {
        assert_eq!(ask("", "matt:1:10").unwrap_err().to_string(), "newuidmap: the map is empty");
        let all = "matt:0:4294967295";
        // 340 lines of 12 bytes are 4,080; each line may have one more.
        for longer in 0..340 {
            let line =
                |at: u32| format!("{} {} 1\n", 100 + at, if at < longer { 100_000 } else { 10_000 } + at);
            let text = (0..340).map(line).collect::<Vec<_>>().concat();
            let asked = ask(&text, all);
            assert_eq!(asked.is_ok(), text.len() < page_size(), "{}", text.len());
            if text.len() == 4096 && page_size() == 4096 {
                let why = "the map is 4096 bytes of text, and the kernel takes less than a page, 4096";
                assert_eq!(asked.unwrap_err().to_string(), format!("newuidmap: {why}"));
            }
        }
    }

    #[test]
    fn the_kernel_tells_the_size_of_a_page() {
        assert!(page_size().is_power_of_two() && page_size() >= PAGE, "{}", page_size());
    }
}
