//! Kinds of links: all that can be said of each goes to the kernel and comes back the same, and iproute2 agrees.

mod common;
#[path = "common/oracle.rs"]
mod oracle;

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::thread;

use common::ip;
use grounds::{Outcome, Stop, ignored, netns, root, tests};
use netlink::kind::{
    self, AdSelect, ArpAllTargets, ArpValidate, BondMode, DontFragment, FailOverMac, HsrProtocol,
    IpTunnelForm, IpvlanIsolation, IpvlanMode, Kind, LabelPolicy, LacpRate, MacvlanMode, NetkitMode,
    NetkitPolicy, NetkitScrub, PrimaryReselect, StpMode, TunnelEncap, VlanFlags, VlanProtocol,
    XmitHashPolicy,
};
use netlink::port::MulticastRouter;
use netlink::{
    AnyLink, Bareudp, Bond, Bridge, Dummy, ErrorKind, Geneve, Gre, Handle, Hsr, Ifb, IpTunnel, Ipvlan, Link,
    LinkKind, MacAddress, Macvlan, Neighbour, Netkit, NewLink, Nlmon, Team, Veth, Vlan, Vrf, Vti, Vxcan,
    Vxlan, Wireguard, Xfrm,
};
use nix::sched::{CloneFlags, unshare};
use oracle::{agrees, ip_link};
use serde_json::json;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_bridge_has_its_options,
        a_bridge_has_its_options_of_vlans,
        a_bridge_has_its_timers_and_counts,
        a_macvlan_has_its_options,
        a_macvlan_of_senders_has_its_list,
        options_are_beside_what_is_said_already,
        an_ipvlan_has_its_options,
        a_vlan_has_its_options,
        a_vxlan_has_its_options,
        a_vxlan_in_ipv6_has_its_options,
        a_vxlan_that_is_changed_keeps_the_rest,
        a_geneve_has_its_options,
        a_gre_has_its_options,
        a_gre_in_ipv6_has_its_options,
        a_tunnel_that_is_changed_keeps_the_rest,
        attributes_of_a_kind_are_written_and_read_raw,
        an_address_that_is_no_mac_is_read,
        tunnels_of_ip_have_their_options,
        a_vti_has_its_options,
        an_xfrm_has_its_options,
        a_vrf_has_its_table,
        a_bond_has_its_options,
        a_bond_by_lacp_has_its_options,
        a_bond_by_lacp_tells_its_own_side_to_root,
        a_bond_asks_its_neighbours,
        a_netkit_has_its_options_and_its_peer_is_born_elsewhere,
        a_bareudp_has_its_options,
        an_hsr_has_its_options,
        plain_kinds_are_made_and_read,
        a_vxcan_is_a_pair,
        what_is_read_can_be_written_again,
        what_the_kernel_would_take_otherwise_is_refused,
        a_refused_mtu_of_a_new_link_tells_the_range,
        an_mtu_above_that_of_the_link_below_is_told,
        a_refused_option_is_named,
        options_of_another_kind_are_told,
    ])
}

/// A handle in a new namespace, with a link `low` for others to be on.
fn with_low() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("low").peer("low-peer"))?;
    Ok(handle)
}

/// Makes a link, if this kernel knows such.
fn make<K: Kind>(handle: &mut Handle, link: &NewLink<'_, K>) -> Result<Link, Stop> {
    match handle.add_link(link) {
        Err(error) if is_unknown(&error) => Err(ignored(error)),
        made => Ok(made?),
    }
}

fn is_unknown(error: &netlink::Error) -> bool {
    error.kind() == ErrorKind::Unsupported && error.kernel_text() == Some("Unknown device type")
}

fn kind_of(handle: &mut Handle, name: &str) -> Result<LinkKind, Stop> {
    Ok(handle.link(name)?.kind.unwrap())
}

/// Makes a link `t0` with options, compares each with what the kernel says of the link, and deletes it; gives what
/// iproute2 said of it. What is newer than Linux 5.10 may not come back at all.
macro_rules! comes_back {
    (
        $handle:ident, $variant:ident, $new:expr, $options:expr => { $($field:ident: $value:expr),* $(,)? }
        $(newer { $($recent:ident: $later:expr),+ $(,)? })?
    ) => {{
        let mut options = $options;
        $(options.$field = Some($value);)*
        $($(options.$recent = Some($later);)+)?
        let made = make(&mut $handle, &$new.options(|kind| *kind = options.clone()))?;
        let Some(LinkKind::$variant(_)) = made.kind else { panic!("{:?}", made.kind) };
        let LinkKind::$variant(found) = kind_of(&mut $handle, "t0")? else { panic!("another kind") };
        $(assert_eq!(found.$field, options.$field, stringify!($field));)*
        $($(if found.$recent.is_some() {
            assert_eq!(found.$recent, options.$recent, stringify!($recent));
        })+)?
        let said = ip_link("t0")?;
        let kind = $handle.link("t0")?.kind_name().map(str::to_owned);
        agrees(&said, &[("/linkinfo/info_kind", json!(kind))]);
        $handle.delete_link("t0")?;
        said
    }};
}

