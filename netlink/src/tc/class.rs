//! Classes of qdiscs.

use super::qdisc::{DrrClass, HfscClass, HtbClass};
use super::stats::TcStats;
use super::{Estimator, TcHandle, kinds};
use nix::errno::Errno;

use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use crate::wire::tc::numbers::{
    RTM_DELTCLASS, RTM_GETTCLASS, RTM_NEWTCLASS, TCA_KIND, TCA_OPTIONS, TCA_RATE,
};
use crate::wire::tc::{self, Header};

/// A class of a qdisc: a share of the link.
///
/// ```no_run
/// use netlink::Handle;
/// use netlink::tc::{Class, Htb, HtbClass, Qdisc, TcHandle, bits};
///
/// let mut handle = Handle::open()?;
/// let root = TcHandle::qdisc(1);
/// handle.add_qdisc("eth0", &Qdisc::root(Htb::new().default_class(0x20)).handle(root))?;
/// let fast = HtbClass::new(bits(80_000_000)).ceil(bits(100_000_000));
/// handle.add_class("eth0", &Class::new(root, "1:10".parse()?, fast))?;
/// handle.add_class("eth0", &Class::new(root, "1:20".parse()?, HtbClass::new(bits(20_000_000))))?;
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Class {
    /// The index of its link. On input it is not looked at: the link is told apart.
    pub index: u32,
    /// The qdisc or class it is in; a class at the top is read as of [`ROOT`](TcHandle::ROOT).
    pub parent: TcHandle,
    /// Its name. On input [`NONE`](TcHandle::NONE) lets the kernel choose.
    pub handle: TcHandle,
    /// What it is, and how.
    pub kind: ClassKind,
    /// The qdisc in which its packets wait. On input it is not looked at.
    pub leaf: Option<TcHandle>,
    /// How its rate is measured. The kernel doesn't tell: what is read has none.
    pub estimator: Option<Estimator>,
    /// What it has counted. On input it is not looked at.
    pub stats: Option<TcStats>,
}

kinds! {
    /// What a class is, and how: by the kind of its qdisc.
    ClassKind, TCA_OPTIONS {
        /// Of [`Htb`](super::Htb).
        Htb(HtbClass) = "htb",
        /// Of [`Hfsc`](super::Hfsc).
        Hfsc(HfscClass) = "hfsc",
        /// Of [`Drr`](super::QdiscKind::Drr).
        Drr(DrrClass) = "drr",
    }
}

impl From<HtbClass> for ClassKind {
    fn from(class: HtbClass) -> Self {
        ClassKind::Htb(class)
    }
}

impl From<HfscClass> for ClassKind {
    fn from(class: HfscClass) -> Self {
        ClassKind::Hfsc(class)
    }
}

impl From<DrrClass> for ClassKind {
    fn from(class: DrrClass) -> Self {
        ClassKind::Drr(class)
    }
}

impl Class {
    /// Begins a class: in which qdisc or class, under which name.
    pub fn new(parent: TcHandle, handle: TcHandle, kind: impl Into<ClassKind>) -> Class {
        Class { index: 0, parent, handle, kind: kind.into(), leaf: None, estimator: None, stats: None }
    }

    pub(super) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        self.kind.check()?;
        let header = Header {
            index: handle.index_of(link)?,
            handle: self.handle.to_kernel(),
            parent: self.parent.to_kernel(),
            info: 0,
        };
        request.begin(kind, flags, &header.to_bytes());
        request.text(TCA_KIND, self.kind.name());
        self.kind.write(request);
        if let Some(estimator) = self.estimator {
            estimator.write(request, TCA_RATE)?;
        }
        Ok(())
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Class> {
        let header = Header::read(payload)?;
        let attributes = Attributes::after(tc::HEADER, payload);
        let find = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
        let name = find(TCA_KIND).map(Attribute::text_bytes).unwrap_or_default();
        Some(Class {
            index: header.index,
            parent: TcHandle::from_kernel(header.parent),
            handle: TcHandle::from_kernel(header.handle),
            kind: ClassKind::read(name, find(TCA_OPTIONS)),
            leaf: Some(TcHandle::from_kernel(header.info)).filter(|leaf| !leaf.is_none()),
            estimator: None,
            stats: TcStats::find(attributes.clone(), name, true),
        })
    }
}

/// Which classes to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassFilter {
    /// Those of the link with this index: the kernel has no list of all.
    pub index: u32,
    /// Those of this qdisc.
    pub qdisc: Option<TcHandle>,
    /// Those in this class or qdisc; at the top it is [`ROOT`](TcHandle::ROOT).
    pub parent: Option<TcHandle>,
}

