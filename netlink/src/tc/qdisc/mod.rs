//! Queueing disciplines.

mod cake;
mod fq;
mod fq_codel;
mod hfsc;
mod htb;
mod netem;
mod prio;
mod sfq;
mod tbf;

pub use self::cake::Cake;
pub use self::fq::Fq;
pub use self::fq_codel::{Codel, FqCodel};
pub use self::hfsc::{DrrClass, Hfsc, HfscClass, ServiceCurve};
pub use self::htb::{Htb, HtbClass};
pub use self::netem::{LossModel, Netem, NetemRate, Slot};
pub use self::prio::{Multiq, Prio};
pub use self::sfq::Sfq;
pub use self::tbf::Tbf;

use super::stats::TcStats;
use super::{Estimator, TcHandle, kinds, kinds_from};
use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE};
use crate::wire::tc::numbers::{
    RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC, TCA_DUMP_INVISIBLE, TCA_EGRESS_BLOCK, TCA_HW_OFFLOAD,
    TCA_INGRESS_BLOCK, TCA_KIND, TCA_OPTIONS, TCA_RATE,
};
use crate::wire::tc::{self, Header};
use nix::errno::Errno;

/// A queueing discipline: how a link queues packets, and which it drops.
///
/// ```no_run
/// use netlink::Handle;
/// use netlink::tc::{Qdisc, Tbf, bits};
/// use std::time::Duration;
///
/// // The packets that a container gets, to 10 megabits per second.
/// let tbf = Tbf::new(bits(10_000_000), 32 * 1024, Duration::from_millis(50));
/// Handle::open()?.replace_qdisc("veth0", &Qdisc::root(tbf))?;
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Qdisc {
    /// The index of its link. On input it is not looked at: the link is told apart.
    pub index: u32,
    /// Where it is: [`ROOT`](TcHandle::ROOT), [`INGRESS`](TcHandle::INGRESS), or a class. One that the kernel made
    /// and hides has none.
    pub parent: TcHandle,
    /// Its name. On input [`NONE`](TcHandle::NONE) lets the kernel choose.
    pub handle: TcHandle,
    /// What it is, and how.
    pub kind: QdiscKind,
    /// The block of filters that packets pass which come in, for `ingress` and `clsact`.
    pub ingress_block: Option<u32>,
    /// The block of filters that packets pass which leave, for `clsact`.
    pub egress_block: Option<u32>,
    /// How its rate is measured. The kernel doesn't tell: what is read has none.
    pub estimator: Option<Estimator>,
    /// Whether the device does it. On input it is not looked at.
    pub offloaded: bool,
    /// How many use it. On input it is not looked at.
    pub references: u32,
    /// What it has counted. On input it is not looked at.
    pub stats: Option<TcStats>,
}

kinds! {
    /// What a qdisc is, and how.
    QdiscKind, TCA_OPTIONS {
        /// A tree of rates.
        Htb(Htb) = "htb",
        /// One rate for all.
        Tbf(Tbf) = "tbf",
        /// A queue and a pace for each flow.
        Fq(Fq) = "fq",
        /// A queue for each flow, each of which stays short.
        FqCodel(FqCodel) = "fq_codel",
        /// One queue that stays short.
        Codel(Codel) = "codel",
        /// A bad network, for tests.
        Netem(Netem) = "netem",
        /// Bands, of which the first goes first.
        Prio(Prio) = "prio",
        /// The same, with three queues: the kernel's own choice.
        PfifoFast(Prio) = "pfifo_fast",
        /// A band for each of the link's queues.
        Multiq(Multiq) = "multiq",
        /// One queue, of so many packets.
        Pfifo(Fifo) = "pfifo",
        /// One queue, of so many bytes.
        Bfifo(Fifo) = "bfifo",
        /// Flows by turns.
        Sfq(Sfq) = "sfq",
        /// A rate, fairness and short queues in one.
        Cake(Cake) = "cake",
        /// Classes by curves.
        Hfsc(Hfsc) = "hfsc",
    }
    plain {
        /// A place for filters of packets that come in.
        Ingress = "ingress",
        /// Places for filters of packets that come in and of those that leave.
        Clsact = "clsact",
        /// None: packets that can't go out at once are dropped.
        Noqueue = "noqueue",
        /// A qdisc for each of the link's queues.
        Mq = "mq",
        /// Classes by turns ([`DrrClass`]).
        Drr = "drr",
    }
}