fn a_bridge_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let group = MacAddress::from([1, 0x80, 0xc2, 0, 0, 4]);
    let said = comes_back!(handle, Bridge, Bridge::new("t0"), kind::Bridge::default() => {
        forward_delay: 1100, hello_time: 300, max_age: 1700, ageing_time: 12_300, stp_state: 1,
        priority: 4096, group_fwd_mask: 0x4008, group_addr: group,
        mcast_router: MulticastRouter::Permanent, mcast_snooping: true, mcast_query_use_ifaddr: true,
        mcast_querier: true, mcast_hash_max: 1024, mcast_last_member_count: 3, mcast_startup_query_count: 4,
        mcast_last_member_interval: 150, mcast_membership_interval: 27_000, mcast_querier_interval: 26_500,
        mcast_query_interval: 13_500, mcast_query_response_interval: 1_100, mcast_startup_query_interval: 3_200,
        mcast_stats_enabled: true, mcast_igmp_version: 3, mcast_mld_version: 2, nf_call_iptables: true,
        nf_call_ip6tables: true, nf_call_arptables: true, no_linklocal_learn: true,
    } newer {
        fdb_max_learned: 77, mdb_offload_fail_notification: true,
    });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/forward_delay", json!(1100)),
            ("/linkinfo/info_data/hello_time", json!(300)),
            ("/linkinfo/info_data/max_age", json!(1700)),
            ("/linkinfo/info_data/ageing_time", json!(12_300)),
            ("/linkinfo/info_data/stp_state", json!(1)),
            ("/linkinfo/info_data/priority", json!(4096)),
            ("/linkinfo/info_data/group_fwd_mask", json!("0x4008")),
            ("/linkinfo/info_data/group_addr", json!("01:80:c2:00:00:04")),
            ("/linkinfo/info_data/mcast_router", json!(2)),
            ("/linkinfo/info_data/mcast_query_use_ifaddr", json!(1)),
            ("/linkinfo/info_data/mcast_querier", json!(1)),
            ("/linkinfo/info_data/mcast_hash_max", json!(1024)),
            ("/linkinfo/info_data/mcast_last_member_cnt", json!(3)),
            ("/linkinfo/info_data/mcast_startup_query_cnt", json!(4)),
            ("/linkinfo/info_data/mcast_last_member_intvl", json!(150)),
            ("/linkinfo/info_data/mcast_membership_intvl", json!(27_000)),
            ("/linkinfo/info_data/mcast_querier_intvl", json!(26_500)),
            ("/linkinfo/info_data/mcast_query_intvl", json!(13_500)),
            ("/linkinfo/info_data/mcast_query_response_intvl", json!(1_100)),
            ("/linkinfo/info_data/mcast_startup_query_intvl", json!(3_200)),
            ("/linkinfo/info_data/mcast_stats_enabled", json!(1)),
            ("/linkinfo/info_data/mcast_igmp_version", json!(3)),
            ("/linkinfo/info_data/mcast_mld_version", json!(2)),
            ("/linkinfo/info_data/nf_call_iptables", json!(1)),
            ("/linkinfo/info_data/nf_call_ip6tables", json!(1)),
            ("/linkinfo/info_data/nf_call_arptables", json!(1)),
        ],
    );
    comes_back!(handle, Bridge, Bridge::new("t0"), kind::Bridge::default() => {
        stp_state: 0, group_fwd_mask: 0, mcast_router: MulticastRouter::Disabled,
        mcast_snooping: false, mcast_querier: false, mcast_igmp_version: 2, mcast_mld_version: 1,
        nf_call_iptables: false, no_linklocal_learn: false, mcast_stats_enabled: false, ageing_time: 0,
    } newer { fdb_max_learned: 0, stp_mode: StpMode::Kernel });
    Ok(())
}

fn a_bridge_has_its_options_of_vlans() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("t0"))?;
    let LinkKind::Bridge(bridge) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    if bridge.vlan_protocol.is_none() {
        return Err(ignored("this kernel's bridges have no VLANs"));
    }
    handle.delete_link("t0")?;
    let said = comes_back!(handle, Bridge, Bridge::new("t0"), kind::Bridge::default() => {
        vlan_filtering: true, vlan_protocol: VlanProtocol::Dot1ad, vlan_default_pvid: 9,
        vlan_stats_enabled: true, vlan_stats_per_port: true,
    } newer { mcast_vlan_snooping: true });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/vlan_filtering", json!(1)),
            ("/linkinfo/info_data/vlan_protocol", json!("802.1ad")),
            ("/linkinfo/info_data/vlan_default_pvid", json!(9)),
            ("/linkinfo/info_data/vlan_stats_enabled", json!(1)),
            ("/linkinfo/info_data/vlan_stats_per_port", json!(1)),
        ],
    );
    comes_back!(handle, Bridge, Bridge::new("t0"), kind::Bridge::default() => {
        vlan_filtering: false, vlan_protocol: VlanProtocol::Dot1q, vlan_default_pvid: 0, vlan_stats_enabled: false,
    } newer { mcast_vlan_snooping: false, mst_enabled: true, fdb_local_vlan_0: true });
    Ok(())
}

fn a_bridge_has_its_timers_and_counts() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let made = handle.add_link(&Bridge::new("t0").mac([2, 0, 0, 0, 0, 7]).stp(true).up())?;
    handle.add_veth(&Veth::new("v0").peer("v1").master(&made).up())?;
    let LinkKind::Bridge(bridge) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    let id = bridge.bridge_id.unwrap();
    assert_eq!((id.priority, id.mac), (0x8000, [2, 0, 0, 0, 0, 7].into()));
    assert_eq!((id.to_string().as_str(), bridge.root_id), ("8000.2:0:0:0:0:7", Some(id)));
    agrees(&ip_link("t0")?, &[("/linkinfo/info_data/bridge_id", json!(id.to_string()))]);
    assert_eq!((bridge.root_port, bridge.root_path_cost), (Some(0), Some(0)));
    assert!(bridge.topology_change.is_some() && bridge.topology_change_detected.is_some());
    assert!(bridge.hello_timer.is_some() && bridge.tcn_timer.is_some());
    assert!(bridge.topology_change_timer.is_some() && bridge.gc_timer.is_some());
    assert!(bridge.fdb_n_learned.is_none_or(|learned| learned == 0));
    let mut flush = kind::Bridge::default();
    flush.fdb_flush = Some(true);
    handle.change_kind("t0", &flush)?;
    Ok(())
}

fn a_macvlan_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    for mode in [MacvlanMode::Private, MacvlanMode::Vepa, MacvlanMode::Bridge, MacvlanMode::Passthru] {
        let said = comes_back!(handle, Macvlan, Macvlan::new("t0", "low"), kind::Macvlan::default() => {
            mode: mode, nopromisc: mode == MacvlanMode::Passthru,
        } newer { bc_queue_len: 900, bc_cutoff: 5 });
        agrees(
            &said,
            &[
                ("/linkinfo/info_kind", json!("macvlan")),
                ("/linkinfo/info_data/mode", json!(mode.to_string())),
                ("/link", json!("low")),
            ],
        );
    }
    let mut tap = kind::Macvlan::default();
    tap.tap = true;
    let said = comes_back!(handle, Macvlan, Macvlan::tap("t0", "low"), tap => { mode: MacvlanMode::Bridge });
    agrees(&said, &[("/linkinfo/info_kind", json!("macvtap"))]);
    let made = make(&mut handle, &Macvlan::new("t1", "low").mode(MacvlanMode::Bridge))?;
    let LinkKind::Macvlan(macvlan) = kind_of(&mut handle, "t1")? else { panic!("another kind") };
    assert!(macvlan.bc_queue_len_used.is_some_and(|used| used > 0));
    let mut change = kind::Macvlan::default();
    change.mode = Some(MacvlanMode::Private);
    handle.change_kind(&made, &change)?;
    let LinkKind::Macvlan(macvlan) = kind_of(&mut handle, "t1")? else { panic!("another kind") };
    assert_eq!((macvlan.mode, macvlan.sources), (Some(MacvlanMode::Private), None));
    Ok(())
}

