//! Reading maps as the kernel shows them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{IdMap, IdRange, check};
use crate::{Error, ErrorKind, Result, line};

/// More than 340 lines of three numbers, each padded to ten digits.
const FILE_MAX: u64 = 1 << 16;

pub(super) const NOT_A_RANGE: &str = "it is not three decimal numbers of 32 bits";

/// A line that is no range of a map: its number, its text, and why.
struct BadLine<'a>(usize, &'a [u8], String);

impl BadLine<'_> {
    fn tell(&self) -> String {
        let BadLine(number, line, _) = self;
        format!("line {number} {:?}", String::from_utf8_lossy(&line[..line.len().min(64)]))
    }
}

impl IdMap {
    /// Reads a map in the format of `/proc/PID/uid_map`: a range a line, of three decimal numbers with blanks between
    /// them.
    ///
    /// A range whose ids don't exist in the user namespace of whoever read the file has 4294967295 as its outside
    /// there. Such a range is kept, but nothing in it has an id outside: [`IdMap::to_host`] is `None`. In all
    /// else it is strict.
    ///
    /// ```
    /// let map = user::IdMap::parse(b"         0       1000          1\n         1     100000      65536\n")?;
    /// assert_eq!(map.to_host(1), Some(100_000));
    ///
    /// let error = user::IdMap::parse(b"0 1000 1\n1 100000\n").unwrap_err();
    /// assert_eq!(error.to_string(), r#"id map line 2 "1 100000": it is not three decimal numbers of 32 bits"#);
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData), with the number of the line, for what is no range, and for ranges
    /// that [`IdMap::new`] refuses.
    #[doc(alias("ParseIDMap", "ParseIDMapFile"))]
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        lines(bytes)
            .map_err(|bad| Error::new(ErrorKind::InvalidData, format_args!("id map {}", bad.tell()), &bad.2))
    }

    /// Returns the user ids of a process's user namespace, or with `None` of this process's own.
    ///
    /// *Outside* is the calling process's user namespace; for processes in that very namespace, this one's own among
    /// them, it is the parent of it. Until somebody has written the map it is empty.
    ///
    /// More than five ranges come in the order of their ids inside, in whatever order they were written. For a
    /// process that is neither in this namespace nor in one below it, the kernel only shows where each range
    /// begins outside.
    ///
    /// ```
    /// let mine = user::IdMap::uids_of(None)?;
    /// if mine == user::IdMap::identity() {
    ///     println!("this is the initial user namespace, or as good as it");
    /// }
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) without such a process;
    /// [`InvalidData`](ErrorKind::InvalidData) if ranges overlap as they are seen from here.
    #[doc(alias = "CurrentProcessUIDMap")]
    pub fn uids_of(pid: impl Into<Option<u32>>) -> Result<Self> {
        of_process(pid.into(), "uid_map")
    }

    /// Returns the group ids of a process's user namespace, or with `None` of this process's own.
    ///
    /// See [`IdMap::uids_of`].
    ///
    /// # Errors
    ///
    /// As [`IdMap::uids_of`].
    #[doc(alias = "CurrentProcessGIDMap")]
    pub fn gids_of(pid: impl Into<Option<u32>>) -> Result<Self> {
        of_process(pid.into(), "gid_map")
    }
}

impl FromStr for IdMap {
    type Err = Error;

    /// As [`IdMap::parse`].
    fn from_str(text: &str) -> Result<Self> {
        IdMap::parse(text.as_bytes())
    }
}

