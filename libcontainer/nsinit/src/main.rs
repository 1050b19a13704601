//! Runs OCI bundles: the command line of `libcontainer`.

#![forbid(unsafe_code)]

mod args;
mod console;
mod create;
mod delete;
mod exec;
mod failure;
mod foreground;
mod help;
mod kill;
mod list;
mod log;
mod plan;
mod run;
mod spec;
mod start;
mod state;

use std::process::ExitCode;

use args::{Arguments, Global};
use failure::Result;

fn main() -> ExitCode {
    let mut arguments = Arguments::of_this_process();
    let global = match Global::read(&mut arguments) {
        Ok(global) => global,
        Err(failure) => return log::Log::default().failed(&failure),
    };
    match dispatch(&global, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => global.log.failed(&failure),
    }
}

/// Runs the command and returns the exit code.
fn dispatch(global: &Global, mut arguments: Arguments) -> Result<u8> {
    if global.version {
        return Ok(help::version());
    }
    let Some(command) = global.command.as_deref().filter(|_| !global.help) else {
        return Ok(help::overview());
    };
    match command {
        "create" => create::command(global, &mut arguments),
        "delete" => delete::command(global, &mut arguments),
        "exec" => exec::command(global, &mut arguments),
        "help" => Ok(help::overview()),
        "kill" => kill::command(global, &mut arguments),
        "list" => list::command(global, &mut arguments),
        "plan" => plan::command(&mut arguments),
        "run" => run::command(global, &mut arguments),
        "spec" => spec::command(&mut arguments),
        "start" => start::command(global, &mut arguments),
        "state" => state::command(global, &mut arguments),
        other => Err(failure::usage(format_args!("command {other:?}: there is none; see nsinit --help"))),
    }
}
