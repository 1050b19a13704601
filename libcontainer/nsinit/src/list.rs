//! `list`: the containers.

use std::io::Write;

use lexopt::Arg::{Long, Short};
use libcontainer::oci::{State, timestamp};
use nix::unistd::{Uid, User};

use crate::args::{Arguments, Global};
use crate::failure::{Failure, Result, usage};
use crate::help;

/// The columns of the table are as wide as this at least, and so far apart.
const WIDTH: usize = 12;
const GAP: usize = 3;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let (mut quiet, mut json) = (false, false);
    while let Some(argument) = arguments.0.next()? {
        match argument {
            Short('q') | Long("quiet") => quiet = true,
            Short('f') | Long("format") => {
                json = match arguments.text()?.as_str() {
                    "table" => false,
                    "json" => true,
                    other => return Err(usage(format_args!("list format {other:?}: must be table or json"))),
                }
            }
            Short('h') | Long("help") => return help::of("list"),
            other => return Err(other.unexpected().into()),
        }
    }
    let factory = global.factory()?;
    let ids = factory.list()?;
    let text = if quiet {
        ids.iter().flat_map(|id| [id, "\n"]).collect()
    } else {
        // One that can't be read is told of, and doesn't hide the others.
        let state = |id: &String| match factory.load(id).and_then(|container| State::of(&container)) {
            Ok(mut state) => {
                state.owner = owner(factory.root().join(id));
                Some(state)
            }
            Err(error) => {
                global.log.error(&format!("list {id:?}: {error}"));
                None
            }
        };
        let states: Vec<State> = ids.iter().filter_map(state).collect();
        if json { array(&states)? } else { table(&states) }
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write the list", error))?;
    Ok(0)
}

/// Returns the name of a folder's owner, or the number after `#`.
fn owner(folder: impl AsRef<std::path::Path>) -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(folder) else { return String::new() };
    let known = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
    known.map_or_else(|| format!("#{}", metadata.uid()), |user| user.name)
}

fn array(states: &[State]) -> Result<String> {
    let objects =
        states.iter().map(|state| state.to_json(false)).collect::<libcontainer::Result<Vec<_>>>()?;
    Ok(format!("[{}]", objects.join(",")))
}

fn table(states: &[State]) -> String {
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    rows.extend(states.iter().map(|state| {
        let bundle = state.bundle.display().to_string();
        let (pid, created) = (state.pid.to_string(), timestamp(state.created));
        [state.id.clone(), pid, state.status.clone(), bundle, created, state.owner.clone()]
    }));
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count() + GAP).max().unwrap_or(0).max(WIDTH)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<String>() + &row[5] + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_has_its_header() {
        assert_eq!(table(&[]), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    }
}
