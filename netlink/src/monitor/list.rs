//! What is there, told one at a time.

use nix::errno::Errno;

use super::event::Event;
use crate::dump::{ATTEMPTS, Cursor};
use crate::error::Failure;
use crate::handle::Handle;
use crate::wire::numbers::{
    AF_BRIDGE, AF_UNSPEC, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS, RTM_GETADDR, RTM_GETLINK, RTM_GETMDB,
    RTM_GETNEIGH, RTM_GETNEXTHOP, RTM_GETNSID, RTM_GETROUTE, RTM_GETRULE, RTM_GETVLAN,
};
use crate::wire::tc::numbers::RTM_GETQDISC;

/// A list that the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Links,
    Addresses,
    Nexthops,
    Routes,
    Rules,
    Neighbours,
    Fdb,
    NetnsIds,
    Qdiscs,
    Mdb,
    BridgeVlans,
}

impl List {
    /// The type of its request, the family, and the length of the header.
    fn request(self) -> (u16, u8, usize) {
        match self {
            List::Links => (RTM_GETLINK, AF_UNSPEC, 16),
            List::Addresses => (RTM_GETADDR, AF_UNSPEC, 8),
            List::Nexthops => (RTM_GETNEXTHOP, AF_UNSPEC, 8),
            List::Routes => (RTM_GETROUTE, AF_UNSPEC, 12),
            List::Rules => (RTM_GETRULE, AF_UNSPEC, 12),
            List::Neighbours => (RTM_GETNEIGH, AF_UNSPEC, 12),
            List::Fdb => (RTM_GETNEIGH, AF_BRIDGE, 12),
            List::NetnsIds => (RTM_GETNSID, AF_UNSPEC, 4),
            List::Mdb => (RTM_GETMDB, AF_BRIDGE, 8),
            List::BridgeVlans => (RTM_GETVLAN, AF_BRIDGE, 8),
            List::Qdiscs => (RTM_GETQDISC, AF_UNSPEC, 20),
        }
    }

    fn ask(self, handle: &mut Handle) -> Result<Cursor, Failure> {
        const LONGEST: [u8; 20] = [0; 20];
        let (kind, family, length) = self.request();
        let mut header = LONGEST;
        header[0] = family;
        let mut request = handle.room();
        request.begin(kind, 0, header.get(..length).unwrap_or_default());
        if self == List::Links {
            request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        }
        Cursor::begin(handle, request)
    }
}

/// Several lists, and how far they were read. What is listed is never in memory: one datagram of it is.
#[derive(Debug)]
pub(super) struct Lists {
    /// The next one is the last.
    left: Vec<List>,
    cursor: Option<Cursor>,
    attempts: u32,
}

impl Lists {
    pub(super) fn new(lists: &[List]) -> Lists {
        Lists { left: lists.iter().rev().copied().collect(), cursor: None, attempts: 0 }
    }

    /// Gives the next object; `None` when all were told.
    pub(super) fn next(&mut self, handle: &mut Handle) -> Result<Option<Event>, Failure> {
        while let Some(list) = self.left.last() {
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                none => {
                    self.attempts += 1;
                    none.insert(list.ask(handle)?)
                }
            };
            let outcome = cursor.next(handle).map(|message| message.as_ref().map(Event::read));
            if let Ok(Some(event)) = outcome {
                return Ok(Some(event));
            }
            cursor.end(handle);
            self.cursor = None;
            match outcome {
                Ok(_) => self.next_list(),
                // This kernel has no such thing.
                Err(failure) if matches!(failure.errno(), Some(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)) => {
                    self.next_list();
                }
                // All of it is told once more: something may have been left out.
                Err(Failure::Interrupted(_) | Failure::Truncated) if self.attempts < ATTEMPTS => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    fn next_list(&mut self) {
        self.left.pop();
        self.attempts = 0;
    }
}
