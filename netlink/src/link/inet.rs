//! What IPv4 and IPv6 have to say about a link (`IFLA_AF_SPEC`).

use std::net::Ipv6Addr;

use super::{Link, LinkFlags, LinkRef, write_link};
use crate::error::{Failure, Result};
use crate::handle::Handle;
use crate::kind::choice;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::link::HEADER;
use crate::wire::numbers::{
    AF_INET, AF_INET6, IFLA_AF_SPEC, IFLA_EXT_MASK, IFLA_INET_CONF, IFLA_INET6_ADDR_GEN_MODE,
    IFLA_INET6_CONF, IFLA_INET6_FLAGS, IFLA_INET6_RA_MTU, IFLA_INET6_TOKEN, RTEXT_FILTER_SKIP_STATS,
    RTM_GETLINK,
};
use crate::wire::u32_at;

/// What IPv6 has to say about a link. Its settings are in [`LinkConf`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inet6Link {
    /// `IF_` bits: 0x80000000 ready, 0x40 routers' announcements were received, 0x20 asked for.
    pub flags: u32,
    /// How it makes addresses of its own.
    pub addr_gen_mode: Option<AddrGenMode>,
    /// The lower half of addresses that routers' announcements make, where one was given.
    pub token: Option<Ipv6Addr>,
    /// The MTU that routers announced (Linux 5.15).
    pub ra_mtu: Option<u32>,
}

choice! {
    /// How a link makes IPv6 addresses of its own.
    AddrGenMode: u8 {
        /// From its hardware address.
        Eui64 = 0 "eui64",
        /// Not at all.
        None = 1 "none",
        /// From a secret, which must have been set.
        StablePrivacy = 2 "stable_secret",
        /// From a secret that is made at random.
        Random = 3 "random",
    }
}

impl Inet6Link {
    /// Reads `IFLA_AF_SPEC`.
    pub(crate) fn read(spec: Attribute<'_>) -> Option<Inet6Link> {
        let six = spec.nested().find(|family| family.kind == u16::from(AF_INET6))?;
        let mut link = Inet6Link::default();
        for attribute in six.nested() {
            match attribute.kind {
                IFLA_INET6_FLAGS => link.flags = attribute.u32().unwrap_or_default(),
                IFLA_INET6_ADDR_GEN_MODE => link.addr_gen_mode = attribute.u8().map(Into::into),
                IFLA_INET6_TOKEN => {
                    let token = <[u8; 16]>::try_from(attribute.payload).ok().map(Ipv6Addr::from);
                    link.token = token.filter(|token| !token.is_unspecified());
                }
                IFLA_INET6_RA_MTU => link.ra_mtu = attribute.u32().filter(|mtu| *mtu != 0),
                _ => {}
            }
        }
        Some(link)
    }
}

/// A link's settings of IPv4 and IPv6: the values of `/proc/sys/net/ipv4/conf/LINK` and `.../ipv6/conf/LINK`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkConf {
    ipv4: Vec<i32>,
    ipv6: Vec<i32>,
}

macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $setting:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $setting,)+
            /// Another, by the kernel's number.
            Other(u16),
        }

        impl $name {
            pub(crate) fn number(self) -> u16 {
                match self {
                    $($name::$setting => $number,)+
                    $name::Other(number) => number,
                }
            }
        }
    };
}

settings! {
    /// A setting of IPv4 (`IPV4_DEVCONF_`), named as its file below `/proc/sys/net/ipv4/conf/LINK`.
    Ipv4Setting {
        /// `forwarding`
        Forwarding = 1,
        /// `mc_forwarding`, which is read only.
        McForwarding = 2,
        /// `proxy_arp`
        ProxyArp = 3,
        /// `accept_redirects`
        AcceptRedirects = 4,
        /// `secure_redirects`
        SecureRedirects = 5,
        /// `send_redirects`
        SendRedirects = 6,
        /// `shared_media`
        SharedMedia = 7,
        /// `rp_filter`
        RpFilter = 8,
        /// `accept_source_route`
        AcceptSourceRoute = 9,
        /// `bootp_relay`
        BootpRelay = 10,
        /// `log_martians`
        LogMartians = 11,
        /// `tag`
        Tag = 12,
        /// `arp_filter`
        ArpFilter = 13,
        /// `medium_id`
        MediumId = 14,
        /// `disable_xfrm`
        DisableXfrm = 15,
        /// `disable_policy`
        DisablePolicy = 16,
        /// `force_igmp_version`
        ForceIgmpVersion = 17,
        /// `arp_announce`
        ArpAnnounce = 18,
        /// `arp_ignore`
        ArpIgnore = 19,
        /// `promote_secondaries`
        PromoteSecondaries = 20,
        /// `arp_accept`
        ArpAccept = 21,
        /// `arp_notify`
        ArpNotify = 22,
        /// `accept_local`
        AcceptLocal = 23,
        /// `src_valid_mark`
        SrcValidMark = 24,
        /// `proxy_arp_pvlan`
        ProxyArpPvlan = 25,
        /// `route_localnet`
        RouteLocalnet = 26,
        /// `igmpv2_unsolicited_report_interval`
        Igmpv2UnsolicitedReportInterval = 27,
        /// `igmpv3_unsolicited_report_interval`
        Igmpv3UnsolicitedReportInterval = 28,
        /// `ignore_routes_with_linkdown`
        IgnoreRoutesWithLinkdown = 29,
        /// `drop_unicast_in_l2_multicast`
        DropUnicastInL2Multicast = 30,
        /// `drop_gratuitous_arp`
        DropGratuitousArp = 31,
        /// `bc_forwarding`
        BcForwarding = 32,
        /// `arp_evict_nocarrier`
        ArpEvictNocarrier = 33,
    }
}

