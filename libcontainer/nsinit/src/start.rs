//! `start`: the program of a container that was created.

use crate::args::{Arguments, Global, one};
use crate::failure::Result;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let Some(words) = arguments.words("start")? else { return Ok(0) };
    global.factory()?.load(&one(&words, "start")?)?.start()?;
    Ok(0)
}
