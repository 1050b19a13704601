//! Which links to list.

use super::{Link, LinkFlags};
use crate::dump::{Slot, unreadable};
use crate::handle::Handle;
use crate::wire::message::Message;
use crate::wire::numbers::{
    IFLA_EXT_MASK, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_TARGET_NETNSID, RTEXT_FILTER_SKIP_STATS,
    RTEXT_FILTER_VF, RTM_GETLINK,
};
use crate::wire::{self, Request};

/// Which links to list, and how much of them.
///
/// ```no_run
/// use netlink::{Handle, LinkFilter};
///
/// let mut handle = Handle::open()?;
/// let mut ports = LinkFilter::default();
/// ports.master = Some(handle.link("br0")?.index);
/// for port in handle.list_links(ports)? {
///     println!("{}", port.name);
/// }
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkFilter {
    /// Links of this kind: `bridge`, `veth`.
    pub kind: Option<String>,
    /// The ports of the bridge (or bond, ...) with this index.
    pub master: Option<u32>,
    /// Links of this group.
    pub group: Option<u32>,
    /// Links that are up (true) or down (false).
    pub up: Option<bool>,
    /// Those of the namespace that this one knows by that id ([`Handle::netns_id`]).
    pub netns_id: Option<u32>,
    /// Whether to tell what they sent and received.
    pub stats: bool,
    /// Whether to tell of their cards' virtual functions.
    pub vfs: bool,
}

impl LinkFilter {
    /// Asks for the links. The kernel knows kinds and masters, not groups and flags.
    pub(crate) fn request(&self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        request.begin(RTM_GETLINK, 0, &wire::link::header(0, LinkFlags::empty(), LinkFlags::empty()));
        // The statistics of their protocols are long; newer kernels leave their own out with those.
        let stats = if self.stats { 0 } else { RTEXT_FILTER_SKIP_STATS };
        let vfs = if self.vfs { RTEXT_FILTER_VF } else { 0 };
        request.u32(IFLA_EXT_MASK, stats | vfs);
        if let Some(id) = self.netns_id {
            request.u32(IFLA_TARGET_NETNSID, id);
        }
        if let Some(master) = self.master {
            request.u32(IFLA_MASTER, master);
        }
        if let Some(kind) = &self.kind {
            request.nest(IFLA_LINKINFO, |request| request.text(IFLA_INFO_KIND, kind));
        }
        request
    }

    /// Reads a link where it goes, if it is one of them: a kernel that doesn't know a kind lists all.
    pub(crate) fn read_into(&self, message: &Message<'_>, slot: &mut Slot<Link>) {
        let Ok(link) = slot.insert(Ok(Link::default())) else { return };
        if wire::link::read_all(link, message.payload).is_none() {
            *slot = Some(unreadable("links"));
        } else if !self.matches(link) {
            *slot = None;
        } else if self.stats {
            link.stats = wire::link::stats(message.payload);
        }
    }

    fn matches(&self, link: &Link) -> bool {
        self.kind.as_deref().is_none_or(|kind| link.kind_name() == Some(kind))
            && self.master.is_none_or(|master| link.master == Some(master))
            && self.group.is_none_or(|group| link.group == group)
            && self.up.is_none_or(|up| link.is_up() == up)
            // A kernel that doesn't look at it would list this namespace's own.
            && self.netns_id.is_none_or(|id| link.netns_id == Some(id))
    }
}
