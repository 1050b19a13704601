//! Filters of system calls, in containers and in what joins them.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::thread;

use grounds::{Outcome, Stop, ignored};
use libcontainer::seccomp::{Action, Comparison, Listener, Rule, Seccomp};
use libcontainer::{Container, ErrorKind, ExitStatus, Hook, Io, User, oci};

use crate::agent::{decide, take};
use crate::shell::{Shell, captured};

crate::tests![
    a_call_is_refused_with_its_error,
    arguments_decide,
    a_filter_without_no_new_privileges_leaves_no_capability_behind,
    a_filter_of_an_unprivileged_user_counts_too,
    what_joins_has_the_containers_filter,
    the_default_profile_of_docker_lets_a_shell_work,
    only_the_exec_has_to_be_allowed,
    a_program_that_is_missing_is_told_under_a_filter,
    a_listener_decides,
    a_listener_takes_hold_of_the_exec_itself,
    a_listener_of_what_joins_decides,
    an_absent_listener_is_named_and_nothing_runs,
    a_listener_that_could_not_be_taken_is_refused,
    hooks_are_filtered_as_the_program,
];

/// Everything is allowed but what the rules say.
fn but(rules: impl IntoIterator<Item = Rule>) -> Seccomp {
    let mut seccomp = Seccomp::new(Action::Allow);
    seccomp.rules.extend(rules);
    seccomp
}

/// Making a directory, by whichever call a program does it.
fn mkdir(action: Action) -> Rule {
    Rule::new(["mkdir", "mkdirat"], action)
}

fn a_call_is_refused_with_its_error() -> Outcome {
    for no_new_privileges in [true, false] {
        let mut shell = Shell::new("mkdir /x; ls -d /x; grep Seccomp: /proc/self/status")?;
        shell.config.process.no_new_privileges = no_new_privileges;
        shell.config.process.seccomp = Some(but([mkdir(Action::Errno(libc::EXDEV as u16))]));
        let (said, _) = shell.run()?;
        assert!(said.contains("nvalid cross-device link"), "{said}");
        assert!(said.contains("Seccomp:\t2"), "{said}");
        assert!(said.contains("No such file"), "{said}");
    }
    Ok(())
}

fn arguments_decide() -> Outcome {
    // The second call's mode is the third argument of mkdirat, the second of mkdir.
    let mut shell = Shell::new("mkdir -m 700 /tmp/a; mkdir -m 711 /tmp/b; ls /tmp")?;
    let rule = |name: &str, index| {
        let mut rule = Rule::new([name], Action::Errno(libc::EXDEV as u16));
        rule.args = vec![Comparison::masked(index, 0o777, 0o711)];
        rule
    };
    shell.config.process.seccomp = Some(but([rule("mkdir", 1), rule("mkdirat", 2)]));
    let (said, status) = shell.run()?;
    assert!(status.success(), "{said}");
    assert_eq!(said.lines().last(), Some("a"), "{said}");
    Ok(())
}

/// Setting the filter takes CAP_SYS_ADMIN: the program must not have it for that.
fn a_filter_without_no_new_privileges_leaves_no_capability_behind() -> Outcome {
    let look = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status";
    for uid in [0, 1000] {
        let mut shell = Shell::new(look)?;
        shell.config.process.no_new_privileges = false;
        if crate::shell::is_root() || uid == 0 {
            shell.config.process.user = User::Ids { uid, gid: uid, groups: Vec::new(), umask: None };
        }
        let plain = shell.says()?;
        shell.config.process.seccomp = Some(but([mkdir(Action::KillProcess)]));
        assert_eq!(shell.says()?, plain);
        assert!(plain.contains("NoNewPrivs:\t0"), "{plain}");
        let admin = 1_u64 << 21;
        for line in plain.lines().filter(|line| line.starts_with("Cap")) {
            let bits =
                line.split_ascii_whitespace().nth(1).and_then(|digits| u64::from_str_radix(digits, 16).ok());
            assert_eq!(bits.unwrap_or(admin) & admin, 0, "{plain}");
        }
    }
    Ok(())
}

