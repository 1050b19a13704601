//! Mounts held by descriptor, and filesystems that are made step by step.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind as Io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use grounds::{Outcome, Stop, ignored, tests};
use mount::{
    At, Attributes, ErrorKind, FsContext, IdMap, Level, Mount, MountGuard, Propagation, force_mount,
};

fn main() -> ExitCode {
    if env::var_os(LOCKED).is_some() {
        return below_a_locked_mount();
    }
    grounds::run_as_root(tests![
        a_filesystem_is_made_step_by_step,
        the_kernels_own_words_are_in_the_error,
        what_was_an_error_is_no_message_too,
        a_subtype_is_part_of_the_type,
        an_existing_filesystem_can_be_told_apart,
        what_is_picked_changes_as_named,
        a_mount_that_nobody_attached_goes,
        a_clone_is_read_only_before_anybody_sees_it,
        a_tree_changes_as_a_whole,
        the_choice_of_atime_needs_no_clearing,
        several_ways_of_atime_are_refused_and_one_may_be_cleared_in_part,
        a_busy_mount_below_keeps_a_tree_as_it_is,
        a_refusal_by_a_lock_changes_nothing_of_a_tree,
        propagation_is_set_on_one_or_all,
        a_mount_goes_beneath_another,
        beneath_nothing_is_an_error,
        attaching_a_directory_on_a_file_says_so,
        moving_what_can_not_be_moved_says_so,
        an_unbindable_mount_says_so,
        a_covered_mount_is_not_detached_by_mistake,
        ids_are_mapped,
        a_word_of_options_maps_ids_too,
        a_mapped_mount_is_mapped_again_by_a_clone,
        options_go_to_descriptors_too,
        a_guard_holds_what_was_made_by_hand,
    ])
}

/// Tells this program that it was started again, in a user namespace of its own.
const LOCKED: &str = "BELOW_A_LOCKED_MOUNT";

/// An empty tmpfs in a new mount namespace, with three directories in it.
fn ground() -> Result<(PathBuf, PathBuf), Stop> {
    grounds::mountns()?;
    grounds::calls(&["fsopen", "fspick", "open_tree", "move_mount"])?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    let (source, target) = (PathBuf::from("/tmp/source"), PathBuf::from("/tmp/target"));
    fs::create_dir(&source)?;
    fs::create_dir(&target)?;
    Ok((source, target))
}

fn tmpfs() -> mount::Result<Mount> {
    FsContext::open("tmpfs")?.create()?.mount(Attributes::empty())
}

fn is_writable(dir: impl AsRef<Path>) -> bool {
    match File::create(dir.as_ref().join("probe")) {
        Ok(_) => true,
        Err(error) if error.kind() == Io::ReadOnlyFilesystem => false,
        Err(error) => panic!("{error}"),
    }
}

fn a_filesystem_is_made_step_by_step() -> Outcome {
    let (_, target) = ground()?;
    let mut context = FsContext::open("tmpfs")?;
    context.set_string("source", "the source")?.set_string("size", "1m")?.set_flag("sync")?;
    let made = context.create()?.mount(Attributes::NOSUID | Attributes::NOATIME)?;
    assert!(made.info()?.is_none(), "it is attached nowhere");
    made.attach(&target)?;
    let info = made.info()?.unwrap();
    assert_eq!((info.mount_point.as_path(), info.source.to_str()), (target.as_path(), Some("the source")));
    assert_eq!(info.options, "rw,nosuid,noatime");
    let words: Vec<_> = info.super_words().collect();
    assert!(words.contains(&"sync".into()) && words.contains(&"size=1024k".into()), "{words:?}");
    Ok(())
}

