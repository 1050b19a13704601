//! The commands as processes, as root and as an ordinary user, and side by side with runc.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use grounds::{Outcome, Stop, ignored, tests};
use nix::cmsg_space;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;
use serde_json::{Value, json};

const NSINIT: &str = env!("CARGO_BIN_EXE_nsinit");
const TOOLS: [&str; 14] = [
    "sh", "cat", "echo", "env", "false", "grep", "id", "ls", "pwd", "readlink", "sleep", "stty", "touch",
    "true",
];

fn main() -> ExitCode {
    grounds::run(tests![
        run_returns_what_the_program_returns,
        standard_streams_are_the_callers,
        a_killed_program_gives_128_and_its_signal,
        signals_for_run_are_for_the_program,
        a_container_goes_through_its_states,
        options_and_ids_may_interleave,
        a_running_container_is_deleted_by_force_only,
        exec_is_the_containers_own_process,
        exec_changes_what_it_is_asked_to,
        exec_runs_as_another_user,
        exec_takes_a_whole_process_from_a_file,
        exec_that_can_not_start_gives_255,
        exec_never_looks_at_the_bundle,
        every_failure_is_one_line_and_leaves_nothing,
        errors_go_to_the_log_in_its_format,
        descriptors_of_nsinit_stay_its_own,
        preserved_descriptors_keep_their_numbers,
        a_terminal_shows_the_program_and_is_restored,
        a_console_socket_gets_the_terminal,
        the_list_has_every_container,
        spec_overwrites_nothing,
        hooks_of_a_bundle_run_at_their_turns,
        failed_hooks_are_told,
        plan_touches_nothing,
        limits_without_cgroups_of_ones_own_are_refused,
        runc_gives_the_same,
    ])
}

// ---- the ground ----

/// A bundle, and a folder for containers. Both go with it, and the containers.
struct Ground {
    dir: PathBuf,
    id: String,
}

