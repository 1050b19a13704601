//! Ports: all that a master has to say of them goes to the kernel and comes back the same, and iproute2 agrees.

#[path = "common/oracle.rs"]
mod oracle;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::kind::BondMode;
use netlink::port::{MiiStatus, MulticastRouter, PortState};
use netlink::{Bond, BondPort, Bridge, BridgePort, ErrorKind, Handle, LinkChange, LinkKind, Port, Veth, Vrf};
use oracle::{agrees, ip_link};
use serde_json::json;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_bridge_port_has_its_options,
        a_bridge_port_switches_are_switched_off_and_on,
        a_bridge_port_that_is_up_has_a_state,
        a_bridge_port_has_a_backup,
        a_bridge_port_tells_of_its_bridge,
        a_bond_port_has_its_options,
        a_vrf_port_tells_its_table,
        options_of_another_kind_of_port_are_refused,
        what_is_no_port_is_told,
        what_the_kernel_would_cut_is_refused,
        ports_are_changed_in_a_batch,
    ])
}

/// A bridge `br0` with the port `v0`.
fn bridged() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("br0").up())?;
    handle.add_veth(&Veth::new("v0").peer("v0-peer").master("br0"))?;
    Ok(handle)
}

fn port_of(handle: &mut Handle, name: &str) -> Result<BridgePort, Stop> {
    match handle.link(name)?.port {
        Some(Port::Bridge(port)) => Ok(*port),
        other => panic!("{other:?}"),
    }
}

/// Sets each, and compares each with what the kernel says; what is newer than Linux 5.10 may not come back at all.
macro_rules! comes_back {
    (
        $handle:ident, $read:expr, $port:ty => { $($field:ident: $value:expr),* $(,)? }
        $(newer { $($recent:ident: $later:expr),+ $(,)? })?
    ) => {{
        let mut port = <$port>::default();
        $(port.$field = Some($value);)*
        $($(port.$recent = Some($later);)+)?
        $handle.change_port("v0", &port)?;
        let found = $read;
        $(assert_eq!(found.$field, port.$field, stringify!($field));)*
        $($(if found.$recent.is_some() {
            assert_eq!(found.$recent, port.$recent, stringify!($recent));
        })+)?
    }};
}

fn a_bridge_port_has_its_options() -> Outcome {
    let mut handle = bridged()?;
    comes_back!(handle, port_of(&mut handle, "v0")?, BridgePort => {
        priority: 9, cost: 77, hairpin: true, guard: true, root_block: true, fast_leave: true, learning: false,
        flood: false, mcast_flood: false, bcast_flood: false, mcast_to_unicast: true,
        mcast_router: MulticastRouter::Permanent, mcast_eht_hosts_limit: 99, proxy_arp: true,
        proxy_arp_wifi: true, vlan_tunnel: true, group_fwd_mask: 0x4009, neigh_suppress: true, isolated: true,
    } newer { mcast_max_groups: 12, locked: true, neigh_vlan_suppress: true, neigh_forward_grat: true });
    agrees(
        &ip_link("v0")?,
        &[
            ("/linkinfo/info_slave_kind", json!("bridge")),
            ("/linkinfo/info_slave_data/priority", json!(9)),
            ("/linkinfo/info_slave_data/cost", json!(77)),
            ("/linkinfo/info_slave_data/hairpin", json!(true)),
            ("/linkinfo/info_slave_data/guard", json!(true)),
            ("/linkinfo/info_slave_data/root_block", json!(true)),
            ("/linkinfo/info_slave_data/fastleave", json!(true)),
            ("/linkinfo/info_slave_data/learning", json!(false)),
            ("/linkinfo/info_slave_data/flood", json!(false)),
            ("/linkinfo/info_slave_data/mcast_flood", json!(false)),
            ("/linkinfo/info_slave_data/bcast_flood", json!(false)),
            ("/linkinfo/info_slave_data/mcast_to_unicast", json!(true)),
            ("/linkinfo/info_slave_data/multicast_router", json!(2)),
            ("/linkinfo/info_slave_data/proxy_arp", json!(true)),
            ("/linkinfo/info_slave_data/proxy_arp_wifi", json!(true)),
            ("/linkinfo/info_slave_data/vlan_tunnel", json!(true)),
            ("/linkinfo/info_slave_data/group_fwd_mask", json!("0x4009")),
            ("/linkinfo/info_slave_data/neigh_suppress", json!(true)),
            ("/linkinfo/info_slave_data/isolated", json!(true)),
        ],
    );
    Ok(())
}

