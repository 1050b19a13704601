//! The table of this kernel, in mount namespaces made for it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grounds::{Outcome, Stop, ignored, tests};
use mount::{ErrorKind, Reader, Table, force_mount, force_unmount, mount};
use nix::unistd::{chdir, chroot};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_path_lies_where_the_kernel_says,
        a_path_lies_where_the_kernel_says_from_another_root,
        a_mount_on_the_root_directory_hides_nothing,
        reading_takes_no_more_calls_than_the_file,
        a_reader_sees_every_change_that_is_announced,
        a_reader_sees_what_is_not_announced_when_it_reads_again,
        a_reader_waits_for_a_change,
        no_change_is_lost_while_reading,
        what_stays_is_never_left_out_while_others_come_and_go,
        a_namespace_is_read_without_entering_it,
        a_namespace_with_a_false_proc_is_read_truthfully,
        what_is_no_mount_namespace_is_refused,
        processes_that_are_gone_have_no_table,
    ])
}

/// An empty tmpfs at `/tmp` in a new mount namespace.
fn ground() -> Outcome {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    Ok(())
}

/// Calls mount(2) and looks at nothing: on "/" and "/proc" a second look finds something else.
fn mount_blindly(source: &str, target: &str) -> Outcome {
    nix::mount::mount(Some(source), target, Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>)?;
    Ok(())
}

/// The same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// All directories of up to three letters below `/tmp`, whether or not they can be seen.
fn places() -> Vec<PathBuf> {
    let names = ["a", "b", "ab"];
    let mut all = vec![PathBuf::from("/tmp")];
    for depth in 0..3 {
        let deeper: Vec<_> =
            all.iter().filter(|path| path.components().count() == depth + 2).cloned().collect();
        all.extend(deeper.iter().flat_map(|path| names.map(|name| path.join(name))));
    }
    all
}

/// Mounts in any order on any directory, mounts included; each gets directories to mount on.
fn mount_at_random(dice: &mut Dice, count: usize) -> Outcome {
    let places = places();
    let furnish = || places.iter().try_for_each(fs::create_dir_all);
    furnish()?;
    for _ in 0..count {
        let target = &places[1 + dice.below(places.len() - 1)];
        match dice.below(4) {
            0 => force_mount(&places[1 + dice.below(places.len() - 1)], target, "none", "rbind")?,
            1 if mount::mounted(target)? => force_unmount(target).or_else(|error| match error.kind() {
                ErrorKind::Busy => Ok(()),
                _ => Err(error),
            })?,
            _ => force_mount("tmpfs", target, "tmpfs", "size=64k")?,
        }
        furnish()?;
    }
    Ok(())
}

/// Compares with the kernel's own lookup of each path, which is below `root` here.
fn compare(paths: &[PathBuf]) -> Outcome {
    let table = Table::read()?;
    for path in paths {
        let asked = mount::mount_of(path)?.map(|mount| mount.id);
        assert_eq!(table.mount_of(path).map(|mount| mount.id()), asked, "{path:?} in {table:#?}");
        let top = table.top_at(path).map(|mount| mount.id());
        assert_eq!(top.is_some(), mount::mounted(path)? && asked.is_some(), "{path:?} in {table:#?}");
        assert!(top.is_none_or(|top| !table.is_hidden(top) && Some(top) == asked));
    }
    let seen: BTreeSet<_> =
        paths.iter().filter_map(|path| table.mount_of(path)).map(|mount| mount.id()).collect();
    for mount in table.iter().filter(|mount| paths.iter().any(|path| *mount.mount_point() == **path)) {
        let top = mount::mount_of(mount.mount_point())?.map(|top| top.id) == Some(mount.id());
        assert_eq!(table.is_hidden(mount.id()), !top, "{mount:?} in {table:#?}");
        assert!(top || !seen.contains(&mount.id()));
    }
    assert_eq!(table.tree().len(), table.len());
    Ok(())
}

fn a_path_lies_where_the_kernel_says() -> Outcome {
    ground()?;
    let mut dice = Dice(0x5eed);
    for _ in 0..grounds::times(20) {
        force_mount("tmpfs", "/tmp", "tmpfs", "")?;
        mount_at_random(&mut dice, 12)?;
        compare(&places())?;
    }
    Ok(())
}

