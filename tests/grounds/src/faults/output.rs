//! What a command prints, read while it runs.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Reads standard output and error of a command.
///
/// The end of the command is the end of reading, not that of the pipes: what it left running may keep
/// them open for good.
pub(super) struct Output {
    /// Tells the readers, by being closed, that it has ended.
    running: Option<PipeWriter>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Output {
    /// Connects a command that is to be spawned.
    pub(super) fn of(command: &mut Command) -> io::Result<Output> {
        let (stdout, to_stdout) = io::pipe()?;
        let (stderr, to_stderr) = io::pipe()?;
        let (end, running) = io::pipe()?;
        command.stdout(to_stdout).stderr(to_stderr);
        let mut output = Output { running: Some(running), stdout: None, stderr: None };
        output.stdout = Some(reader(stdout, end.try_clone()?)?);
        output.stderr = Some(reader(stderr, end)?);
        Ok(output)
    }

    /// Forgets the command's ends of the pipes, which it would keep.
    pub(super) fn spawned(command: &mut Command) {
        command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    }

    /// Returns what was printed until now.
    pub(super) fn finish(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.running = None;
        let text = |reader: Option<JoinHandle<Vec<u8>>>| reader?.join().ok();
        (text(self.stdout.take()).unwrap_or_default(), text(self.stderr.take()).unwrap_or_default())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.finish();
    }
}

fn reader(pipe: PipeReader, end: PipeReader) -> io::Result<JoinHandle<Vec<u8>>> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    thread::Builder::new().name("output".into()).spawn(move || read(pipe, &end))
}

fn read(mut pipe: PipeReader, end: &PipeReader) -> Vec<u8> {
    let mut text = Vec::new();
    loop {
        let mut fds =
            [PollFd::new(pipe.as_fd(), PollFlags::POLLIN), PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        // Interrupted or not: the pipe is read without waiting.
        let _ = poll(&mut fds, PollTimeout::NONE);
        let ended = fds[1].any().unwrap_or(false);
        let read_all = pipe.read_to_end(&mut text).is_ok();
        if ended || read_all {
            return text;
        }
    }
}
