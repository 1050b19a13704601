//! The user spec of an exec: `user`, `uid`, `user:group`, `uid:gid`.

use crate::line;
use crate::{Error, Result};

/// One side of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who<'a> {
    Id(u32),
    Name(&'a str),
}

impl<'a> Who<'a> {
    /// Digits always mean the id. Looked up as a name first, they made root of everyone for whom an image had
    /// a user "1000" with the id 0 (CVE-2016-3697); falling back to the name does the same for ids out of
    /// range.
    pub(crate) fn new(text: &'a str) -> std::result::Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = line::id(text.as_bytes()).map_err(|why| format!("{text:?}: {why}"))?;
            return Ok(Who::Id(id));
        }
        if text.starts_with(['+', '-']) {
            return Err(format!("{text:?} is neither a name nor an id"));
        }
        Ok(Who::Name(text))
    }
}

/// A spec taken apart; a side that is empty isn't there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spec<'a> {
    pub(crate) user: Option<Who<'a>>,
    pub(crate) group: Option<Who<'a>>,
}

impl<'a> Spec<'a> {
    pub(crate) fn parse(spec: &'a str) -> Result<Self> {
        let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
        if group.contains(':') {
            return Err(Error::spec(spec, "there is more than one colon"));
        }
        let side = |text: &'a str| {
            let who = (!text.is_empty()).then(|| Who::new(text)).transpose();
            who.map_err(|why| Error::spec(spec, why))
        };
        Ok(Spec { user: side(user)?, group: side(group)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn either_side_may_be_a_name_an_id_or_missing() {
        use Who::{Id, Name};
        for (text, user, group) in [
            ("", None, None),
            (":", None, None),
            ("root", Some(Name("root")), None),
            ("root:", Some(Name("root")), None),
            ("1000", Some(Id(1000)), None),
            ("root:adm", Some(Name("root")), Some(Name("adm"))),
            ("0:adm", Some(Id(0)), Some(Name("adm"))),
            ("7456:4294967294", Some(Id(7456)), Some(Id(4_294_967_294))),
            (":adm", None, Some(Name("adm"))),
            (":0", None, Some(Id(0))),
            ("0x50", Some(Name("0x50")), None),
            (" 0", Some(Name(" 0")), None),
        ] {
            assert_eq!(Spec::parse(text).unwrap(), Spec { user, group }, "{text:?}");
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
            assert_eq!(Spec::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text:?}");
        }
        let error = Spec::parse("0:4294967295").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"user spec "0:4294967295": "4294967295": an id is beyond 4294967294"#
        );
    }
}