fn a_path_lies_where_the_kernel_says_from_another_root() -> Outcome {
    ground()?;
    mount_at_random(&mut Dice(0xd1ce), 25)?;
    for name in ["/tmp/a", "/tmp/b"] {
        fs::create_dir_all(Path::new(name).join("proc"))?;
        force_mount("/proc", Path::new(name).join("proc"), "none", "bind")?;
    }
    force_mount("tmpfs", "/tmp/b/a", "tmpfs", "")?;
    // One of them a mount's root, the other a plain directory.
    if !mount::mounted("/tmp/a")? {
        force_mount("tmpfs", "/tmp/a", "tmpfs", "")?;
        fs::create_dir_all("/tmp/a/proc")?;
        force_mount("/proc", "/tmp/a/proc", "none", "bind")?;
    }
    let beneath = |root: &str| -> Vec<PathBuf> {
        let inside = |path: PathBuf| Some(Path::new("/").join(path.strip_prefix(root).ok()?));
        places().into_iter().filter_map(inside).filter(|path| path.components().count() > 1).collect()
    };
    for root in ["/tmp/a", "/tmp/b"] {
        let paths = beneath(root);
        let there: Vec<_> = paths
            .into_iter()
            .filter(|path| Path::new(root).join(path.strip_prefix("/").unwrap()).exists())
            .collect();
        thread::scope(|scope| {
            let inside = || -> Outcome {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)?;
                chroot(root)?;
                chdir("/")?;
                compare(&there)
            };
            scope.spawn(inside).join().expect("no panic")
        })?;
    }
    Ok(())
}

fn a_mount_on_the_root_directory_hides_nothing() -> Outcome {
    ground()?;
    fs::create_dir("/tmp/a")?;
    mount("a", "/tmp/a", "tmpfs", "")?;
    mount_blindly("over", "/")?;
    let table = Table::read()?;
    let over =
        table.iter().find(|mount| mount.source() == Path::new("over").as_os_str()).expect("it is there");
    assert!(over.mount_point() == Path::new("/") && table.is_hidden(over.id()));
    assert_ne!(table.top_at("/").map(|mount| mount.id()), Some(over.id()));
    compare(&["/", "/tmp", "/tmp/a"].map(PathBuf::from))?;

    // The same where the root directory is no mount.
    for name in ["/tmp/root/a", "/tmp/root/proc"] {
        fs::create_dir_all(name)?;
    }
    mount("a", "/tmp/root/a", "tmpfs", "")?;
    mount("/proc", "/tmp/root/proc", "none", "bind")?;
    chroot("/tmp/root")?;
    chdir("/")?;
    mount_blindly("over", "/")?;
    let table = Table::read()?;
    assert!(table.roots().len() == 3 && table.top_at("/").is_none());
    compare(&["/", "/a"].map(PathBuf::from))
}

/// Returns how many read(2) and the like this thread has made.
fn reads() -> Result<u64, Stop> {
    let text = fs::read_to_string("/proc/thread-self/io")
        .map_err(|error| ignored(format!("io accounting: {error}")))?;
    let count = text.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok());
    count.ok_or_else(|| ignored("io accounting: no syscr"))
}

fn reading_takes_no_more_calls_than_the_file() -> Outcome {
    ground()?;
    for number in 0..200 {
        let path = format!("/tmp/{number:0100}");
        fs::create_dir(&path)?;
        force_mount("/tmp", path, "none", "bind")?;
    }
    let start = reads()?;
    let bytes = fs::read("/proc/thread-self/mountinfo")?;
    let file = reads()? - start;
    let start = reads()?;
    let table = Table::read()?;
    let ours = reads()? - start;
    assert_eq!(table.as_bytes(), bytes);
    assert!(ours <= file, "{ours} reads for {file}");

    let mut reader = Reader::open()?;
    reader.read()?;
    let start = reads()?;
    let none = reads()? - start;
    let start = reads()?;
    reader.read()?;
    assert_eq!(reads()? - start, none, "nothing has changed");
    Ok(())
}

