//! On the host: starts a guest, follows its output, and ends it.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, process};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::error::{Error, on};
use super::frame::{Frame, Reader};
use super::{LINE, Look, TASK_FILE, Task, is_a_word, kernel, missing, old, wait};
use crate::this_program;

/// The guest's memory is a file, and must be on a file system from which it can be executed.
pub(super) const MEMORY: &str = "/dev/shm";

/// How long the kernel and its helpers may take to die by SIGKILL.
const ENDING: Duration = Duration::from_secs(10);

/// With two processors, about one boot of twelve crashes.
const TRIES: u32 = 3;

/// How a guest ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The task exited with this code.
    Exited(i32),
    /// The task died by this signal.
    Signaled(i32),
    /// The guest ended before the task: what it said last.
    Died(String),
    /// The task was not done in its time.
    TimedOut,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Exited(code) => write!(f, "exit code {code}"),
            Ended::Signaled(signal) => write!(f, "signal {signal}"),
            Ended::Died(words) => write!(f, "the guest died; it said last:\n{words}"),
            Ended::TimedOut => f.write_str("not finished in time"),
        }
    }
}

/// A guest in which the task was started. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    /// What the task writes to its standard output; it ends when the guest does.
    pub(crate) stdout: Option<File>,
    /// What the task writes to its standard error; it ends when the guest does.
    pub(crate) stderr: Option<File>,
    machine: Arc<Machine>,
    follower: Option<JoinHandle<Ended>>,
}

impl Running {
    /// Waits for the task's end. Output that was not taken is thrown away.
    pub(crate) fn wait(&mut self) -> Result<Ended, Error> {
        drop((self.stdout.take(), self.stderr.take()));
        let follower = self.follower.take().map(JoinHandle::join);
        follower.and_then(Result::ok).ok_or_else(|| Error::new("the guest's follower panicked"))
    }
}

impl Running {
    /// Returns what ends the guest, whoever waits for it.
    pub(crate) fn killer(&self) -> impl Fn() + Send + 'static {
        let machine = Arc::clone(&self.machine);
        move || machine.kill()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.machine.kill();
    }
}

/// Starts a guest and the task in it; the task's time begins with its start.
pub(crate) fn start(look: Look, task: &Task, limit: Duration) -> Result<Running, Error> {
    if let Some(reason) = missing(look) {
        return Err(Error::new(reason));
    }
    let mut last = Error::new("no boot was tried");
    for _ in 0..TRIES {
        match boot(look, task)? {
            Booted::Yes(machine, serial) => return follow(machine, serial, limit),
            Booted::No(console) => last = Error::new(format!("the guest did not boot:\n{console}")),
        }
    }
    Err(last)
}

enum Booted {
    Yes(Machine, Reader<PipeReader>),
    No(String),
}

fn boot(look: Look, task: &Task) -> Result<Booted, Error> {
    let folder = Folder::new(task)?;
    let line = if matches!(look, Look::Namespaces(_)) { folder.line() } else { io::pipe() };
    let (output, serial) = line.map_err(on("make", "a pipe"))?;
    let machine = Machine::start(look, task, folder.path(), serial)?;
    let mut serial = Reader::new(output);
    match serial.next(Instant::now() + look.boot_limit()) {
        // From here on nothing in the folder is needed: it goes, and can't be left behind.
        Ok(Some(Frame::Started)) => Ok(Booted::Yes(machine, serial)),
        Ok(Some(Frame::Failed(reason))) => Err(Error::new(reason)),
        Ok(Some(frame)) => Err(Error::new(format!("the guest began with {frame:?}"))),
        Ok(None) => Ok(Booted::No(machine.last_words())),
        Err(error) => Ok(Booted::No(format!("{}\n{error}", machine.last_words()))),
    }
}

