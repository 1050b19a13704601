//! Programs of this workspace as a user runs them.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};

use grounds::{Outcome, Stop, ignored};

/// Finds an example that cargo has built: `cargo test --workspace` builds them all. Where the tests run
/// somewhere else than they were built, `EXAMPLES` says where the examples are.
///
/// # Errors
///
/// Ignored, where it was not built.
pub(crate) fn example(name: &str) -> Result<Command, Stop> {
    let built = || Some(env::current_exe().ok()?.parent()?.parent()?.join("examples"));
    let path = env::var_os("EXAMPLES").map(PathBuf::from).or_else(built).unwrap_or_default().join(name);
    if path.exists() {
        Ok(Command::new(path))
    } else {
        Err(ignored(format!("not built: {}", path.display())))
    }
}

/// Runs a program and returns what it printed.
///
/// # Errors
///
/// Failed, where it ended with another code than 0.
pub(crate) fn printed(command: &mut Command) -> Result<String, Stop> {
    let Output { status, stdout, stderr } = command.output()?;
    if !status.success() {
        return Err(Stop::Failed(format!("{status}: {}", String::from_utf8_lossy(&stderr))));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Checks that a text has a part.
///
/// # Errors
///
/// Failed, with the whole text.
pub(crate) fn contains(text: &str, part: &str) -> Outcome {
    if text.contains(part) { Ok(()) } else { Err(Stop::Failed(format!("{part:?} is not in:\n{text}"))) }
}