fn a_reader_sees_every_change_that_is_announced() -> Outcome {
    ground()?;
    fs::create_dir_all("/tmp/a")?;
    fs::create_dir_all("/tmp/b")?;
    let mut reader = Reader::open()?;
    let mut expect = |change: &dyn Fn() -> mount::Result<()>, count: usize, word: &str| -> Outcome {
        change()?;
        let fresh = Table::read()?;
        let table = reader.read()?;
        assert_eq!(table, &fresh);
        let found = table.iter().filter(|mount| mount.is_beneath("/tmp/a") && mount.has_option(word)).count();
        assert_eq!(found, count, "{table:#?}");
        Ok(())
    };
    expect(&|| Ok(()), 0, "rw")?;
    expect(&|| mount("a", "/tmp/a", "tmpfs", ""), 1, "rw")?;
    expect(&|| mount("none", "/tmp/a", "none", "remount,bind,nosuid"), 1, "nosuid")?;
    expect(&|| mount("/tmp/b", "/tmp/a", "none", "bind").or(Ok(())), 1, "rw")?;
    expect(&|| force_mount("/tmp/b", "/tmp/a", "none", "bind"), 2, "rw")?;
    expect(&|| force_unmount("/tmp/a"), 1, "rw")?;
    expect(&|| mount("/tmp/a", "/tmp/b", "none", "move"), 0, "rw")?;
    Ok(())
}

fn a_reader_sees_what_is_not_announced_when_it_reads_again() -> Outcome {
    ground()?;
    let mut reader = Reader::open()?;
    assert_eq!(reader.read()?.top_at("/tmp").unwrap().shared(), None);
    mount("none", "/tmp", "none", "shared")?;
    assert!(reader.reread()?.top_at("/tmp").unwrap().shared().is_some());
    assert!(reader.into_table()?.top_at("/tmp").unwrap().shared().is_some());
    Ok(())
}

fn a_reader_waits_for_a_change() -> Outcome {
    ground()?;
    let mut reader = Reader::open()?;
    assert!(reader.wait(None)?, "what was never read is new");
    reader.read()?;
    let start = Instant::now();
    assert!(!reader.wait(Some(Duration::from_millis(30)))?);
    assert!(start.elapsed() >= Duration::from_millis(30));
    thread::scope(|scope| -> Outcome {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            force_mount("late", "/tmp", "tmpfs", "").expect("mounted");
        });
        assert!(reader.wait(None)?);
        Ok(())
    })?;
    assert!(reader.wait(Some(Duration::ZERO))?, "it stays true until the table is read");
    assert_eq!(reader.read()?.top_at("/tmp").unwrap().to_info().source, "late");
    assert!(!reader.wait(Some(Duration::ZERO))?);
    Ok(())
}

fn no_change_is_lost_while_reading() -> Outcome {
    ground()?;
    for number in 0..100 {
        fs::create_dir(format!("/tmp/{number}"))?;
        force_mount("/tmp", format!("/tmp/{number}"), "none", "bind")?;
    }
    let mut reader = Reader::open()?;
    for round in 0..grounds::times(50) {
        let done = AtomicBool::new(false);
        thread::scope(|scope| -> Outcome {
            scope.spawn(|| {
                for number in 0..10 {
                    let path = format!("/tmp/{}", (round + number * 7) % 100);
                    let _ = force_unmount(&path);
                    force_mount("/tmp", &path, "none", "bind").expect("mounted");
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                reader.read()?;
            }
            Ok(())
        })?;
        assert_eq!(reader.read()?, &Table::read()?);
    }
    Ok(())
}

fn what_stays_is_never_left_out_while_others_come_and_go() -> Outcome {
    ground()?;
    let paths: Vec<_> = (0..200).map(|number| PathBuf::from(format!("/tmp/{number:060}"))).collect();
    for path in &paths {
        fs::create_dir(path)?;
        force_mount("/tmp", path, "none", "bind")?;
    }
    let (stay, go): (Vec<_>, Vec<_>) = paths.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let stay: BTreeSet<_> = stay.into_iter().map(|(_, path)| path.as_path()).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| -> Outcome {
        let churn = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                for (_, path) in &go {
                    force_unmount(path).expect("unmounted");
                    force_mount("/tmp", path, "none", "bind").expect("mounted");
                }
            }
        });
        let check = || -> Outcome {
            for _ in 0..grounds::times(100) {
                let table = Table::read()?;
                let seen: BTreeSet<_> = table.iter().map(|mount| mount.mount_point().into_owned()).collect();
                assert!(stay.iter().all(|path| seen.contains(*path)));
                assert_eq!(table.tree().len(), table.len());
            }
            Ok(())
        };
        let checked = check();
        done.store(true, Ordering::Release);
        churn.join().expect("no panic");
        checked
    })
}

