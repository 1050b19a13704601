//! Runs programs and tests on a chosen ground.

mod batch;
mod fuzz;
mod ground;
mod guest;
mod looks;
mod results;
mod running;
mod warden;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, thread};

use lexopt::prelude::*;

use ground::Ground;
use guest::Task;
use results::Row;
use running::{Ended, Running};

/// The exit code for a ground that this machine or user can't give.
const MISSING: u8 = 3;

const USAGE: &str = "\
Runs programs and tests on a chosen ground.

  cargo grounds                                   lists the grounds, and which can be had here
  cargo grounds run GROUND -- PROGRAM [ARGUMENT…]
        --limit SECONDS   ends it after that time (300)
        --write FOLDER    lets it write there through to the host (guests only)
  cargo grounds test --in GROUND[,GROUND…] [--where-possible] [-p CRATE…] [--test NAME…]
                     [--features FEATURES] [-- ARGUMENT…]
        the workspace's tests; the table also goes to target/grounds/table.md
        --where-possible  a ground that can't be had is told, and no failure
        --test            only these test programs
        --features        builds them with these: `a,b`, `all`, and as cargo has it `CRATE/FEATURE`
        GROUND may be `all`, `guests`, `refuse:each`, `refuse:CALL[=ERRNO][+CALL…]`
        ARGUMENTs go to every test program: names of tests, --test-threads
  cargo grounds fuzz [--for TIME] [TARGET…]       feeds the parsers
  cargo grounds kernel [SOURCE]                   builds the kernel of the guests into the cache
  cargo grounds kernel --old                      fetches that of the ground `old`
";

fn main() -> ExitCode {
    if let Some(code) = guest::role() {
        return code;
    }
    let outcome = dispatch(lexopt::Parser::from_env());
    outcome.unwrap_or_else(|error| {
        eprintln!("grounds: {error}");
        ExitCode::from(2)
    })
}

fn dispatch(mut parser: lexopt::Parser) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Some(argument) = parser.next()? else {
        list();
        return Ok(ExitCode::SUCCESS);
    };
    match argument {
        Long("help") | Short('h') => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Value(word) => match word.to_str() {
            Some("run") => run(&mut parser),
            Some("test") => test(&mut parser),
            Some("fuzz") => Ok(fuzz::fuzz(parser.raw_args()?.collect())?),
            Some("kernel") => {
                let source = parser.raw_args()?.next();
                let kernel = match source.as_deref() {
                    Some(word) if word == "--old" => guest::fetch()?,
                    source => guest::build(source.map(Path::new))?,
                };
                println!("{}", kernel.display());
                Ok(ExitCode::SUCCESS)
            }
            // Roles of this program on a ground.
            Some("batch") => {
                batch::start_each(&parser.raw_args()?.collect::<Vec<_>>())?;
                Ok(ExitCode::SUCCESS)
            }
            Some("inside") => {
                let words: Vec<OsString> = parser.raw_args()?.collect();
                let (ground, argv) = words.split_first().ok_or("no ground")?;
                let ground = one_ground(&ground.to_string_lossy())?;
                Err(looks::become_task(&ground, argv).into())
            }
            _ => Err(format!("no command {word:?}; --help lists them").into()),
        },
        other => Err(other.unexpected().into()),
    }
}

/// Where this program is. Cargo replaces it by another of the same, where it builds the tests meanwhile.
pub(crate) fn this_program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let kept = path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(kept.unwrap_or(path))
}

fn list() {
    for (ground, about) in Ground::list() {
        let missing = ground.missing().map(|reason| format!("\n{:20} can't be had here: {reason}", ""));
        println!("{:20} {about}{}", ground.to_string(), missing.unwrap_or_default());
    }
    println!("{:20} system calls that fail as on an older kernel: names, `all`, `each`", "refuse:CALL+…");
}

