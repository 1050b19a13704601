//! A container: `cargo run --example container`.
//!
//! It runs a shell command in namespaces of its own, with a root filesystem made of the host's own
//! programs, a network, and limits. Another program: `cargo run --example container -- ls -l /`;
//! another root filesystem: `-- --rootfs DIR COMMAND`.
//!
//! An ordinary user gets a container too, in a user namespace: without a network to the outside, and
//! without limits.

use std::cell::Cell;
use std::error::Error;
use std::fs::{self, File};
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
echo "Mounts:"; while read -r device point type options rest; do echo "    $type on $point (${options%%,*})"; done < /proc/mounts
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
        let config = Config::new(fs::canonicalize(rootfs).map_err(|error| format!("{rootfs}: {error}"))?);
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

    if !is_root_of_the_machine() {
        println!("(not root of this machine: no bridge to the outside, and no limits)");
        return run_and_wait(Container::create(&config.rootless(), Io::default())?);
    }
    match limits() {
        Ok(cgroup) => config.cgroup = Some(cgroup),
        Err(error) => println!("(no limits: {error})"),
    }
    let uplink = match Uplink::new() {
        Ok(uplink) => uplink,
        Err(error) => {
            println!("(no network to the outside: {error})");
            return run_and_wait(Container::create(&config, Io::default())?);
        }
    };
    config.networks.push(Network::Veth(uplink.veth()));
    let code = uplink.connected(|| Ok(Container::create(&config, Io::default())?)).and_then(|container| {
        print_network(&container)?;
        run_and_wait(container)
    });
    if let Err(error) = uplink.remove() {
        eprintln!("container: {error}");
    }
    code
}

/// Runs the program and waits for its end. Whoever interrupts this program means the container: it must
/// not live on alone.
fn run_and_wait(mut container: Container) -> Result<ExitCode, Box<dyn Error>> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block()?;
    let pid = Pid::from_raw(container.pid().unwrap_or_default().try_into()?);
    thread::spawn(move || signals.wait().map(|_| kill(pid, Signal::SIGKILL)));
    container.start()?;
    let status = container.wait()?;
    container.delete()?;
    Ok(ExitCode::from(u8::try_from(status.code()).unwrap_or(u8::MAX)))
}

/// Returns whether this is the root that may do all, and not that of a user namespace.
fn is_root_of_the_machine() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    geteuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Prints the container's interfaces, as seen from outside.
fn print_network(container: &Container) -> Result<(), Box<dyn Error>> {
    let path = format!("/proc/{}/ns/net", container.pid().unwrap_or_default());
    let mut inside = Handle::open_in(File::open(path)?)?;
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
    let mut cgroup = Cgroup::new(format!("/container-{}", process::id()));
    let mut memory = Memory::default();
    memory.limit = Some(256 << 20);
    let mut pids = Pids::default();
    pids.limit = Some(64);
    let mut resources = Resources::default();
    (resources.memory, resources.pids) = (Some(memory), Some(pids));
    // A trial: made, limited and removed again at the end of this line.
    cgroups::Cgroup::create(&Hierarchies::detect()?, &cgroup.path)?.set(&resources)?;
    cgroup.resources = resources;
    Ok(cgroup)
}

/// A bridge on the host, shared by all containers of this example, and our place on it.
struct Uplink {
    host_name: String,
    address: String,
    /// Held until our container is on the bridge: without it, a neighbour that ends would remove it.
    lock: Cell<Option<File>>,
}

impl Uplink {
    fn new() -> Result<Uplink, Box<dyn Error>> {
        let lock = lock()?;
        let mut handle = Handle::open()?;
        unless_there(handle.add_link(&Bridge::new(BRIDGE)).map(drop))?;
        unless_there(handle.add_address(BRIDGE, &"10.42.0.1/16".parse()?))?;
        handle.set_up(BRIDGE)?;
        // Two containers at once have the same only if their process numbers are 65,000 apart.
        let number = 256 + process::id() % 65_000;
        let address = format!("10.42.{}.{}/16", number >> 8, number & 0xff);
        Ok(Uplink { host_name: format!("ctr{}", process::id()), address, lock: Cell::new(Some(lock)) })
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

    /// Makes the container that connects itself to the bridge.
    fn connected<T>(&self, make: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
        let container = make();
        self.lock.set(None);
        container
    }

    /// Takes our end away, and the bridge with it if nobody else is on it.
    fn remove(self) -> netlink::Result<()> {
        let _lock = lock();
        let mut handle = Handle::open()?;
        // The kernel may just be removing it with the container's namespace.
        let _ = handle.delete_link(self.host_name.as_str());
        let Some(bridge) = handle.find_link(BRIDGE)? else {
            return Ok(());
        };
        if handle.links()?.iter().all(|link| link.master != Some(bridge.index)) {
            handle.delete_link(&bridge)?;
        }
        Ok(())
    }
}

/// Another container of this example may have been first.
fn unless_there(made: netlink::Result<()>) -> netlink::Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// One at a time makes or removes the bridge: the lock is on this network namespace itself, and
/// leaves no file behind.
fn lock() -> std::io::Result<File> {
    let namespace = File::open("/proc/thread-self/ns/net")?;
    namespace.lock()?;
    Ok(namespace)
}