impl Ground {
    /// Makes a bundle of busybox that runs a command, with changes.
    fn new(args: &[&str], edit: impl FnOnce(&mut Value)) -> Result<Ground, Stop> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        grounds::containers()?;
        let id = format!("nsinit-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let ground = Ground { dir: env::temp_dir().join(&id), id };
        let bin = ground.dir.join("rootfs/bin");
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&bin)?;
        fs::copy(busybox()?, bin.join("busybox"))?;
        TOOLS.iter().try_for_each(|name| symlink("busybox", bin.join(name)))?;
        let mut spec = Command::new(NSINIT);
        spec.arg("spec").arg("-b").arg(&ground.dir);
        if !is_root() {
            able_to_nest()?;
            spec.arg("--rootless");
        }
        assert!(spec.status()?.success());
        ground.edit(|config| {
            config["process"]["terminal"] = json!(false);
            config["process"]["args"] = json!(args);
            edit(config);
        })?;
        Ok(ground)
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) -> Outcome {
        let path = self.dir.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
        edit(&mut config);
        fs::write(&path, config.to_string())?;
        Ok(())
    }

    /// Begins a command line; `{}` stands for the container's id.
    fn nsinit(&self, words: &[&str]) -> Command {
        let mut command = Command::new(NSINIT);
        command.arg("--root").arg(self.dir.join("state")).current_dir(&self.dir).stdin(Stdio::null());
        command.args(words.iter().map(|word| if *word == "{}" { &self.id } else { *word }));
        command
    }

    fn output(&self, words: &[&str]) -> Result<Output, Stop> {
        Ok(self.nsinit(words).output()?)
    }

    /// Runs a command that must succeed, and returns what it says. Its streams are files: a container
    /// that goes on would hold pipes open.
    fn says(&self, words: &[&str]) -> Result<String, Stop> {
        let (out, err) = (self.dir.join("out"), self.dir.join("err"));
        let status = self.nsinit(words).stdout(File::create(&out)?).stderr(File::create(&err)?).status()?;
        assert!(status.success(), "{words:?}: {}", fs::read_to_string(&err)?);
        Ok(fs::read_to_string(&out)?)
    }

    fn state(&self) -> Result<Value, Stop> {
        Ok(serde_json::from_str(&self.says(&["state", "{}"])?)?)
    }

    fn awaits(&self, status: &str) -> Outcome {
        let begin = Instant::now();
        loop {
            let state = text(&self.output(&["state", "{}"])?.stdout);
            if state.contains(&format!("\"status\": {status:?}")) {
                return Ok(());
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "{status} never came: {state}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asserts that nothing of a container is left.
    fn nothing_is_left(&self) {
        assert!(!self.dir.join("state").join(&self.id).exists(), "a state folder is left");
        let in_process = |file: &str, text: &str| {
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
            // One that has ended, and that this machine's init has yet to wait for, has no command line.
            let live =
                processes.filter(|path| fs::read(path.join("cmdline")).is_ok_and(|line| !line.is_empty()));
            let holds =
                |path: &PathBuf| fs::read_to_string(path.join(file)).is_ok_and(|lines| lines.contains(text));
            live.filter(holds).count()
        };
        assert_eq!(in_process("cgroup", &self.id), 0, "a process is left in its cgroup");
        // A container's mount table names its rootfs; another test's processes don't.
        assert_eq!(
            in_process("mountinfo", &format!("{}/rootfs", self.id)),
            0,
            "a process or a mount is left"
        );
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let mut folders = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
        assert!(folders.all(|folder| !folder.join(&self.id).exists()), "a cgroup is left");
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.output(&["delete", "-f", "{}"]);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Finds a program that needs nothing but itself.
fn busybox() -> Result<PathBuf, Stop> {
    for path in ["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox"] {
        if let Ok(bytes) = fs::read(path)
            && !bytes.windows(4).any(|window| window == b"/ld-")
        {
            return Ok(path.into());
        }
    }
    Err(ignored("needs a static busybox (busybox-static)"))
}

/// Asks whether an ordinary user can have a user namespace here.
fn able_to_nest() -> Outcome {
    let tried = Command::new("unshare").args(["-Ur", "true"]).stderr(Stdio::null()).status();
    if tried.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(ignored("no user namespaces for this user"))
    }
}

/// Returns whether we are root of the whole machine.
fn is_root() -> bool {
    grounds::root().is_ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for a child, but not for ever.
fn ended(child: &mut Child) -> Result<Option<i32>, Stop> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if begin.elapsed() > Duration::from_secs(10) {
            child.kill()?;
            return Err(Stop::Failed("nsinit did not end".to_owned()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

// ---- run ----

fn run_returns_what_the_program_returns() -> Outcome {
    for code in [0, 7, 255] {
        let ground = Ground::new(&["sh", "-c", &format!("echo out; echo err >&2; exit {code}")], |_| {})?;
        let output = ground.output(&["run", "{}"])?;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n".to_owned(), "err\n".to_owned()));
        ground.nothing_is_left();
    }
    Ok(())
}

fn standard_streams_are_the_callers() -> Outcome {
    let ground = Ground::new(&["cat"], |_| {})?;
    let mut child = ground.nsinit(&["run", "{}"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let sent = vec![b'x'; 300_000];
    let mut input = child.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || input.write_all(&sent));
    let output = child.wait_with_output()?;
    writer.join().expect("the writer doesn't panic")?;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 300_000));
    Ok(())
}

fn a_killed_program_gives_128_and_its_signal() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    let mut child = ground.nsinit(&["run", "{}"]).spawn()?;
    ground.awaits("running")?;
    ground.says(&["kill", "{}", "KILL"])?;
    assert_eq!(ended(&mut child)?, Some(137));
    ground.nothing_is_left();
    Ok(())
}

fn signals_for_run_are_for_the_program() -> Outcome {
    let script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    let ground = Ground::new(&["sh", "-c", script], |_| {})?;
    let mut child = ground.nsinit(&["run", "{}"]).stdout(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take().expect("it is piped");
    let mut line = [0; 6];
    output.read_exact(&mut line)?;
    assert_eq!(&line, b"ready\n");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM)?;
    assert_eq!(ended(&mut child)?, Some(9));
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    assert_eq!(rest, "got\n");
    ground.nothing_is_left();
    Ok(())
}

// ---- the life of a container ----

fn a_container_goes_through_its_states() -> Outcome {
    let script = "trap 'exit 3' TERM; while :; do sleep 0.01; done";
    let ground = Ground::new(&["sh", "-c", script], |config| {
        config["annotations"] = json!({ "org.example.note": "kept" });
    })?;
    ground.says(&["create", "--pid-file", "pid", "{}"])?;
    let state = ground.state()?;
    let pid = fs::read_to_string(ground.dir.join("pid"))?;
    assert_eq!((&state["status"], &state["pid"].to_string()), (&json!("created"), &pid));
    assert_eq!(state["bundle"], json!(ground.dir.canonicalize()?));
    assert_eq!(state["ociVersion"], json!("1.3.0"));
    assert_eq!(state["annotations"]["org.example.note"], json!("kept"));
    assert!(
        state["created"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
        "{state}"
    );

    let again = ground.output(&["create", "{}"])?;
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));

    ground.says(&["start", "{}"])?;
    ground.awaits("running")?;
    assert!(text(&ground.output(&["start", "{}"])?.stderr).contains("started already"));
    // Its trap may not be set yet: what counts is that it ends.
    while ground.output(&["kill", "{}"])?.status.success() {
        thread::sleep(Duration::from_millis(5));
    }
    ground.awaits("stopped")?;
    assert_eq!(ground.state()?["pid"], json!(0));
    let killed = ground.output(&["kill", "{}"])?;
    assert!(text(&killed.stderr).contains("container not running"), "{}", text(&killed.stderr));
    ground.says(&["delete", "{}"])?;
    assert_eq!(ground.output(&["state", "{}"])?.status.code(), Some(1));
    ground.nothing_is_left();
    Ok(())
}

fn options_and_ids_may_interleave() -> Outcome {
    let ground = Ground::new(&["true"], |_| {})?;
    let bundle = ground.dir.display().to_string();
    for words in [["create", "{}", "--bundle", &bundle], ["create", "-b", &bundle, "{}"]] {
        ground.nsinit(&words).current_dir("/").status()?.success().then_some(()).expect("create succeeds");
        ground.says(&["delete", "{}", "--force"])?;
    }
    ground.nothing_is_left();
    Ok(())
}

fn a_running_container_is_deleted_by_force_only() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    let refused = ground.output(&["delete", "{}"])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("container is running"), "{}", text(&refused.stderr));
    ground.says(&["delete", "-f", "{}"])?;
    ground.nothing_is_left();
    // What is gone is deleted, if that is all that is wanted.
    ground.says(&["delete", "-f", "{}"])?;
    assert_eq!(ground.output(&["delete", "{}"])?.status.code(), Some(1));
    Ok(())
}

// ---- exec ----

fn exec_is_the_containers_own_process() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |config| {
        config["process"]["env"].as_array_mut().expect("a list").push(json!("OWN=1"));
        config["process"]["cwd"] = json!("/bin");
        config["process"]["rlimits"] = json!([{ "type": "RLIMIT_CORE", "soft": 4096, "hard": 8192 }]);
    })?;
    ground.says(&["run", "-d", "{}"])?;
    let script = "echo $OWN $PWD; ulimit -c; grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat /proc/1/comm";
    let said = ground.says(&["exec", "{}", "sh", "-c", script])?;
    // Peers' exec forgets no_new_privs and limits.
    let lines: Vec<_> = said.split_whitespace().collect();
    assert_eq!(lines, ["1", "/bin", "8", "CapEff:", "0000000020000420", "NoNewPrivs:", "1", "sleep"]);
    let coded = ground.output(&["exec", "{}", "sh", "-c", "exit 12"])?;
    assert_eq!(coded.status.code(), Some(12));
    let pid_namespace =
        |process: &str| ground.says(&["exec", "{}", "readlink", &format!("/proc/{process}/ns/pid")]);
    assert_eq!(pid_namespace("1")?, pid_namespace("self")?);
    Ok(())
}