fn the_kernels_own_words_are_in_the_error() -> Outcome {
    let (_, target) = ground()?;
    let error = FsContext::open("tmpfs")?.set_string("bogus", "1").unwrap_err();
    let text = "make filesystem \"tmpfs\": option \"bogus=1\": tmpfs: Unknown parameter 'bogus': Invalid argument (os error 22)";
    assert_eq!((error.to_string().as_str(), error.raw_os_error()), (text, Some(22)));
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = mount::mount("a", &target, "tmpfs", "size=never").unwrap_err();
    let text = "mount \"a\" on \"/tmp/target\": option \"size=never\": tmpfs: Bad value for 'size': Invalid argument (os error 22)";
    assert_eq!(error.to_string(), text);
    assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(&*target)));
    assert!(!mount::mounted(&target)?);
    let error = FsContext::open("tmpfs")?.set_string("size", "x".repeat(256)).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
    Ok(())
}

fn what_was_an_error_is_no_message_too() -> Outcome {
    ground()?;
    // Where the kernel says nothing, there is nothing to read, however often.
    let mut context = FsContext::open("tmpfs")?;
    assert_eq!((context.messages(), context.messages()), (vec![], vec![]));
    // What was an error is in the error and nowhere else.
    assert!(context.set_flag("bogus").is_err());
    assert!(context.messages().iter().all(|message| message.level != Level::Error));
    Ok(())
}

fn a_subtype_is_part_of_the_type() -> Outcome {
    let (_, target) = ground()?;
    let fuse = File::options().read(true).write(true).open("/dev/fuse");
    let fuse = fuse.map_err(|error| ignored(format!("no /dev/fuse: {error}")))?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&fuse);
    let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0");
    mount::mount("nothing", &target, "fuse.silent", &options)?;
    let table = mount::mounts()?;
    let info = table.iter().find(|mount| mount.mount_point == target).unwrap();
    assert_eq!(info.fs_type, "fuse.silent");
    drop(fuse);
    let error = FsContext::open("tmpfs.strange").unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Unsupported, Some(19)), "{error}");
    Ok(())
}

fn an_existing_filesystem_can_be_told_apart() -> Outcome {
    ground()?;
    // The cgroup2 hierarchy of a namespace is there once.
    let mut context = FsContext::open("cgroup2")?;
    match context.create_exclusive() {
        Ok(_) => return Err(ignored("no cgroup2 is there yet")),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error.to_string())),
        Err(error) if error.raw_os_error() == Some(22) || error.raw_os_error() == Some(95) => {
            return Err(ignored("creating exclusively came with Linux 6.6"));
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
    }
    Ok(())
}

fn what_is_picked_changes_as_named() -> Outcome {
    let (source, target) = ground()?;
    mount::mount("a", &source, "tmpfs", "size=1m,nr_inodes=99,nosuid")?;
    FsContext::pick(&source)?.set_string("size", "2m")?.reconfigure()?;
    let words: Vec<_> = mount::mount_of(&source)?.unwrap().super_words().collect();
    assert!(words.contains(&"size=2048k".into()) && words.contains(&"nr_inodes=99".into()), "{words:?}");
    let error = FsContext::pick(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotMounted, "{error}");
    Ok(())
}

fn a_mount_that_nobody_attached_goes() -> Outcome {
    let (source, _) = ground()?;
    let before = mount::mounts()?.len();
    let clone = Mount::clone_of(&source)?;
    drop((tmpfs()?, clone));
    assert_eq!(mount::mounts()?.len(), before);
    let attached = tmpfs()?;
    attached.attach(&source)?;
    drop(attached);
    assert!(mount::mounted(&source)?, "what is attached stays");
    Ok(())
}

fn a_clone_is_read_only_before_anybody_sees_it() -> Outcome {
    let (source, target) = ground()?;
    grounds::calls(&["mount_setattr"])?;
    mount::mount("a", &source, "tmpfs", "nosuid,nodev,noexec")?;
    let view = Mount::clone_of(&source)?;
    view.set_attributes(Attributes::RDONLY, Attributes::NOEXEC)?;
    view.attach(&target)?;
    assert!(!is_writable(&target) && is_writable(&source));
    assert_eq!(view.info()?.unwrap().options, "ro,nosuid,nodev,relatime");
    Ok(())
}

