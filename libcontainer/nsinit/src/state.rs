//! `state`: what is known of a container.

use std::io::Write;

use libcontainer::oci::State;

use crate::args::{Arguments, Global, one};
use crate::failure::{Failure, Result};

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let Some(words) = arguments.words("state")? else { return Ok(0) };
    let container = global.factory()?.load(&one(&words, "state")?)?;
    let text = State::of(&container)?.to_json(true)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write the state", error))?;
    Ok(0)
}
