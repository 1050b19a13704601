//! Lookups beneath a root directory that somebody hostile has filled, with openat2 and without it.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Error;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grounds::faults::Refused;
use grounds::{Outcome, Stop, ignored, tests};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use user::{Defaults, ErrorKind, Group, Identity, Owner, Passwd, Root};

fn main() -> ExitCode {
    grounds::run(tests![
        files_beneath_the_root_are_read,
        files_beneath_the_root_are_read_without_openat2,
        links_stay_beneath_the_root,
        links_stay_beneath_the_root_without_openat2,
        a_loop_of_links_is_an_error,
        a_loop_of_links_is_an_error_without_openat2,
        a_pipe_is_refused_and_not_waited_for,
        a_pipe_is_refused_and_not_waited_for_without_openat2,
        a_device_is_refused,
        a_device_is_refused_without_openat2,
        a_file_beyond_all_measure_is_refused,
        a_file_of_exabytes_is_refused_at_once,
        a_file_may_be_as_large_as_the_caller_says,
        a_file_that_grows_beyond_measure_is_refused,
        any_file_beneath_the_root_can_be_read,
        files_beneath_the_root_are_read_without_proc,
        files_beneath_the_root_are_read_without_proc_and_openat2,
        what_takes_the_place_of_a_file_is_never_read_without_proc,
        what_takes_the_place_of_a_file_is_never_read_without_proc_and_openat2,
        a_missing_file_is_told_by_its_name,
        a_bad_line_is_told_by_its_file_and_number,
        files_at_other_paths_tell_who_is_meant,
        magic_links_lead_nowhere,
        magic_links_lead_nowhere_without_openat2,
        the_shadow_file_is_never_opened,
        a_file_of_proc_is_taken_to_be_empty,
        a_deep_path_takes_no_more_descriptors,
        what_takes_the_place_of_a_file_is_never_opened,
        what_takes_the_place_of_a_file_is_never_opened_without_openat2,
        a_path_goes_on_only_behind_a_directory,
        a_path_goes_on_only_behind_a_directory_without_openat2,
        missing_files_are_fine_for_ids,
        files_that_do_not_matter_are_not_read,
        renames_during_the_lookup_lead_nowhere_else,
        renames_during_the_lookup_lead_nowhere_else_without_openat2,
        a_pipe_is_not_opened_by_its_path_either,
        this_systems_root_is_root,
    ])
}

/// A directory with an inside and an outside, which goes at the end of the test.
struct Ground(PathBuf);

impl Ground {
    fn new() -> Result<Self, Stop> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("user-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let ground = Ground(std::env::temp_dir().join(name));
        fs::create_dir_all(ground.path("etc"))?;
        fs::create_dir_all(ground.0.join("outside/etc"))?;
        // Whoever finds uid 666 has left the root.
        fs::write(ground.0.join("outside/etc/passwd"), "matt:x:666:666::/:\n")?;
        fs::write(ground.0.join("outside/etc/group"), "users:x:666:matt\n")?;
        Ok(ground)
    }

    /// A path inside the root.
    fn path(&self, path: &str) -> PathBuf {
        self.0.join("root").join(path)
    }

    fn write(&self, path: &str, text: &str) -> Outcome {
        fs::create_dir_all(self.path(path).parent().expect("a directory"))?;
        fs::write(self.path(path), text)?;
        Ok(())
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) -> Outcome {
        let _ = fs::remove_file(self.path(path));
        symlink(target, self.path(path))?;
        Ok(())
    }

