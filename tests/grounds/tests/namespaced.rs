//! systemd in namespaces of this kernel, as whoever runs `grounds run systemd` sees it.

mod command;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use command::{BROKEN, output, text};
use grounds::{Outcome, Stop, tests};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() -> ExitCode {
    grounds::run(tests![
        output_and_exit_code_come_back,
        a_program_that_is_not_there_is_told,
        a_task_that_hangs_is_ended,
        what_the_task_left_running_is_not_waited_for,
        systemd_is_the_first_process_and_runs,
        none_of_the_hosts_services_runs,
        systemd_starts_scopes,
        the_bus_answers,
        the_task_may_distribute_its_cgroup,
        the_namespaces_are_their_own,
        the_hosts_settings_are_protected_but_not_the_namespaces,
        a_user_namespace_may_mount_what_is_protected,
        turning_it_off_ends_only_the_ground,
        the_host_is_not_touched,
        only_what_was_shared_is_written_to_the_host,
        what_is_mounted_on_the_host_is_there,
        nothing_stays_when_the_command_is_killed,
        what_a_killed_keeper_leaves_goes_with_the_next_start,
    ])
}

fn output_and_exit_code_come_back() -> Outcome {
    let output = sh("echo to stdout; echo to stderr >&2; pwd; exit 7")?;
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let here = env::current_dir()?;
    assert_eq!(text(&output.stdout), format!("to stdout\n{}\n", here.display()));
    assert_eq!(text(&output.stderr), "to stderr\n");
    assert_eq!(sh("kill -KILL $$")?.status.code(), Some(128 + 9));
    Ok(())
}

fn a_program_that_is_not_there_is_told() -> Outcome {
    let output = output(&mut ground(&[], &["/no/such/program"]))?;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains(r#""/no/such/program": No such file"#), "{output:?}");
    Ok(())
}

fn a_task_that_hangs_is_ended() -> Outcome {
    let script = "trap '' TERM INT; echo begun; while :; do :; done";
    let output = output(&mut ground(&["--limit", "2"], &["sh", "-c", script]))?;
    assert_eq!(output.status.code(), Some(BROKEN));
    assert_eq!(text(&output.stdout), "begun\n");
    assert!(text(&output.stderr).contains("not finished in time"), "{output:?}");
    Ok(())
}

fn what_the_task_left_running_is_not_waited_for() -> Outcome {
    let output = sh("sleep 600 & setsid sleep 600 & yes & echo done >&2")?;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), "done\n"));
    Ok(())
}

fn systemd_is_the_first_process_and_runs() -> Outcome {
    let script = "cat /proc/1/comm; systemctl is-active grounds.target dbus.socket; systemctl is-system-running --wait";
    let output = sh(script)?;
    assert_eq!(text(&output.stdout), "systemd\nactive\nactive\nrunning\n", "{output:?}");
    Ok(())
}

fn none_of_the_hosts_services_runs() -> Outcome {
    let output =
        sh("systemctl list-units --plain --no-legend --state=active --type=service,timer,swap,automount")?;
    let text = text(&output.stdout);
    let units: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(units.iter().all(|unit| ["grounds.service", "dbus.service"].contains(unit)), "{units:?}");
    Ok(())
}

fn systemd_starts_scopes() -> Outcome {
    let output = sh("systemd-run --quiet --scope --unit=found cat /proc/self/cgroup")?;
    let text = text(&output.stdout);
    assert!(text.lines().any(|line| line == "0::/system.slice/found.scope"), "{output:?}");
    Ok(())
}

fn the_bus_answers() -> Outcome {
    let output = sh("busctl --system get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 \
        org.freedesktop.systemd1.Manager Version")?;
    assert!(output.status.success() && text(&output.stdout).starts_with("s \""), "{output:?}");
    Ok(())
}

fn the_task_may_distribute_its_cgroup() -> Outcome {
    let script = "here=/sys/fs/cgroup$(grep ^0:: /proc/self/cgroup | cut -d: -f3)
        mkdir $here/leaf && echo $$ >$here/leaf/cgroup.procs && cat $here/cgroup.procs
        for name in $(cat $here/cgroup.controllers); do echo +$name >$here/cgroup.subtree_control || exit 1; done";
    let output = sh(script)?;
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    Ok(())
}

