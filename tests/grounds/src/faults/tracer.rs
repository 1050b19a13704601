//! A thread that traces a command and all that comes of it.
//!
//! `ptrace` knows threads, not processes: what one thread traces, only that thread can wait for and
//! resume. So the tracer is a thread of its own. It waits with `__WNOTHREAD`, for what it has
//! spawned and what it traces: children of the process's other threads are never reaped by it.
//! (The other way round, a `wait` for *any* child elsewhere in the process would take its events.)
//!
//! Three things are not as they would be without it. Until the tracer has reaped a process, its parent
//! can't, though it may know already (by a pidfd). A process that is a tracer itself fails. What is made
//! with `CLONE_UNTRACED` escapes. See [`ptrace(2)`].
//!
//! [`ptrace(2)`]: https://man7.org/linux/man-pages/man2/ptrace.2.html

use std::collections::{HashMap, HashSet};
use std::os::unix::process::ExitStatusExt;
use std::panic;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::calls;
use super::output::Output;
use super::steps::{Place, Step, When};
use crate::sys::{self, Resume};

/// How long what was killed or is to be let go may take.
const GRACE: Duration = Duration::from_secs(5);

/// How a traced run of a command went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// How the command itself ended.
    pub status: ExitStatus,
    /// What it and its tree wrote to standard output, until it ended.
    pub stdout: Vec<u8>,
    /// What they wrote to standard error.
    pub stderr: Vec<u8>,
    /// The limit was reached: the whole tree was killed.
    pub hung: bool,
    /// The processes (pid and `comm`) that were alive when the command ended, and run on untraced. What
    /// could not be let go within seconds, as it waits for a device or is frozen, was killed.
    pub left: Vec<(i32, Arc<str>)>,
    /// How often the tracer was told of something: twice for each system call, and of births and ends.
    pub stops: usize,
}

