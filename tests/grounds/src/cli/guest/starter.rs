//! In the guest: starts the task, sends its output to the host as it comes, and how it ended.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{env, thread};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Uid, User, dup2_stdin, sync};

use super::error::{Error, on};
use super::frame::{Frame, Writer};
use super::task::Task;
use super::{RUN, SERIAL, TASK_FILE};

/// The cgroup of this process, below the task's.
const SUBGROUP: &str = "starter";

/// For how long output is taken after the task's end.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Runs the task that process 1 left in /run.
pub(super) fn run() -> Result<(), Error> {
    let mut host = Writer::open(Path::new(SERIAL)).map_err(on("open", SERIAL))?;
    let end = match start() {
        Ok((child, streams)) => {
            host.send(&Frame::Started).map_err(on("write", SERIAL))?;
            let status = follow(child, streams, &mut host).map_err(on("follow", "the task"))?;
            ended(status)
        }
        Err(error) => Frame::Failed(error.to_string()),
    };
    // The host ends the guest as soon as it knows: what was written to its folders must be there.
    if host.is_serial() {
        sync();
    }
    host.send(&end).and_then(|()| host.drain()).map_err(on("write", SERIAL))
}

/// What the task writes, and which frame each goes into.
type Streams = Vec<(PipeReader, fn(Vec<u8>) -> Frame)>;

/// Starts a process that becomes the task, and waits until it has.
fn start() -> Result<(Child, Streams), Error> {
    leave_the_tasks_cgroup()?;
    let pipe = || io::pipe().map_err(on("make", "a pipe"));
    let ((output, stdout), (error, stderr), (mut failure, fails)) = (pipe()?, pipe()?, pipe()?);
    let this = env::current_exe().map_err(on("find", "grounds"))?;
    let mut command = Command::new(&this);
    command.arg("guest-exec").stdin(fails).stdout(stdout).stderr(stderr);
    let child = command.spawn().map_err(on("run", &this))?;
    // Else this process would keep the pipes open itself.
    drop(command);
    let mut reason = String::new();
    failure.read_to_string(&mut reason).map_err(on("start", "the task"))?;
    if !reason.is_empty() {
        return Err(Error::new(reason));
    }
    Ok((child, vec![(output, Frame::Output), (error, Frame::Error)]))
}

/// Moves this process into a child of the cgroup that systemd made for the task.
///
/// Else the task could not distribute controllers: a cgroup does so only without processes of its own.
fn leave_the_tasks_cgroup() -> Result<(), Error> {
    match own_cgroup()? {
        Some(cgroup) => {
            let child = cgroup.join(SUBGROUP);
            fs::create_dir(&child).map_err(on("make", &child))?;
            enter(&child)
        }
        None => Ok(()),
    }
}

/// Returns this process's cgroup, nothing where it is the root or v1 has the controllers, to which that rule doesn't
/// apply.
fn own_cgroup() -> Result<Option<PathBuf>, Error> {
    let file = "/proc/self/cgroup";
    let text = fs::read_to_string(file).map_err(on("read", file))?;
    // Version 1 has lines too, where it is not off.
    let below = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let applies = !below.is_empty() && Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    Ok(applies.then(|| Path::new("/sys/fs/cgroup").join(below)))
}

fn enter(cgroup: &Path) -> Result<(), Error> {
    fs::write(cgroup.join("cgroup.procs"), "0").map_err(on("enter", cgroup))
}

/// Becomes the task. Standard input is where to say why not.
pub(super) fn exec() -> Result<(), Error> {
    // A copy that the exec closes, by which its success is seen.
    let fails = io::stdin().as_fd().try_clone_to_owned().map_err(on("copy", "a descriptor"))?;
    let null = File::open("/dev/null").map_err(on("open", "/dev/null"))?;
    dup2_stdin(null).map_err(on("replace", "standard input"))?;
    let Err(error) = become_task();
    File::from(fails).write_all(error.to_string().as_bytes()).map_err(on("report", error.to_string()))
}

fn become_task() -> Result<Infallible, Error> {
    if let Some(cgroup) = own_cgroup()? {
        enter(cgroup.parent().unwrap_or(&cgroup))?;
    }
    let file = Path::new(RUN).join(TASK_FILE);
    let bytes = fs::read(&file).map_err(on("read", &file))?;
    let task = Task::from_bytes(&bytes).map_err(on("read", &file))?;
    let [program, arguments @ ..] = task.argv.as_slice() else {
        return Err(Error::new("a task without a program"));
    };
    // Told apart from a program that is not there.
    env::set_current_dir(&task.cwd).map_err(on("enter", &task.cwd))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(task.env).envs(session()?);
    Err(on("run", program)(command.exec()))
}

/// Returns what an ordinary user's programs find in their environment.
fn session() -> Result<Vec<(&'static str, String)>, Error> {
    let uid = Uid::effective();
    if uid.is_root() {
        return Ok(Vec::new());
    }
    let user = User::from_uid(uid).map_err(on("look up", "this user"))?;
    let user = user.ok_or_else(|| Error::new(format!("no user {uid}")))?;
    let runtime = format!("/run/user/{uid}");
    Ok(vec![
        ("HOME", user.dir.to_string_lossy().into_owned()),
        ("USER", user.name.clone()),
        ("LOGNAME", user.name),
        ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={runtime}/bus")),
        ("XDG_RUNTIME_DIR", runtime),
    ])
}

/// Sends what comes until the task has ended, and then what is still on its way.
///
/// What the task left behind may hold its streams open, and write, for ever: neither is waited for.
fn follow(mut child: Child, mut streams: Streams, host: &mut Writer) -> io::Result<ExitStatus> {
    let (end, keep) = io::pipe()?;
    let waiter = thread::spawn(move || {
        let status = child.wait();
        drop(keep);
        status
    });
    let mut buffer = vec![0; 65536];
    let mut last_call = None;
    loop {
        // The end first: what the task wrote before it is seen with it.
        let mut ready = vec![PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        ready.extend(streams.iter().map(|(pipe, _)| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = ready.iter().map(|file| file.any() == Some(true)).collect();
        let (ended, ready) = (ready[0], &ready[1..]);
        if ended {
            let until = *last_call.get_or_insert_with(|| Instant::now() + LAST_CALL);
            if !ready.contains(&true) || Instant::now() > until {
                break;
            }
        }
        // From the back, so that removing one doesn't move the next.
        for index in (0..streams.len()).rev().filter(|index| ready[*index]) {
            let (pipe, frame) = &mut streams[index];
            match pipe.read(&mut buffer)? {
                0 => drop(streams.remove(index)),
                count => host.send(&frame(buffer[..count].to_vec()))?,
            }
        }
    }
    waiter.join().map_err(|_| io::Error::other("the waiting thread panicked"))?
}

fn ended(status: ExitStatus) -> Frame {
    match (status.code(), status.signal()) {
        (Some(code), _) => Frame::Exited(code),
        (None, Some(signal)) => Frame::Signaled(signal),
        (None, None) => Frame::Failed(format!("the task's end is unknown: {status}")),
    }
}
