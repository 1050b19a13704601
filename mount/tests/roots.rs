//! Mounting beneath a root that somebody hostile writes to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use grounds::faults::Refused;
use grounds::{Outcome, Stop, tests};
use mount::{ErrorKind, Root, Unmount, force_mount};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::mount::{MntFlags, umount2};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        links_lead_nowhere_out_of_the_root,
        links_lead_nowhere_out_of_the_root_without_openat2,
        a_swapped_link_makes_no_mount_land_outside,
        a_swapped_link_makes_no_mount_land_outside_with_the_old_calls,
        a_guard_beneath_a_root_unmounts_nothing_outside,
        a_guard_finds_its_mount_where_it_was_renamed_to,
        a_path_that_ends_in_two_dots_names_nothing_to_unmount,
        a_path_to_a_directory_must_be_one,
        directories_are_made_beneath_the_root,
        a_path_may_be_the_root_itself,
        what_is_not_there_is_told_with_its_whole_path,
        links_in_a_circle_are_an_error,
    ])
}

/// A root in a new mount namespace, with links in it that lead out, and what they must not reach.
fn ground() -> Result<Root, Stop> {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    for dir in ["/tmp/outside/inner", "/tmp/root/inside/inner", "/tmp/root/tmp/outside/inner"] {
        fs::create_dir_all(dir)?;
    }
    for (target, link) in [
        ("/tmp/outside", "absolute"),
        ("../outside", "relative"),
        ("../../../../../../tmp/outside", "far"),
        ("/proc/self/root/tmp/outside", "magic"),
        ("inside/../../outside", "mixed"),
        ("absolute/inner", "chained"),
    ] {
        symlink(target, Path::new("/tmp/root").join(link))?;
    }
    Ok(Root::open("/tmp/root")?)
}

fn refuse(calls: &[&str]) -> Outcome {
    let refused = calls.iter().fold(Refused::new(), |refused, call| refused.call(call, Errno::ENOSYS));
    Ok(refused.install()?)
}

fn links_lead_nowhere_out_of_the_root() -> Outcome {
    let root = ground()?;
    grounds::calls(&["openat2"])?;
    nothing_lands_outside(&root)
}

fn links_lead_nowhere_out_of_the_root_without_openat2() -> Outcome {
    let root = ground()?;
    refuse(&["openat2"])?;
    nothing_lands_outside(&root)
}

fn nothing_lands_outside(root: &Root) -> Outcome {
    for (path, lands) in [
        ("absolute", Some("/tmp/root/tmp/outside")),
        ("/absolute/inner", Some("/tmp/root/tmp/outside/inner")),
        ("chained", Some("/tmp/root/tmp/outside/inner")),
        ("../../inside", Some("/tmp/root/inside")),
        ("inside/inner/..//./inner", Some("/tmp/root/inside/inner")),
        ("relative", None),
        ("far", Some("/tmp/root/tmp/outside")),
        ("magic", None),
        ("mixed", None),
    ] {
        let result = root.mount("a", path, "tmpfs", "nosuid");
        let Some(lands) = lands else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{path}: {error}");
            continue;
        };
        result?;
        assert!(root.mounted(path)? && mount::mounted(lands)?, "{path}");
        let info = root.mount_of(path)?.unwrap();
        assert_eq!(
            (info.mount_point.as_path(), info.source.to_str()),
            (Path::new(lands), Some("a")),
            "{path}"
        );
        mount::unmount(lands)?;
    }
    assert!(mount::mounts()?.iter().all(|mount| !mount.mount_point.starts_with("/tmp/outside")));
    Ok(())
}

fn a_swapped_link_makes_no_mount_land_outside() -> Outcome {
    let root = ground()?;
    grounds::calls(&["open_tree", "move_mount"])?;
    swap_while_mounting(&root, grounds::times(10_000))
}

fn a_swapped_link_makes_no_mount_land_outside_with_the_old_calls() -> Outcome {
    let root = ground()?;
    refuse(&["openat2", "fsopen", "open_tree", "move_mount", "mount_setattr"])?;
    swap_while_mounting(&root, grounds::times(1_000))
}

/// Mounts again and again on a directory that is a link to the outside every other moment.
fn swap_while_mounting(root: &Root, times: usize) -> Outcome {
    symlink("../outside", "/tmp/root/link")?;
    let done = AtomicBool::new(false);
    let landed = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let swapped = renameat2(
                    AT_FDCWD,
                    "/tmp/root/inside",
                    AT_FDCWD,
                    "/tmp/root/link",
                    RenameFlags::RENAME_EXCHANGE,
                );
                swapped.expect("two names change places");
            }
        });
        let landed = mount_and_unmount(root, times);
        done.store(true, Ordering::Relaxed);
        landed
    })?;
    // While the names changed places, each look may have come at the wrong moment.
    unmount_all();
    assert!(landed > 0 && landed < times, "{landed} of {times} mounts: nobody was in the way");
    let table = mount::mounts()?;
    assert!(table.iter().all(|mount| !mount.mount_point.starts_with("/tmp/outside")));
    assert!(table.iter().all(|mount| !mount.mount_point.starts_with("/tmp/root")), "one was left");
    Ok(())
}

