//! Kinds of which no more can be said than their name.

use super::{Kind, Outer, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::wire::Request;

macro_rules! plain {
    ($($(#[$doc:meta])* $kind:ident $name:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $kind;

        impl Kind for $kind {}

        impl sealed::Kind for $kind {
            fn name(&self) -> &'static str {
                $name
            }

            fn write(&self, _: &mut Request, _: Outer) {}
        }

        impl<'a> NewLink<'a, $kind> {
            /// Names the link.
            pub fn new(name: impl Into<String>) -> NewLink<'a, $kind> {
                NewLink::of(name, $kind)
            }
        }
    )+};
}

plain! {
    /// A link that drops what is sent into it.
    Dummy "dummy",
    /// A link through which received packets of others are led, to be queued.
    Ifb "ifb",
    /// A link whose packets are encrypted by WireGuard; keys and peers are said elsewhere (`wg(8)`).
    Wireguard "wireguard",
    /// A link that shows netlink messages to packet captures.
    Nlmon "nlmon",
    /// A link of several links, ruled by a program (`teamd(8)`).
    Team "team",
    /// A virtual CAN link.
    Vcan "vcan",
}

/// A kind of which no more can be said than its name: one that this crate doesn't know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Any(String);

impl Kind for Any {}

impl sealed::Kind for Any {
    fn name(&self) -> &str {
        &self.0
    }

    fn creating(&self, name: &str) -> String {
        format!("create link {name:?} of kind {:?}", self.0)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.0.is_empty() || self.0.contains('\0') {
            return Err(Failure::Input(format!("{:?} is no kind of link", self.0)));
        }
        Ok(())
    }

    fn write(&self, _: &mut Request, _: Outer) {}
}

/// A link of any kind that needs no more said: also one that this crate doesn't know.
///
/// ```no_run
/// netlink::Handle::open()?.add_link(&netlink::AnyLink::new("d0", "dummy").up())?;
/// # Ok::<(), netlink::Error>(())
/// ```
pub type AnyLink<'a> = NewLink<'a, Any>;

impl AnyLink<'_> {
    /// Names the link and its kind.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        NewLink::of(name, Any(kind.into()))
    }
}