fn run(parser: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (mut limit, mut writable, mut words) = (300, Vec::new(), Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("limit") => limit = parser.value()?.parse()?,
            Long("write") => writable.push(fs::canonicalize(parser.value()?)?),
            Value(word) => {
                words.push(word);
                // From the program on, everything is its own.
                if words.len() == 2 {
                    words.extend(parser.raw_args()?);
                }
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let (ground, argv) = words.split_first().ok_or("run GROUND -- PROGRAM [ARGUMENT…]")?;
    let ground = one_ground(&ground.to_string_lossy())?;
    if let Some(reason) = ground.missing() {
        eprintln!("grounds: {ground} can't be had here: {reason}");
        return Ok(ExitCode::from(MISSING));
    }
    let task =
        Task { argv: argv.to_vec(), cwd: env::current_dir()?, env: env::vars_os().collect(), writable };
    let running = ground.start(&task, Duration::from_secs(limit))?;
    match pass_on(running)? {
        Ended::Code(code) => Ok(ExitCode::from(code as u8)),
        Ended::Broken(why) => {
            eprintln!("grounds: {ground}: {why}");
            Ok(ExitCode::from(125))
        }
    }
}

fn one_ground(word: &str) -> Result<Ground, String> {
    match Ground::parse(word)?.as_slice() {
        [ground] => Ok(ground.clone()),
        _ => Err(format!("{word:?} is more than one ground")),
    }
}

/// Passes the output on as it comes.
fn pass_on(mut running: Running) -> Result<Ended, Box<dyn std::error::Error>> {
    let stderr = running.stderr.take();
    let errors = thread::spawn(move || stderr.map(|mut stderr| io::copy(&mut stderr, &mut io::stderr())));
    if let Some(mut stdout) = running.stdout.take() {
        io::copy(&mut stdout, &mut io::stdout().lock())?;
        io::stdout().flush()?;
    }
    let ended = running.wait();
    drop(errors.join());
    Ok(ended?)
}

fn test(parser: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (mut grounds, mut crates, mut targets, mut filters) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut where_possible, mut features) = (false, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("in") => {
                for word in parser.value()?.to_string_lossy().split(',') {
                    // Of a whole class, those that can be had.
                    where_possible |= ["all", "guests", "refuse:each"].contains(&word);
                    grounds.extend(Ground::parse(word)?);
                }
            }
            Long("where-possible") => where_possible = true,
            Short('F') | Long("features") => features = Some(parser.value()?.string()?),
            Short('p') | Long("package") => crates.push(parser.value()?.string()?),
            Long("test") => targets.push(parser.value()?.string()?),
            Value(word) => filters.push(word),
            other => return Err(other.unexpected().into()),
        }
    }
    if grounds.is_empty() {
        grounds.push(Ground::Here);
    }
    let programs = batch::build(&crates, &targets, features.as_deref())?;
    let folder = batch::folder()?;
    let mut rows: Vec<Row> = Vec::new();
    let mut all_well = true;
    for ground in grounds {
        let name = ground.to_string();
        if let Some(reason) = ground.missing() {
            println!("NOT RUN: {name}: {reason}");
            rows.push((name, Err(reason)));
            all_well &= where_possible;
            continue;
        }
        let log = folder.join(format!("{}.log", name.replace([':', '+', '='], "-")));
        let counts = batch::run(&ground, &programs, &filters, &log, &mut |program, outcome| {
            let seconds = outcome.took.as_secs_f32();
            println!("{name}: {} {}: {} ({seconds:.1} s)", program.package, program.name, outcome.in_words());
            if !outcome.said.is_empty() {
                println!("{}", outcome.said);
            }
        });
        let total = counts.total();
        println!("{name}: {}", total.in_words());
        if total.passed == 0 {
            println!("{name}: no test has passed: is there one of that name?");
        }
        all_well &= total.failed.is_empty() && total.passed > 0;
        rows.push((name, Ok(counts)));
    }
    let table = results::table(&rows);
    let file = folder.join("table.md");
    fs::write(&file, &table)?;
    println!("\n{table}");
    if io::stdout().is_terminal() {
        println!("Also in {}; what the programs wrote is beside it.", file.display());
    }
    Ok(ExitCode::from(u8::from(!all_well)))
}
