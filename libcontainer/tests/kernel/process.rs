//! The program: what it may do, who it is, and what it is given.

use std::fs::{self, File};
use std::io::{Read, pipe};
use std::os::fd::OwnedFd;

use grounds::{Outcome, Stop};
use libcontainer::{Capabilities, CapabilitySet, Container, ErrorKind, ExitStatus, Io, Rlimit, User};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::shell::{Shell, captured, is_root};

crate::tests!(
    a_file_of_the_callers_is_the_program,
    a_file_that_is_no_program_is_told,
    capabilities_are_those_of_the_configuration,
    no_capabilities_are_none,
    ambient_capabilities_stay_over_the_exec,
    limits_are_lowered,
    few_descriptors_are_enough,
    no_new_privileges_is_as_asked,
    ids_and_groups_are_taken,
    a_user_is_looked_up_in_the_rootfs,
    a_number_is_never_a_name,
    the_callers_groups_do_not_leak,
    home_comes_from_the_rootfs,
    the_environment_is_exactly_what_was_asked,
    path_is_searched_inside,
    the_working_directory_is_made,
    the_umask_is_as_asked,
    no_descriptor_of_the_embedder_is_open_in_the_program,
    closed_streams_lead_to_null,
    signals_are_as_new,
    long_arguments_arrive_whole,
    a_badness_is_taken,
);

/// The lines of /proc/self/status that begin so, without their first word.
fn status(shell: &mut Shell, prefix: &str) -> Result<Vec<String>, Stop> {
    shell.config.process.args = ["cat", "/proc/self/status"].map(str::to_owned).to_vec();
    let text = shell.says()?;
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    Ok(lines.filter_map(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).collect())
}

fn bits(set: u64) -> String {
    format!("{set:016x}")
}

fn capabilities_are_those_of_the_configuration() -> Outcome {
    let mut shell = Shell::new("")?;
    let wanted = bits(shell.config.process.capabilities.bounding.bits());
    // inheritable, permitted, effective, bounding, ambient
    assert_eq!(status(&mut shell, "Cap")?, [bits(0).as_str(), &wanted, &wanted, &wanted, &bits(0)]);

    let set: CapabilitySet = ["CAP_CHOWN", "CAP_KILL"].iter().filter_map(|name| name.parse().ok()).collect();
    shell.config.process.capabilities = Capabilities::of(set);
    let wanted = bits(0b10_0001);
    assert_eq!(status(&mut shell, "Cap")?, [bits(0).as_str(), &wanted, &wanted, &wanted, &bits(0)]);
    Ok(())
}

fn no_capabilities_are_none() -> Outcome {
    let mut shell = Shell::new("")?;
    shell.config.process.capabilities = Capabilities::default();
    assert_eq!(status(&mut shell, "Cap")?, [bits(0), bits(0), bits(0), bits(0), bits(0)]);
    Ok(())
}

fn ambient_capabilities_stay_over_the_exec() -> Outcome {
    let mut shell = Shell::new("")?;
    if is_root() {
        shell.config.process.user = User::Ids { uid: 1000, gid: 1000, groups: Vec::new(), umask: None };
    }
    let set: CapabilitySet = "CAP_NET_BIND_SERVICE".parse()?;
    let (inheritable, ambient) = (set, set);
    shell.config.process.capabilities = Capabilities { inheritable, ambient, ..Capabilities::of(set) };
    let wanted = bits(1 << 10);
    assert_eq!(status(&mut shell, "Cap")?, [wanted.as_str(); 5]);
    Ok(())
}

fn limits_are_lowered() -> Outcome {
    let mut shell = Shell::new("ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc")?;
    let limit = |kind: &str, soft, hard| Rlimit { kind: kind.to_owned(), soft, hard };
    shell.config.process.rlimits = vec![limit("RLIMIT_NOFILE", 64, 128), limit("RLIMIT_CORE", 0, 0)];
    assert_eq!(shell.says()?, "64\n128\n0\n0\n");
    shell.config.process.rlimits = vec![limit("RLIMIT_NOFILES", 64, 128)];
    assert!(shell.run().is_err());
    Ok(())
}

/// Other runtimes hang or leave a cgroup when a process may open 18 files only.
fn few_descriptors_are_enough() -> Outcome {
    let mut shell = Shell::new("ulimit -n")?;
    shell.config.process.rlimits = vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 6, hard: 6 }];
    assert_eq!(shell.says()?, "6\n");
    Ok(())
}

fn no_new_privileges_is_as_asked() -> Outcome {
    let mut shell = Shell::new("")?;
    for wanted in [true, false] {
        shell.config.process.no_new_privileges = wanted;
        assert_eq!(status(&mut shell, "NoNewPrivs")?, [u8::from(wanted).to_string()]);
    }
    Ok(())
}

const WHO: &str = "id -u; id -g; id -G; echo $HOME";

