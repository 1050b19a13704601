//! Source routes in IPv6: segment routing ([RFC 8754], [RFC 8986]) and RPL ([RFC 6554]).
//!
//! [RFC 8754]: https://www.rfc-editor.org/rfc/rfc8754
//! [RFC 8986]: https://www.rfc-editor.org/rfc/rfc8986
//! [RFC 6554]: https://www.rfc-editor.org/rfc/rfc6554

use std::net::{Ipv4Addr, Ipv6Addr};

use super::encap::BpfProgram;
use crate::error::Failure;
use crate::wire::Request;
use crate::wire::attribute::Attributes;
use crate::wire::numbers::{
    SEG6_IPTUNNEL_SRH, SEG6_LOCAL_ACTION, SEG6_LOCAL_BPF, SEG6_LOCAL_BPF_PROG, SEG6_LOCAL_BPF_PROG_NAME,
    SEG6_LOCAL_IIF, SEG6_LOCAL_NH4, SEG6_LOCAL_NH6, SEG6_LOCAL_OIF, SEG6_LOCAL_SRH, SEG6_LOCAL_TABLE,
    SEG6_LOCAL_VRFTABLE,
};
use crate::wire::{u32_at, write_some};

/// The places that packets go by, and how that is written into them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Seg6 {
    /// How the list of places is put into a packet.
    pub mode: Seg6Mode,
    /// The places, the next one first: 1 to 126.
    pub segments: Vec<Ipv6Addr>,
}

/// How a list of places is put into a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seg6Mode {
    /// Into the packet itself; its destination comes last.
    Inline,
    /// Into a packet around it.
    #[default]
    Encap,
    /// Into a packet around its whole Ethernet frame.
    L2Encap,
    /// As `Encap`, without the first place, which is the destination already (Linux 6.1).
    EncapReduced,
    /// As `L2Encap`, without the first place (Linux 6.1).
    L2EncapReduced,
}

impl Seg6Mode {
    fn to_kernel(self) -> u32 {
        match self {
            Seg6Mode::Inline => 0,
            Seg6Mode::Encap => 1,
            Seg6Mode::L2Encap => 2,
            Seg6Mode::EncapReduced => 3,
            Seg6Mode::L2EncapReduced => 4,
        }
    }

    fn from_kernel(mode: u32) -> Option<Seg6Mode> {
        Some(match mode {
            0 => Seg6Mode::Inline,
            1 => Seg6Mode::Encap,
            2 => Seg6Mode::L2Encap,
            3 => Seg6Mode::EncapReduced,
            4 => Seg6Mode::L2EncapReduced,
            _ => return None,
        })
    }
}

impl Seg6 {
    /// Sends packets by these places, in a packet around them.
    pub fn encap(segments: impl Into<Vec<Ipv6Addr>>) -> Seg6 {
        Seg6 { mode: Seg6Mode::Encap, segments: segments.into() }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check_segments(&self.segments)
    }

    pub(super) fn write(&self, request: &mut Request) {
        let mut header = self.mode.to_kernel().to_ne_bytes().to_vec();
        // Inline, the last place is the packet's own destination, which the kernel fills in.
        let last = (self.mode == Seg6Mode::Inline).then_some(Ipv6Addr::UNSPECIFIED);
        header.extend(seg6_header(self.segments.iter().copied().chain(last)));
        request.bytes(SEG6_IPTUNNEL_SRH, &header);
    }

    pub(super) fn read(encap: &[u8]) -> Option<Seg6> {
        let header = Attributes::new(encap).find(|attribute| attribute.kind == SEG6_IPTUNNEL_SRH)?.payload;
        let mode = Seg6Mode::from_kernel(u32_at(header, 0)?)?;
        let mut segments = seg6_segments(header.get(4..)?)?;
        if mode == Seg6Mode::Inline {
            segments.pop();
        }
        Some(Seg6 { mode, segments })
    }
}

fn check_segments(segments: &[Ipv6Addr]) -> Result<(), Failure> {
    match segments.len() {
        1..=126 => Ok(()),
        count => Err(Failure::Input(format!("packets go by 1 to 126 places, not by {count}"))),
    }
}

/// `struct ipv6_sr_hdr`, in which the last place stands first.
fn seg6_header(segments: impl DoubleEndedIterator<Item = Ipv6Addr> + Clone) -> Vec<u8> {
    let count = segments.clone().count() as u8;
    let last = count.saturating_sub(1);
    // Two units of eight bytes each; 4 is the type.
    let mut header = vec![0, count.saturating_mul(2), 4, last, last, 0, 0, 0];
    segments.rev().for_each(|segment| header.extend(segment.octets()));
    header
}