/// What the constructor took was lost.
fn options_are_beside_what_is_said_already() -> Outcome {
    let mut handle = with_low()?;
    let vxlan = Vxlan::new("t0", 42).options(|vxlan| vxlan.ageing = Some(60));
    let LinkKind::Vxlan(found) = make(&mut handle, &vxlan)?.kind.unwrap() else { panic!("another kind") };
    assert_eq!((found.id, found.ageing), (Some(42), Some(60)));
    let tap = Macvlan::tap("t1", "low").options(|macvlan| macvlan.mode = Some(MacvlanMode::Private));
    let LinkKind::Macvlan(found) = make(&mut handle, &tap)?.kind.unwrap() else { panic!("another kind") };
    assert_eq!((found.tap, found.mode), (true, Some(MacvlanMode::Private)));
    Ok(())
}

fn a_macvlan_of_senders_has_its_list() -> Outcome {
    let mut handle = with_low()?;
    let macs: Vec<MacAddress> = (1..=3).map(|last| [2, 0, 0, 0, 9, last].into()).collect();
    let mut options = kind::Macvlan::default();
    options.mode = Some(MacvlanMode::Source);
    options.sources = Some(macs.clone());
    make(&mut handle, &Macvlan::new("t0", "low").options(|kind| *kind = options.clone()))?;
    let sources = |handle: &mut Handle| -> Result<Vec<MacAddress>, Stop> {
        let LinkKind::Macvlan(macvlan) = kind_of(handle, "t0")? else { panic!("another kind") };
        let mut sources = macvlan.sources.unwrap();
        sources.sort();
        Ok(sources)
    };
    assert_eq!(sources(&mut handle)?, macs);
    for some in [&macs[1..2], &[], &macs[..2]] {
        options.sources = Some(some.to_vec());
        handle.change_kind("t0", &options)?;
        assert_eq!(sources(&mut handle)?, some);
    }
    options.sources = Some(vec![[1, 0, 0, 0, 0, 0].into()]);
    assert_eq!(handle.change_kind("t0", &options).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn an_ipvlan_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    for (mode, isolation) in [
        (IpvlanMode::L2, IpvlanIsolation::Private),
        (IpvlanMode::L3, IpvlanIsolation::Bridge),
        (IpvlanMode::L3s, IpvlanIsolation::Vepa),
    ] {
        if let Err(Stop::Failed(_)) = make(&mut handle, &Ipvlan::new("t0", "low").mode(mode)).map(drop) {
            return Err(ignored(format!("this kernel has no mode {mode}")));
        }
        let _ = handle.delete_link("t0");
        let said = comes_back!(handle, Ipvlan, Ipvlan::new("t0", "low"), kind::Ipvlan::default() => {
            mode: mode, isolation: isolation,
        });
        agrees(
            &said,
            &[
                ("/linkinfo/info_data/mode", json!(mode.to_string())),
                (&format!("/linkinfo/info_data/{isolation}"), json!(true)),
            ],
        );
    }
    let mut tap = kind::Ipvlan::default();
    tap.tap = true;
    let said = comes_back!(handle, Ipvlan, Ipvlan::tap("t0", "low"), tap => { mode: IpvlanMode::L2 });
    agrees(&said, &[("/linkinfo/info_kind", json!("ipvtap"))]);
    Ok(())
}

fn a_vlan_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    let flags = VlanFlags::GVRP | VlanFlags::LOOSE_BINDING;
    for (protocol, flags) in [
        (VlanProtocol::Dot1q, flags),
        (VlanProtocol::Dot1ad, VlanFlags::REORDER_HDR | VlanFlags::BRIDGE_BINDING),
        (VlanProtocol::Dot1q, VlanFlags::empty()),
    ] {
        let mut options = kind::Vlan::default();
        (options.id, options.protocol, options.flags) = (7, protocol, Some(flags));
        options.ingress_qos = vec![(1, 5), (7, 9)];
        options.egress_qos = vec![(3, 6), (4, 1)];
        make(&mut handle, &Vlan::new("t0", "low", 7).options(|kind| *kind = options.clone()))?;
        let LinkKind::Vlan(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
        assert_eq!(*found, options);
        let said = ip_link("t0")?;
        agrees(
            &said,
            &[
                ("/linkinfo/info_data/id", json!(7)),
                ("/linkinfo/info_data/protocol", json!(protocol.to_string())),
                ("/linkinfo/info_data/ingress_qos", json!([{"from": 1, "to": 5}, {"from": 7, "to": 9}])),
                ("/linkinfo/info_data/egress_qos", json!([{"from": 3, "to": 6}, {"from": 4, "to": 1}])),
            ],
        );
        let shown: Vec<_> = flags.iter_names().map(|(name, _)| json!(name)).collect();
        let empty = json!([]);
        assert_eq!(said.pointer("/linkinfo/info_data/flags").unwrap_or(&empty), &json!(shown));
        handle.delete_link("t0")?;
    }
    Ok(())
}

fn a_vxlan_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    let said = comes_back!(handle, Vxlan, Vxlan::new("t0", 1).lower("low"), kind::Vxlan::default() => {
        id: 0xab_cdef, remote: ip("239.1.2.3"), local: ip("10.0.0.7"), ttl: 9, tos: 16, df: DontFragment::Set,
        learning: false, ageing: 1234, limit: 4321, port_range: (1000, 2000), port: 4790, proxy: true,
        rsc: true, l2miss: true, l3miss: true, udp_csum: true, udp_zero_csum6_tx: true,
        udp_zero_csum6_rx: true, remcsum_tx: true, remcsum_rx: true, remcsum_nopartial: true, gbp: true,
    } newer { localbypass: false, mc_route: true });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/id", json!(0xab_cdef)),
            ("/linkinfo/info_data/group", json!("239.1.2.3")),
            ("/linkinfo/info_data/local", json!("10.0.0.7")),
            ("/linkinfo/info_data/link", json!("low")),
            ("/linkinfo/info_data/ttl", json!(9)),
            ("/linkinfo/info_data/tos", json!("0x10")),
            ("/linkinfo/info_data/df", json!("set")),
            ("/linkinfo/info_data/learning", json!(false)),
            ("/linkinfo/info_data/ageing", json!(1234)),
            ("/linkinfo/info_data/limit", json!(4321)),
            ("/linkinfo/info_data/port", json!(4790)),
            ("/linkinfo/info_data/port_range", json!({"low": 1000, "high": 2000})),
            ("/linkinfo/info_data/proxy", json!(true)),
            ("/linkinfo/info_data/rsc", json!(true)),
            ("/linkinfo/info_data/l2miss", json!(true)),
            ("/linkinfo/info_data/l3miss", json!(true)),
            ("/linkinfo/info_data/udp_csum", json!(true)),
            ("/linkinfo/info_data/udp_zero_csum6_tx", json!(true)),
            ("/linkinfo/info_data/udp_zero_csum6_rx", json!(true)),
            ("/linkinfo/info_data/remcsum_tx", json!(true)),
            ("/linkinfo/info_data/remcsum_rx", json!(true)),
            ("/linkinfo/info_data/gbp", json!(true)),
        ],
    );
    comes_back!(handle, Vxlan, Vxlan::new("t0", 1), kind::Vxlan::default() => {
        collect_metadata: true, gpe: true, learning: false, udp_csum: false,
    } newer { vnifilter: true });
    comes_back!(handle, Vxlan, Vxlan::new("t0", 1), kind::Vxlan::default() => {
        id: 3, ttl_inherit: true, df: DontFragment::Inherit,
    } newer { reserved_bits: 0x0000_0001_0000_0080 });
    Ok(())
}

