//! Mounts: what is there, what can't be written, what is hidden.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use grounds::{Outcome, Rootfs};
use nix::mount::{MsFlags, mount as mount_call};

use crate::shell::{Shell, mount};

crate::tests!(
    the_standard_mounts_are_there,
    nothing_of_the_host_is_mounted,
    a_read_only_bind_can_be_read_and_not_written,
    a_bind_keeps_what_its_source_forbids,
    a_file_is_bound_on_a_file_that_is_made,
    masked_paths_are_empty,
    protected_paths_can_not_be_written,
    own_paths_are_masked_and_protected,
    a_path_that_is_absent_needs_no_mask,
    a_read_only_rootfs_is,
    a_filesystem_that_is_read_only_itself_is,
    a_working_directory_may_end_in_a_slash,
    devices_are_there_and_work,
    mounts_inside_do_not_reach_the_host,
    the_host_s_mounts_do_not_reach_a_private_container,
);

fn the_standard_mounts_are_there() -> Outcome {
    let said = Shell::new(
        "while read a b c d path options rest; do echo $path $options; done </proc/self/mountinfo",
    )?
    .says()?;
    for (path, options) in [
        ("/proc", ["nosuid", "nodev", "noexec"].as_slice()),
        ("/dev", &["nosuid"]),
        ("/dev/pts", &["nosuid", "noexec"]),
        ("/dev/shm", &["nosuid", "nodev", "noexec"]),
        ("/dev/mqueue", &["nosuid", "nodev", "noexec"]),
        ("/sys", &["ro", "nosuid", "nodev", "noexec"]),
    ] {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        let (_, found) =
            lines.find(|(point, _)| *point == path).unwrap_or_else(|| panic!("no {path}: {said}"));
        let found: Vec<_> = found.split(',').collect();
        assert!(options.iter().all(|option| found.contains(option)), "{path}: {found:?}");
    }
    Ok(())
}

fn nothing_of_the_host_is_mounted() -> Outcome {
    let shell = Shell::new("cat /proc/self/mountinfo; ls /")?;
    let host = shell.rootfs.path().to_string_lossy().into_owned();
    let said = shell.says()?;
    let points: Vec<_> = said.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    assert!(!points.iter().any(|point| point.contains(&host)), "{said}");
    assert_eq!(points.iter().filter(|point| **point == "/").count(), 1, "the old root is gone: {said}");
    Ok(())
}

fn a_read_only_bind_can_be_read_and_not_written() -> Outcome {
    let mut shell = Shell::new("cat /tmp/shown/file; echo x >/tmp/shown/file && echo written; exit 0")?;
    let outside = Rootfs::new()?;
    fs::write(outside.path().join("file"), "text\n")?;
    shell.config.mounts.push(mount("", outside.path(), "/tmp/shown", &["bind", "ro"]));
    let said = shell.says()?;
    assert!(said.starts_with("text\n") && !said.contains("written"), "{said}");
    assert_eq!(fs::read_to_string(outside.path().join("file"))?, "text\n");
    Ok(())
}

/// A remount with nothing but "ro" loses nosuid and nodev; in a user namespace it is refused.
fn a_bind_keeps_what_its_source_forbids() -> Outcome {
    grounds::root()?;
    grounds::mountns()?;
    let outside = Rootfs::new()?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    mount_call(Some("tmpfs"), outside.path(), Some("tmpfs"), flags, None::<&str>)?;
    let mut shell = Shell::new("grep ' /tmp/shown ' /proc/self/mountinfo")?;
    shell.config.mounts.push(mount("", outside.path(), "/tmp/shown", &["bind", "ro"]));
    let as_root = shell.says()?;
    shell.config = shell.config.rootless();
    let in_user_namespace = shell.says()?;
    nix::mount::umount(outside.path())?;
    for said in [as_root, in_user_namespace] {
        assert!(said.contains(" ro,nosuid,nodev,noatime "), "{said}");
    }
    Ok(())
}

fn a_file_is_bound_on_a_file_that_is_made() -> Outcome {
    let mut shell = Shell::new("cat /tmp/a/b/hosts")?;
    let outside = Rootfs::new()?;
    fs::write(outside.path().join("file"), "text\n")?;
    shell.config.mounts.push(mount("", outside.path().join("file"), "/tmp/a/b/hosts", &["bind"]));
    assert_eq!(shell.says()?, "text\n");
    assert!(shell.rootfs.path().join("tmp/a/b/hosts").is_file());
    Ok(())
}

fn masked_paths_are_empty() -> Outcome {
    let shell = Shell::new(
        "cat /proc/keys /proc/timer_list; ls -A /sys/firmware; echo x >/proc/keys; cat /proc/keys",
    )?;
    assert_eq!(shell.says()?, "");
    Ok(())
}

fn protected_paths_can_not_be_written() -> Outcome {
    for path in ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"] {
        if Path::new(path).exists() {
            let (said, status) = Shell::new(&format!("echo h >{path}"))?.run()?;
            assert!(!status.success() && said.contains("Read-only file system"), "{path}: {said}");
        }
    }
    Ok(())
}