fn a_tree_changes_as_a_whole() -> Outcome {
    let (source, target) = ground()?;
    grounds::calls(&["mount_setattr"])?;
    mount::mount("a", &source, "tmpfs", "")?;
    fs::create_dir(source.join("below"))?;
    mount::mount("b", source.join("below"), "tmpfs", "nodev")?;
    let view = Mount::clone_tree_of(&source)?;
    view.set_attributes_recursive(Attributes::RDONLY | Attributes::NOSUID, Attributes::empty())?;
    view.attach(&target)?;
    assert!(!is_writable(&target) && !is_writable(target.join("below")));
    assert_eq!(mount::mount_of(target.join("below"))?.unwrap().options, "ro,nosuid,nodev,relatime");
    assert!(is_writable(source.join("below")));
    Ok(())
}

fn the_choice_of_atime_needs_no_clearing() -> Outcome {
    let (source, _) = ground()?;
    mount::mount("a", &source, "tmpfs", "strictatime")?;
    let mount = Mount::open(&source)?;
    mount.set_attributes(Attributes::NOATIME, Attributes::empty())?;
    assert_eq!(mount.info()?.unwrap().options, "rw,noatime");
    mount.set_attributes(Attributes::empty(), Attributes::ATIME)?;
    assert_eq!(mount.info()?.unwrap().options, "rw,relatime");
    Ok(())
}

fn several_ways_of_atime_are_refused_and_one_may_be_cleared_in_part() -> Outcome {
    let (source, _) = ground()?;
    mount::mount("a", &source, "tmpfs", "noatime")?;
    let mount = Mount::open(&source)?;
    let both = Attributes::NOATIME | Attributes::STRICTATIME;
    let error = mount.set_attributes(both, Attributes::empty()).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(&*source)), "{error}");
    mount.set_attributes(Attributes::empty(), Attributes::NOATIME)?;
    assert_eq!(mount.info()?.unwrap().options, "rw,relatime");
    Ok(())
}

fn a_busy_mount_below_keeps_a_tree_as_it_is() -> Outcome {
    let (source, target) = ground()?;
    grounds::calls(&["mount_setattr"])?;
    mount::mount("a", &source, "tmpfs", "ro=vfs")?;
    let view = Mount::clone_of(&source)?;
    view.attach(&target)?;
    let error = view.map_ids(File::open("/proc/self/ns/user")?).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported), "{error}");
    // A file that is open for writing keeps its mount from becoming read-only, and its tree with it.
    fs::create_dir("/tmp/tree")?;
    mount::mount("top", "/tmp/tree", "tmpfs", "")?;
    fs::create_dir("/tmp/tree/below")?;
    mount::mount("below", "/tmp/tree/below", "tmpfs", "")?;
    let open = File::create("/tmp/tree/below/file")?;
    let tree = Mount::open("/tmp/tree")?;
    let error = tree.set_attributes_recursive(Attributes::RDONLY, Attributes::empty()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    drop(open);
    assert!(is_writable("/tmp/tree"));
    Ok(())
}

fn a_refusal_by_a_lock_changes_nothing_of_a_tree() -> Outcome {
    // It was taken for a call that isn't there, and done again mount by mount: half of it.
    grounds::mountns()?;
    grounds::calls(&["mount_setattr", "fsopen", "open_tree", "move_mount"])?;
    force_mount("tmpfs", "/mnt", "tmpfs", "")?;
    fs::create_dir("/mnt/tree")?;
    fs::create_dir("/mnt/locked")?;
    mount::mount("locked", "/mnt/locked", "tmpfs", "ro")?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount"]).arg(env::current_exe()?).env(LOCKED, "1");
    let output = unshare.output().map_err(|error| ignored(format!("no unshare: {error}")))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if told.starts_with("unshare:") {
        return Err(ignored(told.trim()));
    }
    assert!(output.status.success(), "{told}");
    Ok(())
}

/// The same from inside: a tree that is ours, with a mount on it of which "ro" is locked.
fn below_a_locked_mount() -> ExitCode {
    mount::mount("ours", "/mnt/tree", "tmpfs", "").unwrap();
    fs::create_dir("/mnt/tree/below").unwrap();
    mount::mount("/mnt/locked", "/mnt/tree/below", "none", "rbind").unwrap();
    let tree = Mount::open("/mnt/tree").unwrap();
    tree.set_attributes(Attributes::RDONLY, Attributes::empty()).unwrap();
    let error = tree.set_attributes_recursive(Attributes::empty(), Attributes::RDONLY).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::PermissionDenied, Some(1)), "{error}");
    assert!(tree.info().unwrap().unwrap().has_option("ro"), "half of the tree was changed");
    ExitCode::SUCCESS
}

