//! The protocols of netlink sockets, and what their messages are made of.

use super::numbers::{Names, layout};

/// What the kernel talks about on a netlink socket (`NETLINK_ROUTE`, ...).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    Route,
    SockDiag,
    Generic,
    /// Another one, by its number.
    Other(u8),
}

pub(crate) const SOCK_DIAG_BY_FAMILY: u16 = 20;
pub(crate) const SOCK_DESTROY: u16 = 21;
pub(crate) const GENL_ID_CTRL: u16 = 16;

const INET_DIAG_REQ: Names = &[(1, "INET_DIAG_REQ_BYTECODE"), (3, "INET_DIAG_REQ_PROTOCOL")];
const CTRL: Names = &[(1, "CTRL_ATTR_FAMILY_ID"), (2, "CTRL_ATTR_FAMILY_NAME"), (10, "CTRL_ATTR_OP")];

impl Protocol {
    /// Its number.
    pub(crate) fn number(self) -> isize {
        match self {
            Protocol::Route => 0,
            Protocol::SockDiag => 4,
            Protocol::Generic => 16,
            Protocol::Other(number) => number.into(),
        }
    }

    pub(crate) fn from_number(number: u8) -> Protocol {
        match number {
            0 => Protocol::Route,
            4 => Protocol::SockDiag,
            16 => Protocol::Generic,
            number => Protocol::Other(number),
        }
    }

    /// The names of the attributes of a message, and the length of the header before them. The same number is
    /// another message in each protocol.
    pub(crate) fn layout(self, message: u16) -> (Names, usize) {
        match (self, message) {
            (Protocol::Route, _) => layout(message),
            (Protocol::SockDiag, SOCK_DIAG_BY_FAMILY | SOCK_DESTROY) => (INET_DIAG_REQ, 56),
            (Protocol::Generic, GENL_ID_CTRL) => (CTRL, 4),
            (Protocol::Generic, _) => (&[], 4),
            (Protocol::SockDiag | Protocol::Other(_), _) => (&[], 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        for number in 0..=255 {
            assert_eq!(Protocol::from_number(number).number(), isize::from(number));
        }
    }

    /// `RTM_NEWADDR` is 20, and so is `SOCK_DIAG_BY_FAMILY`.
    #[test]
    fn one_number_is_another_message_in_each_protocol() {
        assert_eq!(Protocol::Route.layout(20).0[0], (1, "IFA_ADDRESS"));
        assert_eq!(Protocol::SockDiag.layout(20).0[0], (1, "INET_DIAG_REQ_BYTECODE"));
        assert_eq!(Protocol::Generic.layout(20), (&[][..], 4));
    }
}
