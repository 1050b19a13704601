//! In an emulated guest, before `init.rs`: from the file system that came with the kernel to the host's.

use std::convert::Infallible;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, chroot};

use super::error::{Error, on};
use super::{init, old};

/// Where the drivers are, by the order in which they are loaded.
pub(super) const DRIVERS: &str = "/drivers";

/// Where the host's root is mounted: the kernel makes this folder.
const HOST: &str = "/root";

/// Goes on as a program of the host, which the first argument names, with the other arguments.
pub(super) fn run(arguments: &[String]) -> ! {
    let Err(error) = enter(arguments);
    init::give_up(&error)
}

fn enter(arguments: &[String]) -> Result<Infallible, Error> {
    let [program, arguments @ ..] = arguments else {
        return Err(Error::new("guest-early PROGRAM [ARGUMENT]..."));
    };
    load_drivers()?;
    let host = Path::new(HOST);
    old::mount_share(Path::new("/"), host, MsFlags::MS_RDONLY)?;
    let dev = host.join("dev");
    mount(Some("devtmpfs"), &dev, Some("devtmpfs"), MsFlags::MS_NOSUID, None::<&str>)
        .map_err(on("mount devtmpfs on", &dev))?;
    // What the kernel started with can't be left by pivot_root(2); it is covered.
    chdir(host).map_err(on("enter", host))?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).map_err(on("move mount to", "/"))?;
    chroot(".").map_err(on("make root of", host))?;
    chdir("/").map_err(on("enter", "/"))?;
    Err(on("run", program)(Command::new(program).args(arguments).exec()))
}

fn load_drivers() -> Result<(), Error> {
    let entries = fs::read_dir(DRIVERS).map_err(on("list", DRIVERS))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files {
        let file = File::open(&path).map_err(on("open", &path))?;
        finit_module(&file, c"", ModuleInitFlags::empty()).map_err(on("load", &path))?;
    }
    Ok(())
}
