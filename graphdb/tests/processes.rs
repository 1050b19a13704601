//! Several processes on one file, processes that are killed, and users who may only read.

#[path = "scratch/mod.rs"]
mod scratch;

use std::env;
use std::error::Error;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use graphdb::{Database, ErrorKind};
use grounds::{Outcome, tests};
use rusqlite::Connection;
use scratch::Scratch;

/// Names the part that a process started by a test plays: `writer FILE PREFIX COUNT` and so on.
const PART: &str = "GRAPHDB_TEST_PART";

fn main() -> ExitCode {
    if let Ok(part) = env::var(PART) {
        return match play(&part.split(' ').collect::<Vec<_>>()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    grounds::run(tests![
        processes_write_at_the_same_time,
        many_processes_make_the_same_file,
        a_killed_process_leaves_no_half_of_a_set,
        depth_needs_no_descriptors,
        a_file_that_may_only_be_read_is_read,
        a_directory_that_may_not_be_written_is_told,
    ])
}

fn play(part: &[&str]) -> Result<(), Box<dyn Error>> {
    match part {
        ["writer", file, prefix, count] => {
            let db = Database::open(file)?;
            db.set(format!("/{prefix}"), prefix)?;
            for number in 0..count.parse()? {
                let (new, name) = (format!("/{prefix}/{number}.new"), format!("/{prefix}/{number}"));
                db.set(&new, &name)?;
                // Reads before it writes: the kind of change that failed.
                db.rename(&new, &name)?;
                if db.get(&name)?.is_none() {
                    return Err("what was set is not there".into());
                }
                println!("{number}");
            }
            Ok(())
        }
        ["walker", file, count] => {
            let found = Database::open(file)?.list("/", -1)?.len();
            if found == count.parse()? { Ok(()) } else { Err(format!("found {found}").into()) }
        }
        other => Err(format!("no such part: {other:?}").into()),
    }
}

/// The second of two Dockers failed with "database is locked", in the later ones in spite of a busy
/// timeout: a transaction that has read can't wait to write.
fn processes_write_at_the_same_time() -> Outcome {
    let scratch = Scratch::new();
    let file = scratch.file("links.db");
    let mut writers = Vec::new();
    for prefix in ["a", "b", "c"] {
        let part = format!("writer {} {prefix} 60", file.display());
        writers.push(Command::new(env::current_exe()?).env(PART, part).stdout(Stdio::null()).spawn()?);
    }
    for mut writer in writers {
        assert!(writer.wait()?.success());
    }
    assert_eq!(Database::open(&file)?.children("/", -1)?.len(), 3 * 61);
    Ok(())
}

fn many_processes_make_the_same_file() -> Outcome {
    let scratch = Scratch::new();
    let file = scratch.file("links.db");
    let mut openers = Vec::new();
    for _ in 0..8 {
        openers.push(
            Command::new(env::current_exe()?).env(PART, format!("walker {} 0", file.display())).spawn()?,
        );
    }
    for mut opener in openers {
        assert!(opener.wait()?.success());
    }
    assert_eq!(Database::open(&file)?.refs("0")?, 1);
    Ok(())
}

fn a_killed_process_leaves_no_half_of_a_set() -> Outcome {
    let scratch = Scratch::new();
    for round in 1..=5 {
        let file = scratch.file(format!("{round}.db"));
        let part = format!("writer {} n 1000000", file.display());
        let mut writer = Command::new(env::current_exe()?).env(PART, part).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(writer.stdout.take().expect("piped")).lines();
        let seen = lines.take(round * 7).collect::<Result<Vec<_>, _>>();
        writer.kill()?;
        writer.wait()?;
        let seen = seen?.len();
        assert_eq!(seen, round * 7);

        let db = Database::open(&file)?;
        let found = db.children("/", -1)?.len();
        assert!(found >= seen, "{found} of {seen}");
        assert_eq!(count(&file, "SELECT count(*) FROM entity")?, found + 1);
        assert_eq!(count(&file, "SELECT count(*) FROM edge")?, found + 1);
    }
    Ok(())
}

/// 2014 held a connection and a cursor for each level: a chain of 100 with 64 descriptors was empty.
fn depth_needs_no_descriptors() -> Outcome {
    let scratch = Scratch::new();
    let file = scratch.file("links.db");
    Database::open(&file)?;
    let chain = "PRAGMA foreign_keys = OFF;
        WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
        INSERT INTO edge (parent_id, name, entity_id) SELECT n - 1, 'n', n FROM number";
    Connection::open(&file)?.execute_batch(chain)?;
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 16 && exec \"$0\""])
        .arg(env::current_exe()?)
        .env(PART, format!("walker {} 1000", file.display()))
        .status()?;
    assert!(status.success(), "{status}");
    Ok(())
}

fn a_file_that_may_only_be_read_is_read() -> Outcome {
    grounds::ordinary_user()?;
    let scratch = Scratch::new();
    let file = scratch.file("links.db");
    Database::open(&file)?.set("/a", "1")?;
    fs::set_permissions(&file, Permissions::from_mode(0o444))?;
    let db = Database::open(&file)?;
    assert!(db.exists("/a")?);
    assert_eq!(db.set("/b", "2").unwrap_err().kind(), ErrorKind::ReadOnly);

    let empty = scratch.file("empty.db");
    fs::write(&empty, "")?;
    fs::set_permissions(&empty, Permissions::from_mode(0o444))?;
    assert_eq!(Database::open(&empty).unwrap_err().kind(), ErrorKind::ReadOnly);
    Ok(())
}

fn a_directory_that_may_not_be_written_is_told() -> Outcome {
    grounds::ordinary_user()?;
    let scratch = Scratch::new();
    let dir = scratch.file("dir");
    fs::create_dir(&dir)?;
    fs::set_permissions(&dir, Permissions::from_mode(0o555))?;
    let error = Database::open(dir.join("links.db")).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Io, Some(13)), "{error}");
    Ok(())
}

fn count(file: &Path, sql: &str) -> rusqlite::Result<usize> {
    let count: u32 = Connection::open(file)?.query_row(sql, [], |row| row.get(0))?;
    Ok(count as usize)
}
