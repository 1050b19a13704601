//! What links are changed to and made with comes back, iproute2 says the same, and what isn't said is as `ip link add`
//! makes it.

#[path = "common/oracle.rs"]
mod oracle;

use std::net::UdpSocket;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::raw::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink::{
    AddrGenMode, Bridge, ErrorKind, Handle, Ipvlan, Link, LinkChange, LinkFlags, LinkKind, MacAddress,
    Macvlan, Neighbour, Netns, OperState, TunTap, Veth,
};
use oracle::{agrees, ip_link};
use serde_json::{Value, json};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        an_alias_is_noted_and_taken_away,
        the_sizes_of_packets_come_back,
        who_wants_all_packets_is_counted,
        a_hardware_address_is_kept_beside_another,
        a_link_tells_its_state,
        a_link_tells_its_layer,
        a_port_is_taken_out_of_its_bridge,
        a_link_is_moved_to_a_process,
        a_link_is_made_at_a_process,
        statistics_are_those_of_ip,
        a_link_that_is_up_is_renamed_or_busy,
        any_alternative_name_is_found_and_deleted,
        a_group_of_many_pairs_goes_in_one_request,
        a_group_with_loopback_stays,
        a_pair_is_as_ip_makes_it,
        a_bridge_is_as_ip_makes_it,
    ])
}

fn pair() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    Ok(handle)
}

