//! Watching mounts, each test in a mount namespace of its own.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use grounds::faults::Refused;
use grounds::{Outcome, Stop, ignored, tests};
use mount::{Event, MountInfo, Watcher, force_mount, mount};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        mounting_and_unmounting_is_told,
        nothing_is_told_of_what_was_there_before,
        a_move_is_told_with_all_that_is_below,
        attributes_and_options_that_change_are_told,
        the_options_of_a_filesystem_change_for_all_its_mounts,
        a_tree_comes_from_its_top_and_goes_from_its_leaves,
        a_mount_that_came_and_went_is_told_where_it_was_announced,
        a_mount_that_was_replaced_by_its_like_is_told,
        propagation_is_told_at_the_latest_by_a_rescan,
        options_given_by_fsconfig_are_told_at_the_latest_by_a_rescan,
        a_renamed_directory_is_seen_by_a_rescan,
        the_descriptor_stays_readable_until_all_is_taken,
        the_descriptor_wakes_an_edge_triggered_epoll,
        without_events_there_is_no_waiting_beyond_the_time,
        the_iterator_waits_for_the_next,
        another_namespace_is_watched_by_its_file,
        another_process_is_watched_by_its_id,
        a_process_after_chroot_is_seen_from_its_root,
        mounts_outside_the_root_directory_are_not_told,
        what_slips_beneath_a_mount_moves_it,
        a_watcher_that_went_to_another_namespace_watches_its_own,
        more_than_the_queue_holds_is_told_and_mended,
        under_churn_no_change_is_missed,
        under_churn_no_change_is_missed_without_announcements,
        under_churn_no_change_is_missed_in_the_text,
        without_fanotify_all_is_told_by_comparing,
        without_the_new_calls_the_text_is_compared,
        under_filters_that_answer_eperm_the_text_is_compared,
        a_dropped_watcher_leaves_nothing,
        events_are_awaited_under_tokio,
    ])
}

/// An empty tmpfs in a new mount namespace.
fn ground() -> Result<PathBuf, Stop> {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    Ok(PathBuf::from("/tmp"))
}

fn dir(path: impl AsRef<Path>) -> PathBuf {
    fs::create_dir_all(&path).unwrap();
    path.as_ref().to_owned()
}

fn unmount(path: impl AsRef<Path>) {
    umount2(path.as_ref(), MntFlags::MNT_DETACH).unwrap();
}

fn move_to(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let none = None::<&str>;
    nix::mount::mount(Some(from.as_ref()), to.as_ref(), none, MsFlags::MS_MOVE, none).unwrap();
}

/// By mount(2), of which the kernel tells; fsconfig(2) does the same in silence.
fn remount(target: &Path, flags: MsFlags, data: &str) {
    let none = None::<&str>;
    nix::mount::mount(none, target, none, MsFlags::MS_REMOUNT | flags, Some(data)).unwrap();
}

fn drain(watcher: &mut Watcher) -> Vec<Event> {
    std::iter::from_fn(|| watcher.try_next().unwrap()).collect()
}

/// Makes sure of announcements, and that nothing is told from before.
fn announced() -> Result<(PathBuf, Watcher), Stop> {
    let ground = ground()?;
    let watcher = Watcher::new()?;
    if watcher.is_announced() { Ok((ground, watcher)) } else { Err(ignored("needs fanotify on mounts")) }
}

/// The table that events lead to, where each of them must fit to what is there; and the unique ids that are
/// gone, for good.
struct Replay(BTreeMap<u64, MountInfo>, HashSet<u64>);

fn key(mount: &MountInfo) -> u64 {
    mount.unique_id.unwrap_or(mount.id)
}

