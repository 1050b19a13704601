//! The user spec of an exec: `user`, `uid`, `user:group`, `uid:gid`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::line;
use crate::{Error, Result};

/// One side of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who<'a> {
    Id(u32),
    Name(&'a OsStr),
}

impl<'a> Who<'a> {
    /// Reads what a person gave for a user or a group, which `what` says.
    pub(crate) fn new(what: &str, text: &'a OsStr) -> Result<Self> {
        Who::parse(text.as_bytes()).map_err(|why| Error::given(what, text, why))
    }

    pub(crate) fn name(self) -> Option<&'a OsStr> {
        match self {
            Who::Name(name) => Some(name),
            Who::Id(_) => None,
        }
    }

    /// Digits always mean the id. Looked up as a name first, they made root of everyone for whom an image had
    /// a user "1000" with the id 0 (CVE-2016-3697); falling back to the name does the same for ids out of
    /// range.
    fn parse(text: &'a [u8]) -> std::result::Result<Self, &'static str> {
        match text {
            [] => Err("it is empty"),
            [b'+' | b'-', ..] => Err("it is neither a name nor an id"),
            text if text.iter().all(u8::is_ascii_digit) => line::id(text).map(Who::Id),
            text => Ok(Who::Name(OsStr::from_bytes(text))),
        }
    }
}

/// A spec taken apart; a side that is empty isn't there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spec<'a> {
    pub(crate) user: Option<Who<'a>>,
    pub(crate) group: Option<Who<'a>>,
}

impl<'a> Spec<'a> {
    pub(crate) fn parse(spec: &'a OsStr) -> Result<Self> {
        let mut sides = spec.as_bytes().splitn(3, |&byte| byte == b':');
        let mut side = || {
            let text = sides.next().filter(|text| !text.is_empty());
            text.map(Who::parse).transpose().map_err(|why| match text {
                Some(text) if text != spec.as_bytes() => {
                    let side = OsStr::from_bytes(text);
                    Error::given("user spec", spec, format_args!("{side:?}: {why}"))
                }
                _ => Error::given("user spec", spec, why),
            })
        };
        let (user, group) = (side()?, side()?);
        match sides.next() {
            None => Ok(Spec { user, group }),
            Some(_) => Err(Error::given("user spec", spec, "there is more than one colon")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn either_side_may_be_a_name_an_id_or_missing() {
        use Who::Id;
        let name = |name: &'static str| Some(Who::Name(name.as_ref()));
        for (text, user, group) in [
            ("", None, None),
            (":", None, None),
            ("root", name("root"), None),
            ("root:", name("root"), None),
            ("1000", Some(Id(1000)), None),
            ("root:adm", name("root"), name("adm")),
            ("0:adm", Some(Id(0)), name("adm")),
            ("7456:4294967294", Some(Id(7456)), Some(Id(4_294_967_294))),
            (":adm", None, name("adm")),
            (":0", None, Some(Id(0))),
            ("0x50", name("0x50"), None),
            (" 0", name(" 0"), None),
        ] {
            assert_eq!(Spec::parse(text.as_ref()).unwrap(), Spec { user, group }, "{text:?}");
        }
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        // Read as numbers, 4294967295 changes no id at all and leaves root what it was; 4294967296 wraps to
        // 0.
        for text in [
            "-1",
            "0:-3",
            "+78",
            "007",
            "00",
            "0:00",
            "4294967295",
            "0:4294967295",
            "4294967296",
            "9223372036854775808",
            "99999999999999999999999",
            "adm:grp:extra",
            "::",
            "-minus",
        ] {
            assert_eq!(Spec::parse(text.as_ref()).unwrap_err().kind(), ErrorKind::InvalidInput, "{text:?}");
        }
        let error = Spec::parse("0:4294967295".as_ref()).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"user spec "0:4294967295": "4294967295": an id is beyond 4294967294"#
        );
    }
}