    fn resolve(&self, spec: &str) -> user::Result<Identity> {
        let root = File::open(self.path("")).expect("the root");
        Root::from(root).resolve(spec, &Defaults::default())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make_pipe(path: &Path) -> Outcome {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is a C string.
    let made = unsafe { libc::mkfifo(path.as_ptr(), 0o644) };
    if made == 0 { Ok(()) } else { Err(Error::last_os_error().into()) }
}

/// Makes openat2 fail in this thread from now on, as before Linux 5.6.
fn refuse_openat2() -> Outcome {
    Ok(Refused::new().call("openat2", Errno::ENOSYS).install()?)
}

fn files_beneath_the_root_are_read() -> Outcome {
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1000:100::/home/matt:/bin/sh\n")?;
    ground.write("etc/group", "users:x:100:\nwheel:x:10:matt\n")?;
    let matt = ground.resolve("matt")?;
    assert_eq!((matt.uid, matt.gid, &*matt.groups), (1000, 100, &[10][..]));
    assert_eq!(ground.resolve("matt:users")?.groups, [0_u32; 0]);
    assert_eq!(ground.resolve("koye").unwrap_err().kind(), ErrorKind::UnknownUser);
    Ok(())
}

fn files_beneath_the_root_are_read_without_openat2() -> Outcome {
    refuse_openat2()?;
    files_beneath_the_root_are_read()
}

fn links_stay_beneath_the_root() -> Outcome {
    let ground = Ground::new()?;
    ground.write("real/passwd", "matt:x:1:1::/:\n")?;
    ground.write("real/deep/passwd", "matt:x:2:2::/:\n")?;
    let outside = ground.0.join("outside");
    for (target, uid) in [
        (Path::new("/real/passwd"), Some(1)),
        (Path::new("../real/passwd"), Some(1)),
        (Path::new("../../../../../real/./deep//../passwd"), Some(1)),
        (Path::new("/../real/deep/passwd"), Some(2)),
        (&outside.join("etc/passwd"), None),
        (Path::new("../../outside/etc/passwd"), None),
        (Path::new("/proc/self/root/etc/passwd"), None),
        (Path::new("/etc/shadow"), None),
    ] {
        ground.link("etc/passwd", target)?;
        let found = ground.resolve("matt").map(|matt| matt.uid).map_err(|error| error.kind());
        assert_eq!(found, uid.ok_or(ErrorKind::UnknownUser), "{}", target.display());
    }
    // The directory may be a link just as well.
    fs::remove_file(ground.path("etc/passwd"))?;
    fs::remove_dir(ground.path("etc"))?;
    ground.link("etc", "real")?;
    assert_eq!(ground.resolve("matt")?.uid, 1);
    ground.link("etc", "../outside/etc")?;
    assert_eq!(ground.resolve("matt").unwrap_err().kind(), ErrorKind::UnknownUser);
    Ok(())
}

fn links_stay_beneath_the_root_without_openat2() -> Outcome {
    refuse_openat2()?;
    links_stay_beneath_the_root()
}

fn a_loop_of_links_is_an_error() -> Outcome {
    let ground = Ground::new()?;
    ground.link("etc/passwd", "group")?;
    ground.link("etc/group", "passwd")?;
    let error = ground.resolve("0").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    let expected = r#"read "etc/passwd": Too many levels of symbolic links (os error 40)"#;
    assert_eq!((error.to_string().as_str(), error.path()), (expected, Some(Path::new("etc/passwd"))));
    Ok(())
}

fn a_loop_of_links_is_an_error_without_openat2() -> Outcome {
    refuse_openat2()?;
    a_loop_of_links_is_an_error()
}

fn a_pipe_is_refused_and_not_waited_for() -> Outcome {
    // A pipe as /etc/passwd held up whoever looked a user up, for good: one image stopped an engine.
    let ground = Ground::new()?;
    make_pipe(&ground.path("etc/passwd"))?;
    let error = ground.resolve("0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), r#"read "etc/passwd": it is not a regular file"#);
    fs::remove_file(ground.path("etc/passwd"))?;
    fs::create_dir(ground.path("etc/passwd"))?;
    assert_eq!(ground.resolve("0").unwrap_err().kind(), ErrorKind::InvalidData);
    fs::remove_dir(ground.path("etc/passwd"))?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    make_pipe(&ground.path("etc/group"))?;
    assert_eq!(ground.resolve("matt").unwrap_err().kind(), ErrorKind::InvalidData);
    Ok(())
}

fn a_pipe_is_refused_and_not_waited_for_without_openat2() -> Outcome {
    refuse_openat2()?;
    a_pipe_is_refused_and_not_waited_for()
}

fn a_device_is_refused() -> Outcome {
    // An image with an endless /etc/group filled the memory of whoever read it.
    grounds::root()?;
    let ground = Ground::new()?;
    let path = CString::new(ground.path("etc/passwd").as_os_str().as_bytes())?;
    // SAFETY: the path is a C string.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o644, libc::makedev(1, 5)) };
    if made != 0 {
        return Err(ignored(format!("no device can be made: {}", Error::last_os_error())));
    }
    assert_eq!(ground.resolve("0").unwrap_err().kind(), ErrorKind::InvalidData);
    Ok(())
}

fn a_device_is_refused_without_openat2() -> Outcome {
    refuse_openat2()?;
    a_device_is_refused()
}

fn a_file_beyond_all_measure_is_refused() -> Outcome {
    let ground = Ground::new()?;
    File::create(ground.path("etc/passwd"))?.set_len(1 << 40)?;
    let start = Instant::now();
    let error = ground.resolve("0").unwrap_err();
    assert_eq!(error.to_string(), r#"read "etc/passwd": it is larger than 64 MiB"#);
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(start.elapsed() < Duration::from_secs(1));
    Ok(())
}

fn a_file_of_exabytes_is_refused_at_once() -> Outcome {
    // Such files are only on tmpfs.
    grounds::mountns()?;
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    fs::create_dir("/tmp/etc")?;
    File::create("/tmp/etc/passwd")?.set_len(i64::MAX as u64)?;
    let start = Instant::now();
    let error = Root::open("/tmp")?.resolve("0", &Defaults::default()).unwrap_err();
    assert_eq!(error.to_string(), r#"read "etc/passwd": it is larger than 64 MiB"#);
    assert!(start.elapsed() < Duration::from_secs(1));
    Ok(())
}

fn a_file_may_be_as_large_as_the_caller_says() -> Outcome {
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    let resolve = |size| Root::open(ground.path(""))?.max_size(size).resolve("matt", &Defaults::default());
    assert_eq!(resolve(15)?.uid, 1);
    let error = resolve(14).unwrap_err();
    assert_eq!(error.to_string(), r#"read "etc/passwd": it is larger than 14 bytes"#);
    Ok(())
}

fn a_file_that_grows_beyond_measure_is_refused() -> Outcome {
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    let mut users = Root::open(ground.path(""))?.max_size(100).passwd()?;
    ground.write("etc/passwd", &"matt:x:1:1::/:\n".repeat(8))?;
    let error = users.find_map(Result::err).expect("an error");
    assert_eq!(error.to_string(), r#"read "etc/passwd": it is larger than 100 bytes"#);
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(users.next().is_none());
    Ok(())
}

fn any_file_beneath_the_root_can_be_read() -> Outcome {
    let ground = Ground::new()?;
    ground.write("usr/lib/passwd", "matt:x:1:1::/:\nmangled\n")?;
    ground.write("etc/group", "users:x:100:\nwheel:x:10:matt\n")?;
    ground.write("etc/subuid", "matt:100000:65536\n")?;
    let root = Root::open(ground.path(""))?;
    let users: Vec<_> = root.entries::<Passwd>("/usr/lib/passwd")?.collect();
    assert_eq!(users[0].as_ref().expect("an entry").name, "matt");
    let error = users[1].as_ref().expect_err("no entry");
    assert_eq!(error.to_string(), r#""/usr/lib/passwd" line 2 "mangled": fields are missing"#);
    assert_eq!(root.additional_groups(["wheel", "users", "7"])?, [10, 100, 7]);
    assert_eq!(root.group()?.gids_of("matt")?, [10]);
    let matt = Owner { name: "matt".into(), uid: 1, gid: 1 };
    assert_eq!(root.subuid()?.of_user(&matt)?[0].first, 100_000);
    assert_eq!(root.subgid().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(root.passwd().unwrap_err().kind(), ErrorKind::NotFound);
    // Without a name to look up there need be no file.
    fs::remove_file(ground.path("etc/group"))?;
    assert_eq!(root.additional_groups(["7", "8"])?, [7, 8]);
    assert_eq!(root.additional_groups(["wheel"]).unwrap_err().kind(), ErrorKind::UnknownGroup);
    assert_eq!(Root::open(ground.path("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(Root::open(ground.path("usr/lib/passwd")).is_err());
    Ok(())
}

/// Covers /proc for this thread.
fn without_proc() -> Outcome {
    grounds::mountns()?;
    mount(Some("nothing"), "/proc", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    assert!(!Path::new("/proc/thread-self").exists());
    Ok(())
}

fn files_beneath_the_root_are_read_without_proc() -> Outcome {
    without_proc()?;
    files_beneath_the_root_are_read()?;
    links_stay_beneath_the_root()
}

fn files_beneath_the_root_are_read_without_proc_and_openat2() -> Outcome {
    without_proc()?;
    links_stay_beneath_the_root_without_openat2()
}

fn what_takes_the_place_of_a_file_is_never_opened() -> Outcome {
    // Between the look at a file and its opening, a container could put a device there, such as a watchdog's:
    // the engine opened it. A pipe stands for it; the kernel tells of each time that it is opened.
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    make_pipe(&ground.path("etc/pipe"))?;
    let opened = opened(&ground.path("etc/pipe"))?;
    let (found, refused) = exchange_while_resolving(&ground)?;
    assert!(found > 0 && refused > 0, "{found} found, {refused} refused");
    assert_eq!(opened()?, 0, "the pipe was opened");
    for name in ["etc/passwd", "etc/pipe"] {
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open(ground.path(name))?;
    }
    assert_eq!(opened()?, 1, "it would not have been seen");
    Ok(())
}

fn what_takes_the_place_of_a_file_is_never_opened_without_openat2() -> Outcome {
    refuse_openat2()?;
    what_takes_the_place_of_a_file_is_never_opened()
}

/// Resolves again and again while the passwd file and a pipe change places; counts what was found and refused.
fn exchange_while_resolving(ground: &Ground) -> Result<(u32, u32), Stop> {
    let (file, pipe) = (ground.path("etc/passwd"), ground.path("etc/pipe"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let exchanged = renameat2(AT_FDCWD, &file, AT_FDCWD, &pipe, RenameFlags::RENAME_EXCHANGE);
                exchanged.expect("two names change places");
            }
        });
        let (mut found, mut refused) = (0, 0);
        let done = (0..grounds::times(20_000)).try_for_each(|_| {
            match ground.resolve("matt") {
                Ok(_) => found += 1,
                Err(error) if error.kind() == ErrorKind::InvalidData => refused += 1,
                Err(error) => return Err(error),
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        done?;
        Ok((found, refused))
    })
}

/// Returns a count of how often what is there now was opened from here on.
fn opened(path: &Path) -> Result<impl Fn() -> Result<usize, Stop> + use<>, Stop> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(path, AddWatchFlags::IN_OPEN)?;
    Ok(move || match inotify.read_events() {
        Ok(events) => Ok(events.len()),
        Err(Errno::EAGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    })
}

fn what_takes_the_place_of_a_file_is_never_read_without_proc() -> Outcome {
    // It may be opened, but what is read is a regular file, or nothing.
    without_proc()?;
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    make_pipe(&ground.path("etc/pipe"))?;
    let (found, refused) = exchange_while_resolving(&ground)?;
    assert!(found > 0 && refused > 0, "{found} found, {refused} refused");
    Ok(())
}

fn what_takes_the_place_of_a_file_is_never_read_without_proc_and_openat2() -> Outcome {
    refuse_openat2()?;
    what_takes_the_place_of_a_file_is_never_read_without_proc()
}

fn a_missing_file_is_told_by_its_name() -> Outcome {
    let ground = Ground::new()?;
    for (spec, kind, text, path) in [
        ("web", ErrorKind::UnknownUser, r#"find user "web": there is no "etc/passwd""#, "etc/passwd"),
        ("0:www", ErrorKind::UnknownGroup, r#"find group "www": there is no "etc/group""#, "etc/group"),
    ] {
        let error = ground.resolve(spec).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert_eq!(error.path(), Some(Path::new(path)));
    }
    Ok(())
}

fn a_bad_line_is_told_by_its_file_and_number() -> Outcome {
    let ground = Ground::new()?;
    ground.write("etc/passwd", "# people\nmatt:x:1:1::/:\nmangled:x:no:1\n")?;
    let root = Root::open(ground.path(""))?;
    let path = ground.path("etc/passwd");
    let mut beneath = root.passwd()?;
    assert!(beneath.next().is_some_and(|matt| matt.is_ok()) && beneath.line_number() == 2);
    let (beneath, open) = (beneath.next(), Passwd::open(&path)?.nth(1));
    for (error, path) in [(beneath, Path::new("etc/passwd")), (open, &path)] {
        let error = error.expect("a line").unwrap_err();
        assert_eq!(error.to_string(), format!("{path:?} line 3 \"mangled\": an id is not a number"));
        assert_eq!((error.path(), error.line()), (Some(path), Some(3)));
    }
    Ok(())
}

fn files_at_other_paths_tell_who_is_meant() -> Outcome {
    let ground = Ground::new()?;
    ground.write("usr/lib/passwd", "web:x:33:33::/:\n")?;
    ground.write("usr/lib/group", "logs:x:44:web\n")?;
    let root = Root::open(ground.path(""))?.try_clone()?;
    let (passwd, group) = (root.open_file("usr/lib/passwd")?, root.open_file("usr/lib/group")?);
    assert_eq!(Identity::resolve("web", &Defaults::default(), passwd, group)?.groups, [44]);
    make_pipe(&ground.path("pipe"))?;
    assert_eq!(root.open_file("pipe").unwrap_err().kind(), ErrorKind::InvalidData);
    Ok(())
}

fn magic_links_lead_nowhere() -> Outcome {
    grounds::mountns()?;
    let ground = Ground::new()?;
    fs::create_dir(ground.path("proc"))?;
    mount(Some("/proc"), &ground.path("proc"), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    let outside = ground.0.join("outside/etc/passwd");
    let mut found = Vec::new();
    for link in ["self/root", "self/cwd/..", "thread-self/root", "1/root", "self/fd/0"] {
        let target = Path::new("/proc").join(link).join(outside.strip_prefix("/")?);
        ground.link("etc/passwd", target)?;
        found.extend(ground.resolve("matt"));
    }
    // Or what is in it would be removed with the rest.
    umount2(&ground.path("proc"), MntFlags::MNT_DETACH)?;
    assert_eq!(found, []);
    Ok(())
}

fn magic_links_lead_nowhere_without_openat2() -> Outcome {
    refuse_openat2()?;
    magic_links_lead_nowhere()
}

fn the_shadow_file_is_never_opened() -> Outcome {
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    ground.write("etc/group", "wheel:x:10:matt\n")?;
    ground.write("etc/shadow", "matt:secret:19000:0:99999:7:::\n")?;
    let opened = opened(&ground.path("etc/shadow"))?;
    assert_eq!(ground.resolve("matt")?.groups, [10]);
    assert_eq!(opened()?, 0);
    Ok(())
}

fn a_file_of_proc_is_taken_to_be_empty() -> Outcome {
    // To read some of them, such as the kernel's log, takes something away.
    let root = Root::open("/")?;
    let opened = opened(Path::new("/proc/version"))?;
    assert_eq!(root.entries::<Passwd>("/proc/version")?.count(), 0);
    assert_eq!(opened()?, 0);
    Ok(())
}

fn a_deep_path_takes_no_more_descriptors() -> Outcome {
    // One for each level, and an image took all that the engine had.
    let ground = Ground::new()?;
    fs::remove_dir(ground.path("etc"))?;
    let deep = "d/".repeat(1_000);
    fs::create_dir_all(ground.path(&deep))?;
    ground.link("etc", &deep)?;
    let root = Root::open(ground.path(""))?;
    let opened = fs::read_dir("/proc/thread-self/fd")?.count();
    if grounds::calls(&["openat2"]).is_ok() {
        assert_eq!(root.resolve("1", &Defaults::default())?.uid, 1);
    }
    refuse_openat2()?;
    let error = root.resolve("1", &Defaults::default()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENAMETOOLONG));
    assert!(fs::read_dir("/proc/thread-self/fd")?.count() <= opened);
    Ok(())
}

fn a_path_goes_on_only_behind_a_directory() -> Outcome {
    let ground = Ground::new()?;
    ground.write("etc/passwd", "matt:x:1:1::/:\n")?;
    ground.link("link", "etc/passwd/")?;
    let root = Root::open(ground.path(""))?;
    for path in ["etc/passwd/", "etc/passwd/.", "etc/passwd/..", "etc/passwd/x", "link"] {
        let error = root.entries::<Passwd>(path).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTDIR), "{path}");
    }
    for (path, kind) in
        [("", ErrorKind::NotFound), (".", ErrorKind::InvalidData), ("etc/", ErrorKind::InvalidData)]
    {
        assert_eq!(root.entries::<Passwd>(path).unwrap_err().kind(), kind, "{path}");
    }
    assert!(root.entries::<Passwd>("etc/pass\0wd").is_err());
    Ok(())
}

fn a_path_goes_on_only_behind_a_directory_without_openat2() -> Outcome {
    refuse_openat2()?;
    a_path_goes_on_only_behind_a_directory()
}

fn missing_files_are_fine_for_ids() -> Outcome {
    let ground = Ground::new()?;
    assert_eq!(ground.resolve("")?.uid, 0);
    assert_eq!(ground.resolve("1000:100")?.gid, 100);
    assert_eq!(ground.resolve("matt").unwrap_err().kind(), ErrorKind::UnknownUser);
    assert_eq!(ground.resolve("0:wheel").unwrap_err().kind(), ErrorKind::UnknownGroup);
    fs::remove_dir(ground.path("etc"))?;
    assert_eq!(ground.resolve("1000")?.home, Path::new("/"));
    Ok(())
}

fn files_that_do_not_matter_are_not_read() -> Outcome {
    let ground = Ground::new()?;
    make_pipe(&ground.path("etc/group"))?;
    assert_eq!(ground.resolve("0:0")?.gid, 0);
    make_pipe(&ground.path("etc/passwd"))?;
    assert_eq!(ground.resolve("1:2:3").unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn renames_during_the_lookup_lead_nowhere_else() -> Outcome {
    let ground = Ground::new()?;
    ground.write("inside/passwd", "matt:x:1:1::/:\n")?;
    fs::remove_dir(ground.path("etc"))?;
    ground.link("etc", "inside")?;
    ground.link("good", "inside")?;
    ground.link("evil", ground.0.join("outside/etc"))?;
    ground.link("up", "../outside/etc")?;

    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, root) = (Arc::clone(&stop), ground.path(""));
    let attacker = thread::spawn(move || {
        for name in ["good", "evil", "up"].iter().cycle() {
            // A link of its own each time, put in place by one rename.
            let target = fs::read_link(root.join(name)).expect("a link");
            symlink(target, root.join("next")).expect("a new link");
            fs::rename(root.join("next"), root.join("etc")).expect("a rename");
            if stopped.load(Ordering::Relaxed) {
                return;
            }
        }
    });
    let (mut found, mut looked) = (0, 0);
    // Both must have happened for the race to have been run.
    while looked < 2_000 || (looked < 200_000 && (found == 0 || found == looked)) {
        looked += 1;
        match ground.resolve("matt") {
            Ok(matt) => {
                assert_eq!(matt.uid, 1, "left the root");
                found += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::UnknownUser, "{error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().expect("the attacker");
    assert!(found > 0 && found < looked, "{found} of {looked}");
    Ok(())
}

fn renames_during_the_lookup_lead_nowhere_else_without_openat2() -> Outcome {
    refuse_openat2()?;
    renames_during_the_lookup_lead_nowhere_else()
}

fn a_pipe_is_not_opened_by_its_path_either() -> Outcome {
    let ground = Ground::new()?;
    make_pipe(&ground.path("pipe"))?;
    assert_eq!(Passwd::open(ground.path("pipe")).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(Group::open(ground.path("pipe")).unwrap_err().kind(), ErrorKind::InvalidData);
    Ok(())
}

fn this_systems_root_is_root() -> Outcome {
    let root = user::identity("root", 1, 1)?;
    assert_eq!((root.uid, root.gid), (0, 0));
    assert_eq!(user::identity("4242:4243", 0, 0)?.gid, 4243);
    assert_eq!(user::identity("4242", 0, 17)?.gid, 17);
    Ok(())
}
