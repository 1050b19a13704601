//! Every input that is kept, through its target: the real files, the corpus, and what once failed.

use std::panic;
use std::process::ExitCode;

use fuzz::Target;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let tests = fuzz::targets()
        .into_iter()
        .map(|target| Trial::ignorable_test(target.name, move || replay(&target)))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn replay(target: &Target) -> Result<Completion, Failed> {
    let inputs = [fuzz::seeds(target), fuzz::kept(target)?, fuzz::crashes(target)?].concat();
    let Some(run) = target.run else {
        return Ok(Completion::ignored_with("its decoder is private: only the fuzz build reaches it"));
    };
    assert!(!inputs.is_empty(), "a target without a place to begin");
    for input in &inputs {
        panic::catch_unwind(|| run(input)).map_err(|_| format!("it fails on {}", input.escape_ascii()))?;
    }
    Ok(Completion::Completed)
}
