//! Faults planted in tests: each must be caught, by the right name.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;
use std::{env, mem, process, thread};

use grounds::{Outcome, Stop, ignored, mountns, netns, test};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, raise};

/// Says that this program is one with a planted fault, and which.
const PLANT: &str = "PLANT";

fn main() -> ExitCode {
    let plants = [
        ("nothing", (|| Ok(())) as fn() -> Outcome),
        ("no_ground", || Err(ignored("needs a second moon"))),
        ("failure", || Err(Stop::Failed("it did not hold".to_owned()))),
        ("panic", || panic!("with these words")),
        ("death", death),
        ("exit", || process::exit(0)),
        ("exec", exec),
        ("thread", || {
            thread::spawn(hang);
            Ok(())
        }),
        ("hang", hang),
        ("descriptor", descriptor),
        ("namespace", namespace),
        ("bound_namespace", bound_namespace),
        ("mounted", mounted),
        ("zombie", zombie),
        ("child", child),
        ("orphan", orphan),
        ("cgroup", cgroup),
        ("interface", interface),
        ("rule", rule),
        ("file", file),
    ];
    if let Ok(planted) = env::var(PLANT) {
        return grounds::run(
            plants
                .iter()
                .filter(|(name, _)| *name == planted)
                .map(|(name, body)| test(name, *body))
                .collect(),
        );
    }
    grounds::run(vec![
        test("a_clean_test_passes", || passes("nothing", "1 passed")),
        test("a_reason_is_shown_and_nothing_has_passed", || {
            passes("no_ground", "... ignored (needs a second moon)")
        }),
        test("a_failure_is_told", || fails("failure", "it did not hold")),
        test("a_panic_is_told_with_its_words", || fails("panic", "with these words")),
        test("a_death_is_told_with_its_signal", || fails("death", "killed by SIGABRT")),
        test("a_test_that_exits_with_success_has_not_passed", || fails("exit", "ended by itself")),
        test("a_test_that_becomes_another_program_has_not_passed", || fails("exec", "ended by itself")),
        test("a_thread_is_caught", || fails("thread", "left behind: thread ")),
        test("a_test_that_hangs_is_ended_and_told", || fails("hang", "hangs: not finished after 1 s")),
        test("a_descriptor_left_open_is_caught", || fails("descriptor", " -> /dev/null")),
        test("a_namespace_held_by_a_descriptor_is_caught", || {
            fails("namespace", "namespace, held by a file: ")
        }),
        test("a_namespace_held_by_a_mount_is_caught", a_namespace_held_by_a_mount_is_caught),
        test("a_mount_is_caught", a_mount_is_caught),
        test("a_child_nobody_waited_for_is_caught", || fails("zombie", "process nobody waited for: Exited")),
        test("a_running_child_is_caught_and_ended", || ends("child", 1234)),
        test("an_orphan_is_caught_and_ended", || ends("orphan", 1235)),
        test("a_cgroup_is_caught", a_cgroup_is_caught),
        test("an_interface_is_caught", an_interface_is_caught),
        test("a_packet_filter_rule_is_caught", a_packet_filter_rule_is_caught),
        test("a_temporary_file_is_caught", || fails("file", "forgotten")),
        test("a_file_among_the_state_is_caught", a_file_among_the_state_is_caught),
    ])
}