kinds_from!(QdiscKind: Htb Tbf Fq FqCodel Codel Netem Prio Multiq Sfq Cake Hfsc);

/// One queue ([`tc-bfifo(8)`]).
///
/// [`tc-bfifo(8)`]: https://man7.org/linux/man-pages/man8/tc-bfifo.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fifo {
    /// How much may wait, in packets or bytes; `None` is as much as the link's queue has room for.
    pub limit: Option<u32>,
}

impl Fifo {
    /// Sets how much may wait, in packets or bytes.
    pub fn new(limit: u32) -> Fifo {
        Fifo { limit: Some(limit) }
    }

    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn write(&self, request: &mut Request) {
        if let Some(limit) = self.limit {
            request.u32(TCA_OPTIONS, limit);
        }
    }

    fn read(options: Attribute<'_>) -> Fifo {
        Fifo { limit: options.u32() }
    }
}

impl Qdisc {
    /// Begins a qdisc for all packets that leave a link.
    pub fn root(kind: impl Into<QdiscKind>) -> Qdisc {
        Qdisc::below(TcHandle::ROOT, kind)
    }

    /// Begins a qdisc for the packets of a class.
    pub fn below(parent: TcHandle, kind: impl Into<QdiscKind>) -> Qdisc {
        Qdisc {
            index: 0,
            parent,
            handle: TcHandle::NONE,
            kind: kind.into(),
            ingress_block: None,
            egress_block: None,
            estimator: None,
            offloaded: false,
            references: 0,
            stats: None,
        }
    }

    /// Begins a place for filters of packets that come in; they have the parent
    /// [`INGRESS_QDISC`](TcHandle::INGRESS_QDISC).
    pub fn ingress() -> Qdisc {
        Qdisc::below(TcHandle::INGRESS, QdiscKind::Ingress).handle(TcHandle::INGRESS_QDISC)
    }

    /// Begins places for filters of packets that come in ([`CLSACT_INGRESS`](TcHandle::CLSACT_INGRESS)) and of those
    /// that leave ([`CLSACT_EGRESS`](TcHandle::CLSACT_EGRESS)). It leaves the root qdisc as it is.
    pub fn clsact() -> Qdisc {
        Qdisc::below(TcHandle::INGRESS, QdiscKind::Clsact).handle(TcHandle::INGRESS_QDISC)
    }

    /// Names it.
    #[must_use]
    pub fn handle(mut self, handle: TcHandle) -> Qdisc {
        self.handle = handle;
        self
    }

    fn check(&self) -> Result<(), Failure> {
        if self.handle.minor() != 0 {
            return Err(Failure::Input(format!("{} names a class, and no qdisc", self.handle)));
        }
        if self.parent.is_none() {
            return Err(Failure::Input("a qdisc needs a parent: root, ingress, or a class".to_owned()));
        }
        self.kind.check()
    }

    pub(super) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        self.check()?;
        let header = Header {
            index: handle.index_of(link)?,
            handle: self.handle.to_kernel(),
            parent: self.parent.to_kernel(),
            info: 0,
        };
        request.begin(kind, flags, &header.to_bytes());
        request.text(TCA_KIND, self.kind.name());
        if kind == RTM_DELQDISC {
            return Ok(());
        }
        self.kind.write(request);
        if let Some(estimator) = self.estimator {
            estimator.write(request, TCA_RATE)?;
        }
        for (kind, block) in [(TCA_INGRESS_BLOCK, self.ingress_block), (TCA_EGRESS_BLOCK, self.egress_block)]
        {
            if let Some(block) = block {
                request.u32(kind, block);
            }
        }
        Ok(())
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Qdisc> {
        let header = Header::read(payload)?;
        let attributes = Attributes::after(tc::HEADER, payload);
        let find = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
        let name = find(TCA_KIND).map(Attribute::text_bytes).unwrap_or_default();
        Some(Qdisc {
            index: header.index,
            parent: TcHandle::from_kernel(header.parent),
            handle: TcHandle::from_kernel(header.handle),
            kind: QdiscKind::read(name, find(TCA_OPTIONS)),
            ingress_block: find(TCA_INGRESS_BLOCK).and_then(Attribute::u32),
            egress_block: find(TCA_EGRESS_BLOCK).and_then(Attribute::u32),
            estimator: None,
            offloaded: find(TCA_HW_OFFLOAD).and_then(Attribute::bool).unwrap_or_default(),
            references: header.info,
            stats: TcStats::find(attributes.clone(), name, false),
        })
    }
}

