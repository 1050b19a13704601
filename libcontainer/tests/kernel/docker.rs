//! `container.json` of 2014, each dialect run: what it says, seen from inside.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use grounds::{Outcome, Rootfs, Stop, ignored};
use libcontainer::docker::{self, Dialect};
use libcontainer::{Config, Container, Io};
use netlink::{Bridge, Handle};

use crate::shell::{Shell, captured, mount};

crate::tests!(
    the_first_sample_has_a_terminal_and_an_interface,
    a_file_of_0_10_means_what_it_says,
    a_file_of_0_11_means_what_it_says,
    a_file_of_1_0_means_what_it_says,
    a_file_of_1_4_means_what_it_says,
    a_device_node_is_opened_as_far_as_the_list_allows,
    a_network_namespace_is_joined,
    an_ipc_namespace_is_joined,
    a_root_that_is_not_pivoted_gets_the_hosts_mounts,
    a_mount_label_of_2014_without_selinux_is_told,
    an_ordinary_user_runs_one_too,
);

const NAMES: &str = include_str!("../fixtures/container-json/names.json");
const V0_10: &str = include_str!("../fixtures/container-json/v0.10.json");
const V0_11: &str = include_str!("../fixtures/container-json/v0.11.json");
const V1_0: &str = include_str!("../fixtures/container-json/v1.0.json");
const V1_4: &str = include_str!("../fixtures/container-json/v1.4.json");

/// A file's container on this machine: its folders of the host and its control group are ours. The group has
/// no parent, which would stay.
struct Asked {
    shell: Shell,
    outside: Rootfs,
}

fn asked(json: &str, dialect: Dialect, script: &str) -> Result<Asked, Stop> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut shell = Shell::new("")?;
    let outside = Rootfs::new()?;
    for folder in ["data", "shown"] {
        fs::create_dir(outside.path().join(folder))?;
        fs::write(outside.path().join(folder).join("file"), "host\n")?;
    }
    let name =
        format!("libcontainer-docker-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let json = json
        .replace("\"docker\"", "\"\"")
        .replace("docker-box", &name)
        .replace("/srv/", &format!("{}/", outside.path().display()));
    let file = docker::parse(json.as_bytes())?;
    assert_eq!(file.dialect(), dialect);
    shell.config = file.config(shell.rootfs.path(), ["sh", "-c", script])?;
    let binds = shell.rootfs.binds().iter().map(|path| mount("", path, path, &["rbind", "ro"]));
    shell.config.mounts.extend(binds);
    Ok(Asked { shell, outside })
}

impl Asked {
    /// What it says, where the machine has what it asks for.
    fn says(&self) -> Result<String, Stop> {
        let (io, mut output) = captured()?;
        let mut container = run(&self.shell.config, io)?;
        let mut said = String::new();
        output.read_to_string(&mut said)?;
        let status = container.wait()?;
        assert!(status.success(), "{status}: {said}");
        Ok(said)
    }
}

/// Not every machine limits memory, or in every layout.
fn run(config: &Config, io: Io) -> Result<Container, Stop> {
    match Container::run(config, io) {
        Err(error) if error.to_string().contains("controller") => Err(ignored(error)),
        container => Ok(container?),
    }
}

/// What stands behind a word, up to the line's end.
#[track_caller]
fn after<'a>(said: &'a str, word: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.strip_prefix(word));
    line.unwrap_or_else(|| panic!("no {word:?}: {said}")).trim()
}

/// The options of a mount, as mountinfo has them.
#[track_caller]
fn options<'a>(said: &'a str, point: &str) -> Vec<&'a str> {
    let mut fields = said.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.find(|fields| fields.len() > 6 && fields[4] == point);
    found.unwrap_or_else(|| panic!("no mount on {point}: {said}"))[5].split(',').collect()
}

fn own(kind: &str) -> Result<PathBuf, Stop> {
    Ok(fs::read_link(format!("/proc/thread-self/ns/{kind}"))?)
}

/// A thread's own network with the bridge of that time in it.
fn bridged() -> Result<Handle, Stop> {
    grounds::root()?;
    grounds::netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("docker0"))?;
    handle.set_up("docker0")?;
    Ok(handle)
}