fn a_vxlan_in_ipv6_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    let said = comes_back!(handle, Vxlan, Vxlan::new("t0", 1).lower("low"), kind::Vxlan::default() => {
        id: 7, remote: ip("ff05::7"), local: ip("fd00::1"), label: 0x12345, udp_zero_csum6_tx: false,
    });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/group6", json!("ff05::7")),
            ("/linkinfo/info_data/local6", json!("fd00::1")),
            ("/linkinfo/info_data/label", json!("0x12345")),
        ],
    );
    comes_back!(handle, Vxlan, Vxlan::new("t0", 1).lower("low"), kind::Vxlan::default() => {
        id: 7, remote: ip("fd00::7"),
    } newer { label_policy: LabelPolicy::Inherit });
    Ok(())
}

fn a_vxlan_that_is_changed_keeps_the_rest() -> Outcome {
    let mut handle = with_low()?;
    make(&mut handle, &Vxlan::new("t0", 7).lower("low").remote(ip("10.0.0.2")).local(ip("10.0.0.1")))?;
    let mut change = kind::Vxlan::default();
    (change.ageing, change.learning) = (Some(77), Some(false));
    handle.change_kind("t0", &change)?;
    let LinkKind::Vxlan(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    assert_eq!((found.ageing, found.learning, found.id), (Some(77), Some(false), Some(7)));
    assert_eq!((found.remote, found.local), (Some(ip("10.0.0.2")), Some(ip("10.0.0.1"))));
    assert_eq!((found.port, found.link), (Some(4789), Some(handle.link("low")?.index)));
    change.id = Some(8);
    let error = handle.change_kind("t0", &change).unwrap_err();
    assert_eq!((error.kind(), error.kernel_text()), (ErrorKind::Unsupported, Some("Cannot change VNI")));
    Ok(())
}

fn a_geneve_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let new = || Geneve::new("t0", 1, ip("10.0.0.2"));
    let said = comes_back!(handle, Geneve, new(), kind::Geneve::default() => {
        id: 0x12_3456, remote: ip("10.0.0.9"), ttl: 7, tos: 8, df: DontFragment::Set, port: 6082,
        udp_csum: true, udp_zero_csum6_rx: true,
    } newer { inner_proto_inherit: true, port_range: (1000, 2000), local: ip("10.0.0.1"), gro_hint: true });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/id", json!(0x12_3456)),
            ("/linkinfo/info_data/remote", json!("10.0.0.9")),
            ("/linkinfo/info_data/ttl", json!(7)),
            ("/linkinfo/info_data/port", json!(6082)),
            ("/linkinfo/info_data/udp_csum", json!(true)),
        ],
    );
    comes_back!(handle, Geneve, new(), kind::Geneve::default() => {
        id: 5, remote: ip("fd00::9"), label: 0x54321, ttl_inherit: true, df: DontFragment::Inherit,
        udp_zero_csum6_tx: true,
    });
    comes_back!(handle, Geneve, Geneve::external("t0"), kind::Geneve::default() => { collect_metadata: true });
    Ok(())
}

fn a_gre_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    let index = handle.link("low")?.index;
    for tap in [false, true] {
        let mut base = kind::Gre::default();
        base.tap = tap;
        let said = comes_back!(handle, Gre, Gre::new("t0", ip("10.0.0.2")), base.clone() => {
            link: index, local: ip("10.0.0.1"), remote: ip("10.0.0.3"), ikey: 0x0102_0304, okey: 7,
            iflags: 0xa000, oflags: 0x3000, ttl: 9, tos: 8, pmtudisc: true, fwmark: 77,
            encap_type: TunnelEncap::None, encap_flags: 0, encap_sport: 0, encap_dport: 0, ignore_df: false,
        });
        agrees(
            &said,
            &[
                ("/linkinfo/info_kind", json!(if tap { "gretap" } else { "gre" })),
                ("/linkinfo/info_data/remote", json!("10.0.0.3")),
                ("/linkinfo/info_data/local", json!("10.0.0.1")),
                ("/linkinfo/info_data/ttl", json!(9)),
                ("/linkinfo/info_data/tos", json!("0x8")),
                ("/linkinfo/info_data/ikey", json!("1.2.3.4")),
                ("/linkinfo/info_data/okey", json!("0.0.0.7")),
                ("/linkinfo/info_data/icsum", json!(true)),
                ("/linkinfo/info_data/oseq", json!(true)),
                ("/linkinfo/info_data/fwmark", json!("0x4d")),
            ],
        );
    }
    make(&mut handle, &Gre::tap("t0", ip("10.0.0.2")).key(9).lower("low"))?;
    let LinkKind::Gre(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    assert_eq!(
        (found.ikey, found.okey, found.iflags, found.oflags),
        (Some(9), Some(9), Some(0x2000), Some(0x2000))
    );
    assert_eq!(found.link, Some(index));
    handle.delete_link("t0")?;
    let mut base = kind::Gre::default();
    base.tap = true;
    comes_back!(handle, Gre, Gre::new("t0", ip("10.0.0.2")), base => { remote: ip("10.0.0.2"), ignore_df: true, pmtudisc: false, ttl: 0 });
    let mut base = kind::Gre::default();
    base.tap = true;
    comes_back!(handle, Gre, Gre::new("t0", ip("10.0.0.2")), base => { collect_metadata: true });
    Ok(())
}

