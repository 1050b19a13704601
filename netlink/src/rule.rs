//! Rules: which table of routes is looked into.

use std::fmt;
use std::ops::RangeInclusive;

use bitflags::bitflags;
use nix::errno::Errno;

use crate::Family;
use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::wire;
use crate::wire::Request;
use crate::wire::message::Message;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_EXCL, RT_TABLE_MAIN, RTM_DELRULE, RTM_NEWRULE};

/// A rule: which table of routes is looked into for which packets ([ip-rule(8)]).
///
/// What is not said matches all packets. Rules are gone through in the order of their priorities, the least first.
///
/// ```no_run
/// use netlink::{Handle, Rule, RuleAction};
///
/// let mut rule = Rule::v4(RuleAction::Lookup(100));
/// rule.source = Some("10.0.41.0/24".parse()?);
/// rule.priority = Some(1000);
/// Handle::open()?.add_rule(&rule)?;
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// [ip-rule(8)]: https://man7.org/linux/man-pages/man8/ip-rule.8.html
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// Which packets it is for.
    pub family: Family,
    /// What is done.
    pub action: RuleAction,
    /// Where it stands: the least comes first. On input `None` is before the others, except that of the local table.
    pub priority: Option<u32>,
    /// The network that packets come from.
    pub source: Option<IpNet>,
    /// The network that packets go to.
    pub destination: Option<IpNet>,
    /// The name of the link that packets come in by: `lo` is own packets.
    pub input: Option<String>,
    /// The name of the link that packets are bound to.
    pub output: Option<String>,
    /// The type of service (IPv6: the traffic class).
    pub tos: u8,
    /// The mark of packets, as far as `mask` goes.
    pub mark: Option<u32>,
    /// Which bits of the mark count; `None` is all.
    pub mask: Option<u32>,
    /// The users that packets are of: the first and the last.
    pub uids: Option<RangeInclusive<u32>>,
    /// Their protocol, an `IPPROTO_` number.
    pub ip_protocol: Option<u8>,
    /// The ports that packets come from.
    pub source_ports: Option<RangeInclusive<u16>>,
    /// The ports that packets go to.
    pub destination_ports: Option<RangeInclusive<u16>>,
    /// The number of the tunnel that packets came out of.
    pub tunnel_id: Option<u64>,
    /// The differentiated services code point, 0 to 63; not together with `tos`. Kernels before Linux 6.12 don't know
    /// it, and make the rule without it.
    pub dscp: Option<u8>,
    /// The realms of its packets (IPv4): where they come from in the upper 16 bits, where they go in the lower.
    pub realms: Option<u32>,
    /// A route that is found counts only if its prefix is longer than this, in bits.
    pub suppress_prefix_len: Option<u32>,
    /// A route that is found counts only if its link is not in this group.
    pub suppress_group: Option<u32>,
    /// Who made it, a number of [`protocol`](crate::protocol). On input `None` is [`BOOT`](crate::protocol::BOOT); to
    /// delete, anyone.
    pub protocol: Option<u8>,
    /// Whether it is for what does not match, and its state.
    pub flags: RuleFlags,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleAction {
    /// Looks into a table; [`table::MAIN`](crate::table::MAIN) is the main one.
    Lookup(u32),
    /// Looks into the table of the VRF that the packet is of.
    L3mdev,
    /// Goes on at the rule with this priority.
    Goto(u32),
    /// Goes on with the next rule.
    Nop,
    /// Drops the packet silently.
    Blackhole,
    /// Drops the packet, and tells the sender "unreachable".
    Unreachable,
    /// Drops the packet, and tells the sender "prohibited".
    Prohibit,
    /// Another `FR_ACT_` number.
    Other(u8),
}

impl RuleAction {
    pub(crate) fn to_kernel(self) -> u8 {
        match self {
            RuleAction::Lookup(_) | RuleAction::L3mdev => 1,
            RuleAction::Goto(_) => 2,
            RuleAction::Nop => 3,
            RuleAction::Blackhole => 6,
            RuleAction::Unreachable => 7,
            RuleAction::Prohibit => 8,
            RuleAction::Other(other) => other,
        }
    }

    pub(crate) fn from_kernel(action: u8, table: u32, goto: u32, l3mdev: bool) -> RuleAction {
        match action {
            1 if l3mdev => RuleAction::L3mdev,
            1 => RuleAction::Lookup(table),
            2 => RuleAction::Goto(goto),
            3 => RuleAction::Nop,
            6 => RuleAction::Blackhole,
            7 => RuleAction::Unreachable,
            8 => RuleAction::Prohibit,
            other => RuleAction::Other(other),
        }
    }
}

bitflags! {
    /// The state of a rule (`FIB_RULE_`). Only [`INVERT`](RuleFlags::INVERT) is sent to the kernel, the others are its
    /// own to say. Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RuleFlags: u32 {
        /// It can't be deleted.
        const PERMANENT = 0x1;
        /// It is for packets that do not match.
        const INVERT = 0x2;
        /// There is no rule to go on at.
        const UNRESOLVED = 0x4;
        /// There is no link of the name that packets come in by.
        const IIF_DETACHED = 0x8;
        /// There is no link of the name that packets are bound to.
        const OIF_DETACHED = 0x10;

        const _ = !0;
    }
}

