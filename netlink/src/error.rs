//! What went wrong, in one line.

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::dump::Partial;
use crate::wire::refusal::Refusal;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tells what failed, on what, and why, with the kernel's own words where it has any.
///
/// ```text
/// set MTU of link "eth0" to 70000: mtu greater than device maximum (68 to 65535 are allowed): Invalid argument (os error 22)
/// ```
/// The line is complete: there is no [`source`](std::error::Error::source).
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    errno: Option<i32>,
    line: Box<str>,
    refusal: Option<Box<Refusal>>,
    partial: Option<Partial>,
}

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such link, address, route or process.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// It needs `CAP_NET_ADMIN`, or `CAP_SYS_ADMIN` to enter a namespace.
    PermissionDenied,
    /// What was asked for can't be, whoever asks.
    InvalidInput,
    /// Something else uses it.
    Busy,
    /// This kernel, or this kind of link, can't do it.
    Unsupported,
    /// No link leads to that gateway, or it is down.
    Unreachable,
    /// The kernel's list changed while it was read: what was read may have gaps. See [`Error::partial`].
    Interrupted,
    /// The kernel did not answer in time.
    TimedOut,
    /// The kernel's answer made no sense.
    Protocol,
    /// Anything else; see [`Error::raw_os_error`].
    Other,
}

impl Error {
    /// Returns what a caller can act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the errno, where the kernel gave one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.errno
    }

    /// Returns the kernel's own words (extended acknowledgement), where it had any.
    pub fn kernel_text(&self) -> Option<&str> {
        self.0.refusal.as_ref()?.text.as_deref()
    }

    /// Returns the name of the attribute that the kernel refused, where it said so, with those
    /// around it: `IFLA_LINKINFO/IFLA_INFO_KIND`.
    pub fn attribute(&self) -> Option<&str> {
        self.0.refusal.as_ref()?.attribute.as_deref()
    }

    /// Returns what could be read of a list that changed each time it was read
    /// ([`Interrupted`](ErrorKind::Interrupted)): some of it may be missing, or be there twice.
    ///
    /// ```no_run
    /// use netlink::{Handle, Link};
    ///
    /// let links = match Handle::open()?.links() {
    ///     Ok(links) => links,
    ///     Err(error) => error.partial::<Link>().map(<[Link]>::to_vec).ok_or(error)?,
    /// };
    /// # Ok::<(), netlink::Error>(())
    /// ```
    pub fn partial<T: 'static>(&self) -> Option<&[T]> {
        self.0.partial.as_ref()?.downcast_ref::<Vec<T>>().map(Vec::as_slice)
    }
}

/// With the kind that std has for it, and the line of this one.
///
/// ```
/// let error = netlink::interface_by_name("no such link").unwrap_err();
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::NotFound);
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::AlreadyExists => io::ErrorKind::AlreadyExists,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
            ErrorKind::Busy => io::ErrorKind::ResourceBusy,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Unreachable => io::ErrorKind::NetworkUnreachable,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Protocol => io::ErrorKind::InvalidData,
            ErrorKind::Interrupted | ErrorKind::Other => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// Two errors are equal if they say the same.
impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        let (mine, theirs) = (&self.0, &other.0);
        (mine.kind, mine.errno, &mine.line, &mine.refusal)
            == (theirs.kind, theirs.errno, &theirs.line, &theirs.refusal)
    }
}

impl Eq for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.line)
    }
}

