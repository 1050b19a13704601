//! skbedit, pedit, csum, sample and nat: actions that change packets or look at them.

use std::net::Ipv4Addr;

use super::General;
use crate::error::Failure;
use crate::ip_net::IpNet;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::numbers::{
    TCA_CSUM_PARMS, TCA_NAT_PARMS, TCA_PEDIT_KEY_EX, TCA_PEDIT_KEY_EX_CMD, TCA_PEDIT_KEY_EX_HTYPE,
    TCA_PEDIT_KEYS_EX, TCA_PEDIT_PARMS_EX, TCA_SAMPLE_PARMS, TCA_SAMPLE_PSAMPLE_GROUP, TCA_SAMPLE_RATE,
    TCA_SAMPLE_TRUNC_SIZE, TCA_SKBEDIT_FLAGS, TCA_SKBEDIT_MARK, TCA_SKBEDIT_MASK, TCA_SKBEDIT_PARMS,
    TCA_SKBEDIT_PRIORITY, TCA_SKBEDIT_PTYPE, TCA_SKBEDIT_QUEUE_MAPPING,
};

/// Changes what the kernel knows of a packet ([`tc-skbedit(8)`]). `None` stays as it is.
///
/// [`tc-skbedit(8)`]: https://man7.org/linux/man-pages/man8/tc-skbedit.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skbedit {
    /// Its priority, which may be the name of a class.
    pub priority: Option<u32>,
    /// The queue of the link by which it leaves.
    pub queue: Option<u16>,
    /// Its mark.
    pub mark: Option<u32>,
    /// Which bits of the mark are set; `None` is all.
    pub mark_mask: Option<u32>,
    /// For whom it is, a `PACKET_` number: 0 for this host.
    pub packet_type: Option<u16>,
    /// Whether its priority is taken from its DSCP.
    pub inherit_dsfield: bool,
}

impl Skbedit {
    /// Sets a packet's mark.
    pub fn mark(mark: u32) -> Skbedit {
        Skbedit { mark: Some(mark), ..Skbedit::default() }
    }

    pub(super) fn write(self, request: &mut Request, general: General) {
        const INHERIT_DSFIELD: u64 = 0x20;
        general.write(request, TCA_SKBEDIT_PARMS, |_| {});
        if let Some(priority) = self.priority {
            request.u32(TCA_SKBEDIT_PRIORITY, priority);
        }
        if let Some(queue) = self.queue {
            request.u16(TCA_SKBEDIT_QUEUE_MAPPING, queue);
        }
        if let Some(mark) = self.mark {
            request.u32(TCA_SKBEDIT_MARK, mark);
        }
        if let Some(mask) = self.mark_mask {
            request.u32(TCA_SKBEDIT_MASK, mask);
        }
        if let Some(kind) = self.packet_type {
            request.u16(TCA_SKBEDIT_PTYPE, kind);
        }
        if self.inherit_dsfield {
            request.u64(TCA_SKBEDIT_FLAGS, INHERIT_DSFIELD);
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Skbedit)> {
        let (general, _) = General::find(options, TCA_SKBEDIT_PARMS)?;
        let mut edit = Skbedit::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_SKBEDIT_PRIORITY => edit.priority = attribute.u32(),
                TCA_SKBEDIT_QUEUE_MAPPING => edit.queue = attribute.u16(),
                TCA_SKBEDIT_MARK => edit.mark = attribute.u32(),
                TCA_SKBEDIT_MASK => edit.mark_mask = attribute.u32().filter(|mask| *mask != u32::MAX),
                TCA_SKBEDIT_PTYPE => edit.packet_type = attribute.u16(),
                TCA_SKBEDIT_FLAGS => edit.inherit_dsfield = attribute.u64().unwrap_or_default() & 0x20 != 0,
                _ => {}
            }
        }
        Some((general, edit))
    }
}

/// Changes a packet's bytes, four at a time ([`tc-pedit(8)`]).
///
/// [`tc-pedit(8)`]: https://man7.org/linux/man-pages/man8/tc-pedit.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pedit {
    /// The changes, in their order.
    pub keys: Vec<PeditKey>,
}

