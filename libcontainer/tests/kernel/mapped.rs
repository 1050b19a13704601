//! Mounts that show files as others', and tmpfs that take after what they lie on.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use grounds::{Outcome, Stop, ignored};
use libcontainer::{Container, ErrorKind, IdMapping, Io, Namespace, NamespaceKind};

use crate::shell::{Shell, is_root, mount};

crate::tests![
    files_of_a_mapped_bind_are_seen_as_others,
    what_is_made_through_a_mapped_bind_is_the_hosts,
    without_mappings_those_of_the_user_namespace_count,
    ridmap_reaches_the_mounts_below,
    mapped_binds_beside_each_other,
    what_contradicts_itself_is_named_at_once,
    who_may_not_map_is_told,
    a_tmpfs_has_the_mode_of_what_it_lies_on,
    a_copy_is_what_was_there,
    a_copy_can_be_read_only,
    a_copy_through_links_stays_inside,
];

const MAPS: [&str; 1] = ["mount_setattr"];

/// A folder of the host with files of root's and of another's, removed at the end.
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files() -> Result<Files, Stop> {
    grounds::calls(&MAPS)?;
    grounds::root()?;
    let files = Files(std::env::temp_dir().join("files"));
    fs::create_dir(&files.0)?;
    fs::set_permissions(&files.0, fs::Permissions::from_mode(0o755))?;
    for (name, owner) in [("root", 0), ("seven", 7)] {
        fs::write(files.0.join(name), name)?;
        std::os::unix::fs::chown(files.0.join(name), Some(owner), Some(owner))?;
    }
    // Not every filesystem knows owners through maps.
    let map: mount::IdMap = "b:0:1000:10".parse()?;
    let mapped = mount::Mount::clone_of(&files.0)?.map_ids(map.user_namespace()?.as_fd());
    mapped.map_err(ignored)?;
    Ok(files)
}

fn mapping(container: u32, host: u32, size: u32) -> Vec<IdMapping> {
    vec![IdMapping { container, host, size }]
}

/// A container without a user namespace that shows the files at /files.
fn shell(files: &Files, script: &str, options: &[&str]) -> Result<Shell, Stop> {
    let mut shell = Shell::new(script)?;
    // Who is root in a user namespace makes no directory of the host's.
    fs::create_dir(shell.config.rootfs.join("files"))?;
    shell.config.mounts.push(mount("", &files.0, "/files", options));
    Ok(shell)
}

/// The same with a user namespace: 0 inside is 100000 outside.
fn in_user_namespace(shell: &mut Shell) {
    shell.config.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    shell.config.uid_mappings = mapping(0, 100_000, 65_536);
    shell.config.gid_mappings = mapping(0, 100_000, 65_536);
}

const OWNERS: &str = "stat -c '%n %u %g' /files /files/root /files/seven";

fn files_of_a_mapped_bind_are_seen_as_others() -> Outcome {
    let files = files()?;
    for options in [&["bind"][..], &["bind", "idmap"], &["rbind", "ridmap"]] {
        let mut shell = shell(&files, OWNERS, options)?;
        let mount = shell.config.mounts.last_mut().unwrap();
        mount.uid_mappings = mapping(0, 2000, 5);
        mount.gid_mappings = mapping(0, 3000, 10);
        assert_eq!(shell.says()?, "/files 2000 3000\n/files/root 2000 3000\n/files/seven 65534 3007\n");
    }
    Ok(())
}

fn what_is_made_through_a_mapped_bind_is_the_hosts() -> Outcome {
    let files = files()?;
    let mut shell = shell(&files, "echo x >/files/new; mkdir /files/dir", &["bind", "idmap"])?;
    in_user_namespace(&mut shell);
    shell.says()?;
    for name in ["new", "dir"] {
        let status = fs::metadata(files.0.join(name))?;
        assert_eq!((status.uid(), status.gid()), (0, 0), "{name}");
    }
    Ok(())
}

