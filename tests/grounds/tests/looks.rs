//! This kernel's other looks, seen by a program that is run there.

mod command;

use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use command::{output, text};
use grounds::{Outcome, Stop, tests};

fn main() -> ExitCode {
    grounds::run(tests![
        the_exit_code_and_both_streams_come_back,
        a_death_by_signal_comes_back_as_shells_tell_it,
        a_program_that_hangs_is_ended,
        a_program_that_is_not_there_is_told,
        an_unknown_ground_is_told,
        an_ordinary_user_has_a_name_and_a_range,
        a_user_without_ids_has_neither,
        a_closed_folder_on_the_way_is_opened_for_a_user_and_shows_nothing_else,
        version_1_shows_no_version_2,
        version_2_shows_no_version_1,
        the_hosts_mounts_are_not_touched,
        refused_calls_fail_and_no_others,
    ])
}

/// Runs a script on a ground.
fn sh(ground: &str, script: &str) -> Result<Output, Stop> {
    run(&[ground, "--", "sh", "-c", script])
}

fn run(words: &[&str]) -> Result<Output, Stop> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grounds"));
    output(command.arg("run").args(words).stdin(Stdio::null()))
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).trim().to_owned()
}

fn the_exit_code_and_both_streams_come_back() -> Outcome {
    let output = sh("here", "echo out; echo error >&2; exit 3")?;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"error\n"[..]));
    Ok(())
}

fn a_death_by_signal_comes_back_as_shells_tell_it() -> Outcome {
    assert_eq!(sh("here", "kill -TERM $$")?.status.code(), Some(128 + 15));
    Ok(())
}

fn a_program_that_hangs_is_ended() -> Outcome {
    let begin = Instant::now();
    let output = run(&["--limit", "1", "here", "--", "sh", "-c", "sleep 1000 & sleep 1000"])?;
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not finished in time"), "{output:?}");
    assert!(begin.elapsed() < Duration::from_secs(60));
    Ok(())
}

fn a_program_that_is_not_there_is_told() -> Outcome {
    let output = run(&["here", "--", "/no/such/program"])?;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/program: No such file"), "{output:?}");
    Ok(())
}

fn an_unknown_ground_is_told() -> Outcome {
    let output = run(&["the-moon", "--", "true"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no ground \"the-moon\""), "{output:?}");
    Ok(())
}

fn an_ordinary_user_has_a_name_and_a_range() -> Outcome {
    let said = said(&sh("user", "id -un; grep -c \"^$(id -un):\" /etc/subuid /etc/subgid; id -G | wc -w")?);
    assert_eq!(said, "grounds\n/etc/subuid:1\n/etc/subgid:1\n1");
    Ok(())
}

fn a_user_without_ids_has_neither() -> Outcome {
    let said = said(&sh("user-without-ids", "id -u; id -un 2>/dev/null; grep -c ^54322: /etc/subuid; true")?);
    assert_eq!(said, "54322\n54322\n0");
    Ok(())
}

fn a_closed_folder_on_the_way_is_opened_for_a_user_and_shows_nothing_else() -> Outcome {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    grounds::root()?;
    let closed = std::env::temp_dir().join("closed");
    let checkout = closed.join("deep/checkout");
    fs::create_dir_all(&checkout)?;
    fs::write(checkout.join("file"), "seen")?;
    fs::write(closed.join("secret"), "")?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_grounds"));
    command.args(["run", "user-without-ids", "--", "sh", "-c", "cat file; ls ../.."]).current_dir(&checkout);
    assert_eq!(said(&command.output()?), "seendeep");
    fs::remove_dir_all(&closed)?;
    Ok(())
}

fn version_1_shows_no_version_2() -> Outcome {
    let said = said(&sh("v1", "grep -c ' - cgroup2 ' /proc/self/mountinfo; ls /sys/fs/cgroup")?);
    assert!(said.starts_with("0\n") && said.lines().any(|name| name == "memory"), "{said}");
    Ok(())
}

fn version_2_shows_no_version_1() -> Outcome {
    let said = said(&sh("v2", "grep -c ' - cgroup ' /proc/self/mountinfo; ls /sys/fs/cgroup/cgroup.procs")?);
    assert_eq!(said, "0\n/sys/fs/cgroup/cgroup.procs");
    Ok(())
}

fn the_hosts_mounts_are_not_touched() -> Outcome {
    let before = std::fs::read_to_string("/proc/self/mountinfo")?;
    for ground in ["v1", "v2", "user", "user-without-ids"] {
        said(&sh(ground, "true")?);
    }
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo")?, before);
    assert!(Path::new("/etc/passwd").exists());
    Ok(())
}

fn refused_calls_fail_and_no_others() -> Outcome {
    let refused = said(&sh("refuse:unshare", "unshare -U true 2>&1; cat /dev/null && echo read")?);
    assert!(refused.contains("Function not implemented") && refused.ends_with("read"), "{refused}");
    Ok(())
}
