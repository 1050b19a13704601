//! A rule's message: `struct fib_rule_hdr` and attributes.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::attribute::{Attribute, Attributes};
use super::numbers::{
    FRA_DPORT_RANGE, FRA_DSCP, FRA_DST, FRA_FLOW, FRA_FWMARK, FRA_FWMASK, FRA_GOTO, FRA_IIFNAME,
    FRA_IP_PROTO, FRA_L3MDEV, FRA_OIFNAME, FRA_PRIORITY, FRA_PROTOCOL, FRA_SPORT_RANGE, FRA_SRC,
    FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_TUN_ID, FRA_UID_RANGE, RTM_DELRULE,
    RTM_GETRULE, RTPROT_BOOT,
};
use super::{Request, u16_at, u32_at};
use crate::Family;
use crate::ip_net::IpNet;
use crate::rule::{Rule, RuleAction, RuleFlags};

const HEADER: usize = 12;

/// Asks for rules: the kernel knows the family only.
pub(crate) fn write_list(request: &mut Request, family: Option<Family>) {
    let mut header = [0; HEADER];
    header[0] = Family::or_any(family);
    request.begin(RTM_GETRULE, 0, &header);
}

/// Writes a request about one rule.
pub(crate) fn write(request: &mut Request, kind: u16, flags: u16, rule: &Rule) {
    let table = if let RuleAction::Lookup(table) = rule.action { table } else { 0 };
    let goto = if let RuleAction::Goto(priority) = rule.action { Some(priority) } else { None };
    let bits = |net: Option<IpNet>| net.map_or(0, |net| net.prefix_len());
    let mut header = [0; HEADER];
    header[0] = rule.family.to_kernel();
    header[1] = bits(rule.destination);
    header[2] = bits(rule.source);
    header[3] = rule.tos;
    header[4] = u8::try_from(table).unwrap_or_default();
    header[7] = rule.action.to_kernel();
    let said = rule.flags & RuleFlags::INVERT;
    header[8..].copy_from_slice(&said.bits().to_ne_bytes());
    request.begin(kind, flags, &header);
    // An address of no bits is refused.
    let address = |net: Option<IpNet>| net.map(|net| net.network()).filter(|net| net.prefix_len() > 0);
    let protocol = rule.protocol.or((kind != RTM_DELRULE).then_some(RTPROT_BOOT));
    let network_order = rule.tunnel_id.map(u64::to_be_bytes);
    write_some!(
        request,
        ip FRA_DST address(rule.destination).map(|net| net.address()),
        ip FRA_SRC address(rule.source).map(|net| net.address()),
        text FRA_IIFNAME rule.input.as_deref(),
        text FRA_OIFNAME rule.output.as_deref(),
        u32 FRA_GOTO goto,
        u32 FRA_PRIORITY rule.priority,
        u32 FRA_FWMARK rule.mark,
        u32 FRA_FWMASK rule.mask,
        u32 FRA_FLOW rule.realms,
        bytes FRA_TUN_ID network_order.as_ref(),
        u32 FRA_SUPPRESS_IFGROUP rule.suppress_group,
        u32 FRA_SUPPRESS_PREFIXLEN rule.suppress_prefix_len,
        u32 FRA_TABLE Some(table).filter(|table| *table > 255),
        u8 FRA_L3MDEV (rule.action == RuleAction::L3mdev).then_some(1),
        u8 FRA_PROTOCOL protocol,
        u8 FRA_IP_PROTO rule.ip_protocol,
        u8 FRA_DSCP rule.dscp,
    );
    if let Some(uids) = &rule.uids {
        request.bytes(FRA_UID_RANGE, [uids.start().to_ne_bytes(), uids.end().to_ne_bytes()].as_flattened());
    }
    for (kind, ports) in [(FRA_SPORT_RANGE, &rule.source_ports), (FRA_DPORT_RANGE, &rule.destination_ports)] {
        if let Some(ports) = ports {
            request.bytes(kind, [ports.start().to_ne_bytes(), ports.end().to_ne_bytes()].as_flattened());
        }
    }
}

