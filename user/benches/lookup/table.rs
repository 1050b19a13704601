//! The contestants, and how long they take.
#![allow(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use user::{Defaults, Group, Identity, Passwd, Root};

use crate::peer::{self, Peer};
use crate::{Folder, counter, steps};

const ROUNDS: u32 = 15;

/// What the id of a group is above that of its only member: it is nobody's primary group.
pub(crate) const GROUP: u32 = 1_000_000;

/// Who is looked for.
pub(crate) struct Wanted {
    pub(crate) name: String,
    uid: u32,
    /// What every contestant must find: the user's id, or that of the last of their groups.
    pub(crate) answer: u32,
    line: Vec<u8>,
    member: Vec<u8>,
}

impl Wanted {
    pub(crate) fn user(uid: u32) -> Wanted {
        let name = format!("user{uid}");
        let (line, member) = (format!("\n{name}:").into_bytes(), format!(":{name}\n").into_bytes());
        Wanted { name, uid, answer: uid, line, member }
    }

    fn groups(uid: u32) -> Wanted {
        Wanted { answer: uid + GROUP, ..Wanted::user(uid) }
    }
}

/// A way to look up, which is run again and again.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    what: &'static str,
    pub(crate) run: Box<dyn FnMut(&Wanted) -> u32>,
}

impl Contestant {
    fn new(name: &'static str, what: &'static str, run: impl FnMut(&Wanted) -> u32 + 'static) -> Self {
        Contestant { name, what, run: Box::new(run) }
    }

    fn time(&mut self, repeat: u32, wanted: &Wanted) -> Duration {
        let start = Instant::now();
        for _ in 0..repeat {
            black_box((self.run)(wanted));
        }
        start.elapsed() / repeat
    }
}

pub(crate) fn contestants(folder: &Folder) -> Vec<Contestant> {
    let (mut all, path) = (of_a_file(&folder.users()), folder.users().join("etc/passwd"));
    all.extend(in_memory(fs::read(path).expect("a file")));
    all.extend(of_two_files(&folder.groups()));
    all
}

fn of_a_file(root: &Path) -> Vec<Contestant> {
    let (path, beneath) = (keep(root.join("etc/passwd")), beneath(root));
    vec![
        Contestant::new("memmem", "the file read, one memmem", move |wanted| {
            memmem(&fs::read(path).expect("a file"), &wanted.line).map_or(0, |_| wanted.answer)
        }),
        Contestant::new("read", "the file read only", move |wanted| {
            black_box(fs::read(path).expect("a file"));
            wanted.answer
        }),
        Contestant::new("find_name", "Passwd::open, find_name", move |wanted| {
            let found = Passwd::open(path).and_then(|users| users.find_name(&wanted.name));
            found.expect("read").expect("there").uid
        }),
        Contestant::new("find_id", "Passwd::open, find_id", move |wanted| {
            let found = Passwd::open(path).and_then(|users| users.find_id(wanted.uid));
            found.expect("read").expect("there").uid
        }),
        Contestant::new("beneath", "Root::resolve", move |wanted| beneath(&wanted.name).expect("there").uid),
        Contestant::new("find_all", "Passwd::open, find_all", move |wanted| {
            let found = Passwd::open(path).and_then(|users| users.find_all(|user| user.uid == wanted.uid));
            found.expect("read")[0].uid
        }),
        Contestant::new("iterate", "Passwd::open, every line, strictly", move |wanted| {
            let users = Passwd::open(path).expect("a file").map(|user| user.expect("a good line"));
            users.filter(|user| user.uid == wanted.uid).last().expect("there").uid
        }),
    ]
}

/// Returns how somebody beneath a root is found: nothing else here knows that.
pub(crate) fn beneath(root: &Path) -> impl Fn(&str) -> user::Result<Identity> + 'static {
    let root = Root::open(root).expect("a folder");
    move |name| root.resolve(name, &Defaults::default())
}

fn in_memory(bytes: Vec<u8>) -> Vec<Contestant> {
    let bytes: &[u8] = bytes.leak(); // as `keep` does
    vec![
        Contestant::new("bytes-memmem", "one memmem", move |wanted| {
            memmem(bytes, &wanted.line).map_or(0, |_| wanted.answer)
        }),
        Contestant::new("bytes-find_name", "Passwd::read, find_name", move |wanted| {
            Passwd::read(bytes).find_name(&wanted.name).expect("read").expect("there").uid
        }),
        Contestant::new("bytes-resolve", "Identity::resolve", move |wanted| {
            Identity::resolve(&wanted.name, &Defaults::default(), bytes, io::empty()).expect("there").uid
        }),
        Contestant::new("bytes-parse", "Passwd::parse, every line", move |wanted| {
            let users = Passwd::parse(bytes).map(|user| user.expect("a good line"));
            users.filter(|user| user.uid == wanted.uid).last().expect("there").uid
        }),
    ]
}