fn the_first_sample_has_a_terminal_and_an_interface() -> Outcome {
    let mut handle = bridged()?;
    let script =
        "test -t 0 && tty; hostname; grep CapEff /proc/self/status; cat /proc/net/fib_trie; read line";
    let asked = asked(NAMES, Dialect::V0_10, script)?;
    let mut container = run(&asked.shell.config, Io::default())?;
    let host =
        handle.links()?.into_iter().find(|link| link.name.starts_with("dock") && link.name != "docker0");
    let host = host.expect("the host's end");
    assert_eq!((host.master, host.mtu), (Some(handle.link("docker0")?.index), 1500));
    let mut master: File = container.console().expect("it has a terminal").try_clone_to_owned()?.into();
    std::io::Write::write_all(&mut master, b"\n")?;
    let mut bytes = Vec::new();
    drop(master.read_to_end(&mut bytes)); // EIO at its end
    let said = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    assert!(container.wait()?.success(), "{said}");
    assert!(said.contains("/dev/") && said.contains("\nbox\n") && said.contains("172.17.0.100"), "{said}");
    assert_eq!(after(&said, "CapEff:"), all_but(&[NET_ADMIN]));
    Ok(())
}

const NET_ADMIN: u32 = 12;
const SYSLOG: u32 = 34;

/// All capabilities of 2014 without what was dropped then, and these.
fn all_but(others: &[u32]) -> String {
    // SETPCAP, SYS_MODULE, _RAWIO, _PACCT, _ADMIN, _NICE, _RESOURCE, _TIME, _TTY_CONFIG, MKNOD, AUDIT_WRITE,
    // AUDIT_CONTROL, MAC_OVERRIDE, MAC_ADMIN
    let dropped = [8, 16, 17, 20, 21, 23, 24, 25, 26, 27, 29, 30, 32, 33];
    let dropped = dropped.iter().chain(others);
    format!("{:016x}", dropped.fold((1_u64 << 37) - 1, |bits, number| bits & !(1 << number)))
}

fn a_file_of_0_10_means_what_it_says() -> Outcome {
    grounds::root()?;
    let asked = asked(
        V0_10,
        Dialect::V0_10,
        "echo name $(hostname); echo pwd $PWD; echo env $container $TERM $HOME; echo id $(id -u) $(id -g)
         grep Cap /proc/self/status; echo lo $(cat /sys/class/net/lo/flags); echo first $$
         (echo made >/data/made) && echo wrote data; cat /shown/file; (echo x >/shown/made) || echo kept shown
         for name in null zero full random urandom tty; do test -c /dev/$name || echo no $name; done
         cat /proc/self/mountinfo",
    )?;
    let said = asked.says()?;
    assert_eq!(after(&said, "name "), "box");
    assert_eq!(after(&said, "pwd "), "/etc");
    assert_eq!(after(&said, "env "), "docker xterm /");
    assert_eq!((after(&said, "id "), after(&said, "first ")), ("0 0", "1"));
    assert_eq!(after(&said, "lo "), "0x9");
    assert_eq!(after(&said, "CapEff:"), all_but(&[]));
    assert_eq!(after(&said, "CapBnd:"), after(&said, "CapEff:"));
    assert_eq!(after(&said, "CapInh:"), "0000000000000000");
    assert!(
        said.contains("wrote data") && said.contains("kept shown") && said.contains("\nhost\n"),
        "{said}"
    );
    assert!(asked.outside.path().join("data/made").exists());
    assert!(!asked.outside.path().join("shown/made").exists());
    assert!(!said.contains("no "), "{said}");
    // /dev is the image's own, and nothing was restricted.
    assert!(said.lines().all(|line| line.split(' ').nth(4) != Some("/dev")), "{said}");
    for point in ["/proc", "/sys", "/dev/shm", "/dev/pts"] {
        assert_eq!(options(&said, point)[0], "rw", "{point}");
    }
    Ok(())
}

fn a_file_of_0_11_means_what_it_says() -> Outcome {
    grounds::root()?;
    let asked = asked(
        V0_11,
        Dialect::V0_11,
        "echo name $(hostname); echo id $(id -u) $(id -g) $(id -G); grep Cap /proc/self/status
         for path in /proc/sys/kernel/hostname /proc/self/oom_score_adj; do
             (echo 1 >$path) 2>/dev/null && echo wrote $path; done
         echo kcore $(stat -c %t:%T /proc/kcore); cat /proc/self/mountinfo; cat /shown/file",
    )?;
    let etc = asked.shell.rootfs.path().join("etc");
    fs::write(etc.join("passwd"), "root:x:0:0::/root:/bin/sh\ndaemon:x:7:8::/var:/bin/sh\n")?;
    fs::write(etc.join("group"), "root:x:0:\nshown:x:9:daemon\n")?;
    let said = asked.says()?;
    assert_eq!(after(&said, "name "), "box");
    assert_eq!(after(&said, "id "), "7 8 8 9");
    // An ordinary user has none, however many the container may use.
    assert_eq!(after(&said, "CapEff:"), "0000000000000000");
    assert_eq!(after(&said, "CapBnd:"), all_but(&[SYSLOG]));
    assert!(!said.contains("wrote"), "{said}");
    if Path::new("/proc/kcore").exists() {
        assert_eq!(after(&said, "kcore "), "1:3");
    }
    for (point, first) in [("/proc", "ro"), ("/sys", "ro"), ("/dev", "rw"), ("/shown", "ro")] {
        assert_eq!(options(&said, point)[0], first, "{point}");
    }
    assert!(said.ends_with("host\n"), "{said}");
    Ok(())
}