fn a_gre_in_ipv6_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    for tap in [false, true] {
        let mut base = kind::Gre::default();
        (base.tap, base.v6) = (tap, true);
        let said = comes_back!(handle, Gre, Gre::new("t0", ip("fd00::2")), base => {
            local: ip("fd00::1"), remote: ip("fd00::3"), ikey: 5, okey: 6, iflags: 0x2000, oflags: 0x2000,
            ttl: 9, encap_limit: 3, flowinfo: 0x12345, flags: 0x10, fwmark: 77,
        });
        agrees(
            &said,
            &[
                ("/linkinfo/info_kind", json!(if tap { "ip6gretap" } else { "ip6gre" })),
                ("/linkinfo/info_data/remote", json!("fd00::3")),
                ("/linkinfo/info_data/ttl", json!(9)),
                ("/linkinfo/info_data/encap_limit", json!(3)),
                ("/linkinfo/info_data/ikey", json!("0.0.0.5")),
            ],
        );
    }
    Ok(())
}

/// The kernel takes what isn't said of a tunnel as nothing: a change of the TTL took the key and the ends away.
fn a_tunnel_that_is_changed_keeps_the_rest() -> Outcome {
    let mut handle = with_low()?;
    let new = Gre::new("t0", ip("10.0.0.2")).local(ip("10.0.0.1")).key(9).lower("low");
    make(&mut handle, &new)?;
    let mut change = kind::Gre::default();
    change.ttl = Some(33);
    handle.change_kind("t0", &change)?;
    let LinkKind::Gre(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    assert_eq!((found.ttl, found.ikey, found.iflags), (Some(33), Some(9), Some(0x2000)));
    assert_eq!((found.remote, found.local), (Some(ip("10.0.0.2")), Some(ip("10.0.0.1"))));
    assert_eq!(found.link, Some(handle.link("low")?.index));
    Ok(())
}

/// A kind that is written by hand is the one that the kernel knows.
fn attributes_of_a_kind_are_written_and_read_raw() -> Outcome {
    const IFLA_BR_AGEING_TIME: u16 = 4;
    const IFLA_BR_PRIORITY: u16 = 6;
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&AnyLink::new("t0", "bridge").data(|data| {
        data.u32(IFLA_BR_AGEING_TIME, 6000);
        data.u16(IFLA_BR_PRIORITY, 4096);
    }))?;
    let priority = |handle: &mut Handle| -> Result<Option<u16>, Stop> {
        let Some(LinkKind::Bridge(bridge)) = handle.link("t0")?.kind else { panic!("it is no bridge") };
        assert_eq!(bridge.ageing_time, Some(6000));
        Ok(bridge.priority)
    };
    assert_eq!(priority(&mut handle)?, Some(4096));
    handle.change_kind("t0", &kind::Any::new("bridge").data(|data| data.u16(IFLA_BR_PRIORITY, 8192)))?;
    assert_eq!(priority(&mut handle)?, Some(8192));
    Ok(())
}

/// The hardware addresses of tunnels are those of their ends, and have four or sixteen bytes.
fn an_address_that_is_no_mac_is_read() -> Outcome {
    let mut handle = with_low()?;
    let link = handle.add_link(&IpTunnel::new("t0", IpTunnelForm::Ipip).options(|tunnel| {
        (tunnel.local, tunnel.remote) = (Some(ip("10.0.0.1")), Some(ip("10.0.0.3")));
    }));
    let link = match link {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error.to_string())),
        link => link?,
    };
    assert_eq!((link.mac, link.broadcast), (None, None));
    assert_eq!(link.long_address.as_deref(), Some(&[10, 0, 0, 1][..]));
    assert_eq!(link.long_broadcast.as_deref(), Some(&[10, 0, 0, 3][..]));
    agrees(&ip_link("t0")?, &[("/address", json!("10.0.0.1")), ("/broadcast", json!("10.0.0.3"))]);

    // One of many ends keeps its neighbours' ends as their hardware addresses.
    let many = handle.add_link(&Gre::new("t1", ip("0.0.0.0")).local(ip("10.0.0.1")).up());
    let many = match many {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error.to_string())),
        many => many?,
    };
    let mut neighbour = Neighbour::new(ip("192.0.2.9"));
    neighbour.long_address = Some(vec![10, 0, 0, 9]);
    handle.add_neighbour(&many, &neighbour)?;
    let found = handle.neighbour(&many, ip("192.0.2.9"))?;
    assert_eq!((found.mac, found.long_address), (None, neighbour.long_address));
    Ok(())
}

fn tunnels_of_ip_have_their_options() -> Outcome {
    let mut handle = with_low()?;
    let index = handle.link("low")?.index;
    for form in [IpTunnelForm::Ipip, IpTunnelForm::Sit] {
        let mut base = kind::IpTunnel::default();
        base.form = form;
        let said = comes_back!(handle, IpTunnel, IpTunnel::new("t0", form), base.clone() => {
            link: index, local: ip("10.0.0.1"), remote: ip("10.0.0.3"), ttl: 9, tos: 8, pmtudisc: true, proto: 0,
            fwmark: 77, encap_type: TunnelEncap::None, encap_flags: 0, encap_sport: 0, encap_dport: 0,
        });
        agrees(
            &said,
            &[
                ("/linkinfo/info_data/remote", json!("10.0.0.3")),
                ("/linkinfo/info_data/local", json!("10.0.0.1")),
                ("/linkinfo/info_data/ttl", json!(9)),
            ],
        );
    }
    let mut isatap = kind::IpTunnel::default();
    isatap.form = IpTunnelForm::Sit;
    comes_back!(handle, IpTunnel, IpTunnel::new("t0", IpTunnelForm::Sit), isatap => {
        isatap: true, local: ip("10.0.0.1"), proto: 41, ttl: 5, pmtudisc: true,
    });
    comes_back!(handle, IpTunnel, IpTunnel::new("t0", IpTunnelForm::Ipip), kind::IpTunnel::default() => {
        collect_metadata: true,
    });
    let mut six = kind::IpTunnel::default();
    six.form = IpTunnelForm::Ip6tnl;
    let said = comes_back!(handle, IpTunnel, IpTunnel::new("t0", IpTunnelForm::Ip6tnl), six => {
        local: ip("fd00::1"), remote: ip("fd00::2"), ttl: 9, encap_limit: 2, flowinfo: 0x54321, flags: 0x10,
        proto: 41, fwmark: 5,
    });
    agrees(
        &said,
        &[
            ("/linkinfo/info_kind", json!("ip6tnl")),
            ("/linkinfo/info_data/remote", json!("fd00::2")),
            ("/linkinfo/info_data/encap_limit", json!(2)),
        ],
    );
    Ok(())
}