fn a_bridge_port_switches_are_switched_off_and_on() -> Outcome {
    let mut handle = bridged()?;
    for on in [true, false, true] {
        comes_back!(handle, port_of(&mut handle, "v0")?, BridgePort => {
            hairpin: on, guard: !on, root_block: on, learning: on, flood: !on, mcast_flood: on, bcast_flood: !on,
            neigh_suppress: on, isolated: !on, vlan_tunnel: on, fast_leave: !on, mcast_to_unicast: on,
        } newer { locked: on });
        // The rest stays.
        comes_back!(handle, port_of(&mut handle, "v0")?, BridgePort => { cost: 5 });
        assert_eq!(port_of(&mut handle, "v0")?.hairpin, Some(on));
    }
    // A locked port may note unknown addresses.
    comes_back!(handle, port_of(&mut handle, "v0")?, BridgePort => { learning: true } newer { locked: true, mab: true });
    Ok(())
}

fn a_bridge_port_that_is_up_has_a_state() -> Outcome {
    let mut handle = bridged()?;
    let mut port = BridgePort::default();
    port.state = Some(PortState::Learning);
    let error = handle.change_port("v0", &port).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(100), "{error}");
    assert!(error.to_string().contains("has no carrier, or is down"), "{error}");
    handle.set_up("v0")?;
    handle.set_up("v0-peer")?;
    for state in [PortState::Listening, PortState::Learning, PortState::Forwarding] {
        comes_back!(handle, port_of(&mut handle, "v0")?, BridgePort => { state: state });
        agrees(&ip_link("v0")?, &[("/linkinfo/info_slave_data/state", json!(state.to_string()))]);
    }
    let mut port = BridgePort::default();
    port.flush = Some(true);
    handle.change_port("v0", &port)?;
    Ok(())
}

fn a_bridge_port_has_a_backup() -> Outcome {
    let mut handle = bridged()?;
    handle.add_veth(&Veth::new("v1").peer("v1-peer").master("br0"))?;
    let backup = handle.link("v1")?.index;
    comes_back!(handle, port_of(&mut handle, "v0")?, BridgePort => { backup_port: backup } newer { backup_nhid: 7 });
    agrees(&ip_link("v0")?, &[("/linkinfo/info_slave_data/backup_port", json!("v1"))]);
    let mut port = BridgePort::default();
    (port.backup_port, port.backup_nhid) = (Some(0), Some(0));
    handle.change_port("v0", &port)?;
    let found = port_of(&mut handle, "v0")?;
    assert_eq!((found.backup_port, found.backup_nhid), (None, None));
    Ok(())
}

fn a_bridge_port_tells_of_its_bridge() -> Outcome {
    let mut handle = bridged()?;
    let port = port_of(&mut handle, "v0")?;
    assert_eq!((port.number, port.id), (Some(1), Some(0x8001)));
    assert_eq!(port.root_id, port.bridge_id);
    let bridge = port.bridge_id.unwrap();
    assert_eq!((Some(bridge.mac), bridge.priority), (handle.link("br0")?.mac, 0x8000));
    assert_eq!((port.designated_port, port.designated_cost), (Some(0x8001), Some(0)));
    assert_eq!((port.topology_change_ack, port.config_pending), (Some(false), Some(false)));
    assert!(
        port.message_age_timer.is_some() && port.forward_delay_timer.is_some() && port.hold_timer.is_some()
    );
    assert_eq!((port.mrp_ring_open, port.mrp_in_open), (Some(false), Some(false)));
    assert!(port.mcast_eht_hosts_count.is_none_or(|hosts| hosts == 0));
    assert!(port.mcast_n_groups.is_none_or(|groups| groups < 10));
    agrees(
        &ip_link("v0")?,
        &[
            ("/linkinfo/info_slave_data/bridge_id", json!(bridge.to_string())),
            ("/linkinfo/info_slave_data/root_id", json!(bridge.to_string())),
            ("/linkinfo/info_slave_data/no", json!("0x1")),
            ("/linkinfo/info_slave_data/id", json!("0x8001")),
        ],
    );
    Ok(())
}

