//! Kinds of which no more can be said than their name, and those that this crate doesn't know.

use super::{Kind, Outer, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::HEADER;

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

/// A kind that this crate doesn't know: its name, and its attributes (`IFLA_INFO_DATA`) as the kernel has them.
///
/// ```
/// use netlink::{AnyLink, LinkKind};
///
/// # fn show(link: &netlink::Link) {
/// if let Some(LinkKind::Other(any)) = &link.kind {
///     for attribute in any.attributes() {
///         println!("{}: attribute {} has {} bytes", any.name(), attribute.kind, attribute.payload.len());
///     }
/// }
/// # }
/// const IFLA_BATADV_ALGO_NAME: u16 = 1;
/// let new = AnyLink::new("bat0", "batadv").data(|data| data.text(IFLA_BATADV_ALGO_NAME, "BATMAN_V"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Any {
    name: String,
    data: Vec<u8>,
    /// An attribute didn't fit.
    is_too_long: bool,
}

impl Any {
    /// Names the kind.
    pub fn new(name: impl Into<String>) -> Any {
        Any { name: name.into(), data: Vec::new(), is_too_long: false }
    }

    /// Writes its attributes, in the place of those that it has.
    #[must_use]
    #[doc(alias = "IFLA_INFO_DATA")]
    pub fn data(mut self, write: impl FnOnce(&mut Request)) -> Any {
        let mut request = Request::new(0, 0, &[]);
        write(&mut request);
        self.is_too_long = request.finish(0).is_err();
        self.data = request.sent().get(HEADER..).unwrap_or_default().to_vec();
        self
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its attributes.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::new(&self.data)
    }

    pub(super) fn read(name: Attribute<'_>, data: Attribute<'_>) -> Any {
        Any { name: name.text(), data: data.payload.to_vec(), is_too_long: false }
    }
}

impl Kind for Any {}

impl sealed::Kind for Any {
    fn name(&self) -> &str {
        &self.name
    }

    fn creating(&self, name: &str) -> String {
        format!("create link {name:?} of kind {:?}", self.name)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.name.is_empty() || self.name.contains('\0') {
            return Err(Failure::Input(format!("{:?} is no kind of link", self.name)));
        }
        if self.is_too_long {
            return Err(Failure::Input("an attribute of its data is longer than 65535 bytes".to_owned()));
        }
        Ok(())
    }

    fn write(&self, request: &mut Request, _: Outer) {
        request.header(&self.data);
    }
}

/// A link of any kind by its name: also one that this crate doesn't know.
///
/// ```no_run
/// netlink::Handle::open()?.add_link(&netlink::AnyLink::new("d0", "dummy").up())?;
/// # Ok::<(), netlink::Error>(())
/// ```
pub type AnyLink<'a> = NewLink<'a, Any>;

impl AnyLink<'_> {
    /// Names the link and its kind.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        NewLink::of(name, Any::new(kind))
    }

    /// Writes the attributes of its kind (`IFLA_INFO_DATA`), which the kernel may want. They are read by
    /// [`Any::attributes`].
    #[doc(alias = "IFLA_INFO_DATA")]
    pub fn data(mut self, write: impl FnOnce(&mut Request)) -> Self {
        self.kind = self.kind.data(write);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::sealed::Kind as _;
    use crate::wire::numbers::IFLA_INFO_DATA;

    #[test]
    fn attributes_of_an_unknown_kind_are_read_as_they_were_written() {
        let any = Any::new("batadv").data(|data| {
            data.text(1, "BATMAN_V");
            data.nest(2, |data| data.u8(3, 4));
        });
        any.check().unwrap();
        let mut request = Request::new(0, 0, &[]);
        any.write(&mut request, Outer::default());
        let data = Attribute { kind: IFLA_INFO_DATA, payload: &request.sent()[HEADER..] };
        let read = Any::read(Attribute { kind: 1, payload: b"batadv\0" }, data);
        assert_eq!(read, any);
        let attributes: Vec<_> = read.attributes().collect();
        assert_eq!(attributes[0].text(), "BATMAN_V");
        assert_eq!(attributes[1].nested().next().and_then(Attribute::u8), Some(4));
    }

    #[test]
    fn data_that_can_not_be_written_is_refused() {
        assert!(Any::new("batadv").data(|data| data.bytes(1, &vec![0; 65_536])).check().is_err());
        assert!(Any::new("").check().is_err());
    }
}
