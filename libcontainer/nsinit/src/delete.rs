//! `delete`: the end of a container.

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use libcontainer::{ErrorKind, Status};

use crate::args::{Arguments, Global, one};
use crate::failure::{Failure, Result};
use crate::help;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let (mut words, mut force) = (Vec::new(), false);
    while let Some(argument) = arguments.0.next()? {
        match argument {
            Short('f') | Long("force") => force = true,
            Short('h') | Long("help") => return help::of("delete"),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let id = one(&words, "delete")?;
    let container = match global.factory()?.load(&id) {
        // What is gone is deleted.
        Err(error) if force && error.kind() == ErrorKind::NotFound => return Ok(0),
        loaded => loaded?,
    };
    let status = container.status()?;
    // One that was never started has nothing to lose.
    if !force && !matches!(status, Status::Stopped | Status::Created) {
        return Err(Failure::new(format_args!(
            "delete {id:?}: container is {status}; stop it first, or use --force"
        )));
    }
    global.log.hooks(container.delete())?;
    Ok(0)
}
