//! The second kernel, as whoever runs `grounds run guest…` sees it.

mod command;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use command::{BROKEN, ground, output, processes_with, text};
use grounds::{Outcome, Stop, tests};

fn main() -> ExitCode {
    grounds::run(tests![
        output_and_exit_code_come_back,
        no_byte_is_lost_or_changed,
        output_comes_while_the_task_runs,
        a_signals_death_comes_back,
        what_the_task_left_running_is_not_waited_for,
        a_task_that_hangs_is_ended,
        a_kernel_panic_is_told,
        a_program_that_is_not_there_is_told,
        nothing_stays_when_the_command_is_killed,
        only_what_was_shared_is_written_to_the_host,
        nothing_else_of_the_environment_is_inherited,
        every_controller_is_there,
        systemd_is_the_first_process,
        systemd_starts_scopes,
        a_user_has_delegated_controllers,
        a_user_has_subordinate_ids,
        apparmor_confines,
        selinux_is_on,
        there_are_two_processors,
    ])
}

fn output_and_exit_code_come_back() -> Outcome {
    let output = sh("guest", "echo to stdout; echo to stderr >&2; pwd; exit 7")?;
    assert_eq!(output.status.code(), Some(7));
    let here = env::current_dir()?;
    assert_eq!(text(&output.stdout), format!("to stdout\n{}\n", here.display()));
    assert_eq!(text(&output.stderr), "to stderr\n");
    Ok(())
}

fn no_byte_is_lost_or_changed() -> Outcome {
    // Every byte there is, often enough to fill each buffer on the way many times.
    let all: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let shared = Shared::new()?;
    fs::write(shared.path().join("all"), &all)?;
    let script = "for i in 1 2 3 4 5 6 7 8; do cat all; cat all >&2; done";
    let script = format!("cd {shared}; {script}");
    let output = output(&mut ground("guest", &["--write", &shared.to_string()], &["sh", "-c", &script]))?;
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == all.repeat(8), "{} bytes on stdout", output.stdout.len());
    assert!(output.stderr == all.repeat(8), "{} bytes on stderr", output.stderr.len());
    Ok(())
}

fn output_comes_while_the_task_runs() -> Outcome {
    sh("guest", "true")?;
    let mut child = ground("guest", &[], &["sh", "-c", "echo first; exec sleep 600"]).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    assert_eq!(line, "first\n");
    Ok(())
}

fn a_signals_death_comes_back() -> Outcome {
    assert_eq!(sh("guest", "kill -KILL $$")?.status.code(), Some(128 + 9));
    Ok(())
}

fn what_the_task_left_running_is_not_waited_for() -> Outcome {
    let output = sh("guest", "sleep 600 & yes & echo done >&2")?;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), "done\n"));
    Ok(())
}

fn a_task_that_hangs_is_ended() -> Outcome {
    let script = "trap '' TERM INT; echo begun; while :; do :; done";
    let output = output(&mut ground("guest", &["--limit", "2"], &["sh", "-c", script]))?;
    assert_eq!(output.status.code(), Some(BROKEN));
    assert_eq!(text(&output.stdout), "begun\n");
    assert!(text(&output.stderr).contains("not finished in time"), "{output:?}");
    Ok(())
}

fn a_kernel_panic_is_told() -> Outcome {
    // What was printed needs a moment to go out over the line: a kernel that panics takes along what waits.
    let output = sh("guest", "echo begun; sleep 2; echo c >/proc/sysrq-trigger; exec sleep 600")?;
    assert_eq!(output.status.code(), Some(BROKEN));
    assert_eq!(text(&output.stdout), "begun\n");
    assert!(text(&output.stderr).contains("Kernel panic"), "{output:?}");
    Ok(())
}

fn a_program_that_is_not_there_is_told() -> Outcome {
    let output = output(&mut ground("guest", &[], &["/no/such/program"]))?;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains(r#""/no/such/program": No such file"#), "{output:?}");
    Ok(())
}

fn nothing_stays_when_the_command_is_killed() -> Outcome {
    sh("guest", "true")?;
    let mut child = ground("guest", &[], &["sh", "-c", "echo up; exec sleep 600"]).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    // It is in the kernel's arguments, and in the name of its folder.
    let word = format!("grounds-guest-{}-", child.id());
    assert_ne!(processes_with(&word)?, 0);

    child.kill()?;
    child.wait()?;
    let until = Instant::now() + Duration::from_secs(10);
    while processes_with(&word)? > 0 {
        assert!(Instant::now() < until, "a process of {word} stays");
        thread::sleep(Duration::from_millis(5));
    }
    let left = fs::read_dir("/dev/shm")?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&word));
    assert_eq!(left.count(), 0);
    Ok(())
}

