//! Names of qdiscs and classes.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Failure, Result};

/// The name of a qdisc (`1:`) or of one of its classes (`1:10`), both numbers hexadecimal, as tc(8) writes it.
///
/// ```
/// use netlink::tc::TcHandle;
///
/// assert_eq!("1:10".parse::<TcHandle>()?, TcHandle::new(1, 0x10));
/// assert_eq!(TcHandle::qdisc(0xa).to_string(), "a:");
/// assert_eq!(TcHandle::ROOT.to_string(), "root");
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcHandle(u32);

impl TcHandle {
    /// None: for a new object, the kernel chooses one.
    pub const NONE: TcHandle = TcHandle(0);
    /// The parent of a link's topmost qdisc, through which packets leave.
    pub const ROOT: TcHandle = TcHandle(u32::MAX);
    /// The parent of the qdisc for packets that come in: of both kinds, `ingress` and `clsact`.
    pub const INGRESS: TcHandle = TcHandle(0xffff_fff1);
    /// The qdisc for packets that come in, by its own name, `ffff:`.
    pub const INGRESS_QDISC: TcHandle = TcHandle(0xffff_0000);
    /// Where filters of packets that come in are, below a `clsact` (`tc filter add ... ingress`).
    pub const CLSACT_INGRESS: TcHandle = TcHandle(0xffff_fff2);
    /// Where filters of packets that leave are, below a `clsact` (`tc filter add ... egress`).
    pub const CLSACT_EGRESS: TcHandle = TcHandle(0xffff_fff3);

    /// Names a class: its qdisc's number and its own.
    pub const fn new(major: u16, minor: u16) -> TcHandle {
        TcHandle((major as u32) << 16 | minor as u32)
    }

    /// Names a qdisc.
    pub const fn qdisc(major: u16) -> TcHandle {
        TcHandle::new(major, 0)
    }

    /// Returns the number of the qdisc, before the colon.
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Returns the number of the class, behind the colon; 0 for a qdisc.
    pub const fn minor(self) -> u16 {
        self.0 as u16
    }

    /// Returns the qdisc that a class is of.
    #[must_use]
    pub const fn of_qdisc(self) -> TcHandle {
        TcHandle::qdisc(self.major())
    }

    /// Tells whether it is [`NONE`](TcHandle::NONE).
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn from_kernel(number: u32) -> TcHandle {
        TcHandle(number)
    }

    pub(crate) const fn to_kernel(self) -> u32 {
        self.0
    }
}

/// `1:10`, `1:`, `:10`, `root`, `none`, `ingress`, `clsact`; `ingress` is the parent of the qdisc.
impl FromStr for TcHandle {
    type Err = Error;

    fn from_str(text: &str) -> Result<TcHandle> {
        read(text).ok_or_else(|| {
            let why = "it is not two hexadecimal numbers of at most ffff with \":\" between".to_owned();
            Failure::Input(why).when(format_args!("read {text:?} as a handle of traffic control"), &[])
        })
    }
}

fn read(text: &str) -> Option<TcHandle> {
    let number = |text: &str| match text {
        "" => Some(0),
        _ if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => u16::from_str_radix(text, 16).ok(),
        _ => None,
    };
    match text {
        "root" => Some(TcHandle::ROOT),
        "none" => Some(TcHandle::NONE),
        "ingress" | "clsact" => Some(TcHandle::INGRESS),
        _ => {
            let (major, minor) = text.split_once(':').filter(|_| text != ":")?;
            Some(TcHandle::new(number(major)?, number(minor)?))
        }
    }
}

impl fmt::Display for TcHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.major(), self.minor()) {
            (TcHandle::ROOT, ..) => f.write_str("root"),
            (TcHandle::NONE, ..) => f.write_str("none"),
            (_, major, 0) => write!(f, "{major:x}:"),
            (_, 0, minor) => write!(f, ":{minor:x}"),
            (_, major, minor) => write!(f, "{major:x}:{minor:x}"),
        }
    }
}

impl fmt::Debug for TcHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_read_as_they_are_written() {
        for text in ["1:", "1:10", "ffff:", "ffff:fff1", ":a", "root", "none", "a:b"] {
            assert_eq!(text.parse::<TcHandle>().unwrap().to_string(), text);
        }
        assert_eq!("1:10".parse::<TcHandle>().unwrap(), TcHandle::new(1, 16));
        assert_eq!("ffff:fff1".parse::<TcHandle>().unwrap(), TcHandle::INGRESS);
        assert_eq!("0:0".parse::<TcHandle>().unwrap(), TcHandle::NONE);
        for text in ["", ":", "1", "g:", "1:10000", "1:2:3", "+1:", " 1:", "-1:1"] {
            assert!(text.parse::<TcHandle>().is_err(), "{text:?}");
        }
    }
}