fn without_mappings_those_of_the_user_namespace_count() -> Outcome {
    let files = files()?;
    let mut plain = shell(&files, OWNERS, &["bind"])?;
    in_user_namespace(&mut plain);
    assert_eq!(plain.says()?, "/files 65534 65534\n/files/root 65534 65534\n/files/seven 65534 65534\n");
    let mut mapped = shell(&files, OWNERS, &["bind", "idmap"])?;
    in_user_namespace(&mut mapped);
    assert_eq!(mapped.says()?, "/files 0 0\n/files/root 0 0\n/files/seven 7 7\n");
    // A namespace that is joined has its own.
    let first = Container::create(&plain.config, Io::default())?;
    let pid = first.pid().unwrap_or_default();
    let mut joined = shell(&files, OWNERS, &["bind", "idmap"])?;
    let path = PathBuf::from(format!("/proc/{pid}/ns/user"));
    joined.config.namespaces.push(Namespace { kind: NamespaceKind::User, path: Some(path) });
    assert_eq!(joined.says()?, "/files 0 0\n/files/root 0 0\n/files/seven 7 7\n");
    first.delete()?;
    Ok(())
}

fn ridmap_reaches_the_mounts_below() -> Outcome {
    let files = files()?;
    let below = files.0.join("below");
    fs::create_dir(&below)?;
    for (option, owner) in [("idmap", 0), ("ridmap", 2000)] {
        let mut shell = shell(&files, "stat -c %u /files/below/x", &["rbind", option])?;
        shell.config.mounts.last_mut().unwrap().uid_mappings = mapping(0, 2000, 5);
        shell.config.mounts.last_mut().unwrap().gid_mappings = mapping(0, 2000, 5);
        let said = in_own_mounts(&below, &shell)?;
        assert_eq!(said, format!("{owner}\n"), "{option}");
    }
    Ok(())
}

/// Runs a container from a mount namespace of this thread's own, with a tmpfs on a folder.
fn in_own_mounts(folder: &std::path::Path, shell: &Shell) -> Result<String, Stop> {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> Result<String, Stop> {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
            mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
            fs::write(folder.join("x"), "x")?;
            let mapped = mount::Mount::clone_of(folder)?
                .map_ids("b:0:1000:10".parse::<mount::IdMap>()?.user_namespace()?.as_fd());
            mapped.map_err(ignored)?; // tmpfs since Linux 6.3
            shell.says()
        });
        thread.join().unwrap()
    })
}

fn mapped_binds_beside_each_other() -> Outcome {
    let files = files()?;
    let mut shell = shell(&files, "stat -c %u /files/root /again/root /third/root", &["bind", "idmap"])?;
    for (place, first) in [("/again", 4000), ("/third", 2000)] {
        let mut other = mount("", &files.0, place, &["bind", "idmap"]);
        (other.uid_mappings, other.gid_mappings) = (mapping(0, first, 1), mapping(0, first, 1));
        shell.config.mounts.push(other);
    }
    let index = shell.config.mounts.len() - 3;
    let first = &mut shell.config.mounts[index];
    (first.uid_mappings, first.gid_mappings) = (mapping(0, 2000, 1), mapping(0, 2000, 1));
    assert_eq!(shell.says()?, "2000\n4000\n2000\n");
    Ok(())
}

fn what_contradicts_itself_is_named_at_once() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.namespaces.retain(|namespace| namespace.kind != NamespaceKind::User);
    shell.config.uid_mappings.clear();
    shell.config.gid_mappings.clear();
    let mut half = mount("", "/", "/b", &["bind"]);
    half.uid_mappings = mapping(0, 1, 1);
    let mut new = mount("tmpfs", "tmpfs", "/c", &[]);
    (new.uid_mappings, new.gid_mappings) = (mapping(0, 1, 1), mapping(0, 1, 1));
    let copied = mount("proc", "proc", "/d", &["tmpcopyup"]);
    shell.config.mounts = vec![mount("", "/", "/a", &["bind", "idmap"]), half, new, copied];
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    for part in [
        "mount on \"/a\": idmap without mappings: the container has no user namespace",
        "mount on \"/b\": needs both uid and gid mappings",
        "mount on \"/c\": ids are mapped of binds only",
        "mount on \"/d\": tmpcopyup is for tmpfs",
    ] {
        assert!(error.to_string().contains(part), "{part} is missing in {error}");
    }
    Ok(())
}

fn who_may_not_map_is_told() -> Outcome {
    grounds::calls(&MAPS)?;
    if is_root() {
        return Err(ignored("root may map"));
    }
    let mut shell = Shell::new("exit 0")?;
    let mut bind = mount("", std::env::temp_dir(), "/files", &["bind", "idmap"]);
    (bind.uid_mappings, bind.gid_mappings) = (mapping(0, 1, 1), mapping(0, 1, 1));
    shell.config.mounts.push(bind);
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("mount on \"/files\": map its ids"), "{error}");
    Ok(())
}