/// Makes a mount namespace with nobody in it, whatever `furnish` mounts there.
fn elsewhere(furnish: fn() -> Outcome) -> Result<File, Stop> {
    thread::scope(|scope| {
        let made = scope.spawn(|| {
            grounds::mountns()?;
            let namespace = File::open("/proc/thread-self/ns/mnt")?;
            furnish()?;
            Ok(namespace)
        });
        made.join().expect("no panic")
    })
}

fn where_am_i() -> std::io::Result<(PathBuf, PathBuf, PathBuf)> {
    let link = |name: &str| fs::read_link(format!("/proc/thread-self/{name}"));
    Ok((link("ns/mnt")?, link("root")?, link("cwd")?))
}

fn a_namespace_is_read_without_entering_it() -> Outcome {
    ground()?;
    let namespace = elsewhere(|| Ok(force_mount("only there", "/tmp", "tmpfs", "")?))?;
    chdir("/tmp")?;
    let before = where_am_i()?;
    let mut reader = Reader::of_namespace(&namespace)?;
    assert_eq!(reader.read()?.top_at("/tmp").unwrap().to_info().source, "only there");
    assert_eq!(Table::of_namespace(&namespace)?.top_at("/tmp").unwrap().to_info().source, "only there");
    assert_eq!(where_am_i()?, before);
    assert_ne!(Table::read()?.top_at("/tmp").unwrap().to_info().source, "only there");
    Ok(())
}

fn a_namespace_with_a_false_proc_is_read_truthfully() -> Outcome {
    ground()?;
    let namespace = elsewhere(|| {
        mount_blindly("false", "/proc")?;
        fs::create_dir_all("/proc/thread-self")?;
        fs::write("/proc/thread-self/mountinfo", "1 1 0:1 / / rw - lies lies rw\n")?;
        Ok(())
    })?;
    let table = Table::of_namespace(&namespace)?;
    assert_eq!(table.top_at("/proc").unwrap().to_info().source, "false");
    Ok(())
}

fn what_is_no_mount_namespace_is_refused() -> Outcome {
    grounds::mountns()?;
    for path in ["/dev/null", "/proc/self/ns/uts"] {
        let error = Table::of_namespace(File::open(path)?).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = "read the mount table of a namespace: enter it: it is no mount namespace";
        assert_eq!(error.to_string(), text);
    }
    Ok(())
}

fn processes_that_are_gone_have_no_table() -> Outcome {
    let mut child = Command::new("true").spawn()?;
    let pid = child.id();
    let deadline = Instant::now() + Duration::from_secs(10);
    // It is not waited for yet.
    while !fs::read_to_string(format!("/proc/{pid}/stat"))?.contains(") Z ") {
        assert!(Instant::now() < deadline, "true takes its time");
        thread::sleep(Duration::from_millis(1));
    }
    let zombie = Table::of_pid(pid).unwrap_err();
    assert_eq!(zombie.kind(), ErrorKind::NotFound);
    let text = format!("read \"/proc/{pid}/mountinfo\": the process has ended, and waits to be reaped");
    assert_eq!(zombie.to_string(), text);
    child.wait()?;
    assert_eq!(Table::of_pid(pid).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(mount::mounts_of(0).unwrap_err().kind(), ErrorKind::NotFound);
    let own = Table::of_pid(std::process::id())?;
    assert!(own.top_at("/proc").is_some());
    Ok(())
}
