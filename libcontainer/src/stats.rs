//! What a container uses.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use netlink::{Handle, LinkFilter};
use nix::poll::PollTimeout;

use crate::container::{Container, Init};
use crate::error::{Error, Result};
use crate::launch;

/// What a container uses, from [`Container::stats`].
///
/// Absent is what nobody tells.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// What its cgroup counts; `None` without a cgroup.
    pub cgroup: Option<cgroups::Stats>,
    /// The interfaces in its network namespace; `None` where that is the caller's own, or it doesn't run.
    pub network: Option<Vec<Interface>>,
}

/// What went through a network interface since it was made, seen from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its name inside.
    pub name: String,
    /// Bytes and packets, with errors and without; `None` where the kernel doesn't tell.
    pub counts: Option<Traffic>,
}

/// Counts of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the kernel's names, which say it")]
pub struct Traffic {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

impl Container {
    /// Returns what the container uses.
    ///
    /// ```no_run
    /// # fn main() -> libcontainer::Result<()> {
    /// let stats = libcontainer::Factory::new("/run/my-daemon")?.load("web")?.stats()?;
    /// println!("{:?}", stats.cgroup.and_then(|cgroup| cgroup.memory));
    /// for interface in stats.network.unwrap_or_default() {
    ///     println!("{}: {:?}", interface.name, interface.counts.map(|counts| counts.rx_bytes));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`System`](crate::ErrorKind::System) where a file can't be read,
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) where the caller may not look into the network
    /// namespace.
    pub fn stats(&self) -> Result<Stats> {
        let cgroup =
            self.cgroup().filter(|cgroup| cgroup.exists()).map(cgroups::Cgroup::stats).transpose()?;
        let network = self.init().map(interfaces).transpose()?.flatten();
        Ok(Stats { cgroup, network })
    }
}

/// Lists the interfaces of another network namespace; `None` where it is our own, or the process has ended.
fn interfaces(init: &Init) -> Result<Option<Vec<Interface>>> {
    let path = format!("/proc/{}/ns/net", init.pid);
    let failed = |error: &std::io::Error| Error::io(format_args!("open {path:?}"), error).at(&path);
    let opened = File::open(&path);
    // What was opened under this number was the container's if it still lives.
    if launch::ended(std::os::fd::AsFd::as_fd(&init.pidfd), PollTimeout::ZERO)? {
        return Ok(None);
    }
    let netns = opened.map_err(|error| failed(&error))?;
    let own = fs::metadata("/proc/thread-self/ns/net").map_err(|error| failed(&error))?;
    if netns.metadata().map_err(|error| failed(&error))?.ino() == own.ino() {
        return Ok(None);
    }
    let mut filter = LinkFilter::default();
    filter.stats = true;
    let links = Handle::open_in(&netns)?.list_links(filter)?;
    Ok(Some(
        links
            .into_iter()
            .map(|link| Interface { name: link.name, counts: link.stats.map(traffic) })
            .collect(),
    ))
}

fn traffic(stats: netlink::LinkStats) -> Traffic {
    Traffic {
        rx_bytes: stats.rx_bytes,
        rx_packets: stats.rx_packets,
        rx_errors: stats.rx_errors,
        rx_dropped: stats.rx_dropped,
        tx_bytes: stats.tx_bytes,
        tx_packets: stats.tx_packets,
        tx_errors: stats.tx_errors,
        tx_dropped: stats.tx_dropped,
    }
}