fn exec_changes_what_it_is_asked_to() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    let words = ["exec", "-e", "A=one two", "--cwd", "/bin", "--cap", "CAP_CHOWN", "{}", "sh", "-c"];
    let script = "echo $A; pwd; grep -E 'CapInh|CapEff|CapAmb' /proc/self/status";
    let said = ground.says(&[&words[..], &[script]].concat())?;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], ["one two", "/bin"]);
    // Never inheritable: CVE-2022-29162 of a peer.
    let set = |bits: &str, name: &str| format!("{name}:\t{bits}");
    let none = "0000000000000000";
    assert_eq!(lines[2..], [set(none, "CapInh"), set("0000000020000421", "CapEff"), set(none, "CapAmb")]);

    // A peer took 4294967296 for root, another 4294967295.
    for user in ["4294967295", "4294967296", "-1"] {
        let refused = ground.output(&["exec", &format!("--user={user}"), "{}", "id"])?;
        assert_eq!(refused.status.code(), Some(255), "{user}");
        assert!(
            refused.stdout.is_empty() && text(&refused.stderr).contains(user),
            "{}",
            text(&refused.stderr)
        );
    }
    Ok(())
}

fn exec_runs_as_another_user() -> Outcome {
    grounds::root()?;
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    let said = ground.says(&["exec", "-u", "7:8", "-g", "9", "-g", "10", "{}", "id"])?;
    assert_eq!(said, "uid=7 gid=8 groups=9,10\n");
    Ok(())
}

