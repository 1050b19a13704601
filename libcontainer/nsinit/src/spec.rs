//! `spec`: a `config.json` to begin with.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use libcontainer::oci;

use crate::args::Arguments;
use crate::failure::{Failure, Result};
use crate::help;

pub(crate) fn command(arguments: &mut Arguments) -> Result<u8> {
    let (mut bundle, mut rootless) = (PathBuf::new(), false);
    while let Some(argument) = arguments.0.next()? {
        match argument {
            Short('b') | Long("bundle") => bundle = arguments.path()?,
            Long("rootless") => rootless = true,
            Short('h') | Long("help") => return help::of("spec"),
            other => return Err(other.unexpected().into()),
        }
    }
    let path = bundle.join(oci::CONFIG);
    let failed = |error| Failure::io(format_args!("write {path:?}"), error);
    // Somebody's own file is never overwritten.
    let mut file = File::create_new(&path).map_err(failed)?;
    file.write_all(oci::default_spec(rootless).as_bytes()).map_err(failed)?;
    Ok(0)
}
