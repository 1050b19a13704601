//! `plan`: what would be done for a bundle, step by step.

use std::io::Write;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use libcontainer::{Plan, oci};

use crate::args::Arguments;
use crate::failure::Result;
use crate::help;

pub(crate) fn command(arguments: &mut Arguments) -> Result<u8> {
    let (mut bundle, mut json) = (PathBuf::from("."), false);
    while let Some(argument) = arguments.0.next()? {
        match argument {
            Short('b') | Long("bundle") => bundle = arguments.path()?,
            Long("json") => json = true,
            Short('h') | Long("help") => return help::of("plan"),
            other => return Err(other.unexpected().into()),
        }
    }
    let config = oci::load(&bundle)?.config("plan")?;
    let plan = Plan::new(&config)?;
    let plan = if json { plan.to_json() + "\n" } else { plan.to_string() };
    // A reader that left early (`| head`) is no failure.
    let _ = std::io::stdout().write_all(plan.as_bytes());
    Ok(0)
}
