//! Messages of any type: what the rest of this crate doesn't know (yet).
//!
//! A [`Request`] is written attribute by attribute and goes out by [`Handle::raw_change`], [`Handle::raw_get`] or
//! [`Handle::raw_dump`]; what comes back is read by borrowing, as [`Message`], [`Attributes`] and [`Attribute`].
//! Errors, timeouts and acknowledgements are those of everything else here. [`Monitor`] hears what the kernel tells
//! groups, of any protocol.
//!
//! The address label rules of IPv6 (`ip addrlabel`):
//!
//! ```no_run
//! use netlink::Handle;
//!
//! const RTM_GETADDRLABEL: u16 = 74;
//! const AF_INET6: u8 = 10;
//! const IFAL_ADDRESS: u16 = 1;
//! const IFAL_LABEL: u16 = 2;
//!
//! let mut handle = Handle::open()?;
//! // `struct ifaddrlblmsg` has twelve bytes, the first is the family.
//! let mut header = [0; 12];
//! header[0] = AF_INET6;
//! let request = handle.raw_request(RTM_GETADDRLABEL, 0, &header);
//! let mut rules = handle.raw_dump(request)?;
//! while let Some(rule) = rules.next_message()? {
//!     for attribute in rule.attributes(12) {
//!         match attribute.kind {
//!             IFAL_ADDRESS => println!("prefix {:?}", attribute.ip()),
//!             IFAL_LABEL => println!("label {:?}", attribute.u32()),
//!             _ => {}
//!         }
//!     }
//! }
//! # Ok::<(), netlink::Error>(())
//! ```
//!
//! Attributes of a known object that this crate has no field for are in its message:
//! [`Dump::next_message`](crate::Dump::next_message) lends it, and [`Object::read`](crate::Object::read) makes the
//! object of it.

pub use crate::monitor::raw::{Monitor, Notice};
pub use crate::wire::attribute::{Attribute, Attributes};
pub use crate::wire::message::Message;
pub use crate::wire::request::Request;

use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::wire::message::HEADER;
use crate::wire::{aligned, numbers};

/// Take the place of what is there.
pub const NLM_F_REPLACE: u16 = numbers::NLM_F_REPLACE;
/// It must not be there.
pub const NLM_F_EXCL: u16 = numbers::NLM_F_EXCL;
/// Make it where it isn't there.
pub const NLM_F_CREATE: u16 = numbers::NLM_F_CREATE;
/// Put it behind what is there.
pub const NLM_F_APPEND: u16 = numbers::NLM_F_APPEND;
/// Tell what was made; it goes to the closure of [`Handle::raw_change`].
pub const NLM_F_ECHO: u16 = numbers::NLM_F_ECHO;
/// Delete all that match (Linux 6.0, of some types).
pub const NLM_F_BULK: u16 = 0x200;

/// A message with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// What it is: an `RTM_` number, or a generic netlink family's.
    pub kind: u16,
    /// `NLM_F_` flags, whose meaning depends on what it is.
    pub flags: u16,
    /// Its own header and its attributes.
    pub payload: Vec<u8>,
}

impl OwnedMessage {
    /// Returns its attributes, which begin behind a header of so many bytes.
    pub fn attributes(&self, header: usize) -> Attributes<'_> {
        Attributes::after(aligned(header), &self.payload)
    }
}

impl From<&Message<'_>> for OwnedMessage {
    fn from(message: &Message<'_>) -> OwnedMessage {
        OwnedMessage { kind: message.kind, flags: message.flags, payload: message.payload.to_vec() }
    }
}

const HINTS: Hints<'static> = &[];

impl Handle {
    /// Begins a request in the room of the last one: nothing is allocated on a handle that was used before.
    ///
    /// See [`Request::new`], which makes the same elsewhere.
    pub fn raw_request(&mut self, kind: u16, flags: u16, header: &[u8]) -> Request {
        let mut request = self.room();
        request.begin(kind, flags, header);
        request
    }

    /// Sends a request that is acknowledged (`NLM_F_ACK` is set). Objects that come before the acknowledgement
    /// go to `each`, but for one that is longer than 64 KiB, which is lost without the change being lost.
    ///
    /// # Errors
    /// Whatever the kernel refuses it with; see [`Error::kind`](crate::Error::kind).
    pub fn raw_change(&mut self, request: Request, mut each: impl FnMut(&Message<'_>)) -> Result<()> {
        let kind = request.kind();
        self.taken(request)
            .and_then(|request| self.change(request, &mut each))
            .map_err(|failure| failure.when(format_args!("send a request of type {kind}"), HINTS))
    }

    /// Sends a request that is answered with one object, and reads it.
    ///
    /// What is answered with an acknowledgement alone is for [`raw_change`](Handle::raw_change).
    ///
    /// # Errors
    /// [`Protocol`](crate::ErrorKind::Protocol): `read` made nothing of the answer. All others are the kernel's.
    pub fn raw_get<T>(&mut self, request: Request, read: impl Fn(&Message<'_>) -> Option<T>) -> Result<T> {
        let kind = request.kind();
        self.taken(request)
            .and_then(|request| self.get(request, read))
            .map_err(|failure| failure.when(format_args!("send a request of type {kind}"), HINTS))
    }

    /// Sends a request that is answered with a list (`NLM_F_DUMP` is set).
    ///
    /// [`Dump::next_message`] lends one message at a time; as an iterator it makes a copy of each.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later is told by the list.
    pub fn raw_dump(&mut self, request: Request) -> Result<Dump<'_, OwnedMessage>> {
        let kind = request.kind();
        self.taken(request)
            .and_then(|request| Dump::begin(self, request, "messages", HINTS, |message| Some(message.into())))
            .map_err(|failure| failure.when(format_args!("send a request of type {kind}"), HINTS))
    }

    /// Takes a request that was begun elsewhere.
    fn taken(&self, mut request: Request) -> Result<Request, Failure> {
        // From `Request::default`.
        if request.sent().len() < HEADER {
            return Err(Failure::Input("the request was not begun".to_owned()));
        }
        request.protocol = self.protocol;
        Ok(request)
    }
}
