//! Mounting for real, each test in a mount namespace of its own.
#![allow(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind as Io, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{ffi::OsStr, time::Instant};

use grounds::{Outcome, Stop, ignored, tests};
use mount::{ErrorKind, MountGuard, force_mount, force_unmount, mount, mount_of, mounted, unmount};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_read_only_bind_of_a_file_can_be_read_and_not_written,
        a_mount_from_none_is_a_mount,
        mounting_the_same_twice_mounts_once,
        something_else_mounted_there_is_an_error,
        force_mount_mounts_on_top,
        what_is_there_is_not_what_was_asked_for_if_it_spreads_otherwise,
        one_missing_call_is_as_good_as_all,
        a_mount_over_proc_that_fails_is_taken_away,
        tools_words_and_no_filesystems_are_refused_by_name,
        the_root_directory_can_be_covered_with_the_old_calls_too,
        a_read_only_bind_keeps_what_its_source_forbids,
        a_read_only_bind_keeps_what_its_source_forbids_without_mount_setattr,
        read_only_holds_for_the_whole_tree_of_a_recursive_bind,
        read_only_holds_for_the_whole_tree_without_mount_setattr,
        a_recursive_bind_opens_nothing_below_it,
        rro_closes_a_tree_that_is_there,
        what_can_not_be_kept_is_an_error_and_leaves_no_mount,
        words_for_userspace_do_not_reach_the_kernel,
        long_options_are_refused_and_not_cut,
        an_unknown_filesystem_is_told_by_name,
        a_missing_source_or_target_is_not_found,
        a_remount_keeps_what_it_does_not_name,
        a_remount_of_a_bind_leaves_the_filesystem_writable,
        a_remount_does_not_guess_what_read_only_meant,
        a_remount_by_fspick_has_nothing_to_guess,
        a_remount_of_no_mount_changes_nothing,
        read_only_may_be_for_the_mount_alone,
        propagation_follows_the_bind,
        propagation_alone_mounts_nothing,
        a_mount_can_be_moved,
        unmounting_twice_is_not_an_error,
        unmounting_a_symbolic_link_leaves_its_target,
        a_busy_mount_is_reported_and_stays,
        a_mount_that_is_locked_here_is_not_called_unmounted,
        mounted_follows_links_and_knows_binds,
        mounted_needs_no_statx,
        names_of_any_bytes_come_back_from_the_table,
        a_guard_unmounts_when_dropped,
        closing_a_guard_tells_that_it_is_busy,
        a_guard_keeps_away_from_mounts_on_top,
        a_guard_takes_a_whole_tree_down,
        a_kept_mount_stays,
    ])
}

/// An empty tmpfs in a new mount namespace, with two directories in it.
fn ground() -> Result<(PathBuf, PathBuf), Stop> {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    let (source, target) = (PathBuf::from("/tmp/source"), PathBuf::from("/tmp/target"));
    fs::create_dir(&source)?;
    fs::create_dir(&target)?;
    Ok((source, target))
}

/// The same with a source that is a mount which forbids much.
fn strict_source() -> Result<(PathBuf, PathBuf), Stop> {
    let (source, target) = ground()?;
    mount("strict", &source, "tmpfs", "nosuid,nodev,noexec,noatime")?;
    Ok((source, target))
}

/// The same with a mount below the source.
fn tree_source() -> Result<(PathBuf, PathBuf), Stop> {
    let (source, target) = strict_source()?;
    fs::create_dir(source.join("below"))?;
    mount("below", source.join("below"), "tmpfs", "nodev")?;
    Ok((source, target))
}

fn has(path: impl AsRef<Path>, words: &[&str]) -> bool {
    let mount = mount_of(path).unwrap().unwrap();
    words.iter().all(|word| mount.has_option(word))
}

fn is_writable(dir: impl AsRef<Path>) -> bool {
    match File::create(dir.as_ref().join("probe")) {
        Ok(_) => true,
        Err(error) if error.kind() == Io::ReadOnlyFilesystem => false,
        Err(error) => panic!("{error}"),
    }
}

