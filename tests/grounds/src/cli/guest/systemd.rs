//! systemd as the guest's process 1: the host's own, with none of the host's services.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::error::{Error, on};

/// Where distributions keep it.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];

/// Where it finds units.
const UNITS: [&str; 6] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
];

/// Where it finds programs that make units of the host's files.
const GENERATORS: [&str; 7] = [
    "/etc/systemd/system-generators",
    "/usr/lib/systemd/system-generators",
    "/lib/systemd/system-generators",
    "/etc/systemd/user-generators",
    "/usr/lib/systemd/user-generators",
    "/lib/systemd/user-generators",
    "/usr/lib/systemd/user-environment-generators",
];

/// The ordinary user: systemd counts ids from 1000 to 60000 as people.
const USER: &str = "grounds";
const UID: u32 = 50_000;

/// The task, started by either systemd. A task's OOM kill is the task's affair, hence OOMPolicy.
const SERVICE: &str = "\
[Unit]
Description=The task
Requires=dbus.socket
After=dbus.socket basic.target
FailureAction=ACTION
SuccessAction=ACTION
[Service]
Type=exec
ExecStart=/run/grounds/grounds guest-task
Delegate=yes
OOMPolicy=continue
TasksMax=infinity
";

/// What is started when no user is asked for.
const ROOTS_TARGET: &str = "\
[Unit]
Description=One task
Requires=basic.target grounds.service
AllowIsolate=yes
";

/// What is started for the user: their own systemd, which starts the task.
const USERS_TARGET: &str = "\
[Unit]
Description=One task of an ordinary user
Requires=basic.target dbus.socket user@ID.service
AllowIsolate=yes
";

/// The controllers that distributions' administrators are told to delegate.
const USERS_MANAGER: &str = "\
[Unit]
FailureAction=poweroff-force
SuccessAction=poweroff-force
[Service]
Delegate=cpu cpuset io memory pids
";

const USERS_DEFAULT: &str = "\
[Unit]
Description=One task
Requires=basic.target grounds.service
";

/// The user's own bus, for hosts that have the daemon but not its units.
const USERS_BUS_SOCKET: &str = "\
[Unit]
Description=The user's bus
[Socket]
ListenStream=%t/bus
";
const USERS_BUS: &str = "\
[Unit]
Description=The user's bus
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
ExecStart=dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation
";

/// Says why systemd can't be had.
pub(super) fn missing() -> Option<String> {
    if program().is_none() {
        return Some("systemd is not installed".to_owned());
    }
    (!super::on_path("dbus-daemon")).then(|| "dbus-daemon is not installed".to_owned())
}

fn program() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| Path::new(program).exists())
}

/// Becomes systemd, which starts the task, as root or as an ordinary user.
pub(super) fn exec(user: bool) -> Result<Infallible, Error> {
    forget_the_hosts_services()?;
    let system = Path::new("/etc/systemd/system");
    if user {
        add_user()?;
        write(&system.join("grounds.target"), &USERS_TARGET.replace("ID", &UID.to_string()))?;
        write(&system.join("user@.service.d/grounds.conf"), USERS_MANAGER)?;
        users_units(Path::new("/etc/systemd/user"))?;
    } else {
        write(&system.join("grounds.target"), ROOTS_TARGET)?;
        write(&system.join("grounds.service"), &SERVICE.replace("ACTION", "poweroff-force"))?;
    }
    let program = program().ok_or_else(|| Error::new("systemd is not installed"))?;
    let quiet = ["--log-target=console", "--log-level=notice", "--show-status=no"];
    Err(on("run", program)(Command::new(program).arg("--unit=grounds.target").args(quiet).exec()))
}

fn users_units(units: &Path) -> Result<(), Error> {
    write(&units.join("default.target"), USERS_DEFAULT)?;
    // No user may turn the machine off; their systemd exits, and the machine's own sees it.
    write(&units.join("grounds.service"), &SERVICE.replace("ACTION", "exit-force"))?;
    write(&units.join("dbus.socket"), USERS_BUS_SOCKET)?;
    write(&units.join("dbus.service"), USERS_BUS)
}

/// Removes what would pull in the host's services: the units stay, but nothing wants them.
fn forget_the_hosts_services() -> Result<(), Error> {
    for folder in UNITS.map(Path::new) {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.map_err(on("list", folder))?.path();
            if path.extension().is_some_and(|suffix| suffix == "wants" || suffix == "requires") {
                remove(&path)?;
            }
        }
    }
    GENERATORS.into_iter().try_for_each(|folder| remove(Path::new(folder)))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(on("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Adds an ordinary user with a range of subordinate ids.
fn add_user() -> Result<(), Error> {
    let home = format!("/home/{USER}");
    let add = |file: &str, mode: u32, line: String| {
        // Where the host's file may not be read, the guest does without.
        let mut text = fs::read_to_string(file).unwrap_or_default();
        text.push_str(&line);
        replace(Path::new(file), &text, mode)
    };
    add("/etc/passwd", 0o644, format!("{USER}:x:{UID}:{UID}::{home}:/bin/sh\n"))?;
    add("/etc/group", 0o644, format!("{USER}:x:{UID}:\n"))?;
    add("/etc/shadow", 0o600, format!("{USER}:*:19000:0:99999:7:::\n"))?;
    for file in ["/etc/subuid", "/etc/subgid"] {
        replace(Path::new(file), &format!("{USER}:100000:65536\n"), 0o644)?;
    }
    // Other sources would be asked over the bus that is just being started.
    let sources = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";
    replace(Path::new("/etc/nsswitch.conf"), sources, 0o644)?;
    fs::create_dir_all(&home).map_err(on("make", &home))?;
    chown(&home, Some(UID), Some(UID)).map_err(on("give away", &home))
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(on("make", folder))?;
    }
    // A link there would be followed, to a unit of the host.
    drop(fs::remove_file(file));
    fs::write(file, text).map_err(on("write", file))
}

/// Writes a new file in the place of one that may not even be readable.
fn replace(file: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let new = file.with_extension("new");
    fs::write(&new, text).map_err(on("write", &new))?;
    fs::set_permissions(&new, Permissions::from_mode(mode)).map_err(on("write", &new))?;
    fs::rename(&new, file).map_err(on("replace", file))
}