fn only_what_was_shared_is_written_to_the_host() -> Outcome {
    let shared = Shared::new()?;
    let other = Shared::new()?;
    let script =
        format!("echo shared >{shared}/file && echo mine >{other}/file && cat {shared}/file {other}/file");
    let output = output(&mut ground("guest", &["--write", &shared.to_string()], &["sh", "-c", &script]))?;
    assert_eq!(text(&output.stdout), "shared\nmine\n", "{output:?}");
    assert_eq!(fs::read_to_string(shared.path().join("file"))?, "shared\n");
    assert_eq!(fs::read_dir(other.path())?.count(), 0);
    Ok(())
}

fn nothing_else_of_the_environment_is_inherited() -> Outcome {
    // A kernel hands its own arguments on to its first process.
    let mut command = ground("guest", &[], &["/usr/bin/env"]);
    let output = output(
        command.env_clear().env("UML_KERNEL", env::var_os("UML_KERNEL").unwrap_or_default()).env("A", "b"),
    )?;
    let mut lines: Vec<String> = text(&output.stdout).lines().map(String::from).collect();
    lines.retain(|line| !line.starts_with("UML_KERNEL="));
    assert_eq!(lines, ["A=b"], "{output:?}");
    Ok(())
}

fn every_controller_is_there() -> Outcome {
    let output = sh("guest", "cat /sys/fs/cgroup/cgroup.subtree_control")?;
    assert_has_controllers(&text(&output.stdout), &["cpuset", "cpu", "io", "memory", "pids", "rdma", "misc"]);
    Ok(())
}

fn systemd_is_the_first_process() -> Outcome {
    let output = sh("guest-systemd", "cat /proc/1/comm; systemctl is-active grounds.target dbus.socket")?;
    assert_eq!(text(&output.stdout).lines().next(), Some("systemd"), "{output:?}");
    assert!(text(&output.stdout).ends_with("active\n"), "{output:?}");
    Ok(())
}

fn systemd_starts_scopes() -> Outcome {
    let output = sh("guest-systemd", "systemd-run --quiet --scope --unit=found cat /proc/self/cgroup")?;
    assert_eq!(text(&output.stdout), "0::/system.slice/found.scope\n", "{output:?}");
    Ok(())
}

fn a_user_has_delegated_controllers() -> Outcome {
    let script = "id -u; here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
        mkdir $here/leaf && echo $$ >$here/leaf/cgroup.procs
        for name in cpu cpuset io memory pids; do echo +$name >$here/cgroup.subtree_control; done
        cat $here/cgroup.subtree_control
        systemd-run --user --quiet --scope --unit=found cat /proc/self/cgroup";
    let output = sh("guest-user", script)?;
    let text = text(&output.stdout);
    let [uid, controllers, scope] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{output:?}");
    };
    assert_ne!(uid, "0");
    assert_has_controllers(controllers, &["cpu", "cpuset", "io", "memory", "pids"]);
    assert!(scope.ends_with(&format!("/user@{uid}.service/app.slice/found.scope")), "{scope}");
    Ok(())
}

fn a_user_has_subordinate_ids() -> Outcome {
    let script = "unshare --user sleep 600 & sleeper=$!
        while [ $(readlink /proc/$sleeper/ns/user) = $(readlink /proc/self/ns/user) ]; do :; done
        newuidmap $sleeper 0 $(id -u) 1 1 100000 65536
        newgidmap $sleeper 0 $(id -g) 1 1 100000 65536
        cat /proc/$sleeper/uid_map";
    let output = sh("guest-user", script)?;
    let text = text(&output.stdout);
    assert_eq!(text.split_whitespace().skip(3).collect::<Vec<_>>(), ["1", "100000", "65536"], "{output:?}");
    Ok(())
}

fn apparmor_confines() -> Outcome {
    let script = "echo 'profile closed { file, deny /etc/passwd r, }' | apparmor_parser --replace
        echo 'exec closed' >/proc/self/attr/apparmor/exec && exec cat /proc/self/attr/apparmor/current /etc/passwd";
    let output = sh("guest-apparmor", script)?;
    assert_eq!(text(&output.stdout), "closed (enforce)\n", "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

fn selinux_is_on() -> Outcome {
    let output = sh("guest-selinux", "cat /sys/kernel/security/lsm; cat /sys/fs/selinux/enforce")?;
    let text = text(&output.stdout);
    assert!(text.contains("selinux") && text.ends_with('0'), "{output:?}");
    Ok(())
}

fn there_are_two_processors() -> Outcome {
    assert_eq!(text(&sh("guest-smp", "nproc")?.stdout), "2\n");
    Ok(())
}

/// Runs a shell's script on a ground.
fn sh(name: &str, script: &str) -> Result<Output, Stop> {
    output(&mut ground(name, &[], &["sh", "-c", script]))
}

fn assert_has_controllers(line: &str, wanted: &[&str]) {
    let found: Vec<&str> = line.split_whitespace().collect();
    let missing: Vec<_> = wanted.iter().filter(|name| !found.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {line:?}");
}

/// A folder of the host, which goes when it is dropped.
struct Shared(PathBuf);

impl Shared {
    fn new() -> Result<Shared, Stop> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("guest-{}-{number}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Shared(folder))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