/// Runs a command under a tracer.
///
/// `kill_here` is asked before and after each system call, and answers whether the process is killed
/// there; that answer is given once.
pub(super) fn trace(
    command: &mut Command,
    limit: Duration,
    kill_here: &mut (dyn FnMut(When, &Step) -> bool + Send),
) -> io::Result<Run> {
    thread::scope(|scope| {
        let tracer = thread::Builder::new()
            .name("tracer".into())
            .spawn_scoped(scope, || traced(command, limit, kill_here))?;
        tracer.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

fn traced(
    command: &mut Command,
    limit: Duration,
    kill_here: &mut dyn FnMut(When, &Step) -> bool,
) -> io::Result<Run> {
    let mut output = Output::of(command)?;
    let tracer = Tracer::start(command, Instant::now() + limit);
    Output::spawned(command);
    let mut tracer = tracer?;
    let hung = !tracer.follow(kill_here)?;
    let left = if hung { Vec::new() } else { tracer.let_go()? };
    tracer.kill_all()?;
    let status = tracer.status.ok_or_else(|| io::Error::other("the command's end was not seen"))?;
    let (stdout, stderr) = output.finish();
    Ok(Run { status, stdout, stderr, hung, left, stops: tracer.stops })
}

struct Tracer {
    command: i32,
    deadline: Instant,
    /// All that is traced and not yet reaped, by thread id.
    threads: HashMap<i32, Thread>,
    /// Every process there was, in order of birth.
    processes: Vec<Process>,
    /// Those that were seen before their parent told of them.
    untold: HashSet<i32>,
    /// Not yet seized: stops are those of an ordinary child.
    untraced: bool,
    /// How threads run on.
    pace: Resume,
    status: Option<ExitStatus>,
    stops: usize,
}

struct Thread {
    process: usize,
    number: usize,
    /// How many system calls it has entered.
    calls: usize,
    /// The one that it is in.
    step: Option<Step>,
}

struct Process {
    pid: i32,
    comm: Arc<str>,
    /// How many threads it has had.
    threads: usize,
}

/// What a wait status says.
enum Event {
    Ended(ExitStatus),
    /// Stopped at the entry or exit of a system call.
    Call,
    /// Has a new child or thread.
    Born,
    /// Runs another program.
    Exec,
    /// Stopped together with its process, as by SIGSTOP.
    Stopped,
    /// Stopped for the tracer only: newly traced, continued, or asked to.
    Trapped,
    /// About to get a signal.
    Signal(i32),
}

impl Event {
    fn of(status: i32) -> Event {
        if !libc::WIFSTOPPED(status) {
            return Event::Ended(ExitStatus::from_raw(status));
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Event::Call,
            0 => Event::Signal(signal),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => Event::Born,
            libc::PTRACE_EVENT_EXEC => Event::Exec,
            _ if signal == libc::SIGTRAP => Event::Trapped,
            _ => Event::Stopped,
        }
    }
}

impl Tracer {
    /// Spawns the command, and holds it before its first instruction.
    fn start(command: &mut Command, deadline: Instant) -> io::Result<Tracer> {
        let armed = Arc::new(AtomicBool::new(true));
        sys::trace_me_before_exec(command, Arc::clone(&armed));
        let child = command.spawn();
        armed.store(false, Ordering::Relaxed);
        let pid = child?.id() as i32;
        let mut tracer = Tracer {
            command: pid,
            deadline,
            threads: HashMap::new(),
            processes: Vec::new(),
            untold: HashSet::new(),
            untraced: true,
            pace: Resume::ToCall,
            status: None,
            stops: 0,
        };
        tracer.meet(pid);
        tracer.seize()?;
        Ok(tracer)
    }

    /// Trades PTRACE_TRACEME, which stops a program at its exec, for PTRACE_SEIZE, which can't but knows
    /// group stops and how to interrupt. Between the two SIGSTOP holds it.
    fn seize(&mut self) -> io::Result<()> {
        self.await_stop("exec")?;
        sys::resume(self.command, Resume::Untraced, libc::SIGSTOP)?;
        self.await_stop("stop")?;
        let command = Pid::from_raw(self.command);
        // With EXITKILL nothing outlives this thread traced, not even if it panics.
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(command, options)?;
        self.untraced = false;
        Ok(kill(command, Signal::SIGCONT)?)
    }

    fn await_stop(&mut self, what: &str) -> io::Result<()> {
        match self.next(self.deadline)? {
            Some((_, status)) if libc::WIFSTOPPED(status) => Ok(()),
            Some((tid, _)) => {
                self.threads.remove(&tid);
                Err(io::Error::other(format!("trace a command: it died before its {what}")))
            }
            None => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("trace a command: no {what} in time")))
            }
        }
    }

    /// Lets everything run until the command has ended; false if the deadline came first.
    fn follow(&mut self, kill_here: &mut dyn FnMut(When, &Step) -> bool) -> io::Result<bool> {
        while self.status.is_none() {
            let Some((tid, status)) = self.next(self.deadline)? else { return Ok(false) };
            self.handle(tid, status, kill_here)?;
        }
        Ok(true)
    }

    fn handle(
        &mut self,
        tid: i32,
        status: i32,
        kill_here: &mut dyn FnMut(When, &Step) -> bool,
    ) -> io::Result<()> {
        self.meet_untold(tid);
        match Event::of(status) {
            Event::Ended(status) => {
                self.bury(tid, status);
                Ok(())
            }
            Event::Call => {
                if matches!(self.pace, Resume::ToCall) && self.call(tid, kill_here)? {
                    self.pace = Resume::Freely;
                    return Ok(()); // SIGKILL resumes it
                }
                gone_is_fine(sys::resume(tid, self.pace, 0))
            }
            Event::Born => {
                self.told_of_birth(tid)?;
                gone_is_fine(sys::resume(tid, self.pace, 0))
            }
            Event::Exec => {
                self.executed(tid)?;
                gone_is_fine(sys::resume(tid, self.pace, 0))
            }
            Event::Stopped => gone_is_fine(sys::resume(tid, Resume::Stopped, 0)),
            Event::Trapped => gone_is_fine(sys::resume(tid, self.pace, 0)),
            Event::Signal(signal) => gone_is_fine(sys::resume(tid, self.pace, signal)),
        }
    }

    /// Counts a system call at its entry; kills the process here if that is wanted.
    fn call(&mut self, tid: i32, kill_here: &mut dyn FnMut(When, &Step) -> bool) -> io::Result<bool> {
        let place = match sys::place(tid) {
            Err(Errno::ESRCH) => return Ok(false),
            place => place?,
        };
        let Some(thread) = self.threads.get_mut(&tid) else { return Ok(false) };
        let process = &self.processes[thread.process];
        let wanted = match place {
            sys::Place::Entry { arch, number } => {
                let place = Place { process: thread.process, thread: thread.number, index: thread.calls };
                let (name, comm) = (calls::name(arch, number), Arc::clone(&process.comm));
                thread.calls += 1;
                kill_here(When::Before, thread.step.insert(Step { place, number, name, comm }))
            }
            sys::Place::Exit => thread.step.take().is_some_and(|step| kill_here(When::After, &step)),
            sys::Place::Other => false,
        };
        if wanted {
            // It is stopped and not reaped: the pid is still its own.
            kill(Pid::from_raw(process.pid), Signal::SIGKILL)?;
        }
        Ok(wanted)
    }

    /// Learns from its parent that a child or thread was born. It may have been seen already, even dead.
    fn told_of_birth(&mut self, parent: i32) -> io::Result<()> {
        match ptrace::getevent(Pid::from_raw(parent)) {
            Ok(child) if self.untold.remove(&(child as i32)) => Ok(()),
            Ok(child) => {
                self.meet(child as i32);
                Ok(())
            }
            Err(error) => gone_is_fine(Err(error)),
        }
    }

    fn meet_untold(&mut self, tid: i32) {
        if !self.threads.contains_key(&tid) {
            self.meet(tid);
            self.untold.insert(tid);
        }
    }

    /// Takes a process or thread on, with the next number.
    fn meet(&mut self, tid: i32) {
        // In a process of its own it is the first thread, and has that process's id.
        let is_of = |process: i32| sys::tgkill(process, tid, 0) != Err(Errno::ESRCH);
        let thread = match self.processes.iter().rposition(|process| is_of(process.pid)) {
            Some(process) if !is_of(tid) => {
                let number = self.processes[process].threads;
                self.processes[process].threads += 1;
                Thread { process, number, calls: 0, step: None }
            }
            _ => {
                self.processes.push(Process { pid: tid, comm: comm(tid), threads: 1 });
                Thread { process: self.processes.len() - 1, number: 0, calls: 0, step: None }
            }
        };
        self.threads.insert(tid, thread);
    }

    /// After an exec all other threads are gone, and the one that did it has the process's id.
    fn executed(&mut self, pid: i32) -> io::Result<()> {
        let former = match ptrace::getevent(Pid::from_raw(pid)) {
            Err(error) => return gone_is_fine(Err(error)),
            Ok(former) => former as i32,
        };
        if former != pid
            && let Some(thread) = self.threads.remove(&former)
        {
            self.threads.insert(pid, thread);
        }
        if let Some(thread) = self.threads.get(&pid) {
            self.processes[thread.process].comm = comm(pid);
        }
        Ok(())
    }

    fn bury(&mut self, tid: i32, status: ExitStatus) {
        // The first thread is reaped last. Whatever else was known of its process is gone without a word:
        // one of its threads may have been killed in the middle of an exec.
        if let Some(Thread { process, .. }) = self.threads.remove(&tid)
            && self.processes[process].pid == tid
        {
            self.threads.retain(|_, thread| thread.process != process);
        }
        if tid == self.command {
            self.status = Some(status);
        }
    }

    /// Lets all that is alive run on untraced, and returns its processes.
    fn let_go(&mut self) -> io::Result<Vec<(i32, Arc<str>)>> {
        for tid in self.threads.keys() {
            let _ = ptrace::interrupt(Pid::from_raw(*tid));
        }
        let mut left = HashSet::new();
        let end = Instant::now() + GRACE;
        while !self.threads.is_empty() {
            let Some((tid, status)) = self.next(end)? else { break };
            self.meet_untold(tid);
            let signal = match Event::of(status) {
                Event::Ended(status) => {
                    self.bury(tid, status);
                    continue;
                }
                Event::Born => {
                    self.told_of_birth(tid)?;
                    0
                }
                Event::Exec => {
                    self.executed(tid)?;
                    0
                }
                Event::Signal(signal) => signal,
                Event::Call | Event::Stopped | Event::Trapped => 0,
            };
            if sys::resume(tid, Resume::Untraced, signal).is_ok()
                && let Some(thread) = self.threads.remove(&tid)
            {
                left.insert(thread.process);
            }
        }
        let mut left: Vec<usize> = left.into_iter().collect();
        left.sort_unstable();
        Ok(left.into_iter().map(|n| (self.processes[n].pid, Arc::clone(&self.processes[n].comm))).collect())
    }

    /// Kills and reaps all that is still traced.
    fn kill_all(&mut self) -> io::Result<()> {
        let end = Instant::now() + GRACE;
        self.kill_known();
        while !self.threads.is_empty() {
            let Some((tid, status)) = self.next(end)? else {
                if self.threads.is_empty() {
                    return Ok(());
                }
                let tids: Vec<&i32> = self.threads.keys().collect();
                let error = format!("kill {tids:?}: still there after {GRACE:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            };
            self.meet_untold(tid);
            match Event::of(status) {
                Event::Ended(status) => self.bury(tid, status),
                Event::Born => self.told_of_birth(tid)?,
                Event::Exec => self.executed(tid)?,
                _ => {}
            }
            // Some may have been born meanwhile.
            self.kill_known();
        }
        Ok(())
    }

    fn kill_known(&self) {
        for thread in self.threads.values() {
            let _ = kill(Pid::from_raw(self.processes[thread.process].pid), Signal::SIGKILL);
        }
    }

    /// Returns the next state change; none if the time is over, or nothing is left.
    fn next(&mut self, end: Instant) -> io::Result<Option<(i32, i32)>> {
        // There is no wait with a deadline. A stop follows the last one within microseconds, or else the
        // program is waiting for something itself.
        for tries in 0.. {
            if Instant::now() >= end {
                break;
            }
            match sys::wait_any(self.untraced) {
                Ok(Some(event)) => {
                    self.stops += 1;
                    return Ok(Some(event));
                }
                Ok(None) => {}
                // Nothing is left, whatever was known: as where SIGCHLD is ignored.
                Err(Errno::ECHILD) => {
                    self.threads.clear();
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            match tries {
                0..50 => thread::yield_now(),
                50..100 => thread::sleep(Duration::from_micros(20)),
                _ => thread::sleep(Duration::from_micros(500)),
            }
        }
        Ok(None)
    }
}

impl Drop for Tracer {
    /// Nothing stays traced or stopped, whatever happened.
    fn drop(&mut self) {
        drop(self.kill_all());
    }
}

fn comm(pid: i32) -> Arc<str> {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().into()
}

/// A thread that was killed while it was stopped is gone at once. Its end is told later.
fn gone_is_fine(result: nix::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
