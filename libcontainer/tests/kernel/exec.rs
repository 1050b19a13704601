//! Processes that join a container.

use std::fs;
use std::io::{Read, Write};

use grounds::{Outcome, Stop};
use libcontainer::{Container, ErrorKind, ExitStatus, Io, Process, User};

use crate::shell::{Shell, captured, is_root};

crate::tests!(
    it_is_in_the_same_namespaces_and_sees_the_same_root,
    it_has_its_own_environment_directory_and_user,
    a_missing_program_is_told,
    it_is_refused_in_a_stopped_container,
    it_ends_by_signals_and_tells,
    the_container_ends_before_those_who_joined_are_waited_for,
    many_run_at_once,
    capabilities_are_its_own,
    no_descriptor_leaks_into_it,
    a_working_directory_outside_is_refused_here_too,
    it_is_in_the_container_s_cgroup,
    a_badness_is_taken_by_an_ordinary_user_too,
    names_are_looked_up_in_the_container_s_root,
);

fn running() -> Result<(Shell, Container), Stop> {
    let shell = Shell::new("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    Ok((shell, container))
}

fn script(container: &Container, script: &str) -> Process {
    let mut process = container.config().process.clone();
    process.args = ["sh", "-c", script].map(str::to_owned).to_vec();
    process
}

fn says(container: &Container, process: &Process) -> Result<(String, ExitStatus), Stop> {
    let (io, mut output) = captured()?;
    let mut child = container.exec(process, io)?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    Ok((text, child.wait()?))
}

fn it_is_in_the_same_namespaces_and_sees_the_same_root() -> Outcome {
    let (_shell, container) = running()?;
    let process = script(
        &container,
        "for kind in mnt uts ipc pid net cgroup user; do readlink /proc/self/ns/$kind /proc/1/ns/$kind; done; cat /proc/sys/kernel/hostname; ls /etc",
    );
    let (said, status) = says(&container, &process)?;
    assert!(status.success(), "{said}");
    let lines: Vec<_> = said.lines().collect();
    for pair in lines[..14].chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(lines[14..], ["box", "group", "passwd"]);
    assert_ne!(lines[0], fs::read_link("/proc/thread-self/ns/mnt")?.to_string_lossy());
    Ok(())
}

fn it_has_its_own_environment_directory_and_user() -> Outcome {
    let (_shell, container) = running()?;
    let mut process = script(&container, "echo $OWN $PWD $(id -u) $(ulimit -n); umask; echo $$");
    process.env.push("OWN=value".to_owned());
    process.cwd = "/etc".into();
    process.rlimits = vec![libcontainer::Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 99, hard: 99 }];
    let uid = if is_root() { 1234 } else { 0 };
    process.user = User::Ids { uid, gid: uid, groups: Vec::new(), umask: Some(0o77) };
    let (said, _) = says(&container, &process)?;
    assert!(
        said.starts_with(&format!("value /etc {uid} 99\n0077\n"))
            || said.starts_with(&format!("value /etc {uid} 99\n077\n")),
        "{said}"
    );
    assert_ne!(said.lines().last(), Some("1"), "it is not the first process");
    process.cwd = "/no/such/directory".into();
    let error = container.exec(&process, Io::default()).unwrap_err();
    let line =
        "enter working directory \"/no/such/directory\": chdir: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), line);
    Ok(())
}

fn a_missing_program_is_told() -> Outcome {
    let (_shell, container) = running()?;
    let mut process = container.config().process.clone();
    process.args = vec!["no-such-program".to_owned()];
    let error = container.exec(&process, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exec);
    assert_eq!(error.to_string(), "execute \"no-such-program\": No such file or directory (os error 2)");
    process.args.clear();
    assert_eq!(container.exec(&process, Io::default()).unwrap_err().kind(), ErrorKind::InvalidConfig);
    Ok(())
}

fn it_is_refused_in_a_stopped_container() -> Outcome {
    let shell = Shell::new("exit 0")?;
    let mut container = Container::run(&shell.config, Io::default())?;
    container.wait()?;
    let process = script(&container, "echo must not run");
    let error = container.exec(&process, Io::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::InvalidState, "cannot exec in a stopped container")
    );
    Ok(())
}

fn it_ends_by_signals_and_tells() -> Outcome {
    let (_shell, container) = running()?;
    let mut child = container.exec(&script(&container, "sleep 100"), Io::default())?;
    assert_eq!(child.try_wait()?, None);
    child.signal(libc::SIGTERM)?;
    assert_eq!(child.wait()?, ExitStatus::Signaled(libc::SIGTERM));
    let (_, status) = says(&container, &script(&container, "exit 9"))?;
    assert_eq!(status, ExitStatus::Exited(9));
    // The container goes, and takes what was started in it along.
    let mut child = container.exec(&script(&container, "sleep 100"), Io::default())?;
    drop(container);
    assert_eq!(child.wait()?, ExitStatus::Signaled(libc::SIGKILL));
    Ok(())
}