fn the_namespaces_are_their_own() -> Outcome {
    let kinds = ["mnt", "cgroup", "uts", "ipc", "net", "pid"];
    let output = sh(&format!("for kind in {}; do readlink /proc/self/ns/$kind; done", kinds.join(" ")))?;
    let inside: Vec<String> = text(&output.stdout).lines().map(String::from).collect();
    assert_eq!(inside.len(), kinds.len(), "{output:?}");
    for (kind, inside) in kinds.iter().zip(inside) {
        assert_ne!(fs::read_link(format!("/proc/self/ns/{kind}"))?, Path::new(&inside));
    }
    assert_eq!(text(&sh("cat /sys/class/net/*/operstate")?.stdout), "unknown\n");
    Ok(())
}

fn the_hosts_settings_are_protected_but_not_the_namespaces() -> Outcome {
    let script = "for file in /proc/sys/fs/nr_open /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/enabled; do
            test -e $file || continue; test -w $file && echo $file can be written; done
        for file in net/ipv4/ip_default_ttl kernel/shmmni; do
            echo 7 >/proc/sys/$file; cat /proc/sys/$file; done
        chmod 600 /dev/null";
    let before = fs::read_to_string("/proc/sys/kernel/shmmni")?;
    assert_eq!(text(&sh(script)?.stdout), "7\n7\n");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/shmmni")?, before);
    assert_eq!(fs::metadata("/dev/null")?.permissions().mode() & 0o777, 0o666);
    Ok(())
}

fn a_user_namespace_may_mount_what_is_protected() -> Outcome {
    let script =
        "unshare -Umpnf --map-root-user sh -c 'mount -t proc proc /proc && mount -t sysfs sysfs /sys'";
    let output = sh(script)?;
    assert!(output.status.success(), "{output:?}");
    Ok(())
}

fn turning_it_off_ends_only_the_ground() -> Outcome {
    let output = sh("echo begun; systemctl poweroff --force --force; exec sleep 600")?;
    assert_eq!(output.status.code(), Some(BROKEN), "{output:?}");
    assert_eq!(text(&output.stdout), "begun\n");
    Ok(())
}

fn the_host_is_not_touched() -> Outcome {
    let files = [
        "/proc/self/mountinfo",
        "/proc/sys/kernel/hostname",
        "/proc/sys/fs/nr_open",
        "/proc/sys/fs/file-max",
        "/proc/sys/kernel/pid_max",
        "/proc/swaps",
        "/etc/machine-id",
    ];
    let read = || files.map(|file| fs::read_to_string(file).unwrap_or_default());
    let before = read();
    let output = sh("rm -rf /etc/* /var/lib/*; hostname other; hostname; touch /dev/left /usr/left")?;
    assert_eq!(text(&output.stdout), "other\n", "{output:?}");
    assert_eq!(read(), before);
    assert!(!Path::new("/dev/left").exists() && !Path::new("/usr/left").exists());
    Ok(())
}

fn only_what_was_shared_is_written_to_the_host() -> Outcome {
    let folder = env::temp_dir();
    let [shared, other] = ["shared", "other"].map(|name| folder.join(name));
    fs::create_dir(&shared)?;
    fs::create_dir(&other)?;
    let (shared_word, other_word) = (shared.display().to_string(), other.display().to_string());
    let script = format!(
        "echo shared >{shared_word}/file && echo mine >{other_word}/file && cat {shared_word}/file {other_word}/file"
    );
    let output = output(&mut ground(&["--write", &shared_word], &["sh", "-c", &script]))?;
    assert_eq!(text(&output.stdout), "shared\nmine\n", "{output:?}");
    assert_eq!(fs::read_to_string(shared.join("file"))?, "shared\n");
    assert_eq!(fs::read_dir(&other)?.count(), 0);
    fs::remove_dir_all(shared)?;
    fs::remove_dir_all(other)?;
    Ok(())
}