/// One change of a [`Pedit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeditKey {
    /// From where `offset` counts.
    pub header: PeditHeader,
    /// How far the four bytes are, a multiple of 4; it may be negative.
    pub offset: i32,
    /// The bits of them that stay.
    pub keep: [u8; 4],
    /// What is put into the others, or added to them.
    pub value: [u8; 4],
    /// Whether the value is added.
    pub add: bool,
}

/// From where a [`PeditKey`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeditHeader {
    /// The network header, whatever it is.
    #[default]
    Network,
    /// The Ethernet header.
    Ethernet,
    /// The IPv4 header.
    Ipv4,
    /// The IPv6 header.
    Ipv6,
    /// The TCP header.
    Tcp,
    /// The UDP header.
    Udp,
}

const HEADERS: [PeditHeader; 6] = [
    PeditHeader::Network,
    PeditHeader::Ethernet,
    PeditHeader::Ipv4,
    PeditHeader::Ipv6,
    PeditHeader::Tcp,
    PeditHeader::Udp,
];

impl Pedit {
    /// Makes these changes.
    pub fn new(keys: Vec<PeditKey>) -> Pedit {
        Pedit { keys }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.keys.is_empty() || self.keys.len() > 128 {
            return Err(Failure::Input(format!("there are 1 to 128 changes, not {}", self.keys.len())));
        }
        if let Some(key) = self.keys.iter().find(|key| key.offset % 4 != 0) {
            return Err(Failure::Input(format!("the offset {} is no multiple of 4", key.offset)));
        }
        Ok(())
    }

    /// `struct tc_pedit_sel`, and of each key what it counts from.
    pub(super) fn write(&self, request: &mut Request, general: General) {
        general.write(request, TCA_PEDIT_PARMS_EX, |request| {
            request.header(&[u8::try_from(self.keys.len()).unwrap_or(u8::MAX), 0, 0, 0]);
            for key in &self.keys {
                request.header(&key.keep);
                request.header(&key.value);
                request.header(&key.offset.to_ne_bytes());
                request.header(&[0; 12]);
            }
        });
        request.nest(TCA_PEDIT_KEYS_EX, |request| {
            for key in &self.keys {
                request.nest(TCA_PEDIT_KEY_EX, |request| {
                    let header = HEADERS.iter().position(|header| *header == key.header);
                    request.u16(TCA_PEDIT_KEY_EX_HTYPE, header.unwrap_or_default() as u16);
                    request.u16(TCA_PEDIT_KEY_EX_CMD, key.add.into());
                });
            }
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Pedit)> {
        let (general, mut fields) = General::find(options, TCA_PEDIT_PARMS_EX)?;
        let count = fields.u8()?;
        fields.skip(3)?;
        let extended = options.nested().find(|attribute| attribute.kind == TCA_PEDIT_KEYS_EX)?;
        let mut extended = extended.nested();
        let mut keys = Vec::new();
        for _ in 0..count {
            let extended = extended.next()?;
            let find = |kind| extended.nested().find(|attribute| attribute.kind == kind)?.u16();
            let header = *HEADERS.get(usize::from(find(TCA_PEDIT_KEY_EX_HTYPE)?))?;
            let add = find(TCA_PEDIT_KEY_EX_CMD)? == 1;
            let (keep, value, offset) = (fields.array()?, fields.array()?, fields.i32()?);
            let (at, offset_mask, shift) = (fields.u32()?, fields.u32()?, fields.u32()?);
            if (at, offset_mask, shift) != (0, 0, 0) {
                return None;
            }
            keys.push(PeditKey { header, offset, keep, value, add });
        }
        Some((general, Pedit { keys }))
    }
}

/// Computes checksums anew, after packets were changed ([`tc-csum(8)`]).
///
/// [`tc-csum(8)`]: https://man7.org/linux/man-pages/man8/tc-csum.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Csum {
    /// Of which headers, `TCA_CSUM_UPDATE_FLAG_` bits: 1 IPv4, 2 ICMP, 4 IGMP, 8 TCP, 16 UDP, 32 UDP-Lite, 64 SCTP.
    pub flags: u32,
}

impl Csum {
    /// Computes these: bits as in [`flags`](Csum::flags).
    pub fn new(flags: u32) -> Csum {
        Csum { flags }
    }