/// Which qdiscs to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QdiscFilter {
    /// Those of the link with this index.
    pub index: Option<u32>,
    /// Those with this parent.
    pub parent: Option<TcHandle>,
    /// Those that the kernel made and hides, too.
    pub invisible: bool,
}

impl QdiscFilter {
    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        let header = Header { index: self.index.unwrap_or_default(), ..Header::default() };
        request.begin(RTM_GETQDISC, 0, &header.to_bytes());
        if self.invisible {
            request.bytes(TCA_DUMP_INVISIBLE, &[]);
        }
        request
    }

    /// The kernel lists those of all links.
    fn read(self, message: &Message<'_>) -> Option<Qdisc> {
        Qdisc::read(message.payload).filter(|qdisc| {
            self.index.is_none_or(|index| index == qdisc.index)
                && self.parent.is_none_or(|parent| parent == qdisc.parent)
        })
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is one already"),
    (Errno::ENOENT, "there is no such qdisc, class, or kind of qdisc in this kernel"),
    (Errno::EINVAL, "the kernel takes no such qdisc here"),
    (Errno::ERANGE, "one of its numbers can't be"),
    (Errno::EOPNOTSUPP, "the link or the kind can't do that"),
];

impl Handle {
    /// Finds a qdisc of a link, by its name or, if it is a class, [`ROOT`](TcHandle::ROOT) or
    /// [`INGRESS`](TcHandle::INGRESS), by its parent.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or qdisc.
    pub fn qdisc<'a>(&mut self, link: impl Into<LinkRef<'a>>, qdisc: TcHandle) -> Result<Qdisc> {
        let link = link.into();
        self.try_qdisc(link, qdisc)
            .map_err(|failure| failure.when(format_args!("find qdisc {qdisc} of {link}"), HINTS))
    }

    fn try_qdisc(&mut self, link: LinkRef<'_>, qdisc: TcHandle) -> Result<Qdisc, Failure> {
        let index = self.index_of(link)?;
        if qdisc.minor() == 0 {
            // Asked by its name, the kernel doesn't tell where it is.
            let filter = QdiscFilter { index: Some(index), parent: None, invisible: true };
            let all = self.list(|handle| filter.request(handle), |message| filter.read(message))?;
            return all.into_iter().find(|one| one.handle == qdisc).ok_or(Failure::System(Errno::ENOENT));
        }
        let header = Header { index, parent: qdisc.to_kernel(), ..Header::default() };
        let mut request = self.room();
        // Older kernels answer who asks only with NLM_F_ECHO.
        request.begin(RTM_GETQDISC, NLM_F_ECHO, &header.to_bytes());
        self.get(request, |message| Qdisc::read(message.payload))
    }

    /// Lists the qdiscs of all links of the namespace.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): qdiscs came and went each time the list was read.
    #[doc(alias = "QdiscList")]
    pub fn qdiscs(&mut self) -> Result<Vec<Qdisc>> {
        self.list_qdiscs(QdiscFilter::default())
    }

    /// Lists some qdiscs.
    ///
    /// # Errors
    /// Those of [`qdiscs`](Handle::qdiscs).
    pub fn list_qdiscs(&mut self, filter: QdiscFilter) -> Result<Vec<Qdisc>> {
        self.list(|handle| filter.request(handle), |message| filter.read(message))
            .map_err(|failure| failure.when("list qdiscs", &[]))
    }

    /// Lists some qdiscs, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_qdiscs(&mut self, filter: QdiscFilter) -> Result<Dump<'_, Qdisc>> {
        let request = filter.request(self);
        Dump::begin(self, request, "qdiscs", &[], move |message| filter.read(message))
            .map_err(|failure| failure.when("list qdiscs", &[]))
    }

    /// Adds a qdisc, and returns it as the kernel made it, with its name. The one that each link has at first is no
    /// obstacle.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one already.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or class.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the kernel doesn't know the kind.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be.
    #[doc(alias = "QdiscAdd")]
    pub fn add_qdisc<'a>(&mut self, link: impl Into<LinkRef<'a>>, qdisc: &Qdisc) -> Result<Qdisc> {
        self.make_qdisc("add", NLM_F_CREATE | NLM_F_EXCL, link.into(), qdisc)
    }

    /// Adds a qdisc, or takes the place of the one that is there; one of the same kind and name is changed.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or class.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the kernel doesn't know the kind.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be.
    #[doc(alias = "QdiscReplace")]
    pub fn replace_qdisc<'a>(&mut self, link: impl Into<LinkRef<'a>>, qdisc: &Qdisc) -> Result<Qdisc> {
        self.make_qdisc("replace", NLM_F_CREATE | NLM_F_REPLACE, link.into(), qdisc)
    }

    /// Changes the options of a qdisc; packets that wait in it stay.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or qdisc.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be, or it is of another kind.
    #[doc(alias = "QdiscChange")]
    pub fn change_qdisc<'a>(&mut self, link: impl Into<LinkRef<'a>>, qdisc: &Qdisc) -> Result<Qdisc> {
        self.make_qdisc("change", 0, link.into(), qdisc)
    }

    fn make_qdisc(&mut self, verb: &str, flags: u16, link: LinkRef<'_>, qdisc: &Qdisc) -> Result<Qdisc> {
        let mut request = self.room();
        let mut made = None;
        qdisc
            .request(&mut request, self, RTM_NEWQDISC, flags | NLM_F_ECHO, link)
            .and_then(|()| {
                self.change(request, |message| {
                    // One whose place was taken is told too.
                    if message.kind == RTM_NEWQDISC {
                        made = Qdisc::read(message.payload);
                    }
                })
            })
            .map_err(|failure| {
                let doing = format_args!("{verb} qdisc {} {} of {link}", qdisc.kind.name(), qdisc.parent);
                failure.when(doing, HINTS)
            })?;
        match made {
            Some(made) => Ok(made),
            None => self.qdisc(link, qdisc.parent),
        }
    }

    /// Deletes a qdisc with all its classes and filters, by its name or, if it is a class, [`ROOT`](TcHandle::ROOT)
    /// or [`INGRESS`](TcHandle::INGRESS), by its parent. At the root another takes its place: the one that each link
    /// has at first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or qdisc.
    #[doc(alias = "QdiscDel")]
    pub fn delete_qdisc<'a>(&mut self, link: impl Into<LinkRef<'a>>, qdisc: TcHandle) -> Result<()> {
        let link = link.into();
        let mut request = self.room();
        delete(&mut request, self, link, qdisc)
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("delete qdisc {qdisc} of {link}"), HINTS))
    }
}

pub(super) fn delete(
    request: &mut Request,
    handle: &mut Handle,
    link: LinkRef<'_>,
    qdisc: TcHandle,
) -> Result<(), Failure> {
    let index = handle.index_of(link)?;
    // The kernel goes by the parent, and then checks the name.
    let (parent, name) = match qdisc.minor() {
        0 => (handle.try_qdisc(index.into(), qdisc)?.parent, qdisc),
        _ => (qdisc, TcHandle::NONE),
    };
    let header = Header { index, handle: name.to_kernel(), parent: parent.to_kernel(), info: 0 };
    request.begin(RTM_DELQDISC, 0, &header.to_bytes());
    Ok(())
}
