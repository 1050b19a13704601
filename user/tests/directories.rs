//! Directories made for somebody, as they are found afterwards.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use grounds::faults::Refused;
use grounds::{Outcome, Stop, tests};
use nix::errno::Errno;
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