/// Asks again until it is so: what the kernel does in its own time takes it long on a slow machine.
fn until<T>(mut ask: impl FnMut() -> Result<T, Stop>, is_so: impl Fn(&T) -> bool) -> Result<T, Stop> {
    for _ in 0..3000 {
        let found = ask()?;
        if is_so(&found) {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(Stop::Failed("it never became so".to_owned()))
}

/// A process in a namespace, ended when dropped.
struct Within(Child);

impl Within {
    fn start(netns: &Netns) -> Result<Within, Stop> {
        let child = netns.run(|| Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn())??;
        Ok(Within(child))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn an_alias_is_noted_and_taken_away() -> Outcome {
    let mut handle = pair()?;
    assert_eq!(handle.link("v0")?.alias, None);
    for alias in ["to the cellar", "ü \"quoted\"", &"x".repeat(255)] {
        handle.change_link("v0", &LinkChange::new().alias(alias))?;
        assert_eq!(handle.link("v0")?.alias.as_deref(), Some(alias));
        agrees(&ip_link("v0")?, &[("/ifalias", json!(alias))]);
    }
    let error = handle.change_link("v0", &LinkChange::new().alias("x".repeat(256))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    handle.change_link("v0", &LinkChange::new().alias(""))?;
    assert_eq!(handle.link("v0")?.alias, None);
    assert_eq!(ip_link("v0")?.get("ifalias"), None);
    Ok(())
}

fn sizes(link: &Link) -> [Option<u32>; 5] {
    [link.gso_max_size, link.gso_max_segs, link.gro_max_size, link.gso_ipv4_max_size, link.gro_ipv4_max_size]
}

fn the_sizes_of_packets_come_back() -> Outcome {
    let mut handle = pair()?;
    let usual = sizes(&handle.link("v1")?);
    let known = |link: &Link, expected: [u32; 5]| {
        for (size, expected) in sizes(link).into_iter().zip(expected) {
            assert!(size.is_none_or(|size| size == expected), "{:?}", sizes(link));
        }
        assert!(sizes(link)[..2].iter().all(Option::is_some));
    };
    let change = LinkChange::new().gso_max_size(50_000).gso_max_segs(40).gro_max_size(30_000);
    handle.change_link("v0", &change)?;
    // Those of IPv4 follow.
    known(&handle.link("v0")?, [50_000, 40, 30_000, 50_000, 30_000]);
    let change = LinkChange::new().gso_ipv4_max_size(20_000).gro_ipv4_max_size(10_000);
    handle.change_link("v0", &change)?;
    let link = handle.link("v0")?;
    known(&link, [50_000, 40, 30_000, 20_000, 10_000]);
    let said = ip_link("v0")?;
    agrees(&said, &[("/gso_max_size", json!(50_000)), ("/gso_max_segs", json!(40))]);
    for (name, size) in
        [("gro_max_size", 30_000), ("gso_ipv4_max_size", 20_000), ("gro_ipv4_max_size", 10_000)]
    {
        assert!(said[name].is_null() || said[name] == json!(size), "{name} in {said:#}");
    }
    assert_eq!(sizes(&handle.link("v1")?), usual);

    let made = Bridge::new("br0").gso_max_size(51_000).gso_max_segs(41).gro_max_size(31_000);
    let made = handle.add_link(&made.gso_ipv4_max_size(21_000).gro_ipv4_max_size(11_000))?;
    assert_eq!(made.gso_max_size, Some(51_000));
    known(&handle.link("br0")?, [51_000, 41, 31_000, 21_000, 11_000]);
    Ok(())
}

fn who_wants_all_packets_is_counted() -> Outcome {
    let mut handle = pair()?;
    assert_eq!(handle.link("v0")?.promiscuity, 0);
    handle.change_link("v0", &LinkChange::new().flag(LinkFlags::PROMISC, true))?;
    assert_eq!(handle.link("v0")?.promiscuity, 1);
    assert!(handle.link("v0")?.flags.contains(LinkFlags::PROMISC));
    // A bridge wants them too.
    handle.add_link(&Bridge::new("br0"))?;
    handle.set_master("v0", "br0")?;
    let expected = handle.link("v0")?;
    assert_eq!(expected.promiscuity, 2);
    agrees(&ip_link("v0")?, &[("/promiscuity", json!(2))]);
    handle.change_link("v0", &LinkChange::new().flag(LinkFlags::PROMISC, false).no_master())?;
    assert_eq!(handle.link("v0")?.promiscuity, 0);
    assert!(!handle.link("v0")?.flags.contains(LinkFlags::PROMISC));

    handle.change_link("v0", &LinkChange::new().flag(LinkFlags::ALLMULTI, true))?;
    let link = handle.link("v0")?;
    assert!(link.allmulti.is_none_or(|count| count == 1) && link.flags.contains(LinkFlags::ALLMULTI));
    let said = ip_link("v0")?;
    assert!(said["allmulti"].is_null() || said["allmulti"] == json!(1), "{said:#}");
    Ok(())
}

fn a_hardware_address_is_kept_beside_another() -> Outcome {
    let mut handle = pair()?;
    // A pair has none of its own.
    assert_eq!(handle.link("v0")?.perm_mac, None);
    // An ipvlan has at first that of the link below.
    let below = handle.link("v0")?.mac.unwrap();
    match handle.add_link(&Ipvlan::new("i0", "v0")) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error)),
        made => made?,
    };
    let link = handle.link("i0")?;
    assert_eq!((link.mac, link.perm_mac), (Some(below), Some(below)));
    let other = MacAddress::from([2, 0, 0, 0, 0, 7]);
    handle.set_mac("v0", other)?;
    let link = handle.link("i0")?;
    assert_eq!((link.mac, link.perm_mac), (Some(other), Some(below)));
    agrees(
        &ip_link("i0")?,
        &[("/permaddr", json!(below.to_string())), ("/address", json!(other.to_string()))],
    );
    Ok(())
}

fn a_link_tells_its_state() -> Outcome {
    let mut handle = pair()?;
    let mut is = |name: &str, state: OperState| {
        until(|| Ok(handle.link(name)?.oper_state), |found| *found == state)?;
        // It says so in the end as well.
        until(|| ip_link(name), |said| said["operstate"] == json!(state.to_string()))
    };
    is("v0", OperState::Down)?;
    is("lo", OperState::Down)?;
    Handle::open()?.set_up("lo")?;
    is("lo", OperState::Unknown)?;
    Handle::open()?.set_up("v0")?;
    is("v0", OperState::LowerLayerDown)?;
    Handle::open()?.set_up("v1")?;
    is("v0", OperState::Up)?;
    is("v1", OperState::Up)?;
    Ok(())
}

fn a_link_tells_its_layer() -> Outcome {
    let mut handle = pair()?;
    let mut is = |name: &str, layer: u16, word: &str| {
        assert_eq!(handle.link(name)?.layer, layer, "{name}");
        agrees(&ip_link(name)?, &[("/link_type", json!(word))]);
        Outcome::Ok(())
    };
    is("lo", 772, "loopback")?;
    is("v0", 1, "ether")?;
    if let Ok(_tun) = TunTap::tun("t0").open() {
        is("t0", 65_534, "none")?;
    }
    Ok(())
}

fn a_port_is_taken_out_of_its_bridge() -> Outcome {
    let mut handle = pair()?;
    for name in ["br0", "br1"] {
        handle.add_link(&Bridge::new(name))?;
    }
    let (br0, br1) = (handle.link("br0")?.index, handle.link("br1")?.index);
    handle.change_link("v0", &LinkChange::new().master("br0"))?;
    assert_eq!(handle.link("v0")?.master, Some(br0));
    agrees(&ip_link("v0")?, &[("/master", json!("br0"))]);
    handle.change_link("v0", &LinkChange::new().master(br1))?;
    assert_eq!(handle.link("v0")?.master, Some(br1));
    // Whatever was said last counts.
    handle.change_link("v0", &LinkChange::new().no_master().master("br0").no_master())?;
    assert_eq!(handle.link("v0")?.master, None);
    assert_eq!(ip_link("v0")?.get("master"), None);
    handle.change_link("v0", &LinkChange::new().no_master())?;
    Ok(())
}

fn a_link_is_moved_to_a_process() -> Outcome {
    let mut handle = pair()?;
    let other = Netns::create()?;
    let process = Within::start(&other)?;
    let change = LinkChange::new().netns_pid(process.0.id()).name("moved").mtu(1400).alias("it went");
    handle.change_link("v0", &change)?;
    assert_eq!((handle.find_link("v0")?, handle.find_link("moved")?), (None, None));
    let there = Handle::open_in(&other)?.link("moved")?;
    assert_eq!((there.mtu, there.alias.as_deref(), there.is_up()), (1400, Some("it went"), false));
    let error = handle.change_link("v1", &LinkChange::new().netns_pid(i32::MAX as u32)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(handle.find_link("v1")?.is_some());
    Ok(())
}

fn a_link_is_made_at_a_process() -> Outcome {
    let mut handle = pair()?;
    let other = Netns::create()?;
    let process = Within::start(&other)?;
    handle.add_link(&Bridge::new("br0").netns_pid(process.0.id()).mtu(1300))?;
    assert_eq!(handle.find_link("br0")?, None);
    assert_eq!(Handle::open_in(&other)?.link("br0")?.mtu, 1300);
    // One that has a link below here.
    handle.add_link(&Macvlan::new("m0", "v0").netns_pid(process.0.id()))?;
    assert_eq!(handle.find_link("m0")?, None);
    let below = handle.link("v0")?;
    let made = Handle::open_in(&other)?.link("m0")?;
    assert_eq!((made.peer, made.peer_netns_id.is_some()), (Some(below.index), true));
    let error = handle.add_link(&Bridge::new("br1").netns_pid(i32::MAX as u32)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(handle.find_link("br1")?, None);
    Ok(())
}

/// What `ip -json -details -statistics -statistics link show` says.
fn ip_stats(name: &str) -> Result<Value, Stop> {
    let output =
        Command::new("ip").args(["-json", "-d", "-s", "-s", "link", "show", "dev", name]).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let links: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    Ok(links[0]["stats64"].clone())
}

/// Compares what is told with iproute2, at a time when nothing else is sent.
fn has_statistics_of_ip(handle: &mut Handle, name: &str) -> Result<netlink::LinkStats, Stop> {
    let read = |handle: &mut Handle| -> Result<_, Stop> { Ok(handle.link_with_stats(name)?.stats) };
    let (stats, said, _) =
        until(|| Ok((read(handle)?, ip_stats(name)?, read(handle)?)), |(before, _, after)| before == after)?;
    let stats = stats.unwrap();
    agrees(
        &said,
        &[
            ("/rx/packets", json!(stats.rx_packets)),
            ("/rx/bytes", json!(stats.rx_bytes)),
            ("/rx/errors", json!(stats.rx_errors)),
            ("/rx/dropped", json!(stats.rx_dropped)),
            ("/rx/multicast", json!(stats.multicast)),
            ("/rx/over_errors", json!(stats.rx_over_errors)),
            ("/rx/length_errors", json!(stats.rx_length_errors)),
            ("/rx/crc_errors", json!(stats.rx_crc_errors)),
            ("/rx/frame_errors", json!(stats.rx_frame_errors)),
            ("/rx/fifo_errors", json!(stats.rx_fifo_errors)),
            ("/rx/missed_errors", json!(stats.rx_missed_errors)),
            ("/tx/packets", json!(stats.tx_packets)),
            ("/tx/bytes", json!(stats.tx_bytes)),
            ("/tx/errors", json!(stats.tx_errors)),
            ("/tx/dropped", json!(stats.tx_dropped)),
            ("/tx/collisions", json!(stats.collisions)),
            ("/tx/carrier_errors", json!(stats.tx_carrier_errors)),
            ("/tx/aborted_errors", json!(stats.tx_aborted_errors)),
            ("/tx/fifo_errors", json!(stats.tx_fifo_errors)),
            ("/tx/window_errors", json!(stats.tx_window_errors)),
            ("/tx/heartbeat_errors", json!(stats.tx_heartbeat_errors)),
        ],
    );
    let (nohandler, otherhost) = (&said["rx"]["nohandler"], &said["rx"]["otherhost_dropped"]);
    assert!(nohandler.is_null() || *nohandler == json!(stats.rx_nohandler));
    assert!(otherhost.is_null() || *otherhost == json!(stats.rx_otherhost_dropped));
    Ok(stats)
}

fn statistics_are_those_of_ip() -> Outcome {
    const PACKETS: u64 = 20;
    let mut handle = pair()?;
    // One above hears packets to groups.
    handle.add_link(&Macvlan::new("m1", "v1"))?;
    for name in ["v0", "v1", "m1"] {
        // No kernel without IPv6 takes it, and none needs it.
        _ = handle.change_link(name, &LinkChange::new().addr_gen_mode(AddrGenMode::None));
        handle.set_up(name)?;
    }
    handle.add_address("v0", &"10.0.0.1/24".parse()?)?;
    let mac = handle.link("m1")?.mac.unwrap();
    let mut neighbour = Neighbour::new("10.0.0.2".parse()?);
    neighbour.mac = Some(mac);
    handle.add_neighbour("v0", &neighbour)?;
    until(|| Ok(handle.link("v0")?.oper_state), |state| *state == OperState::Up)?;
    let before = has_statistics_of_ip(&mut handle, "v0")?;
    let socket = UdpSocket::bind("10.0.0.1:0")?;
    for _ in 0..PACKETS {
        socket.send_to(&[0; 100], "10.0.0.2:9")?;
        socket.send_to(&[0; 50], "10.0.0.255:9").err();
    }
    let sent = until(
        || has_statistics_of_ip(&mut handle, "v0"),
        |stats| stats.tx_packets >= before.tx_packets + PACKETS,
    )?;
    assert!(sent.tx_bytes >= before.tx_bytes + PACKETS * 142, "{sent:?}");
    let received = until(|| has_statistics_of_ip(&mut handle, "v1"), |stats| stats.rx_packets >= PACKETS)?;
    assert!(received.rx_bytes >= PACKETS * 142, "{received:?}");
    until(|| has_statistics_of_ip(&mut handle, "m1"), |stats| stats.rx_packets >= PACKETS)?;
    has_statistics_of_ip(&mut handle, "lo")?;

    // Those of a list are the same.
    let mut filter = netlink::LinkFilter::default();
    filter.stats = true;
    let of_list = |handle: &mut Handle, name: &str| -> Result<_, Stop> {
        Ok(handle
            .list_links(filter.clone())?
            .into_iter()
            .find(|link| link.name == name)
            .and_then(|link| link.stats))
    };
    until(
        || Ok((of_list(&mut handle, "v0")?, handle.link_with_stats("v0")?.stats)),
        |(listed, told)| listed.is_some() && listed == told,
    )?;
    assert_eq!(handle.link("v0")?.stats, None);

    // What nobody takes is dropped, and counted.
    let Ok(tap) = TunTap::tap("t0").open() else { return Ok(()) };
    let mut tap = std::fs::File::from(std::os::fd::OwnedFd::from(tap));
    for _ in 0..3 {
        std::io::Write::write(&mut tap, &[0; 60]).unwrap_err(); // it is down
    }
    let dropped = has_statistics_of_ip(&mut handle, "t0")?;
    assert_eq!((dropped.rx_dropped, dropped.rx_packets), (3, 0));
    Ok(())
}

fn a_link_that_is_up_is_renamed_or_busy() -> Outcome {
    let mut handle = pair()?;
    let index = handle.link("v0")?.index;
    handle.set_up("v0")?;
    match handle.rename("v0", "other") {
        Ok(()) => assert_eq!(handle.link("other")?.index, index),
        // Before Linux 6.2.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            assert_eq!(
                error.to_string(),
                "rename \"v0\" to \"other\": the link is up: Device or resource busy (os error 16)"
            );
            assert_eq!(handle.link("v0")?.index, index);
        }
    }
    assert!(handle.link(index)?.is_up());
    Ok(())
}

/// The kernel takes nearly anything as an alternative name, where `ip` doesn't.
fn any_alternative_name_is_found_and_deleted() -> Outcome {
    const RTM_NEWLINKPROP: u16 = 108;
    const IFLA_PROP_LIST: u16 = 52;
    const IFLA_ALT_IFNAME: u16 = 53;
    let mut handle = pair()?;
    let index = handle.link("v0")?.index;
    let names = ["a:b c/%d", "v1:0", ".", "..", "/", "%d", "ä b", "0", "7", "sixteen-letters-and/more"];
    for name in names {
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND;
        let mut request = handle.raw_request(RTM_NEWLINKPROP, flags, &header);
        request.nest(IFLA_PROP_LIST, |request| request.text(IFLA_ALT_IFNAME, name));
        handle.raw_change(request, |_| {})?;
    }
    assert_eq!(handle.link("v0")?.altnames, names);
    for name in names {
        assert_eq!(handle.link(name)?.index, index, "{name}");
        // Others are asked for by their index, which is found first.
        handle.set_mtu(name, 1400)?;
        handle.add_address(name, &"10.0.0.1/24".parse()?)?;
        handle.delete_address(name, &"10.0.0.1/24".parse()?)?;
    }
    for missing in ["v0:0", "lo:x"] {
        assert_eq!(handle.find_link(missing)?, None);
    }
    handle.set_up(names[0])?;
    assert!(handle.link("v0")?.is_up());
    for (deleted, name) in names.iter().enumerate() {
        handle.delete_altname(*name, name)?;
        assert_eq!(handle.find_link(*name)?, None, "{name}");
        assert_eq!(handle.link("v0")?.altnames, names[deleted + 1..]);
    }
    Ok(())
}

fn a_group_of_many_pairs_goes_in_one_request() -> Outcome {
    const PAIRS: usize = 200;
    let mut handle = pair()?;
    let before = handle.links()?;
    let mut batch = handle.batch();
    for number in 0..PAIRS {
        // Both ends in the group, one of them, and the other.
        let pair = Veth::new(format!("a{number}")).peer(format!("b{number}"));
        batch.add_link(&match number % 3 {
            0 => pair.group(77).peer_group(77),
            1 => pair.group(77),
            _ => pair.peer_group(77),
        });
    }
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    assert_eq!(handle.links()?.len(), 2 * PAIRS + before.len());
    handle.delete_group(77)?;
    assert_eq!(handle.links()?, before);
    Ok(())
}

fn a_group_with_loopback_stays() -> Outcome {
    let mut handle = pair()?;
    for name in ["v0", "lo"] {
        handle.change_link(name, &LinkChange::new().group(77))?;
    }
    let before = handle.links()?;
    let error = handle.delete_group(77).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().starts_with("delete the links of group 77: "), "{error}");
    assert_eq!(handle.links()?, before);
    handle.change_link("lo", &LinkChange::new().group(0))?;
    handle.delete_group(77)?;
    // The other end is gone with it.
    assert_eq!(handle.links()?.len(), before.len() - 2);
    Ok(())
}

fn ip(arguments: &str) -> Outcome {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Takes from a link what no two can have alike.
fn without_itself(mut link: Link) -> Link {
    (link.index, link.mac, link.peer) = (0, None, link.peer.map(|_| 0));
    link.name.clear();
    if let Some(LinkKind::Bridge(bridge)) = &mut link.kind {
        for id in [&mut bridge.bridge_id, &mut bridge.root_id].into_iter().flatten() {
            id.mac = MacAddress::from([0; 6]);
        }
        // What runs.
        (bridge.gc_timer, bridge.hello_timer) = (None, None);
    }
    link
}

fn a_pair_is_as_ip_makes_it() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    ip("link add ip0 type veth peer name ip1")?;
    handle.add_veth(&Veth::new("our0").peer("our1"))?;
    for (theirs, ours) in [("ip0", "our0"), ("ip1", "our1")] {
        let (theirs, ours) = (handle.link(theirs)?, handle.link(ours)?);
        assert!(ours.mac.is_some() && ours.mac != theirs.mac);
        assert_eq!(without_itself(ours), without_itself(theirs));
    }
    Ok(())
}

fn a_bridge_is_as_ip_makes_it() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    ip("link add name ip0 type bridge")?;
    let made = handle.add_link(&Bridge::new("our0"))?;
    let (theirs, ours) = (handle.link("ip0")?, handle.link("our0")?);
    assert_eq!(without_itself(made), without_itself(ours.clone()));
    let Some(LinkKind::Bridge(bridge)) = &ours.kind else { panic!("{ours:?}") };
    assert!(bridge.bridge_id.is_some() && bridge.ageing_time.is_some());
    assert_eq!(without_itself(ours), without_itself(theirs));
    Ok(())
}