fn count_mounts_at(path: &Path) -> usize {
    mount::mounts().unwrap().iter().filter(|mount| mount.mount_point == path).count()
}

/// Makes a system call fail with ENOSYS in this thread from now on, as on an older kernel.
fn refuse(call: libc::c_long) -> Outcome {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0), // the call's number
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: plain numbers.
    let no_new_privs = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program and its four statements outlive the call.
    let seccomp = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if no_new_privs != 0 || seccomp != 0 {
        return Err(ignored(format!("no seccomp: {}", Error::last_os_error())));
    }
    Ok(())
}

fn a_read_only_bind_of_a_file_can_be_read_and_not_written() -> Outcome {
    let (source, target) = ground()?;
    let (source, target) = (source.join("file"), target.join("file"));
    fs::write(&source, "hello")?;
    fs::write(&target, "")?;
    mount(&source, &target, "none", "bind,ro")?;
    assert_eq!(fs::read_to_string(&target)?, "hello");
    let error = OpenOptions::new().write(true).open(&target).unwrap_err();
    assert_eq!(error.kind(), Io::ReadOnlyFilesystem);
    fs::write(&source, "the source is as it was")?;
    Ok(())
}

fn a_mount_from_none_is_a_mount() -> Outcome {
    // Later Go versions took the source "none" for a remount: they mounted nothing, and said that all was
    // well.
    let (source, target) = ground()?;
    mount("none", &source, "tmpfs", "")?;
    mount("none", &target, "tmpfs", "ro,noexec")?;
    assert!(mounted(&source)? && is_writable(&source));
    assert!(mounted(&target)? && has(&target, &["ro", "noexec"]));
    Ok(())
}

fn mounting_the_same_twice_mounts_once() -> Outcome {
    let (source, target) = tree_source()?;
    for options in ["bind", "bind,ro", "bind,ro,nosuid", "rbind,ro"] {
        for _ in 0..2 {
            mount(&source, &target, "none", options)?;
        }
        assert_eq!(count_mounts_at(&target), 1, "{options}");
        mount_gone(&target)?;
    }
    mount("a", &target, "tmpfs", "nosuid,size=1m")?;
    mount("a", &target, "tmpfs", "nosuid,size=1m")?;
    assert_eq!(count_mounts_at(&target), 1);
    Ok(())
}

/// Takes away what may have mounts below it.
fn mount_gone(target: &Path) -> Outcome {
    if mounted(target.join("below"))? {
        force_unmount(target.join("below"))?;
    }
    force_unmount(target)?;
    Ok(())
}

fn something_else_mounted_there_is_an_error() -> Outcome {
    // In 2014 anything that was mounted at the target made mount() succeed without a look at what it was.
    let (source, target) = ground()?;
    mount("a", &target, "tmpfs", "")?;
    for (what, fs_type, options) in
        [("b", "tmpfs", ""), ("/tmp/source", "none", "bind"), ("a", "ramfs", ""), ("a", "tmpfs", "ro")]
    {
        let error = mount(what, &target, fs_type, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyMounted, "{what} {options}: {error}");
    }
    let error = mount(&source, &target, "none", "bind").unwrap_err();
    let expected = r#"mount "/tmp/source" on "/tmp/target": "a" of type "tmpfs" is mounted there"#;
    assert_eq!((error.to_string().as_str(), error.path()), (expected, Some(target.as_path())));
    let error = mount("a", &target, "tmpfs", "noexec").unwrap_err();
    assert!(error.to_string().contains("it is mounted there already, as \"rw,"), "{error}");
    force_unmount(&target)?;

    fs::create_dir(source.join("below"))?;
    mount("below", source.join("below"), "tmpfs", "")?;
    mount(&source, &target, "none", "rbind")?;
    mount("none", &target, "none", "remount,bind,ro")?;
    let error = mount(&source, &target, "none", "rbind,ro").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyMounted, "a mount below is writable");
    Ok(())
}

