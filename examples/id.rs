//! Who is meant by a user spec: `cargo run --example id [--root DIR] [SPEC]`.
//!
//! By the files of this system, or by those of a root filesystem, of which nothing leads out. Without a spec it is
//! the user of this process.

use std::ffi::OsString;
use std::{env, error, process};

use user::{Defaults, ErrorKind, Root};

fn main() -> process::ExitCode {
    match run() {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("id: {error}");
            process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn error::Error>> {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let mut root = Root::open("/")?;
    if arguments.first().is_some_and(|first| first == "--root") {
        root = Root::open(arguments.get(1).ok_or("--root needs a directory")?)?;
        arguments.drain(..2);
    }
    let spec = match &*arguments {
        [] => nix::unistd::getuid().to_string().into(),
        [spec] => spec.clone(),
        _ => return Err("usage: id [--root DIR] [SPEC]".into()),
    };
    let mut defaults = Defaults::default();
    if arguments.is_empty() {
        // What the files don't know of this process, it knows itself.
        defaults.gid = nix::unistd::getgid().as_raw();
        defaults.groups = nix::unistd::getgroups()?.into_iter().map(nix::unistd::Gid::as_raw).collect();
    }
    let who = root.resolve(spec, &defaults)?;
    let groups: Vec<_> = who.groups_with_primary().iter().map(|&gid| group(&root, gid)).collect();
    let name = who.name.map(|name| format!("({})", name.display())).unwrap_or_default();
    println!("uid={}{name} gid={} groups={}", who.uid, group(&root, who.gid), groups.join(","));
    println!("home={}", who.home.display());
    if let Some(shell) = who.shell {
        println!("shell={}", shell.display());
    }
    Ok(())
}

/// A group's id, with its name if the file has one.
fn group(root: &Root, gid: u32) -> String {
    let found = root.group().and_then(|groups| groups.find_id(gid));
    match found {
        Ok(Some(group)) => format!("{gid}({})", group.name.display()),
        Err(error) if error.kind() != ErrorKind::NotFound => format!("{gid}({error})"),
        _ => gid.to_string(),
    }
}