fn exec_takes_a_whole_process_from_a_file() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    let process = json!({
        "args": ["sh", "-c", "echo $A; pwd; grep CapEff /proc/self/status"], "cwd": "/bin",
        "env": ["PATH=/bin", "A=1"], "user": { "uid": 0, "gid": 0 },
    });
    fs::write(ground.dir.join("process.json"), process.to_string())?;
    let said = ground.says(&["exec", "--process", "process.json", "{}"])?;
    assert_eq!(said, "1\n/bin\nCapEff:\t0000000000000000\n");
    fs::write(ground.dir.join("process.json"), "{\"args\": 5}")?;
    let refused = ground.output(&["exec", "-p", "process.json", "{}"])?;
    assert_eq!(refused.status.code(), Some(255));
    assert!(text(&refused.stderr).contains("process.json: invalid type"), "{}", text(&refused.stderr));
    Ok(())
}

fn exec_that_can_not_start_gives_255() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    let output = ground.output(&["exec", "{}", "nothere"])?;
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(text(&output.stderr), "nsinit: execute \"nothere\": No such file or directory (os error 2)\n");
    let output = ground.output(&["exec", "--cwd", "/nowhere", "{}", "true"])?;
    assert_eq!(output.status.code(), Some(255));
    let tty = ground.output(&["exec", "-t", "{}", "true"])?;
    assert_eq!(tty.status.code(), Some(255));
    assert!(text(&tty.stderr).contains("wants a terminal"), "{}", text(&tty.stderr));
    let gone = ground.output(&["exec", "nobody", "true"])?;
    assert!(text(&gone.stderr).contains("does not exist"), "{}", text(&gone.stderr));
    Ok(())
}

fn exec_never_looks_at_the_bundle() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    // Swapped by whoever may write to the bundle after the container was made.
    ground.edit(|config| {
        let all = json!(["CAP_SYS_ADMIN", "CAP_KILL"]);
        config["process"]["capabilities"] = json!({ "effective": all, "permitted": all, "bounding": all });
        config["process"]["noNewPrivileges"] = json!(false);
    })?;
    let said = ground.says(&["exec", "{}", "grep", "-E", "CapEff|NoNewPrivs", "/proc/self/status"])?;
    assert_eq!(said, "CapEff:\t0000000020000420\nNoNewPrivs:\t1\n");
    Ok(())
}

