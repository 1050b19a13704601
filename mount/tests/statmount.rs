//! Mounts by their unique ids, each test in a mount namespace of its own.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{ffi::OsStr, thread};

use grounds::faults::Refused;
use grounds::{Outcome, Stop, ignored, tests};
use mount::{
    Attributes, ErrorKind, Fields, FsContext, IdMap, IdRange, MountIds, MountInfo, NamespaceId, Overlay,
    Root, Statmount, force_mount, mount, mount_of,
};
use nix::errno::Errno;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        every_mount_is_what_its_line_of_the_table_says,
        the_ids_are_those_of_the_table_in_its_order,
        ids_can_be_listed_backwards_and_from_the_middle,
        a_list_of_more_than_a_thousand_is_whole,
        a_list_below_a_mount_has_what_is_below_and_not_itself,
        another_namespace_is_listed_by_its_id,
        a_chrooted_thread_sees_what_the_table_shows_it,
        a_mount_that_is_gone_is_none_and_no_error,
        an_answer_of_100_kb_fits,
        the_parts_of_an_idmapped_mount_are_told,
        options_come_one_by_one_and_not_escaped,
        what_is_not_asked_for_is_not_told,
        a_descriptor_and_a_path_find_the_same_mount,
        what_is_no_mount_namespace_has_no_id,
        an_id_of_mountinfo_is_not_taken_for_a_unique_one,
        a_place_beneath_a_root_is_asked_about,
        a_mount_found_by_its_path_is_one_of_the_table,
        without_the_calls_the_error_names_them,
    ])
}

/// An empty tmpfs in a new mount namespace.
fn ground() -> Result<PathBuf, Stop> {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    Ok(PathBuf::from("/tmp"))
}

/// The same on a kernel that tells whole lines by id (Linux 6.15).
fn telling_ground() -> Result<PathBuf, Stop> {
    grounds::calls(&["statmount", "listmount"])?;
    let ground = ground()?;
    match MountIds::new().list()?.first().map(|id| MountInfo::from_unique_id(*id)) {
        Some(Err(error)) if error.kind() == ErrorKind::Unsupported => Err(ignored(error)),
        _ => Ok(ground),
    }
}

fn dir(path: impl AsRef<Path>) -> PathBuf {
    fs::create_dir_all(&path).unwrap();
    path.as_ref().to_owned()
}

/// The mounts by their ids, without what the text doesn't have.
fn by_ids() -> Vec<MountInfo> {
    let ids = MountIds::new().list().unwrap();
    let infos = ids.into_iter().map(|id| (id, MountInfo::from_unique_id(id).unwrap().unwrap()));
    infos
        .map(|(id, mut info)| {
            assert_eq!(info.unique_id.take(), Some(id));
            assert!(info.unique_parent.take().is_some());
            info
        })
        .collect()
}

fn unique_id(path: impl AsRef<Path>) -> u64 {
    Statmount::of(path.as_ref(), Fields::MOUNT).unwrap().unique_id.unwrap()
}

