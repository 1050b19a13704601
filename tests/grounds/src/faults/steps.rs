//! SIGKILL at a system call of one's choice.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::process::Command;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use super::tracer::{self, Run};

/// Which system call of a command's tree of processes.
///
/// It is the same in each run as far as the program is: births in one process have an order, those in
/// two that run at the same time have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The process: 0 is the command, then in order of birth.
    pub process: usize,
    /// The thread of that process: 0 is its first, then in order of birth.
    pub thread: usize,
    /// How many system calls that thread has entered before.
    pub index: usize,
}

impl From<(usize, usize)> for Place {
    /// The nth system call of a process's first thread.
    fn from((process, index): (usize, usize)) -> Place {
        Place { process, thread: 0, index }
    }
}

impl From<&Step> for Place {
    fn from(step: &Step) -> Place {
        step.place
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { process, thread, index } = self;
        match thread {
            0 => write!(f, "{process}:{index}"),
            _ => write!(f, "{process}.{thread}:{index}"),
        }
    }
}

/// A system call that was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which one it was.
    pub place: Place,
    /// Its number.
    pub number: u64,
    /// Its name; the number where it has none that is known here.
    pub name: Cow<'static, str>,
    /// The name of the process's program (`comm`).
    pub comm: Arc<str>,
}

impl fmt::Display for Step {
    /// As in `2:17 mount (sh)`: process 2, 17 system calls before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.place, self.name, self.comm)
    }
}

/// The system calls that a command's tree of processes entered, or a choice of them.
#[derive(Debug, Clone)]
pub struct Steps {
    steps: Vec<Step>,
    run: Arc<Run>,
}

impl Steps {
    /// Runs a command to its end, and records every system call of all that comes of it.
    ///
    /// The first one is the first after the command's exec. Standard output and error are read, and
    /// inherited by later runs of the command: what was set before is lost.
    ///
    /// The command is spawned by a thread that this thread makes, with its namespaces and limits.
    ///
    /// # Errors
    ///
    /// The command can't be started or traced; or this thread has left its PID namespace for a new one,
    /// and so can't make threads any more. That it reached the limit is told by [`Run::hung`].
    pub fn record(command: &mut Command, limit: Duration) -> io::Result<Steps> {
        let mut steps = Vec::new();
        let mut note = |when, step: &Step| {
            if when == When::Before {
                steps.push(step.clone());
            }
            false
        };
        let run = tracer::trace(command, limit, &mut note)?;
        Ok(Steps { steps, run: Arc::new(run) })
    }

    /// Returns how the recorded run went.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Chooses those of one process.
    #[must_use]
    pub fn of_process(&self, process: usize) -> Steps {
        self.choose(|step| step.place.process == process)
    }

    /// Chooses those with these names.
    #[must_use]
    pub fn named(&self, names: &[&str]) -> Steps {
        self.choose(|step| names.contains(&&*step.name))
    }

    /// Chooses each `k`th, from the first on.
    ///
    /// # Panics
    ///
    /// If `k` is 0.
    #[must_use]
    pub fn every(&self, k: usize) -> Steps {
        Steps { steps: self.steps.iter().step_by(k).cloned().collect(), run: Arc::clone(&self.run) }
    }

    /// Chooses by any rule.
    #[must_use]
    pub fn choose(&self, rule: impl Fn(&Step) -> bool) -> Steps {
        let steps = self.steps.iter().filter(|step| rule(step)).cloned().collect();
        Steps { steps, run: Arc::clone(&self.run) }
    }

    /// Returns them in the order in which they were entered.
    pub fn iter(&self) -> slice::Iter<'_, Step> {
        self.steps.iter()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl<'a> IntoIterator for &'a Steps {
    type Item = &'a Step;
    type IntoIter = slice::Iter<'a, Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// On which side of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It has not happened, and won't.
    Before,
    /// It has happened, and nothing after it.
    After,
}

/// How a run went in which a process was to be killed.
#[derive(Debug)]
pub struct Killed {
    /// The system call at which it was killed; none where it was not reached.
    pub step: Option<Step>,
    /// How the command itself ended, and what it printed.
    pub run: Run,
}

/// Runs a command, and kills one process of its tree at a system call.
///
/// All others run on. When the command itself has ended, what is left of its tree is let go, and named
/// in [`Run::left`].
///
/// # Errors
///
/// The command can't be started or traced. That the step was not reached is told by [`Killed::step`],
/// that the limit was by [`Run::hung`].
pub fn kill_at(
    command: &mut Command,
    place: impl Into<Place>,
    when: When,
    limit: Duration,
) -> io::Result<Killed> {
    let place = place.into();
    kill_first(command, |step| step.place == place, when, limit)
}

/// Does as [`kill_at`] does, at the first system call that a rule chooses.
///
/// For programs whose threads race: there a name is the same in each run, and a number is not.
///
/// # Errors
///
/// As [`kill_at`].
pub fn kill_first(
    command: &mut Command,
    mut rule: impl FnMut(&Step) -> bool + Send,
    when: When,
    limit: Duration,
) -> io::Result<Killed> {
    let mut step = None;
    let mut kill = |at, reached: &Step| {
        let here = step.is_none() && at == when && rule(reached);
        if here {
            step = Some(reached.clone());
        }
        here
    };
    let run = tracer::trace(command, limit, &mut kill)?;
    Ok(Killed { step, run })
}
