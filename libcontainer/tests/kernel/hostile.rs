//! Root filesystems that were prepared to reach the host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use grounds::{Outcome, Rootfs, Stop};
use libcontainer::{Container, Io};

use crate::shell::{Shell, is_root, mount};

crate::tests!(
    a_proc_that_is_a_link_is_refused,
    a_sys_that_is_a_link_is_refused,
    a_dev_that_leads_to_the_host_leaves_the_host_alone,
    a_bind_destination_stays_inside,
    a_tmpfs_destination_stays_inside,
    a_dangling_destination_makes_nothing_outside,
    a_null_device_of_the_image_is_not_used_for_masks,
    a_device_that_is_something_else_is_refused,
    a_console_that_is_a_link_does_no_harm,
    a_working_directory_outside_is_refused,
    a_destination_in_proc_s_magic_links_is_refused,
    a_hostile_passwd_does_not_hang,
    etc_that_leads_to_the_host_is_read_inside,
);

/// A folder of the host that must stay as it is.
struct Outside(Rootfs);

impl Outside {
    fn new() -> Result<Outside, Stop> {
        let outside = Rootfs::new()?;
        fs::write(outside.path().join("marker"), "host\n")?;
        Ok(Outside(outside))
    }

    /// A link's target that would lead there from inside, by the host's root.
    fn by_root(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// The same by climbing.
    fn by_climbing(&self) -> PathBuf {
        let beneath = self.0.path().strip_prefix("/").expect("it is absolute");
        PathBuf::from("../".repeat(30)).join(beneath)
    }

    #[track_caller]
    fn is_untouched(&self) -> Outcome {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.0.path())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| !["bin", "sbin", "lib", "lib32", "lib64", "libx32"].contains(&name.as_str()));
        names.sort();
        assert_eq!(names, ["dev", "etc", "marker", "proc", "sys", "tmp", "usr"]);
        for folder in ["dev", "proc", "sys", "tmp"] {
            assert_eq!(fs::read_dir(self.0.path().join(folder))?.count(), 0, "{folder}");
        }
        assert_eq!(fs::read_to_string(self.0.path().join("marker"))?, "host\n");
        Ok(())
    }
}

fn refused_as_a_link(name: &str) -> Outcome {
    let shell = Shell::new("exit 0")?;
    let place = shell.rootfs.path().join(name);
    fs::remove_dir(&place)?;
    symlink("tmp", &place)?;
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP), "{error}");
    assert_eq!(fs::read_dir(shell.rootfs.path().join("tmp"))?.count(), 0);
    Ok(())
}

/// CVE-2019-19921, CVE-2023-27561: procfs was mounted elsewhere, and the masks missed it.
fn a_proc_that_is_a_link_is_refused() -> Outcome {
    refused_as_a_link("proc")
}

fn a_sys_that_is_a_link_is_refused() -> Outcome {
    refused_as_a_link("sys")
}

/// CVE-2026-41579: without a mount on /dev, links and devices were made in the host's directory.
fn a_dev_that_leads_to_the_host_leaves_the_host_alone() -> Outcome {
    let outside = Outside::new()?;
    for target in [outside.by_root(), outside.by_climbing()] {
        for rootless in [false, true] {
            let mut shell = Shell::new("exit 0")?.without_dev();
            if rootless && is_root() {
                shell.config = shell.config.rootless();
            }
            let dev = shell.rootfs.path().join("dev");
            fs::remove_dir(&dev)?;
            symlink(&target, &dev)?;
            drop(shell.run());
            outside.is_untouched()?;
        }
    }
    Ok(())
}

/// CVE-2021-30465: a destination that is a link led to the host.
fn a_bind_destination_stays_inside() -> Outcome {
    let outside = Outside::new()?;
    let source = Rootfs::new()?;
    fs::write(source.path().join("bound"), "")?;
    for target in [outside.by_root(), outside.by_climbing()] {
        let mut shell = Shell::new(&format!("ls {}/deep", outside.0.path().display()))?;
        // The same folder inside, so that the link leads somewhere.
        fs::create_dir_all(shell.rootfs.path().join(outside.0.path().strip_prefix("/").expect("absolute")))?;
        symlink(&target, shell.rootfs.path().join("data"))?;
        shell.config.mounts.push(mount("", source.path(), "/data/deep", &["bind"]));
        let said = shell.says()?;
        assert!(said.lines().any(|line| line == "bound"), "{said}");
        outside.is_untouched()?;
    }
    Ok(())
}

fn a_tmpfs_destination_stays_inside() -> Outcome {
    let outside = Outside::new()?;
    let mut shell = Shell::new("echo x >/data/made; cat /data/made")?;
    fs::create_dir_all(shell.rootfs.path().join(outside.0.path().strip_prefix("/").expect("absolute")))?;
    symlink(outside.by_climbing(), shell.rootfs.path().join("data"))?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/data", &[]));
    assert_eq!(shell.says()?, "x\n");
    outside.is_untouched()
}

