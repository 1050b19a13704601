//! The old kernel, as whoever runs `grounds run old` sees it.
//!
//! A boot takes ten seconds, so that each test asks for much.

mod command;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use command::{BROKEN, ground, is_had, output, processes_with, text};
use grounds::{Outcome, Stop, tests};

fn main() -> ExitCode {
    grounds::run(tests![
        the_kernel_is_old_and_has_every_controller,
        what_is_asked_for_is_loaded_from_modules,
        no_byte_is_lost_or_changed,
        only_what_was_shared_is_written_to_the_host,
        a_kernel_panic_is_told,
        nothing_stays_when_the_command_is_killed,
        what_is_missing_is_told,
    ])
}

fn the_kernel_is_old_and_has_every_controller() -> Outcome {
    let script = "uname -r; pwd; cat /sys/fs/cgroup/cgroup.subtree_control; echo to stderr >&2; exit 7";
    let output = output(&mut old(&[], script))?;
    let [release, folder, controllers] = lines(&output)[..] else { panic!("{output:?}") };
    assert!(release.starts_with("5.10."), "{release}");
    assert_eq!(Path::new(folder), env::current_dir()?);
    let missing = |name: &&&str| !controllers.split(' ').any(|found| found == **name);
    assert_eq!(["cpuset", "cpu", "io", "memory", "pids"].iter().find(missing), None, "{controllers}");
    assert_eq!(text(&output.stderr), "to stderr\n");
    assert_eq!(output.status.code(), Some(7));
    Ok(())
}

fn what_is_asked_for_is_loaded_from_modules() -> Outcome {
    // From user space, and by the kernel itself when a socket or a link of a kind is wanted.
    let script = "modprobe dummy && cat /sys/module/dummy/initstate
        ip link add v0 type veth peer name v1 && cat /sys/module/veth/initstate";
    let output = output(&mut old(&[], script))?;
    assert_eq!(lines(&output), ["live", "live"], "{output:?}");
    Ok(())
}

fn no_byte_is_lost_or_changed() -> Outcome {
    // Every byte there is, often enough to fill each buffer on the way many times.
    let all: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let shared = env::temp_dir();
    let file = shared.join("all");
    fs::write(&file, &all)?;
    let script = format!("for i in 1 2 3; do cat {0}; cat {0} >&2; done", file.display());
    let output = output(&mut old(&["--write", &shared.display().to_string()], &script));
    fs::remove_file(&file)?;
    let output = output?;
    assert!(output.stdout == all.repeat(3), "{} bytes on stdout", output.stdout.len());
    assert!(output.stderr == all.repeat(3), "{} bytes on stderr", output.stderr.len());
    Ok(())
}

fn only_what_was_shared_is_written_to_the_host() -> Outcome {
    let [shared, other] = ["a, comma", "other"].map(|name| env::temp_dir().join(name));
    fs::create_dir(&shared)?;
    fs::create_dir(&other)?;
    let [file, stays] = [&shared, &other].map(|folder| folder.join("file").display().to_string());
    let script = format!("echo shared >'{file}' && echo mine >'{stays}' && cat '{file}' '{stays}'");
    let output = output(&mut old(&["--write", &shared.display().to_string()], &script))?;
    assert_eq!(lines(&output), ["shared", "mine"], "{output:?}");
    assert_eq!(fs::read_to_string(&file)?, "shared\n");
    assert_eq!(fs::read_dir(&other)?.count(), 0);
    fs::remove_dir_all(&shared)?;
    Ok(fs::remove_dir(&other)?)
}

fn a_kernel_panic_is_told() -> Outcome {
    // What was printed needs a moment to go out over the line: a kernel that panics takes along what waits.
    let output = output(&mut old(&[], "echo begun; sleep 2; echo c >/proc/sysrq-trigger; exec sleep 600"))?;
    assert_eq!(output.status.code(), Some(BROKEN), "{output:?}");
    assert_eq!(lines(&output), ["begun"]);
    assert!(text(&output.stderr).contains("Kernel panic"), "{output:?}");
    Ok(())
}

fn nothing_stays_when_the_command_is_killed() -> Outcome {
    let mut child = old(&[], "echo up; exec sleep 600").spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    // It is in the emulator's arguments.
    let word = format!("grounds-guest-{}-", child.id());
    let there = processes_with(&word)?;
    child.kill()?;
    let output = child.wait_with_output()?;
    is_had(&output)?;
    assert_ne!(there, 0, "{output:?}");
    let until = Instant::now() + Duration::from_secs(10);
    while processes_with(&word)? > 0 {
        assert!(Instant::now() < until, "a process of {word} stays");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn what_is_missing_is_told() -> Outcome {
    let output = old(&[], "true").env("OLD_KERNEL", format!("/no/such/folder/{}", process::id())).output()?;
    let Err(Stop::Ignored(reason)) = is_had(&output) else { panic!("{output:?}") };
    assert_eq!(reason.lines().count(), 1, "{reason}");
    assert!(reason.contains("OLD_KERNEL") || reason.contains("qemu"), "{reason}");
    Ok(())
}

/// Prepares to run a shell's script there.
fn old(options: &[&str], script: &str) -> Command {
    ground("old", options, &["sh", "-c", script])
}

fn lines(output: &Output) -> Vec<&str> {
    str::from_utf8(&output.stdout).unwrap_or("no text").lines().collect()
}