fn mount_and_unmount(root: &Root, times: usize) -> Result<usize, Stop> {
    let mut landed = 0;
    for _ in 0..times {
        match root.force_mount("/tmp/root/tmp", "inside/inner", "none", "bind,ro") {
            Ok(()) => landed += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
        assert!(!mount::mounted("/tmp/outside/inner")?, "a mount landed outside");
        unmount_all();
    }
    Ok(landed)
}

/// Unmounts what was mounted, whichever name it has at the moment.
fn unmount_all() {
    let mut found = true;
    while found {
        found = false;
        for name in ["/tmp/root/inside/inner", "/tmp/root/link/inner"] {
            // Between two looks it may have the other name.
            for _ in 0..3 {
                found |= umount2(name, MntFlags::MNT_DETACH).is_ok();
            }
        }
    }
}

fn a_guard_beneath_a_root_unmounts_nothing_outside() -> Outcome {
    // A guard that looked its path up again unmounted what a link led to: a mount of the host.
    let root = ground()?;
    force_mount("host", "/tmp/outside/inner", "tmpfs", "")?;
    symlink("../outside", "/tmp/root/link")?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (one, other) = ("/tmp/root/inside", "/tmp/root/link");
                let _ = renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE);
            }
        });
        for _ in 0..grounds::times(1_000) {
            if let Ok(guard) = root.mount_guard("guard", "inside/inner", "tmpfs", "") {
                let _ = guard.close();
            }
            assert!(mount::mounted("/tmp/outside/inner")?, "the host's mount is gone");
        }
        done.store(true, Ordering::Relaxed);
        Ok(())
    })
    .inspect_err(|_: &Stop| done.store(true, Ordering::Relaxed))?;
    unmount_all();
    Ok(())
}

fn a_guard_finds_its_mount_where_it_was_renamed_to() -> Outcome {
    let root = ground()?;
    let guard = root.mount_guard("guard", "inside/inner", "tmpfs", "")?;
    fs::rename("/tmp/root/inside", "/tmp/root/elsewhere")?;
    assert!(mount::mounted("/tmp/root/elsewhere/inner")?);
    guard.close()?;
    assert!(!mount::mounted("/tmp/root/elsewhere/inner")?);
    Ok(())
}

fn a_path_that_ends_in_two_dots_names_nothing_to_unmount() -> Outcome {
    // It was taken for the root itself, which was detached with all that lay on it.
    ground()?;
    force_mount("root", "/tmp/root", "tmpfs", "")?;
    fs::create_dir_all("/tmp/root/a/b")?;
    let root = Root::open("/tmp/root")?;
    for recursive in [false, true] {
        let unmount = Unmount::new().lazy(true).recursive(recursive);
        assert!(unmount.run(root.at("a/b/..")).is_err());
        assert!(mount::mounted("/tmp/root")?);
    }
    Ok(())
}

fn a_path_to_a_directory_must_be_one() -> Outcome {
    let root = ground()?;
    fs::write("/tmp/root/file", "")?;
    symlink("file", "/tmp/root/to-file")?;
    let refused = |path: &str| root.mounted(path).unwrap_err().raw_os_error();
    let paths = ["file/", "file/.", "to-file/", "to-file/."];
    assert!(paths.iter().all(|path| refused(path) == Some(20)));
    refuse(&["openat2"])?;
    assert!(paths.iter().all(|path| refused(path) == Some(20)));
    Ok(())
}

fn directories_are_made_beneath_the_root() -> Outcome {
    let root = ground()?;
    for (path, made) in [
        ("new/a/b", "/tmp/root/new/a/b"),
        ("/absolute/c", "/tmp/root/tmp/outside/c"),
        ("../../d", "/tmp/root/d"),
        ("inside/inner", "/tmp/root/inside/inner"),
        ("chained/e/../f", "/tmp/root/tmp/outside/inner/f"),
        (".", "/tmp/root"),
    ] {
        for _ in 0..2 {
            root.create_dir_all(path, 0o755)?;
            assert!(Path::new(made).is_dir(), "{path}");
        }
    }
    fs::write("/tmp/root/file", "")?;
    for (path, errno) in [("file", 20), ("file/more", 20), ("relative/x", 2)] {
        let error = root.create_dir_all(path, 0o755).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno), "{error}");
    }
    assert_eq!(fs::read_dir("/tmp/outside")?.count(), 1, "something was made outside");
    Ok(())
}

fn a_path_may_be_the_root_itself() -> Outcome {
    let root = ground()?;
    for path in [".", "/", "..", "inside/.."] {
        assert!(!root.mounted(path)?, "{path}");
        root.mount("a", path, "tmpfs", "")?;
        assert!(mount::mounted("/tmp/root")?, "{path}");
        mount::unmount("/tmp/root")?;
    }
    assert_eq!(root.mounted("").unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn what_is_not_there_is_told_with_its_whole_path() -> Outcome {
    let root = ground()?;
    let error = root.mount("a", "/inside/nothing", "tmpfs", "").unwrap_err();
    let text =
        r#"mount "a" on "/tmp/root/inside/nothing": find the target: No such file or directory (os error 2)"#;
    assert_eq!(error.to_string(), text);
    assert_eq!(Root::open("/tmp/nothing").unwrap_err().kind(), ErrorKind::NotFound);
    fs::write("/tmp/root/file", "")?;
    assert_eq!(root.mounted("file/more").unwrap_err().raw_os_error(), Some(20));
    Ok(())
}

fn links_in_a_circle_are_an_error() -> Outcome {
    let root = ground()?;
    symlink("b", "/tmp/root/a")?;
    symlink("a", "/tmp/root/b")?;
    assert_eq!(root.mounted("a").unwrap_err().raw_os_error(), Some(40));
    refuse(&["openat2"])?;
    assert_eq!(root.mounted("a").unwrap_err().raw_os_error(), Some(40));
    Ok(())
}
