//! Hooks, beside a container: each is started, attended to its end, and judged.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::{Guarded, Streams, Target, enter, image, reap, whole_milliseconds};
use crate::config::{Config, Description, Hook, Process};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Plan, arguments};
use crate::process::{ExitStatus, Io, Stdio};
use crate::sys;

/// How much of what a hook prints is kept for the error, in bytes.
const KEPT: usize = 4096;

/// Runs the hooks that come before the root is changed.
pub(super) fn create(config: &Config, target: &Target<'_>) -> Result<()> {
    let hooks = &config.hooks;
    let state = state(config, "creating", Some(target.pid))?;
    each("prestart", &hooks.prestart, &state, |hook, streams| on_host(config, hook, streams))?;
    each("createRuntime", &hooks.create_runtime, &state, |hook, streams| on_host(config, hook, streams))?;
    if hooks.create_container.is_empty() {
        return Ok(());
    }
    let state = self::state(config, "creating", Some(number_inside(target.pid)?))?;
    each("createContainer", &hooks.create_container, &state, |hook, streams| {
        enter::hook(target, hook, &config.rootfs, streams)
    })
}

/// Runs the hooks that come before the program, in the container.
pub(crate) fn start(config: &Config, target: &Target<'_>) -> Result<()> {
    let hooks = &config.hooks;
    if hooks.start_container.is_empty() {
        return Ok(());
    }
    let state = state(config, "created", Some(number_inside(target.pid)?))?;
    each("startContainer", &hooks.start_container, &state, |hook, streams| {
        let process = Process {
            args: arguments(hook),
            env: hook.env.clone(),
            terminal: false,
            ..config.process.clone()
        };
        enter::program(target, &process, Some(&hook.path), streams).map(|(process, _)| process)
    })
}

/// Runs the hooks that come when the program runs.
pub(crate) fn poststart(config: &Config, pid: u32) -> Result<()> {
    let hooks = &config.hooks;
    let state = state(config, "running", Some(pid))?;
    each("poststart", &hooks.poststart, &state, |hook, streams| on_host(config, hook, streams))
}

/// Runs the hooks that come when the container is gone: all of them. The error is the first one's that failed.
pub(crate) fn poststop(config: &Config) -> Result<()> {
    let hooks = &config.hooks;
    let state = state(config, "stopped", None)?;
    let mut first = Ok(());
    for (number, hook) in hooks.poststop.iter().enumerate() {
        let ended = run(("poststop", number), hook, &state, |streams| on_host(config, hook, streams));
        first = first.and(ended);
    }
    first
}

/// What hooks read on their standard input.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State<'a> {
    pub(super) oci_version: &'a str,
    id: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl<'a> State<'a> {
    pub(super) fn new(told: &'a Description, status: &'a str, pid: Option<u32>) -> Self {
        let oci_version =
            if told.oci_version.is_empty() { crate::oci::VERSION } else { told.oci_version.as_str() };
        let (id, bundle, annotations) = (told.id.as_str(), told.bundle.as_path(), &told.annotations);
        State { oci_version, id, status, pid, bundle, annotations }
    }
}

fn state(config: &Config, status: &str, pid: Option<u32>) -> Result<Vec<u8>> {
    // A path that is not UTF-8 has no JSON.
    serde_json::to_vec(&State::new(&config.description, status, pid))
        .map_err(|error| Error::new(ErrorKind::Hook, format_args!("state for hooks: {error}")))
}

/// Returns the number that a process has in its own PID namespace.
fn number_inside(pid: u32) -> Result<u32> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| Error::io(format_args!("read {path:?}"), &error))?;
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let number = numbers.and_then(|numbers| numbers.split_ascii_whitespace().last()?.parse().ok());
    Ok(number.unwrap_or(pid))
}

fn each(
    kind: &str,
    hooks: &[Hook],
    state: &[u8],
    mut start: impl FnMut(&Hook, &Streams) -> Result<Guarded>,
) -> Result<()> {
    let mut numbered = hooks.iter().enumerate();
    numbered.try_for_each(|(number, hook)| run((kind, number), hook, state, |streams| start(hook, streams)))
}