fn every_mount_is_what_its_line_of_the_table_says() -> Outcome {
    let ground = telling_ground()?;
    let at = |name: &str| dir(ground.join(name));
    for (name, source, fs_type, options) in [
        ("options", "a source", "tmpfs", "size=1m,mode=700,uid=5"),
        ("ro", "none", "tmpfs", "ro,nosuid,nodev,noexec,noatime"),
        ("ro=fs", "none", "tmpfs", "ro=fs"),
        ("ro=vfs", "none", "tmpfs", "ro=vfs"),
        ("sync", "none", "tmpfs", "sync,dirsync,lazytime,strictatime"),
        ("nodiratime", "none", "tmpfs", "noatime,nodiratime,nosymfollow"),
        ("proc", "proc", "proc", "hidepid=2"),
        ("sysfs", "sysfs", "sysfs", ""),
        ("cgroup2", "cgroup2", "cgroup2", ""),
        ("mqueue", "mqueue", "mqueue", ""),
        ("devpts", "devpts", "devpts", "newinstance,ptmxmode=666"),
        ("ramfs", "", "ramfs", ""),
        ("bl ank\tta\\b\nline#", "so ur\nce#,\\", "tmpfs", ""),
        ("a - b", "-", "tmpfs", ""),
    ] {
        // Not everything can be mounted everywhere: the second proc of a user namespace can't.
        if let Err(error) = force_mount(source, at(name), fs_type, options) {
            eprintln!("{name}: {error}");
        }
    }
    force_mount("x", dir(ground.join(OsStr::from_bytes(b"\xff\xfe"))), "tmpfs", "")?;
    for (name, options) in [
        ("bind", "bind"),
        ("bind-ro", "bind,ro"),
        ("shared", "bind,shared"),
        ("unbindable", "bind,unbindable"),
    ] {
        mount(dir(ground.join("a,b/c d")), at(name), "none", options)?;
    }
    mount(ground.join("shared"), at("peer"), "none", "bind")?;
    mount(ground.join("shared"), at("slave"), "none", "bind,slave")?;
    mount(ground.join("shared"), at("slave shared"), "none", "bind,slave,shared")?;
    mount(ground.join("slave shared"), at("slave of slave"), "none", "bind,slave")?;
    let none = None::<&str>;
    nix::mount::mount(none, &at("no source"), Some("tmpfs"), nix::mount::MsFlags::empty(), none)?;
    nix::mount::mount(Some(""), &at("empty"), Some("tmpfs"), nix::mount::MsFlags::empty(), none)?;
    // A mount whose directory was deleted afterwards.
    mount(at("short-lived"), at("deleted"), "none", "bind")?;
    fs::remove_dir(ground.join("short-lived"))?;
    // A namespace is a mount of which the root is no path.
    fs::write(ground.join("ns"), "")?;
    if let Err(error) = mount("/proc/self/ns/uts", ground.join("ns"), "none", "bind") {
        eprintln!("ns: {error}");
    }
    let layers =
        ["lower one", "lower,two", "upper", "work"].map(|name| dir(ground.join("overlay").join(name)));
    let options = format!(
        r"lowerdir={}:{},upperdir={},workdir={}",
        layers[0].display(),
        layers[0].display(),
        layers[2].display(),
        layers[3].display()
    );
    if let Err(error) = mount("overlay", at("merged"), "overlay", &options) {
        eprintln!("overlay: {error}");
    }
    let table = mount::mounts()?;
    assert!(table.iter().any(|mount| mount.mount_point == ground.join("slave of slave")));
    for (by_id, line) in by_ids().iter().zip(&table) {
        assert_eq!(by_id, line);
        assert!(by_id.super_words().eq(line.super_words()), "{by_id:?}");
    }
    assert_eq!(by_ids(), table);
    Ok(())
}

fn the_ids_are_those_of_the_table_in_its_order() -> Outcome {
    let ground = telling_ground()?;
    for name in ["a", "b", "c"] {
        mount(name, dir(ground.join(name)), "tmpfs", "")?;
    }
    let table: Vec<u64> = mount::mounts()?.iter().map(|mount| mount.id).collect();
    let listed: Vec<u64> = by_ids().iter().map(|mount| mount.id).collect();
    assert_eq!(listed, table);
    Ok(())
}

fn ids_can_be_listed_backwards_and_from_the_middle() -> Outcome {
    telling_ground()?;
    let ids = MountIds::new().list()?;
    let mut backwards = MountIds::new().reverse().list()?;
    let middle = ids.len() / 2;
    assert_eq!(MountIds::new().after(ids[middle]).list()?, ids[middle + 1..]);
    assert_eq!(MountIds::new().reverse().after(ids[middle]).list()?, backwards[ids.len() - middle..]);
    backwards.reverse();
    assert_eq!(backwards, ids);
    Ok(())
}

fn a_list_of_more_than_a_thousand_is_whole() -> Outcome {
    let ground = telling_ground()?;
    let before = MountIds::new().list()?.len();
    let (source, target) = (dir(ground.join("source")), dir(ground.join("target")));
    for number in 0..2500 {
        force_mount(&source, dir(target.join(number.to_string())), "none", "bind")?;
    }
    let ids = MountIds::new().list()?;
    assert_eq!(ids.len(), before + 2500);
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
    let mut backwards = MountIds::new().reverse().list()?;
    backwards.reverse();
    assert_eq!(backwards, ids);
    Ok(())
}

fn a_list_below_a_mount_has_what_is_below_and_not_itself() -> Outcome {
    let ground = telling_ground()?;
    mount("a", dir(ground.join("a")), "tmpfs", "")?;
    mount("b", dir(ground.join("a/b")), "tmpfs", "")?;
    mount("c", dir(ground.join("a/b/c")), "tmpfs", "")?;
    mount("d", dir(ground.join("d")), "tmpfs", "")?;
    let (b, c) = (unique_id(ground.join("a/b")), unique_id(ground.join("a/b/c")));
    assert_eq!(MountIds::new().below(unique_id(ground.join("a"))).list()?, [b, c]);
    assert!(MountIds::new().below(c).list()?.is_empty());
    Ok(())
}