fn ids_and_groups_are_taken() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::new(WHO)?;
    shell.config.process.user = User::Ids { uid: 1000, gid: 1001, groups: vec![1002, 1003], umask: None };
    assert_eq!(shell.says()?, "1000\n1001\n1001 1002 1003\n/\n");
    let mut shell = Shell::new("")?;
    shell.config.process.user = User::Ids { uid: 1000, gid: 1001, groups: Vec::new(), umask: None };
    let caps = status(&mut shell, "Cap")?;
    // A user who is not root has no more than the bounding set after the exec.
    assert_eq!(caps[..3], [bits(0), bits(0), bits(0)]);
    Ok(())
}

fn passwd(shell: &Shell, passwd: &str, group: &str) -> Outcome {
    fs::write(shell.rootfs.path().join("etc/passwd"), passwd)?;
    fs::write(shell.rootfs.path().join("etc/group"), group)?;
    Ok(())
}

fn a_user_is_looked_up_in_the_rootfs() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::new(WHO)?;
    passwd(&shell, "web:x:1234:1235::/srv/web:/bin/sh\n", "www:x:77:web\nlog:x:78:\n")?;
    for (spec, says) in [
        ("web", "1234\n1235\n1235 77\n/srv/web\n"),
        ("web:log", "1234\n78\n78\n/srv/web\n"),
        ("1234", "1234\n1235\n1235 77\n/srv/web\n"),
        ("4321:4322", "4321\n4322\n4322\n/\n"),
    ] {
        shell.config.process.user = User::Spec(spec.to_owned());
        assert_eq!(shell.says()?, says, "{spec}");
    }
    shell.config.process.user = User::Spec("nobody-of-this-name".to_owned());
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().contains("nobody-of-this-name"), "{error}");
    Ok(())
}

/// CVE-2016-3697: a number was looked up as a name first, and an image made "1000" root.
fn a_number_is_never_a_name() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::new("id -u; id -g")?;
    passwd(&shell, "1000:x:0:0::/:/bin/sh\n4294967295:x:0:0::/:/bin/sh\n", "")?;
    shell.config.process.user = User::Spec("1000".to_owned());
    assert!(shell.says()?.starts_with("1000\n"));
    for beyond in ["4294967295", "4294967296", "-1"] {
        shell.config.process.user = User::Spec(beyond.to_owned());
        assert!(Container::create(&shell.config, Io::default()).is_err(), "{beyond}");
    }
    shell.config.process.user = User::Ids { uid: u32::MAX, gid: 0, groups: Vec::new(), umask: None };
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    Ok(())
}

fn the_callers_groups_do_not_leak() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::new("")?;
    assert_eq!(status(&mut shell, "Groups")?, [""]);
    shell.config = shell.config.rootless();
    assert_eq!(status(&mut shell, "Groups")?, [""]);
    Ok(())
}

fn home_comes_from_the_rootfs() -> Outcome {
    let mut shell = Shell::new("echo $HOME")?;
    passwd(&shell, "root:x:0:0::/somewhere:/bin/sh\n", "")?;
    assert_eq!(shell.says()?, "/somewhere\n");
    shell.config.process.env.push("HOME=/elsewhere".to_owned());
    assert_eq!(shell.says()?, "/elsewhere\n");
    // An image may well have no such file, or a strange one.
    shell.config.process.env.pop();
    fs::remove_file(shell.rootfs.path().join("etc/passwd"))?;
    assert_eq!(shell.says()?, "/\n");
    nix::unistd::mkfifo(
        &shell.rootfs.path().join("etc/passwd"),
        nix::sys::stat::Mode::from_bits_truncate(0o644),
    )?;
    assert_eq!(shell.says()?, "/\n");
    Ok(())
}

fn the_environment_is_exactly_what_was_asked() -> Outcome {
    let mut shell = Shell::program(&["cat", "/proc/self/environ"])?;
    shell.config.process.env =
        ["PATH=/usr/bin:/bin", "EMPTY=", "ONE=a b", "TWO=first", "TWO=again"].map(str::to_owned).to_vec();
    assert_eq!(shell.says()?, "PATH=/usr/bin:/bin\0EMPTY=\0ONE=a b\0TWO=again\0HOME=/root\0");
    Ok(())
}

fn path_is_searched_inside() -> Outcome {
    let mut shell = Shell::program(&["greet"])?;
    for (folder, mode, word) in [("one", 0o644, "none"), ("two", 0o755, "two"), ("three", 0o755, "three")] {
        let folder = shell.rootfs.path().join("etc").join(folder);
        fs::create_dir(&folder)?;
        fs::write(folder.join("greet"), format!("#!/bin/sh\necho {word}\n"))?;
        fs::set_permissions(folder.join("greet"), std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    // Absent, not a directory, not executable: the search goes on.
    shell.config.process.env = vec!["PATH=:/absent:/etc/passwd:/etc/one:/etc/two:/etc/three".to_owned()];
    assert_eq!(shell.says()?, "two\n");
    shell.config.process.env = vec!["PATH=/absent:/etc/one".to_owned()];
    let error = Container::run(&shell.config, Io::default()).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Exec, Some(libc::EACCES)));
    Ok(())
}

fn the_working_directory_is_made() -> Outcome {
    let mut shell = Shell::new("pwd; ls -a")?;
    shell.config.process.cwd = "/tmp/made/just now".into();
    assert_eq!(shell.says()?, "/tmp/made/just now\n.\n..\n");
    Ok(())
}