fn a_file_of_1_0_means_what_it_says() -> Outcome {
    bridged()?;
    let asked = asked(
        V1_0,
        Dialect::V1,
        "echo name $(hostname); echo pwd $PWD; grep Cap /proc/self/status
         for path in /made /etc/made /shown/made /data/made /proc/sys/kernel/hostname /proc/self/oom_score_adj; do
             (echo 1 >$path) 2>/dev/null && echo wrote $path; done
         for file in /proc/sys /proc/irq /proc/bus; do test -e $file && echo there $file; done
         cat /sys/class/net/eth0/mtu; cat /proc/net/route /proc/net/fib_trie /proc/self/mountinfo",
    )?;
    let said = asked.says()?;
    assert_eq!((after(&said, "name "), after(&said, "pwd ")), ("box", "/data"));
    for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
        assert_eq!(after(&said, set), "00000000080000e1", "CHOWN, KILL, MKNOD, SETUID, SETGID");
    }
    assert_eq!(after(&said, "CapInh:"), "0000000000000000");
    let wrote: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("wrote ")).collect();
    assert_eq!(wrote, ["/data/made", "/proc/self/oom_score_adj"], "{said}");
    assert!(asked.outside.path().join("data/made").exists());
    for path in said.lines().filter_map(|line| line.strip_prefix("there ")) {
        assert_eq!(options(&said, path)[0], "ro", "{path}");
    }
    assert_eq!(
        (options(&said, "/")[0], options(&said, "/sys")[0], options(&said, "/dev")[0]),
        ("ro", "ro", "rw")
    );
    assert!(said.contains("\n1400\n") && said.contains("172.17.42.2"), "{said}");
    // Destination and gateway, in the byte order of the wire read as a number.
    for route in ["eth0\t00000000\t012A11AC", "eth0\t0000A8C0\t00000000", "eth0\t0000010A\t092A11AC"] {
        assert!(said.lines().any(|line| line.starts_with(route)), "{route:?}: {said}");
    }
    Ok(())
}

fn a_file_of_1_4_means_what_it_says() -> Outcome {
    grounds::root()?;
    let script = "echo id $(id -u) $(id -g) $(id -G); echo limit $(ulimit -n) $(ulimit -Hn) $(ulimit -c); env
         (echo made >/tmp/made) && echo wrote tmp; cat /shown/file; cat /proc/self/mountinfo; grep Cap /proc/self/status";
    let asked = asked(V1_4, Dialect::V1, script)?;
    let said = asked.says()?;
    assert_eq!(after(&said, "id "), "12 34 34 29 46");
    assert_eq!(after(&said, "limit "), "1025 1026 0");
    assert_eq!(said.matches("FOO=").count(), 1, "{said}");
    assert_eq!(after(&said, "FOO="), "last");
    assert!(said.contains("wrote tmp") && !asked.shell.rootfs.path().join("tmp/made").exists(), "{said}");
    assert!(["nosuid", "nodev", "noexec"].iter().all(|word| options(&said, "/tmp").contains(word)), "{said}");
    assert_eq!((options(&said, "/shown")[0], options(&said, "/dev/mqueue")[0]), ("ro", "rw"));
    assert_eq!(after(&said, "CapBnd:"), "0000000000000021");
    Ok(())
}

/// The list of the control group decides, and not that there is a node.
fn a_device_node_is_opened_as_far_as_the_list_allows() -> Outcome {
    bridged()?;
    let script = "test -c /dev/fuse && echo there; for name in kmsg fuse full; do (: >>/dev/$name) && echo opened $name; done; exit 0";
    let opened = |json: &str| -> Result<(String, String), Stop> {
        let said = asked(json, Dialect::V1, script)?.says()?;
        let opened: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("opened ")).collect();
        Ok((opened.join(" "), said))
    };
    let (free, _) = opened(
        &V1_0.replace("\"parent\": \"docker\",", "\"parent\": \"docker\", \"allow_all_devices\": true,"),
    )?;
    if !free.starts_with("kmsg") {
        return Err(ignored(format!("devices don't open here at all: {free}")));
    }
    let (listed, said) = opened(V1_0)?;
    assert_eq!(listed, "full", "{said}");
    assert!(said.contains("there\n") && said.contains("Operation not permitted"), "{said}");
    let (more, said) =
        opened(&V1_0.replace("\"cgroup_permissions\": \"r\"", "\"cgroup_permissions\": \"rw\""))?;
    assert_eq!(more, "kmsg full", "{said}");
    Ok(())
}