fn of_process(pid: Option<u32>, name: &str) -> Result<IdMap> {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let path = PathBuf::from(format!("/proc/{process}/{name}"));
    let bytes = read(&path).map_err(|error| Error::io(&path, &error))?;
    lines(&bytes).map_err(|bad| {
        Error::io(&path, &io::Error::new(io::ErrorKind::InvalidData, format!("{}: {}", bad.tell(), bad.2)))
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lines(bytes: &[u8]) -> std::result::Result<IdMap, BadLine<'_>> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = || text.split(|&byte| byte == b'\n').filter(|_| !bytes.is_empty()).zip(1..);
    let mut ranges = Vec::new();
    for (line, number) in lines() {
        if number > check::RANGES_MAX {
            return Err(BadLine(number, line, format!("there are more than {} ranges", check::RANGES_MAX)));
        }
        let why = || NOT_A_RANGE.to_owned();
        ranges.push(range(line).ok_or_else(|| BadLine(number, line, why()))?);
    }
    check::ranges(&ranges)
        .map_err(|(at, why)| BadLine(at + 1, lines().nth(at).map_or(&[], |(line, _)| line), why))?;
    Ok(IdMap::of_checked(ranges.into()))
}

pub(super) fn range(line: &[u8]) -> Option<IdRange> {
    let mut words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
    // A leading zero is refused: newuidmap(1) would take it for octal, the kernel does not.
    let mut next = || line::length(words.next()?).ok();
    let range = IdRange { inside: next()?, outside: next()?, length: next()? };
    words.next().is_none().then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_and_written_again() {
        for (text, written) in [
            ("         0          0 4294967295\n", "0 0 4294967295"),
            ("0 1000 1\n1 100000 65536", "0 1000 1\n1 100000 65536"),
            ("\t5 6\t7 \n", "5 6 7"),
            ("", ""),
        ] {
            assert_eq!(IdMap::parse(text.as_bytes()).unwrap().to_string(), written);
        }
    }

    #[test]
    fn a_range_without_an_outside_is_kept_and_leads_nowhere() {
        // As a process without root's ids sees the map of the initial namespace, and others beside its own.
        let map = IdMap::parse(b"0 4294967295 10\n10 4294967295 4294967285\n").unwrap();
        assert_eq!(map.ranges().len(), 2);
        assert_eq!((map.to_host(0), map.to_host(9), map.to_host(10)), (None, None, None));
        assert_eq!((map.to_container(0), map.to_container(u32::MAX)), (None, None));
        let map = IdMap::parse(b"0 4294967295 10\n10 50 10\n").unwrap();
        assert_eq!((map.to_host(9), map.to_host(10), map.to_container(50)), (None, Some(50), Some(10)));
        assert!(IdMap::new(map.ranges().iter().copied()).is_err());
    }

    #[test]
    fn a_line_that_is_no_range_is_told_by_its_number() {
        let three = "it is not three decimal numbers of 32 bits";
        for (text, line, why) in [
            ("0 0 1\n\n1 1 1\n", r#"2 """#, three),
            ("\n", r#"1 """#, three),
            ("0 0", r#"1 "0 0""#, three),
            ("0 0 1 1", r#"1 "0 0 1 1""#, three),
            ("0 0 -1", r#"1 "0 0 -1""#, three),
            ("+0 0 1", r#"1 "+0 0 1""#, three),
            ("0 010 1", r#"1 "0 010 1""#, three),
            ("0 0x10 1", r#"1 "0 0x10 1""#, three),
            ("0 0 4294967296", r#"1 "0 0 4294967296""#, three),
            ("0 0 1\r\n", r#"1 "0 0 1\r""#, three),
            ("0:0:1", r#"1 "0:0:1""#, three),
            ("0 0 1\n1 1 0\n", r#"2 "1 1 0""#, "it is empty"),
            ("9 9 2\n0 0 1\n 10 0020 1", r#"3 " 10 0020 1""#, three),
            ("9 9 2\n0 0 1\n 10 20 1", r#"3 " 10 20 1""#, "inside it overlaps \"9 9 2\""),
            ("4294967295 0 1", r#"1 "4294967295 0 1""#, "inside it goes beyond the last id, 4294967294"),
        ] {
            let error = IdMap::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("id map line {line}: {why}"));
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
        let error = IdMap::parse(b"0 0 1\n\xff\x00").unwrap_err();
        assert_eq!(error.to_string(), format!("id map line 2 \"\u{fffd}\\0\": {three}"));
    }

    #[test]
    fn a_file_of_too_many_or_too_long_lines_is_refused_in_one_short_line() {
        let many = (0..500).map(|id| format!("{id} {id} 1\n")).collect::<Vec<_>>().concat();
        let error = IdMap::parse(many.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, r#"id map line 341 "340 340 1": there are more than 340 ranges"#);
        let long = IdMap::parse(&vec![b'9'; 1 << 20]).unwrap_err().to_string();
        assert!(long.starts_with("id map line 1 \"999") && long.len() < 200, "{long}");
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        let error = IdMap::uids_of(u32::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            r#"read "/proc/4294967295/uid_map": No such file or directory (os error 2)"#
        );
        assert_eq!(error.path(), Some(Path::new("/proc/4294967295/uid_map")));
        assert!(IdMap::gids_of(u32::MAX).unwrap_err().path().unwrap().ends_with("gid_map"));
    }
}
