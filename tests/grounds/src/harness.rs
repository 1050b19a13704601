//! Runs the tests of a program, each in a process of its own.

use std::collections::BTreeSet;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::ask::{self, Outcome, Stop};
use crate::keeper::{self, Role};
use crate::leaks::Machine;

/// A test: its name, and the function that it is.
pub struct Test {
    name: String,
    body: Box<dyn FnOnce() -> Outcome + Send>,
}

/// What a test's function may return: nothing, or a result with an error that stops it.
pub trait Verdict {
    /// Returns the outcome.
    ///
    /// # Errors
    ///
    /// Where the function returned one.
    fn outcome(self) -> Outcome;
}

impl Verdict for () {
    fn outcome(self) -> Outcome {
        Ok(())
    }
}

impl<E: Into<Stop>> Verdict for Result<(), E> {
    fn outcome(self) -> Outcome {
        self.map_err(Into::into)
    }
}

/// Makes a test of a function; it runs on a thread of its own, whose namespaces it may change.
pub fn test<V: Verdict + 'static>(name: &str, body: fn() -> V) -> Test {
    Test { name: name.to_owned(), body: Box::new(move || body().outcome()) }
}

/// Makes the list of tests of these functions, each under its own name.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => { vec![$($crate::test(stringify!($name), $name)),*] };
}

/// Runs the tests as whoever calls.
///
/// Call it in `main`, and last: each test is this program started again.
pub fn run(tests: Vec<Test>) -> ExitCode {
    run_after(|| {}, tests)
}

/// Runs the tests as root; an ordinary user becomes root of a new user namespace first.
pub fn run_as_root(tests: Vec<Test>) -> ExitCode {
    run_after(ask::become_root, tests)
}

fn run_after(prepare: fn(), tests: Vec<Test>) -> ExitCode {
    let names: BTreeSet<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names.len(), tests.len(), "two tests of one name");
    match Role::of_this_process() {
        Role::Runner => run_all(tests),
        Role::Keeper(name) => keeper::keeper(&name),
        Role::Subject(name) => match tests.into_iter().find(|test| test.name == name) {
            Some(test) => {
                // Before there is a second thread: a process with threads can't enter a user namespace.
                prepare();
                keeper::subject(test.body)
            }
            None => ExitCode::FAILURE,
        },
    }
}

fn run_all(tests: Vec<Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let show = arguments.nocapture;
    let before = Machine::now();
    let trials = tests.into_iter().map(|Test { name, .. }| {
        Trial::ignorable_test(name.clone(), move || match keeper::keep(&name, show) {
            Ok(()) => Ok(Completion::Completed),
            Err(Stop::Ignored(reason)) => Ok(Completion::ignored_with(reason.trim())),
            Err(Stop::Failed(why)) => Err(Failed::from(why)),
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Tests run side by side: what they leave on the machine can only be told of all of them.
    let left = before.left();
    if left.is_empty() {
        return conclusion.exit_code();
    }
    println!("test result: FAILED. {left} (by one of the tests above; run them one by one to see by which)");
    ExitCode::from(101)
}