/// Runs a hook to its end.
fn run(
    (kind, number): (&str, usize),
    hook: &Hook,
    state: &[u8],
    start: impl FnOnce(&Streams) -> Result<Guarded>,
) -> Result<()> {
    let failed = |why: &dyn Display| {
        let text = format!("error running {kind} hook #{number}: {:?}: {why}", hook.path);
        Error::new(ErrorKind::Hook, text)
    };
    let deadline = hook.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let streams = |error| failed(&Error::io("make its standard streams", &error));
    let input = input(state).map_err(streams)?;
    let (output, theirs) = std::io::pipe().map_err(streams)?;
    let stderr = theirs.try_clone().map_err(streams)?.into();
    let io = Io { stdin: Stdio::Fd(input), stdout: theirs.into(), stderr, ..Io::default() };
    let ours = Streams::new(io)?;
    let process = start(&ours).map_err(|error| failed(&error))?;
    drop(ours); // or its output would have no end
    let mut output = Output::new(output.into()).map_err(streams)?;
    if !output.attend(&process, deadline).map_err(|error| failed(&error))? {
        drop(process); // kills it
        let seconds = hook.timeout.unwrap_or_default();
        return Err(failed(&format_args!("killed, it ran longer than {seconds} s{}", output.said())));
    }
    match reap(process.let_go().as_fd())? {
        ExitStatus::Exited(0) => Ok(()),
        ExitStatus::Exited(code) => Err(failed(&format_args!("exit status {code}{}", output.said()))),
        ExitStatus::Signaled(signal) => {
            Err(failed(&format_args!("ended by signal {signal}{}", output.said())))
        }
        ExitStatus::Unknown => {
            Err(failed(&"nobody knows how it ended: the caller's program ignores SIGCHLD or waits for all"))
        }
    }
}

/// Starts a hook on the host.
fn on_host(config: &Config, hook: &Hook, streams: &Streams) -> Result<Guarded> {
    let plan = Plan::hook_on_host(hook, &config.description.bundle)?;
    let (process, mut sync) = image::start(&plan, &[], streams)?;
    sync.executed(process.pidfd(), &|failure| failure.explain(&plan), &|_| Ok(()))?;
    Ok(process)
}

/// Makes a file of what a hook reads: unlike a pipe it takes all of it at once.
fn input(text: &[u8]) -> std::io::Result<OwnedFd> {
    const MFD_CLOEXEC: u32 = 1;
    let mut file = File::from(sys::memfd(c"state", MFD_CLOEXEC)?);
    file.write_all(text)?;
    file.rewind()?;
    Ok(file.into())
}

/// What a hook prints, on both streams.
struct Output {
    pipe: Option<File>,
    kept: Vec<u8>,
}

impl Output {
    fn new(pipe: OwnedFd) -> std::io::Result<Output> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Output { pipe: Some(pipe.into()), kept: Vec::new() })
    }

    /// Reads until the process has ended, whoever else holds the pipe then; false when the time is over first.
    fn attend(&mut self, process: &Guarded, deadline: Option<Instant>) -> Result<bool> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let wait = left.map_or(PollTimeout::NONE, whole_milliseconds);
            let mut watched = vec![PollFd::new(process.pidfd(), PollFlags::POLLIN)];
            watched.extend(self.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
            match poll(&mut watched, wait) {
                Ok(0) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => return Ok(false),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::errno("wait for it", errno)),
            }
            let ended = watched[0].any() == Some(true);
            self.drain();
            if ended {
                return Ok(true);
            }
        }
    }

    fn drain(&mut self) {
        let Some(mut pipe) = self.pipe.as_ref() else { return };
        let mut buffer = [0; 4096];
        // No more than a pipe holds: who prints without end is looked at in between.
        for _ in 0..16 {
            match pipe.read(&mut buffer) {
                Ok(0) => return self.pipe = None,
                Ok(count) => {
                    let room = KEPT - self.kept.len();
                    self.kept.extend(&buffer[..count.min(room)]);
                }
                Err(error) if error.kind() == IoKind::Interrupted => {}
                Err(error) if error.kind() == IoKind::WouldBlock => return,
                Err(_) => return self.pipe = None,
            }
        }
    }

    /// Returns what was printed as the end of a sentence.
    fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let text = text.trim();
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }
}
