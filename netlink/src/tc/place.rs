//! Where traffic is controlled.

use std::fmt;

use crate::error::Failure;
use crate::handle::Handle;
use crate::link::{Link, LinkRef};
use crate::wire::tc::{BLOCK, Header};

use super::TcHandle;

/// Where filters are: at a link, or in a block that several links share.
///
/// Made from all that names a link, and from a [`Block`].
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// At a link.
    Link(LinkRef<'a>),
    /// In a block of filters, which qdiscs share ([`Qdisc::ingress_block`](super::Qdisc::ingress_block)).
    Block(Block),
}

/// The number of a block of filters that several qdiscs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Block(pub u32);

impl<'a> Place<'a> {
    pub(super) fn link(self) -> Option<LinkRef<'a>> {
        match self {
            Place::Link(link) => Some(link),
            Place::Block(_) => None,
        }
    }

    /// The header of an object there.
    pub(crate) fn header(self, handle: &mut Handle, parent: TcHandle) -> Result<Header, Failure> {
        Ok(match self {
            Place::Link(link) => {
                Header { index: handle.index_of(link)?, parent: parent.to_kernel(), ..Header::default() }
            }
            Place::Block(Block(number)) => Header { index: BLOCK, parent: number, ..Header::default() },
        })
    }
}

impl From<Block> for Place<'_> {
    fn from(block: Block) -> Self {
        Place::Block(block)
    }
}

impl<'a> From<LinkRef<'a>> for Place<'a> {
    fn from(link: LinkRef<'a>) -> Self {
        Place::Link(link)
    }
}

impl<'a> From<&'a str> for Place<'a> {
    fn from(name: &'a str) -> Self {
        Place::Link(name.into())
    }
}

impl<'a> From<&'a String> for Place<'a> {
    fn from(name: &'a String) -> Self {
        Place::Link(name.into())
    }
}

impl From<u32> for Place<'_> {
    fn from(index: u32) -> Self {
        Place::Link(index.into())
    }
}

impl<'a> From<&'a Link> for Place<'a> {
    fn from(link: &'a Link) -> Self {
        Place::Link(link.into())
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Link(link) => write!(f, "{link}"),
            Place::Block(Block(number)) => write!(f, "block {number}"),
        }
    }
}