    pub(super) fn write(self, request: &mut Request, general: General) {
        general.write(request, TCA_CSUM_PARMS, |request| request.header(&self.flags.to_ne_bytes()));
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Csum)> {
        let (general, mut fields) = General::find(options, TCA_CSUM_PARMS)?;
        Some((general, Csum { flags: fields.u32()? }))
    }
}

/// Shows one of so many packets to the listeners of a group ([`tc-sample(8)`]).
///
/// [`tc-sample(8)`]: https://man7.org/linux/man-pages/man8/tc-sample.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// One of so many packets.
    pub rate: u32,
    /// The number of the group.
    pub group: u32,
    /// How many bytes of them; `None` is all.
    pub truncate: Option<u32>,
}

impl Sample {
    /// Shows one of so many packets to a group.
    pub fn new(rate: u32, group: u32) -> Sample {
        Sample { rate, group, truncate: None }
    }

    pub(super) fn write(self, request: &mut Request, general: General) {
        general.write(request, TCA_SAMPLE_PARMS, |_| {});
        request.u32(TCA_SAMPLE_RATE, self.rate);
        request.u32(TCA_SAMPLE_PSAMPLE_GROUP, self.group);
        if let Some(bytes) = self.truncate {
            request.u32(TCA_SAMPLE_TRUNC_SIZE, bytes);
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Sample)> {
        let (general, _) = General::find(options, TCA_SAMPLE_PARMS)?;
        let find = |kind| options.nested().find(|attribute| attribute.kind == kind)?.u32();
        let sample = Sample {
            rate: find(TCA_SAMPLE_RATE)?,
            group: find(TCA_SAMPLE_PSAMPLE_GROUP)?,
            truncate: find(TCA_SAMPLE_TRUNC_SIZE),
        };
        Some((general, sample))
    }
}

/// Translates the IPv4 addresses of a network into those of another, one by one, without looking at connections
/// ([`tc-nat(8)`]).
///
/// [`tc-nat(8)`]: https://man7.org/linux/man-pages/man8/tc-nat.8.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nat {
    /// The network whose addresses are translated.
    pub old: IpNet,
    /// The first address of the other network.
    pub new: Ipv4Addr,
    /// Whether sources are translated (of packets that leave), or destinations.
    pub egress: bool,
}

impl Nat {
    /// Translates sources.
    pub fn egress(old: IpNet, new: Ipv4Addr) -> Nat {
        Nat { old: old.network(), new, egress: true }
    }

    /// Translates destinations.
    pub fn ingress(old: IpNet, new: Ipv4Addr) -> Nat {
        Nat { old: old.network(), new, egress: false }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if !self.old.address().is_ipv4() {
            return Err(Failure::Input("only IPv4 addresses are translated".to_owned()));
        }
        Ok(())
    }

    pub(super) fn write(self, request: &mut Request, general: General) {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.old.prefix_len())).unwrap_or(0);
        general.write(request, TCA_NAT_PARMS, |request| {
            if let std::net::IpAddr::V4(old) = self.old.address() {
                request.header(&old.octets());
            }
            request.header(&self.new.octets());
            request.header(&mask.to_be_bytes());
            request.header(&u32::from(self.egress).to_ne_bytes());
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Nat)> {
        let (general, mut fields) = General::find(options, TCA_NAT_PARMS)?;
        let old = Ipv4Addr::from(fields.array::<4>()?);
        let new = Ipv4Addr::from(fields.array::<4>()?);
        let prefix = fields.be32()?.leading_ones() as u8;
        let old = IpNet::new(old.into(), prefix).ok()?;
        Some((general, Nat { old, new, egress: fields.u32()? & 1 != 0 }))
    }
}
