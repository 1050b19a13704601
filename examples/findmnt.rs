//! The tree of mounts: `cargo run --example findmnt [PATH | PID]`.
//!
//! Without an argument all mounts that this program sees; with a path the mounts at and below it; with a
//! number those that another process sees. Mounts that no path leads to, because another one covers them,
//! are marked as hidden.

use std::ffi::OsStr;
use std::path::Path;
use std::{env, error, fs, process};

use mount::{Node, Table};

fn main() -> process::ExitCode {
    match run() {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("findmnt: {error}");
            process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn error::Error>> {
    let Some(argument) = env::args_os().nth(1) else {
        let table = Table::read()?;
        show(&table, table.tree());
        return Ok(());
    };
    if let Some(pid) = argument.to_str().and_then(|text| text.parse().ok()) {
        let table = Table::of_pid(pid)?;
        show(&table, table.tree());
        return Ok(());
    }
    let path = fs::canonicalize(&argument).map_err(|error| format!("{argument:?}: {error}"))?;
    let table = Table::read()?;
    let mount = table.mount_of(&path).ok_or_else(|| format!("{path:?}: no mount to be seen"))?;
    show(&table, table.descendants(mount.id()));
    Ok(())
}

fn show<'a>(table: &Table, nodes: impl Iterator<Item = Node<'a>>) {
    let mut rows = vec![["TARGET", "SOURCE", "FSTYPE", "OPTIONS"].map(str::to_owned)];
    rows.extend(with_branches(nodes).map(|(branches, node)| row(table, &branches, &node)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    for [target, source, fs_type, options] in &rows {
        let [a, b, c] = widths;
        println!("{target:a$} {source:b$} {fs_type:c$} {options}");
    }
}

/// Draws the branches that lead to each mount: whether there is more to come at each depth.
fn with_branches<'a>(nodes: impl Iterator<Item = Node<'a>>) -> impl Iterator<Item = (String, Node<'a>)> {
    let mut last_at: Vec<bool> = Vec::new();
    nodes.map(move |node| {
        last_at.truncate(node.depth);
        let above = last_at.iter().skip(1).map(|&last| if last { "  " } else { "│ " });
        let own = if node.depth == 0 {
            ""
        } else if node.is_last {
            "└─"
        } else {
            "├─"
        };
        let branches = above.chain([own]).collect();
        last_at.push(node.is_last);
        (branches, node)
    })
}

fn row(table: &Table, branches: &str, node: &Node<'_>) -> [String; 4] {
    let mount = &node.entry;
    let hidden = if table.is_hidden(mount.id()) { " (hidden)" } else { "" };
    let target = format!("{branches}{}{hidden}", printable(mount.mount_point().as_os_str()));
    let mut source = printable(&mount.source());
    if *mount.root() != *Path::new("/") {
        source = format!("{source}[{}]", printable(mount.root().as_os_str()));
    }
    let options = printable(&mount.options());
    [target, source, printable(&mount.fs_type()), options]
}

/// Escapes what would disturb a terminal: anybody may name a directory.
fn printable(text: &OsStr) -> String {
    text.to_string_lossy().chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