/// This program once more, with one fault.
fn planted(plant: &str) -> Result<Command, Stop> {
    let mut command = Command::new(env::current_exe()?);
    let limit = if plant == "hang" { "1" } else { "20" };
    command.args(["--color", "never"]).env(PLANT, plant).env("GROUNDS_LIMIT", limit).stdin(Stdio::null());
    // It is a runner, not the test that started it.
    command.env_remove("GROUNDS_SUBJECT").env_remove("GROUNDS_KEEPER");
    Ok(command)
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn passes(plant: &str, words: &str) -> Outcome {
    let mut output = planted(plant)?.output()?;
    // The cgroup that another test has planted meanwhile is on this one's machine too.
    for _ in 0..20 {
        if !shown(&output).contains("/planted-") {
            break;
        }
        output = planted(plant)?.output()?;
    }
    let shown = shown(&output);
    assert!(output.status.success() && shown.contains(words), "{}: {shown}", output.status);
    Ok(())
}

fn fails(plant: &str, words: &str) -> Outcome {
    fails_as(&mut planted(plant)?, words)
}

fn fails_as(command: &mut Command, words: &str) -> Outcome {
    let output = command.output()?;
    let shown = shown(&output);
    assert!(output.status.code() == Some(101) && shown.contains(words), "{}: {shown}", output.status);
    Ok(())
}

/// A sleep is caught, and sleeps no more.
fn ends(plant: &str, seconds: u32) -> Outcome {
    fails(plant, &format!("(sleep) \"sleep {seconds}\""))?;
    for entry in fs::read_dir("/proc")? {
        let line = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        assert_ne!(String::from_utf8_lossy(&line), format!("sleep\0{seconds}\0"), "still there");
    }
    Ok(())
}

fn death() -> Outcome {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    raise(Signal::SIGABRT)?;
    Ok(())
}

fn exec() -> Outcome {
    use std::os::unix::process::CommandExt;
    Err(Command::new("true").exec().into())
}

fn hang() -> Outcome {
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

fn descriptor() -> Outcome {
    mem::forget(File::open("/dev/null")?);
    Ok(())
}

fn namespace() -> Outcome {
    mem::forget(File::open("/proc/self/ns/net")?);
    Ok(())
}

fn bound_namespace() -> Outcome {
    let none = None::<&str>;
    mount(Some("/proc/self/ns/net"), "/etc/passwd", none, MsFlags::MS_BIND, none)?;
    Ok(())
}

fn mounted() -> Outcome {
    mount(Some("planted"), "/mnt", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

fn zombie() -> Outcome {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn()?;
    std::io::Read::read_to_end(&mut child.stdout.take().expect("a pipe"), &mut Vec::new())?;
    // The pipe closes before the child has quite ended.
    nix::sys::wait::waitid(
        nix::sys::wait::Id::Pid(nix::unistd::Pid::from_raw(child.id() as i32)),
        nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
    )?;
    mem::forget(child);
    Ok(())
}

fn child() -> Outcome {
    mem::forget(Command::new("sleep").arg("1234").spawn()?);
    Ok(())
}

fn orphan() -> Outcome {
    let status = Command::new("sh").args(["-c", "sleep 1235 & exit 0"]).status()?;
    assert!(status.success());
    Ok(())
}

/// Where the planted cgroup is: below the one this process is in, in the hierarchy of version 2.
fn planted_cgroup() -> Result<PathBuf, Stop> {
    let mine = fs::read_to_string("/proc/self/cgroup")?;
    let mine =
        mine.lines().find_map(|line| line.strip_prefix("0::/")).ok_or(ignored("no cgroup v2"))?.to_owned();
    let mount = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let mount = mount.into_iter().find(|mount| mount.join("cgroup.controllers").exists());
    let mine = mount.ok_or(ignored("no cgroup v2"))?.join(mine);
    let number = env::var("PLANTED_CGROUP").unwrap_or_else(|_| process::id().to_string());
    Ok(mine.join(format!("planted-{number}")))
}

fn cgroup() -> Outcome {
    fs::create_dir(planted_cgroup()?)?;
    Ok(())
}

fn interface() -> Outcome {
    run("ip", "link add planted0 type bridge")
}

fn rule() -> Outcome {
    run("nft", "add table inet planted")
}

fn run(program: &str, arguments: &str) -> Outcome {
    let status = Command::new(program).args(arguments.split(' ')).status();
    let status = status.map_err(|error| ignored(format!("{program}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Stop::Failed(format!("{program} {arguments}: {status}"))) }
}

fn file() -> Outcome {
    fs::write(env::temp_dir().join("forgotten"), "")?;
    Ok(())
}

fn a_mount_is_caught() -> Outcome {
    as_root_of_a_mount_namespace()?;
    fails("mounted", "left behind: mount ")
}

fn a_namespace_held_by_a_mount_is_caught() -> Outcome {
    as_root_of_a_mount_namespace()?;
    fails("bound_namespace", "namespace, held by a file: ")
}

fn as_root_of_a_mount_namespace() -> Outcome {
    grounds::root()?;
    mountns()
}

fn a_cgroup_is_caught() -> Outcome {
    let cgroup = planted_cgroup()?;
    if let Err(error) = fs::DirBuilder::new().mode(0o755).create(&cgroup) {
        return Err(ignored(format!("no cgroup below the own one: {error}")));
    }
    fs::remove_dir(&cgroup)?;
    let number = process::id().to_string();
    let outcome = fails_as(planted("cgroup")?.env("PLANTED_CGROUP", number), "cgroup /sys/fs/cgroup/");
    fs::remove_dir(&cgroup)?;
    outcome
}

fn an_interface_is_caught() -> Outcome {
    grounds::root()?;
    netns()?;
    run("ip", "link show lo")?;
    fails("interface", "interface planted0")
}

fn a_packet_filter_rule_is_caught() -> Outcome {
    grounds::root()?;
    netns()?;
    run("nft", "list ruleset")?;
    fails("rule", "packet filter rule table inet planted")
}

fn a_file_among_the_state_is_caught() -> Outcome {
    let state = env::temp_dir().join("state");
    fs::create_dir(&state)?;
    let before = grounds::Machine::with(vec![state.clone()]);
    fs::write(state.join("container"), "")?;
    assert!(before.left().to_string().ends_with("state/container"), "{}", before.left());
    fs::remove_dir_all(state)?;
    Ok(())
}