fn own_paths_are_masked_and_protected() -> Outcome {
    let mut shell = Shell::new(
        "cat /etc/secret; ls -A /etc/secrets; echo x >/etc/kept/file; echo x >/etc/linked; exit 0",
    )?;
    let etc = shell.rootfs.path().join("etc");
    for folder in ["secrets", "kept"] {
        fs::create_dir(etc.join(folder))?;
        fs::write(etc.join(folder).join("file"), "host\n")?;
    }
    fs::write(etc.join("secret"), "host\n")?;
    fs::write(etc.join("target"), "host\n")?;
    symlink("/etc/target", etc.join("linked"))?;
    shell.config.masked_paths.extend(["/etc/secret", "/etc/secrets"].map(Into::into));
    shell.config.readonly_paths.extend(["/etc/kept", "/etc/linked"].map(Into::into));
    let said = shell.says()?;
    assert!(!said.contains("host") && !said.contains("file\n"), "{said}");
    assert_eq!(said.matches("Read-only file system").count(), 2, "{said}");
    for file in ["secret", "kept/file", "target"] {
        assert_eq!(fs::read_to_string(etc.join(file))?, "host\n", "{file}");
    }
    Ok(())
}

fn a_path_that_is_absent_needs_no_mask() -> Outcome {
    let mut shell = Shell::new("echo fine")?;
    shell.config.masked_paths.extend(["/no/such/path", "/etc/passwd/beneath-a-file"].map(Into::into));
    shell.config.readonly_paths.extend(["/no/such/path", "/etc/passwd/beneath-a-file"].map(Into::into));
    assert_eq!(shell.says()?, "fine\n");
    Ok(())
}

fn a_read_only_rootfs_is() -> Outcome {
    let mut shell =
        Shell::new("echo x >/made; echo x >/etc/made; echo x >/dev/shm/made && echo shm; exit 0")?;
    shell.config.readonly_rootfs = true;
    let said = shell.says()?;
    assert_eq!((said.matches("Read-only").count(), said.contains("shm\n")), (2, true), "{said}");
    Ok(())
}

fn devices_are_there_and_work() -> Outcome {
    let shell = Shell::new(
        "for name in null zero full random urandom tty; do test -c /dev/$name || echo no $name; done
         echo x >/dev/null; echo x >/dev/full && echo wrote; test -s /dev/null && echo not empty
         head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c
         readlink /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx; test -c /dev/ptmx && echo ptmx",
    )?;
    let said = shell.says()?;
    let lines: Vec<_> = said.lines().filter(|line| !line.contains("echo: ")).collect();
    let targets = ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"];
    assert_eq!(lines, [&["4", "4"], &targets[..], &["ptmx"]].concat());
    Ok(())
}

fn mounts_inside_do_not_reach_the_host() -> Outcome {
    grounds::root()?;
    grounds::mountns()?;
    // The host of systemd: everything is shared.
    mount_call(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)?;
    let before = fs::read_to_string("/proc/thread-self/mountinfo")?;
    for rootless in [false, true] {
        let mut shell = Shell::new("exit 0")?;
        if rootless {
            shell.config = shell.config.rootless();
        }
        shell.says()?;
        assert_eq!(fs::read_to_string("/proc/thread-self/mountinfo")?, before, "rootless: {rootless}");
    }
    Ok(())
}

fn the_host_s_mounts_do_not_reach_a_private_container() -> Outcome {
    grounds::root()?;
    grounds::mountns()?;
    mount_call(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)?;
    let outside = Rootfs::new()?;
    for (option, seen) in [("rprivate", "0\n"), ("rslave", "1\n")] {
        let mut shell = Shell::new("grep -c ' /tmp/shown/tmp ' /proc/self/mountinfo; exit 0")?;
        shell.config.mounts.push(mount("", outside.path(), "/tmp/shown", &["rbind", option]));
        let (io, mut output) = crate::shell::captured()?;
        let mut container = libcontainer::Container::create(&shell.config, io)?;
        let inside = outside.path().join("tmp");
        mount_call(Some("tmpfs"), &inside, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
        container.start()?;
        let mut said = String::new();
        std::io::Read::read_to_string(&mut output, &mut said)?;
        nix::mount::umount(&inside)?;
        assert_eq!(said, seen, "{option}");
    }
    Ok(())
}

/// `ro=fs` was dropped without a word, and the filesystem could be written to.
fn a_filesystem_that_is_read_only_itself_is() -> Outcome {
    let mut shell = Shell::new("(: >/data/file) 2>&1; grep ' /data ' /proc/mounts")?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/data", &["ro=fs"]));
    let said = shell.says()?;
    assert!(said.contains("Read-only file system") && said.contains(" ro,"), "{said}");
    Ok(())
}

fn a_working_directory_may_end_in_a_slash() -> Outcome {
    let mut shell = Shell::new("pwd")?;
    shell.config.process.cwd = "/new/deep/".into();
    assert_eq!(shell.says()?, "/new/deep\n");
    Ok(())
}