fn a_filter_of_an_unprivileged_user_counts_too() -> Outcome {
    let mut shell = Shell::new("mkdir /tmp/x; id -u")?;
    if !crate::shell::is_root() {
        return Err(ignored("needs a second user"));
    }
    shell.config.process.user = User::Ids { uid: 1000, gid: 1000, groups: Vec::new(), umask: None };
    shell.config.process.capabilities = libcontainer::Capabilities::default();
    shell.config.process.seccomp = Some(but([mkdir(Action::Errno(libc::EXDEV as u16))]));
    for no_new_privileges in [true, false] {
        shell.config.process.no_new_privileges = no_new_privileges;
        let said = shell.says()?;
        assert!(said.contains("cross-device") && said.ends_with("1000\n"), "{said}");
    }
    Ok(())
}

fn what_joins_has_the_containers_filter() -> Outcome {
    let mut shell = Shell::new("read wait")?;
    shell.config.process.seccomp = Some(but([mkdir(Action::Errno(libc::EXDEV as u16))]));
    let (stdin, writer) = std::io::pipe()?;
    let mut io = Io::default();
    io.stdin = stdin.into();
    let container = Container::run(&shell.config, io)?;
    let mut process = container.config().process.clone();
    process.args = ["sh", "-c", "mkdir /x; grep Seccomp: /proc/self/status"].map(str::to_owned).to_vec();
    let (io, mut output) = captured()?;
    let mut child = container.exec(&process, io)?;
    let mut said = String::new();
    output.read_to_string(&mut said)?;
    child.wait()?;
    assert!(said.contains("cross-device") && said.contains("Seccomp:\t2"), "{said}");
    drop(writer);
    container.delete()?;
    Ok(())
}

fn the_default_profile_of_docker_lets_a_shell_work() -> Outcome {
    let mut shell = Shell::new("ls / >/dev/null && id -u && sh -c 'echo fine' && ! unshare -m true")?;
    let json = include_bytes!("../fixtures/docker-default-seccomp.json");
    shell.config.process.seccomp = Some(oci::seccomp(json)?);
    let said = shell.says()?;
    assert!(said.contains("0\nfine\n"), "{said}");
    Ok(())
}

/// What comes after the filter is the exec and nothing else: the program itself is killed at its first call.
fn only_the_exec_has_to_be_allowed() -> Outcome {
    for no_new_privileges in [true, false] {
        let mut shell = Shell::program(&["/bin/true"])?;
        shell.config.process.no_new_privileges = no_new_privileges;
        let mut seccomp = Seccomp::new(Action::KillProcess);
        seccomp.rules.push(Rule::new(["execve"], Action::Allow));
        shell.config.process.seccomp = Some(seccomp);
        let mut container = Container::create(&shell.config, Io::default())?;
        container.start()?;
        assert_eq!(container.wait()?, ExitStatus::Signaled(libc::SIGSYS));
    }
    Ok(())
}

fn a_program_that_is_missing_is_told_under_a_filter() -> Outcome {
    let mut shell = Shell::program(&["/no/such/program"])?;
    shell.config.process.seccomp = Some(but([mkdir(Action::KillProcess)]));
    let error = Container::run(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exec);
    assert!(error.to_string().contains("\"/no/such/program\""), "{error}");
    Ok(())
}

/// A filter that asks about some calls, and who is asked.
fn asking(names: &[&str]) -> Result<(Option<Seccomp>, UnixListener, std::path::PathBuf), Stop> {
    let path = std::env::temp_dir().join("agent");
    let socket = UnixListener::bind(&path)?;
    let mut seccomp = but([Rule::new(names.iter().copied(), Action::Notify)]);
    let mut listener = Listener::new(&path);
    "{\"for\":\"me\"}".clone_into(&mut listener.metadata);
    seccomp.listener = Some(listener);
    Ok((Some(seccomp), socket, path))
}