impl Replay {
    fn new(watcher: &Watcher) -> Self {
        Replay(watcher.mounts().map(|mount| (key(mount), mount.clone())).collect(), HashSet::new())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Mounted(mount) => {
                assert!(!self.1.contains(&key(&mount)), "it was gone already: {mount:?}");
                assert_eq!(self.0.insert(key(&mount), mount), None, "it was there already");
            }
            Event::Unmounted(mount) => {
                self.1.extend(mount.unique_id);
                assert_eq!(self.0.remove(&key(&mount)), Some(mount), "it was another one");
            }
            Event::Moved { from, to } => {
                assert!(from.mount_point != to.mount_point || from.parent != to.parent);
                assert_eq!(self.0.insert(key(&to), to), Some(from));
            }
            Event::Changed { from, to } => {
                assert_ne!(from, to);
                assert_eq!((&from.mount_point, from.parent), (&to.mount_point, to.parent));
                assert_eq!(self.0.insert(key(&to), to), Some(from));
            }
            Event::CameAndWent { unique_id } => {
                assert!(self.1.insert(unique_id), "it was gone already: {unique_id}");
                assert!(!self.0.contains_key(&unique_id), "it is there: {unique_id}");
            }
            _ => {}
        }
    }

    fn apply_all(&mut self, watcher: &mut Watcher) {
        for event in drain(watcher) {
            self.apply(event);
        }
    }

    /// Asserts that this is the table of the kernel.
    fn assert_true(&self, watcher: &Watcher) {
        let plain = |mount: &MountInfo| {
            let mut mount = mount.clone();
            (mount.unique_id, mount.unique_parent) = (None, None);
            (mount.id, mount)
        };
        let told: BTreeMap<u64, MountInfo> = self.0.values().map(plain).collect();
        let table: BTreeMap<u64, MountInfo> = mount::mounts().unwrap().iter().map(plain).collect();
        for (id, mount) in &table {
            assert_eq!(told.get(id), Some(mount));
        }
        assert_eq!(told.len(), table.len());
        assert_eq!(
            self.0.values().cloned().collect::<Vec<_>>(),
            watcher.mounts().cloned().collect::<Vec<_>>()
        );
    }
}

fn mounting_and_unmounting_is_told() -> Outcome {
    let target = dir(ground()?.join("a b\nc"));
    let mut watcher = Watcher::new()?;
    mount("source", &target, "tmpfs", "nosuid,size=1m")?;
    let events = drain(&mut watcher);
    let [Event::Mounted(mounted)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((mounted.mount_point.as_path(), mounted.source.to_str()), (&*target, Some("source")));
    assert!(mounted.has_option("nosuid"));
    unmount(&target);
    assert_eq!(drain(&mut watcher), [Event::Unmounted(mounted.clone())]);
    Ok(())
}

fn nothing_is_told_of_what_was_there_before() -> Outcome {
    let ground = ground()?;
    mount("a", dir(ground.join("a")), "tmpfs", "")?;
    let mut watcher = Watcher::new()?;
    assert_eq!(watcher.try_next()?, None);
    Replay::new(&watcher).assert_true(&watcher);
    Ok(())
}

fn a_move_is_told_with_all_that_is_below() -> Outcome {
    let ground = ground()?;
    mount("a", dir(ground.join("a")), "tmpfs", "")?;
    mount("b", dir(ground.join("a/b")), "tmpfs", "")?;
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    move_to(ground.join("a"), dir(ground.join("c")));
    let events = drain(&mut watcher);
    let places: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Moved { from, to } => (from.mount_point.as_path(), to.mount_point.as_path()),
            other => panic!("{other:?}"),
        })
        .collect();
    let path = Path::new;
    assert_eq!(places, [(path("/tmp/a"), path("/tmp/c")), (path("/tmp/a/b"), path("/tmp/c/b"))]);
    for event in events {
        replay.apply(event);
    }
    replay.assert_true(&watcher);

    // To another parent, with a change on the way.
    mount("d", dir(ground.join("d")), "tmpfs", "")?;
    move_to(ground.join("c"), dir(ground.join("d/c")));
    mount("none", ground.join("d/c/b"), "none", "remount,bind,ro")?;
    replay.apply_all(&mut watcher);
    replay.assert_true(&watcher);
    Ok(())
}

