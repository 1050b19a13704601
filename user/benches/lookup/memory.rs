//! The most memory that inputs take which are larger than any memory, and how fast they are read while it is
//! counted: each allocation costs some nanoseconds more.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::time::Instant;
use std::{env, process};

use user::{Group, Passwd};

use crate::{counter, table};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What is looked for, at the very end.
const WANTED: &[u8] = b"\nwanted:x:7:7::/home/wanted:/bin/sh\n";

pub(crate) fn print() {
    let user = |id| format!("user{id}:x:{id}:{id}:User number {id},,,:/home/user{id}:/bin/bash\n");
    let users = (1..=15_000).map(user).collect::<String>().into_bytes();
    let letters = vec![b'x'; MIB as usize];

    println!("\n{:45} {:>11} {:>10} {:>7}", "", "bytes", "ms", "GiB/s");
    measure("a stream of 10 GiB: Passwd::read, find_name", 10 * GIB, || {
        let stream = Pattern::new(&users, 10 * GIB).chain(WANTED);
        Passwd::read(stream).find_name("wanted").expect("read").expect("there");
    });
    measure("a stream of 1 GiB: Passwd::read, every line", GIB, || {
        let stream = Pattern::new(&users, GIB).chain(WANTED);
        let last = Passwd::read(stream).lenient().last().expect("a line").expect("read");
        assert_eq!(last.name, "wanted");
    });
    measure("a line of 1 GiB: Passwd::read, find_name", GIB, || {
        let stream = Pattern::new(&letters, GIB).chain(WANTED);
        Passwd::read(stream).find_name("wanted").expect("read").expect("there");
    });
    measure("a line of 1 GiB: Group::read, strictly", GIB, || {
        let lines: Vec<_> = Group::read(Pattern::new(&letters, GIB)).collect();
        assert!(matches!(lines[..], [Err(_)]));
    });
    refused();
}

/// A file that has a size and nothing else, beneath a root.
fn refused() {
    let root = env::temp_dir().join(format!("user-lookup-{}-sparse", process::id()));
    fs::create_dir_all(root.join("etc")).expect("a folder");
    let file = File::create(root.join("etc/passwd")).expect("a file");
    // As large as this file system lets a file be.
    let size = (40..63).rev().map(|bits| 1_u64 << bits).find(|&size| file.set_len(size).is_ok());
    let what = format!("a sparse file of {} GiB: refused", size.unwrap_or_default() / GIB);
    let beneath = table::beneath(&root);
    measure(&what, 0, || {
        beneath("wanted").expect_err("too large");
    });
    let _ = fs::remove_dir_all(&root);
}

fn measure(what: &str, bytes: u64, run: impl FnOnce()) {
    let start = Instant::now();
    let ((), count) = counter::count(run);
    let seconds = start.elapsed().as_secs_f64();
    let speed = match u32::try_from(bytes / GIB) {
        Ok(gib @ 1..) => format!("{:7.2}", f64::from(gib) / seconds),
        _ => String::new(),
    };
    println!("{what:45} {:>11} {:10.2} {speed}", count.peak, seconds * 1e3);
}

/// A pattern again and again, of which nothing is copied.
struct Pattern<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u64,
}

impl<'a> Pattern<'a> {
    fn new(bytes: &'a [u8], length: u64) -> Self {
        Pattern { bytes, at: 0, left: length }
    }
}

impl Read for Pattern<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Pattern<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = &self.bytes[self.at..];
        Ok(&rest[..rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))])
    }

    fn consume(&mut self, length: usize) {
        self.left -= length as u64;
        self.at = (self.at + length) % self.bytes.len();
    }
}