fn a_vti_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    comes_back!(handle, Vti, Vti::new("t0", ip("10.0.0.2")), kind::Vti::default() => {
        local: ip("10.0.0.1"), remote: ip("10.0.0.3"), ikey: 5, okey: 6, fwmark: 77,
    });
    let mut six = kind::Vti::default();
    six.v6 = true;
    comes_back!(handle, Vti, Vti::new("t0", ip("fd00::2")), six => {
        local: ip("fd00::1"), remote: ip("fd00::3"), ikey: 5, okey: 6, fwmark: 77,
    });
    Ok(())
}

fn an_xfrm_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    let index = handle.link("low")?.index;
    let said = comes_back!(handle, Xfrm, Xfrm::new("t0", 1), kind::Xfrm::default() => {
        if_id: 0xffff_ff01, link: index,
    });
    agrees(&said, &[("/linkinfo/info_data/if_id", json!("0xffffff01")), ("/link", json!("low"))]);
    comes_back!(handle, Xfrm, Xfrm::new("t0", 1), kind::Xfrm::default() => {} newer { collect_metadata: true });
    make(&mut handle, &Xfrm::new("t0", 4).lower("low"))?;
    let mut change = kind::Xfrm::default();
    change.if_id = Some(5);
    handle.change_kind("t0", &change)?;
    let LinkKind::Xfrm(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    assert_eq!((found.if_id, found.link), (Some(5), Some(index)));
    Ok(())
}

fn a_vrf_has_its_table() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    for table in [10, 0xffff_fff0] {
        make(&mut handle, &Vrf::new("t0", table))?;
        let LinkKind::Vrf(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
        assert_eq!(found.table, table);
        agrees(&ip_link("t0")?, &[("/linkinfo/info_data/table", json!(table))]);
        handle.delete_link("t0")?;
    }
    Ok(())
}

fn a_bond_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let new = || Bond::new("t0", BondMode::ActiveBackup);
    let said = comes_back!(handle, Bond, new(), kind::Bond::default() => {
        mode: BondMode::ActiveBackup, miimon: 100, updelay: 200, downdelay: 300, peer_notif_delay: 400,
        use_carrier: true, primary_reselect: PrimaryReselect::Better, fail_over_mac: FailOverMac::Active,
        resend_igmp: 3, num_peer_notif: 4, all_slaves_active: true, min_links: 2,
    } newer { missed_max: 5 });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/mode", json!("active-backup")),
            ("/linkinfo/info_data/miimon", json!(100)),
            ("/linkinfo/info_data/updelay", json!(200)),
            ("/linkinfo/info_data/downdelay", json!(300)),
            ("/linkinfo/info_data/peer_notify_delay", json!(400)),
            ("/linkinfo/info_data/primary_reselect", json!("better")),
            ("/linkinfo/info_data/fail_over_mac", json!("active")),
            ("/linkinfo/info_data/resend_igmp", json!(3)),
            ("/linkinfo/info_data/num_peer_notif", json!(4)),
            ("/linkinfo/info_data/all_slaves_active", json!(1)),
            ("/linkinfo/info_data/min_links", json!(2)),
        ],
    );
    for mode in [BondMode::BalanceRr, BondMode::Broadcast] {
        let said = comes_back!(handle, Bond, new(), kind::Bond::default() => { mode: mode });
        agrees(&said, &[("/linkinfo/info_data/mode", json!(mode.to_string()))]);
    }
    comes_back!(handle, Bond, new(), kind::Bond::default() => {
        mode: BondMode::BalanceRr, packets_per_slave: 8,
    });
    comes_back!(handle, Bond, new(), kind::Bond::default() => {
        mode: BondMode::BalanceTlb, tlb_dynamic_lb: false, lp_interval: 7, miimon: 100,
    });
    comes_back!(handle, Bond, new(), kind::Bond::default() => { mode: BondMode::BalanceAlb, miimon: 50 });
    for hash in [
        XmitHashPolicy::Layer2,
        XmitHashPolicy::Layer34,
        XmitHashPolicy::Layer23,
        XmitHashPolicy::Encap23,
        XmitHashPolicy::Encap34,
        XmitHashPolicy::VlanSrcmac,
    ] {
        let said = comes_back!(handle, Bond, new(), kind::Bond::default() => {
            mode: BondMode::BalanceXor, xmit_hash_policy: hash,
        });
        agrees(&said, &[("/linkinfo/info_data/xmit_hash_policy", json!(hash.to_string()))]);
    }
    Ok(())
}

fn a_bond_by_lacp_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let new = || Bond::new("t0", BondMode::Lacp);
    let said = comes_back!(handle, Bond, new(), kind::Bond::default() => {
        mode: BondMode::Lacp, lacp_rate: LacpRate::Fast, ad_select: AdSelect::Count, miimon: 100,
    } newer { lacp_active: false, coupled_control: false, broadcast_neigh: true, lacp_strict: true });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/mode", json!("802.3ad")),
            ("/linkinfo/info_data/ad_lacp_rate", json!("fast")),
            ("/linkinfo/info_data/ad_select", json!("count")),
        ],
    );
    Ok(())
}