// ---- failures ----

fn every_failure_is_one_line_and_leaves_nothing() -> Outcome {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 8] = [
        ("execute \"nothere\": No such file or directory", |config| {
            config["process"]["args"] = json!(["nothere"]);
        }),
        ("rootfs-not-there\": No such file", |config| config["root"]["path"] = json!("rootfs-not-there")),
        ("seccomp: \"execve\" is never allowed", |config| {
            config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ERRNO" });
        }),
        ("invalid type: string \"x\"", |config| config["mounts"] = json!("x")),
        ("ociVersion \"9.0.0\"", |config| config["ociVersion"] = json!("9.0.0")),
        ("NUL", |config| config["process"]["args"] = json!(["a\0b"])),
        ("\"nothing-of-the-kind\" on \"/a\"", |config| {
            config["mounts"][1] = json!({ "destination": "/a", "type": "nothing-of-the-kind" });
        }),
        ("/source-not-there\"", |config| {
            config["mounts"][1] =
                json!({ "destination": "/a", "source": "/source-not-there", "options": ["bind"] });
        }),
    ];
    for (part, edit) in cases {
        let ground = Ground::new(&["true"], edit)?;
        fails(&ground, &["run", "{}"], part)?;
        if !part.starts_with("execute") {
            fails(&ground, &["create", "{}"], part)?;
        }
    }
    let ground = Ground::new(&["true"], |_| {})?;
    fails(
        &ground,
        &["run", "-b", "/no/bundle", "{}"],
        "open bundle \"/no/bundle\": No such file or directory",
    )?;
    fails(&ground, &["run", "--pid-file", "/no/where/pid", "{}"], "write pid file \"/no/where/pid\"")?;
    for (json, part) in
        [("", "line 1 column 0"), ("null", "line 1 column 4"), ("{\n \"a\": }", "line 2 column 7")]
    {
        fs::write(ground.dir.join("config.json"), json)?;
        fails(&ground, &["run", "{}"], part)?;
    }
    for (words, part) in [
        (&["run", "../x"][..], "container id \"../x\""),
        (&["run", ""], "container id \"\""),
        (&["run"], "exactly one container id"),
        (&["run", "a", "b"], "exactly one container id"),
        (&["nonsense"], "command \"nonsense\""),
        (&["run", "--nonsense", "{}"], "--nonsense"),
        (&["state", "nobody"], "does not exist"),
        (&["--systemd-cgroup", "run", "{}"], "--systemd-cgroup: not supported yet"),
    ] {
        fails(&ground, words, part)?;
    }
    Ok(())
}

fn fails(ground: &Ground, words: &[&str], part: &str) -> Outcome {
    let output = ground.output(words)?;
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {line}");
    assert!(line.starts_with("nsinit: ") && line.contains(part), "{part:?} is not in {line:?}");
    assert_eq!(line.lines().count(), 1, "{line}");
    ground.nothing_is_left();
    Ok(())
}

