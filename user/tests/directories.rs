//! Directories made for somebody, as they are found afterwards.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use grounds::faults::{Descriptors, Refused};
use grounds::{Outcome, Stop, ignored, tests};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::unistd::{Uid, setfsuid};
use user::{ErrorKind, MakeDir, Root};

fn main() -> ExitCode {
    grounds::run(tests![
        all_new_directories_get_the_owner_and_the_mode,
        no_umask_changes_the_mode,
        an_existing_directory_is_given_away,
        an_existing_directory_is_left_alone_if_only_new_ones_are_asked_for,
        one_directory_is_made_only_in_one_that_is_there,
        what_is_no_directory_is_an_error,
        nothing_is_left_of_a_failure,
        nobody_is_given_a_directory,
        many_directories_at_a_time_are_refused,
        what_takes_the_place_of_a_new_directory_is_not_given_away,
        who_had_a_directory_does_not_choose_its_mode,
        links_stay_beneath_the_root,
        links_stay_beneath_the_root_without_openat2,
    ])
}

/// A directory that goes at the end of the test.
struct Ground(PathBuf);

impl Ground {
    fn new() -> Result<Self, Stop> {
        let ground = Ground(std::env::temp_dir().join(format!("user-directories-{}", std::process::id())));
        fs::create_dir(&ground.0)?;
        fs::set_permissions(&ground.0, fs::Permissions::from_mode(0o755))?;
        Ok(ground)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// A new directory's owner: somebody else, if this user may give things away.
    fn owner(&self) -> Result<(u32, u32), Stop> {
        let own = fs::metadata(&self.0)?;
        Ok(if grounds::root().is_ok() { (4242, 4343) } else { (own.uid(), own.gid()) })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn found(path: impl AsRef<Path>) -> Result<(u32, u32, u32), Stop> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.uid(), found.gid(), found.mode() & 0o7777))
}

fn all_new_directories_get_the_owner_and_the_mode() -> Outcome {
    let ground = Ground::new()?;
    let before = found(&ground.0)?;
    let (uid, gid) = ground.owner()?;
    MakeDir::new(uid, gid, 0o751).create_all(ground.path("a/b//c/"))?;
    for path in ["a", "a/b", "a/b/c"] {
        assert_eq!(found(ground.path(path))?, (uid, gid, 0o751), "{path}");
    }
    assert_eq!(found(&ground.0)?, before);
    Ok(())
}

fn no_umask_changes_the_mode() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    MakeDir::new(uid, gid, 0o1777).create(ground.path("a"))?;
    assert_eq!(nix::sys::stat::umask(old).bits(), 0o077, "a library leaves the umask as it is");
    assert_eq!(found(ground.path("a"))?, (uid, gid, 0o1777));
    Ok(())
}

fn an_existing_directory_is_given_away() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    fs::create_dir_all(ground.path("a/b"))?;
    let above = found(ground.path("a"))?;
    MakeDir::new(uid, gid, 0o700).create_all(ground.path("a/b"))?;
    assert_eq!((found(ground.path("a"))?, found(ground.path("a/b"))?), (above, (uid, gid, 0o700)));
    MakeDir::new(uid, gid, 0o711).create(ground.path("a/b"))?;
    assert_eq!(found(ground.path("a/b"))?, (uid, gid, 0o711));
    Ok(())
}

fn an_existing_directory_is_left_alone_if_only_new_ones_are_asked_for() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    fs::create_dir(ground.path("a"))?;
    let before = found(ground.path("a"))?;
    let make = MakeDir::new(uid, gid, 0o700).only_new();
    make.create_all(ground.path("a"))?;
    assert_eq!(found(ground.path("a"))?, before);
    make.create_all(ground.path("a/b"))?;
    assert_eq!((found(ground.path("a"))?, found(ground.path("a/b"))?), (before, (uid, gid, 0o700)));
    Ok(())
}

fn one_directory_is_made_only_in_one_that_is_there() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    let error = MakeDir::new(uid, gid, 0o755).create(ground.path("a/b")).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(&*ground.path("a/b"))));
    let text = format!("make directory {:?}: No such file or directory (os error 2)", ground.path("a/b"));
    assert_eq!(error.to_string(), text);
    MakeDir::new(uid, gid, 0o755).create(ground.path("a"))?;
    MakeDir::new(uid, gid, 0o755).create(ground.path("a/b"))?;
    Ok(())
}

fn what_is_no_directory_is_an_error() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    fs::write(ground.path("file"), "")?;
    symlink("nowhere", ground.path("link"))?;
    let make = MakeDir::new(uid, gid, 0o755);
    for (path, errno) in [("file", Errno::ENOTDIR), ("file/a", Errno::ENOTDIR), ("new/../a", Errno::ENOENT)] {
        let error = make.create_all(ground.path(path)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno as i32), "{path}");
    }
    assert!(make.create_all(ground.path("link")).is_err());
    assert!(make.create_all(ground.path("link/a")).is_err());
    // An empty path is not the working directory.
    std::env::set_current_dir(&ground.0)?;
    assert_eq!(make.create_all("").unwrap_err().kind(), ErrorKind::NotFound);
    make.create_all("relative/path")?;
    assert!(ground.path("relative/path").is_dir());
    assert!(!ground.path("new").exists() && !ground.path("nowhere").exists());
    Ok(())
}