fn another_namespace_is_listed_by_its_id() -> Outcome {
    let ground = telling_ground()?;
    let here = NamespaceId::current()?;
    let there = thread::spawn(move || {
        grounds::mountns().ok()?;
        force_mount("there", "/tmp", "tmpfs", "").ok()?;
        let namespace = File::open("/proc/thread-self/ns/mnt").ok()?;
        Some((namespace, unique_id("/tmp"), mount::mounts().ok()?.len()))
    });
    let (namespace, id, count) = there.join().unwrap().ok_or_else(|| ignored("no second namespace"))?;
    let there = NamespaceId::of(&namespace)?;
    assert_ne!(there, here);
    assert_eq!(MountIds::new().namespace(here).list()?, MountIds::new().list()?);
    let ids = MountIds::new().namespace(there).list()?;
    assert_eq!(ids.len(), count);
    assert!(ids.contains(&id));
    let found = Statmount::of_id_in(there, id, Fields::all())?;
    assert_eq!(found.source.as_deref(), Some(OsStr::new("there")));
    assert_eq!((found.mount_point, found.namespace), (Some(ground), Some(there)));
    assert_eq!(Statmount::of_id(id, Fields::all()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(NamespaceId::from_raw(there.as_raw()), there);
    drop(namespace);
    assert_eq!(MountIds::new().namespace(there).list().unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_chrooted_thread_sees_what_the_table_shows_it() -> Outcome {
    let ground = telling_ground()?;
    mount("new", dir(ground.join("new")), "tmpfs", "")?;
    for (name, fs_type) in [("proc", "proc"), ("below", "tmpfs")] {
        let from = if fs_type == "proc" { "/proc" } else { name };
        let (fs_type, options) = if fs_type == "proc" { ("none", "rbind") } else { (fs_type, "") };
        mount(from, dir(ground.join("new").join(name)), fs_type, options)?;
    }
    let outside = unique_id("/");
    std::os::unix::fs::chroot(ground.join("new"))?;
    assert_eq!(by_ids(), mount::mounts()?);
    assert!(mount::mounts()?.iter().any(|mount| mount.mount_point == Path::new("/below")));
    assert_eq!(MountInfo::from_unique_id(outside)?, None, "it can't be seen from here");
    Ok(())
}

fn a_mount_that_is_gone_is_none_and_no_error() -> Outcome {
    let ground = telling_ground()?;
    let target = dir(ground.join("target"));
    mount("a", &target, "tmpfs", "")?;
    let id = unique_id(&target);
    let open = File::open(&target)?;
    assert!(MountInfo::from_unique_id(id)?.is_some());
    nix::mount::umount2(&target, nix::mount::MntFlags::MNT_DETACH)?;
    assert_eq!(MountInfo::from_unique_id(id)?, None);
    let error = Statmount::of_id(id, Fields::all()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), format!("ask about mount {id}: No such file or directory (os error 2)"));
    // A descriptor keeps it alive, in no table.
    match Statmount::of(open.as_fd(), Fields::all()) {
        Ok(found) => assert_eq!((found.unique_id, found.mount_point), (Some(id), None)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "before Linux 7.0"),
    }
    Ok(())
}

fn an_answer_of_100_kb_fits() -> Outcome {
    let ground = telling_ground()?;
    let lower = dir(ground.join("l".repeat(200)));
    let layers: Vec<PathBuf> = (0..400).map(|number| dir(lower.join(number.to_string()))).collect();
    let target = dir(ground.join("target"));
    if let Err(error) = layers.iter().fold(Overlay::new(), Overlay::lower).mount(&target) {
        return Err(ignored(error));
    }
    let by_id = MountInfo::from_unique_id(unique_id(&target))?.unwrap();
    assert!(by_id.super_options.len() > 80_000);
    assert_eq!(by_id.super_words().filter(|word| word.as_bytes().starts_with(b"lowerdir+=")).count(), 400);
    assert_eq!(by_ids(), mount::mounts()?);
    let found = Statmount::of(&target, Fields::OPTION_LIST)?;
    assert!(found.option_list.unwrap().len() >= 400);
    Ok(())
}

fn the_parts_of_an_idmapped_mount_are_told() -> Outcome {
    let ground = telling_ground()?;
    grounds::root()?;
    grounds::calls(&["fsopen", "fsconfig", "fsmount", "move_mount", "mount_setattr"])?;
    let target = dir(ground.join("target"));
    mount("a", &target, "tmpfs", "nosuid")?;
    let plain = Statmount::of(&target, Fields::all())?;
    assert_eq!((plain.is_idmapped, plain.uid_map), (Some(false), None));
    let range = IdRange { inside: 0, outside: 100_000, length: 1000 };
    let namespace = IdMap::new([range], [range])?.user_namespace()?;
    let mapped = FsContext::open("tmpfs")?.create()?.mount(Attributes::empty())?;
    mapped.map_ids(namespace.as_fd())?;
    let target = dir(ground.join("mapped"));
    mapped.attach(&target)?;
    let found = Statmount::of(&target, Fields::all())?;
    assert_eq!(found.is_idmapped, Some(true));
    assert_eq!((found.uid_map.unwrap(), found.gid_map.unwrap()), (vec![range], vec![range]));
    assert_eq!(by_ids(), mount::mounts()?);
    Ok(())
}

fn options_come_one_by_one_and_not_escaped() -> Outcome {
    let ground = telling_ground()?;
    let (lower, upper) = (dir(ground.join("lower one")), dir(ground.join("upper")));
    let (work, target) = (dir(ground.join("work")), dir(ground.join("target")));
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    if let Err(error) = mount("overlay", &target, "overlay", &options) {
        return Err(ignored(error));
    }
    let found = Statmount::of(&target, Fields::all())?;
    let list = found.option_list.unwrap();
    assert!(list.contains(&"lowerdir=/tmp/lower one".into()), "{list:?}");
    let text = found.options.unwrap();
    assert!(text.to_str().unwrap().contains(r"lowerdir=/tmp/lower\040one"), "{text:?}");
    assert_eq!(found.supported.map(|fields| fields.contains(Fields::OPTION_LIST)), Some(true));
    Ok(())
}

fn what_is_not_asked_for_is_not_told() -> Outcome {
    telling_ground()?;
    let found = Statmount::of("/tmp", Fields::MOUNT_POINT)?;
    assert_eq!(found.mount_point.as_deref(), Some(Path::new("/tmp")));
    assert_eq!((found.unique_id, found.source, found.device, found.supported), (None, None, None, None));
    Ok(())
}

fn a_descriptor_and_a_path_find_the_same_mount() -> Outcome {
    let ground = telling_ground()?;
    symlink(&ground, ground.join("link"))?;
    let by_path = Statmount::of(&ground.join("link"), Fields::all())?;
    assert_eq!(by_path, Statmount::of(File::open(&ground)?.as_fd(), Fields::all())?);
    assert_eq!(by_path.id, mount_of(&ground)?.map(|mount| mount.id));
    let error = Statmount::of(&ground.join("nothing"), Fields::all()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.path(), Some(ground.join("nothing").as_path()));
    Ok(())
}

fn what_is_no_mount_namespace_has_no_id() -> Outcome {
    for path in ["/proc", "/proc/self/status", "/proc/self/ns/net"] {
        let error = NamespaceId::of(File::open(path)?).unwrap_err();
        let text = "find the id of a mount namespace: it is no mount namespace";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, text), "{path}");
    }
    match NamespaceId::of(File::open("/proc/self/ns/mnt")?) {
        Ok(id) => assert_eq!(id, NamespaceId::current()?),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "before Linux 6.11: {error}"),
    }
    Ok(())
}