fn the_root_directory_can_be_covered_with_the_old_calls_too() -> Outcome {
    let (source, _) = ground()?;
    refuse(libc::SYS_fsopen)?;
    let before = mount::mounts()?.len();
    force_mount("over", "/", "tmpfs", "nosuid")?;
    // From the root directory it can't be seen, and it is there.
    assert_eq!(mount_of("/..")?.unwrap().source, "over");
    assert!(has("/..", &["nosuid"]) && mount::mounts()?.len() == before + 1);
    assert!(source.exists());
    Ok(())
}

fn what_is_there_is_not_what_was_asked_for_if_it_spreads_otherwise() -> Outcome {
    // A mount that was skipped counted as success, though it was shared and should have been private.
    let (source, target) = tree_source()?;
    mount(&source, &target, "none", "bind,shared")?;
    let asked = |options: &str| mount(&source, &target, "none", options).map_err(|error| error.kind());
    assert_eq!(asked("bind,shared"), Ok(()));
    for options in ["bind,private", "bind,slave", "bind,unbindable", "rbind"] {
        assert_eq!(asked(options), Err(ErrorKind::AlreadyMounted), "{options}");
    }
    force_unmount(&target)?;
    mount("a", &target, "tmpfs", "")?;
    for options in ["sync", "lazytime", "ro=fs", "shared"] {
        let error = mount("a", &target, "tmpfs", options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyMounted, "{options}");
    }
    mount("a", &target, "tmpfs", "private,async")?;
    Ok(())
}

fn one_missing_call_is_as_good_as_all() -> Outcome {
    let (source, target) = ground()?;
    refuse(libc::SYS_move_mount)?;
    mount("a", &target, "tmpfs", "nosuid,size=1m")?;
    mount(&source, &target, "none", "bind,ro").unwrap_err();
    force_mount(&source, &target, "none", "bind,ro")?;
    assert!(has(&target, &["ro"]) && !is_writable(&target));
    Ok(())
}

fn a_mount_over_proc_that_fails_is_taken_away() -> Outcome {
    let (_, _) = ground()?;
    refuse(libc::SYS_fsopen)?;
    refuse(libc::SYS_mount_setattr)?;
    let before = fs::read_to_string("/proc/self/stat")?.len();
    let _ = force_mount("x", "/proc", "tmpfs", "ro=vfs,size=64k");
    let covered = !Path::new("/proc/self").exists();
    assert!(!covered && before > 0, "what could not be finished lies over /proc");
    Ok(())
}