fn the_umask_is_as_asked() -> Outcome {
    let mut shell = Shell::new("umask")?;
    assert_eq!(shell.says()?.trim_start_matches('0'), "22\n");
    shell.config.process.user = User::Ids { uid: 0, gid: 0, groups: Vec::new(), umask: Some(0o027) };
    assert_eq!(shell.says()?.trim_start_matches('0'), "27\n");
    Ok(())
}

fn no_descriptor_of_the_embedder_is_open_in_the_program() -> Outcome {
    // What any library might do: a directory of the host without close-on-exec, on many numbers.
    let leaked: Vec<File> = (0..20).map(|_| File::open("/")).collect::<Result<_, _>>()?;
    for file in &leaked {
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    // In this order, so that no number is already right: the second pipe's end first.
    let (mut first, first_writer) = pipe()?;
    let (mut second, second_writer) = pipe()?;
    let shell = Shell::new("ls /proc/1/fd; echo one >&3; echo two >&4")?;
    let (mut io, mut output) = captured()?;
    io.inherited = vec![OwnedFd::from(second_writer), OwnedFd::from(first_writer)];
    let mut container = Container::run(&shell.config, io)?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    assert_eq!(text, "0\n1\n2\n3\n4\n");
    text.clear();
    second.read_to_string(&mut text)?;
    first.read_to_string(&mut text)?;
    assert_eq!(text, "one\ntwo\n");
    assert!(container.wait()?.success());
    drop(leaked);
    Ok(())
}

fn closed_streams_lead_to_null() -> Outcome {
    let shell = Shell::new("readlink /proc/1/fd/0 >/tmp/0; readlink /proc/1/fd/2 >/tmp/2")?;
    let mut io = Io::default();
    (io.stdin, io.stdout, io.stderr) =
        (libcontainer::Stdio::Null, libcontainer::Stdio::Null, libcontainer::Stdio::Null);
    assert!(Container::run(&shell.config, io)?.wait()?.success());
    for number in ["0", "2"] {
        assert_eq!(fs::read_to_string(shell.rootfs.path().join("tmp").join(number))?, "/dev/null\n");
    }
    Ok(())
}

/// Rust ignores SIGPIPE, and an ignored signal stays ignored over an exec.
fn signals_are_as_new() -> Outcome {
    let mut shell = Shell::new("")?;
    assert_eq!(status(&mut shell, "SigIgn")?, [bits(0)]);
    assert_eq!(status(&mut shell, "SigBlk")?, [bits(0)]);
    Ok(())
}

fn long_arguments_arrive_whole() -> Outcome {
    let long = "x".repeat(100_000);
    let mut shell = Shell::program(&["sh", "-c", "echo ${#1} $# ${#LONG}", "sh", &long, "", "y"])?;
    shell.config.process.env.push(format!("LONG={long}"));
    assert_eq!(shell.says()?, "100000 3 100000\n");
    shell.config.process.env.push(format!("LONG={}", "x".repeat(200_000)));
    let error = Container::run(&shell.config, Io::default()).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Exec, Some(libc::E2BIG)));
    Ok(())
}

fn a_badness_is_taken() -> Outcome {
    let mut shell = Shell::program(&["cat", "/proc/self/oom_score_adj"])?;
    shell.config.process.oom_score_adj = Some(500);
    assert_eq!(shell.says()?, "500\n");
    Ok(())
}

/// Code of the embedder's own in a container, and in what joins it: no path of the container's leads to it.
fn a_file_of_the_callers_is_the_program() -> Outcome {
    let shell = Shell::program(&["mine", "-c", "echo $0 $$; ls -l /proc/self/fd | wc -l; read wait"])?;
    let (mut io, mut output) = captured()?;
    let (stdin, writer) = std::io::pipe()?;
    io.stdin = stdin.into();
    io.program = Some(std::fs::File::open("/bin/sh")?.into());
    let mut container = Container::run(&shell.config, io)?;
    let mut process = container.config().process.clone();
    process.args = ["joined", "-c", "echo $0; exit 3"].map(str::to_owned).to_vec();
    let (mut io, mut joined) = captured()?;
    io.program = Some(std::fs::File::open("/bin/sh")?.into());
    let mut child = container.exec(&process, io)?;
    let mut said = String::new();
    joined.read_to_string(&mut said)?;
    assert_eq!((said.as_str(), child.wait()?), ("joined\n", ExitStatus::Exited(3)));
    drop(writer);
    said.clear();
    output.read_to_string(&mut said)?;
    assert_eq!(said, "mine 1\n5\n");
    container.wait()?;
    Ok(())
}

fn a_file_that_is_no_program_is_told() -> Outcome {
    let shell = Shell::program(&["mine"])?;
    let mut io = Io::default();
    io.program = Some(std::fs::File::open("/etc/passwd")?.into());
    let error = Container::run(&shell.config, io).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exec);
    assert!(error.to_string().starts_with("execute the file that was handed over: "), "{error}");
    Ok(())
}
