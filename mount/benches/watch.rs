//! Watching, listing and asking by id, against the bare system calls, in a mount namespace of its own with a
//! thousand mounts (and ten thousand for the list). Needs root.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use divan::{Bencher, black_box};
use mount::{Fields, MountIds, MountInfo, Statmount, Watcher};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn main() -> ExitCode {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
        eprintln!("no benchmark without a mount namespace: {error}");
        return ExitCode::SUCCESS;
    }
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
    divan::main();
    ExitCode::SUCCESS
}

/// Mounts and unmounts until there are so many.
fn mounts(count: usize) -> PathBuf {
    static READY: AtomicBool = AtomicBool::new(false);
    if !READY.swap(true, Ordering::Relaxed) {
        mount(Some("bench"), "/tmp", Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
        fs::create_dir("/tmp/source").unwrap();
    }
    let there = mount::mounts().unwrap().len();
    for number in there..count {
        let target = format!("/tmp/{number}");
        fs::create_dir(&target).unwrap();
        mount(Some("/tmp/source"), target.as_str(), NONE, MsFlags::MS_BIND, NONE).unwrap();
    }
    for number in count..there {
        umount2(format!("/tmp/{number}").as_str(), MntFlags::MNT_DETACH).unwrap();
        fs::remove_dir(format!("/tmp/{number}")).unwrap();
    }
    PathBuf::from(format!("/tmp/{}", count - 1))
}

/// `struct mnt_id_req`, and the calls, as C would have them.
#[repr(C)]
struct Request {
    size: u32,
    fd: u32,
    mount: u64,
    param: u64,
    namespace: u64,
}

fn bare_listmount(ids: &mut [u64]) -> usize {
    let mut count = 0;
    loop {
        let last = if count == 0 { 0 } else { ids[count - 1] };
        let request = Request { size: 24, fd: 0, mount: u64::MAX, param: last, namespace: 0 };
        let rest = &mut ids[count..];
        // SAFETY: the request and the ids outlive the call, and their sizes go with them.
        let got = unsafe { libc::syscall(458, &raw const request, rest.as_mut_ptr(), rest.len(), 0) };
        count += usize::try_from(got).unwrap();
        if (got as usize) < rest.len() {
            return count;
        }
    }
}

fn bare_statx(path: &std::ffi::CStr) -> u64 {
    let mut answer = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the path is a C string, and the kernel writes one statx.
    let result = unsafe {
        libc::syscall(libc::SYS_statx, libc::AT_FDCWD, path.as_ptr(), flags, 0x4000, answer.as_mut_ptr())
    };
    assert_eq!(result, 0);
    // SAFETY: the kernel has written it.
    unsafe { answer.assume_init() }.stx_mnt_id
}

fn bare_statmount(id: u64, fields: u64, buffer: &mut [u8]) {
    let request = Request { size: 24, fd: 0, mount: id, param: fields, namespace: 0 };
    // SAFETY: the request and the buffer outlive the call, and their sizes go with them.
    let result = unsafe { libc::syscall(457, &raw const request, buffer.as_mut_ptr(), buffer.len(), 0) };
    assert_eq!(result, 0);
}

/// The fields of a line of mountinfo.
const LINE: u64 = 0x13bf;

#[divan::bench(args = [1_000, 10_000])]
fn ids_bare(bencher: Bencher, count: usize) {
    mounts(count);
    let mut ids = vec![0; count + 64];
    bencher.bench_local(|| bare_listmount(&mut ids));
}

#[divan::bench(args = [1_000, 10_000])]
fn ids_listed(bencher: Bencher, count: usize) {
    mounts(count);
    bencher.bench_local(|| MountIds::new().list().unwrap());
}

#[divan::bench]
fn a_path_bare(bencher: Bencher) {
    let path = std::ffi::CString::new(mounts(1_000).to_str().unwrap()).unwrap();
    let mut buffer = vec![0; 2048];
    bencher.bench_local(|| bare_statmount(bare_statx(&path), LINE, &mut buffer));
}

#[divan::bench]
fn a_path_by_mount_of(bencher: Bencher) {
    let path = mounts(1_000);
    bencher.bench_local(|| mount::mount_of(black_box(&path)).unwrap().unwrap());
}

#[divan::bench]
fn a_path_by_statmount(bencher: Bencher) {
    let path = mounts(1_000);
    bencher.bench_local(|| Statmount::of(black_box(&path), Fields::from_bits_retain(LINE)).unwrap());
}

#[divan::bench]
fn a_mount_by_id(bencher: Bencher) {
    let id = Statmount::of(&mounts(1_000), Fields::MOUNT).unwrap().unique_id.unwrap();
    bencher.bench_local(|| MountInfo::from_unique_id(black_box(id)).unwrap().unwrap());
}

/// What an event costs who is asked for it, after a mount that isn't measured.
#[divan::bench(args = [100, 1_000])]
fn an_event(bencher: Bencher, count: usize) {
    let target = mounts(count);
    let watcher = RefCell::new(Watcher::new().unwrap());
    let next = || watcher.borrow_mut().try_next().unwrap();
    bencher
        .with_inputs(|| {
            umount2(&target, MntFlags::MNT_DETACH).unwrap();
            while next().is_some() {}
            mount(Some("/tmp/source"), &target, NONE, MsFlags::MS_BIND, NONE).unwrap();
        })
        .bench_local_values(|()| next().unwrap());
}

/// The same with the look at all mounts that follows, after which it is known that nothing else changed.
#[divan::bench(args = [100, 1_000])]
fn an_event_and_the_end(bencher: Bencher, count: usize) {
    let target = mounts(count);
    let watcher = RefCell::new(Watcher::new().unwrap());
    let drain = || while watcher.borrow_mut().try_next().unwrap().is_some() {};
    bencher
        .with_inputs(|| {
            umount2(&target, MntFlags::MNT_DETACH).unwrap();
            drain();
            mount(Some("/tmp/source"), &target, NONE, MsFlags::MS_BIND, NONE).unwrap();
        })
        .bench_local_values(|()| drain());
}

#[divan::bench(args = [1_000])]
fn numbers_bare(bencher: Bencher, count: usize) {
    mounts(count);
    let ids = MountIds::new().list().unwrap();
    let mut buffer = vec![0; 2048];
    bencher.bench_local(|| ids.iter().for_each(|id| bare_statmount(*id, 7, &mut buffer)));
}

#[divan::bench(args = [1_000])]
fn no_event(bencher: Bencher, count: usize) {
    mounts(count);
    let mut watcher = Watcher::new().unwrap();
    bencher.bench_local(|| watcher.try_next().unwrap());
}

#[divan::bench(args = [1_000])]
fn a_rescan(bencher: Bencher, count: usize) {
    mounts(count);
    let mut watcher = Watcher::new().unwrap();
    bencher.bench_local(|| watcher.rescan().unwrap());
}
