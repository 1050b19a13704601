//! `kill`: a signal for a container.

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use libcontainer::{ErrorKind, Status};
use nix::libc::SIGKILL;
use nix::sys::signal::Signal;

use crate::args::{Arguments, Global};
use crate::failure::{Failure, Result, usage};
use crate::help;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let (mut words, mut all) = (Vec::new(), false);
    while let Some(argument) = arguments.0.next()? {
        match argument {
            Short('a') | Long("all") => all = true,
            Short('h') | Long("help") => return help::of("kill"),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let (id, signal) = match words.as_slice() {
        [id] => (id, "TERM"),
        [id, signal] => (id, signal.as_str()),
        _ => return Err(usage("kill: needs a container id and perhaps a signal")),
    };
    let signal = parse(signal)?;
    let container = global.factory()?.load(id)?;
    let not_running = || Failure::new(format_args!("kill {id:?}: container not running"));
    if container.status()? == Status::Stopped {
        return Err(not_running());
    }
    match container.signal(signal) {
        Err(error) if error.kind() == ErrorKind::InvalidState => return Err(not_running()),
        sent => sent?,
    }
    // Without a PID namespace of their own the others would live on.
    if all
        && signal == SIGKILL
        && let Some(cgroup) = container.cgroup()
    {
        cgroup.kill().map_err(Failure::new)?;
    }
    Ok(0)
}

/// Reads a signal: `9`, `KILL`, `SIGKILL`, `RTMIN+1`.
fn parse(text: &str) -> Result<i32> {
    let wrong = || usage(format_args!("signal {text:?}: there is no such signal"));
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=64).contains(&number) { Ok(number) } else { Err(wrong()) };
    }
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    // The C library keeps the first two for itself: its SIGRTMIN is 34.
    let (first, sign, offset) = match (bare.strip_prefix("RTMIN"), bare.strip_prefix("RTMAX")) {
        (Some(offset), _) => (34, '+', offset),
        (_, Some(offset)) => (64, '-', offset),
        _ => return format!("SIG{bare}").parse::<Signal>().map(|signal| signal as i32).map_err(|_| wrong()),
    };
    let offset = match offset.strip_prefix(sign) {
        Some(offset) => offset.parse::<i32>().ok(),
        None => offset.is_empty().then_some(0),
    };
    let number = offset.filter(|offset| (0..=30).contains(offset));
    number.map(|offset| if sign == '+' { first + offset } else { first - offset }).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("term", 15),
            ("usr1", 10),
            ("SIGRTMIN", 34),
            ("RTMIN+1", 35),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for text in ["", "SIG", "NOPE", "65", "-1", "RTMIN-1", "RTMIN+31", "9x"] {
            assert!(parse(text).unwrap_err().text.contains("no such signal"), "{text}");
        }
    }
}