fn what_is_mounted_on_the_host_is_there() -> Outcome {
    grounds::root()?;
    grounds::mountns()?;
    let place = env::temp_dir().join("a disk");
    fs::create_dir(&place)?;
    mount(Some("disk"), &place, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    fs::write(place.join("file"), "on it\n")?;
    let mut command = ground(&[], &["sh", "-c", "cat file; echo more >file; cat file"]);
    let output = output(command.current_dir(&place));
    let after = fs::read_to_string(place.join("file"))?;
    nix::mount::umount(&place)?;
    fs::remove_dir(&place)?;
    let output = output?;
    assert_eq!(text(&output.stdout), "on it\nmore\n", "{output:?}");
    assert_eq!(after, "on it\n");
    Ok(())
}

fn nothing_stays_when_the_command_is_killed() -> Outcome {
    let mut running = Begun::new()?;
    running.command.kill()?;
    running.command.wait()?;
    // The keeper removes the cgroup last, and can do so only when nobody is in it.
    within("it is all gone", || {
        !running.folder_stays() && running.cgroups().is_empty() && !running.is_kept()
    });
    assert!(running.inside.iter().all(|pid| !is_alive(*pid)));
    Ok(())
}

fn what_a_killed_keeper_leaves_goes_with_the_next_start() -> Outcome {
    let mut running = Begun::new()?;
    kill(Pid::from_raw(running.keeper), Signal::SIGKILL)?;
    assert!(!running.command.wait()?.success());
    within("all processes are gone", || running.inside.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(running.cgroups().len(), 1);
    sh("true")?;
    assert_eq!(running.cgroups(), BTreeSet::new());
    Ok(())
}

/// A ground in which a task was started that doesn't end.
struct Begun {
    command: Child,
    keeper: i32,
    inside: BTreeSet<i32>,
}

impl Begun {
    fn new() -> Result<Begun, Stop> {
        // Tells whether there is such a ground.
        sh("true")?;
        let mut command =
            ground(&[], &["sh", "-c", "setsid sleep 600 & systemd-run --quiet sleep 600; echo up; wait"])
                .spawn()?;
        let mut line = String::new();
        BufReader::new(command.stdout.take().expect("it is piped")).read_line(&mut line)?;
        assert_eq!(line, "up\n");
        let folder = folder_of(&command);
        let keepers = all_processes().filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = text(&line);
            line.contains("\0guest-namespaces\0") && line.contains(&folder)
        });
        let keepers: Vec<i32> = keepers.collect();
        let [keeper] = keepers[..] else { panic!("not one keeper: {keepers:?}") };
        let mut begun = Begun { command, keeper, inside: BTreeSet::new() };
        begun.inside = begun.cgroups().iter().flat_map(|cgroup| processes_in(cgroup)).collect();
        // systemd, the task's starter, the task, two sleepers
        assert!(begun.inside.len() >= 5, "{:?}", begun.inside);
        Ok(begun)
    }

    fn cgroups(&self) -> BTreeSet<PathBuf> {
        let name = format!("grounds-systemd-{}-", self.keeper);
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .filter_map(|root| fs::read_dir(root).ok());
        let all = roots.flatten().flatten();
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name))
            .map(|entry| entry.path())
            .collect()
    }

    fn folder_stays(&self) -> bool {
        let word = folder_of(&self.command);
        let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(&word))
    }

    fn is_kept(&self) -> bool {
        is_alive(self.keeper)
    }
}

/// How the folder that a command hands the task over in begins.
fn folder_of(command: &Child) -> String {
    format!("grounds-guest-{}-", command.id())
}

fn processes_in(cgroup: &Path) -> Vec<i32> {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<i32> = own.lines().filter_map(|pid| pid.parse().ok()).collect();
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.extend(processes_in(&entry.path()));
        }
    }
    all
}

fn all_processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Tells whether a process is there that is not dead and only unburied.
fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until it is so.
fn within(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a shell's script on the ground.
fn sh(script: &str) -> Result<Output, Stop> {
    output(&mut ground(&[], &["sh", "-c", script]))
}

/// Prepares to run a program on the ground, which ends after a minute unless the options say otherwise.
fn ground(options: &[&str], words: &[&str]) -> Command {
    command::ground("systemd", &[&["--limit", "60"], options].concat(), words)
}
