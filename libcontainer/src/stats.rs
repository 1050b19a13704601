//! What a container uses.

use std::fs::{self, File};
use std::os::fd::AsFd;
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
    /// What was received and sent; `None` where the kernel doesn't tell.
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
    /// For an ordinary user's own container, with those that the device missed.
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
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) where the caller may not look at the container's
    /// first process.
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
    if launch::ended(init.pidfd.as_fd(), PollTimeout::ZERO)? {
        return Ok(None);
    }
    let netns = opened.map_err(|error| failed(&error))?;
    let own = fs::metadata("/proc/thread-self/ns/net").map_err(|error| failed(&error))?;
    if netns.metadata().map_err(|error| failed(&error))?.ino() == own.ino() {
        return Ok(None);
    }
    let inside = match Handle::open_in(&netns) {
        Ok(mut inside) => {
            let mut filter = LinkFilter::default();
            filter.stats = true;
            let links = inside.list_links(filter)?.into_iter();
            links.map(|link| Interface { name: link.name, counts: link.stats.map(traffic) }).collect()
        }
        // An ordinary user may not enter the namespaces of their own container's user namespace, but may read.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => listed(init)?,
        Err(error) => return Err(error.into()),
    };
    Ok(if launch::ended(init.pidfd.as_fd(), PollTimeout::ZERO)? { None } else { Some(inside) })
}

/// Reads what procfs lists of a process' network namespace.
fn listed(init: &Init) -> Result<Vec<Interface>> {
    let path = format!("/proc/{}/net/dev", init.pid);
    let text = fs::read_to_string(&path);
    let text = text.map_err(|error| Error::io(format_args!("read {path:?}"), &error).at(&path))?;
    Ok(text.lines().filter_map(line).collect())
}

/// Reads a line of the list; the two of its head are none.
fn line(line: &str) -> Option<Interface> {
    let (name, counts) = line.split_once(':')?;
    let counts: Vec<u64> = counts.split_ascii_whitespace().filter_map(|count| count.parse().ok()).collect();
    let at = |place: usize| counts.get(place).copied();
    let counts = Traffic {
        rx_bytes: at(0)?,
        rx_packets: at(1)?,
        rx_errors: at(2)?,
        rx_dropped: at(3)?,
        tx_bytes: at(8)?,
        tx_packets: at(9)?,
        tx_errors: at(10)?,
        tx_dropped: at(11)?,
    };
    Some(Interface { name: name.trim().to_owned(), counts: Some(counts) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_interfaces_is_read() {
        let text = "Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     1      2    3    4    0     0          0         0     5      6    7    8    0     0       0          0
a.very-long-nam:10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0
  odd:  1 2 3
";
        let found: Vec<_> = text.lines().filter_map(line).collect();
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["lo", "a.very-long-nam"]);
        let lo = found[0].counts.unwrap();
        assert_eq!((lo.rx_bytes, lo.rx_packets, lo.rx_errors, lo.rx_dropped), (1, 2, 3, 4));
        assert_eq!((lo.tx_bytes, lo.tx_packets, lo.tx_errors, lo.tx_dropped), (5, 6, 7, 8));
    }
}