fn a_bond_by_lacp_tells_its_own_side_to_root() -> Outcome {
    root()?;
    netns()?;
    let mut handle = Handle::open()?;
    let new = || Bond::new("t0", BondMode::Lacp);
    let said = comes_back!(handle, Bond, new(), kind::Bond::default() => {
        mode: BondMode::Lacp, ad_actor_sys_prio: 1000, ad_user_port_key: 77,
        ad_actor_system: [2, 0, 0, 0, 0, 9].into(),
    });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/ad_actor_sys_prio", json!(1000)),
            ("/linkinfo/info_data/ad_user_port_key", json!(77)),
            ("/linkinfo/info_data/ad_actor_system", json!("02:00:00:00:00:09")),
        ],
    );
    Ok(())
}

fn a_bond_asks_its_neighbours() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let targets = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
    let said = comes_back!(handle, Bond, Bond::new("t0", BondMode::ActiveBackup), kind::Bond::default() => {
        mode: BondMode::ActiveBackup, arp_interval: 500, arp_ip_targets: targets.to_vec(),
        arp_validate: ArpValidate::FilterBackup, arp_all_targets: ArpAllTargets::All,
    } newer { ns_ip6_targets: vec![Ipv6Addr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])] });
    agrees(
        &said,
        &[
            ("/linkinfo/info_data/arp_interval", json!(500)),
            ("/linkinfo/info_data/arp_ip_target", json!(["10.0.0.1", "10.0.0.2"])),
            ("/linkinfo/info_data/arp_validate", json!("filter_backup")),
            ("/linkinfo/info_data/arp_all_targets", json!("all")),
        ],
    );
    Ok(())
}

fn a_netkit_has_its_options_and_its_peer_is_born_elsewhere() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let elsewhere = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    });
    let elsewhere = elsewhere.join().unwrap()?;
    for (mode, scrub) in [(NetkitMode::L2, NetkitScrub::None), (NetkitMode::L3, NetkitScrub::Default)] {
        let mut options = kind::Netkit::default();
        options.mode = Some(mode);
        options.policy = Some(NetkitPolicy::Blackhole);
        options.peer_policy = Some(NetkitPolicy::Forward);
        (options.scrub, options.peer_scrub) = (Some(scrub), Some(NetkitScrub::Default));
        (options.headroom, options.tailroom) = (Some(32), Some(16));
        let new = Netkit::new("t0").netkit(options.clone()).peer("eth0").peer_netns_fd(&elsewhere).mtu(1400);
        let pair = match handle.add_pair(&new) {
            Err(error) if is_unknown(&error) => return Err(ignored(error)),
            pair => pair?,
        };
        let LinkKind::Netkit(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
        assert_eq!(
            (found.mode, found.policy, found.peer_policy),
            (options.mode, options.policy, options.peer_policy)
        );
        assert_eq!(found.primary, Some(true));
        assert!(found.scrub.is_none_or(|found| Some(found) == options.scrub));
        assert!(found.peer_scrub.is_none_or(|found| Some(found) == options.peer_scrub));
        assert!(found.headroom.is_none_or(|room| room == 32) && found.tailroom.is_none_or(|room| room == 16));
        assert!(found.pairing.is_none_or(|pairing| pairing == kind::NetkitPairing::Pair));
        let peer = Handle::open_in(&elsewhere)?.link("eth0")?;
        assert_eq!((peer.index, peer.mtu, pair.host.mtu), (pair.peer_index, 1400, 1400));
        let Some(LinkKind::Netkit(peer)) = peer.kind else { panic!("another kind") };
        assert_eq!((peer.primary, peer.policy), (Some(false), Some(NetkitPolicy::Forward)));

        let mut change = kind::Netkit::default();
        change.policy = Some(NetkitPolicy::Forward);
        handle.change_kind("t0", &change)?;
        let LinkKind::Netkit(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
        assert_eq!((found.policy, found.mode), (change.policy, Some(mode)));
        change.mode = Some(NetkitMode::L2);
        let error = handle.change_kind("t0", &change).unwrap_err();
        assert_eq!(
            error.kernel_text(),
            Some("netkit link operating mode cannot be changed after device creation")
        );
        assert_eq!(error.attribute(), Some("IFLA_LINKINFO/IFLA_INFO_DATA/IFLA_NETKIT_MODE"));
        handle.delete_link("t0")?;
    }
    Ok(())
}

fn a_bareudp_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut options = kind::Bareudp::default();
    (options.port, options.ethertype) = (6635, 0x8847);
    (options.srcport_min, options.multiproto) = (Some(50_000), true);
    make(&mut handle, &Bareudp::new("t0", 1, 1).options(|kind| *kind = options.clone()))?;
    let LinkKind::Bareudp(found) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    assert_eq!(found, options);
    Ok(())
}

fn an_hsr_has_its_options() -> Outcome {
    let mut handle = with_low()?;
    handle.add_veth(&Veth::new("low2").peer("low2-peer"))?;
    let (one, two) = (handle.link("low")?.index, handle.link("low2")?.index);
    comes_back!(handle, Hsr, Hsr::new("t0", one, two), kind::Hsr::default() => {
        slave1: one, slave2: two, version: 1, protocol: HsrProtocol::Hsr,
    });
    Ok(())
}

fn plain_kinds_are_made_and_read() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    make(&mut handle, &Ifb::new("t0"))?;
    assert_eq!(kind_of(&mut handle, "t0")?, LinkKind::Ifb);
    handle.delete_link("t0")?;
    for (kind, read) in [
        ("dummy", LinkKind::Dummy),
        ("nlmon", LinkKind::Nlmon),
        ("team", LinkKind::Team),
        ("vcan", LinkKind::Vcan),
        ("wireguard", LinkKind::Wireguard),
    ] {
        match handle.add_link(&AnyLink::new("t0", kind)) {
            Err(error) if is_unknown(&error) => continue,
            made => drop(made?),
        }
        assert_eq!((kind_of(&mut handle, "t0")?.name(), &read), (kind, &kind_of(&mut handle, "t0")?));
        agrees(&ip_link("t0")?, &[("/linkinfo/info_kind", json!(kind))]);
        handle.delete_link("t0")?;
    }
    make(&mut handle, &Dummy::new("t0"))?;
    make(&mut handle, &Nlmon::new("t2"))?;
    make(&mut handle, &Team::new("t3"))?;
    make(&mut handle, &Wireguard::new("t1"))?;
    assert_eq!(kind_of(&mut handle, "t1")?, LinkKind::Wireguard);
    Ok(())
}

