//! The ids by which one network namespace knows others: in links whose other end is there, in what a monitor of all
//! namespaces hears, and to list what is there.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{AF_UNSPEC, NETNSA_FD, NETNSA_NSID, RTM_GETNSID, RTM_NEWNSID};

/// `struct rtgenmsg`, padded.
const HEADER: [u8; 4] = [AF_UNSPEC, 0, 0, 0];
const NOT_ASSIGNED: i32 = -1;

const HINTS: Hints<'static> = &[
    (Errno::EBADF, "that is not a network namespace"),
    (Errno::EINVAL, "that is not a network namespace"),
    (Errno::EEXIST, "the namespace has an id already"),
    (Errno::ENOSPC, "the id is another namespace's"),
];

impl Handle {
    /// Returns the id by which this handle's namespace knows another one, if it does:
    /// [`Link::peer_netns_id`](crate::Link::peer_netns_id) is such an id.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): that is not a network namespace.
    #[doc(alias = "GetNetNsIdByFd")]
    pub fn netns_id(&mut self, netns: impl AsFd) -> Result<Option<u32>> {
        self.try_netns_id(netns.as_fd())
            .map_err(|failure| failure.when("ask for the id of a network namespace", HINTS))
    }

    fn try_netns_id(&mut self, netns: BorrowedFd<'_>) -> Result<Option<u32>, Failure> {
        let request = self.netns_request(RTM_GETNSID, netns);
        let id = self.get(request, |message| {
            Attributes::after(HEADER.len(), message.payload)
                .find(|attribute| attribute.kind == NETNSA_NSID)
                .and_then(Attribute::i32)
        })?;
        Ok(u32::try_from(id).ok())
    }

    /// Gives another namespace an id in this handle's namespace: that one, or one that the kernel chooses. Returns it.
    ///
    /// The kernel gives ids of itself where a link's other end needs one. An id stays as long as the namespace does.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the namespace has an id.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_NET_ADMIN`.
    #[doc(alias = "SetNetNsIdByFd")]
    pub fn set_netns_id(&mut self, netns: impl AsFd, id: Option<u32>) -> Result<u32> {
        let netns = netns.as_fd();
        let id_to_say = id.map_or_else(|| "an id".to_owned(), |id| format!("id {id}"));
        self.try_set_netns_id(netns, id)
            .map_err(|failure| failure.when(format_args!("give a network namespace {id_to_say}"), HINTS))
    }

    fn try_set_netns_id(&mut self, netns: BorrowedFd<'_>, id: Option<u32>) -> Result<u32, Failure> {
        let wanted = match id {
            None => NOT_ASSIGNED,
            Some(id) => i32::try_from(id)
                .map_err(|_| Failure::Input(format!("{id} is more than an id can be ({})", i32::MAX)))?,
        };
        let mut request = self.netns_request(RTM_NEWNSID, netns);
        request.u32(NETNSA_NSID, wanted as u32);
        self.change(request, |_| {})?;
        match id {
            Some(id) => Ok(id),
            None => self.try_netns_id(netns)?.ok_or(Failure::Protocol("the answer has no id")),
        }
    }

    /// Lists the ids by which this handle's namespace knows others.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): ids came and went each time the list was read.
    pub fn netns_ids(&mut self) -> Result<Vec<u32>> {
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETNSID, 0, &HEADER);
            request
        };
        self.list(write, read).map_err(|failure| failure.when("list the ids of network namespaces", &[]))
    }

    fn netns_request(&mut self, kind: u16, netns: BorrowedFd<'_>) -> crate::wire::Request {
        let mut request = self.room();
        request.begin(kind, 0, &HEADER);
        request.u32(NETNSA_FD, netns.as_raw_fd() as u32);
        request
    }
}

/// Reads the id that a message is about.
pub(crate) fn read(message: &Message<'_>) -> Option<u32> {
    let attribute = message.attributes(HEADER.len()).find(|attribute| attribute.kind == NETNSA_NSID)?;
    u32::try_from(attribute.i32()?).ok()
}
