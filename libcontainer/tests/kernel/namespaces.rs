//! Namespaces: new ones, joined ones, and what they hold.

use std::fs;

use grounds::{Outcome, Stop, ignored};
use libcontainer::{
    Clock, Config, Container, ErrorKind, IdMapping, Io, Namespace, NamespaceKind, TimeOffset,
};

use crate::shell::{Shell, captured, is_root};

crate::tests!(
    the_program_is_process_one_of_a_host_of_its_own,
    all_namespaces_differ_from_the_callers,
    what_is_not_asked_for_is_the_callers,
    clocks_are_off_by_what_was_said,
    clocks_before_their_begin_are_told,
    clocks_without_a_namespace_of_their_own_are_refused,
    a_network_namespace_is_joined_by_its_path,
    the_user_namespace_of_another_container_is_joined,
    kernel_parameters_are_set,
    a_parameter_of_the_whole_machine_is_refused,
    root_gives_a_user_namespace_a_range_of_ids,
    an_ordinary_user_is_root_inside_and_nobody_else,
);

const KINDS: [&str; 6] = ["mnt", "uts", "ipc", "pid", "net", "cgroup"];

fn own(kind: &str) -> Result<String, Stop> {
    Ok(fs::read_link(format!("/proc/thread-self/ns/{kind}"))?.to_string_lossy().into_owned())
}

fn the_program_is_process_one_of_a_host_of_its_own() -> Outcome {
    // The shell lists them itself: of a pipeline, it is not said who has begun when another looks.
    let shell = Shell::new("echo $$; cat /proc/sys/kernel/hostname; echo /proc/[0-9]*")?;
    assert_eq!(shell.says()?, "1\nbox\n/proc/1\n");
    assert_ne!(fs::read_to_string("/proc/sys/kernel/hostname")?, "box\n");
    Ok(())
}

fn all_namespaces_differ_from_the_callers() -> Outcome {
    let said = Shell::new("for kind in mnt uts ipc pid net cgroup; do readlink /proc/self/ns/$kind; done")?
        .says()?;
    let inside: Vec<_> = said.lines().collect();
    assert_eq!(inside.len(), KINDS.len(), "{said}");
    for (kind, inside) in KINDS.into_iter().zip(inside) {
        assert!(inside.starts_with(&format!("{kind}:[")), "{inside}");
        assert_ne!(own(kind)?, inside);
    }
    Ok(())
}

fn what_is_not_asked_for_is_the_callers() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::new("readlink /proc/self/ns/net; readlink /proc/self/ns/ipc")?;
    shell.config.namespaces.retain(|one| !matches!(one.kind, NamespaceKind::Network | NamespaceKind::Ipc));
    shell.config.networks.clear();
    assert_eq!(shell.says()?, format!("{}\n{}\n", own("net")?, own("ipc")?));
    Ok(())
}

fn join(config: &mut Config, kind: NamespaceKind, path: String) {
    config.namespaces.retain(|namespace| namespace.kind != kind);
    config.namespaces.push(Namespace { kind, path: Some(path.into()) });
}

/// Seconds since the machine was switched on, as a program inside or outside sees it.
fn uptime(text: &str) -> f64 {
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("a number of seconds")
}

fn with_clocks(script: &str, secs: i64) -> Result<Shell, Stop> {
    let mut shell = Shell::new(script)?;
    if !std::path::Path::new("/proc/self/ns/time_for_children").exists() {
        return Err(ignored("this kernel has no time namespaces"));
    }
    shell.config.namespaces.push(Namespace { kind: NamespaceKind::Time, path: None });
    for clock in [Clock::Boottime, Clock::Monotonic] {
        shell.config.time_offsets.insert(clock, TimeOffset { secs, nanosecs: 5 });
    }
    Ok(shell)
}

fn clocks_are_off_by_what_was_said() -> Outcome {
    const DAY: i32 = 86_400;
    let shell = with_clocks(
        "cat /proc/uptime; cat /proc/self/timens_offsets; readlink /proc/self/ns/time",
        DAY.into(),
    )?;
    let before = uptime(&fs::read_to_string("/proc/uptime")?);
    let said = shell.says()?;
    // Both are told to a hundredth of a second, which binary fractions don't have.
    assert!(uptime(&said) > before + f64::from(DAY) - 0.005, "{before} outside, {said}");
    assert!(uptime(&said) < before + f64::from(DAY + 3600), "{before} outside, {said}");
    let words: Vec<_> = said.split_whitespace().collect();
    assert_eq!(words[2..8], ["monotonic", "86400", "5", "boottime", "86400", "5"]);
    assert_ne!(said.lines().last(), Some(own("time")?.as_str()));
    Ok(())
}

