//! Chains of filters.

use super::TcHandle;
use super::filter::FILTER_HINTS;
use super::place::{Block, Place};
use crate::error::{Failure, Result};
use crate::handle::Handle;
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_EXCL};
use crate::wire::tc::numbers::{RTM_DELCHAIN, RTM_GETCHAIN, RTM_NEWCHAIN, TCA_CHAIN};
use crate::wire::tc::{self, BLOCK, Header};

/// A chain of filters, to which others send packets ([`Verdict::GotoChain`](super::Verdict::GotoChain)).
///
/// The kernel makes it with its first filter; one that is added stays without filters too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chain {
    /// The index of its link; 0 where it is in a block.
    pub index: u32,
    /// The block it is in.
    pub block: Option<Block>,
    /// The qdisc or class at which it is.
    pub parent: TcHandle,
    /// Its number; 0 is where all begin.
    pub number: u32,
}

impl Chain {
    pub(crate) fn read(payload: &[u8]) -> Option<Chain> {
        let header = Header::read(payload)?;
        let number = Attributes::after(tc::HEADER, payload).find(|attribute| attribute.kind == TCA_CHAIN);
        let in_block = header.index == BLOCK;
        Some(Chain {
            index: if in_block { 0 } else { header.index },
            block: in_block.then_some(Block(header.parent)),
            parent: if in_block { TcHandle::NONE } else { TcHandle::from_kernel(header.parent) },
            number: number.and_then(Attribute::u32)?,
        })
    }
}

pub(super) fn request(
    request: &mut Request,
    handle: &mut Handle,
    kind: u16,
    place: Place<'_>,
    parent: TcHandle,
    number: u32,
) -> Result<(), Failure> {
    let header = place.header(handle, parent)?;
    let flags = if kind == RTM_NEWCHAIN { NLM_F_CREATE | NLM_F_EXCL } else { 0 };
    request.begin(kind, flags, &header.to_bytes());
    request.u32(TCA_CHAIN, number);
    Ok(())
}

impl Handle {
    /// Adds a chain at a qdisc or class, or in a block (whose parent is not looked at).
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one of that number.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    pub fn add_chain<'a>(
        &mut self,
        place: impl Into<Place<'a>>,
        parent: TcHandle,
        number: u32,
    ) -> Result<()> {
        self.change_chain("add", RTM_NEWCHAIN, place.into(), parent, number)
    }

    /// Deletes a chain with its filters.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): there is no such chain.
    pub fn delete_chain<'a>(
        &mut self,
        place: impl Into<Place<'a>>,
        parent: TcHandle,
        number: u32,
    ) -> Result<()> {
        self.change_chain("delete", RTM_DELCHAIN, place.into(), parent, number)
    }

    fn change_chain(
        &mut self,
        verb: &str,
        kind: u16,
        place: Place<'_>,
        parent: TcHandle,
        number: u32,
    ) -> Result<()> {
        let mut room = self.room();
        request(&mut room, self, kind, place, parent, number)
            .and_then(|()| self.change(room, |_| {}))
            .map_err(|failure| {
                failure.when(format_args!("{verb} chain {number} of {place} at {parent}"), FILTER_HINTS)
            })
    }

    /// Lists the chains at a qdisc or class, or of a block.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Interrupted`](crate::ErrorKind::Interrupted): chains came and went each time the list was read.
    pub fn chains<'a>(&mut self, place: impl Into<Place<'a>>, parent: TcHandle) -> Result<Vec<Chain>> {
        let place = place.into();
        place
            .header(self, parent)
            .and_then(|header| {
                let write = |handle: &mut Handle| {
                    let mut request = handle.room();
                    request.begin(RTM_GETCHAIN, 0, &header.to_bytes());
                    request
                };
                self.list(write, |message| Chain::read(message.payload))
            })
            .map_err(|failure| failure.when(format_args!("list chains of {place}"), FILTER_HINTS))
    }
}
