//! gact, mirred, vlan and bpf: verdicts, other links, VLAN marks, programs.

use super::General;
use super::verdict::{Chance, Verdict};
use crate::BpfProgram;
use crate::error::Failure;
use crate::kind::VlanProtocol;
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_ACT_BPF_FD, TCA_ACT_BPF_ID, TCA_ACT_BPF_NAME, TCA_ACT_BPF_PARMS, TCA_ACT_BPF_TAG, TCA_GACT_PARMS,
    TCA_GACT_PROB, TCA_MIRRED_BLOCKID, TCA_MIRRED_PARMS, TCA_VLAN_PARMS, TCA_VLAN_PUSH_ETH_DST,
    TCA_VLAN_PUSH_ETH_SRC, TCA_VLAN_PUSH_VLAN_ID, TCA_VLAN_PUSH_VLAN_PRIORITY, TCA_VLAN_PUSH_VLAN_PROTOCOL,
};

/// Does nothing but to say what happens next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gact {
    /// How often it says something else.
    pub chance: Option<Chance>,
}

impl Gact {
    /// Says something else now and then.
    pub fn with_chance(chance: Chance) -> Gact {
        Gact { chance: Some(chance) }
    }

    pub(super) fn write(self, request: &mut Request, general: General) {
        general.write(request, TCA_GACT_PARMS, |_| {});
        let (kind, number, verdict): (u16, _, _) = match self.chance {
            None => return,
            Some(Chance::Random(number, verdict)) => (1, number, verdict),
            Some(Chance::Each(number, verdict)) => (2, number, verdict),
        };
        request.attribute(TCA_GACT_PROB, |request| {
            request.header(&kind.to_ne_bytes());
            request.header(&number.to_ne_bytes());
            request.header(&verdict.to_kernel().to_ne_bytes());
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Gact)> {
        let (general, _) = General::find(options, TCA_GACT_PARMS)?;
        let chance = options.nested().find(|attribute| attribute.kind == TCA_GACT_PROB).and_then(|chance| {
            let mut fields = Fields(chance.payload);
            let (kind, number) = (fields.u16()?, fields.u16()?);
            let verdict = Verdict::from_kernel(fields.i32()?);
            match kind {
                1 => Some(Chance::Random(number, verdict)),
                2 => Some(Chance::Each(number, verdict)),
                _ => None,
            }
        });
        Some((general, Gact { chance }))
    }
}

/// Sends the packet (redirect), or another like it (mirror), to the link with this index ([`tc-mirred(8)`]).
///
/// [`tc-mirred(8)`]: https://man7.org/linux/man-pages/man8/tc-mirred.8.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mirred {
    /// The packet leaves there.
    EgressRedirect(u32),
    /// Another like it leaves there.
    EgressMirror(u32),
    /// The packet comes in there.
    IngressRedirect(u32),
    /// Another like it comes in there.
    IngressMirror(u32),
    /// Others like it leave through all links of this block of filters (Linux 6.8).
    MirrorToBlock(u32),
}

impl Mirred {
    pub(super) fn write(self, request: &mut Request, general: General) {
        let (kind, index): (u32, u32) = match self {
            Mirred::EgressRedirect(index) => (1, index),
            Mirred::EgressMirror(index) => (2, index),
            Mirred::IngressRedirect(index) => (3, index),
            Mirred::IngressMirror(index) => (4, index),
            Mirred::MirrorToBlock(_) => (2, 0),
        };
        general.write(request, TCA_MIRRED_PARMS, |request| {
            request.header(&kind.to_ne_bytes());
            request.header(&index.to_ne_bytes());
        });
        if let Mirred::MirrorToBlock(block) = self {
            request.u32(TCA_MIRRED_BLOCKID, block);
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Mirred)> {
        let (general, mut fields) = General::find(options, TCA_MIRRED_PARMS)?;
        let (kind, index) = (fields.u32()?, fields.u32()?);
        let block = options.nested().find(|attribute| attribute.kind == TCA_MIRRED_BLOCKID);
        let mirred = match (kind, block.and_then(Attribute::u32)) {
            (2, Some(block)) => Mirred::MirrorToBlock(block),
            (1, _) => Mirred::EgressRedirect(index),
            (2, _) => Mirred::EgressMirror(index),
            (3, _) => Mirred::IngressRedirect(index),
            (4, _) => Mirred::IngressMirror(index),
            _ => return None,
        };
        Some((general, mirred))
    }
}

/// Puts VLAN marks on, changes them, takes them off ([`tc-vlan(8)`]).
///
/// [`tc-vlan(8)`]: https://man7.org/linux/man-pages/man8/tc-vlan.8.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VlanAction {
    /// Takes the outermost mark off.
    Pop,
    /// Puts a mark on.
    Push {
        /// The VLAN's number, 0 to 4094.
        id: u16,
        /// How the packet is marked.
        protocol: VlanProtocol,
        /// The mark's priority, 0 to 7; `None` is 0, as it is read.
        priority: Option<u8>,
    },
    /// Changes the outermost mark.
    Modify {
        /// The VLAN's number, 0 to 4094.
        id: u16,
        /// How the packet is marked.
        protocol: VlanProtocol,
        /// The mark's priority, 0 to 7; `None` is as it is.
        priority: Option<u8>,
    },
    /// Takes the Ethernet header off.
    PopEthernet,
    /// Puts an Ethernet header on.
    PushEthernet {
        /// To whom.
        destination: MacAddress,
        /// From whom.
        source: MacAddress,
    },
}

impl VlanAction {
    pub(super) fn check(self) -> Result<(), Failure> {
        match self {
            VlanAction::Push { id, .. } | VlanAction::Modify { id, .. } if id > 4094 => {
                Err(Failure::Input(format!("a VLAN's number is 0 to 4094, not {id}")))
            }
            VlanAction::Push { priority: Some(priority), .. }
            | VlanAction::Modify { priority: Some(priority), .. }
                if priority > 7 =>
            {
                Err(Failure::Input(format!("a VLAN's priority is 0 to 7, not {priority}")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(self, request: &mut Request, general: General) {
        let kind: u32 = match self {
            VlanAction::Pop => 1,
            VlanAction::Push { .. } => 2,
            VlanAction::Modify { .. } => 3,
            VlanAction::PopEthernet => 4,
            VlanAction::PushEthernet { .. } => 5,
        };
        general.write(request, TCA_VLAN_PARMS, |request| request.header(&kind.to_ne_bytes()));
        match self {
            VlanAction::Push { id, protocol, priority } | VlanAction::Modify { id, protocol, priority } => {
                request.u16(TCA_VLAN_PUSH_VLAN_ID, id);
                request.be16(TCA_VLAN_PUSH_VLAN_PROTOCOL, protocol.into());
                if let Some(priority) = priority {
                    request.u8(TCA_VLAN_PUSH_VLAN_PRIORITY, priority);
                }
            }
            VlanAction::PushEthernet { destination, source } => {
                request.bytes(TCA_VLAN_PUSH_ETH_DST, &destination.octets());
                request.bytes(TCA_VLAN_PUSH_ETH_SRC, &source.octets());
            }
            VlanAction::Pop | VlanAction::PopEthernet => {}
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, VlanAction)> {
        let (general, mut fields) = General::find(options, TCA_VLAN_PARMS)?;
        let find = |kind| options.nested().find(|attribute: &Attribute<'_>| attribute.kind == kind);
        let id = || find(TCA_VLAN_PUSH_VLAN_ID)?.u16();
        let protocol = || Some(VlanProtocol::from(find(TCA_VLAN_PUSH_VLAN_PROTOCOL)?.be16()?));
        let priority = find(TCA_VLAN_PUSH_VLAN_PRIORITY).and_then(Attribute::u8);
        let mac = |kind| Some(MacAddress::from(<[u8; 6]>::try_from(find(kind)?.payload).ok()?));
        let action = match fields.u32()? {
            1 => VlanAction::Pop,
            2 => VlanAction::Push { id: id()?, protocol: protocol()?, priority: priority.filter(|p| *p > 0) },
            3 => VlanAction::Modify { id: id()?, protocol: protocol()?, priority },
            4 => VlanAction::PopEthernet,
            5 => VlanAction::PushEthernet {
                destination: mac(TCA_VLAN_PUSH_ETH_DST)?,
                source: mac(TCA_VLAN_PUSH_ETH_SRC)?,
            },
            _ => return None,
        };
        Some((general, action))
    }
}

/// Runs a program, whose word is the verdict ([`tc-bpf(8)`]).
///
/// [`tc-bpf(8)`]: https://man7.org/linux/man-pages/man8/tc-bpf.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BpfAction {
    /// The program.
    pub program: Option<BpfProgram>,
    /// The program's number. On input it is not looked at.
    pub id: Option<u32>,
    /// A hash of the program. On input it is not looked at.
    pub tag: Option<[u8; 8]>,
}

impl BpfAction {
    /// Takes a program of type `BPF_PROG_TYPE_SCHED_ACT`.
    pub fn new(program: BpfProgram) -> BpfAction {
        BpfAction { program: Some(program), ..BpfAction::default() }
    }

    pub(super) fn write(&self, request: &mut Request, general: General) {
        general.write(request, TCA_ACT_BPF_PARMS, |_| {});
        if let Some(program) = &self.program {
            program.write(request, TCA_ACT_BPF_FD, TCA_ACT_BPF_NAME);
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, BpfAction)> {
        let (general, _) = General::find(options, TCA_ACT_BPF_PARMS)?;
        let find = |kind| options.nested().find(|attribute: &Attribute<'_>| attribute.kind == kind);
        let action = BpfAction {
            program: find(TCA_ACT_BPF_NAME).map(Attribute::text).map(BpfProgram::named),
            id: find(TCA_ACT_BPF_ID).and_then(Attribute::u32),
            tag: find(TCA_ACT_BPF_TAG).and_then(|tag| tag.payload.try_into().ok()),
        };
        Some((general, action))
    }
}