fn errors_go_to_the_log_in_its_format() -> Outcome {
    let ground = Ground::new(&["true"], |_| {})?;
    ground.output(&["--log", "log", "state", "nobody"])?;
    ground.output(&["--log", "log", "--log-format", "json", "state", "nobody"])?;
    let log = fs::read_to_string(ground.dir.join("log"))?;
    let lines: Vec<_> = log.lines().collect();
    assert!(lines[0].ends_with(r#" level=error msg="container \"nobody\": does not exist""#), "{log}");
    let object: Value = serde_json::from_str(lines[1])?;
    assert_eq!(
        (&object["level"], &object["msg"]),
        (&json!("error"), &json!("container \"nobody\": does not exist"))
    );
    Ok(())
}

// ---- descriptors ----

fn descriptors_of_nsinit_stay_its_own() -> Outcome {
    // Peers leaked a descriptor of the host's directories, and containers left by it.
    let ground = Ground::new(&["sh", "-c", "ls /proc/self/fd"], |_| {})?;
    let listed = ground.says(&["run", "{}"])?;
    // The last one is that of the listing itself.
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    // Nobody opened descriptor 3 for us: one that nsinit opens itself must not be taken for it.
    let sh = format!("exec 3<&- 4<&-; exec {NSINIT} --root state run --preserve-fds 1 {}", ground.id);
    let output = Command::new("sh").args(["-c", &sh]).current_dir(&ground.dir).output()?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "nsinit: hand over descriptor 3: Bad file descriptor (os error 9)\n");
    ground.nothing_is_left();
    Ok(())
}

fn preserved_descriptors_keep_their_numbers() -> Outcome {
    let ground = Ground::new(&["sh", "-c", "cat <&4; ls /proc/self/fd"], |_| {})?;
    fs::write(ground.dir.join("four"), "four\n")?;
    let sh = format!(
        "exec 3</dev/null 4<four 5</dev/null 9</dev/null; exec {NSINIT} --root state run --preserve-fds 2 {}",
        ground.id
    );
    let output = Command::new("sh").args(["-c", &sh]).current_dir(&ground.dir).output()?;
    let said = text(&output.stdout);
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["four", "0", "1", "2", "3", "4", "5"]);
    Ok(())
}

// ---- terminals ----

fn a_terminal_shows_the_program_and_is_restored() -> Outcome {
    let script = "stty size; stty -a | grep -o .onlcr; read line; echo read $line; exit 6";
    let ground = Ground::new(&["sh", "-c", script], |config| config["process"]["terminal"] = json!(true))?;
    let pty = term::Pty::open(Some(&term::Winsize::new(33, 99)))?;
    let before = term::State::save(&pty.terminal)?;
    let end = || pty.terminal.as_fd().try_clone_to_owned();
    let mut child = ground.nsinit(&["run", "{}"]).stdin(end()?).stdout(end()?).stderr(end()?).spawn()?;
    let mut shown = String::new();
    read_until(&pty.controller, &mut shown, "-onlcr\r\n")?;
    // Echoed by the container's terminal once, not by ours too.
    (&pty.controller).write_all(b"hello\r")?;
    read_until(&pty.controller, &mut shown, "read hello\r\n")?;
    assert_eq!(shown, "33 99\r\n-onlcr\r\nhello\r\nread hello\r\n");
    assert_eq!(ended(&mut child)?, Some(6));
    assert!(term::State::save(&pty.terminal)? == before, "the terminal is not what it was");
    ground.nothing_is_left();

    // exec has ours from its first moment.
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["run", "-d", "{}"])?;
    let mut exec = ground.nsinit(&["exec", "-t", "{}", "stty", "size"]);
    let mut child = exec.stdin(end()?).stdout(end()?).stderr(end()?).spawn()?;
    shown.clear();
    read_until(&pty.controller, &mut shown, "33 99\r\n")?;
    assert_eq!((ended(&mut child)?, shown.as_str()), (Some(0), "33 99\r\n"));
    assert!(term::State::save(&pty.terminal)? == before, "the terminal is not what it was");

    // Without one the program can't have what it asks for.
    let ground = Ground::new(&["true"], |config| config["process"]["terminal"] = json!(true))?;
    let refused = ground.output(&["run", "{}"])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("wants a terminal and standard input is none"));
    let refused = ground.output(&["run", "-d", "{}"])?;
    assert!(text(&refused.stderr).contains("give --console-socket"), "{}", text(&refused.stderr));
    ground.nothing_is_left();
    Ok(())
}

fn read_until(mut from: &File, shown: &mut String, end: &str) -> Outcome {
    let mut buffer = [0; 1024];
    while !shown.ends_with(end) {
        let mut ready = [nix::poll::PollFd::new(from.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut ready, 10_000_u16)?, 1, "{end:?} never came: {shown:?}");
        let length = from.read(&mut buffer)?;
        shown.push_str(&text(&buffer[..length]));
    }
    Ok(())
}