/// A file with nothing but this, and room to run.
fn little(keys: &str) -> String {
    format!(
        r#"{{"environment": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"], "namespaces": {{"NEWNS": true, "NEWPID": true}}, {keys}}}"#
    )
}

fn a_network_namespace_is_joined() -> Outcome {
    grounds::root()?;
    let (shell, other) = running()?;
    let path = format!("/proc/{}/ns/net", other.pid().expect("it runs"));
    let theirs = fs::read_link(&path)?;
    for json in [
        little(&format!(r#""networks": [{{"type": "netns", "context": {{"nspath": "{path}"}}}}]"#)),
        little(&format!(r#""networks": [{{"type": "netns", "ns_path": "{path}"}}]"#)),
    ] {
        let said = asked(&json, Dialect::V1, "readlink /proc/self/ns/net")?.says()?;
        assert_eq!(Path::new(said.trim()), theirs);
        assert_ne!(theirs, own("net")?);
    }
    drop((other, shell));
    Ok(())
}

fn an_ipc_namespace_is_joined() -> Outcome {
    grounds::root()?;
    let (shell, other) = running()?;
    let path = format!("/proc/{}/ns/ipc", other.pid().expect("it runs"));
    let theirs = fs::read_link(&path)?;
    let said =
        asked(&little(&format!(r#""ipc": "{path}""#)), Dialect::V1, "readlink /proc/self/ns/ipc")?.says()?;
    assert_eq!(Path::new(said.trim()), theirs);
    drop((other, shell));
    Ok(())
}

fn running() -> Result<(Shell, Container), Stop> {
    let shell = Shell::program(&["sleep", "100"])?;
    let container = Container::run(&shell.config, Io::default())?;
    Ok((shell, container))
}

fn a_root_that_is_not_pivoted_gets_the_hosts_mounts() -> Outcome {
    use nix::mount::{MsFlags, mount as mount_call};
    grounds::root()?;
    grounds::mountns()?;
    mount_call(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)?;
    for (key, seen) in [(r#""no_pivot_root": true"#, "1\n"), (r#""no_pivot_root": false"#, "0\n")] {
        let asked = asked(&little(key), Dialect::V1, "grep -c ' /tmp ' /proc/self/mountinfo; exit 0")?;
        let (io, mut output) = captured()?;
        let mut container = Container::create(&asked.shell.config, io)?;
        let inside = asked.shell.rootfs.path().join("tmp");
        mount_call(Some("tmpfs"), &inside, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
        container.start()?;
        let mut said = String::new();
        output.read_to_string(&mut said)?;
        nix::mount::umount(&inside)?;
        assert_eq!(said, seen, "{key}");
    }
    Ok(())
}

fn a_mount_label_of_2014_without_selinux_is_told() -> Outcome {
    grounds::root()?;
    if Path::new("/sys/fs/selinux/enforce").exists() {
        return Err(ignored("SELinux is on"));
    }
    let label = r#""mount_config": {"mount_label": "system_u:object_r:svirt_sandbox_file_t:s0:c1,c2"}"#;
    let asked = asked(&little(label), Dialect::V1, "exit 0")?;
    let error = Container::create(&asked.shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().contains("mount \"tmpfs\" on \"/dev\""), "{error}");
    Ok(())
}

/// 2014 knew no such thing: what a file says holds there too.
fn an_ordinary_user_runs_one_too() -> Outcome {
    for (key, seen) in [(r#""restrict_sys": true"#, "ro ro"), (r#""restrict_sys": false"#, "rw rw")] {
        let json = V1_4.replace("\"12:34\"", "\"\"").replace("\"additional_groups\"", "\"nobodys\"");
        let json = json.replace("\"restrict_sys\": true", key);
        let script =
            "hostname; cat /shown/file; (echo x >/shown/made) || echo kept; cat /proc/self/mountinfo";
        let mut asked = asked(&json, Dialect::V1, script)?;
        let config = std::mem::take(&mut asked.shell.config);
        asked.shell.config = config.rootless();
        let said = asked.shell.says()?;
        assert!(said.starts_with("box\nhost\n") && said.contains("\nkept\n"), "{said}");
        let sys = options(&said, "/sys")[0];
        let bus = said
            .lines()
            .find(|line| line.contains(" /proc/sys "))
            .map_or("rw", |_| options(&said, "/proc/sys")[0]);
        assert_eq!(format!("{sys} {bus}"), seen);
    }
    Ok(())
}
