//! Neighbours, and what bridges and VXLAN links know: what is sent to the kernel comes back the same, and iproute2
//! agrees. Each test in a network namespace of its own.

mod common;

use std::process::{Command, ExitCode};
use std::time::Duration;

use common::{connected, ip};
use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::port::{MulticastRouter, PortState};
use netlink::{
    Bridge, BridgeVlan, BridgeVlanFlags, ErrorKind, Family, FdbEntry, FdbFilter, FdbFlush, Handle, Link,
    MacAddress, MdbEntry, MdbFilter, MdbMode, Neighbour, NeighbourFilter, NeighbourFlags, NeighbourState,
    NeighbourTable, NexthopObject, Veth, VlanFilter, VlanOptions, VlanTunnel, VniEntry,
};
use serde_json::Value;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        neighbours_come_back_and_ip_agrees,
        neighbours_are_added_replaced_changed_and_deleted,
        neighbours_are_filtered,
        proxies_are_listed_apart,
        the_kernel_asks_for_a_managed_neighbour,
        tables_of_neighbours_are_read_and_changed,
        a_bridges_addresses_come_back_and_bridge_agrees,
        a_vxlans_addresses_come_back_with_all_they_have,
        addresses_are_flushed,
        a_link_without_addresses_is_told,
        vlans_come_back_and_bridge_agrees,
        options_of_vlans_come_back_and_bridge_agrees,
        vlans_go_through_tunnels,
        vlans_that_can_not_be_are_told,
        groups_come_back_and_bridge_agrees,
        groups_with_senders_come_back,
        networks_of_a_vxlan_come_back,
        batches_tell_what_failed,
    ])
}

fn mac(last: u8) -> MacAddress {
    [2, 0, 0, 0, 7, last].into()
}

/// A bridge that is up, with two ports: `v0` and `w0`.
fn bridged() -> Result<(Handle, Link, Link), Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    let bridge = handle.add_link(&Bridge::new("br0").random_mac())?;
    for (name, peer) in [("v0", "v1"), ("w0", "w1")] {
        handle.add_veth(&Veth::new(name).peer(peer).master(&bridge))?;
        handle.set_up(name)?;
        handle.set_up(peer)?;
    }
    handle.set_up("br0")?;
    let port = handle.link("v0")?;
    Ok((handle, bridge, port))
}

fn run(program: &str, arguments: &str) -> Result<std::process::Output, Stop> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    output.map_err(|_| ignored("there is no iproute2"))
}