fn tools_words_and_no_filesystems_are_refused_by_name() -> Outcome {
    let (source, target) = ground()?;
    for (fs_type, options, says) in [
        ("none", "bind,X-mount.subdir=a", "the option X-mount.subdir is done by mount(8)"),
        ("ext4", "loop,ro", "the option loop is done by mount(8)"),
        ("none", "ro", "\"none\" is no filesystem: name one, or say bind"),
        ("auto", "", "\"auto\" is no filesystem"),
        ("none", "remount,X-mount.idmap=b:0:1:1", "maps the ids of a new mount only"),
    ] {
        let error = mount(&source, &target, fs_type, options).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(&*target)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    Ok(())
}

fn force_mount_mounts_on_top() -> Outcome {
    let (_, target) = ground()?;
    force_mount("a", &target, "tmpfs", "")?;
    force_mount("b", &target, "tmpfs", "")?;
    assert_eq!(count_mounts_at(&target), 2);
    force_unmount(&target)?;
    assert_eq!(mount_of(&target)?.unwrap().source, "a");
    Ok(())
}

fn a_read_only_bind_keeps_what_its_source_forbids() -> Outcome {
    // The second mount(2) of 2014 replaced all flags: nosuid, nodev and noexec were gone.
    let (source, target) = strict_source()?;
    mount(&source, &target, "none", "bind,ro")?;
    assert!(has(&target, &["ro", "nosuid", "nodev", "noexec", "noatime"]));
    assert!(has(&source, &["rw"]));
    Ok(())
}

fn a_read_only_bind_keeps_what_its_source_forbids_without_mount_setattr() -> Outcome {
    let (source, target) = strict_source()?;
    refuse(libc::SYS_mount_setattr)?;
    mount(&source, &target, "none", "bind,ro,exec,strictatime")?;
    assert!(has(&target, &["ro", "nosuid", "nodev"]));
    assert!(!has(&target, &["noexec"]) && !has(&target, &["noatime"]) && !has(&target, &["relatime"]));
    mount(&source, &target, "none", "remount,bind,nosymfollow")?;
    assert!(has(&target, &["ro", "nosuid", "nodev", "nosymfollow"]));
    assert!(!has(&target, &["noatime"]) && !has(&target, &["relatime"]), "strictatime is kept too");
    Ok(())
}

fn read_only_holds_for_the_whole_tree_of_a_recursive_bind() -> Outcome {
    // In 2014 only the top of "rbind,ro" was read-only, and every mount below could be written.
    let (source, target) = tree_source()?;
    mount(&source, &target, "none", "rbind,ro,nosuid")?;
    assert!(!is_writable(&target) && !is_writable(target.join("below")));
    assert!(has(target.join("below"), &["nosuid", "nodev"]));
    assert!(is_writable(source.join("below")));
    mount_gone(&target)?;
    mount(&source, &target, "none", "rbind,rro")?;
    assert!(!is_writable(target.join("below")));
    Ok(())
}

fn read_only_holds_for_the_whole_tree_without_mount_setattr() -> Outcome {
    let (source, target) = tree_source()?;
    refuse(libc::SYS_mount_setattr)?;
    mount(&source, &target, "none", "rbind,ro,nosuid")?;
    assert!(!is_writable(&target) && !is_writable(target.join("below")));
    assert!(has(&target, &["noexec", "noatime"]) && has(target.join("below"), &["nosuid", "nodev"]));
    assert!(!has(target.join("below"), &["noexec"]));
    assert!(is_writable(source.join("below")));
    Ok(())
}

fn a_recursive_bind_opens_nothing_below_it() -> Outcome {
    let (source, target) = tree_source()?;
    mount("none", source.join("below"), "none", "remount,bind,ro")?;
    mount(&source, &target, "none", "rbind,rw,dev")?;
    assert!(is_writable(&target) && !has(&target, &["nodev"]));
    assert!(!is_writable(target.join("below")) && has(target.join("below"), &["nodev"]));
    Ok(())
}

fn rro_closes_a_tree_that_is_there() -> Outcome {
    let (source, _) = tree_source()?;
    mount("none", &source, "none", "remount,bind,rro")?;
    assert!(!is_writable(&source) && !is_writable(source.join("below")));
    Ok(())
}

fn what_can_not_be_kept_is_an_error_and_leaves_no_mount() -> Outcome {
    let (source, target) = tree_source()?;
    // Without mount_setattr the lower of two mounts on one place can't be reached.
    mount("lower", &target, "tmpfs", "")?;
    force_mount("upper", source.join("below"), "tmpfs", "")?;
    let before = mount::mounts()?;
    refuse(libc::SYS_mount_setattr)?;
    let error = force_mount(&source, &target, "none", "rbind,ro").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("covered by another mount"), "{error}");
    assert_eq!(mount::mounts()?, before);
    Ok(())
}

fn words_for_userspace_do_not_reach_the_kernel() -> Outcome {
    // A tmpfs answers EINVAL to "nofail", which fstab lines are full of.
    let (_, target) = ground()?;
    mount(
        "a",
        &target,
        "tmpfs",
        "defaults,noauto,nofail,_netdev,x-systemd.automount,comment=hi,nosymfollow",
    )?;
    assert!(has(&target, &["nosymfollow"]));
    Ok(())
}