impl Rule {
    /// Begins a rule for IPv4.
    pub fn v4(action: RuleAction) -> Rule {
        Rule::new(Family::Ipv4, action)
    }

    /// Begins a rule for IPv6.
    pub fn v6(action: RuleAction) -> Rule {
        Rule::new(Family::Ipv6, action)
    }

    pub(crate) fn new(family: Family, action: RuleAction) -> Rule {
        Rule {
            family,
            action,
            priority: None,
            source: None,
            destination: None,
            input: None,
            output: None,
            tos: 0,
            mark: None,
            mask: None,
            uids: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            tunnel_id: None,
            dscp: None,
            realms: None,
            suppress_prefix_len: None,
            suppress_group: None,
            protocol: None,
            flags: RuleFlags::empty(),
        }
    }

    /// Writes a request about it.
    pub(crate) fn request(&self, request: &mut Request, kind: u16, flags: u16) -> Result<(), Failure> {
        self.check()?;
        wire::rule::write(request, kind, flags, self);
        Ok(())
    }

    /// Checks what the kernel would refuse without telling why, or take otherwise.
    fn check(&self) -> Result<(), Failure> {
        let input = |why: String| Err(Failure::Input(why));
        let mut nets = [self.source, self.destination].into_iter().flatten();
        if nets.any(|net| Family::of(net.address()) != self.family) {
            return input(format!("its networks are not of {}", self.family));
        }
        for name in [&self.input, &self.output].into_iter().flatten() {
            crate::link::check_name(name)?;
        }
        if self.mask.is_some() && self.mark.is_none() {
            return input("it has a mask and no mark".to_owned());
        }
        if self.uids.as_ref().is_some_and(RangeInclusive::is_empty) {
            return input("the last user comes before the first".to_owned());
        }
        for ports in [&self.source_ports, &self.destination_ports].into_iter().flatten() {
            if ports.is_empty() || *ports.start() == 0 || *ports.end() == u16::MAX {
                return input(format!("ports are 1 to 65534, the first before the last, not {ports:?}"));
            }
        }
        if self.realms.is_some() && self.family == Family::Ipv6 {
            return input("only IPv4 rules have realms".to_owned());
        }
        if self.suppress_prefix_len == Some(u32::MAX) || self.suppress_group == Some(u32::MAX) {
            return input(format!("for the kernel {} is no limit and no group", u32::MAX));
        }
        if self.dscp.is_some_and(|dscp| dscp > 63 || self.tos != 0) {
            return input("a code point is 0 to 63, and there is no type of service beside it".to_owned());
        }
        if self.action == RuleAction::Lookup(0) {
            return input("there is no table 0".to_owned());
        }
        Ok(())
    }
}

/// Written as in a command of ip-rule(8), with the numbers of tables.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn part<T: fmt::Display>(f: &mut fmt::Formatter<'_>, word: &str, value: Option<T>) -> fmt::Result {
            value.map_or(Ok(()), |value| write!(f, "{word} {value} "))
        }
        fn range<T: fmt::Display>(
            f: &mut fmt::Formatter<'_>,
            word: &str,
            value: Option<&RangeInclusive<T>>,
        ) -> fmt::Result {
            value.map_or(Ok(()), |value| write!(f, "{word} {}-{} ", value.start(), value.end()))
        }
        if self.flags.contains(RuleFlags::INVERT) {
            f.write_str("not ")?;
        }
        match self.source {
            Some(source) => write!(f, "from {source} ")?,
            None => f.write_str("from all ")?,
        }
        part(f, "to", self.destination)?;
        part(f, "iif", self.input.as_ref())?;
        part(f, "oif", self.output.as_ref())?;
        if self.tos != 0 {
            write!(f, "tos {:#x} ", self.tos)?;
        }
        part(f, "dscp", self.dscp)?;
        match (self.mark, self.mask) {
            (Some(value), Some(mask)) => write!(f, "fwmark {value:#x}/{mask:#x} ")?,
            (Some(value), None) => write!(f, "fwmark {value:#x} ")?,
            _ => {}
        }
        range(f, "uidrange", self.uids.as_ref())?;
        part(f, "ipproto", self.ip_protocol)?;
        range(f, "sport", self.source_ports.as_ref())?;
        range(f, "dport", self.destination_ports.as_ref())?;
        part(f, "tun_id", self.tunnel_id)?;
        part(f, "suppress_prefixlength", self.suppress_prefix_len)?;
        part(f, "suppress_ifgroup", self.suppress_group)?;
        part(f, "priority", self.priority)?;
        match self.action {
            RuleAction::Lookup(table) => write!(f, "lookup {table}"),
            RuleAction::L3mdev => f.write_str("lookup l3mdev"),
            RuleAction::Goto(priority) => write!(f, "goto {priority}"),
            RuleAction::Nop => f.write_str("nop"),
            RuleAction::Blackhole => f.write_str("blackhole"),
            RuleAction::Unreachable => f.write_str("unreachable"),
            RuleAction::Prohibit => f.write_str("prohibit"),
            RuleAction::Other(other) => write!(f, "action {other}"),
        }
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is such a rule already"),
    (Errno::ENOENT, "there is no such rule"),
    (Errno::ESRCH, "there is no such rule"),
    (Errno::EAFNOSUPPORT, "this kernel has no rules for that family"),
    (Errno::EINVAL, "the kernel takes no such rule"),
];

