//! Mounting and unmounting, against the bare system calls, in a mount namespace of its own. Needs root.
//!
//! ```sh
//! cargo bench -p mount --bench mounting
//! ```
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, ExitCode};
use std::{fs, ptr};

use divan::Bencher;
use mount::{Attributes, Mount, Overlay, Root, Unmount};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;
const SOURCE: &str = "/tmp/source";
const TARGET: &str = "/tmp/target";

fn main() -> ExitCode {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
        eprintln!("no benchmark without a mount namespace: {error}");
        return ExitCode::SUCCESS;
    }
    nix::mount::mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
    nix::mount::mount(Some("bench"), "/tmp", Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
    fs::create_dir(SOURCE).unwrap();
    fs::create_dir(TARGET).unwrap();
    for layer in 0..400 {
        fs::create_dir_all(layer_path(layer)).unwrap();
    }
    divan::main();
    ExitCode::SUCCESS
}

fn layer_path(layer: usize) -> String {
    format!("/tmp/{}/{layer:04}", "d".repeat(190))
}

fn take_away() {
    umount2(TARGET, MntFlags::empty()).unwrap();
}

/// The floor of the old calls: two of them, between which it is writable.
#[divan::bench]
fn bind_read_only_by_two_bare_mount_calls(bencher: Bencher) {
    bencher.bench(|| {
        nix::mount::mount(Some(SOURCE), TARGET, NONE, MsFlags::MS_BIND, NONE).unwrap();
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        nix::mount::mount(NONE, TARGET, NONE, flags, NONE).unwrap();
        take_away();
    });
}

/// The floor of the new calls.
#[divan::bench]
fn bind_read_only_by_the_bare_new_calls(bencher: Bencher) {
    bencher.bench(|| {
        let tree = open_tree();
        set_read_only(&tree);
        move_mount(&tree);
        drop(tree);
        take_away();
    });
}

#[divan::bench]
fn bind_read_only_by_a_handle(bencher: Bencher) {
    bencher.bench(|| {
        let mount = Mount::clone_of(SOURCE).unwrap();
        mount.set_attributes(Attributes::RDONLY, Attributes::empty()).unwrap();
        mount.attach(TARGET).unwrap();
        drop(mount);
        take_away();
    });
}

#[divan::bench]
fn bind_read_only(bencher: Bencher) {
    bencher.bench(|| {
        mount::mount(SOURCE, TARGET, "none", "bind,ro").unwrap();
        mount::unmount(TARGET).unwrap();
    });
}

#[divan::bench]
fn bind_read_only_beneath_a_root(bencher: Bencher) {
    let root = Root::open("/tmp").unwrap();
    bencher.bench(|| {
        root.mount(SOURCE, "target", "none", "bind,ro").unwrap();
        root.unmount("target").unwrap();
    });
}

#[divan::bench]
fn tmpfs_by_one_bare_mount_call(bencher: Bencher) {
    bencher.bench(|| {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        nix::mount::mount(Some("a"), TARGET, Some("tmpfs"), flags, Some("size=1m")).unwrap();
        take_away();
    });
}

#[divan::bench]
fn tmpfs(bencher: Bencher) {
    bencher.bench(|| {
        mount::mount("a", TARGET, "tmpfs", "nosuid,nodev,size=1m").unwrap();
        mount::unmount(TARGET).unwrap();
    });
}

#[divan::bench]
fn overlay_of_400_layers(bencher: Bencher) {
    let layers: Vec<_> = (0..400).map(layer_path).collect();
    bencher.bench(|| {
        Overlay::new().lowers(&layers).mount(TARGET).unwrap();
        take_away();
    });
}

/// The floor of asking about one path.
#[divan::bench]
fn stat_of_one_path() -> fs::Metadata {
    fs::metadata("/proc").unwrap()
}

#[divan::bench]
fn mounted_of_one_path() -> bool {
    mount::mounted("/proc").unwrap()
}

/// Makes a tmpfs with a thousand mounts on it.
fn tree() {
    nix::mount::mount(Some("tree"), TARGET, Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
    for number in 0..1_000 {
        let place = format!("{TARGET}/{number}");
        fs::create_dir(&place).unwrap();
        nix::mount::mount(Some(SOURCE), place.as_str(), NONE, MsFlags::MS_BIND, NONE).unwrap();
    }
}

/// The floor: one call for each, in an order that is known.
#[divan::bench(sample_count = 10)]
fn unmount_1000_by_bare_calls(bencher: Bencher) {
    bencher.with_inputs(tree).bench_values(|()| {
        for number in 0..1_000 {
            umount2(format!("{TARGET}/{number}").as_str(), MntFlags::empty()).unwrap();
        }
        take_away();
    });
}

#[divan::bench(sample_count = 10)]
fn unmount_1000(bencher: Bencher) {
    bencher.with_inputs(tree).bench_values(|()| Unmount::new().recursive(true).run(TARGET).unwrap());
}

/// The tool, a process of its own.
#[divan::bench(sample_count = 10)]
fn unmount_1000_by_umount(bencher: Bencher) {
    bencher.with_inputs(tree).bench_values(|()| {
        let status = Command::new("umount").args(["-R", TARGET]).status().unwrap();
        assert!(status.success());
    });
}

fn open_tree() -> OwnedFd {
    let flags = 1 | libc::O_CLOEXEC;
    // SAFETY: a C string and flags.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/tmp/source".as_ptr(), flags) };
    assert!(fd >= 0);
    // SAFETY: the kernel has just made it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

fn set_read_only(tree: &OwnedFd) {
    let attributes = [1_u64, 0, 0, 0];
    // SAFETY: the four numbers of struct mount_attr and their size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            ptr::from_ref(&attributes),
            size_of_val(&attributes),
        )
    };
    assert_eq!(result, 0);
}

fn move_mount(tree: &OwnedFd) {
    // SAFETY: a descriptor, two C strings and flags.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            c"/tmp/target".as_ptr(),
            4,
        )
    };
    assert_eq!(result, 0);
}