fn a_console_socket_gets_the_terminal() -> Outcome {
    let ground = Ground::new(&["true"], |config| config["process"]["terminal"] = json!(true))?;
    let listener = UnixListener::bind(ground.dir.join("console"))?;
    ground.says(&["create", "--console-socket", "console", "{}"])?;
    let (socket, _) = listener.accept()?;
    let (mut bytes, mut control) = ([0; 64], cmsg_space!([i32; 4]));
    let mut vector = [std::io::IoSliceMut::new(&mut bytes)];
    let received =
        recvmsg::<()>(socket.as_raw_fd(), &mut vector, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let fds: Vec<i32> = received
        .cmsgs()?
        .flat_map(|message| if let ControlMessageOwned::ScmRights(fds) = message { fds } else { Vec::new() })
        .collect();
    assert_eq!(fds.len(), 1);
    let target = fs::read_link(format!("/proc/self/fd/{}", fds[0]))?;
    nix::unistd::close(fds[0])?;
    assert!(target.ends_with("ptmx"), "{target:?}");
    assert!(received.bytes > 0, "a message without a byte is none");
    ground.says(&["delete", "-f", "{}"])?;

    drop(listener);
    fails(&ground, &["create", "--console-socket", "console", "{}"], "send the terminal to \"console\"")
}

// ---- the rest ----

fn the_list_has_every_container() -> Outcome {
    let ground = Ground::new(&["sleep", "100"], |_| {})?;
    ground.says(&["create", "{}"])?;
    assert_eq!(ground.says(&["list", "-q"])?, format!("{}\n", ground.id));
    let table = ground.says(&["list"])?;
    let row: Vec<_> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!((row[0], row[2]), (ground.id.as_str(), "created"));
    let array: Value = serde_json::from_str(&ground.says(&["list", "--format", "json"])?)?;
    assert_eq!((&array[0]["id"], &array[0]["status"]), (&json!(ground.id), &json!("created")));
    assert!(!array[0]["owner"].as_str().unwrap_or_default().is_empty(), "{array}");

    // A state that can't be read doesn't hide the others.
    fs::create_dir(ground.dir.join("state/broken"))?;
    fs::write(ground.dir.join("state/broken/state.json"), "null")?;
    let output = ground.output(&["list"])?;
    assert!(text(&output.stdout).contains(&ground.id) && output.status.success());
    assert!(text(&output.stderr).starts_with("nsinit: list \"broken\": "), "{}", text(&output.stderr));
    Ok(())
}

fn spec_overwrites_nothing() -> Outcome {
    let ground = Ground::new(&["true"], |_| {})?;
    let before = fs::read(ground.dir.join("config.json"))?;
    let output = ground.output(&["spec"])?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "nsinit: write \"config.json\": File exists (os error 17)\n");
    assert_eq!(fs::read(ground.dir.join("config.json"))?, before);
    Ok(())
}

fn plan_touches_nothing() -> Outcome {
    let ground = Ground::new(&["true"], |_| {})?;
    let plan = ground.says(&["plan", "-b", "."])?;
    assert!(plan.contains("pivot the root\n") && plan.ends_with("execute \"true\"\n"), "{plan}");
    let steps: Vec<Value> = serde_json::from_str(&ground.says(&["plan", "--json"])?)?;
    let words: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap_or_default()).collect();
    assert_eq!(words, plan.lines().collect::<Vec<_>>());
    assert!(!ground.dir.join("state").exists());
    Ok(())
}

/// A hook that notes its name and what it reads.
fn hook(name: &str) -> Value {
    json!({ "path": "/bin/sh", "args": ["sh", "-c", format!("echo {name} >>hooks; cat >state-{name}")],
            "env": ["PATH=/bin:/usr/bin"] })
}