settings! {
    /// A setting of IPv6 (`DEVCONF_`), named as its file below `/proc/sys/net/ipv6/conf/LINK`. They are only read.
    Ipv6Setting {
        /// `forwarding`
        Forwarding = 0,
        /// `hop_limit`
        HopLimit = 1,
        /// `mtu`
        Mtu = 2,
        /// `accept_ra`
        AcceptRa = 3,
        /// `accept_redirects`
        AcceptRedirects = 4,
        /// `autoconf`
        Autoconf = 5,
        /// `dad_transmits`
        DadTransmits = 6,
        /// `use_tempaddr`
        UseTempaddr = 10,
        /// `proxy_ndp`
        ProxyNdp = 22,
        /// `accept_source_route`
        AcceptSourceRoute = 24,
        /// `disable_ipv6`
        DisableIpv6 = 26,
        /// `accept_dad`
        AcceptDad = 27,
        /// `force_tllao`
        ForceTllao = 28,
        /// `ndisc_notify`
        NdiscNotify = 29,
    }
}

impl LinkConf {
    /// Returns a setting of IPv4; `None` where the kernel doesn't tell, or the link has no IPv4.
    pub fn ipv4(&self, setting: Ipv4Setting) -> Option<i32> {
        // The kernel counts from one.
        self.ipv4.get(usize::from(setting.number()).checked_sub(1)?).copied()
    }

    /// Returns a setting of IPv6; `None` where the kernel doesn't tell, or the link has no IPv6.
    pub fn ipv6(&self, setting: Ipv6Setting) -> Option<i32> {
        self.ipv6.get(usize::from(setting.number())).copied()
    }

    fn read(payload: &[u8]) -> LinkConf {
        let mut conf = LinkConf::default();
        let spec = Attributes::after(HEADER, payload).filter(|attribute| attribute.kind == IFLA_AF_SPEC);
        for family in spec.flat_map(Attribute::nested) {
            for attribute in family.nested() {
                match (family.kind, attribute.kind) {
                    (kind, IFLA_INET_CONF) if kind == u16::from(AF_INET) => conf.ipv4 = numbers(attribute),
                    (kind, IFLA_INET6_CONF) if kind == u16::from(AF_INET6) => conf.ipv6 = numbers(attribute),
                    _ => {}
                }
            }
        }
        conf
    }
}

fn numbers(attribute: Attribute<'_>) -> Vec<i32> {
    let number = |bytes: &[u8]| u32_at(bytes, 0).map(u32::cast_signed);
    attribute.payload.chunks_exact(4).filter_map(number).collect()
}

impl Handle {
    /// Asks for a link's settings of IPv4 and IPv6. Those of IPv4 can be changed by
    /// [`LinkChange::ipv4`](super::LinkChange::ipv4).
    ///
    /// ```no_run
    /// use netlink::{Handle, Ipv4Setting};
    ///
    /// let conf = Handle::open()?.link_conf("eth0")?;
    /// assert_eq!(conf.ipv4(Ipv4Setting::Forwarding), Some(1));
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`link`](Handle::link).
    pub fn link_conf<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<LinkConf> {
        let link = link.into();
        self.try_link_conf(link).map_err(|failure| failure.when(format_args!("find settings of {link}"), &[]))
    }

    fn try_link_conf(&mut self, link: LinkRef<'_>) -> Result<LinkConf, Failure> {
        let mut request = self.room();
        write_link(&mut request, RTM_GETLINK, link, LinkFlags::empty(), LinkFlags::empty())?;
        request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        self.get(request, |message| Some(LinkConf::read(message.payload)))
            .map_err(|failure| link.missing(failure))
    }
}

impl Link {
    /// Returns how it makes IPv6 addresses of its own, where it has IPv6.
    pub fn addr_gen_mode(&self) -> Option<AddrGenMode> {
        self.inet6?.addr_gen_mode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_by_their_numbers_and_unknown_ones_are_none() {
        let conf = LinkConf { ipv4: vec![1, 2, 3], ipv6: vec![7, 8] };
        assert_eq!(conf.ipv4(Ipv4Setting::Forwarding), Some(1));
        assert_eq!(conf.ipv4(Ipv4Setting::ProxyArp), Some(3));
        assert_eq!((conf.ipv4(Ipv4Setting::RpFilter), conf.ipv4(Ipv4Setting::Other(0))), (None, None));
        assert_eq!(conf.ipv6(Ipv6Setting::Forwarding), Some(7));
        assert_eq!((conf.ipv6(Ipv6Setting::HopLimit), conf.ipv6(Ipv6Setting::Mtu)), (Some(8), None));
    }
}
