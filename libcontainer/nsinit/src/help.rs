//! What `--help` and `--version` print.

use std::io::Write;

use libcontainer::oci;

use crate::failure::{Result, usage};

const GLOBAL: &str = "\
Runs OCI bundles.

usage: nsinit [options] command [arguments]

options:
  --root DIR           where containers live (/run/nsinit; $XDG_RUNTIME_DIR/nsinit for ordinary users)
  --log FILE           errors go there too
  --log-format FORMAT  text or json
  --debug              tell what is done
  --version, --help

commands:
";

/// The usage of each command, and what it does.
const COMMANDS: [(&str, &str, &str); 10] = [
    (
        "create",
        "[-b DIR] [--pid-file FILE] [--console-socket PATH] [--no-pivot] [--preserve-fds N] ID",
        "make a container",
    ),
    ("delete", "[-f] ID", "remove a stopped container; with -f kill it first"),
    (
        "exec",
        "[-t] [-d] [-e NAME=VALUE] [-u UID[:GID]] [-g GID] [--cwd DIR] [--cap CAP] [--no-new-privs] [--pid-file FILE] \
         [--console-socket PATH] [--preserve-fds N] ID COMMAND... | --process FILE ID",
        "run another process in a container",
    ),
    ("kill", "ID [SIGNAL]", "send a signal to the container's first process; TERM unless given"),
    ("list", "[-q] [-f table|json]", "list the containers"),
    ("plan", "[-b DIR] [--json]", "print what would be done for a bundle, step by step"),
    (
        "run",
        "[-d] [--keep] [-b DIR] [--pid-file FILE] [--console-socket PATH] [--no-pivot] [--preserve-fds N] ID",
        "make a container, start it, wait for its end and remove it",
    ),
    ("spec", "[-b DIR] [--rootless]", "write a config.json to begin with"),
    ("start", "ID", "start the program of a container that was created"),
    ("state", "ID", "print the state of a container as JSON"),
];

/// Prints the version.
pub(crate) fn version() -> u8 {
    print(&format!("nsinit version {}\nspec: {}\n", env!("CARGO_PKG_VERSION"), oci::VERSION))
}

/// Prints all commands.
pub(crate) fn overview() -> u8 {
    let lines: Vec<_> = COMMANDS.iter().map(|(name, _, what)| format!("  {name:7} {what}\n")).collect();
    let lines = lines.concat();
    print(&format!("{GLOBAL}{lines}\nnsinit COMMAND --help tells a command's options.\n"))
}

/// Prints one command's usage.
pub(crate) fn of(command: &str) -> Result<u8> {
    let known = COMMANDS.iter().find(|(name, ..)| *name == command);
    let (name, arguments, what) =
        known.ok_or_else(|| usage(format_args!("command {command:?}: there is none")))?;
    Ok(print(&format!("usage: nsinit {name} {arguments}\n\n{what}\n")))
}

/// Prints to standard output; a reader that left early is no failure.
fn print(text: &str) -> u8 {
    let _ = std::io::stdout().write_all(text.as_bytes());
    0
}