fn propagation_is_set_on_one_or_all() -> Outcome {
    let (source, _) = ground()?;
    mount::mount("a", &source, "tmpfs", "")?;
    fs::create_dir(source.join("below"))?;
    mount::mount("b", source.join("below"), "tmpfs", "")?;
    let mount = Mount::open(&source)?;
    let shared = |path: &Path| {
        let fields = mount::mount_of(path).unwrap().unwrap().optional;
        fields.iter().any(|field| field.to_str().unwrap().starts_with("shared:"))
    };
    mount.set_propagation(Propagation::Shared)?;
    assert!(shared(&source) && !shared(&source.join("below")));
    mount.set_propagation(Propagation::Rshared)?;
    assert!(shared(&source.join("below")));
    mount.set_propagation(Propagation::Rprivate)?;
    assert!(!shared(&source) && !shared(&source.join("below")));
    Ok(())
}

fn a_mount_goes_beneath_another() -> Outcome {
    let (_, target) = ground()?;
    mount::mount("old", &target, "tmpfs", "")?;
    let new = FsContext::open("tmpfs")?.set_string("source", "new")?.create()?.mount(Attributes::empty())?;
    match new.attach_beneath(&target) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error.to_string())),
        result => result?,
    }
    assert_eq!(mount::mount_of(&target)?.unwrap().source, "old");
    mount::unmount(&target)?;
    assert_eq!(mount::mount_of(&target)?.unwrap().source, "new");
    Ok(())
}

fn beneath_nothing_is_an_error() -> Outcome {
    let (_, target) = ground()?;
    let error = tmpfs()?.attach_beneath(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotMounted, "{error}");
    Ok(())
}

fn attaching_a_directory_on_a_file_says_so() -> Outcome {
    let (source, target) = ground()?;
    fs::write(target.join("file"), "")?;
    let error = Mount::clone_of(&source)?.attach(&target.join("file")).unwrap_err();
    let text = r#"attach "/tmp/source" on "/tmp/target/file": one is a directory and the other is not: "#;
    assert!(error.to_string().starts_with(text), "{error}");
    assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(&*target.join("file"))));
    let error = mount::mount(&source, target.join("file"), "none", "bind").unwrap_err();
    assert!(error.to_string().contains("one is a directory and the other is not"), "{error}");
    Ok(())
}

fn moving_what_can_not_be_moved_says_so() -> Outcome {
    let (source, target) = ground()?;
    let error = mount::mount(&source, &target, "none", "move").unwrap_err();
    assert!(error.to_string().contains("what is to be moved is not a mount"), "{error}");
    mount::mount("a", &source, "tmpfs", "")?;
    fs::create_dir(source.join("below"))?;
    let error = mount::mount(&source, source.join("below"), "none", "move").unwrap_err();
    assert!(error.to_string().contains("the place lies in the mount itself"), "{error}");
    mount::mount("none", "/tmp", "none", "shared")?;
    let error = mount::mount(&source, &target, "none", "move").unwrap_err();
    assert!(error.to_string().contains("a mount that another one shares"), "{error}");
    Ok(())
}

fn an_unbindable_mount_says_so() -> Outcome {
    let (source, target) = ground()?;
    mount::mount("a", &source, "tmpfs", "unbindable")?;
    let error = mount::mount(&source, &target, "none", "bind").unwrap_err();
    assert!(error.to_string().contains("the mount is unbindable"), "{error}");
    Ok(())
}

fn a_covered_mount_is_not_detached_by_mistake() -> Outcome {
    let (_, target) = ground()?;
    let lower = tmpfs()?;
    lower.attach(&target)?;
    let upper = tmpfs()?;
    upper.attach(&target)?;
    let error = lower.detach().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    upper.detach()?;
    lower.detach()?;
    assert!(!mount::mounted(&target)?);
    assert_eq!(lower.detach().unwrap_err().kind(), ErrorKind::NotMounted);
    Ok(())
}