/// As `Display`: a `main` that returns this error prints one line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// Words for an errno that the kernel gives without any, known to one operation.
pub(crate) type Hints<'a> = &'a [(Errno, &'a str)];

/// What the refusal of any request can say of these.
const USUAL: Hints<'static> = &[
    (Errno::EPERM, "needs CAP_NET_ADMIN in this network namespace"),
    (Errno::ENODEV, "there is no such link"),
];

/// Why something failed; it becomes an [`Error`] where it is known what was being done.
#[derive(Debug)]
pub enum Failure {
    /// The kernel refused the request.
    Refused(Box<Refusal>),
    /// A system call failed.
    System(Errno),
    /// There is no such link.
    NoLink(String),
    /// What was asked for can't be, whoever asks.
    Input(String),
    /// What was asked for can't be as things are.
    Conflict(ErrorKind, String),
    /// A list changed while it was read; with what could be read of it.
    Interrupted(Option<Partial>),
    /// An answer was longer than there was room for; there is room now.
    Truncated,
    /// The answer was lost, or never came.
    Lost,
    /// It was not sent, for what was to be sent before it failed.
    NotSent(Option<Errno>),
    /// No answer came in time.
    TimedOut,
    /// The answer made no sense.
    Protocol(&'static str),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::System(error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw))
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::System(errno)
    }
}

impl Failure {
    /// The kernel's errno, if it refused.
    pub(crate) fn errno(&self) -> Option<Errno> {
        self.raw_os_error().map(Errno::from_raw)
    }

    /// The same as a number: the kernel has some that nobody named (524).
    fn raw_os_error(&self) -> Option<i32> {
        match self {
            Failure::Refused(refusal) => Some(refusal.errno),
            Failure::System(errno) => Some(*errno as i32),
            Failure::NoLink(_) => Some(Errno::ENODEV as i32),
            Failure::NotSent(errno) => errno.map(|errno| errno as i32),
            _ => None,
        }
    }

    /// Makes it a whole sentence.
    pub(crate) fn when(self, doing: impl fmt::Display, hints: Hints<'_>) -> Error {
        let errno = self.raw_os_error();
        let hint = |errno, usual| {
            let known = hints.iter().chain(usual).find(|(known, _)| *known == errno);
            known.map(|(_, words)| (*words).to_owned())
        };
        let (kind, why) = match &self {
            Failure::Refused(refusal) => {
                let errno = Errno::from_raw(refusal.errno);
                let lacks = refusal.text.as_deref().is_some_and(|text| UNKNOWN_KINDS.contains(&text));
                let kind = if lacks { ErrorKind::Unsupported } else { kind_of(errno) };
                (kind, words_of(refusal, hint(errno, USUAL)))
            }
            Failure::System(errno) => (kind_of(*errno), hint(*errno, &[])),
            Failure::NoLink(link) => (ErrorKind::NotFound, Some(format!("there is no {link}"))),
            Failure::Input(why) => (ErrorKind::InvalidInput, Some(why.clone())),
            Failure::Conflict(kind, why) => (*kind, Some(why.clone())),
            Failure::Interrupted(partial) => {
                let times = if partial.is_some() { " each time it was" } else { " while it was" };
                (ErrorKind::Interrupted, Some(format!("the kernel's list changed{times} read")))
            }
            Failure::Truncated => {
                let why = "an object was longer than there was room for, and there is room now";
                (ErrorKind::Interrupted, Some(why.to_owned()))
            }
            Failure::Lost => {
                let why = "the kernel's answer was lost: it may be done or not";
                (ErrorKind::Other, Some(why.to_owned()))
            }
            Failure::NotSent(errno) => {
                (errno.map_or(ErrorKind::Other, kind_of), Some("it was not sent".to_owned()))
            }
            Failure::TimedOut => (ErrorKind::TimedOut, Some("the kernel did not answer in time".to_owned())),
            Failure::Protocol(why) => (ErrorKind::Protocol, Some((*why).to_owned())),
        };
        let mut line = doing.to_string();
        for part in
            [why, errno.map(|errno| io::Error::from_raw_os_error(errno).to_string())].into_iter().flatten()
        {
            line.push_str(": ");
            line.push_str(&part);
        }
        let (refusal, partial) = match self {
            Failure::Refused(refusal) => (Some(refusal), None),
            Failure::Interrupted(partial) => (None, partial),
            _ => (None, None),
        };
        Error(Box::new(Inner { kind, errno, line: one_line(&line).into(), refusal, partial }))
    }
}

/// Shows control characters instead of sending them to a terminal: the kernel's words may hold a name.
fn one_line(line: &str) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.into() };
    line.chars().map(shown).collect()
}

