//! From the start to the end: what a container leaves, and what it tells.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use grounds::Outcome;
use libcontainer::{Container, ErrorKind, ExitStatus, Io, Status};

use crate::shell::{Shell, captured, mount};

crate::tests!(
    exit_codes_come_back,
    signals_end_it_and_are_told,
    a_trapped_signal_reaches_the_program,
    a_missing_program_is_an_exec_error,
    a_program_that_is_none_is_an_exec_error,
    a_missing_rootfs_is_named,
    everything_wrong_is_named_at_once,
    the_kernels_own_words_are_in_the_error,
    a_failure_leaves_no_mount_and_no_process,
    one_that_was_never_started_goes_when_it_is_dropped,
    one_that_runs_goes_when_it_is_dropped,
    it_waits_for_its_start,
    try_wait_does_not_wait,
    it_starts_once,
);

fn exit_codes_come_back() -> Outcome {
    for code in [0, 1, 7, 255] {
        let (_, status) = Shell::new(&format!("exit {code}"))?.run()?;
        assert_eq!(status, ExitStatus::Exited(code));
        assert_eq!(status.code(), code);
    }
    Ok(())
}

fn signals_end_it_and_are_told() -> Outcome {
    let shell = Shell::program(&["sleep", "100"])?;
    let mut container = Container::run(&shell.config, Io::default())?;
    container.signal(libc::SIGKILL)?;
    let status = container.wait()?;
    assert_eq!(status, ExitStatus::Signaled(libc::SIGKILL));
    assert_eq!((status.code(), status.to_string()), (137, "signal 9".to_owned()));
    assert_eq!(container.wait()?, status, "asked again it says the same");
    assert_eq!(container.signal(libc::SIGTERM).unwrap_err().kind(), ErrorKind::InvalidState);
    Ok(())
}

fn a_trapped_signal_reaches_the_program() -> Outcome {
    let shell = Shell::new("trap 'echo trapped; exit 3' TERM; echo ready; sleep 100 & wait")?;
    let (io, output) = captured()?;
    let mut container = Container::run(&shell.config, io)?;
    let mut lines = BufReader::new(output).lines();
    assert_eq!(lines.next().transpose()?.as_deref(), Some("ready"));
    container.signal(libc::SIGTERM)?;
    assert_eq!(lines.next().transpose()?.as_deref(), Some("trapped"));
    assert_eq!(container.wait()?, ExitStatus::Exited(3));
    assert!(container.signal(1000).is_err());
    Ok(())
}

fn a_missing_program_is_an_exec_error() -> Outcome {
    for program in ["/no/such/program", "no-such-program", "./no-such-program"] {
        let error = Container::run(&Shell::program(&[program])?.config, Io::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exec);
        let line = format!("execute {program:?}: No such file or directory (os error 2)");
        assert_eq!(error.to_string(), line);
    }
    Ok(())
}

fn a_program_that_is_none_is_an_exec_error() -> Outcome {
    for (program, errno) in
        [("/etc", libc::EACCES), ("/etc/passwd", libc::EACCES), ("/etc/empty", libc::ENOEXEC)]
    {
        let shell = Shell::program(&[program])?;
        let file = shell.rootfs.path().join("etc/empty");
        fs::write(&file, "")?;
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let error = Container::run(&shell.config, Io::default()).unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Exec, Some(errno)), "{error}");
    }
    Ok(())
}

fn a_missing_rootfs_is_named() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.rootfs = "/no/such/rootfs".into();
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.path(), Some(Path::new("/no/such/rootfs")));
    assert!(error.to_string().contains("\"/no/such/rootfs\": No such file"), "{error}");
    Ok(())
}

fn everything_wrong_is_named_at_once() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.rootfs = "relative".into();
    shell.config.process.args.clear();
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("relative") && error.to_string().contains("no program"), "{error}");
    Ok(())
}

fn the_kernels_own_words_are_in_the_error() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/tmp", &["bogus=1"]));
    let error = Container::create(&shell.config, Io::default()).unwrap_err().to_string();
    let line =
        "mount \"tmpfs\" on \"/tmp\": tmpfs: Unknown parameter 'bogus': Invalid argument (os error 22)";
    assert_eq!(error, line);
    Ok(())
}

fn mountinfo() -> std::io::Result<String> {
    fs::read_to_string("/proc/thread-self/mountinfo")
}

fn a_failure_leaves_no_mount_and_no_process() -> Outcome {
    let before = mountinfo()?;
    let mut shell = Shell::new("exit 0")?;
    shell.config.mounts.push(mount("no-such-filesystem", "x", "/tmp", &[]));
    for _ in 0..3 {
        let error = Container::create(&shell.config, Io::default()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV), "{error}");
    }
    assert!(Container::run(&Shell::program(&["/no"])?.config, Io::default()).is_err());
    assert_eq!(mountinfo()?, before);
    Ok(())
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn one_that_was_never_started_goes_when_it_is_dropped() -> Outcome {
    let shell = Shell::new("echo must not run")?;
    let (io, mut output) = captured()?;
    let container = Container::create(&shell.config, io)?;
    let pid = container.pid().expect("it is there");
    assert!(is_there(pid));
    assert_eq!(container.status()?, Status::Created);
    drop(container);
    assert!(!is_there(pid), "it was killed and waited for");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut output, &mut text)?;
    assert_eq!(text, "");
    Ok(())
}

fn one_that_runs_goes_when_it_is_dropped() -> Outcome {
    let shell = Shell::new("sleep 100 & echo $$; wait")?;
    let (io, output) = captured()?;
    let container = Container::run(&shell.config, io)?;
    let pid = container.pid().expect("it runs");
    let mut output = BufReader::new(output);
    output.read_line(&mut String::new())?;
    drop(container);
    assert!(!is_there(pid));
    // The end of the output: the program's own child is gone too.
    assert_eq!(output.read_line(&mut String::new())?, 0);
    Ok(())
}

fn it_waits_for_its_start() -> Outcome {
    let shell = Shell::new("echo started")?;
    let (io, mut output) = captured()?;
    let mut container = Container::create(&shell.config, io)?;
    assert_eq!(container.wait().unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(container.try_wait()?, None);
    container.start()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut output, &mut text)?;
    assert_eq!(text, "started\n");
    assert!(container.wait()?.success());
    assert_eq!(container.status()?, Status::Stopped);
    Ok(())
}

fn try_wait_does_not_wait() -> Outcome {
    let sleeper = Shell::program(&["sleep", "100"])?;
    let mut container = Container::run(&sleeper.config, Io::default())?;
    assert_eq!(container.try_wait()?, None);
    assert_eq!(container.status()?, Status::Running);
    container.signal(libc::SIGKILL)?;
    crate::eventually(|| container.try_wait().is_ok_and(|status| status == Some(ExitStatus::Signaled(9))));
    container.delete()?;
    Ok(())
}

fn it_starts_once() -> Outcome {
    let sleeper = Shell::program(&["sleep", "100"])?;
    let mut container = Container::run(&sleeper.config, Io::default())?;
    assert_eq!(container.start().unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(container.status()?, Status::Running);
    Ok(())
}
