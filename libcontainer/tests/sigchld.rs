//! Programs that do with SIGCHLD what a library can't forbid.

// signal(2) changes what this process does, which is what is tested.
#![allow(unsafe_code)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use grounds::{Outcome, tests};
use libcontainer::{Container, ExitStatus, Io};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::waitpid;

mod shell;

use shell::{Shell, kernel_keeps_it};

#[track_caller]
fn is_told(status: ExitStatus, code: i32) {
    let wanted = ExitStatus::Exited(code);
    assert!(status == wanted || (!kernel_keeps_it() && status == ExitStatus::Unknown), "{status}");
}

fn codes_are_told() -> Outcome {
    for code in [0, 3, 200] {
        let (said, status) = Shell::new(&format!("echo ran; exit {code}"))?.run()?;
        assert_eq!(said, "ran\n");
        is_told(status, code);
    }
    let sleeper = Shell::program(&["sleep", "100"])?;
    let mut container = Container::run(&sleeper.config, Io::default())?;
    container.signal(libc::SIGKILL)?;
    let status = container.wait()?;
    assert!(status == ExitStatus::Signaled(9) || !kernel_keeps_it(), "{status}");
    let missing = Container::run(&Shell::program(&["/no/such/program"])?.config, Io::default()).unwrap_err();
    assert_eq!(missing.kind(), libcontainer::ErrorKind::Exec);
    drop(Container::create(&Shell::program(&["sleep", "100"])?.config, Io::default())?);

    let sleeper = Shell::program(&["sleep", "100"])?;
    let container = Container::run(&sleeper.config, Io::default())?;
    let mut process = container.config().process.clone();
    process.args = ["sh", "-c", "exit 6"].map(str::to_owned).to_vec();
    let mut child = container.exec(&process, Io::default())?;
    is_told(child.wait()?, 6);
    is_told(child.wait()?, 6);
    Ok(())
}

fn a_program_that_ignores_it_is_told_the_exit_codes() -> Outcome {
    // SAFETY: no handler: the signal is ignored.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    let done = codes_are_told();
    // SAFETY: no handler: the default.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    done
}

fn a_program_that_waits_for_every_child_is_told_them_too() -> Outcome {
    static OVER: AtomicBool = AtomicBool::new(false);
    let waiter = thread::spawn(|| {
        while !OVER.load(Ordering::Relaxed) {
            if waitpid(None, None).is_err() {
                thread::yield_now();
            }
        }
    });
    let mut done = Ok(());
    for _ in 0..8 {
        done = done.and_then(|()| codes_are_told());
    }
    OVER.store(true, Ordering::Relaxed);
    waiter.join().expect("no panic");
    done
}

fn main() -> ExitCode {
    grounds::run(tests![
        a_program_that_ignores_it_is_told_the_exit_codes,
        a_program_that_waits_for_every_child_is_told_them_too,
    ])
}