fn long_options_are_refused_and_not_cut() -> Outcome {
    // mount(2) cuts at 4,095 bytes without a word.
    let (_, target) = ground()?;
    // The longest that fits reaches tmpfs, which has its own opinion about the word.
    let error = mount("a", &target, "tmpfs", "x".repeat(4095)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    let error = mount("a", &target, "tmpfs", "x".repeat(4096)).unwrap_err();
    assert_eq!((error.raw_os_error(), error.kind()), (None, ErrorKind::InvalidInput));
    let expected =
        "mount \"a\" on \"/tmp/target\": 4096 bytes of filesystem options, of which mount(2) takes 4095";
    assert_eq!(error.to_string(), expected);
    Ok(())
}

fn an_unknown_filesystem_is_told_by_name() -> Outcome {
    let (_, target) = ground()?;
    let error = mount("none", &target, "nosuchfs", "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let expected = r#"mount "none" on "/tmp/target": this kernel has no filesystem "nosuchfs": No such device (os error 19)"#;
    assert_eq!(error.to_string(), expected);
    Ok(())
}

fn a_missing_source_or_target_is_not_found() -> Outcome {
    let (source, target) = ground()?;
    for (source, target) in [(Path::new("/tmp/nothing"), &*target), (&*source, Path::new("/tmp/nothing"))] {
        let error = mount(source, target, "none", "bind").unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(libc::ENOENT)));
    }
    let error = mount("/tmp/nothing", &target, "none", "bind").unwrap_err().to_string();
    let text = r#"mount "/tmp/nothing" on "/tmp/target": the source is missing: No such file or directory (os error 2)"#;
    assert_eq!(error, text);
    let error = mount(&source, "/tmp/nothing", "none", "bind").unwrap_err().to_string();
    let text =
        r#"mount "/tmp/source" on "/tmp/nothing": find the target: No such file or directory (os error 2)"#;
    assert_eq!(error, text);
    assert_eq!(mounted("/tmp/nothing").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(unmount("/tmp/nothing").unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_remount_keeps_what_it_does_not_name() -> Outcome {
    // mount(2) with MS_REMOUNT resets every flag that isn't given again.
    let (source, _) = strict_source()?;
    mount("none", &source, "none", "remount,sync,lazytime")?;
    mount("none", &source, "none", "remount,size=1m")?;
    let present = mount_of(&source)?.unwrap();
    assert!(has(&source, &["rw", "nosuid", "nodev", "noexec", "noatime"]), "{present:?}");
    let filesystem: Vec<_> = present.super_words().collect();
    assert!(
        ["sync", "lazytime", "size=1024k"].iter().all(|word| filesystem.contains(&word.into())),
        "{present:?}"
    );
    mount("none", &source, "none", "remount,ro")?;
    assert!(!is_writable(&source) && has(&source, &["nosuid", "noatime"]));
    mount("none", &source, "none", "remount,rw,exec")?;
    assert!(is_writable(&source) && has(&source, &["nosuid"]) && !has(&source, &["noexec"]));
    Ok(())
}

fn a_remount_of_a_bind_leaves_the_filesystem_writable() -> Outcome {
    let (source, target) = strict_source()?;
    mount(&source, &target, "none", "bind")?;
    mount("none", &target, "none", "remount,bind,ro")?;
    assert!(!is_writable(&target) && is_writable(&source));
    // Without a word for the filesystem there is no need to say "bind".
    mount("none", &target, "none", "remount,exec")?;
    assert!(!is_writable(&target) && is_writable(&source) && !has(&target, &["noexec"]));
    Ok(())
}

fn a_remount_does_not_guess_what_read_only_meant() -> Outcome {
    // Of the mount but not of its filesystem: MS_RDONLY can't say that, and either guess does harm.
    let (source, target) = strict_source()?;
    mount(&source, &target, "none", "bind,ro")?;
    refuse(libc::SYS_fspick)?;
    let error = mount("none", &target, "none", "remount,size=1m").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!is_writable(&target) && is_writable(&source));
    Ok(())
}

fn a_remount_by_fspick_has_nothing_to_guess() -> Outcome {
    let (source, target) = strict_source()?;
    grounds::calls(&["fspick"])?;
    mount(&source, &target, "none", "bind,ro")?;
    mount("none", &target, "none", "remount,size=1m")?;
    assert!(!is_writable(&target) && is_writable(&source));
    Ok(())
}

fn a_remount_of_no_mount_changes_nothing() -> Outcome {
    let (source, _) = ground()?;
    refuse(libc::SYS_mount_setattr)?;
    for options in ["remount,bind,ro", "remount,ro", "remount,nodev"] {
        assert_eq!(mount("none", &source, "none", options).unwrap_err().kind(), ErrorKind::NotMounted);
    }
    assert!(is_writable("/tmp") && !has("/tmp", &["nodev"]));
    Ok(())
}

fn read_only_may_be_for_the_mount_alone() -> Outcome {
    let (source, target) = ground()?;
    mount("a", &source, "tmpfs", "ro=vfs,nodev")?;
    assert!(!is_writable(&source) && has(&source, &["nodev"]));
    assert!(mount_of(&source)?.unwrap().super_words().any(|word| word == "rw"));
    mount("b", &target, "tmpfs", "ro=fs")?;
    assert!(!is_writable(&target) && has(&target, &["rw"]));
    mount("none", &target, "none", "remount,rw=fs")?;
    assert!(is_writable(&target) && has(&target, &["rw"]));
    mount("none", &source, "none", "remount,ro=fs")?;
    mount("none", &source, "none", "remount,rw=vfs")?;
    assert!(!is_writable(&source) && has(&source, &["rw", "nodev"]));
    mount("none", &source, "none", "remount,rw=fs")?;
    assert!(is_writable(&source));
    Ok(())
}

fn propagation_follows_the_bind() -> Outcome {
    // mount(2) ignores propagation flags beside MS_BIND: they need a call of their own.
    let (source, target) = ground()?;
    mount("a", &source, "tmpfs", "shared")?;
    assert!(mount_of(&source)?.unwrap().optional[0].as_bytes().starts_with(b"shared:"));
    mount(&source, &target, "none", "bind,ro,slave")?;
    let bound = mount_of(&target)?.unwrap();
    assert!(bound.has_option("ro") && bound.optional[0].as_bytes().starts_with(b"master:"), "{bound:?}");
    Ok(())
}

fn propagation_alone_mounts_nothing() -> Outcome {
    let (source, target) = ground()?;
    mount("a", &source, "tmpfs", "")?;
    mount("none", &source, "none", "shared")?;
    assert_eq!(count_mounts_at(&source), 1);
    assert!(!mount_of(&source)?.unwrap().optional.is_empty());
    mount("", &source, "", "unbindable")?;
    assert_eq!(mount_of(&source)?.unwrap().optional, ["unbindable"]);
    assert_eq!(mount("none", &target, "none", "private").unwrap_err().kind(), ErrorKind::NotMounted);
    Ok(())
}

fn a_mount_can_be_moved() -> Outcome {
    let (source, target) = ground()?;
    mount("a", &source, "tmpfs", "")?;
    mount(&source, &target, "none", "move")?;
    assert!(!mounted(&source)?);
    assert_eq!(mount_of(&target)?.unwrap().source, "a");
    Ok(())
}

fn unmounting_twice_is_not_an_error() -> Outcome {
    let (_, target) = ground()?;
    mount("a", &target, "tmpfs", "")?;
    unmount(&target)?;
    unmount(&target)?;
    let error = force_unmount(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotMounted);
    assert_eq!(error.to_string(), r#"unmount "/tmp/target": nothing is mounted there"#);
    Ok(())
}

fn unmounting_a_symbolic_link_leaves_its_target() -> Outcome {
    // Followed, a link that somebody put there unmounts whatever they please.
    let (_, target) = ground()?;
    mount("a", &target, "tmpfs", "")?;
    symlink(&target, "/tmp/link")?;
    let error = unmount("/tmp/link").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(mounted(&target)?);
    Ok(())
}

fn a_busy_mount_is_reported_and_stays() -> Outcome {
    // Later Go versions detached it, so that the caller never knew.
    let (_, target) = ground()?;
    mount("a", &target, "tmpfs", "")?;
    let mut open = File::create(target.join("open"))?;
    let before = Instant::now();
    let error = unmount(&target).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Busy, Some(libc::EBUSY)));
    assert!(before.elapsed().as_secs() < 5);
    assert!(mounted(&target)?);
    open.write_all(b"still there")?;
    drop(open);
    unmount(&target)?;
    Ok(())
}

fn a_mount_that_is_locked_here_is_not_called_unmounted() -> Outcome {
    // Later Go versions took every EINVAL for "not mounted" and reported success.
    if grounds::root().is_ok() {
        return Err(ignored("needs a mount namespace below a user namespace"));
    }
    grounds::mountns()?;
    let error = unmount("/proc").unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::PermissionDenied, Some(libc::EINVAL)));
    assert!(mounted("/proc")?);
    Ok(())
}