/// The places of a `struct ipv6_sr_hdr`; `None` where there is more in it than places.
fn seg6_segments(header: &[u8]) -> Option<Vec<Ipv6Addr>> {
    let [_, length, 4, _, last, 0, ..] = *header.first_chunk::<8>()? else { return None };
    let places = header.get(8..8 + usize::from(length) * 8)?;
    if places.len() != (usize::from(last) + 1) * 16 {
        return None;
    }
    Some(addresses(places).rev().collect())
}

fn addresses(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Ipv6Addr> {
    let (places, _) = bytes.as_chunks::<16>();
    places.iter().map(|octets| Ipv6Addr::from(*octets))
}

/// `struct ipv6_rpl_sr_hdr`, in which nothing is left out of the places.
pub(super) fn rpl_header(segments: &[Ipv6Addr]) -> Vec<u8> {
    let count = segments.len() as u8;
    let mut header = vec![0, count.saturating_mul(2), 3, count, 0, 0, 0, 0];
    for segment in segments {
        header.extend(segment.octets());
    }
    header
}

/// The places of a `struct ipv6_rpl_sr_hdr`.
pub(super) fn rpl_segments(header: &[u8]) -> Option<Vec<Ipv6Addr>> {
    let [_, length, 3, left, 0, ..] = *header.first_chunk::<8>()? else { return None };
    let places = header.get(8..8 + usize::from(length) * 8)?;
    (places.len() == usize::from(left) * 16).then(|| addresses(places).collect())
}

/// What is done with packets of IPv6 segment routing where they arrive: an action, and what it needs.
///
/// ```
/// use netlink::{Encap, Route, Seg6Action, Seg6Local};
///
/// let mut local = Seg6Local::new(Seg6Action::EndDt6);
/// local.table = Some(254);
/// let route = Route::to("fc00:1::/64".parse()?).dev(4).encap(Encap::Seg6Local(Box::new(local)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Seg6Local {
    /// What is done.
    pub action: Seg6Action,
    /// The places that packets go by from here, the next one first: up to 126.
    pub segments: Vec<Ipv6Addr>,
    /// The table that is looked into.
    pub table: Option<u32>,
    /// The table of the VRF that is looked into (Linux 5.11).
    pub vrf_table: Option<u32>,
    /// The next hop, of IPv4.
    pub nh4: Option<Ipv4Addr>,
    /// The next hop, of IPv6.
    pub nh6: Option<Ipv6Addr>,
    /// The index of the link that packets come from.
    pub input: Option<u32>,
    /// The index of the link that packets go to.
    pub output: Option<u32>,
    /// The program that is run, of the type `BPF_PROG_TYPE_LWT_SEG6LOCAL`.
    pub program: Option<BpfProgram>,
}

/// What is done with packets of segment routing, as [RFC 8986] names it.
///
/// [RFC 8986]: https://www.rfc-editor.org/rfc/rfc8986
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seg6Action {
    /// On to the next place.
    End,
    /// On to the next place, by a neighbour.
    EndX,
    /// On to the next place, looked up in a table.
    EndT,
    /// Unwrapped, to a link.
    EndDx2,
    /// Unwrapped, to an IPv6 neighbour.
    EndDx6,
    /// Unwrapped, to an IPv4 neighbour.
    EndDx4,
    /// Unwrapped, looked up in an IPv6 table.
    EndDt6,
    /// Unwrapped, looked up in an IPv4 table (of a VRF).
    EndDt4,
    /// With more places put in.
    EndB6,
    /// Wrapped once more, with more places.
    EndB6Encaps,
    /// As a BPF program says.
    EndBpf,
    /// Unwrapped, looked up in a table of either family (of a VRF).
    EndDt46,
    /// Another `SEG6_LOCAL_ACTION_` number.
    Other(u32),
}

impl Seg6Action {
    fn to_kernel(self) -> u32 {
        match self {
            Seg6Action::End => 1,
            Seg6Action::EndX => 2,
            Seg6Action::EndT => 3,
            Seg6Action::EndDx2 => 4,
            Seg6Action::EndDx6 => 5,
            Seg6Action::EndDx4 => 6,
            Seg6Action::EndDt6 => 7,
            Seg6Action::EndDt4 => 8,
            Seg6Action::EndB6 => 9,
            Seg6Action::EndB6Encaps => 10,
            Seg6Action::EndBpf => 15,
            Seg6Action::EndDt46 => 16,
            Seg6Action::Other(other) => other,
        }
    }

