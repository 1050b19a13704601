//! bpf: filters that are programs.

use super::FLAGS_TO_SET;
use crate::BpfProgram;
use crate::error::Failure;
use crate::tc::TcHandle;
use crate::tc::action::{Action, check_all, read_all, write_all};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::numbers::{
    TCA_BPF_ACT, TCA_BPF_CLASSID, TCA_BPF_FD, TCA_BPF_FLAGS, TCA_BPF_FLAGS_GEN, TCA_BPF_ID, TCA_BPF_NAME,
    TCA_BPF_TAG, TCA_OPTIONS,
};

/// Runs a program for each packet ([`tc-bpf(8)`]).
///
/// ```no_run
/// # fn load() -> std::io::Result<std::os::fd::OwnedFd> { unimplemented!() }
/// use netlink::{BpfProgram, Handle};
/// use netlink::tc::{BpfFilter, Filter, Qdisc, TcHandle};
///
/// let program = load()?; // of type BPF_PROG_TYPE_SCHED_CLS
/// let mut handle = Handle::open()?;
/// handle.add_qdisc("veth0", &Qdisc::clsact())?;
/// let filter = BpfFilter::direct(BpfProgram::new(program, "policy"));
/// handle.add_filter("veth0", &Filter::new(TcHandle::CLSACT_INGRESS, filter).priority(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`tc-bpf(8)`]: https://man7.org/linux/man-pages/man8/tc-bpf.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BpfFilter {
    /// The program.
    pub program: Option<BpfProgram>,
    /// Whether the program's word is what happens to the packet, and not the number of a class.
    pub direct_action: bool,
    /// The class packets go to that the program takes.
    pub class: Option<TcHandle>,
    /// Whether the device does it, `TCA_CLS_FLAGS_` bits: 1 is not, 2 is only there; it is read with more.
    pub flags: Option<u32>,
    /// What is done with packets that the program takes, in this order.
    pub actions: Vec<Action>,
    /// The program's number. On input it is not looked at.
    pub id: Option<u32>,
    /// A hash of the program. On input it is not looked at.
    pub tag: Option<[u8; 8]>,
}

const DIRECT_ACTION: u32 = 1;

impl BpfFilter {
    /// Names a program whose word is what happens to the packet (`direct-action`).
    pub fn direct(program: BpfProgram) -> BpfFilter {
        BpfFilter { direct_action: true, ..BpfFilter::new(program) }
    }

    /// Names a program whose word is the number of a class: 0 is none, -1 that of the filter.
    pub fn new(program: BpfProgram) -> BpfFilter {
        BpfFilter { program: Some(program), ..BpfFilter::default() }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let Some(program) = &self.program else {
            return Err(Failure::Input("there is no program".to_owned()));
        };
        program.check()?;
        if program.name().len() > 256 || program.name().contains('\0') {
            return Err(Failure::Input("a program's name has at most 256 bytes, and no NUL".to_owned()));
        }
        check_all(&self.actions)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(program) = &self.program {
                program.write(request, TCA_BPF_FD, TCA_BPF_NAME);
            }
            if self.direct_action {
                request.u32(TCA_BPF_FLAGS, DIRECT_ACTION);
            }
            if let Some(class) = self.class {
                request.tc_handle(TCA_BPF_CLASSID, class);
            }
            if let Some(flags) = self.flags {
                request.u32(TCA_BPF_FLAGS_GEN, flags & FLAGS_TO_SET);
            }
            write_all(request, TCA_BPF_ACT, &self.actions);
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> BpfFilter {
        let mut filter = BpfFilter::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_BPF_NAME => filter.program = Some(BpfProgram::named(attribute.text())),
                TCA_BPF_FLAGS => {
                    filter.direct_action = attribute.u32().unwrap_or_default() & DIRECT_ACTION != 0;
                }
                TCA_BPF_CLASSID => filter.class = attribute.tc_handle(),
                TCA_BPF_FLAGS_GEN => filter.flags = attribute.u32(),
                TCA_BPF_ACT => filter.actions = read_all(attribute),
                TCA_BPF_ID => filter.id = attribute.u32(),
                TCA_BPF_TAG => filter.tag = attribute.payload.try_into().ok(),
                _ => {}
            }
        }
        filter
    }
}
