//! The networks that a VXLAN link takes packets of.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use nix::errno::Errno;

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_BRIDGE, RTM_DELTUNNEL, RTM_GETTUNNEL, RTM_NEWTUNNEL, VXLAN_VNIFILTER_ENTRY, VXLAN_VNIFILTER_ENTRY_END,
    VXLAN_VNIFILTER_ENTRY_GROUP, VXLAN_VNIFILTER_ENTRY_GROUP6, VXLAN_VNIFILTER_ENTRY_START,
};
use crate::wire::{Request, u32_at};

const HEADER: usize = 8;

/// Networks that a VXLAN link of many networks (`external vnifilter`) takes packets of ([bridge(8)], `vni`; Linux
/// 5.18).
///
/// [bridge(8)]: https://man7.org/linux/man-pages/man8/bridge.8.html
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VniEntry {
    /// The index of the VXLAN link. On input it is not looked at: the link is told apart.
    pub index: u32,
    /// The networks' numbers: 1 to 16777215.
    pub vnis: RangeInclusive<u32>,
    /// The multicast group, or the host, that packets for everybody go to; `None` is the link's.
    pub group: Option<IpAddr>,
}

impl VniEntry {
    /// Several networks in a row.
    pub fn new(vnis: RangeInclusive<u32>) -> VniEntry {
        VniEntry { index: 0, vnis, group: None }
    }

    fn write(&self, request: &mut Request, kind: u16, index: u32) {
        request.begin(kind, 0, &header(index));
        request.nest(VXLAN_VNIFILTER_ENTRY, |request| {
            request.u32(VXLAN_VNIFILTER_ENTRY_START, *self.vnis.start());
            if self.vnis.start() != self.vnis.end() {
                request.u32(VXLAN_VNIFILTER_ENTRY_END, *self.vnis.end());
            }
            match self.group {
                None => {}
                Some(group) if group.is_ipv4() => request.ip(VXLAN_VNIFILTER_ENTRY_GROUP, group),
                Some(group) => request.ip(VXLAN_VNIFILTER_ENTRY_GROUP6, group),
            }
        });
    }

    fn read(index: u32, entry: Attribute<'_>) -> Option<VniEntry> {
        let (mut first, mut last, mut group) = (None, None, None);
        for attribute in entry.nested() {
            match attribute.kind {
                VXLAN_VNIFILTER_ENTRY_START => first = attribute.u32(),
                VXLAN_VNIFILTER_ENTRY_END => last = attribute.u32(),
                VXLAN_VNIFILTER_ENTRY_GROUP | VXLAN_VNIFILTER_ENTRY_GROUP6 => group = attribute.ip(),
                _ => {}
            }
        }
        let first = first?;
        Some(VniEntry { index, vnis: first..=last.unwrap_or(first), group })
    }

    /// Writes the request.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        let (first, last) = (*self.vnis.start(), *self.vnis.end());
        if first == 0 || last > 0xff_ffff || first > last {
            let why = format!(
                "networks are numbered 1 to 16777215, the first before the last, not {:?}",
                self.vnis
            );
            return Err(Failure::Input(why));
        }
        self.write(request, kind, handle.index_of(link)?);
        Ok(())
    }

    pub(crate) fn read_all(payload: &[u8]) -> Vec<VniEntry> {
        let index = u32_at(payload, 4).unwrap_or_default();
        let entries = Attributes::after(HEADER, payload).filter(|one| one.kind == VXLAN_VNIFILTER_ENTRY);
        entries.filter_map(|entry| VniEntry::read(index, entry)).collect()
    }
}

/// `struct tunnel_msg`.
fn header(index: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = AF_BRIDGE;
    header[4..].copy_from_slice(&index.to_ne_bytes());
    header
}

/// Written as in a command of bridge(8): `10-20 group 239.1.1.1`.
impl fmt::Display for VniEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.vnis.start())?;
        if self.vnis.start() != self.vnis.end() {
            write!(f, "-{}", self.vnis.end())?;
        }
        self.group.map_or(Ok(()), |group| write!(f, " group {group}"))
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EOPNOTSUPP, "the link is no VXLAN of many networks, or this kernel has none"),
    (Errno::EINVAL, "the link is no VXLAN of many networks, or has no such network"),
    (Errno::ENOENT, "it has no such network"),
];

impl Handle {
    /// Lets a VXLAN link take packets of networks (Linux 5.18).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported) or [`InvalidInput`](crate::ErrorKind::InvalidInput): it is no
    /// VXLAN of many networks.
    pub fn add_vni<'a>(&mut self, link: impl Into<LinkRef<'a>>, vnis: &VniEntry) -> Result<()> {
        self.set_vni(RTM_NEWTUNNEL, link.into(), vnis, "add")
    }

    /// Lets a VXLAN link no longer take packets of networks.
    ///
    /// # Errors
    /// As [`add_vni`](Handle::add_vni).
    pub fn delete_vni<'a>(&mut self, link: impl Into<LinkRef<'a>>, vnis: &VniEntry) -> Result<()> {
        self.set_vni(RTM_DELTUNNEL, link.into(), vnis, "delete")
    }

    fn set_vni(&mut self, kind: u16, link: LinkRef<'_>, entry: &VniEntry, verb: &str) -> Result<()> {
        let mut request = self.room();
        let outcome = entry.request(&mut request, self, kind, link);
        outcome
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("{verb} networks {entry} of {link}"), HINTS))
    }

    /// Lists the networks that VXLAN links of many networks take packets of.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): links came and went each time the list was read.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this kernel has no such links.
    pub fn vnis(&mut self) -> Result<Vec<VniEntry>> {
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETTUNNEL, 0, &header(0));
            request
        };
        // A message has the networks of one link.
        let read = |message: &Message<'_>| Some(VniEntry::read_all(message.payload));
        let outcome = self.list(write, read).map(|lists| lists.concat()).map_err(|failure| match failure {
            Failure::Interrupted(Some(partial)) => {
                let lists = partial.downcast_ref::<Vec<Vec<VniEntry>>>().map(|lists| lists.concat());
                Failure::Interrupted(Some(Arc::new(lists.unwrap_or_default())))
            }
            failure => failure,
        });
        outcome.map_err(|failure| failure.when("list networks of VXLAN links", HINTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut many = VniEntry::new(10..=20);
        many.group = Some("239.1.1.1".parse().unwrap());
        for mut entry in [VniEntry::new(7..=7), many] {
            let mut request = Request::default();
            entry.write(&mut request, RTM_NEWTUNNEL, 5);
            entry.index = 5;
            assert_eq!(VniEntry::read_all(&request.sent()[16..]), [entry]);
        }
        assert_eq!(VniEntry::read_all(&[7; 3]), []);
    }
}