fn mounted_follows_links_and_knows_binds() -> Outcome {
    let (source, target) = ground()?;
    symlink(&target, "/tmp/link")?;
    assert!(!mounted(&target)? && !mounted("/tmp/link")?);
    mount(&source, &target, "none", "bind")?;
    assert!(mounted(&target)? && mounted("/tmp/link")? && mounted("/tmp/source/../target")?);
    assert!(!mounted(&source)?);
    Ok(())
}

fn mounted_needs_no_statx() -> Outcome {
    let (source, target) = ground()?;
    symlink(&target, "/tmp/link")?;
    refuse(libc::SYS_statx)?;
    mount(&source, &target, "none", "bind,ro")?;
    assert!(mounted(&target)? && mounted("/tmp/link")? && !mounted(&source)?);
    assert_eq!(unmount("/tmp/link").unwrap_err().kind(), ErrorKind::InvalidInput);
    unmount(&target)?;
    unmount(&target)?;
    assert!(!mounted(&target)?);
    Ok(())
}

fn names_of_any_bytes_come_back_from_the_table() -> Outcome {
    let (source, _) = ground()?;
    let name = Path::new(OsStr::from_bytes(b"/tmp/a - b\t\n\\#\xff,\"x"));
    fs::create_dir(name)?;
    mount(&source, name, "none", "bind,ro")?;
    let found = mount_of(name)?.expect("it is in the table");
    assert_eq!((found.mount_point.as_path(), found.root.as_path()), (name, Path::new("/source")));
    unmount(name)?;
    assert!(!mounted(name)?);
    Ok(())
}