fn clocks_before_their_begin_are_told() -> Outcome {
    let shell = with_clocks("exit 0", -1_000_000_000)?;
    let error = Container::run(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().starts_with("set clock monotonic off by -1000000000.000000005 s: "), "{error}");
    Ok(())
}

fn clocks_without_a_namespace_of_their_own_are_refused() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.time_offsets.insert(Clock::Boottime, TimeOffset { secs: 1, nanosecs: 1_000_000_000 });
    let error = Container::run(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    for told in ["need a new Time namespace", "1000000000 nanoseconds are a second or more"] {
        assert!(error.to_string().contains(told), "{error}");
    }
    Ok(())
}

fn a_network_namespace_is_joined_by_its_path() -> Outcome {
    grounds::root()?;
    grounds::netns()?;
    let mut shell = Shell::new("readlink /proc/self/ns/net")?;
    join(&mut shell.config, NamespaceKind::Network, "/proc/thread-self/ns/net".to_owned());
    assert_eq!(shell.says()?.trim(), own("net")?);
    Ok(())
}

/// Whether a joined user namespace allows to set groups was taken for granted, and the kernel refused.
fn the_user_namespace_of_another_container_is_joined() -> Outcome {
    let mut first = Shell::new("echo up; sleep 100")?;
    if is_root() {
        first.config = first.config.rootless();
    }
    let (io, output) = captured()?;
    let first_container = Container::run(&first.config, io)?;
    let pid = first_container.pid().expect("it runs");

    let mut second =
        Shell::new("readlink /proc/self/ns/user; readlink /proc/self/ns/net; cat /proc/self/uid_map")?;
    second.config = second.config.rootless();
    second.config.uid_mappings.clear();
    second.config.gid_mappings.clear();
    join(&mut second.config, NamespaceKind::User, format!("/proc/{pid}/ns/user"));
    join(&mut second.config, NamespaceKind::Network, format!("/proc/{pid}/ns/net"));
    let said = second.says()?;
    let lines: Vec<_> = said.lines().collect();
    let theirs = |kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    assert_eq!(lines[0], theirs("user")?.to_string_lossy());
    assert_eq!(lines[1], theirs("net")?.to_string_lossy());
    drop((output, first_container));
    Ok(())
}

fn kernel_parameters_are_set() -> Outcome {
    let mut shell = Shell::new(
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/lo/forwarding /proc/sys/kernel/shmmni",
    )?;
    for (key, value) in
        [("net.ipv4.ip_forward", "1"), ("net/ipv4/conf/lo/forwarding", "0"), ("kernel.shmmni", "77")]
    {
        shell.config.sysctl.insert(key.to_owned(), value.to_owned());
    }
    assert_eq!(shell.says()?, "1\n0\n77\n");
    Ok(())
}

fn a_parameter_of_the_whole_machine_is_refused() -> Outcome {
    for key in
        ["kernel.core_pattern", "vm.swappiness", "net/../kernel/core_pattern", "net.ipv4/../../kernel/panic"]
    {
        let mut shell = Shell::new("exit 0")?;
        shell.config.sysctl.insert(key.to_owned(), "1".to_owned());
        let error = Container::create(&shell.config, libcontainer::Io::default()).expect_err(key);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    }
    Ok(())
}

fn root_gives_a_user_namespace_a_range_of_ids() -> Outcome {
    grounds::root()?;
    let mut shell =
        Shell::new("cat /proc/self/uid_map; id -u; id -g; id -G; echo x >/tmp/made; ls -n /etc/passwd")?;
    shell.config.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    let range = vec![IdMapping { container: 0, host: 100_000, size: 65_536 }];
    shell.config.uid_mappings.clone_from(&range);
    shell.config.gid_mappings = range;
    std::os::unix::fs::chown(shell.rootfs.path().join("tmp"), Some(100_000), Some(100_000))?;
    let said = shell.says()?;
    let words: Vec<_> = said.split_whitespace().collect();
    assert_eq!(words[..6], ["0", "100000", "65536", "0", "0", "0"], "{said}");
    // The host's root is nobody there.
    assert_eq!(words[8..10], ["65534", "65534"], "{said}");
    let made = fs::metadata(shell.rootfs.path().join("tmp/made"))?;
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 100_000);
    Ok(())
}

fn an_ordinary_user_is_root_inside_and_nobody_else() -> Outcome {
    grounds::ordinary_user()?;
    let said = Shell::new("id -u; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups")?.says()?;
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let words: Vec<_> = said.split_whitespace().map(str::to_owned).collect();
    assert_eq!(words.join(" "), format!("0 0 {uid} 1 0 {gid} 1 deny"));
    Ok(())
}