fn follow(machine: Machine, mut serial: Reader<PipeReader>, limit: Duration) -> Result<Running, Error> {
    let machine = Arc::new(machine);
    let (stdout, output) = io::pipe().map_err(on("make", "a pipe"))?;
    let (stderr, error) = io::pipe().map_err(on("make", "a pipe"))?;
    let until = Instant::now() + limit;
    let guest = Arc::clone(&machine);
    let follower = thread::spawn(move || {
        let end = match pass_on(&mut serial, output, error, until) {
            Ok(Some(end)) => end,
            Ok(None) => Ended::Died(guest.last_words()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ended::TimedOut,
            Err(error) => Ended::Died(format!("{}\n{error}", guest.last_words())),
        };
        guest.kill();
        end
    });
    let [stdout, stderr] = [stdout, stderr].map(|pipe| Some(File::from(OwnedFd::from(pipe))));
    Ok(Running { stdout, stderr, machine, follower: Some(follower) })
}

/// Passes the task's output on until its end; returns nothing where the guest ends before it.
fn pass_on(
    serial: &mut Reader<PipeReader>,
    mut output: PipeWriter,
    mut error: PipeWriter,
    until: Instant,
) -> io::Result<Option<Ended>> {
    loop {
        match serial.next(until)? {
            Some(Frame::Output(bytes)) => write(&mut output, &bytes, until)?,
            Some(Frame::Error(bytes)) => write(&mut error, &bytes, until)?,
            Some(Frame::Exited(code)) => return Ok(Some(Ended::Exited(code))),
            Some(Frame::Signaled(signal)) => return Ok(Some(Ended::Signaled(signal))),
            Some(Frame::Started) => {}
            Some(Frame::Failed(reason)) => return Err(io::Error::other(reason)),
            None => return Ok(None),
        }
    }
}

/// Writes for as long as somebody may still read.
fn write(pipe: &mut PipeWriter, bytes: &[u8], until: Instant) -> io::Result<()> {
    // As much as a pipe that polls as writable takes at once: PIPE_BUF.
    for piece in bytes.chunks(4096) {
        wait::writable(pipe, until)?;
        match pipe.write_all(piece) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

/// The process that keeps the guest's kernel. It ends, and the kernel before it, when this is dropped.
#[derive(Debug)]
struct Machine {
    keeper: Child,
    /// The kernel lives for as long as this is open.
    life: Mutex<Option<ChildStdin>>,
    console: Console,
}

impl Machine {
    fn start(look: Look, task: &Task, folder: &Path, serial: PipeWriter) -> Result<Machine, Error> {
        let (output, console) = io::pipe().map_err(on("make", "a pipe"))?;
        let mut command = command(look, task, folder)?;
        command.stdin(Stdio::piped()).stdout(serial).stderr(console);
        let mut keeper = command.spawn().map_err(on("start", "the guest"))?;
        let life = Mutex::new(keeper.stdin.take());
        Ok(Machine { keeper, life, console: Console::of(output) })
    }

    fn kill(&self) {
        drop(self.life.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn last_words(&self) -> String {
        self.kill();
        self.console.last_lines()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
        let until = Instant::now() + ENDING;
        while matches!(self.keeper.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        // If it is still there, something is stuck in the host's kernel; no more can be done about it.
        drop(self.keeper.kill());
    }
}

/// The command that keeps the guest's kernel.
fn command(look: Look, task: &Task, folder: &Path) -> Result<Command, Error> {
    let exe = this_program().map_err(on("find", "grounds"))?;
    if matches!(look, Look::Namespaces(_)) {
        let mut command = Command::new(&exe);
        command.arg("guest-namespaces").arg(look.name()).arg(folder).env_clear();
        return Ok(command);
    }
    if !is_a_word(&exe) {
        return Err(Error::new(format!("{exe:?} can't be named on a kernel's command line")));
    }
    let mut command = Command::new(&exe);
    // TMPDIR is for its memory, the other for its own control socket.
    command.env_clear().env("TMPDIR", folder).env("HOME", folder).current_dir(folder);
    command.arg("warden");
    if look == Look::Old {
        let init = [exe.as_os_str(), "guest-init".as_ref(), look.name().as_ref(), folder.as_os_str()];
        old::emulate(&mut command, folder, task, &init)?;
        return Ok(command);
    }
    command.arg(kernel().ok_or_else(|| Error::new("no kernel for the guest"))?);
    command.args(["mem=2G", "seccomp=auto", "quiet"]).args(look.kernel_arguments());
    command.args(["root=/dev/root", "rootfstype=hostfs", "ro"]);
    // Its console goes to standard error; the line to standard output. (Unasked, it would add its console
    // behind our process 1's arguments.)
    command.args(["console=tty0", "con=null", "con0=null,fd:2", "ssl=null", "ssl0=null,fd:1"]);
    command.arg(format!("uml_dir={}/", folder.display()));
    command.arg(format!("init={}", exe.display())).args(["--", "guest-init", look.name()]).arg(folder);
    Ok(command)
}

/// The last lines of the kernel's console.
#[derive(Debug)]
struct Console {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Console {
    /// A panic and its call trace.
    const LINES: usize = 40;

    fn of(output: PipeReader) -> Console {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (end, ended) = mpsc::channel();
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
                if kept.len() > Console::LINES {
                    kept.pop_front();
                }
            }
            drop(end);
        });
        Console { lines, ended: Mutex::new(ended) }
    }

    /// Returns the last lines of a machine that was killed.
    fn last_lines(&self) -> String {
        // It has ended, or is about to: what is still in the pipe takes no second.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(Duration::from_secs(1));
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The folder that hands the task to the guest. It goes when it is dropped; one whose maker was killed
/// goes when the next is made.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Locked for as long as its maker lives.
    _lock: File,
}

impl Folder {
    const PREFIX: &str = "grounds-guest-";

    fn new(task: &Task) -> Result<Folder, Error> {
        Folder::sweep();
        let bytes = task.to_bytes().map_err(on("write", TASK_FILE))?;
        let folder = Folder::make().map_err(on("make a folder in", MEMORY))?;
        let file = folder.path.join(TASK_FILE);
        fs::write(&file, bytes).map_err(on("write", &file))?;
        Ok(folder)
    }

    fn make() -> io::Result<Folder> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}{}-{number}", Folder::PREFIX, process::id());
            let path = Path::new(MEMORY).join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                // A process of that number in another namespace, or killed and not swept by its user.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let lock = File::open(&path)?;
            lock.lock()?;
            // Between the two, a sweep may have taken it for left behind.
            if path.exists() {
                return Ok(Folder { path, _lock: lock });
            }
        }
    }

    fn sweep() {
        for entry in fs::read_dir(MEMORY).into_iter().flatten().flatten() {
            let ours = entry.file_name().to_string_lossy().starts_with(Folder::PREFIX);
            // Whatever else somebody has put there under such a name is neither followed nor waited for.
            let mut folder = File::options();
            folder.read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits());
            if ours && folder.open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }

    /// Makes a pipe in it, which has a name: it can be opened in other namespaces.
    fn line(&self) -> io::Result<(PipeReader, PipeWriter)> {
        let path = self.path.join(LINE);
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        // Else it would wait for the other end.
        let flags = OFlag::O_NONBLOCK.bits();
        let reader = File::options().read(true).custom_flags(flags).open(&path)?;
        let writer = File::options().write(true).open(&path)?;
        Ok((OwnedFd::from(reader).into(), OwnedFd::from(writer).into()))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}
