//! How a link is named.

use std::fmt;

use nix::errno::Errno;

use super::{Link, LinkFlags, write_link};
use crate::error::{Failure, Result};
use crate::wire::Request;
use crate::wire::numbers::RTM_DELLINK;

/// Names a link: made from a name (or alternative name), an index or a [`Link`].
#[derive(Clone, Copy, Debug)]
pub struct LinkRef<'a>(pub(crate) By<'a>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    Name(&'a str),
    Index(u32),
    Link(&'a Link),
}

impl<'a> From<&'a str> for LinkRef<'a> {
    fn from(name: &'a str) -> Self {
        LinkRef(By::Name(name))
    }
}

impl<'a> From<&'a String> for LinkRef<'a> {
    fn from(name: &'a String) -> Self {
        LinkRef(By::Name(name))
    }
}

impl From<u32> for LinkRef<'_> {
    fn from(index: u32) -> Self {
        LinkRef(By::Index(index))
    }
}

impl<'a> From<&'a Link> for LinkRef<'a> {
    fn from(link: &'a Link) -> Self {
        LinkRef(By::Link(link))
    }
}

/// Names a link where only its index will do: made from that, or from a [`Link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkIndex(pub(crate) u32);

impl From<u32> for LinkIndex {
    fn from(index: u32) -> Self {
        LinkIndex(index)
    }
}

impl From<&Link> for LinkIndex {
    fn from(link: &Link) -> Self {
        LinkIndex(link.index)
    }
}

impl LinkRef<'_> {
    /// Writes the request to delete it.
    pub(crate) fn delete_request(self, request: &mut Request) -> Result<(), Failure> {
        write_link(request, RTM_DELLINK, self, LinkFlags::empty(), LinkFlags::empty())
    }

    /// Says which link it is that there is none of.
    pub(crate) fn missing(self, failure: Failure) -> Failure {
        match failure.errno() {
            Some(Errno::ENODEV) => Failure::NoLink(self.to_string()),
            _ => failure,
        }
    }
}

impl fmt::Display for LinkRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            By::Name(name) => write!(f, "link {name:?}"),
            By::Link(link) => write!(f, "link {:?}", link.name),
            By::Index(index) => write!(f, "link {index}"),
        }
    }
}

/// The longest name of a link, without its NUL.
pub(crate) const NAME_MAX: usize = 15;
/// The longest alternative name.
pub(crate) const ALTNAME_MAX: usize = 127;

/// Checks a name before the kernel cuts it, or takes it for something else.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    check_name_up_to(NAME_MAX, name)
}

/// Checks what a link is looked for by: the kernel takes nearly anything as an alternative name.
pub(crate) fn check_sought(name: &str) -> Result<(), Failure> {
    match name {
        _ if check_name(name).is_ok() => Ok(()),
        "" => Err(Failure::Input("a link's name can't be empty".to_owned())),
        _ if name.contains('\0') => Err(Failure::Input(format!("the name {name:?} has a NUL in it"))),
        _ if name.len() > ALTNAME_MAX => Err(Failure::Input(format!(
            "the name {name:?} has {} bytes, and {ALTNAME_MAX} are allowed",
            name.len()
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn check_name_up_to(longest: usize, name: &str) -> Result<(), Failure> {
    let bad =
        |byte: u8| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace() || byte == 0x0b;
    let why = match name {
        "" => "a link's name can't be empty".to_owned(),
        "." | ".." => format!("a link can't be named {name:?}"),
        _ if name.len() > longest => {
            format!("the name {name:?} has {} bytes, and {longest} are allowed", name.len())
        }
        _ if name.bytes().any(bad) => {
            format!("the name {name:?} has one of \"/\", \":\", blank and NUL in it")
        }
        // The kernel would take it for a pattern and choose a number.
        _ if name.contains('%') => format!("the name {name:?} has \"%\" in it"),
        _ => return Ok(()),
    };
    Err(Failure::Input(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_before_the_kernel_cuts_them() {
        for name in ["a", "eth0", "exactly15bytes.", "ß", "a.b", "...", "v-0_1"] {
            check_name(name).unwrap();
        }
        for name in ["", ".", "..", "sixteen-bytes-..", "a/b", "a:b", "a b", "a\tb", "a\u{b}", "a\0b", "v%d"]
        {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        let Err(Failure::Input(why)) = check_name("this-name-is-too-long") else { panic!("it was taken") };
        assert_eq!(why, "the name \"this-name-is-too-long\" has 21 bytes, and 15 are allowed");
    }
}