/// What an iproute2 command says in this namespace.
fn json(program: &str, arguments: &str) -> Result<Vec<Value>, Stop> {
    let output = run(program, &format!("-json -d {arguments}"))?;
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn vxlan(handle: &mut Handle, options: &str) -> Result<Link, Stop> {
    let output = run("ip", &format!("link add vx0 type vxlan dstport 4789 {options}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ignored(format!("no such VXLAN here: {why}")));
    }
    handle.set_up("vx0")?;
    Ok(handle.link("vx0")?)
}

/// Without what is the kernel's to say.
fn plain(mut neighbour: Neighbour) -> Neighbour {
    (neighbour.times, neighbour.probes) = (None, None);
    neighbour
}

fn neighbours_come_back_and_ip_agrees() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut all = vec![
        Neighbour::new(ip("10.0.0.7")).mac(mac(1)),
        Neighbour::new(ip("10.0.0.8")).mac(mac(2)).state(NeighbourState::NOARP),
        Neighbour::new(ip("10.0.0.9")).mac(mac(3)).state(NeighbourState::STALE),
        Neighbour::new(ip("fe80::7")).mac(mac(4)),
    ];
    (all[0].protocol, all[3].flags) = (Some(42), NeighbourFlags::ROUTER);
    let mut learned = Neighbour::new(ip("10.0.0.10")).mac(mac(5)).state(NeighbourState::STALE);
    learned.flags = NeighbourFlags::EXT_LEARNED;
    all.push(learned);
    for neighbour in &mut all {
        handle.add_neighbour("v0", neighbour)?;
        neighbour.index = link.index;
        let found = handle.neighbour("v0", neighbour.address)?;
        assert!(found.times.is_some());
        assert_eq!(plain(found), *neighbour);
        assert!(handle.neighbours()?.into_iter().map(plain).any(|one| one == *neighbour));
    }
    let told = json("ip", "neigh show nud all dev v0")?;
    let told = |address: &str| told.iter().find(|one| one["dst"] == address).cloned().unwrap();
    assert_eq!(
        (&told("10.0.0.7")["lladdr"], &told("10.0.0.7")["state"][0]),
        (&"02:00:00:00:07:01".into(), &"PERMANENT".into())
    );
    assert_eq!(told("10.0.0.8")["state"][0], "NOARP");
    assert_eq!(told("10.0.0.9")["state"][0], "STALE");
    assert!(told("fe80::7").get("router").is_some());
    assert!(told("10.0.0.10").get("extern_learn").is_some());
    assert_eq!(told("10.0.0.7")["protocol"], "babel");
    Ok(())
}

fn neighbours_are_added_replaced_changed_and_deleted() -> Outcome {
    let (mut handle, _) = connected()?;
    let neighbour = |last| Neighbour::new(ip("10.0.0.7")).mac(mac(last));
    let error = handle.change_neighbour("v0", &neighbour(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().starts_with("change neighbour 10.0.0.7 lladdr 02:00:00:00:07:01 on link \"v0\": "),
        "{error}"
    );
    handle.add_neighbour("v0", &neighbour(1))?;
    assert_eq!(handle.add_neighbour("v0", &neighbour(2)).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let known = |handle: &mut Handle| -> Result<_, Stop> { Ok(handle.neighbour("v0", ip("10.0.0.7"))?.mac) };
    handle.append_neighbour("v0", &neighbour(2).state(NeighbourState::STALE))?;
    assert_eq!(known(&mut handle)?, Some(mac(1)));
    handle.change_neighbour("v0", &neighbour(3))?;
    assert_eq!(known(&mut handle)?, Some(mac(3)));
    handle.replace_neighbour("v0", &neighbour(4))?;
    assert_eq!(known(&mut handle)?, Some(mac(4)));
    handle.delete_neighbour("v0", &neighbour(4))?;
    let gone = handle.neighbours()?.into_iter().find(|one| one.address == ip("10.0.0.7"));
    assert!(gone.is_none_or(|gone| gone.state == NeighbourState::FAILED));
    let error = handle.delete_neighbour("v0", &Neighbour::new(ip("10.0.0.99"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = handle.add_neighbour("none", &neighbour(1)).unwrap_err();
    assert!(error.to_string().contains("there is no link \"none\""), "{error}");
    let bare = handle.add_neighbour("v0", &Neighbour::new(ip("10.0.0.8"))).unwrap_err();
    assert!(bare.to_string().contains("it has no hardware address"), "{bare}");
    Ok(())
}

fn neighbours_are_filtered() -> Outcome {
    let (mut handle, bridge, port) = bridged()?;
    for (link, address) in [("v0", "10.0.0.7"), ("w1", "10.0.0.8"), ("v0", "fd00::7")] {
        handle.add_neighbour(link, &Neighbour::new(ip(address)).mac(mac(1)))?;
    }
    handle.add_neighbour("v0", &Neighbour::new(ip("10.0.0.9")).mac(mac(2)).state(NeighbourState::NOARP))?;
    let count = |handle: &mut Handle, set: &dyn Fn(&mut NeighbourFilter)| -> Result<usize, Stop> {
        let mut filter = NeighbourFilter::default();
        filter.state = NeighbourState::PERMANENT;
        set(&mut filter);
        let listed = handle.list_neighbours(filter)?;
        assert_eq!(handle.dump_neighbours(filter)?.count(), listed.len());
        Ok(listed.len())
    };
    assert_eq!(count(&mut handle, &|_| {})?, 3);
    assert_eq!(count(&mut handle, &|filter| filter.index = Some(port.index))?, 2);
    assert_eq!(count(&mut handle, &|filter| filter.family = Some(Family::Ipv6))?, 1);
    assert_eq!(count(&mut handle, &|filter| filter.master = Some(bridge.index))?, 2);
    Ok(())
}

fn proxies_are_listed_apart() -> Outcome {
    let (mut handle, link) = connected()?;
    for address in ["10.0.0.50", "fe80::50"] {
        let mut proxy = Neighbour::proxy(ip(address));
        handle.add_neighbour("v0", &proxy)?;
        let mut filter = NeighbourFilter::default();
        (filter.proxies, filter.family) = (true, Some(Family::of(proxy.address)));
        proxy.index = link.index;
        let mut found = handle.list_neighbours(filter)?;
        assert_eq!(found.len(), 1);
        found[0].state = NeighbourState::empty();
        assert_eq!(plain(found.remove(0)), proxy);
        assert!(handle.neighbours()?.iter().all(|one| one.address != proxy.address));
        assert_eq!(json("ip", "neigh show proxy")?.len(), 1);
        handle.delete_neighbour("v0", &proxy)?;
        assert_eq!(handle.list_neighbours(filter)?, []);
        assert_eq!(handle.delete_neighbour("v0", &proxy).unwrap_err().kind(), ErrorKind::NotFound);
    }
    Ok(())
}

fn the_kernel_asks_for_a_managed_neighbour() -> Outcome {
    let (mut handle, _) = connected()?;
    handle.add_neighbour("v0", &Neighbour::managed(ip("10.0.0.60")))?;
    let found = handle.neighbour("v0", ip("10.0.0.60"))?;
    assert!(found.flags.contains(NeighbourFlags::MANAGED), "{found:?}");
    let told = json("ip", "neigh show 10.0.0.60")?;
    assert!(told[0].get("managed").is_some(), "{told:?}");
    Ok(())
}

fn tables_of_neighbours_are_read_and_changed() -> Outcome {
    let (mut handle, link) = connected()?;
    for mut change in [NeighbourTable::v4(link.index), NeighbourTable::v6(link.index)] {
        change.base_reachable = Some(Duration::from_secs(45));
        change.retransmit = Some(Duration::from_millis(1500));
        change.stale = Some(Duration::from_secs(90));
        change.delay_probe = Some(Duration::from_secs(7));
        (change.app_probes, change.unicast_probes) = (Some(1), Some(4));
        (change.multicast_probes, change.multicast_reprobes) = (Some(5), Some(2));
        change.anycast_delay = Some(Duration::from_millis(900));
        change.proxy_delay = Some(Duration::from_millis(800));
        (change.proxy_queue, change.lock) = (Some(65), Some(Duration::from_millis(700)));
        change.queue_bytes = Some(100_000);
        handle.change_neighbour_table(&change)?;
        let same = |table: &NeighbourTable| table.name == change.name && table.index == change.index;
        let mut found = handle.neighbour_tables()?.into_iter().find(same).unwrap();
        assert!(found.reachable.take().is_some());
        // It counts packets of a size of its own.
        let bytes = found.queue_bytes.take().unwrap();
        assert!((90_000..=110_000).contains(&bytes), "{bytes}");
        change.queue_bytes = None;
        assert_eq!(found, change);
    }
    let told = json("ip", "ntable show dev v0 name arp_cache")?;
    assert_eq!((&told[0]["base_reachable"], &told[0]["retrans"]), (&45_000.into(), &1500.into()), "{told:?}");
    let error = handle.change_neighbour_table(&NeighbourTable::v4(60_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_bridges_addresses_come_back_and_bridge_agrees() -> Outcome {
    let (mut handle, bridge, port) = bridged()?;
    let mut sticky = FdbEntry::of_bridge(mac(3));
    sticky.flags |= NeighbourFlags::STICKY;
    let mut learned = FdbEntry::of_bridge(mac(4)).state(NeighbourState::REACHABLE);
    learned.flags |= NeighbourFlags::EXT_LEARNED;
    let entries = [
        FdbEntry::of_bridge(mac(1)),
        FdbEntry::of_bridge(mac(2)).state(NeighbourState::PERMANENT),
        sticky,
        learned,
        FdbEntry::of_bridge(mac(5)).vlan(10),
    ];
    for entry in &entries {
        if entry.vlan.is_some() && handle.add_vlans("v0", &BridgeVlan::new(10)).is_err() {
            continue;
        }
        handle.add_fdb("v0", entry)?;
        let mut filter = FdbFilter::default();
        (filter.mac, filter.index) = (Some(entry.mac), Some(port.index));
        let mut found = handle.list_fdb(filter)?;
        // Where the bridge has VLANs, it is in each of them too.
        found.retain(|found| found.vlan == entry.vlan);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = found.remove(0);
        assert_eq!((found.index, found.master, found.vlan), (port.index, Some(bridge.index), entry.vlan));
        assert_eq!(found.flags, entry.flags);
        // What was read can be sent again.
        handle.delete_fdb("v0", &found)?;
        handle.add_fdb("v0", &found)?;
        assert_eq!(found.state, entry.state, "{entry:?}");
        assert_eq!(handle.fdb_entry("br0", entry.mac, entry.vlan)?.mac, entry.mac);
        // What a program learned may be learned again.
        if !entry.flags.contains(NeighbourFlags::EXT_LEARNED) {
            assert_eq!(handle.add_fdb("v0", entry).unwrap_err().kind(), ErrorKind::AlreadyExists);
        }
    }
    let told = json("bridge", "fdb show dev v0")?;
    let told = |last: u8| told.iter().find(|one| one["mac"] == mac(last).to_string()).cloned().unwrap();
    assert_eq!((&told(1)["state"], &told(2)["state"]), (&"static".into(), &"permanent".into()));
    assert!(told(3)["flags"].to_string().contains("sticky"), "{}", told(3));
    assert!(told(4)["flags"].to_string().contains("extern_learn"), "{}", told(4));

    let mut of_bridge = FdbFilter::default();
    of_bridge.master = Some(bridge.index);
    assert!(handle.list_fdb(of_bridge)?.len() >= 4);
    let dumped = handle.dump_fdb(of_bridge)?.count();
    assert_eq!(dumped, handle.list_fdb(of_bridge)?.len());
    assert!(handle.fdb()?.len() >= handle.list_fdb(of_bridge)?.len());
    handle.replace_fdb("w0", &FdbEntry::of_bridge(mac(1)))?;
    assert_eq!(
        json("bridge", "fdb show dev w0")?
            .iter()
            .filter(|one| one["mac"] == mac(1).to_string() && one.get("vlan").is_none())
            .count(),
        1
    );
    handle.delete_fdb("w0", &FdbEntry::of_bridge(mac(1)))?;
    let error = handle.delete_fdb("w0", &FdbEntry::of_bridge(mac(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(handle.fdb_entry("br0", mac(1), None).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_vxlans_addresses_come_back_with_all_they_have() -> Outcome {
    let (mut handle, link) = connected()?;
    let vxlan = vxlan(&mut handle, "external")?;
    let find = |handle: &mut Handle, last| -> Result<Vec<FdbEntry>, Stop> {
        let mut filter = FdbFilter::default();
        (filter.index, filter.mac) = (Some(vxlan.index), Some(mac(last)));
        Ok(handle.list_fdb(filter)?)
    };
    let mut entry = FdbEntry::of_link(mac(1)).destination(ip("10.0.0.7"));
    (entry.port, entry.vni, entry.source_vni, entry.via) =
        (Some(4790), Some(900), Some(901), Some(link.index));
    handle.add_fdb("vx0", &entry)?;
    let mut found = find(&mut handle, 1)?.remove(0);
    (found.times, entry.index) = (None, vxlan.index);
    assert_eq!(found, entry);
    let told = json("bridge", "fdb show dev vx0")?;
    let told = told.iter().find(|one| one["mac"] == mac(1).to_string()).unwrap();
    assert_eq!((&told["dst"], &told["port"], &told["vni"]), (&"10.0.0.7".into(), &4790.into(), &900.into()));
    assert_eq!((&told["src_vni"], &told["viaIf"]), (&901.into(), &"v0".into()), "{told}");

    // Broadcasts go to each of several hosts.
    let mut all = FdbEntry::of_link([0; 6]).destination(ip("10.0.0.8"));
    all.source_vni = Some(5);
    handle.append_fdb("vx0", &all)?;
    handle.append_fdb("vx0", &all.clone().destination(ip("10.0.0.9")))?;
    let mut filter = FdbFilter::default();
    filter.mac = Some([0; 6].into());
    assert_eq!(handle.list_fdb(filter)?.len(), 2);

    let mut hop = NexthopObject::default().id(22);
    (hop.fdb, hop.gateway) = (true, Some(ip("192.0.2.7")));
    handle.add_nexthop(&hop)?;
    let mut group = NexthopObject::group([22]).id(23);
    group.fdb = true;
    handle.add_nexthop(&group)?;
    let mut by_hop = FdbEntry::of_link(mac(3));
    (by_hop.nexthop_id, by_hop.source_vni) = (Some(23), Some(5));
    handle.add_fdb("vx0", &by_hop)?;
    let found = find(&mut handle, 3)?.remove(0);
    assert_eq!((found.nexthop_id, found.destination), (Some(23), None));
    handle.delete_fdb("vx0", &by_hop)?;
    assert_eq!(find(&mut handle, 3)?, []);
    Ok(())
}

fn addresses_are_flushed() -> Outcome {
    let (mut handle, bridge, port) = bridged()?;
    for last in 1..=20 {
        let entry = FdbEntry::of_bridge(mac(last));
        handle.add_fdb(if last % 2 == 0 { "v0" } else { "w0" }, &entry)?;
    }
    let ours = |handle: &mut Handle| -> Result<usize, Stop> {
        Ok(handle
            .fdb()?
            .iter()
            .filter(|entry| entry.vlan.is_none() && entry.mac.octets()[..5] == [2, 0, 0, 0, 7])
            .count())
    };
    assert_eq!(ours(&mut handle)?, 20);
    let mut flush = FdbFlush::default();
    (flush.port, flush.is_static) = (Some(port.index), Some(false));
    match handle.flush_fdb("br0", flush) {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            return Err(ignored(format!("flushing came with Linux 6.0: {error}")));
        }
        Err(error) => return Err(error.into()),
    }
    assert_eq!(ours(&mut handle)?, 20);
    flush.is_static = None;
    (flush.local, flush.external) = (Some(false), Some(false));
    handle.flush_fdb(&bridge, flush)?;
    assert_eq!(ours(&mut handle)?, 10);
    let mut all = FdbFlush::default();
    all.local = Some(false);
    handle.flush_fdb(&bridge, all)?;
    assert_eq!(ours(&mut handle)?, 0);
    assert!(handle.flush_fdb("w1", all).is_err());
    Ok(())
}

fn a_link_without_addresses_is_told() -> Outcome {
    let (mut handle, _) = connected()?;
    let error = handle.add_fdb("v0", &FdbEntry::of_bridge(mac(1))).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput), "{error}");
    assert!(error.to_string().starts_with("add address 02:00:00:00:07:01 of link \"v0\": "), "{error}");
    let mut neither = FdbEntry::of_link(mac(1));
    neither.flags = NeighbourFlags::empty();
    assert_eq!(handle.add_fdb("v0", &neither).unwrap_err().raw_os_error(), None);
    Ok(())
}

/// Without VLANs on bridges there is nothing to test.
fn with_vlans() -> Result<(Handle, Link, Link), Stop> {
    let (mut handle, bridge, port) = bridged()?;
    match handle.add_vlans("v0", &BridgeVlan::new(4000)) {
        Ok(()) => handle.delete_vlans("v0", &BridgeVlan::new(4000))?,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(ignored("this kernel's bridges have no VLANs"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok((handle, bridge, port))
}

fn vlans_come_back_and_bridge_agrees() -> Outcome {
    let (mut handle, bridge, port) = with_vlans()?;
    let of = |handle: &mut Handle, index| -> Result<_, Stop> {
        Ok(handle.bridge_vlans()?.into_iter().find(|port| port.index == index).unwrap())
    };
    handle.add_vlans("v0", &BridgeVlan::range(10..=20))?;
    handle.add_vlans("v0", &BridgeVlan::new(100).pvid().untagged())?;
    handle.add_vlans("br0", &BridgeVlan::new(30).of_bridge())?;
    let found = of(&mut handle, port.index)?;
    assert_eq!(found.master, Some(bridge.index));
    // 1 is there at first.
    let first = BridgeVlan::new(1).untagged();
    let last = BridgeVlan::new(100).pvid().untagged();
    assert_eq!(found.vlans, [first, BridgeVlan::range(10..=20), last]);
    assert_eq!(found.each().count(), 13);
    let of_bridge = of(&mut handle, bridge.index)?;
    assert!(of_bridge.each().any(|(id, _)| id == 30), "{of_bridge:?}");

    let told = json("bridge", "vlan show dev v0")?;
    let told: Vec<(u64, u64)> = told[0]["vlans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vlan| (vlan["vlan"].as_u64().unwrap(), vlan["vlanEnd"].as_u64().unwrap_or_default()))
        .collect();
    assert!(told.contains(&(100, 0)) && told.iter().any(|(first, _)| *first == 10), "{told:?}");

    handle.delete_vlans("v0", &BridgeVlan::range(12..=18))?;
    let ids: Vec<_> = of(&mut handle, port.index)?.each().map(|(id, _)| id).collect();
    assert_eq!(ids, [1, 10, 11, 19, 20, 100]);
    let flags = of(&mut handle, port.index)?.each().find(|(id, _)| *id == 100).unwrap().1;
    assert_eq!(flags, BridgeVlanFlags::PVID | BridgeVlanFlags::UNTAGGED);
    Ok(())
}

fn options_of_vlans_come_back_and_bridge_agrees() -> Outcome {
    let (mut handle, bridge, port) = with_vlans()?;
    handle.add_vlans("v0", &BridgeVlan::range(10..=20))?;
    let mut options = VlanOptions::new(12..=14);
    options.state = Some(PortState::Blocking);
    handle.change_vlan_options("v0", &options)?;
    let found = handle.vlan_options("v0")?;
    assert!(found.iter().all(|one| one.index == port.index));
    let of = |found: &[VlanOptions], id| found.iter().find(|one| one.ids.contains(&id)).cloned().unwrap();
    assert_eq!((of(&found, 13).ids, of(&found, 13).state), (12..=14, Some(PortState::Blocking)));
    assert_eq!(of(&found, 20).state, Some(PortState::Forwarding));
    let told = json("bridge", "-d vlan show dev v0")?;
    let told = told[0]["vlans"].as_array().unwrap().iter().find(|vlan| vlan["vlan"] == 12).unwrap();
    assert_eq!((&told["state"], &told["vlanEnd"]), (&"blocking".into(), &14.into()), "{told:?}");

    let mut single = VlanOptions::new(20..=20);
    single.mcast_router = Some(MulticastRouter::Permanent);
    // Before Linux 5.15 bridges didn't know it of VLANs, and not all are made with multicast.
    if handle.change_vlan_options("v0", &single).is_ok() {
        let found = handle.vlan_options("v0")?;
        assert_eq!(of(&found, 20).mcast_router, Some(MulticastRouter::Permanent));
    }
    let mut single = VlanOptions::new(20..=20);
    single.neigh_suppress = Some(true);
    // Linux 6.4.
    if handle.change_vlan_options("v0", &single).is_ok() {
        assert_eq!(of(&handle.vlan_options("v0")?, 20).neigh_suppress, Some(true));
    }

    let missing = handle.change_vlan_options("v0", &VlanOptions::new(40..=41)).unwrap_err();
    assert!(missing.to_string().starts_with("change VLANs 40-41 of link \"v0\": "), "{missing}");
    let mut batch = handle.batch();
    options.state = Some(PortState::Forwarding);
    batch.change_vlan_options("v0", &options).change_vlan_options("v0", &VlanOptions::new(40..=41));
    let results = batch.send();
    assert!(results[0].is_ok());
    let told = results[1].as_ref().unwrap_err().to_string();
    assert!(told.starts_with("change VLANs 40-41 of link \"v0\": "), "{told}");

    let list = |handle: &mut Handle, set: &dyn Fn(&mut VlanFilter)| -> Result<Vec<u32>, Stop> {
        let mut filter = VlanFilter::default();
        set(&mut filter);
        let dumped = handle.dump_bridge_vlans(filter)?.collect::<netlink::Result<Vec<_>>>()?;
        assert_eq!(handle.list_bridge_vlans(filter)?, dumped);
        Ok(dumped.iter().map(|port| port.index).collect())
    };
    assert_eq!(list(&mut handle, &|filter| filter.index = Some(port.index))?, [port.index]);
    assert_eq!(list(&mut handle, &|filter| filter.master = Some(bridge.index))?.len(), 2);
    assert_eq!(list(&mut handle, &|filter| filter.id = Some(15))?, [port.index]);
    assert_eq!(list(&mut handle, &|filter| filter.id = Some(1))?.len(), 3);
    Ok(())
}

fn vlans_go_through_tunnels() -> Outcome {
    let (mut handle, bridge, _) = with_vlans()?;
    let vxlan = vxlan(&mut handle, "external")?;
    handle.set_master(&vxlan, &bridge)?;
    assert!(run("bridge", "link set dev vx0 vlan_tunnel on")?.status.success());
    handle.add_vlans("vx0", &BridgeVlan::range(10..=20))?;
    let tunnel = VlanTunnel::new(10..=15, 1000);
    handle.add_vlan_tunnel("vx0", &tunnel)?;
    handle.add_vlan_tunnel("vx0", &VlanTunnel::new(18..=18, 5000))?;
    let found = handle.bridge_vlans()?.into_iter().find(|port| port.index == vxlan.index).unwrap();
    assert_eq!(found.tunnels, [tunnel, VlanTunnel::new(18..=18, 5000)]);
    let told = json("bridge", "vlan tunnelshow dev vx0")?;
    assert!(told[0].to_string().contains("1000"), "{told:?}");
    handle.delete_vlan_tunnel("vx0", &VlanTunnel::new(10..=15, 1000))?;
    let found = handle.bridge_vlans()?.into_iter().find(|port| port.index == vxlan.index).unwrap();
    assert_eq!(found.tunnels, [VlanTunnel::new(18..=18, 5000)]);
    Ok(())
}

fn vlans_that_can_not_be_are_told() -> Outcome {
    let (mut handle, _, _) = bridged()?;
    for vlan in [BridgeVlan::new(0), BridgeVlan::new(4095), BridgeVlan::range(2..=3).pvid()] {
        assert_eq!(handle.add_vlans("v0", &vlan).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let error = handle.add_vlans("v1", &BridgeVlan::new(7)).unwrap_err();
    assert!(error.to_string().starts_with("add VLANs 7 to link \"v1\": "), "{error}");
    assert_eq!(handle.add_vlans("none", &BridgeVlan::new(7)).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn groups_come_back_and_bridge_agrees() -> Outcome {
    let (mut handle, bridge, port) = bridged()?;
    let mut entries = vec![
        MdbEntry::new(port.index, ip("239.1.1.1")),
        MdbEntry::new(port.index, ip("ff15::1")),
        MdbEntry::new(port.index, ip("239.1.1.2")).temporary(),
        MdbEntry::new(port.index, ip("239.1.1.3")).source(ip("192.0.2.1")),
    ];
    // Groups by hardware address came with Linux 5.11.
    let layer2 = MdbEntry::new(port.index, MacAddress::from([1, 0, 0x5e, 0x7f, 1, 9]));
    if handle.add_mdb("br0", &layer2).is_ok() {
        handle.delete_mdb("br0", &layer2)?;
        entries.push(layer2);
    }
    for entry in &mut entries {
        handle.add_mdb("br0", entry)?;
        entry.bridge = bridge.index;
        let mut found = handle.mdb()?.into_iter().find(|found| found.group == entry.group).unwrap();
        assert_eq!(found.timer.take().is_some(), !entry.permanent);
        // Who made it and which senders are wanted the kernel fills in.
        (found.protocol, found.mode) = (None, None);
        assert_eq!(found, *entry);
        let error = handle.add_mdb("br0", entry).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().starts_with("add group port "), "{error}");
    }
    let told = json("bridge", "mdb show")?;
    let told = told[0]["mdb"].as_array().unwrap();
    let told = |group: &str| told.iter().find(|one| one["grp"] == group).cloned().unwrap();
    assert_eq!(
        (&told("239.1.1.1")["port"], &told("239.1.1.1")["state"]),
        (&"v0".into(), &"permanent".into())
    );
    assert_eq!(told("239.1.1.2")["state"], "temp");
    assert_eq!(told("239.1.1.3")["src"], "192.0.2.1");
    let mut filter = MdbFilter::default();
    (filter.bridge, filter.port) = (Some(bridge.index), Some(port.index));
    // The ports' own addresses are in groups too, as soon as they have said so.
    let groups: Vec<_> = entries.iter().map(|entry| entry.group).collect();
    let ours = |handle: &mut Handle, filter| -> Result<usize, Stop> {
        Ok(handle.list_mdb(filter)?.iter().filter(|entry| groups.contains(&entry.group)).count())
    };
    assert_eq!(ours(&mut handle, filter)?, entries.len());
    filter.port = Some(bridge.index);
    assert_eq!(ours(&mut handle, filter)?, 0);
    for entry in &entries {
        handle.delete_mdb("br0", entry)?;
        assert!(handle.delete_mdb("br0", entry).is_err());
    }
    assert_eq!(ours(&mut handle, MdbFilter::default())?, 0);
    let error = handle.add_mdb("v1", &entries[0]).unwrap_err();
    assert!(error.to_string().contains("of link \"v1\""), "{error}");
    Ok(())
}

fn groups_with_senders_come_back() -> Outcome {
    let (mut handle, bridge, port) = bridged()?;
    if !run("ip", "link set br0 type bridge mcast_igmp_version 3 mcast_mld_version 2")?.status.success() {
        return Err(ignored("this kernel's bridges know no senders of groups"));
    }
    let mut entry = MdbEntry::new(port.index, ip("239.1.1.4"));
    (entry.mode, entry.protocol) = (Some(MdbMode::Exclude), Some(42));
    entry.sources = vec![ip("192.0.2.1"), ip("192.0.2.2")];
    match handle.add_mdb("br0", &entry) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return Err(ignored("lists of senders came with 6.2"));
        }
        Err(error) => return Err(error.into()),
    }
    let find = |handle: &mut Handle| -> Result<MdbEntry, Stop> {
        let of_group = |found: &MdbEntry| found.group == ip("239.1.1.4").into() && found.source.is_none();
        Ok(handle.mdb()?.into_iter().find(of_group).unwrap())
    };
    let mut found = find(&mut handle)?;
    found.sources.sort();
    entry.bridge = bridge.index;
    assert_eq!(found, entry);
    entry.sources = vec![ip("192.0.2.3")];
    entry.mode = Some(MdbMode::Include);
    handle.replace_mdb("br0", &entry)?;
    assert_eq!((find(&mut handle)?.sources, find(&mut handle)?.mode), (entry.sources, entry.mode));
    Ok(())
}

fn networks_of_a_vxlan_come_back() -> Outcome {
    let (mut handle, _) = connected()?;
    let vxlan = vxlan(&mut handle, "external vnifilter")?;
    let mut grouped = VniEntry::new(100..=100);
    grouped.group = Some(ip("192.0.2.9"));
    handle.add_vni("vx0", &VniEntry::new(10..=20))?;
    handle.add_vni("vx0", &grouped)?;
    let told = json("bridge", "vni show dev vx0")?;
    assert!(told[0].to_string().contains("192.0.2.9"), "{told:?}");
    handle.delete_vni("vx0", &VniEntry::new(15..=20))?;
    let mut left = VniEntry::new(10..=14);
    (left.index, grouped.index) = (vxlan.index, vxlan.index);
    assert_eq!(handle.vnis()?, [left, grouped]);
    let empty = VniEntry::new(std::ops::RangeInclusive::new(2, 1));
    for wrong in [VniEntry::new(0..=1), VniEntry::new(1..=1 << 24), empty] {
        assert_eq!(handle.add_vni("vx0", &wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(handle.add_vni("v0", &VniEntry::new(1..=1)).is_err());
    Ok(())
}

fn batches_tell_what_failed() -> Outcome {
    let (mut handle, _, port) = bridged()?;
    let neighbour = Neighbour::new(ip("10.0.0.7")).mac(mac(1));
    let entry = FdbEntry::of_bridge(mac(2));
    let group = MdbEntry::new(port.index, ip("239.1.1.1"));
    let mut batch = handle.batch();
    batch.add_neighbour("v0", &neighbour).add_neighbour("v0", &neighbour).replace_neighbour("v0", &neighbour);
    batch.change_neighbour("v0", &neighbour).append_neighbour("v0", &neighbour);
    batch.delete_neighbour("v0", &Neighbour::new(ip("10.0.0.9")));
    batch.add_fdb("v0", &entry).add_fdb("v0", &entry).replace_fdb("v0", &entry).delete_fdb("v0", &entry);
    batch.delete_fdb("v0", &entry);
    batch.add_mdb("br0", &group).add_mdb("br0", &group).delete_mdb("br0", &group);
    batch.add_vlans("v1", &BridgeVlan::range(7..=8)).add_vlans("v0", &BridgeVlan::new(0));
    let told: Vec<_> =
        batch.send().into_iter().map(|result| result.err().map(|error| error.to_string())).collect();
    let failed = |at: usize, begin: String| {
        let line = told[at].as_deref().unwrap_or_default();
        assert!(line.starts_with(&begin), "{line:?}");
    };
    let index = port.index;
    failed(
        1,
        "add neighbour 10.0.0.7 lladdr 02:00:00:00:07:01 on link \"v0\": it is there already: ".to_owned(),
    );
    failed(5, "delete neighbour 10.0.0.9 on link \"v0\": there is no such neighbour: ".to_owned());
    failed(7, "add address 02:00:00:00:07:02 of link \"v0\": it is there already: ".to_owned());
    failed(10, "delete address 02:00:00:00:07:02 of link \"v0\": ".to_owned());
    failed(12, format!("add group port {index} grp 239.1.1.1 of link "));
    failed(14, "add VLANs 7-8 to link \"v1\": ".to_owned());
    failed(15, "add VLANs 0 to link \"v0\": VLANs are numbered 1 to 4094".to_owned());
    assert_eq!(told.iter().flatten().count(), 7, "{told:?}");
    Ok(())
}