impl ClassFilter {
    /// Those of the link with this index.
    pub fn of(index: u32) -> ClassFilter {
        ClassFilter { index, qdisc: None, parent: None }
    }

    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        let parent = self.qdisc.map_or(0, TcHandle::to_kernel);
        let header = Header { index: self.index, parent, ..Header::default() };
        request.begin(RTM_GETTCLASS, 0, &header.to_bytes());
        request
    }

    fn read(self, message: &Message<'_>) -> Option<Class> {
        Class::read(message.payload).filter(|class| {
            class.index == self.index
                && self.qdisc.is_none_or(|qdisc| qdisc.major() == class.handle.major())
                && self.parent.is_none_or(|parent| parent == class.parent)
        })
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is one of that name"),
    (Errno::ENOENT, "there is no such qdisc or class"),
    (
        Errno::EINVAL,
        "the kernel takes no such class here: its name begins as that of its qdisc, whose kind its options are of",
    ),
    (Errno::ERANGE, "one of its numbers can't be"),
    (Errno::EBUSY, "filters lead to it, or classes are below"),
    (Errno::EOPNOTSUPP, "its qdisc has no classes, or none to be made"),
];

impl Handle {
    /// Finds a class of a link by its name.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or class.
    pub fn class<'a>(&mut self, link: impl Into<LinkRef<'a>>, class: TcHandle) -> Result<Class> {
        let link = link.into();
        self.try_class(link, class)
            .map_err(|failure| failure.when(format_args!("find class {class} of {link}"), HINTS))
    }

    fn try_class(&mut self, link: LinkRef<'_>, class: TcHandle) -> Result<Class, Failure> {
        let header = Header { index: self.index_of(link)?, handle: class.to_kernel(), ..Header::default() };
        let mut request = self.room();
        request.begin(RTM_GETTCLASS, NLM_F_ECHO, &header.to_bytes());
        self.get(request, |message| Class::read(message.payload))
    }

    /// Lists the classes of a link.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Interrupted`](crate::ErrorKind::Interrupted): classes came and went each time the list was read.
    #[doc(alias = "ClassList")]
    pub fn classes<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Vec<Class>> {
        let link = link.into();
        match self.index_of(link) {
            Ok(index) => self.list_classes(ClassFilter::of(index)),
            Err(failure) => Err(failure.when(format_args!("list classes of {link}"), &[])),
        }
    }

    /// Lists some classes. A link that is not there has none.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): classes came and went each time the list was read.
    pub fn list_classes(&mut self, filter: ClassFilter) -> Result<Vec<Class>> {
        self.list(|handle| filter.request(handle), |message| filter.read(message))
            .map_err(|failure| failure.when("list classes", &[]))
    }

    /// Lists some classes, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_classes(&mut self, filter: ClassFilter) -> Result<Dump<'_, Class>> {
        let request = filter.request(self);
        Dump::begin(self, request, "classes", &[], move |message| filter.read(message))
            .map_err(|failure| failure.when("list classes", &[]))
    }

    /// Adds a class, and returns it as the kernel made it.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one of that name.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or parent.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be, or aren't of its qdisc's kind.
    #[doc(alias = "ClassAdd")]
    pub fn add_class<'a>(&mut self, link: impl Into<LinkRef<'a>>, class: &Class) -> Result<Class> {
        self.make_class("add", NLM_F_CREATE | NLM_F_EXCL, link.into(), class)
    }

    /// Adds a class, or changes the one of that name.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or parent.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be, or aren't of its qdisc's kind.
    pub fn replace_class<'a>(&mut self, link: impl Into<LinkRef<'a>>, class: &Class) -> Result<Class> {
        self.make_class("replace", NLM_F_CREATE, link.into(), class)
    }

    /// Changes the options of a class.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or class.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be.
    pub fn change_class<'a>(&mut self, link: impl Into<LinkRef<'a>>, class: &Class) -> Result<Class> {
        self.make_class("change", 0, link.into(), class)
    }

    fn make_class(&mut self, verb: &str, flags: u16, link: LinkRef<'_>, class: &Class) -> Result<Class> {
        let mut request = self.room();
        let mut made = None;
        class
            .request(&mut request, self, RTM_NEWTCLASS, flags | NLM_F_ECHO, link)
            .and_then(|()| {
                self.change(request, |message| {
                    if message.kind == RTM_NEWTCLASS {
                        made = Class::read(message.payload);
                    }
                })
            })
            .map_err(|failure| {
                let doing = format_args!("{verb} class {} {} of {link}", class.kind.name(), class.handle);
                failure.when(doing, HINTS)
            })?;
        match made {
            Some(made) => Ok(made),
            None => self.class(link, class.handle),
        }
    }

    /// Deletes a class that has none below it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or class.
    /// [`Busy`](crate::ErrorKind::Busy): filters lead to it, or classes are below.
    #[doc(alias = "ClassDel")]
    pub fn delete_class<'a>(&mut self, link: impl Into<LinkRef<'a>>, class: TcHandle) -> Result<()> {
        let link = link.into();
        let mut request = self.room();
        delete(&mut request, self, link, class)
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("delete class {class} of {link}"), HINTS))
    }
}

pub(super) fn delete(
    request: &mut Request,
    handle: &mut Handle,
    link: LinkRef<'_>,
    class: TcHandle,
) -> Result<(), Failure> {
    let header = Header { index: handle.index_of(link)?, handle: class.to_kernel(), ..Header::default() };
    request.begin(RTM_DELTCLASS, 0, &header.to_bytes());
    Ok(())
}