fn a_tmpfs_has_the_mode_of_what_it_lies_on() -> Outcome {
    let mut shell =
        Shell::new("stat -c %a /private /given /new; echo x >/private/x; stat -f -c %T /private")?;
    let rootfs = shell.config.rootfs.clone();
    fs::DirBuilder::new().mode(0o700).create(rootfs.join("private"))?;
    fs::DirBuilder::new().mode(0o700).create(rootfs.join("given"))?;
    let tmpfs = |place, options: &[&str]| mount("tmpfs", "tmpfs", place, options);
    shell.config.mounts.extend([tmpfs("/private", &[]), tmpfs("/given", &["mode=751"]), tmpfs("/new", &[])]);
    assert_eq!(shell.says()?, "700\n751\n1777\ntmpfs\n");
    assert!(!fs::exists(rootfs.join("private/x"))?);
    Ok(())
}

fn a_copy_is_what_was_there() -> Outcome {
    let script = "cd /data; find . | sort; stat -c '%n %a %u' . sub sub/deep file; cat file sub/deep/more; \
                  readlink link; test -p fifo; stat -c %s large; cksum <large; stat -f -c %T .; rm -r sub";
    let mut shell = Shell::new(script)?;
    let rootfs = shell.config.rootfs.clone();
    let data = rootfs.join("data");
    fs::create_dir_all(data.join("sub/deep"))?;
    let mode = |path: &str, mode| fs::set_permissions(data.join(path), fs::Permissions::from_mode(mode));
    fs::write(data.join("file"), "text\n")?;
    fs::write(data.join("sub/deep/more"), "more\n")?;
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    fs::write(data.join("large"), &large)?;
    // More names than one read of the directory brings.
    fs::create_dir(data.join("many"))?;
    for number in 0..300 {
        fs::write(data.join(format!("many/a-name-that-is-rather-long-{number:03}")), "")?;
    }
    symlink("../outside", data.join("link"))?;
    nix::unistd::mkfifo(&data.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o640))?;
    mode("", 0o751)?;
    mode("sub", 0o700)?;
    mode("sub/deep", 0o1777)?;
    mode("file", 0o4711)?;
    mode("large", 0o644)?;
    if is_root() {
        std::os::unix::fs::chown(data.join("sub"), Some(7), Some(8))?;
    }
    let mut plain = Shell::new(&script.replace("; rm -r sub", ""))?;
    plain.config.rootfs.clone_from(&rootfs);
    let expected = plain.says()?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]));
    let said = shell.says()?;
    let type_of_disk = expected.lines().last().unwrap_or_default();
    let end = format!("{type_of_disk}\n");
    assert_eq!(said, expected.strip_suffix(&end).unwrap_or_default().to_owned() + "tmpfs\n");
    assert!(fs::exists(data.join("sub/deep/more"))?, "what was there is left alone");
    Ok(())
}

fn a_copy_can_be_read_only() -> Outcome {
    let mut shell = Shell::new("cat /data/file; echo x >/data/file; echo $?")?;
    let data = shell.config.rootfs.join("data");
    fs::create_dir(&data)?;
    fs::write(data.join("file"), "text\n")?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/data", &["tmpcopyup", "ro", "nosuid", "size=1m"]));
    let (said, _) = shell.run()?;
    assert!(said.starts_with("text\n") && said.contains("Read-only"), "{said}");
    Ok(())
}

/// The host's files are not copied for an image that has a link there.
fn a_copy_through_links_stays_inside() -> Outcome {
    let mut shell = Shell::new("ls /data /etc; cat /data/passwd; echo; cat /data/away 2>&1")?;
    let rootfs = shell.config.rootfs.clone();
    fs::create_dir_all(rootfs.join("etc"))?;
    fs::write(rootfs.join("etc/passwd"), "inside")?;
    symlink("/etc/shadow", rootfs.join("etc/away"))?;
    symlink("/etc", rootfs.join("data"))?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]));
    let (said, _) = shell.run()?;
    assert!(said.contains("inside\n") && said.contains("No such file"), "{said}");
    Ok(())
}