fn hooks_of_a_bundle_run_at_their_turns() -> Outcome {
    let ground = Ground::new(&["true"], |config| {
        config["annotations"] = json!({ "org.example": "noted" });
        config["hooks"] = json!({ "prestart": [hook("prestart")], "createRuntime": [hook("createRuntime")],
            "poststart": [hook("poststart")], "poststop": [hook("poststop")] });
    })?;
    ground.says(&["create", "hooked"])?;
    let noted = || fs::read_to_string(ground.dir.join("hooks"));
    assert_eq!(noted()?, "prestart\ncreateRuntime\n");
    ground.says(&["start", "hooked"])?;
    assert_eq!(noted()?, "prestart\ncreateRuntime\npoststart\n");
    ground.says(&["delete", "--force", "hooked"])?;
    assert_eq!(noted()?, "prestart\ncreateRuntime\npoststart\npoststop\n");
    let state: Value = serde_json::from_str(&fs::read_to_string(ground.dir.join("state-poststart"))?)?;
    assert_eq!((&state["id"], &state["status"]), (&json!("hooked"), &json!("running")));
    assert_eq!(state["annotations"]["org.example"], "noted");
    assert_eq!(state["bundle"].as_str(), ground.dir.canonicalize()?.to_str());
    ground.nothing_is_left();
    Ok(())
}

fn failed_hooks_are_told() -> Outcome {
    let failing = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "echo why >&2; exit 3"] }]);
    let ground = Ground::new(&["true"], |config| config["hooks"] = json!({ "createRuntime": failing }))?;
    fails(
        &ground,
        &["create", "{}"],
        "error running createRuntime hook #0: \"/bin/sh\": exit status 3: why",
    )?;
    let ground = Ground::new(&["true"], |config| config["hooks"] = json!({ "poststop": failing }))?;
    let output = ground.output(&["run", "{}"])?;
    let line = text(&output.stderr);
    assert!(output.status.success(), "the program ended well: {line}");
    assert!(line.contains("error running poststop hook #0"), "{line}");
    ground.nothing_is_left();
    Ok(())
}

fn limits_without_cgroups_of_ones_own_are_refused() -> Outcome {
    if is_root() {
        return Err(ignored("needs an ordinary user"));
    }
    let limit = |config: &mut Value| config["linux"]["resources"] = json!({ "pids": { "limit": 10 } });
    let ground = Ground::new(&["true"], limit)?;
    fails(&ground, &["run", "{}"], "needs delegated cgroups")
}

fn runc_gives_the_same() -> Outcome {
    grounds::root()?;
    if Command::new("runc").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err(ignored("runc is not installed"));
    }
    let script = "grep -E 'Cap|NoNewPrivs|Groups|Umask|Sig[BC]|Seccomp:' /proc/self/status; id; pwd; env; \
                  while read what place kind options; do echo $place; done </proc/mounts; ls /dev | grep -v core; ulimit -n; cat /proc/sys/kernel/hostname; \
                  cat /proc/kcore; touch /x; cat /sys/class/net/lo/flags; exit 42";
    let ground = Ground::new(&["sh", "-c", script], |_| {})?;
    fs::remove_file(ground.dir.join("config.json"))?;
    if !Command::new("runc").arg("spec").current_dir(&ground.dir).status()?.success() {
        return Err(ignored("runc can't make a bundle here"));
    }
    ground.edit(|config| {
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["sh", "-c", script]);
    })?;
    let root = ground.dir.join("runc");
    let mut runc = Command::new("runc");
    runc.arg("--root").arg(&root).args(["run", &ground.id]).current_dir(&ground.dir).stdin(Stdio::null());
    let runc = streams_to(&mut runc, &ground.dir)?;
    let ours = streams_to(&mut ground.nsinit(&["run", "{}"]), &ground.dir)?;
    assert_eq!(runc.0, Some(42), "{}", runc.2);
    assert_eq!(ours, runc);
    Ok(())
}

/// Runs with the streams in files, of which both runtimes hand over the same.
fn streams_to(command: &mut Command, dir: &Path) -> Result<(Option<i32>, String, String), Stop> {
    let (out, err) = (dir.join("out"), dir.join("err"));
    let status = command.stdout(File::create(&out)?).stderr(File::create(&err)?).status()?;
    Ok((status.code(), fs::read_to_string(out)?, fs::read_to_string(err)?))
}