fn a_vxcan_is_a_pair() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let pair = match handle.add_pair(&Vxcan::new("t0").peer("t1")) {
        Err(error) if is_unknown(&error) => return Err(ignored(error)),
        pair => pair?,
    };
    assert_eq!(handle.link("t1")?.index, pair.peer_index);
    assert_eq!(kind_of(&mut handle, "t1")?, LinkKind::Vxcan);
    Ok(())
}

/// Whatever the kernel tells of a new link it takes back, of this link and of another one.
fn what_is_read_can_be_written_again() -> Outcome {
    let mut handle = with_low()?;
    handle.add_link(&Bridge::new("t0"))?;
    let LinkKind::Bridge(bridge) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
    handle.change_kind("t0", &*bridge)?;
    handle.add_link(&Bridge::new("t1").options(|kind| *kind = (*bridge).clone()))?;
    let LinkKind::Bridge(again) = kind_of(&mut handle, "t1")? else { panic!("another kind") };
    assert_eq!((again.ageing_time, again.mcast_hash_max), (bridge.ageing_time, bridge.mcast_hash_max));

    make(&mut handle, &Macvlan::new("t2", "low").mode(MacvlanMode::Bridge))?;
    let LinkKind::Macvlan(macvlan) = kind_of(&mut handle, "t2")? else { panic!("another kind") };
    handle.change_kind("t2", &*macvlan)?;
    handle.add_link(&Macvlan::new("t3", "low").options(|kind| *kind = (*macvlan).clone()))?;
    assert_eq!(kind_of(&mut handle, "t3")?, LinkKind::Macvlan(macvlan));

    make(&mut handle, &Gre::new("t4", ip("10.0.0.2")).key(3))?;
    let LinkKind::Gre(gre) = kind_of(&mut handle, "t4")? else { panic!("another kind") };
    handle.change_kind("t4", &*gre)?;
    assert_eq!(kind_of(&mut handle, "t4")?, LinkKind::Gre(gre));
    Ok(())
}

fn what_the_kernel_would_take_otherwise_is_refused() -> Outcome {
    let mut handle = with_low()?;
    let mut told = Vec::new();
    let mut vlan = kind::Vlan::default();
    vlan.egress_qos = vec![(1, 8)];
    told.push(handle.add_link(&Vlan::new("t0", "low", 1).options(|kind| *kind = vlan)));
    told.push(handle.add_link(&Vlan::new("t0", "low", 4095)));
    told.push(handle.add_link(&Vxlan::new("t0", 0x100_0000)));
    told.push(handle.add_link(&Vxlan::new("t0", 1).local(ip("::1")).remote(ip("10.0.0.1"))));
    told.push(handle.add_link(&Gre::new("t0", ip("10.0.0.1")).local(ip("::1"))));
    told.push(handle.add_link(&IpTunnel::new("t0", IpTunnelForm::Sit).local(ip("::1"))));
    told.push(handle.add_link(&Vrf::new("t0", 0)));
    told.push(handle.add_link(&Xfrm::new("t0", 0)));
    told.push(handle.add_link(&Hsr::new("t0", 3, 3)));
    let mut bridge = kind::Bridge::default();
    bridge.group_fwd_mask = Some(1);
    told.push(handle.add_link(&Bridge::new("t0").options(|kind| *kind = bridge)));
    for (place, result) in told.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None), "{place}: {error}");
    }
    Ok(())
}

fn a_refused_mtu_of_a_new_link_tells_the_range() -> Outcome {
    let mut handle = with_low()?;
    let line = |error: netlink::Error| {
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, Some(22)), "{error}");
        error.to_string()
    };
    let told = line(handle.add_link(&Bridge::new("t0").mtu(70_000_000)).unwrap_err());
    assert!(told.contains("mtu greater than device maximum (68 to 65535 are allowed)"), "{told}");
    // Of a veth the kernel says nothing.
    let error = handle.add_veth(&Veth::new("t0").peer("t1").mtu(7)).unwrap_err();
    assert_eq!(error.to_string(), "create veth pair \"t0\" and \"t1\": its MTU is 68 to 65535, not 7");
    // The same as the kernel says of one that there is.
    for kind in ["veth", "bond", "netkit", "bridge"] {
        let Ok(made) = handle.add_link(&AnyLink::new("t0", kind)) else { continue };
        let range = format!("{} to {}", made.min_mtu.unwrap_or(0), made.max_mtu.unwrap_or(0));
        handle.delete_link("t0")?;
        let told = handle.add_link(&AnyLink::new("t0", kind).mtu(i32::MAX as u32)).unwrap_err().to_string();
        assert!(told.contains(&range), "{kind}: {range}: {told}");
    }
    Ok(())
}

fn an_mtu_above_that_of_the_link_below_is_told() -> Outcome {
    let mut handle = with_low()?;
    let error = handle.add_link(&Macvlan::new("t0", "low").mtu(9000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "create macvlan \"t0\": its MTU can't be above that of \"low\", which is 1500"
    );
    Ok(())
}

fn a_refused_option_is_named() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut vxlan = kind::Vxlan::default();
    (vxlan.id, vxlan.label_policy) = (Some(1), Some(LabelPolicy::Other(9)));
    if let Err(error) = handle.add_link(&Vxlan::new("t0", 1).options(|kind| *kind = vxlan)) {
        assert_eq!(
            error.attribute(),
            Some("IFLA_LINKINFO/IFLA_INFO_DATA/IFLA_VXLAN_LABEL_POLICY"),
            "{error}"
        );
        assert!(error.to_string().contains("0 to 1 are allowed"), "{error}");
    } else {
        // A kernel before Linux 6.7 doesn't know the attribute.
        let LinkKind::Vxlan(vxlan) = kind_of(&mut handle, "t0")? else { panic!("another kind") };
        assert_eq!(vxlan.label_policy, None);
    }
    let error = handle.add_link(&AnyLink::new("t0", "nosuchkind")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "create link \"t0\" of kind \"nosuchkind\": Unknown device type: \
         Operation not supported (os error 95)"
    );
    Ok(())
}

fn options_of_another_kind_are_told() -> Outcome {
    let mut handle = with_low()?;
    let mut macvlan = kind::Macvlan::default();
    macvlan.mode = Some(MacvlanMode::Bridge);
    let error = handle.change_kind("low", &macvlan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("the link is of another kind"), "{error}");
    Ok(())
}
