//! A file mounted on another, read-only: `cargo run --example bind_mount`.
//!
//! The mount is made in a mount namespace of this program's own, so that nobody else sees it; an
//! ordinary user gets a user namespace around it, in which mounting is allowed.

use std::{env, error, fs, process};

use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

fn main() -> process::ExitCode {
    match run() {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bind_mount: {error}");
            process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn error::Error>> {
    let folder = env::temp_dir().join(format!("bind-mount-{}", process::id()));
    fs::create_dir(&folder).map_err(|error| format!("make folder {folder:?}: {error}"))?;
    let shown = own_namespace().and_then(|()| show(&folder));
    fs::remove_dir_all(&folder)?;
    shown
}

fn show(folder: &std::path::Path) -> Result<(), Box<dyn error::Error>> {
    let (myfile, myotherfile) = (folder.join("myfile"), folder.join("myotherfile"));
    fs::write(&myfile, "I am myfile\n")?;
    fs::write(&myotherfile, "I am myotherfile\n")?;

    mount::mount(&myfile, &myotherfile, "none", "bind,ro")?;

    print!("{} now says: {}", myotherfile.display(), fs::read_to_string(&myotherfile)?);
    println!("mounted: {}", mount::mounted(&myotherfile)?);
    match fs::write(&myotherfile, "changed") {
        Ok(()) => return Err("it could be written to".into()),
        Err(error) => println!("writing to it: {error}"),
    }
    mount::unmount(&myotherfile)?;
    print!("unmounted, it says: {}", fs::read_to_string(&myotherfile)?);
    Ok(())
}

fn own_namespace() -> Result<(), Box<dyn error::Error>> {
    let user = if geteuid().is_root() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    unshare(CloneFlags::CLONE_NEWNS | user)
        .map_err(|error| format!("no mount namespace for this user: {error}"))?;
    // What is mounted here must not appear outside.
    nix::mount::mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    Ok(())
}