fn a_bond_port_has_its_options() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    match handle.add_link(&Bond::new("bond0", BondMode::ActiveBackup).queues(4, 4)) {
        Err(error) if error.kernel_text() == Some("Unknown device type") => return Err(ignored(error)),
        made => drop(made?),
    }
    handle.add_veth(&Veth::new("v0").peer("v0-peer"))?;
    let mac = handle.link("v0")?.mac;
    handle.set_master("v0", "bond0")?;
    // A port that is preferred, and in use.
    handle.set_up("bond0")?;
    handle.set_up("v0-peer")?;
    let mut bond = netlink::kind::Bond::default();
    (bond.primary, bond.active_slave) = (Some(handle.link("v0")?.index), Some(handle.link("v0")?.index));
    handle.change_kind("bond0", &bond)?;
    let Some(LinkKind::Bond(found)) = handle.link("bond0")?.kind else { panic!("another kind") };
    assert_eq!((found.primary, found.active_slave), (bond.primary, bond.active_slave));
    agrees(&ip_link("bond0")?, &[("/linkinfo/info_data/primary", json!("v0"))]);
    let read = |handle: &mut Handle| match handle.link("v0").unwrap().port {
        Some(Port::Bond(port)) => *port,
        other => panic!("{other:?}"),
    };
    comes_back!(handle, read(&mut handle), BondPort => { queue_id: 3 } newer { prio: -7 });
    let port = read(&mut handle);
    assert_eq!((port.perm_hwaddr, port.link_failure_count), (mac, Some(0)));
    assert!(port.mii_status.is_some_and(|status| !matches!(status, MiiStatus::Other(_))));
    assert!(port.backup.is_some());
    agrees(
        &ip_link("v0")?,
        &[
            ("/linkinfo/info_slave_kind", json!("bond")),
            ("/linkinfo/info_slave_data/queue_id", json!(3)),
            ("/linkinfo/info_slave_data/link_failure_count", json!(0)),
            ("/linkinfo/info_slave_data/perm_hwaddr", json!(mac.unwrap().to_string())),
        ],
    );
    handle.delete_link("bond0")?;

    handle.add_link(&Bond::new("bond0", BondMode::Lacp))?;
    handle.change_link("v0", &LinkChange::new().up(false))?;
    handle.set_master("v0", "bond0")?;
    ["bond0", "v0", "v0-peer"].iter().try_for_each(|link| handle.set_up(*link))?;
    // The other side is looked for now and then.
    let found = (0..300).find_map(|_| {
        thread::sleep(Duration::from_millis(100));
        let Some(LinkKind::Bond(bond)) = handle.link("bond0").ok()?.kind else { panic!("another kind") };
        bond.ad_info.zip(Some(read(&mut handle)).filter(|port| port.ad_aggregator_id.is_some()))
    });
    let (info, port) = found.expect("no aggregator");
    assert_eq!((info.num_ports, info.partner_mac), (1, Some([0; 6].into())));
    assert_eq!(Some(info.aggregator), port.ad_aggregator_id);
    assert!(port.ad_aggregator_id.is_some() && port.ad_actor_oper_port_state.is_some());
    assert!(port.ad_partner_oper_port_state.is_some());
    comes_back!(handle, read(&mut handle), BondPort => {} newer { actor_port_prio: 77 });
    Ok(())
}

fn a_vrf_port_tells_its_table() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    match handle.add_link(&Vrf::new("vrf0", 77)) {
        Err(error) if error.kernel_text() == Some("Unknown device type") => return Err(ignored(error)),
        made => drop(made?),
    }
    handle.add_veth(&Veth::new("v0").peer("v0-peer").master("vrf0"))?;
    assert_eq!(handle.link("v0")?.port, Some(Port::Vrf { table: Some(77) }));
    agrees(&ip_link("v0")?, &[("/linkinfo/info_slave_data/table", json!(77))]);
    Ok(())
}

/// The kernel doesn't look at the kind that is named: a bond's queue became a bridge's guard.
fn options_of_another_kind_of_port_are_refused() -> Outcome {
    let mut handle = bridged()?;
    let mut port = BondPort::default();
    port.queue_id = Some(1);
    let before = port_of(&mut handle, "v0")?;
    let error = handle.change_port("v0", &port).unwrap_err();
    assert_eq!(error.to_string(), "change bond port link \"v0\": it is a port of a bridge");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(port_of(&mut handle, "v0")?.guard, before.guard);
    Ok(())
}

fn what_is_no_port_is_told() -> Outcome {
    let mut handle = bridged()?;
    let error = handle.change_port("br0", &BridgePort::default()).unwrap_err();
    assert_eq!(error.to_string(), "change bridge port link \"br0\": it is no port");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(handle.link("br0")?.port, None);
    let error = handle.change_port("nosuchlink", &BridgePort::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

fn what_the_kernel_would_cut_is_refused() -> Outcome {
    let mut handle = bridged()?;
    let mut ports = [(); 4].map(|()| BridgePort::default());
    ports[0].priority = Some(64);
    ports[1].cost = Some(0);
    ports[2].group_fwd_mask = Some(2);
    ports[3].mcast_eht_hosts_limit = Some(0);
    for port in ports {
        let error = handle.change_port("v0", &port).unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None), "{error}");
    }
    Ok(())
}

fn ports_are_changed_in_a_batch() -> Outcome {
    let mut handle = bridged()?;
    let mut port = BridgePort::default();
    port.isolated = Some(true);
    let mut batch = handle.batch();
    batch.change_port("v0", &port).change_port("v0-peer", &port);
    let results = batch.send();
    assert!(results[0].is_ok(), "{results:?}");
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(
        error.to_string(),
        "change bridge port link \"v0-peer\": it is no port, or its master can't do it: \
         Operation not supported (os error 95)"
    );
    assert_eq!(port_of(&mut handle, "v0")?.isolated, Some(true));
    Ok(())
}