/// The kernel's words, or ours, and in brackets what they are about.
fn words_of(refusal: &Refusal, hint: Option<String>) -> Option<String> {
    let words = refusal.text.clone().or(hint);
    let about: Vec<String> = [
        refusal.attribute.clone(),
        refusal.policy.as_ref().map(|policy| format!("{policy} are allowed")),
        refusal.missing.as_ref().map(|missing| format!("{missing} is missing")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (words, about.is_empty()) {
        (words, true) => words,
        (Some(words), false) => Some(format!("{words} ({})", about.join(", "))),
        (None, false) => Some(about.join(", ")),
    }
}

/// How traffic control says that this kernel has no such thing: with the errno of what isn't found.
const UNKNOWN_KINDS: [&str; 3] =
    ["Specified qdisc kind is unknown", "TC classifier not found", "Failed to load TC action module"];

fn kind_of(errno: Errno) -> ErrorKind {
    match errno {
        Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::EADDRNOTAVAIL => ErrorKind::NotFound,
        Errno::EEXIST => ErrorKind::AlreadyExists,
        Errno::EPERM | Errno::EACCES => ErrorKind::PermissionDenied,
        Errno::EINVAL | Errno::ERANGE | Errno::EBADF => ErrorKind::InvalidInput,
        Errno::EBUSY => ErrorKind::Busy,
        Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::ENOSYS => {
            ErrorKind::Unsupported
        }
        Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refusal: Refusal) -> Failure {
        Failure::Refused(Box::new(refusal))
    }

    #[test]
    fn the_kernels_words_stand_in_the_line_with_what_they_are_about() {
        let error = refused(Refusal {
            errno: 34,
            text: Some("Attribute failed policy validation".to_owned()),
            attribute: Some("IFLA_IFNAME".to_owned()),
            policy: Some("at most 15 bytes".to_owned()),
            missing: None,
        })
        .when("rename link 4", &[(Errno::ERANGE, "not this hint")]);
        assert_eq!(
            error.to_string(),
            "rename link 4: Attribute failed policy validation (IFLA_IFNAME, at most 15 bytes are allowed): \
             Numerical result out of range (os error 34)"
        );
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, Some(34)));
        assert_eq!(error.kernel_text(), Some("Attribute failed policy validation"));
        assert_eq!(error.attribute(), Some("IFLA_IFNAME"));
    }

    /// Found by fuzzing: the kernel's words came out as they were.
    #[test]
    fn the_kernels_words_are_one_line_whatever_is_in_them() {
        let text = Some("no \"\x1b[2J\n\"".to_owned());
        let error = refused(Refusal { errno: 22, text, ..Refusal::default() }).when("list links", &[]);
        assert_eq!(error.to_string(), r#"list links: no "\u{1b}[2J\n": Invalid argument (os error 22)"#);
        assert_eq!(error.kernel_text(), Some("no \"\x1b[2J\n\""));
    }

    #[test]
    fn a_silent_errno_gets_the_operations_words_then_the_usual_ones() {
        let line = |errno, hints| {
            refused(Refusal { errno, ..Refusal::default() }).when("create link \"x\"", hints).to_string()
        };
        let taken: Hints<'_> = &[(Errno::EEXIST, "the name is taken")];
        assert_eq!(line(17, taken), "create link \"x\": the name is taken: File exists (os error 17)");
        assert_eq!(
            line(1, taken),
            "create link \"x\": needs CAP_NET_ADMIN in this network namespace: \
             Operation not permitted (os error 1)"
        );
        assert_eq!(line(524, taken), "create link \"x\": Unknown error 524 (os error 524)");
        assert_eq!(line(105, taken), "create link \"x\": No buffer space available (os error 105)");
    }

    #[test]
    fn a_missing_attribute_is_told_without_words_too() {
        let refusal = Refusal { errno: 22, missing: Some("RTA_DST".to_owned()), ..Refusal::default() };
        assert_eq!(
            refused(refusal).when("add route", &[]).to_string(),
            "add route: RTA_DST is missing: Invalid argument (os error 22)"
        );
    }

    #[test]
    fn errors_can_be_sent_and_shared() {
        fn check<T: Send + Sync + std::error::Error>() {}
        check::<Error>();
    }
}