/// The first process of a PID namespace can't end before all others were waited for; here their parent
/// is whoever waits for the first, and both waited for ever.
fn the_container_ends_before_those_who_joined_are_waited_for() -> Outcome {
    let shell = Shell::new("read line; exit 3")?;
    let begin = std::time::Instant::now();
    for forgotten in [false, true] {
        let (stdin, hold) = std::io::pipe()?;
        let mut io = Io::default();
        io.stdin = stdin.into();
        let mut container = Container::run(&shell.config, io)?;
        let child = container.exec(&script(&container, "sleep 100"), Io::default())?;
        let child = if forgotten { None } else { Some(child) };
        drop(hold);
        assert_eq!(container.wait()?, ExitStatus::Exited(3));
        container.delete()?;
        if let Some(mut child) = child {
            assert_eq!(child.try_wait()?, Some(ExitStatus::Signaled(libc::SIGKILL)));
            assert_eq!(child.wait()?, ExitStatus::Signaled(libc::SIGKILL));
        }
    }
    assert!(begin.elapsed().as_secs() < 8, "{:?}", begin.elapsed());
    Ok(())
}

fn many_run_at_once() -> Outcome {
    let (_shell, container) = running()?;
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..12)
            .map(|number| {
                let container = &container;
                scope.spawn(move || says(container, &script(container, &format!("echo {number}"))))
            })
            .collect();
        for (number, one) in started.into_iter().enumerate() {
            let (said, status) = one.join().expect("no panic")?;
            assert_eq!((said, status.code()), (format!("{number}\n"), 0));
        }
        Ok(())
    })
}

fn capabilities_are_its_own() -> Outcome {
    let (_shell, container) = running()?;
    let mut process = script(&container, "grep Cap /proc/self/status; grep NoNewPrivs /proc/self/status");
    process.capabilities = libcontainer::Capabilities::of("CAP_KILL".parse()?);
    let (said, _) = says(&container, &process)?;
    let values: Vec<_> = said.split_whitespace().filter(|word| !word.ends_with(':')).collect();
    let (none, kill) = ("0000000000000000", "0000000000000020");
    assert_eq!(values, [none, kill, kill, kill, none, "1"]);
    Ok(())
}

/// CVE-2016-9962: descriptors of the host were open in the process that joined.
fn no_descriptor_leaks_into_it() -> Outcome {
    let (_shell, container) = running()?;
    let (mut reader, writer) = std::io::pipe()?;
    let (mut io, mut output) = captured()?;
    io.inherited = vec![writer.into()];
    let process = script(&container, "ls /proc/$$/fd; echo through >&3");
    let mut child = container.exec(&process, io)?;
    let (mut text, mut through) = (String::new(), String::new());
    output.read_to_string(&mut text)?;
    reader.read_to_string(&mut through)?;
    assert_eq!((text.as_str(), through.as_str()), ("0\n1\n2\n3\n", "through\n"));
    assert!(child.wait()?.success());
    Ok(())
}

fn a_working_directory_outside_is_refused_here_too() -> Outcome {
    let (shell, container) = running()?;
    fs::write(shell.rootfs.path().join("etc/inside"), "")?;
    for number in 0..24 {
        let mut process =
            script(&container, "test -e ../../../../../../../../../../etc/inside && test -e /etc/inside");
        process.cwd = format!("/proc/self/fd/{number}").into();
        let (io, output) = captured()?;
        // Refused, or a directory of the container's own.
        if let Ok(mut child) = container.exec(&process, io) {
            assert!(child.wait()?.success(), "descriptor {number} leads out");
        }
        drop(output);
    }
    Ok(())
}

fn it_is_in_the_container_s_cgroup() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::new("cat")?;
    let path = format!("libcontainer-exec-{}", std::process::id());
    shell.config.cgroup = Some(libcontainer::Cgroup::new(path));
    let mut io = Io::default();
    let (stdin, mut hold) = std::io::pipe()?;
    io.stdin = stdin.into();
    let container = Container::run(&shell.config, io)?;
    let (said, status) =
        says(&container, &script(&container, "cat /proc/1/cgroup; echo; cat /proc/self/cgroup"))?;
    assert!(status.success(), "{said}");
    let (first, second) = said.split_once("\n\n").expect("two parts");
    assert_eq!(first.trim(), second.trim());
    hold.write_all(b"\n")?;
    Ok(())
}

/// The joining process is not dumpable, and its files belong to root then.
fn a_badness_is_taken_by_an_ordinary_user_too() -> Outcome {
    let (_shell, container) = running()?;
    let mut process = script(&container, "cat /proc/self/oom_score_adj");
    process.oom_score_adj = Some(300);
    assert_eq!(says(&container, &process)?.0, "300\n");
    Ok(())
}

fn names_are_looked_up_in_the_container_s_root() -> Outcome {
    let (shell, container) = running()?;
    let (uid, gid) = if is_root() { (77, 78) } else { (0, 0) };
    fs::write(shell.rootfs.path().join("etc/passwd"), format!("web:x:{uid}:{gid}::/srv/web:/bin/sh\n"))?;
    let mut process = script(&container, "id -u; id -g; echo $HOME");
    process.user = User::Spec("web".to_owned());
    assert_eq!(says(&container, &process)?.0, format!("{uid}\n{gid}\n/srv/web\n"));
    Ok(())
}