    fn from_kernel(action: u32) -> Seg6Action {
        match action {
            1 => Seg6Action::End,
            2 => Seg6Action::EndX,
            3 => Seg6Action::EndT,
            4 => Seg6Action::EndDx2,
            5 => Seg6Action::EndDx6,
            6 => Seg6Action::EndDx4,
            7 => Seg6Action::EndDt6,
            8 => Seg6Action::EndDt4,
            9 => Seg6Action::EndB6,
            10 => Seg6Action::EndB6Encaps,
            15 => Seg6Action::EndBpf,
            16 => Seg6Action::EndDt46,
            other => Seg6Action::Other(other),
        }
    }
}

impl Seg6Local {
    /// Begins with the action; fill in what it needs.
    pub fn new(action: Seg6Action) -> Seg6Local {
        Seg6Local {
            action,
            segments: Vec::new(),
            table: None,
            vrf_table: None,
            nh4: None,
            nh6: None,
            input: None,
            output: None,
            program: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if !self.segments.is_empty() {
            check_segments(&self.segments)?;
        }
        self.program.as_ref().map_or(Ok(()), BpfProgram::check)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.u32(SEG6_LOCAL_ACTION, self.action.to_kernel());
        if !self.segments.is_empty() {
            request.bytes(SEG6_LOCAL_SRH, &seg6_header(self.segments.iter().copied()));
        }
        write_some!(
            request,
            u32 SEG6_LOCAL_TABLE self.table,
            u32 SEG6_LOCAL_VRFTABLE self.vrf_table,
            ip SEG6_LOCAL_NH4 self.nh4.map(Into::into),
            ip SEG6_LOCAL_NH6 self.nh6.map(Into::into),
            u32 SEG6_LOCAL_IIF self.input,
            u32 SEG6_LOCAL_OIF self.output,
        );
        if let Some(program) = &self.program {
            request.nest(SEG6_LOCAL_BPF, |request| {
                program.write(request, SEG6_LOCAL_BPF_PROG, SEG6_LOCAL_BPF_PROG_NAME);
            });
        }
    }

    pub(super) fn read(encap: &[u8]) -> Option<Seg6Local> {
        let mut action = None;
        let mut local = Seg6Local::new(Seg6Action::End);
        for attribute in Attributes::new(encap) {
            match attribute.kind {
                SEG6_LOCAL_ACTION => action = attribute.u32(),
                SEG6_LOCAL_SRH => local.segments = seg6_segments(attribute.payload)?,
                SEG6_LOCAL_TABLE => local.table = attribute.u32(),
                SEG6_LOCAL_VRFTABLE => local.vrf_table = attribute.u32(),
                SEG6_LOCAL_NH4 => local.nh4 = <[u8; 4]>::try_from(attribute.payload).ok().map(Into::into),
                SEG6_LOCAL_NH6 => local.nh6 = <[u8; 16]>::try_from(attribute.payload).ok().map(Into::into),
                SEG6_LOCAL_IIF => local.input = attribute.u32(),
                SEG6_LOCAL_OIF => local.output = attribute.u32(),
                SEG6_LOCAL_BPF => local.program = Some(BpfProgram::read(attribute, SEG6_LOCAL_BPF_PROG_NAME)),
                _ => {}
            }
        }
        local.action = Seg6Action::from_kernel(action?);
        Some(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_stands_first_in_a_segment_routing_header() {
        let places: Vec<Ipv6Addr> = vec!["fc00::1".parse().unwrap(), "fc00::2".parse().unwrap()];
        let header = seg6_header(places.iter().copied());
        assert_eq!(header[..8], [0, 4, 4, 1, 1, 0, 0, 0]);
        assert_eq!(header[8..24], places[1].octets());
        assert_eq!(seg6_segments(&header), Some(places.clone()));
        assert_eq!(rpl_segments(&rpl_header(&places)), Some(places));
    }

    #[test]
    fn bytes_of_no_sense_are_no_places_and_no_panic() {
        let whole = seg6_header([Ipv6Addr::LOCALHOST].into_iter());
        for length in 0..whole.len() {
            assert_eq!(seg6_segments(&whole[..length]), None);
            assert_eq!(rpl_segments(&whole[..length]), None);
        }
        assert_eq!(seg6_segments(&[0xff; 300]), None);
    }
}