/// Which rules to list. The kernel knows the family only, the rest is left out here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleFilter {
    /// Those for IPv4 or for IPv6.
    pub family: Option<Family>,
    /// Those with this priority.
    pub priority: Option<u32>,
    /// Those that look into this table; [`table::MAIN`](crate::table::MAIN) is the main one.
    pub table: Option<u32>,
    /// Those made by this number of [`protocol`](crate::protocol).
    pub protocol: Option<u8>,
}

impl RuleFilter {
    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        wire::rule::write_list(&mut request, self.family);
        request
    }

    fn read(self, message: &Message<'_>) -> Option<Rule> {
        wire::rule::read(message.payload).filter(|rule| self.matches(rule))
    }

    fn matches(self, rule: &Rule) -> bool {
        self.family.is_none_or(|family| family == rule.family)
            // The first rule has none, which is zero.
            && self.priority.is_none_or(|priority| priority == rule.priority.unwrap_or_default())
            && self.table.is_none_or(|table| rule.action == RuleAction::Lookup(table))
            && self.protocol.is_none_or(|protocol| rule.protocol == Some(protocol))
    }
}

impl Handle {
    /// Lists all rules, IPv4 first, then IPv6, in the order they are gone through.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): rules came and went each time the list was read.
    #[doc(alias = "RuleList")]
    pub fn rules(&mut self) -> Result<Vec<Rule>> {
        self.list_rules(RuleFilter::default())
    }

    /// Lists some rules.
    ///
    /// # Errors
    /// Those of [`rules`](Handle::rules).
    pub fn list_rules(&mut self, filter: RuleFilter) -> Result<Vec<Rule>> {
        self.list(|handle| filter.request(handle), |message| filter.read(message))
            .map_err(|failure| failure.when("list rules", HINTS))
    }

    /// Lists some rules, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_rules(&mut self, filter: RuleFilter) -> Result<Dump<'_, Rule>> {
        let request = filter.request(self);
        Dump::begin(self, request, "rules", HINTS, move |message| filter.read(message))
            .map_err(|failure| failure.when("list rules", HINTS))
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is the same with that priority.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its parts don't fit together.
    #[doc(alias = "RuleAdd")]
    pub fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        self.set_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule)
            .map_err(|failure| failure.when(format_args!("add rule {rule}"), HINTS))
    }

    /// Deletes a rule: the first that has all that is said.
    ///
    /// The kernel doesn't look whether it is one for all packets but these ([`RuleFlags::INVERT`]), and takes a
    /// priority of 0 for any: say more of it where there may be others like it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none.
    #[doc(alias = "RuleDel")]
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<()> {
        self.set_rule(RTM_DELRULE, 0, rule)
            .map_err(|failure| failure.when(format_args!("delete rule {rule}"), HINTS))
    }

    fn set_rule(&mut self, kind: u16, flags: u16, rule: &Rule) -> Result<(), Failure> {
        let mut request = self.room();
        rule.request(&mut request, kind, flags)?;
        self.change(request, |_| {})
    }
}

/// A rule that looks into the main table.
impl Default for Rule {
    fn default() -> Rule {
        Rule::v4(RuleAction::Lookup(RT_TABLE_MAIN.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_together_is_told_before_the_kernel_is_asked() {
        let wrong = |change: fn(&mut Rule)| {
            let mut rule = Rule::default();
            change(&mut rule);
            assert!(rule.check().is_err(), "{rule:?}");
        };
        Rule::default().check().unwrap();
        wrong(|rule| rule.source = Some("fd00::/64".parse().unwrap()));
        wrong(|rule| rule.input = Some("a-name-of-21-letters-".to_owned()));
        wrong(|rule| rule.mask = Some(1));
        wrong(|rule| rule.uids = Some(RangeInclusive::new(2, 1)));
        wrong(|rule| rule.source_ports = Some(0..=1));
        wrong(|rule| rule.action = RuleAction::Lookup(0));
    }

    #[test]
    fn a_rule_is_written_as_ip_rule_writes_it() {
        let mut rule = Rule::v4(RuleAction::Lookup(100));
        (rule.source, rule.mark) = (Some("10.0.0.0/8".parse().unwrap()), Some(7));
        rule.flags = RuleFlags::INVERT;
        assert_eq!(rule.to_string(), "not from 10.0.0.0/8 fwmark 0x7 lookup 100");
    }
}
