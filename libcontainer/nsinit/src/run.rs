//! `run`: a container from its beginning to its end.

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use crate::args::{Arguments, Global};
use crate::create::{Made, Options, Shared};
use crate::failure::Result;
use crate::foreground::Signals;
use crate::help;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let mut options = Options::default();
    while let Some(argument) = arguments.0.next()? {
        if let Some(option) = Shared::of(&argument) {
            options.set(option, arguments)?;
            continue;
        }
        match argument {
            Short('d') | Long("detach") => options.detach = true,
            Long("keep") => options.keep = true,
            Short('h') | Long("help") => return help::of("run"),
            Value(word) => options.words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.detach {
        let mut made = Made::new(global, options)?;
        made.container().start()?;
        made.keep();
        return Ok(0);
    }

    let signals = Signals::keep()?;
    let keep = options.keep;
    let mut made = Made::new(global, options)?;
    made.container().start()?;
    let (container, terminal) = made.parts();
    let code = signals.attend(container, terminal)?;
    if keep {
        made.close()?;
    } else {
        made.delete(&global.log)?;
    }
    Ok(code)
}