fn attributes_and_options_that_change_are_told() -> Outcome {
    let target = dir(ground()?.join("a"));
    mount("a", &target, "tmpfs", "size=1m")?;
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    let (bind, read_only) = (MsFlags::MS_BIND, MsFlags::MS_RDONLY);
    for (flags, data) in [
        (bind | read_only | MsFlags::MS_NOATIME, ""),
        (bind, ""),
        (MsFlags::empty(), "size=2m"),
        (read_only, "size=2m"),
        (MsFlags::MS_SYNCHRONOUS, "size=2m"),
    ] {
        remount(&target, flags, data);
        let events = drain(&mut watcher);
        let [Event::Changed { from, to }] = &events[..] else { panic!("{flags:?} {data}: {events:?}") };
        assert_eq!((&from.mount_point, &to.mount_point), (&target, &target));
        assert_ne!((&from.options, &from.super_options), (&to.options, &to.super_options));
        for event in events {
            replay.apply(event);
        }
        replay.assert_true(&watcher);
    }
    Ok(())
}

fn the_options_of_a_filesystem_change_for_all_its_mounts() -> Outcome {
    let ground = ground()?;
    let source = dir(ground.join("source"));
    mount("a", &source, "tmpfs", "size=1m")?;
    for name in ["b", "c"] {
        mount(&source, dir(ground.join(name)), "none", "bind")?;
    }
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    remount(&ground.join("b"), MsFlags::empty(), "size=2m");
    let events = drain(&mut watcher);
    let size = |event: &Event| match event {
        Event::Changed { to, .. } => to.super_words().any(|word| word == "size=2048k"),
        _ => false,
    };
    assert!(events.len() == 3 && events.iter().all(size), "{events:?}");
    for event in events {
        replay.apply(event);
    }
    replay.assert_true(&watcher);
    Ok(())
}

