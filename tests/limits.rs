//! The example `limits`, run as a newcomer runs it.

mod program;

use std::io::Read;
use std::process::{Command, ExitCode, Output, Stdio};

use grounds::{Outcome, Stop, ignored, tests};
use program::{contains, example, printed};

fn main() -> ExitCode {
    grounds::run(tests![
        help_is_for_everybody,
        what_was_asked_wrongly_is_said_in_one_line,
        an_ordinary_user_is_told_what_to_do,
        the_command_is_inside_before_its_first_instruction,
        its_end_is_passed_on,
        a_command_that_is_missing_is_told_in_one_line,
        what_it_used_is_told,
        a_limit_of_memory_that_was_hit_is_told,
        a_limit_of_processes_that_was_hit_is_told,
        what_the_kernel_rounded_is_told,
        what_is_left_running_ends_with_the_command,
        an_interrupt_ends_the_command_and_removes_the_cgroup,
        a_command_that_ignores_an_interrupt_is_killed,
        the_live_view_gives_the_terminal_back,
    ])
}

fn limits(arguments: &[&str]) -> Result<Command, Stop> {
    let mut command = example("limits")?;
    grounds::root()?;
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Runs it; ignored, where this machine can't have the limit.
fn run(arguments: &[&str]) -> Result<(Option<i32>, String, String), Stop> {
    let Output { status, stdout, stderr } = limits(arguments)?.output()?;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    able(&said)?;
    Ok((status.code(), String::from_utf8_lossy(&stdout).into_owned(), said))
}

fn able(said: &str) -> Outcome {
    let reasons = [
        "use cgroup controller",
        "no cgroup file system",
        "Read-only file system",
        "Permission denied (os error 13): ",
    ];
    if reasons.iter().any(|reason| said.starts_with("limits: ") && said.contains(reason)) {
        return Err(ignored(said.trim()));
    }
    Ok(())
}

fn help_is_for_everybody() -> Outcome {
    contains(&printed(example("limits")?.arg("--help"))?, "--memory SIZE")
}

fn what_was_asked_wrongly_is_said_in_one_line() -> Outcome {
    for (arguments, said) in [
        (&[][..], "no command"),
        (&["--memory", "64X", "true"], "--memory 64X: not a size, as 64M"),
        (&["--memory=0", "true"], "--memory 0: nothing runs in none"),
        (&["--swap", "1M", "true"], "--swap needs --memory beside it"),
        (&["--cpus", "0", "true"], "--cpus 0: not from 0.01 on"),
        (&["--pids"], "--pids needs a value"),
        (&["--live=yes", "true"], "--live takes no value"),
        (&["--what"], "--what is no option"),
    ] {
        let output = example("limits")?.args(arguments).output()?;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let expected = format!("limits: {said} (limits --help tells more)\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{arguments:?}");
    }
    Ok(())
}

fn an_ordinary_user_is_told_what_to_do() -> Outcome {
    let mut command = example("limits")?;
    grounds::ordinary_user()?;
    let output = command.args(["--pids", "20", "true"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Err(ignored("this user has a part of the cgroups"));
    }
    if said.contains("no cgroup file system") || said.contains("Read-only") {
        return Err(ignored(said.trim()));
    }
    assert_eq!(said.lines().count(), 1, "{said}");
    contains(&said, "systemd-run --user --scope")
}

fn the_command_is_inside_before_its_first_instruction() -> Outcome {
    let (code, printed, said) = run(&["cat", "/proc/self/cgroup"])?;
    assert_eq!(code, Some(0), "{said}");
    contains(&printed, "/limits-")
}

fn its_end_is_passed_on() -> Outcome {
    assert_eq!(run(&["sh", "-c", "exit 7"])?.0, Some(7));
    let (code, _, said) = run(&["sh", "-c", "kill -KILL $$"])?;
    assert_eq!(code, Some(128 + 9));
    contains(&said, "was killed by signal 9")
}

fn a_command_that_is_missing_is_told_in_one_line() -> Outcome {
    let (code, _, said) = run(&["/nowhere"])?;
    assert_eq!(
        (code, said.as_str()),
        (Some(127), "limits: run \"/nowhere\": No such file or directory (os error 2)\n")
    );
    assert_eq!(run(&["/etc/passwd"])?.0, Some(126));
    Ok(())
}

fn what_it_used_is_told() -> Outcome {
    let (code, printed, said) = run(&["--memory", "64M", "--pids=20", "--", "echo", "--live"])?;
    assert_eq!((code, printed.as_str()), (Some(0), "--live\n"), "{said}");
    contains(&said, "limits: the command ended with 0 after ")?;
    contains(&said, "\n  processor  0.0")?;
    contains(&said, " of 64.0 MiB; 0 processes killed for lack of it\n")?;
    contains(&said, " of 20\n")?;
    contains(&said, "\n  limits hit none\n")
}

fn a_limit_of_memory_that_was_hit_is_told() -> Outcome {
    let (code, _, said) =
        run(&["--memory", "16M", "--swap", "0", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"])?;
    assert_eq!(code, Some(128 + 9), "{said}");
    contains(&said, "1 process killed for lack of it")?;
    contains(&said, "limits hit memory (")
}

fn a_limit_of_processes_that_was_hit_is_told() -> Outcome {
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done";
    let (code, _, said) = run(&["--pids", "4", "sh", "-c", script])?;
    assert_ne!(code, Some(0), "{said}");
    contains(&said, "processes (")?;
    contains(&said, " of 4\n")
}

fn what_the_kernel_rounded_is_told() -> Outcome {
    let (_, _, said) = run(&["--memory", "64000001", "true"])?;
    contains(&said, "\n  rounded    \"/")?;
    contains(&said, " instead of 64000001\n")
}

fn what_is_left_running_ends_with_the_command() -> Outcome {
    let (code, _, said) = run(&["sh", "-c", "sleep 600 >&- 2>&- & exit 3"])?;
    assert_eq!(code, Some(3));
    contains(&said, "1 process ran on until killed")
}

/// Starts it, waits until the command runs, interrupts, and returns how it ended.
fn interrupted(script: &str) -> Result<(Option<i32>, String), Stop> {
    let mut command = limits(&["sh", "-c", script])?;
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut first = [0];
    let begun = running.stdout.as_mut().expect("piped").read(&mut first)?;
    if begun == 1 {
        // To this program alone, as a service manager does it; a terminal would tell both.
        let status = Command::new("kill").args(["-INT", &running.id().to_string()]).status()?;
        assert!(status.success());
    }
    let output = running.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    able(&said)?;
    assert_eq!(begun, 1, "{said}");
    Ok((output.status.code(), said))
}

fn an_interrupt_ends_the_command_and_removes_the_cgroup() -> Outcome {
    // That nothing stays is looked at after each test.
    let (code, said) = interrupted("echo; exec sleep 600")?;
    assert_eq!(code, Some(128 + 2), "{said}");
    contains(&said, "was killed by signal 2")
}

fn a_command_that_ignores_an_interrupt_is_killed() -> Outcome {
    let (code, said) = interrupted("trap '' INT; echo; exec sleep 600")?;
    assert_eq!(code, Some(128 + 9), "{said}");
    Ok(())
}

fn the_live_view_gives_the_terminal_back() -> Outcome {
    let (code, printed, said) = run(&["--live", "echo", "done"])?;
    assert_eq!((code, printed.as_str()), (Some(0), "done\n"), "{said}");
    let (view, report) = said.split_once("limits: ").unwrap_or_default();
    contains(view, "\u{1b}[1;19r")?;
    contains(view, "\u{1b}[r")?;
    assert!(!report.contains('\u{1b}'), "{report}");
    let (_, _, plain) = run(&["echo", "done"])?;
    assert!(!plain.contains('\u{1b}'), "not a terminal: {plain}");
    Ok(())
}