/// Makes a user namespace whose root is seen as this id.
fn user_namespace(outside: u32) -> Result<OwnedFd, Stop> {
    let map: IdMap = format!("b:0:{outside}:65536").parse()?;
    map.user_namespace().map_err(|error| ignored(error.to_string()))
}

/// Says that these ids can be given away here.
fn give(file: &Path, uid: u32, gid: u32) -> Outcome {
    chown(file, Some(uid), Some(gid)).map_err(|error| ignored(format!("ids can't be given away: {error}")))
}

fn ids_are_mapped() -> Outcome {
    let (source, target) = ground()?;
    grounds::calls(&["mount_setattr"])?;
    fs::write(source.join("file"), "")?;
    give(&source.join("file"), 7, 8)?;
    let view = Mount::clone_of(&source)?;
    match view.map_ids(user_namespace(100_000)?.as_fd()) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error.to_string())),
        result => result?,
    }
    view.attach(&target)?;
    let file = fs::metadata(target.join("file"))?;
    assert_eq!((file.uid(), file.gid()), (100_007, 100_008));
    let error = view.map_ids(user_namespace(200_000)?.as_fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    Ok(())
}

fn a_word_of_options_maps_ids_too() -> Outcome {
    let (source, target) = ground()?;
    grounds::calls(&["mount_setattr"])?;
    user_namespace(100_000)?;
    fs::create_dir(source.join("below"))?;
    match mount::mount("a", source.join("below"), "tmpfs", "X-mount.idmap=b:0:100000:65536") {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error.to_string())),
        result => result?,
    }
    assert_eq!(fs::metadata(source.join("below"))?.uid(), 100_000);
    mount::unmount(source.join("below"))?;
    mount::mount("b", source.join("below"), "tmpfs", "")?;
    mount::mount(&source, &target, "none", "rbind,ridmap,X-mount.idmap=b:0:100000:65536,ro")?;
    for path in ["", "below"] {
        assert_eq!(fs::metadata(target.join(path))?.uid(), 100_000, "{path}");
        assert_eq!(fs::metadata(source.join(path))?.uid(), 0, "{path}");
    }
    let again = mount::mount(&source, &target, "none", "rbind,ro").unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyMounted, "with other ids it is another mount");
    Ok(())
}

fn a_mapped_mount_is_mapped_again_by_a_clone() -> Outcome {
    let (source, target) = ground()?;
    grounds::calls(&["open_tree_attr", "mount_setattr"])?;
    fs::write(source.join("file"), "")?;
    let first = Mount::clone_of(&source)?;
    first.map_ids(user_namespace(100_000)?.as_fd())?;
    first.attach(&target)?;
    let again = Mount::clone_mapped(&target, false, user_namespace(200_000)?.as_fd())?;
    again.attach(&source)?;
    assert_eq!(fs::metadata(target.join("file"))?.uid(), 100_000);
    assert_eq!(fs::metadata(source.join("file"))?.uid(), 200_000);
    Ok(())
}

fn options_go_to_descriptors_too() -> Outcome {
    let (source, target) = ground()?;
    let (open_source, open_target) = (File::open(&source)?, File::open(&target)?);
    fs::write(source.join("file"), "hello")?;
    Mount::clone_of(open_source.as_fd())?.attach(open_target.as_fd())?;
    assert_eq!(fs::read_to_string(target.join("file"))?, "hello");
    assert!(!At::from(open_target.as_fd()).mounted()?, "the descriptor is of what is covered");
    assert!(At::from(&target).mounted()?);
    Ok(())
}

fn a_guard_holds_what_was_made_by_hand() -> Outcome {
    let (_, target) = ground()?;
    let guard = MountGuard::attach(&tmpfs()?, &target)?;
    assert!(mount::mounted(&target)?);
    assert_eq!(guard.path(), target);
    drop(guard);
    assert!(!mount::mounted(&target)?);
    Ok(())
}