/// CVE-2024-45310: empty directories were made on the host.
fn a_dangling_destination_makes_nothing_outside() -> Outcome {
    let outside = Outside::new()?;
    let mut shell = Shell::new("exit 0")?;
    symlink(outside.by_root(), shell.rootfs.path().join("data"))?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/data/new/place", &[]));
    shell.config.process.cwd = "/data/new/cwd".into();
    assert!(Container::create(&shell.config, Io::default()).is_err());
    outside.is_untouched()
}

/// CVE-2025-31133: a mask was a bind of the image's /dev/null, whatever that was.
fn a_null_device_of_the_image_is_not_used_for_masks() -> Outcome {
    for rootless in [false, true] {
        let mut shell = Shell::new("cat /etc/secret; echo x >/etc/secret; cat /etc/victim")?.without_dev();
        if rootless && is_root() {
            shell.config = shell.config.rootless();
        }
        let etc = shell.rootfs.path().join("etc");
        fs::write(etc.join("secret"), "secret\n")?;
        fs::write(etc.join("victim"), "victim\n")?;
        symlink("/etc/victim", shell.rootfs.path().join("dev/null"))?;
        shell.config.masked_paths.push("/etc/secret".into());
        // Refused, or masked by the real device.
        if let Ok((said, _)) = shell.run() {
            assert!(!said.contains("secret\n"), "{said}");
        }
        assert_eq!(fs::read_to_string(etc.join("secret"))?, "secret\n");
        assert_eq!(fs::read_to_string(etc.join("victim"))?, "victim\n");
    }
    Ok(())
}

fn a_device_that_is_something_else_is_refused() -> Outcome {
    grounds::root()?;
    let shell = Shell::new("exit 0")?.without_dev();
    fs::write(shell.rootfs.path().join("dev/zero"), "a plain file")?;
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.to_string(), "make device \"/dev/zero\": mknodat: File exists (os error 17)");
    Ok(())
}

/// CVE-2025-52565: /dev/console was opened through a link, and truncated what that led to.
fn a_console_that_is_a_link_does_no_harm() -> Outcome {
    let outside = Outside::new()?;
    for target in [PathBuf::from("/etc/victim"), outside.by_climbing().join("marker")] {
        let mut shell = Shell::new("exit 0")?;
        shell.config.process.terminal = true;
        shell.config.mounts.retain(|mount| mount.destination != Path::new("/dev"));
        fs::write(shell.rootfs.path().join("etc/victim"), "victim\n")?;
        symlink(target, shell.rootfs.path().join("dev/console"))?;
        drop(Container::create(&shell.config, Io::default()));
        assert_eq!(fs::read_to_string(shell.rootfs.path().join("etc/victim"))?, "victim\n");
        outside.is_untouched()?;
    }
    Ok(())
}

/// CVE-2024-21626: the working directory was a descriptor of the host that had leaked.
fn a_working_directory_outside_is_refused() -> Outcome {
    for number in 0..24 {
        for link in [false, true] {
            let mut shell = Shell::new("exit 0")?;
            let mut cwd = PathBuf::from(format!("/proc/self/fd/{number}"));
            if link {
                symlink(&cwd, shell.rootfs.path().join("cwd"))?;
                cwd = "/cwd".into();
            }
            shell.config.process.cwd.clone_from(&cwd);
            let error = Container::create(&shell.config, Io::default()).unwrap_err();
            assert!(error.raw_os_error().is_some(), "{cwd:?}: {error}");
        }
    }
    Ok(())
}

fn a_destination_in_proc_s_magic_links_is_refused() -> Outcome {
    for destination in ["/proc/self/cwd/etc", "/proc/self/root/etc", "/proc/self/fd/3"] {
        let mut shell = Shell::new("exit 0")?;
        shell.config.mounts.push(mount("tmpfs", "tmpfs", destination, &[]));
        assert!(Container::create(&shell.config, Io::default()).is_err(), "{destination}");
    }
    Ok(())
}

fn a_hostile_passwd_does_not_hang() -> Outcome {
    let mut shell = Shell::new("id -u")?;
    shell.config.process.user = libcontainer::User::Spec("root".to_owned());
    let passwd = shell.rootfs.path().join("etc/passwd");
    fs::remove_file(&passwd)?;
    nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::from_bits_truncate(0o666))?;
    assert!(Container::create(&shell.config, Io::default()).is_err());
    fs::remove_file(&passwd)?;
    symlink("/dev/zero", &passwd)?;
    assert!(Container::create(&shell.config, Io::default()).is_err());
    Ok(())
}

fn etc_that_leads_to_the_host_is_read_inside() -> Outcome {
    let outside = Outside::new()?;
    fs::write(outside.0.path().join("etc/passwd"), "hostly:x:0:0::/:/bin/sh\n")?;
    let mut shell = Shell::new("id -u")?;
    let etc = shell.rootfs.path().join("etc");
    fs::remove_dir_all(&etc)?;
    symlink(outside.by_root().join("etc"), &etc)?;
    shell.config.process.user = libcontainer::User::Spec("hostly".to_owned());
    assert!(Container::create(&shell.config, Io::default()).is_err());
    Ok(())
}
