//! A container: `cargo run --example container`.
//!
//! It runs a shell command in namespaces of its own, with a root filesystem made of the host's own
//! programs, a network, and limits. Another program: `cargo run --example container -- ls -l /`;
//! another root filesystem: `-- --rootfs DIR COMMAND`.
//!
//! An ordinary user gets a container too, in a user namespace: without a network to the outside and
//! without limits, unless the host's administrator has said otherwise.

use std::error::Error;
use std::fs::File;
use std::process::{self, ExitCode};
use std::thread;

use cgroups::{Hierarchies, Memory, Pids, Resources};
use examples::HostRootfs;
use libcontainer::{Cgroup, Config, Container, Io, Network, Veth};
use netlink::{Bridge, ErrorKind, Handle};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, geteuid};

/// What is run unless something else is asked for.
const SHOW: &str = r#"
echo "I am process $$, $(id -un), on host $(cat /proc/sys/kernel/hostname)."
echo "All processes:" /proc/[0-9]*
echo "Interfaces:" $(ls /sys/class/net)
echo "Mounts:"; while read -r device point type options; do echo "    $type on $point"; done < /proc/mounts | head -n 12
echo "Control groups:"; cut -d: -f2- /proc/self/cgroup | sed 's/^/    /'
for limit in memory/memory.limit_in_bytes memory.max pids/pids.max pids.max; do
    [ -r /sys/fs/cgroup/$limit ] && echo "Limit: $limit is $(cat /sys/fs/cgroup/$limit)"
done
echo "Capabilities: $(grep CapEff /proc/self/status)"
"#;

const BRIDGE: &str = "container0";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("container: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let made;
    let mut config = if args.first().is_some_and(|arg| arg == "--rootfs") {
        let rootfs = args.get(1).ok_or("--rootfs: names no folder")?;
        let config =
            Config::new(std::fs::canonicalize(rootfs).map_err(|error| format!("{rootfs}: {error}"))?);
        args.drain(..2);
        config
    } else {
        made = HostRootfs::new("box")?;
        let mut config = Config::new(made.path());
        config.mounts.extend_from_slice(made.mounts());
        config
    };
    config.hostname = Some("box".to_owned());
    config.process.args = if args.is_empty() { ["sh", "-c", SHOW].map(str::to_owned).to_vec() } else { args };

    if !geteuid().is_root() {
        println!("(an ordinary user: no bridge to the outside, and no limits without a delegated cgroup)");
        return run_and_wait(&config.rootless());
    }
    match limits() {
        Ok(cgroup) => config.cgroup = Some(cgroup),
        Err(error) => println!("(no limits: {error})"),
    }
    match Uplink::new() {
        Ok(uplink) => {
            config.networks.push(Network::Veth(uplink.veth()));
            let code = run_and_wait(&config);
            uplink.remove()?;
            code
        }
        Err(error) => {
            println!("(no network to the outside: {error})");
            run_and_wait(&config)
        }
    }
}

fn run_and_wait(config: &Config) -> Result<ExitCode, Box<dyn Error>> {
    // Whoever interrupts this program means the container: it must not live on alone.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block()?;
    let mut container = Container::create(config, Io::default())?;
    let pid = Pid::from_raw(container.pid().unwrap_or_default().try_into()?);
    if geteuid().is_root() {
        print_network(pid)?;
    }
    container.start()?;
    thread::spawn(move || signals.wait().map(|_| kill(pid, Signal::SIGKILL)));
    let status = container.wait()?;
    container.delete()?;
    Ok(ExitCode::from(u8::try_from(status.code()).unwrap_or(u8::MAX)))
}

/// Prints the container's interfaces, as seen from outside.
fn print_network(pid: Pid) -> Result<(), Box<dyn Error>> {
    let mut inside = Handle::open_in(File::open(format!("/proc/{pid}/ns/net"))?)?;
    for link in inside.links()? {
        let addresses = inside.addresses()?.into_iter().filter(|address| address.index == link.index);
        let addresses: Vec<_> = addresses.map(|address| address.net.to_string()).collect();
        println!("interface {}: {} <{}> {}", link.index, link.name, link.flags, addresses.join(" "));
    }
    for route in inside.routes()?.iter().filter(|route| route.is_default()) {
        println!("the way out: {}", route.gateway.map(|gateway| gateway.to_string()).unwrap_or_default());
    }
    Ok(())
}

/// Limits of memory and of processes, where this machine lets us set them.
fn limits() -> Result<Cgroup, Box<dyn Error>> {
    let mut cgroup = Cgroup { path: format!("/container-{}", process::id()).into(), ..Cgroup::default() };
    let mut memory = Memory::default();
    memory.limit = Some(256 << 20);
    let mut pids = Pids::default();
    pids.limit = Some(64);
    let mut resources = Resources::default();
    (resources.memory, resources.pids) = (Some(memory), Some(pids));
    cgroups::Cgroup::create(&Hierarchies::detect()?, &cgroup.path)?.set(&resources)?;
    cgroup.resources = resources;
    Ok(cgroup)
}

/// A bridge on the host, shared by all containers of this example, and our place on it.
struct Uplink {
    host_name: String,
    address: String,
}

impl Uplink {
    fn new() -> Result<Uplink, Box<dyn Error>> {
        let _lock = lock()?;
        let mut handle = Handle::open()?;
        let bridge = match handle.add_bridge(&Bridge::new(BRIDGE)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => handle.link(BRIDGE)?,
            bridge => {
                let bridge = bridge?;
                handle.add_address(&bridge, "10.42.0.1/16".parse()?)?;
                bridge
            }
        };
        handle.set_up(&bridge)?;
        // The process number is nobody else's while we run; so is what follows from it.
        let number = 256 + process::id() % 65_000;
        let address = format!("10.42.{}.{}/16", number >> 8, number & 0xff);
        Ok(Uplink { host_name: format!("ctr{}", process::id()), address })
    }

    fn veth(&self) -> Veth {
        Veth {
            host_name: Some(self.host_name.clone()),
            bridge: Some(BRIDGE.to_owned()),
            addresses: vec![self.address.clone()],
            gateway: Some([10, 42, 0, 1].into()),
            ..Veth::default()
        }
    }

    /// Takes our end away, and the bridge with it if nobody else is on it.
    fn remove(self) -> Result<(), Box<dyn Error>> {
        let _lock = lock()?;
        let mut handle = Handle::open()?;
        if let Some(link) = handle.find_link(self.host_name.as_str())? {
            // The kernel may be about to remove it with the container's namespace.
            let _ = handle.delete_link(&link);
        }
        let bridge = handle.link(BRIDGE)?;
        if handle.links()?.iter().all(|link| link.master != Some(bridge.index)) {
            handle.delete_link(&bridge)?;
        }
        Ok(())
    }
}

/// One at a time makes or removes the bridge: the lock is on this network namespace itself, and
/// leaves no file behind.
fn lock() -> std::io::Result<File> {
    let namespace = File::open("/proc/thread-self/ns/net")?;
    namespace.lock()?;
    Ok(namespace)
}