fn a_guard_unmounts_when_dropped() -> Outcome {
    let (_, target) = ground()?;
    let guard = MountGuard::mount("a", &target, "tmpfs", "")?;
    assert_eq!(guard.path(), target);
    let open = File::create(target.join("open"))?;
    drop(guard);
    assert!(!mounted(&target)?, "even while it is busy");
    drop(open);
    let error = MountGuard::mount("none", "/", "none", "private").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn closing_a_guard_tells_that_it_is_busy() -> Outcome {
    let (_, target) = ground()?;
    let guard = MountGuard::mount("a", &target, "tmpfs", "")?;
    let _open = File::create(target.join("open"))?;
    assert_eq!(guard.close().unwrap_err().kind(), ErrorKind::Busy);
    assert!(mounted(&target)?);
    Ok(())
}

fn a_guard_keeps_away_from_mounts_on_top() -> Outcome {
    let (_, target) = ground()?;
    let lower = MountGuard::mount("lower", &target, "tmpfs", "")?;
    force_mount("upper", &target, "tmpfs", "")?;
    assert_eq!(lower.close().unwrap_err().kind(), ErrorKind::NotMounted);
    assert_eq!(mount_of(&target)?.unwrap().source, "upper");
    assert_eq!(count_mounts_at(&target), 2);
    Ok(())
}

fn a_guard_takes_a_whole_tree_down() -> Outcome {
    let (source, target) = tree_source()?;
    let before = mount::mounts()?;
    MountGuard::mount(&source, &target, "none", "rbind,ro")?.close()?;
    drop(MountGuard::mount(&source, &target, "none", "rbind,ro")?);
    assert_eq!(mount::mounts()?, before);
    Ok(())
}

fn a_kept_mount_stays() -> Outcome {
    let (_, target) = ground()?;
    MountGuard::mount("a", &target, "tmpfs", "")?.keep();
    assert!(mounted(&target)?);
    Ok(())
}
