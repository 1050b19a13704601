//! How much memory it takes to read what somebody hostile has written.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use grounds::{Outcome, tests};
use user::{Defaults, Group, Identity, Owner, Passwd, Root, SubId};

fn main() -> ExitCode {
    grounds::run(tests![
        any_number_of_lines_takes_the_same_memory,
        a_line_of_any_length_takes_the_same_memory,
        any_number_of_groups_takes_the_same_memory,
        a_sparse_file_takes_the_same_memory,
        a_lookup_allocates_little,
    ])
}

/// What any of this may hold: the longest line of an entry, twice while it grows, and a little.
const LITTLE: usize = 3 << 20;

/// How much of an endless stream is read; built for speed it may be more.
const MUCH: u64 = if cfg!(debug_assertions) { 32 << 20 } else { 10 << 30 };

/// The same bytes again and again, and then others.
fn endless(pattern: &str, end: &'static str) -> impl BufRead {
    let pattern = pattern.repeat(1 + (64 << 10) / pattern.len()).into_bytes();
    let times = MUCH / pattern.len() as u64;
    BufReader::with_capacity(64 << 10, Repeat { pattern, at: 0, left: times }.chain(end.as_bytes()))
}

struct Repeat {
    pattern: Vec<u8>,
    at: usize,
    left: u64,
}

impl Read for Repeat {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let read = (&self.pattern[self.at..]).read(bytes)?;
        self.at += read;
        if self.at == self.pattern.len() {
            (self.at, self.left) = (0, self.left - 1);
        }
        Ok(read)
    }
}

fn any_number_of_lines_takes_the_same_memory() -> Outcome {
    let users = || endless("somebody:x:1000:1000:Some Body:/home/somebody:/bin/sh\n", "matt:x:7:7::/:\n");
    let (peak, matt) = peak(|| Passwd::read(users()).find_name("matt"));
    assert_eq!(matt?.expect("the last line").uid, 7);
    assert!(peak < LITTLE, "{peak} bytes");
    let (peak, matt) = self::peak(|| Identity::resolve("7", &Defaults::default(), users(), io::empty()));
    assert_eq!(matt?.name.expect("a name"), "matt");
    assert!(peak < LITTLE, "{peak} bytes");
    Ok(())
}

fn a_line_of_any_length_takes_the_same_memory() -> Outcome {
    let line = || endless("x", ":x:1:1::/:\nmatt:100000:5\nmatt:x:7:7::/:\n");
    let (peak, matt) = peak(|| Passwd::read(line()).find_name("matt"));
    assert_eq!(matt?.expect("the last line").uid, 7);
    assert!(peak < LITTLE, "{peak} bytes");
    let (peak, errors) = self::peak(|| Passwd::read(line()).filter_map(Result::err).count());
    assert_eq!(errors, 2);
    assert!(peak < LITTLE, "{peak} bytes");
    let matt = Owner { name: "matt".into(), uid: 1, gid: 1 };
    let (peak, ranges) = self::peak(|| SubId::read(line()).of_user(&matt));
    assert_eq!(ranges?[0].length, 5);
    assert!(peak < LITTLE, "{peak} bytes");
    Ok(())
}

fn any_number_of_groups_takes_the_same_memory() -> Outcome {
    let groups = || endless("group:x:100:koye,matt\n", "last:x:7:matt");
    let (peak, gids) = peak(|| Group::read(groups()).gids_of("matt"));
    assert_eq!(gids?, [100, 7]);
    assert!(peak < LITTLE, "{peak} bytes");
    // One group whose members go on and on.
    let members = || io::BufReader::new((&b"group:x:100:"[..]).chain(endless("member,", "matt\nlast:x:7:")));
    let (peak, gids) = self::peak(|| Group::read(members()).gids_of("matt"));
    assert_eq!(gids?, [100]);
    assert!(peak < LITTLE, "{peak} bytes");
    let (peak, gids) = self::peak(|| Group::read(members()).additional_groups(["last"]));
    assert_eq!(gids?, [7]);
    assert!(peak < LITTLE, "{peak} bytes");
    Ok(())
}

fn a_sparse_file_takes_the_same_memory() -> Outcome {
    let ground = std::env::temp_dir().join(format!("user-memory-{}", std::process::id()));
    fs::create_dir_all(ground.join("etc"))?;
    let file = File::create(ground.join("etc/passwd"))?;
    file.set_len(10 << 30)?;
    let (peak, error) = peak(|| Root::open(&ground)?.resolve("matt", &Defaults::default()));
    assert!(error.is_err() && peak < LITTLE, "{peak} bytes");
    // Said to be read all the same, it is.
    file.set_len(MUCH)?;
    let (peak, error) =
        self::peak(|| Root::open(&ground)?.max_size(u64::MAX).resolve("matt", &Defaults::default()));
    fs::remove_dir_all(&ground)?;
    assert_eq!(error.unwrap_err().kind(), user::ErrorKind::UnknownUser);
    assert!(peak < LITTLE, "{peak} bytes");
    Ok(())
}

fn a_lookup_allocates_little() -> Outcome {
    // As much as the buffer of the file, and no more for more lines.
    let file =
        |lines| "somebody:x:1000:1000:Some Body:/home/somebody:/bin/sh\n".repeat(lines) + "matt:x:7:7::/:\n";
    let count = |lines: usize| {
        let file = file(lines);
        let before = ALLOCATIONS.load(Relaxed);
        let matt = Passwd::read(file.as_bytes()).find_name("matt");
        (ALLOCATIONS.load(Relaxed) - before, matt)
    };
    let ((few, first), (many, second)) = (count(10), count(100_000));
    assert_eq!(first?, second?);
    assert_eq!(few, many);
    assert!(few <= 4, "{few} allocations");
    Ok(())
}

/// Returns how much memory something takes at most, besides what there is before.
fn peak<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = run();
    (PEAK.load(Relaxed) - before, result)
}

/// Counts what is allocated.
struct Counter;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTER: Counter = Counter;

// SAFETY: all of it is the system's allocator, with numbers counted beside it.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}