/// Reads a rule; `None` where it is neither of IPv4 nor of IPv6.
pub(crate) fn read(payload: &[u8]) -> Option<Rule> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let family = Family::from_kernel(header[0])?;
    let (mut table, mut goto, mut l3mdev) = (u32::from(header[4]), 0, false);
    let any = match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let net = |attribute: Attribute<'_>, bits| {
        let address = attribute.ip().filter(|address| Family::of(*address) == family).unwrap_or(any);
        IpNet::new(address, bits).ok()
    };
    // What isn't limited is told as -1.
    let limit = |attribute: Attribute<'_>| attribute.u32().filter(|limit| *limit != u32::MAX);
    let mut rule = Rule::new(family, RuleAction::Nop);
    // Zero is not told.
    rule.priority = Some(0);
    rule.tos = header[3];
    rule.flags = RuleFlags::from_bits_retain(u32_at(header, 8)?);
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            FRA_DST => rule.destination = net(attribute, header[1]),
            FRA_SRC => rule.source = net(attribute, header[2]),
            FRA_IIFNAME => rule.input = Some(attribute.text()),
            FRA_OIFNAME => rule.output = Some(attribute.text()),
            FRA_GOTO => goto = attribute.u32().unwrap_or_default(),
            FRA_PRIORITY => rule.priority = attribute.u32(),
            FRA_FWMARK => rule.mark = attribute.u32(),
            FRA_FWMASK => rule.mask = limit(attribute),
            FRA_FLOW => rule.realms = attribute.u32(),
            FRA_TUN_ID => rule.tunnel_id = attribute.payload.try_into().ok().map(u64::from_be_bytes),
            FRA_SUPPRESS_IFGROUP => rule.suppress_group = limit(attribute),
            FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix_len = limit(attribute),
            FRA_TABLE => table = attribute.u32().unwrap_or(table),
            FRA_L3MDEV => l3mdev = attribute.bool().unwrap_or_default(),
            FRA_UID_RANGE => rule.uids = range(attribute, u32_at, 4),
            FRA_PROTOCOL => rule.protocol = attribute.u8(),
            FRA_IP_PROTO => rule.ip_protocol = attribute.u8(),
            FRA_SPORT_RANGE => rule.source_ports = range(attribute, u16_at, 2),
            FRA_DPORT_RANGE => rule.destination_ports = range(attribute, u16_at, 2),
            FRA_DSCP => rule.dscp = attribute.u8(),
            _ => {}
        }
    }
    rule.action = RuleAction::from_kernel(header[7], table, goto, l3mdev);
    // A mark of zero is told by its mask alone.
    if rule.mask.is_some() && rule.mark.is_none() {
        rule.mark = Some(0);
    }
    Some(rule)
}

/// The first and the last, of the same size.
fn range<T>(
    attribute: Attribute<'_>,
    read: fn(&[u8], usize) -> Option<T>,
    size: usize,
) -> Option<RangeInclusive<T>> {
    Some(read(attribute.payload, 0)?..=read(attribute.payload, size)?)
}

#[cfg(test)]
mod tests {
    use super::super::numbers::RTM_NEWRULE;
    use super::*;

    #[test]
    fn a_written_rule_is_read_back() {
        let mut rule = Rule::v6(RuleAction::Lookup(1000));
        rule.source = Some("fd00::/64".parse().unwrap());
        (rule.input, rule.output) = (Some("lo".to_owned()), Some("eth0".to_owned()));
        (rule.mark, rule.mask, rule.priority) = (Some(0x10), Some(0xf0), Some(7));
        (rule.uids, rule.source_ports, rule.destination_ports) =
            (Some(1..=5), Some(80..=81), Some(443..=443));
        (rule.tunnel_id, rule.ip_protocol, rule.protocol) = (Some(5), Some(6), Some(4));
        (rule.suppress_prefix_len, rule.suppress_group, rule.dscp) = (Some(0), Some(3), Some(46));
        rule.flags = RuleFlags::INVERT;
        for action in [
            RuleAction::Lookup(1000),
            RuleAction::Lookup(254),
            RuleAction::L3mdev,
            RuleAction::Goto(9),
            RuleAction::Nop,
            RuleAction::Blackhole,
            RuleAction::Unreachable,
            RuleAction::Prohibit,
            RuleAction::Other(77),
        ] {
            rule.action = action;
            let mut request = Request::default();
            write(&mut request, RTM_NEWRULE, 0, &rule);
            assert_eq!(read(&request.sent()[16..]).as_ref(), Some(&rule));
        }
    }

    #[test]
    fn bytes_of_no_sense_are_no_rule_and_no_panic() {
        assert_eq!(read(&[2; 11]), None);
        assert_eq!(read(&[7; 12]), None);
        assert!(read(&[&[2][..], &[0xff; 11], &[8, 0, 1, 0, 10, 0, 0, 0]].concat()).is_some());
    }
}