fn a_listener_decides() -> Outcome {
    for no_new_privileges in [true, false] {
        let mut shell = Shell::new("mkdir /x; echo $?")?;
        let (seccomp, socket, path) = asking(&["mkdir", "mkdirat"])?;
        shell.config.process.seccomp = seccomp;
        shell.config.process.no_new_privileges = no_new_privileges;
        "asked".clone_into(&mut shell.config.description.id);
        let agent = thread::spawn(move || {
            let (state, listener) = take(&socket);
            (state, decide(&listener, libc::EXDEV, 1))
        });
        let said = shell.says()?;
        let (state, answered) = agent.join().unwrap();
        assert_eq!(answered, 1);
        assert!(said.contains("cross-device"), "{said}");
        assert_eq!(state["ociVersion"], "1.3.0");
        assert_eq!(state["fds"], serde_json::json!(["seccompFd"]));
        assert_eq!(state["metadata"], "{\"for\":\"me\"}");
        assert_eq!((&state["state"]["id"], &state["state"]["pid"]), (&"asked".into(), &state["pid"]));
        assert!(state["pid"].as_u64() > Some(1), "{state}");
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Only `read` and what the listener lets through: it is told of the exec too.
fn a_listener_takes_hold_of_the_exec_itself() -> Outcome {
    let mut shell = Shell::program(&["/bin/true"])?;
    let (_, socket, path) = asking(&["mkdir"])?;
    let mut seccomp = Seccomp::new(Action::KillProcess);
    seccomp.rules.push(Rule::new(["read"], Action::Allow));
    seccomp.rules.push(Rule::new(["execve"], Action::Notify));
    seccomp.listener = Some(Listener::new(&path));
    shell.config.process.seccomp = Some(seccomp);
    let agent = thread::spawn(move || decide(&take(&socket).1, libc::EACCES, 1));
    let mut container = Container::run(&shell.config, Io::default())?;
    assert_eq!(agent.join().unwrap(), 1);
    // It could not say that the exec failed: whatever it would say it with is not allowed either.
    assert_eq!(container.wait()?, ExitStatus::Signaled(libc::SIGSYS));
    std::fs::remove_file(path)?;
    Ok(())
}

fn a_listener_of_what_joins_decides() -> Outcome {
    let mut shell = Shell::new("read wait")?;
    let (stdin, writer) = std::io::pipe()?;
    let mut io = Io::default();
    io.stdin = stdin.into();
    let container = Container::run(&shell.config, io)?;
    let (seccomp, socket, path) = asking(&["mkdir", "mkdirat"])?;
    let mut process = container.config().process.clone();
    process.seccomp = seccomp;
    process.args = ["sh", "-c", "mkdir /x"].map(str::to_owned).to_vec();
    let agent = thread::spawn(move || decide(&take(&socket).1, libc::EXDEV, 1));
    let (io, mut output) = captured()?;
    let mut child = match container.exec(&process, io) {
        Err(error) if error.kind() == ErrorKind::Unsupported && !crate::shell::is_root() => {
            assert!(error.to_string().contains("CAP_SYS_PTRACE"), "{error}");
            drop(std::os::unix::net::UnixStream::connect(&path)?);
            drop(agent.join());
            std::fs::remove_file(path)?;
            return Err(ignored(error));
        }
        child => child?,
    };
    let mut said = String::new();
    output.read_to_string(&mut said)?;
    assert!(!child.wait()?.success());
    assert!(said.contains("cross-device"), "{said}");
    assert_eq!(agent.join().unwrap(), 1);
    drop(writer);
    container.delete()?;
    std::fs::remove_file(path)?;
    shell.config.process.seccomp = None;
    Ok(())
}

fn an_absent_listener_is_named_and_nothing_runs() -> Outcome {
    let mut shell = Shell::new("echo ran")?;
    let (seccomp, socket, path) = asking(&["mkdir"])?;
    drop(socket);
    std::fs::remove_file(&path)?;
    shell.config.process.seccomp = seccomp;
    let (io, mut output) = captured()?;
    let error = Container::run(&shell.config, io).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(path.as_path())), "{error}");
    let mut said = String::new();
    output.read_to_string(&mut said)?;
    assert_eq!(said, "");
    Ok(())
}

fn a_listener_that_could_not_be_taken_is_refused() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let (seccomp, _socket, path) = asking(&["read"])?;
    shell.config.process.seccomp = seccomp;
    let error = Container::run(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("\"read\" must be allowed"), "{error}");
    std::fs::remove_file(path)?;
    Ok(())
}

fn hooks_are_filtered_as_the_program() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.process.seccomp = Some(but([mkdir(Action::Errno(libc::EXDEV as u16))]));
    let mut hook = Hook::new("/bin/sh");
    hook.args = ["sh", "-c", "PATH=/bin:/usr/bin mkdir /tmp/x"].map(str::to_owned).to_vec();
    shell.config.hooks.start_container = vec![hook];
    let error = Container::run(&shell.config, Io::default()).map(drop).unwrap_err();
    // The process that waits for its filter could be looked into by the hook, too.
    let expected = if crate::shell::is_root() { "cross-device" } else { "need CAP_SYS_PTRACE" };
    assert!(error.to_string().contains(expected), "{error}");
    Ok(())
}