/// A user's groups may be anywhere in the file: all of it must be searched.
fn of_two_files(root: &Path) -> Vec<Contestant> {
    let (passwd, group) = (keep(root.join("etc/passwd")), keep(root.join("etc/group")));
    let read_both = move || [passwd, group].map(|path| fs::read(path).expect("a file"));
    let beneath = beneath(root);
    vec![
        Contestant::new("groups-memmem", "both files read, memmem to the end", move |wanted| {
            let [passwd, group] = read_both();
            memmem(&passwd, &wanted.line).expect("a line");
            let mut rest = &group[..];
            while let Some(found) = memmem(rest, &wanted.member) {
                rest = &rest[found + wanted.member.len()..];
            }
            wanted.answer
        }),
        Contestant::new("groups-read", "both files read only", move |wanted| {
            black_box(read_both());
            wanted.answer
        }),
        Contestant::new("groups-beneath", "Root::resolve", move |wanted| {
            beneath(&wanted.name).expect("there").groups.into_iter().max().expect("a group")
        }),
        Contestant::new("groups-iterate", "Group::open, every line, strictly", move |wanted| {
            let groups = Group::open(group).expect("a file").map(|group| group.expect("a good line"));
            groups.filter(|group| group.members[0] == *wanted.name).last().expect("there").gid
        }),
    ]
}

/// Keeps a path to the end of the program.
fn keep(path: PathBuf) -> &'static Path {
    Box::leak(path.into_boxed_path())
}

fn memmem(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // SAFETY: the pointers go with their lengths.
    let found = unsafe {
        libc::memmem(haystack.as_ptr().cast(), haystack.len(), needle.as_ptr().cast(), needle.len())
    };
    (!found.is_null()).then(|| found as usize - haystack.as_ptr() as usize)
}

/// Measures and prints all there is for these files.
pub(crate) fn print(folder: &Folder, programs: &[&str]) {
    let lines = folder.lines;
    let wanted = [Wanted::user(lines), Wanted::user(lines / 2)];
    let passwd = fs::read(folder.users().join("etc/passwd")).expect("a file");
    let peers = Peer::start_all(peer::USERS, programs, &folder.users(), &wanted[0]);
    println!("\n{lines} lines, {} bytes: a user", passwd.len());
    compare(lines, &wanted, of_a_file(&folder.users()), peers);
    println!("\nthe same in memory");
    compare(lines, &wanted, in_memory(passwd), Vec::new());

    let wanted = [Wanted::groups(lines), Wanted::groups(lines / 2)];
    let peers = Peer::start_all(peer::GROUPS, programs, &folder.groups(), &wanted[0]);
    println!("\n{lines} lines of users and of groups: a user and their groups");
    compare(lines, &wanted, of_two_files(&folder.groups()), peers);
}

fn compare(lines: u32, wanted: &[Wanted; 2], mut all: Vec<Contestant>, mut peers: Vec<Peer>) {
    let repeat = (50_000 / lines).clamp(1, 500);
    let mut times = vec![[const { Vec::new() }; 2]; all.len() + peers.len()];
    for round in 0..=ROUNDS {
        for (place, wanted) in wanted.iter().enumerate() {
            let ours = all.iter_mut().map(|contestant| contestant.time(repeat, wanted));
            let theirs = peers.iter_mut().map(|peer| peer.time(repeat, wanted));
            for (times, time) in times.iter_mut().zip(ours.chain(theirs)) {
                if round > 0 {
                    times[place].push(time);
                }
            }
        }
    }
    let medians: Vec<_> = times.into_iter().map(|places| places.map(median)).collect();

    println!(
        "{:37} {:>10} {:6} {:>10} {:6} {:>7} {:>11}  system calls",
        "", "last, µs", "", "middle, µs", "", "allocs", "bytes"
    );
    for (contestant, times) in all.iter_mut().zip(&medians) {
        let (answer, count) = counter::count(|| (contestant.run)(&wanted[0]));
        assert_eq!(answer, wanted[0].answer, "{}", contestant.what);
        let calls = steps::of(contestant.name, lines);
        println!(
            "{} {:>7} {:>11}  {}",
            row(contestant.what, *times, medians[0]),
            count.allocations,
            count.peak,
            calls.as_deref().map_or("?".to_owned(), steps::summary)
        );
    }
    for (peer, times) in peers.iter().zip(&medians[all.len()..]) {
        println!("{}", row(peer.name, *times, medians[0]));
    }
}

/// Writes the times, and how many times the floor they are.
fn row(what: &str, times: [Duration; 2], floor: [Duration; 2]) -> String {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |place: usize| times[place].as_secs_f64() / floor[place].as_secs_f64();
    let [last, middle] = times.map(micros);
    format!("{what:37} {last:10.1} {:5.2}x {middle:10.1} {:5.2}x", ratio(0), ratio(1))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