fn an_id_of_mountinfo_is_not_taken_for_a_unique_one() -> Outcome {
    // The kernel said "Invalid argument", and older ones that there is no such mount.
    let id = mount_of("/proc")?.unwrap().id;
    for error in [
        MountInfo::from_unique_id(id).unwrap_err(),
        Statmount::of_id(id, Fields::all()).unwrap_err(),
        MountIds::new().below(id).list().unwrap_err(),
        MountIds::new().after(id).list().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().ends_with(&format!(": {id} is no unique id")), "{error}");
    }
    Ok(())
}

fn a_place_beneath_a_root_is_asked_about() -> Outcome {
    let ground = telling_ground()?;
    mount("a", dir(ground.join("in/there")), "tmpfs", "")?;
    // Of the machine's own /there there is none.
    symlink("/there", ground.join("in/link"))?;
    let root = Root::open(ground.join("in"))?;
    let found = Statmount::of(root.at("link"), Fields::all())?;
    assert_eq!(found.mount_point, Some(ground.join("in/there")));
    let error = Statmount::of(root.at("nothing"), Fields::all()).unwrap_err();
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::NotFound, Some(ground.join("in/nothing").as_path()))
    );
    Ok(())
}

fn a_mount_found_by_its_path_is_one_of_the_table() -> Outcome {
    ground()?;
    // One knows its unique id, the other does not.
    assert!(mount::mounts()?.contains(&mount_of("/proc")?.unwrap()));
    Ok(())
}

fn without_the_calls_the_error_names_them() -> Outcome {
    ground()?;
    Refused::new().call("statmount", Errno::ENOSYS).call("listmount", Errno::ENOSYS).install()?;
    let error = MountIds::new().list().unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Unsupported, Some(libc::ENOSYS)));
    let text =
        "list mounts: this kernel has no listmount (Linux 6.8): Function not implemented (os error 38)";
    assert_eq!(error.to_string(), text);
    let error = MountInfo::from_unique_id(1 << 32).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("no statmount"), "{error}");
    Ok(())
}