fn a_tree_comes_from_its_top_and_goes_from_its_leaves() -> Outcome {
    let ground = ground()?;
    let (source, target) = (dir(ground.join("source")), dir(ground.join("target")));
    for path in ["", "a", "a/b", "a/b/c", "d"] {
        mount("x", dir(source.join(path)), "tmpfs", "")?;
    }
    let mut watcher = Watcher::new()?;
    mount(&source, &target, "none", "rbind")?;
    let events = drain(&mut watcher);
    let mounted: Vec<&MountInfo> = events
        .iter()
        .map(|event| match event {
            Event::Mounted(mount) => mount,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(mounted.len(), 5);
    for (at, mount) in mounted.iter().enumerate().skip(1) {
        assert!(mounted[..at].iter().any(|above| above.id == mount.parent), "{mount:?}");
    }
    unmount(&target);
    let events = drain(&mut watcher);
    let gone: Vec<&MountInfo> = events
        .iter()
        .map(|event| match event {
            Event::Unmounted(mount) => mount,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(gone.len(), 5);
    for (at, mount) in gone.iter().enumerate() {
        assert!(!gone[..at].iter().any(|before| before.id == mount.parent), "{mount:?}");
    }
    Ok(())
}

fn a_mount_that_came_and_went_is_told_where_it_was_announced() -> Outcome {
    let (ground, mut watcher) = announced()?;
    let target = dir(ground.join("a"));
    for _ in 0..3 {
        mount("a", &target, "tmpfs", "")?;
        unmount(&target);
    }
    let events = drain(&mut watcher);
    assert!(
        matches!(events[..], [
        Event::CameAndWent { unique_id: a },
        Event::CameAndWent { unique_id: b },
        Event::CameAndWent { unique_id: c },
    ] if a < b && b < c),
        "{events:?}"
    );
    Ok(())
}

fn a_mount_that_was_replaced_by_its_like_is_told() -> Outcome {
    let ground = ground()?;
    let target = dir(ground.join("a"));
    mount("a", &target, "tmpfs", "")?;
    let before = mount::mounts()?;
    let mut watcher = Watcher::new()?;
    if watcher.mounts().any(|mount| mount.unique_id.is_none()) {
        return Err(ignored("needs unique ids"));
    }
    unmount(&target);
    mount("a", &target, "tmpfs", "")?;
    // The table is the same, to the letter, where the device's number was free again too.
    let same = mount::mounts()? == before;
    let events = drain(&mut watcher);
    let told = matches!(&events[..], [Event::Unmounted(_), Event::Mounted(_)]);
    assert!(told, "same text: {same}, {events:?}");
    Ok(())
}

fn propagation_is_told_at_the_latest_by_a_rescan() -> Outcome {
    let target = dir(ground()?.join("a"));
    mount("a", &target, "tmpfs", "")?;
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    mount("none", &target, "none", "shared")?;
    watcher.rescan()?;
    let events = drain(&mut watcher);
    let [Event::Changed { from, to }] = &events[..] else { panic!("{events:?}") };
    assert!(from.optional.is_empty() && to.optional.len() == 1);
    for event in events {
        replay.apply(event);
    }
    replay.assert_true(&watcher);
    watcher.rescan()?;
    assert_eq!(watcher.try_next()?, None);
    Ok(())
}

fn options_given_by_fsconfig_are_told_at_the_latest_by_a_rescan() -> Outcome {
    grounds::calls(&["fspick", "fsconfig"])?;
    let target = dir(ground()?.join("a"));
    mount("a", &target, "tmpfs", "size=1m")?;
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    mount("none", &target, "none", "remount,size=2m")?;
    watcher.rescan()?;
    let events = drain(&mut watcher);
    assert!(matches!(events[..], [Event::Changed { .. }]), "{events:?}");
    for event in events {
        replay.apply(event);
    }
    replay.assert_true(&watcher);
    Ok(())
}

fn a_renamed_directory_is_seen_by_a_rescan() -> Outcome {
    let ground = ground()?;
    mount("a", dir(ground.join("above/a")), "tmpfs", "")?;
    let mut watcher = Watcher::new()?;
    fs::rename(ground.join("above"), ground.join("other"))?;
    watcher.rescan()?;
    let event = watcher.try_next()?;
    let Some(Event::Moved { to, .. }) = event else { panic!("{event:?}") };
    assert_eq!(to.mount_point, ground.join("other/a"));
    Ok(())
}

fn is_readable(watcher: &Watcher, milliseconds: u16) -> bool {
    let mut fds = [PollFd::new(watcher.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(milliseconds)).unwrap() == 1
}

fn the_descriptor_stays_readable_until_all_is_taken() -> Outcome {
    let ground = ground()?;
    let target = dir(ground.join("a"));
    let mut watcher = Watcher::new()?;
    assert!(!is_readable(&watcher, 0));
    mount("a", &target, "tmpfs", "")?;
    mount("b", dir(target.join("b")), "tmpfs", "")?;
    for _ in 0..3 {
        assert!(is_readable(&watcher, 1000), "a poll takes nothing away");
    }
    assert!(watcher.try_next()?.is_some());
    assert!(is_readable(&watcher, 0), "one more is there");
    assert!(watcher.try_next()?.is_some());
    assert_eq!(watcher.try_next()?, None);
    // The second file of the table may ring late, for what was seen already.
    thread::sleep(Duration::from_millis(50));
    assert_eq!(watcher.try_next()?, None);
    assert!(!is_readable(&watcher, 0));

    mount("none", &target, "none", "remount,bind,ro")?;
    for _ in 0..3 {
        assert!(is_readable(&watcher, 1000), "of a change as well");
    }
    assert!(matches!(watcher.try_next()?, Some(Event::Changed { .. })));
    mount("none", &target, "none", "shared")?;
    watcher.rescan()?;
    assert!(is_readable(&watcher, 0), "a rescan found something");
    Ok(())
}

fn the_descriptor_wakes_an_edge_triggered_epoll() -> Outcome {
    let ground = ground()?;
    let target = dir(ground.join("a"));
    let mut watcher = Watcher::new()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&watcher, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 7))?;
    let mut events = [EpollEvent::empty()];
    for round in 0..20 {
        if round % 2 == 0 {
            mount("a", &target, "tmpfs", "")?;
        } else {
            unmount(&target);
        }
        let end = Instant::now() + Duration::from_secs(10);
        // It may wake once more for what was taken already; it must wake for what is new.
        loop {
            assert!(Instant::now() < end, "round {round}");
            if epoll.wait(&mut events, EpollTimeout::from(1000_u16))? == 1 && !drain(&mut watcher).is_empty()
            {
                break;
            }
        }
    }
    Ok(())
}

fn without_events_there_is_no_waiting_beyond_the_time() -> Outcome {
    ground()?;
    let mut watcher = Watcher::new()?;
    let start = Instant::now();
    assert_eq!(watcher.next_timeout(Duration::from_millis(50))?, None);
    assert!((50..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(watcher.next_timeout(Duration::ZERO)?, None);
    Ok(())
}

fn the_iterator_waits_for_the_next() -> Outcome {
    let target = dir(ground()?.join("a"));
    let mut watcher = Watcher::new()?;
    let path = target.clone();
    let namespace = File::open("/proc/thread-self/ns/mnt")?;
    let other = thread::spawn(move || {
        enter(&namespace);
        thread::sleep(Duration::from_millis(50));
        mount("a", &path, "tmpfs", "").unwrap();
    });
    assert!(matches!(watcher.next(), Some(Ok(Event::Mounted(mount))) if mount.mount_point == target));
    other.join().unwrap();
    let target = dir(target.join("b"));
    mount("b", &target, "tmpfs", "")?;
    let event = watcher.next_timeout(Duration::MAX)?;
    assert!(matches!(event, Some(Event::Mounted(mount)) if mount.mount_point == target));
    Ok(())
}

/// Threads share their root directory: one that does may not enter.
fn enter(namespace: &File) {
    nix::sched::unshare(CloneFlags::CLONE_FS).unwrap();
    setns(namespace, CloneFlags::CLONE_NEWNS).unwrap();
}

/// A thread in a mount namespace of its own, which mounts as often as it is asked to.
fn neighbour() -> Result<(File, impl Fn(&'static str)), Stop> {
    let (ask, asked) = mpsc::channel::<&str>();
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        let namespace = ground().and_then(|_| Ok(File::open("/proc/thread-self/ns/mnt")?));
        let is_there = namespace.is_ok();
        answer.send(namespace.map_err(|stop| format!("{stop:?}"))).unwrap();
        while let Ok(name) = asked.recv()
            && is_there
        {
            mount(name, dir(Path::new("/tmp").join(name)), "tmpfs", "").unwrap();
            answer.send(Err(String::new())).unwrap();
        }
    });
    let namespace = answered.recv().unwrap().map_err(ignored)?;
    let mount_there = move |name| {
        ask.send(name).unwrap();
        answered.recv().unwrap().unwrap_err();
    };
    Ok((namespace, mount_there))
}

fn another_namespace_is_watched_by_its_file() -> Outcome {
    let ground = ground()?;
    let (namespace, mount_there) = neighbour()?;
    let mut watcher = Watcher::of_namespace(&namespace)?;
    mount("here", dir(ground.join("here")), "tmpfs", "")?;
    assert_eq!(watcher.try_next()?, None, "this is not there");
    mount_there("there");
    let event = watcher.next_timeout(Duration::from_secs(10))?;
    let Some(Event::Mounted(mount)) = event else { panic!("{event:?}") };
    assert_eq!(mount.mount_point, Path::new("/tmp/there"));
    let error = Watcher::of_namespace(File::open("/proc/self/ns/net")?).unwrap_err();
    assert!(error.to_string().starts_with("watch a mount namespace: "), "{error}");
    Ok(())
}

fn another_process_is_watched_by_its_id() -> Outcome {
    let ground = ground()?;
    let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
    // The child has left this namespace by then, or is in it: either way the process's is what counts.
    let pid = child.id();
    let outcome = (|| {
        let mut watcher = Watcher::of_pid(pid)?;
        let target = dir(ground.join("a"));
        mount("a", &target, "tmpfs", "")?;
        let event = watcher.next_timeout(Duration::from_secs(10))?;
        assert!(matches!(event, Some(Event::Mounted(mount)) if mount.mount_point == target));
        Ok(())
    })();
    child.kill()?;
    child.wait()?;
    assert_eq!(Watcher::of_pid(pid).unwrap_err().kind(), mount::ErrorKind::NotFound);
    outcome
}

fn a_process_after_chroot_is_seen_from_its_root() -> Outcome {
    let ground = ground()?;
    let root = dir(ground.join("root"));
    mount("root", &root, "tmpfs", "")?;
    mount("below", dir(root.join("below")), "tmpfs", "")?;
    let (send, receive) = mpsc::channel();
    let (done, wait) = mpsc::channel::<()>();
    let chroot = root.clone();
    let process = thread::spawn(move || {
        nix::sched::unshare(CloneFlags::CLONE_FS).unwrap();
        std::os::unix::fs::chroot(&chroot).unwrap();
        send.send(nix::unistd::gettid()).unwrap();
        wait.recv().unwrap_err();
    });
    let thread = receive.recv().unwrap();
    let mut watcher = Watcher::of_pid(thread.as_raw() as u32)?;
    let mut points: Vec<_> = watcher.mounts().map(|mount| mount.mount_point.as_path()).collect();
    points.sort(); // The ids of mountinfo are used again: their order says nothing.
    assert_eq!(points, [Path::new("/"), Path::new("/below")]);
    mount("more", dir(root.join("more")), "tmpfs", "")?;
    let event = watcher.next_timeout(Duration::from_secs(10))?;
    assert!(matches!(event, Some(Event::Mounted(mount)) if mount.mount_point == Path::new("/more")));
    drop(done);
    process.join().unwrap();
    Ok(())
}

fn mounts_outside_the_root_directory_are_not_told() -> Outcome {
    let ground = ground()?;
    let root = dir(ground.join("root"));
    mount("root", &root, "tmpfs", "")?;
    mount("/proc", dir(root.join("proc")), "none", "rbind")?;
    let namespace = File::open("/proc/thread-self/ns/mnt")?;
    let (ask, asked) = mpsc::channel::<PathBuf>();
    let (answer, answered) = mpsc::channel();
    let outside = thread::spawn(move || {
        enter(&namespace);
        for path in asked {
            mount("a", dir(&path), "tmpfs", "").unwrap();
            answer.send(()).unwrap();
        }
        move_to(ground.join("outside"), dir(ground.join("root/moved")));
    });
    nix::sched::unshare(CloneFlags::CLONE_FS)?;
    std::os::unix::fs::chroot(&root)?;
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    replay.assert_true(&watcher);
    ask.send(PathBuf::from("/tmp/outside"))?;
    answered.recv()?;
    assert_eq!(drain(&mut watcher), []);
    ask.send(PathBuf::from("/tmp/root/inside"))?;
    answered.recv()?;
    let events = drain(&mut watcher);
    let [Event::Mounted(inside)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(inside.mount_point, Path::new("/inside"));
    drop(ask);
    outside.join().unwrap();
    let moved = drain(&mut watcher);
    let [Event::Mounted(inside)] = &moved[..] else { panic!("{moved:?}") };
    assert_eq!(inside.mount_point, Path::new("/moved"));
    for event in events.into_iter().chain(moved) {
        replay.apply(event);
    }
    replay.assert_true(&watcher);
    Ok(())
}

fn what_slips_beneath_a_mount_moves_it() -> Outcome {
    let target = dir(ground()?.join("a"));
    mount("top", &target, "tmpfs", "")?;
    let mut watcher = Watcher::new()?;
    let mut replay = Replay::new(&watcher);
    let beneath = mount::FsContext::open("tmpfs")
        .and_then(|mut context| context.create()?.mount(mount::Attributes::empty())?.attach_beneath(&target));
    beneath.map_err(ignored)?;
    replay.apply_all(&mut watcher);
    replay.assert_true(&watcher);
    unmount(&target);
    replay.apply_all(&mut watcher);
    replay.assert_true(&watcher);
    Ok(())
}

fn a_watcher_that_went_to_another_namespace_watches_its_own() -> Outcome {
    let ground = ground()?;
    let mut watcher = Watcher::new()?;
    let (namespace, mount_there) = neighbour()?;
    let target = dir(ground.join("here"));
    let watcher = thread::spawn(move || {
        enter(&namespace);
        mount_there("there");
        assert_eq!(watcher.try_next().unwrap(), None);
        watcher
    });
    let mut watcher = watcher.join().unwrap();
    mount("here", &target, "tmpfs", "")?;
    let event = watcher.next_timeout(Duration::from_secs(10))?;
    assert!(matches!(event, Some(Event::Mounted(mount)) if mount.mount_point == target));
    Ok(())
}

fn more_than_the_queue_holds_is_told_and_mended() -> Outcome {
    let (ground, mut watcher) = announced()?;
    let limit: usize = fs::read_to_string("/proc/sys/fs/fanotify/max_queued_events")?.trim().parse()?;
    if limit > 20_000 {
        return Err(ignored("the queue is too long to fill it"));
    }
    let mut replay = Replay::new(&watcher);
    let (source, target, moved) =
        (dir(ground.join("source")), dir(ground.join("target")), dir(ground.join("moved")));
    mount("a", &moved, "tmpfs", "")?;
    mount("b", dir(moved.join("b")), "tmpfs", "")?;
    for _ in 0..limit / 2 {
        force_mount(&source, &target, "none", "bind")?;
        unmount(&target);
    }
    // All of this is after the end.
    mount("kept", &target, "tmpfs", "")?;
    move_to(&moved, dir(ground.join("away")));
    let events = drain(&mut watcher);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Overflow)).count(), 1);
    for event in events {
        replay.apply(event);
    }
    replay.assert_true(&watcher);
    unmount(&target);
    assert!(matches!(drain(&mut watcher)[..], [Event::Unmounted(_)]), "and it goes on");
    Ok(())
}

/// Mounts, moves, remounts and unmounts for a while in another thread, and follows it in this one.
fn churn(mut watcher: Watcher) -> Result<Watcher, Stop> {
    let ground = PathBuf::from("/tmp/churn");
    mount("churn", dir(&ground), "tmpfs", "")?;
    let mut replay = Replay::new(&watcher);
    let namespace = File::open("/proc/thread-self/ns/mnt")?;
    let rounds = grounds::times(2_000);
    let mounting = thread::spawn(move || {
        enter(&namespace);
        let place = |number: usize| ground.join((number % 7).to_string());
        (0..7).for_each(|number| _ = dir(place(number)));
        // A small generator: each run does the same.
        let mut state = 1_usize;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..rounds {
            let (one, two) = (place(random(7)), place(random(7)));
            // Any of these may fail, where nothing is mounted or too much.
            let _ = match random(7) {
                0 | 1 => force_mount("x", &one, "tmpfs", "size=1m").map_err(|_| Errno::EIO),
                2 => force_mount(&one, &two, "none", "bind").map_err(|_| Errno::EIO),
                3 => {
                    let none = None::<&str>;
                    nix::mount::mount(Some(&one), &two, none, MsFlags::MS_MOVE, none)
                }
                4 => mount("none", &one, "none", "remount,bind,ro").map_err(|_| Errno::EIO),
                5 => mount("none", &one, "none", "remount,bind,rw,nosuid").map_err(|_| Errno::EIO),
                _ => umount2(&one, MntFlags::MNT_DETACH),
            };
        }
    });
    let mut seen = 0;
    while !mounting.is_finished() {
        if let Some(event) = watcher.next_timeout(Duration::from_millis(10))? {
            seen += 1;
            replay.apply(event);
        }
    }
    mounting.join().unwrap();
    replay.apply_all(&mut watcher);
    assert!(seen > 10, "{seen}");
    replay.assert_true(&watcher);
    Ok(watcher)
}

fn under_churn_no_change_is_missed() -> Outcome {
    let (_, watcher) = announced()?;
    churn(watcher)?;
    Ok(())
}

fn under_churn_no_change_is_missed_without_announcements() -> Outcome {
    ground()?;
    Refused::new().call("fanotify_init", Errno::ENOSYS).install()?;
    let watcher = churn(Watcher::new()?)?;
    assert!(!watcher.is_announced());
    Ok(())
}

fn under_churn_no_change_is_missed_in_the_text() -> Outcome {
    ground()?;
    Refused::new().call("listmount", Errno::ENOSYS).install()?;
    let watcher = churn(Watcher::new()?)?;
    assert!(!watcher.is_announced() && watcher.mounts().all(|mount| mount.unique_id.is_none()));
    Ok(())
}

/// What every backend tells.
fn follow_some_changes() -> Outcome {
    let ground = PathBuf::from("/tmp");
    let mut watcher = Watcher::new()?;
    assert!(!watcher.is_announced());
    let mut replay = Replay::new(&watcher);
    let mut step = |count: usize| {
        assert!(is_readable(&watcher, 1000));
        let events = drain(&mut watcher);
        assert_eq!(events.len(), count, "{events:?}");
        for event in events {
            replay.apply(event);
        }
        replay.assert_true(&watcher);
    };
    let a = dir(ground.join("a"));
    mount("a", &a, "tmpfs", "")?;
    step(1);
    mount("b", dir(a.join("b")), "tmpfs", "")?;
    step(1);
    mount("none", &a, "none", "remount,bind,ro")?;
    step(1);
    move_to(&a, dir(ground.join("c")));
    step(2);
    unmount(ground.join("c"));
    step(2);
    Ok(())
}

fn without_fanotify_all_is_told_by_comparing() -> Outcome {
    ground()?;
    Refused::new().call("fanotify_init", Errno::EPERM).install()?;
    follow_some_changes()
}

fn without_the_new_calls_the_text_is_compared() -> Outcome {
    ground()?;
    let refused = Refused::new().call("statmount", Errno::ENOSYS).call("listmount", Errno::ENOSYS);
    refused.call("fanotify_init", Errno::ENOSYS).call("io_setup", Errno::ENOSYS).install()?;
    follow_some_changes()
}

fn under_filters_that_answer_eperm_the_text_is_compared() -> Outcome {
    ground()?;
    let refused = Refused::new().call("statmount", Errno::EPERM).call("listmount", Errno::EPERM);
    refused.call("fanotify_init", Errno::EPERM).call("io_setup", Errno::EPERM).install()?;
    follow_some_changes()
}

fn a_dropped_watcher_leaves_nothing() -> Outcome {
    ground()?;
    let count = || {
        let rings = fs::read_to_string("/proc/self/maps").unwrap().matches("[aio]").count();
        (fs::read_dir("/proc/self/fd").unwrap().count(), rings)
    };
    let before = count();
    for _ in 0..10 {
        let mut watcher = Watcher::new()?;
        watcher.try_next()?;
    }
    assert_eq!(count(), before);
    // A descriptor that outlives it waits for nothing.
    let kept: OwnedFd = Watcher::new()?.as_fd().try_clone_to_owned()?;
    mount("a", dir("/tmp/a"), "tmpfs", "")?;
    let mut fds = [PollFd::new(kept.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::from(50_u16))?, 0);
    Ok(())
}

#[cfg(not(feature = "tokio"))]
fn events_are_awaited_under_tokio() -> Outcome {
    Err(ignored("needs the feature \"tokio\""))
}

#[cfg(feature = "tokio")]
fn events_are_awaited_under_tokio() -> Outcome {
    let ground = ground()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut watcher = mount::AsyncWatcher::new(Watcher::new()?)?;
        let target = dir(ground.join("a"));
        for _ in 0..20 {
            // A wait that is given up loses nothing.
            let early = tokio::time::timeout(Duration::from_millis(5), watcher.next()).await;
            assert!(early.is_err(), "{early:?}");
            mount("a", &target, "tmpfs", "")?;
            mount("none", &target, "none", "remount,bind,ro")?;
            let next = tokio::time::timeout(Duration::from_secs(10), watcher.next()).await?;
            assert!(matches!(next?, Event::Mounted(mount) if mount.mount_point == target));
            while watcher.try_next()?.is_some() {}
            mount("none", &target, "none", "remount,bind,noexec")?;
            let next = tokio::time::timeout(Duration::from_secs(10), watcher.next()).await?;
            assert!(matches!(next?, Event::Changed { .. }));
            unmount(&target);
            let next = tokio::time::timeout(Duration::from_secs(10), watcher.next()).await?;
            assert!(matches!(next?, Event::Unmounted(_)));
        }
        assert!(!watcher.get_ref().mounts().any(|mount| mount.mount_point == target));
        drop(watcher.into_inner());
        Ok(())
    })
}
