//! Looking users up, against reading the file and searching it for the name, and against other libraries.
//!
//! ```sh
//! cargo bench -p user --bench lookup               # 100 and 100,000 lines, then the memory: a minute
//! cargo bench -p user --bench lookup -- 1000       # as many lines as you like, without the memory
//! cargo bench -p user --bench lookup -- memory     # that alone
//! TARGET/release/deps/lookup-… once find_name 100  # one of table.rs alone, for strace and perf
//! ```
//!
//! In each round all contestants take turns; a time is the median of its rounds. The first of a table is the
//! floor, of which the others are so many times. The number of allocations, the most bytes that were allocated
//! at a time, and the system calls are those of one lookup of the last line.
//!
//! The others take part where they can be built and run: Go's moby/sys/user (`go`; the package is looked for
//! in `$GOPATH`, or else in `/usr/share/gocode`, and Debian 12 has none), Go's own os/user, and the C libraries
//! glibc (`cc`) and musl (`musl-gcc`). The crates uzers and nix ask the C library's `getpwnam_r`. What reads
//! `/etc/passwd` only gets the file in a mount namespace of its own (`unshare`).

mod counter;
mod memory;
mod peer;
mod steps;
mod table;

use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::{env, fs, process};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let ["once", name, lines] = words[..] {
        return once(name, lines.parse().expect("a number of lines"));
    }
    if !words.contains(&"--bench") {
        return; // `cargo test` runs this too
    }
    let numbers: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let memory_alone = words.contains(&"memory");
    if !memory_alone {
        let programs = peer::build();
        for &lines in if numbers.is_empty() { &[100, 100_000] } else { &*numbers } {
            table::print(&Folder::new(lines), &programs);
        }
    }
    if numbers.is_empty() {
        memory::print();
    }
}

/// Runs one contestant between two calls of getppid(2), which nothing else here makes.
fn once(name: &str, lines: u32) {
    let folder = Folder::new(lines);
    let wanted = table::Wanted::user(lines);
    let mut all = table::contestants(&folder);
    let contestant = all.iter_mut().find(|contestant| contestant.name == name).expect("its name");
    (contestant.run)(&wanted); // whatever is only made once
    let _ = parent_id();
    (contestant.run)(&wanted);
    let _ = parent_id();
}

/// Two root directories with accounts: `users` has a passwd file alone, `groups` has a group file too.
struct Folder {
    lines: u32,
    path: PathBuf,
}

impl Folder {
    fn new(lines: u32) -> Folder {
        let path = env::temp_dir().join(format!("user-lookup-{}-{lines}", process::id()));
        let folder = Folder { lines, path };
        let user = |id| format!("user{id}:x:{id}:{id}:User number {id},,,:/home/user{id}:/bin/bash\n");
        let group = |id| format!("group{id}:x:{}:user{id}\n", id + table::GROUP);
        for root in [folder.users(), folder.groups()] {
            fs::create_dir_all(root.join("etc")).expect("a folder");
            fs::write(root.join("etc/passwd"), (1..=lines).map(user).collect::<String>()).expect("a file");
        }
        let groups: String = (1..=lines).map(group).collect();
        fs::write(folder.groups().join("etc/group"), groups).expect("a file");
        folder
    }

    fn users(&self) -> PathBuf {
        self.path.join("users")
    }

    fn groups(&self) -> PathBuf {
        self.path.join("groups")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