fn nothing_is_left_of_a_failure() -> Outcome {
    let ground = Ground::new()?;
    let own = found(&ground.0)?;
    Refused::new().call("fchown", Errno::EPERM).install()?;
    let error = MakeDir::new(own.0 + 1, own.1, 0o755).create_all(ground.path("a/b/c")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(fs::read_dir(&ground.0)?.count(), 0);
    Ok(())
}

fn nobody_is_given_a_directory() -> Outcome {
    // For chown(2) the last id means that the owner stays who it is: here root.
    let ground = Ground::new()?;
    for (uid, gid) in [(u32::MAX, 0), (0, u32::MAX)] {
        let error = MakeDir::new(uid, gid, 0o755).create(ground.path("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert!(!ground.path("a").exists());
    Ok(())
}

fn many_directories_at_a_time_are_refused() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    let error = MakeDir::new(uid, gid, 0o755).create_all(ground.path(&"a/".repeat(101))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(&ground.0)?.count(), 0);
    // With few descriptors left, what was made goes again.
    let few = Descriptors::leave(20)?;
    assert!(MakeDir::new(uid, gid, 0o755).create_all(ground.path(&"a/".repeat(90))).is_err());
    drop(few);
    assert_eq!(fs::read_dir(&ground.0)?.count(), 0);
    MakeDir::new(uid, gid, 0o755).create_all(ground.path(&"a/".repeat(90)))?;
    Ok(())
}

/// Makes a directory of uid 4242, or says why that can't be.
fn of_somebody(path: &Path) -> Outcome {
    fs::create_dir(path)?;
    chown(path, Some(4242), Some(4242))
        .map_err(|error| ignored(format!("nothing can be given away: {error}")))
}

fn what_takes_the_place_of_a_new_directory_is_not_given_away() -> Outcome {
    // Between making a directory and opening it, whose the one above is can put another in its place: root's own
    // with its secrets became theirs, 62 times in 202.
    let ground = Ground::new()?;
    of_somebody(&ground.path("home"))?;
    fs::create_dir(ground.path("home/secret"))?;
    fs::set_permissions(ground.path("home/secret"), fs::Permissions::from_mode(0o700))?;
    fs::write(ground.path("home/secret/key"), "")?;
    let secret = fs::metadata(ground.path("home/secret"))?.ino();
    let (root, stop) = (Root::open(&ground.0)?, AtomicBool::new(false));
    let (work, other) = (ground.path("home/work"), ground.path("home/secret"));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat2(AT_FDCWD, &work, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE);
            }
        });
        let done = (0..grounds::times(2_000)).try_for_each(|_| {
            let _ = MakeDir::new(4242, 4242, 0o755).only_new().create_all_beneath(&root, "home/work");
            for path in [&work, &other] {
                if let Ok(found) = fs::metadata(path)
                    && found.ino() == secret
                    && found.uid() != 0
                {
                    return Err(Stop::Failed("root's directory was given away".to_owned()));
                }
                let _ = fs::remove_dir(path); // the other one has something in it
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        done
    })
}

fn who_had_a_directory_does_not_choose_its_mode() -> Outcome {
    // With the mode set before the owner, root's directory had the mode that its former owner gave it last.
    let ground = Ground::new()?;
    of_somebody(&ground.path("dir"))?;
    let (path, stop) = (ground.path("dir"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            // This thread alone; root has no say in it then.
            setfsuid(Uid::from_raw(4242));
            let theirs = fs::File::open(&path).expect("their directory");
            while !stop.load(Ordering::Relaxed) {
                let _ = theirs.set_permissions(fs::Permissions::from_mode(0o777));
            }
        });
        let done = (0..grounds::times(5_000)).try_for_each(|_| {
            chown(&path, Some(4242), Some(4242))?;
            while found(&path)?.2 != 0o777 {} // they are at it
            MakeDir::new(0, 0, 0o700).create(&path)?;
            match found(&path)? {
                (0, 0, 0o700) => Ok(()),
                other => Err(Stop::Failed(format!("it is {other:?}"))),
            }
        });
        stop.store(true, Ordering::Relaxed);
        done
    })
}

fn links_stay_beneath_the_root() -> Outcome {
    let ground = Ground::new()?;
    let (uid, gid) = ground.owner()?;
    fs::create_dir_all(ground.path("root/real"))?;
    fs::create_dir_all(ground.path("real"))?;
    symlink("/real", ground.path("root/absolute"))?;
    symlink("../../real", ground.path("root/up"))?;
    symlink(ground.path("real"), ground.path("root/out"))?;
    let (root, make) = (Root::open(ground.path("root"))?, MakeDir::new(uid, gid, 0o755));
    for (path, made) in [
        ("a/b", Some("a/b")),
        ("/absolute/c", Some("real/c")),
        ("up/d/e", Some("real/d/e")),
        ("../../f", Some("f")),
        ("out/g", None),
        ("real/h/../../../i", None),
    ] {
        let result = make.create_all_beneath(&root, path);
        assert_eq!(result.is_ok(), made.is_some(), "{path}");
        if let Some(made) = made {
            assert_eq!(found(ground.path("root").join(made))?, (uid, gid, 0o755), "{path}");
        }
    }
    make.create_all_beneath(&root, "/")?;
    assert_eq!(found(ground.path("root"))?, (uid, gid, 0o755));
    assert_eq!(fs::read_dir(ground.path("real"))?.count(), 0, "something was made outside");
    assert!(!ground.path("root/real/h").exists());
    Ok(())
}

fn links_stay_beneath_the_root_without_openat2() -> Outcome {
    Refused::new().call("openat2", Errno::ENOSYS).install()?;
    links_stay_beneath_the_root()
}
