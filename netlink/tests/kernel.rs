//! Every function of 2014 and everything beneath, each in a network namespace of its own.
//!
//! Tests that open by telling a story keep a bug of Docker's 2014 package, or of a library after
//! it, from coming back.

mod common;

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::fs::MetadataExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{connected, ip, net};
use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::{
    Bridge, ErrorKind, Handle, IpNet, LinkFlags, MacAddress, NextHop, Route, RouteKind, Scope, Veth,
};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, sendto, socket,
};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        the_documents_snippet_makes_a_bridge_that_is_up,
        a_long_bridge_name_is_refused_and_not_cut,
        bridges_with_a_mac_have_different_ones_and_keep_them,
        a_bridge_keeps_the_mtu_it_was_given,
        a_bridge_that_fails_half_way_leaves_nothing,
        a_taken_name_is_told,
        names_and_kinds_of_any_length_arrive_whole,
        an_unknown_kind_is_told_in_the_kernels_words,
        impossible_names_and_kinds_are_refused,
        up_and_down_can_be_said_twice,
        setting_the_mtu_changes_nothing_else,
        a_refused_mtu_tells_the_range,
        setting_the_master_changes_nothing_else,
        a_port_is_added_to_one_bridge_only_once,
        a_master_that_takes_no_ports_is_told,
        an_address_is_added_once_and_deleted,
        a_mapped_ipv4_address_stays_ipv6,
        renaming_goes_by_index_and_cuts_nothing,
        a_link_is_found_by_its_alternative_names,
        a_mac_is_set_and_a_groups_is_refused,
        loopback_can_not_be_deleted,
        a_missing_link_is_told_by_every_function,
        a_link_moved_by_descriptor_arrives_down,
        a_link_moved_by_pid_arrives_down,
        what_is_no_namespace_is_told,
        a_handle_opened_elsewhere_leaves_the_caller_where_it_is,
        a_veth_is_born_whole_with_its_peer_elsewhere,
        a_veth_by_pid_and_without_a_peer_name,
        a_veth_that_fails_leaves_nothing,
        a_list_of_many_datagrams_is_whole,
        a_list_that_changes_meanwhile_is_whole_or_an_error,
        a_new_namespace_has_no_routes,
        routes_are_listed_with_all_they_have,
        a_route_needs_no_masked_destination_and_keeps_its_source,
        a_default_gateway_is_added_and_deleted,
        routes_that_can_not_be_are_told,
        several_next_hops_come_back_as_they_went,
        a_gateway_can_be_reached_by_a_route_to_its_link,
        sockets_are_not_inherited,
        other_processes_can_not_send_to_a_handle,
        the_echo_of_another_socket_is_no_answer,
        a_pair_has_one_mtu_however_it_is_made,
        a_pair_has_an_end_here,
        the_network_of_an_ipv6_address_is_not_replaced,
        a_link_that_is_moved_by_an_alternative_name_keeps_its_own,
        a_missing_privilege_is_told,
    ])
}

/// Another new network namespace.
fn another_netns() -> Result<File, Stop> {
    let made = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    });
    Ok(made.join().unwrap()?)
}

/// A process in a network namespace of its own, ended with the test.
struct Elsewhere(Child);

impl Elsewhere {
    fn start() -> Result<Elsewhere, Stop> {
        let started = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Command::new("sleep").arg("60").stdin(Stdio::null()).spawn()
        });
        Ok(Elsewhere(started.join().unwrap()?))
    }

    fn netns(&self) -> Result<File, Stop> {
        Ok(File::open(format!("/proc/{}/ns/net", self.0.id()))?)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn the_documents_snippet_makes_a_bridge_that_is_up() -> Outcome {
    netns()?;

    netlink::create_bridge("mydocker0", false)?;
    let bridge = netlink::interface_by_name("mydocker0")?;
    netlink::link_add_ip(&bridge, "10.0.41.1/16".parse()?)?;
    netlink::link_up(&bridge)?;

    let bridge = netlink::interface_by_name("mydocker0")?;
    assert!(bridge.is_up());
    assert_eq!((bridge.kind_name(), bridge.mtu), (Some("bridge"), 1500));
    let addresses = Handle::open()?.addresses()?;
    let address = addresses.iter().find(|address| address.net == net("10.0.41.1/16")).unwrap();
    assert_eq!(address.index, bridge.index);
    assert_eq!(address.label.as_deref(), Some("mydocker0"));
    assert_eq!(address.scope, Some(Scope::Universe));
    Ok(())
}

/// CreateBridge took a name of 21 letters, made a bridge of the first 15, and returned no error.
fn a_long_bridge_name_is_refused_and_not_cut() -> Outcome {
    netns()?;
    let error = netlink::create_bridge("a-name-of-21-letters-", false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("has 21 bytes, and 15 are allowed"), "{error}");
    assert_eq!(Handle::open()?.find_link("a-name-of-21-le")?, None);
    Ok(())
}

/// CreateBridge's MAC came from an unseeded generator: 56:84:7a:fe:97:99 on every machine.
fn bridges_with_a_mac_have_different_ones_and_keep_them() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", true)?;
    netlink::create_bridge("br1", true)?;
    let first = netlink::interface_by_name("br0")?.mac.unwrap();
    let second = netlink::interface_by_name("br1")?.mac.unwrap();
    let famous = MacAddress::from([0x56, 0x84, 0x7a, 0xfe, 0x97, 0x99]);
    assert!(first != second && first != famous && second != famous);
    assert_eq!(first.octets()[0] & 3, 2);

    // A port with a lower MAC would take over a bridge that was not given one.
    let mut handle = Handle::open()?;
    let low = [0x02, 0, 0, 0, 0, 1];
    handle.add_veth(&Veth::new("v0").peer("v1").mac(low).master("br0"))?;
    assert_eq!(handle.link("br0")?.mac, Some(first));
    Ok(())
}

fn a_bridge_keeps_the_mtu_it_was_given() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let bridge = handle.add_link(&Bridge::new("br0").mtu(9000))?;
    assert_eq!(bridge.mtu, 9000);
    handle.add_veth(&Veth::new("v0").peer("v1").mtu(1400).master(&bridge))?;
    assert_eq!(handle.link("br0")?.mtu, 9000);
    Ok(())
}

fn a_bridge_that_fails_half_way_leaves_nothing() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let error = handle.add_link(&Bridge::new("br0").mtu(70_000_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(handle.find_link("br0")?, None);
    Ok(())
}

fn a_taken_name_is_told() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    for (error, doing) in [
        (netlink::create_bridge("br0", false).unwrap_err(), "create bridge \"br0\""),
        (netlink::link_add("br0", "veth").unwrap_err(), "create link \"br0\" of kind \"veth\""),
    ] {
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::AlreadyExists, Some(17)));
        assert_eq!(error.to_string(), format!("{doing}: the name is taken: File exists (os error 17)"));
    }
    Ok(())
}

/// The encoder cut strings whose length is 2 modulo 4: "bridge" went out as "bridg" and was never
/// known; ("v0", "v1") were both made "v"; ("vethab", "vethcd") came out as "vetha" and "vethc".
fn names_and_kinds_of_any_length_arrive_whole() -> Outcome {
    netns()?;
    netlink::link_add("b0", "bridge")?;
    netlink::create_veth_pair("v0", "v1")?;
    netlink::create_veth_pair("vethab", "vethcd")?;
    for length in 1..=15 {
        netlink::link_add(&"exactly15bytes."[..length], "bridge")?;
    }
    let links = Handle::open()?.links()?;
    let mut expected = vec!["lo", "b0", "v0", "v1", "vethab", "vethcd"];
    expected.extend((1..=15).map(|length| &"exactly15bytes."[..length]));
    expected.sort_unstable();
    let mut names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
    names.sort_unstable();
    // A fresh namespace may have fallback devices of loaded tunnel modules too.
    names.retain(|name| expected.contains(name));
    assert_eq!(names, expected);
    Ok(())
}

fn an_unknown_kind_is_told_in_the_kernels_words() -> Outcome {
    netns()?;
    let error = netlink::link_add("x0", "no-such-kind").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.kernel_text(), Some("Unknown device type"));
    assert_eq!(
        error.to_string(),
        "create link \"x0\" of kind \"no-such-kind\": Unknown device type: \
         Operation not supported (os error 95)"
    );
    Ok(())
}

fn impossible_names_and_kinds_are_refused() -> Outcome {
    netns()?;
    for name in ["", ".", "..", "a/b", "a b", "a:b", "veth%d", "sixteen-letters-"] {
        let error = netlink::link_add(name, "bridge").unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None), "{error}");
    }
    for kind in ["", "bri\0dge", &"k".repeat(70_000)] {
        assert_eq!(netlink::link_add("x0", kind).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(Handle::open()?.find_link("x0")?, None);
    Ok(())
}

fn up_and_down_can_be_said_twice() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    let br0 = || netlink::interface_by_name("br0");
    assert!(!br0()?.is_up());
    for _ in 0..2 {
        netlink::link_up("br0")?;
        assert!(br0()?.is_up());
    }
    for _ in 0..2 {
        netlink::link_down(&br0()?)?;
        assert!(!br0()?.is_up());
    }
    Ok(())
}

/// NetworkSetMTU sent the flag "up" and a mask of all flags: the link came up, and MULTICAST, PROMISC
/// and ALLMULTI were cleared.
fn setting_the_mtu_changes_nothing_else() -> Outcome {
    netns()?;
    netlink::create_veth_pair("v0", "v1")?;
    let mut before = netlink::interface_by_name("v0")?;
    assert!(before.flags.contains(LinkFlags::MULTICAST) && !before.is_up());
    netlink::link_set_mtu("v0", 1400)?;
    before.mtu = 1400;
    assert_eq!(netlink::interface_by_name("v0")?, before);
    Ok(())
}

fn a_refused_mtu_tells_the_range() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    let error = netlink::link_set_mtu("br0", 70_000_000).unwrap_err();
    assert_eq!(
        error.to_string(),
        "set MTU of link \"br0\" to 70000000: mtu greater than device maximum (68 to 65535 are allowed): \
         Invalid argument (os error 22)"
    );
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, Some(22)));
    for mtu in [1, u32::MAX] {
        let error = netlink::link_set_mtu("br0", mtu).unwrap_err();
        assert!(error.to_string().contains("(68 to 65535 are allowed)"), "{error}");
    }
    Ok(())
}

/// NetworkSetMaster had the same side effect, and there was no way back.
fn setting_the_master_changes_nothing_else() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    netlink::create_bridge("br1", false)?;
    netlink::create_veth_pair("v0", "v1")?;
    let mut handle = Handle::open()?;
    let (br0, br1) = (handle.link("br0")?, handle.link("br1")?);
    let before = handle.link("v0")?;

    netlink::link_set_master(&before, &br0)?;
    let after = handle.link("v0")?;
    assert_eq!((after.master, after.flags), (Some(br0.index), before.flags));
    netlink::link_set_master(&before, "br1")?;
    assert_eq!(handle.link("v0")?.master, Some(br1.index));
    handle.clear_master(&before)?;
    assert_eq!(handle.link("v0")?.master, None);
    handle.clear_master(&before)?;
    Ok(())
}

fn a_port_is_added_to_one_bridge_only_once() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    netlink::create_bridge("br1", false)?;
    netlink::create_veth_pair("v0", "v1")?;
    netlink::add_to_bridge("v0", "br0")?;
    for bridge in ["br0", "br1"] {
        let error = netlink::add_to_bridge("v0", bridge).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().ends_with("it is a port of \"br0\" already"), "{error}");
    }
    let error = netlink::add_to_bridge("v1", "v0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().ends_with("link \"v0\" is not a bridge"), "{error}");
    Ok(())
}

/// The kernel gives a bare errno here.
fn a_master_that_takes_no_ports_is_told() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    netlink::create_veth_pair("v0", "v1")?;
    let error = netlink::link_set_master("v0", "v1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "make link \"v0\" a port of link \"v1\": the master takes no ports: \
         Operation not supported (os error 95)"
    );
    let error = netlink::link_set_master("v0", "br9").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no link \"br9\""), "{error}");
    let error = netlink::link_set_master("v0", 999_999).unwrap_err();
    assert!(error.to_string().contains("can't be a port"), "{error}");
    Ok(())
}

fn an_address_is_added_once_and_deleted() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    netlink::link_add_ip("br0", net("10.0.41.1/16"))?;
    let error = netlink::link_add_ip("br0", net("10.0.41.1/16")).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::AlreadyExists, Some(17)));
    assert!(error.to_string().starts_with("add address 10.0.41.1/16 to link \"br0\": "), "{error}");

    let mut handle = Handle::open()?;
    handle.delete_address("br0", &net("10.0.41.1/16").into())?;
    assert!(handle.addresses()?.iter().all(|address| address.net != net("10.0.41.1/16")));
    let error = handle.delete_address("br0", &net("10.0.41.1/16").into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

/// NetworkLinkAddIp turned `::ffff:10.0.0.1` into 10.0.0.1.
fn a_mapped_ipv4_address_stays_ipv6() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    netlink::create_bridge("br0", false)?;
    netlink::link_add_ip("br0", net("::ffff:10.0.0.1/120"))?;
    let addresses = Handle::open()?.addresses()?;
    assert_eq!(addresses.iter().map(|address| address.net).collect::<Vec<_>>(), [net("::ffff:10.0.0.1/120")]);
    Ok(())
}

/// NetworkChangeName cut long names, and went by the name that the link once had.
fn renaming_goes_by_index_and_cuts_nothing() -> Outcome {
    netns()?;
    netlink::create_veth_pair("v0", "v1")?;
    let link = netlink::interface_by_name("v0")?;
    netlink::link_rename(&link, "first")?;
    netlink::link_rename(&link, "second")?;
    assert_eq!(netlink::interface_by_name("second")?.index, link.index);

    let error = netlink::link_rename(&link, "v1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("the name is taken"), "{error}");
    for name in ["", "sixteen-letters-", "a/b"] {
        assert_eq!(netlink::link_rename(&link, name).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(Handle::open()?.link(&link)?.name, "second");
    Ok(())
}

/// Elsewhere a name of 16 letters and more is ERANGE, and alternative names are not found.
fn a_link_is_found_by_its_alternative_names() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let link = handle.add_link(&Bridge::new("br0"))?;
    let (short, long) = ("lan", "the-bridge-of-the-first-floor");
    handle.add_altname("br0", long)?;
    handle.add_altname(long, short)?;
    for name in ["br0", short, long] {
        assert_eq!(handle.link(name)?.index, link.index, "{name}");
    }
    assert_eq!(handle.link("br0")?.altnames, [long, short]);
    assert_eq!(handle.add_altname("lo", long).unwrap_err().kind(), ErrorKind::AlreadyExists);
    handle.set_mtu(long, 1400)?;
    assert_eq!(handle.link(short)?.mtu, 1400);
    Ok(())
}

fn a_mac_is_set_and_a_groups_is_refused() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    let mac = [2, 0, 0, 0, 0, 7];
    handle.set_mac("v0", mac)?;
    assert_eq!(handle.link("v0")?.mac, Some(mac.into()));
    for mac in [[0; 6], [0xff; 6], [3, 0, 0, 0, 0, 7]] {
        assert_eq!(handle.set_mac("v0", mac).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    Ok(())
}

fn loopback_can_not_be_deleted() -> Outcome {
    netns()?;
    netlink::create_veth_pair("v0", "v1")?;
    netlink::link_del("v0")?;
    assert_eq!(Handle::open()?.find_link("v1")?, None);
    let error = netlink::link_del("lo").unwrap_err();
    assert_eq!(
        error.to_string(),
        "delete link \"lo\": this kind of link can't be deleted: Operation not supported (os error 95)"
    );
    Ok(())
}

fn a_missing_link_is_told_by_every_function() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    let own = File::open("/proc/thread-self/ns/net")?;
    let mut handle = Handle::open()?;
    for error in [
        netlink::interface_by_name("no0").unwrap_err(),
        netlink::link_up("no0").unwrap_err(),
        netlink::link_down("no0").unwrap_err(),
        netlink::link_set_mtu("no0", 1500).unwrap_err(),
        netlink::link_set_master("no0", "br0").unwrap_err(),
        netlink::add_to_bridge("no0", "br0").unwrap_err(),
        netlink::link_add_ip("no0", net("10.0.0.1/8")).unwrap_err(),
        netlink::link_rename("no0", "no1").unwrap_err(),
        netlink::link_set_ns_pid("no0", nix::unistd::gettid().as_raw().cast_unsigned()).unwrap_err(),
        netlink::link_set_ns_fd("no0", &own).unwrap_err(),
        netlink::add_route(Some(net("10.0.0.0/8")), None, None, "no0").unwrap_err(),
        netlink::add_default_gateway(ip("10.0.0.1"), "no0").unwrap_err(),
        netlink::link_del("no0").unwrap_err(),
        handle.set_up(999_999).unwrap_err(),
        handle.delete_link(999_999).unwrap_err(),
        handle.add_address(999_999, &net("10.0.0.1/8").into()).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(19)), "{error}");
        assert!(error.to_string().ends_with(": No such device (os error 19)"), "{error}");
    }
    Ok(())
}

/// NetworkSetNsFd sent the flag "up": the link arrived up in its new namespace.
fn a_link_moved_by_descriptor_arrives_down() -> Outcome {
    netns()?;
    let other = another_netns()?;
    netlink::create_veth_pair("v0", "v1")?;
    netlink::link_set_ns_fd("v1", &other)?;
    let mut here = Handle::open()?;
    assert_eq!(here.find_link("v1")?, None);
    let moved = Handle::open_in(&other)?.link("v1")?;
    assert!(!moved.is_up());
    assert!(here.link("v0")?.peer_netns_id.is_some());
    Ok(())
}

fn a_link_moved_by_pid_arrives_down() -> Outcome {
    netns()?;
    let other = Elsewhere::start()?;
    netlink::create_veth_pair("v0", "v1")?;
    netlink::link_set_ns_pid("v1", other.0.id())?;
    let mut there = Handle::open_in(other.netns()?)?;
    assert!(!there.link("v1")?.is_up());

    there.add_link(&Bridge::new("v0"))?;
    let error = netlink::link_set_ns_pid("v0", other.0.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    Ok(())
}

fn what_is_no_namespace_is_told() -> Outcome {
    netns()?;
    netlink::create_veth_pair("v0", "v1")?;
    let null = File::open("/dev/null")?;
    let error = netlink::link_set_ns_fd("v0", &null).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not a network namespace"), "{error}");
    let error = Handle::open_in(&null).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not a network namespace"), "{error}");

    // Beyond the largest number that a process can have.
    let error = netlink::link_set_ns_pid("v0", 1 << 30).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(3)));
    assert!(error.to_string().contains("there is no such process"), "{error}");
    Ok(())
}

/// Libraries that enter the namespace themselves leave some thread in the wrong one.
fn a_handle_opened_elsewhere_leaves_the_caller_where_it_is() -> Outcome {
    netns()?;
    let other = another_netns()?;
    let here = || fs::metadata("/proc/thread-self/ns/net").map(|netns| netns.st_ino());
    let before = here()?;
    let mut there = Handle::open_in(&other)?;
    assert_eq!(here()?, before);
    there.add_link(&Bridge::new("only-there"))?;
    assert_eq!(Handle::open()?.find_link("only-there")?, None);

    // The socket stays there for life, whoever uses it.
    let found = thread::spawn(move || there.link("only-there").map(|link| link.name));
    assert_eq!(found.join().unwrap()?, "only-there");
    Ok(())
}

fn a_veth_is_born_whole_with_its_peer_elsewhere() -> Outcome {
    netns()?;
    let other = another_netns()?;
    let mut here = Handle::open()?;
    let bridge = here.add_link(&Bridge::new("br0"))?;
    let (mac, peer_mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let veth = Veth::new("vethab").peer("eth0").peer_netns_fd(&other).mtu(1400).mac(mac).peer_mac(peer_mac);
    let pair = here.add_veth(&veth.master(&bridge).up())?;

    let host = here.link("vethab")?;
    assert!(host.is_up() && pair.host.is_up());
    assert_eq!((pair.host.index, pair.host.name.as_str()), (host.index, "vethab"));
    assert_eq!((host.mtu, host.mac), (1400, Some(mac.into())));
    assert_eq!((host.master, pair.host.master), (Some(bridge.index), Some(bridge.index)));

    let peer = Handle::open_in(&other)?.link("eth0")?;
    assert_eq!(pair.peer_index, peer.index);
    assert_eq!((peer.mtu, peer.mac), (1400, Some(peer_mac.into())));
    assert!(!peer.is_up());
    assert_eq!(here.find_link("eth0")?, None);
    Ok(())
}

fn a_veth_by_pid_and_without_a_peer_name() -> Outcome {
    netns()?;
    let other = Elsewhere::start()?;
    let mut here = Handle::open()?;
    let pair = here.add_veth(&Veth::new("v0").peer_netns_pid(other.0.id()))?;
    let mut there = Handle::open_in(other.netns()?)?;
    assert_eq!(there.link(pair.peer_index)?.kind_name(), Some("veth"));
    Ok(())
}

fn a_veth_that_fails_leaves_nothing() -> Outcome {
    netns()?;
    let other = another_netns()?;
    let mut here = Handle::open()?;
    Handle::open_in(&other)?.add_link(&Bridge::new("eth0"))?;
    let null = File::open("/dev/null")?;
    let veth = || Veth::new("v0").peer("eth0");
    for (veth, kind) in [
        (veth().peer_netns_fd(&other), ErrorKind::AlreadyExists),
        (veth().peer_netns_fd(&null), ErrorKind::InvalidInput),
        (veth().peer_netns_pid(1 << 30), ErrorKind::NotFound),
        (veth().master("lo"), ErrorKind::Unsupported),
        (veth().master("br9"), ErrorKind::NotFound),
        (veth().mtu(7), ErrorKind::InvalidInput),
        (veth().peer("sixteen-letters-"), ErrorKind::InvalidInput),
        (veth().peer_mac([0xff; 6]), ErrorKind::InvalidInput),
    ] {
        let error = here.add_veth(&veth).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with("create veth pair \"v0\" and "), "{error}");
        assert_eq!(here.find_link("v0")?, None, "{error}");
    }
    Ok(())
}

fn a_list_of_many_datagrams_is_whole() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    for number in 0..60 {
        handle.add_veth(&Veth::new(format!("a{number}")).peer(format!("b{number}")))?;
    }
    let links = handle.links()?;
    assert_eq!(links.iter().filter(|link| link.kind_name() == Some("veth")).count(), 120);
    for link in &links {
        assert_eq!(handle.link(link.index)?.name, link.name);
    }
    Ok(())
}

/// A dump that the kernel marked as interrupted was taken for a whole one, entries missing.
fn a_list_that_changes_meanwhile_is_whole_or_an_error() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let lasting: Vec<IpNet> = (0..400).map(|n| net(&format!("10.0.{}.{}/32", n / 200, n % 200))).collect();
    for address in &lasting {
        handle.add_address("lo", &(*address).into())?;
    }
    let ended = AtomicBool::new(false);
    let mut other = Handle::open()?;
    thread::scope(|scope| {
        let flapping = scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                other.add_address("lo", &net("10.9.9.9/32").into())?;
                other.delete_address("lo", &net("10.9.9.9/32").into())?;
            }
            Ok::<(), netlink::Error>(())
        });
        for _ in 0..40 {
            match handle.addresses() {
                Ok(list) => {
                    let whole = lasting.iter().all(|net| list.iter().any(|address| address.net == *net));
                    assert!(whole, "an address is missing");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
            }
        }
        ended.store(true, Ordering::Relaxed);
        flapping.join().unwrap()
    })?;
    Ok(())
}

/// The kernel makes the main table with its first route; before, "FIB table does not exist".
fn a_new_namespace_has_no_routes() -> Outcome {
    netns()?;
    assert_eq!(netlink::routes()?, []);
    Ok(())
}

/// NetworkGetRoutes listed IPv4 only, and lost gateway, source, metric and next hops.
fn routes_are_listed_with_all_they_have() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut wide = Route::to(net("10.3.0.0/16")).via(ip("10.0.0.9")).dev(link.index).source(ip("10.0.0.1"));
    wide = wide.metric(77);
    handle.add_route(&wide)?;
    let mut blackhole = Route::to(net("10.4.0.0/16"));
    blackhole.kind = RouteKind::Blackhole;
    handle.add_route(&blackhole)?;
    let mut other_table = Route::to(net("10.5.0.0/16")).dev(link.index);
    other_table.table = 1000;
    handle.add_route(&other_table)?;

    let routes = netlink::routes()?;
    let find = |text: &str| routes.iter().find(|route| route.destination == net(text));
    let connected = find("10.0.0.0/24").unwrap();
    assert_eq!((connected.device, connected.source), (Some(link.index), Some(ip("10.0.0.1"))));
    assert_eq!((connected.gateway, connected.scope), (None, Some(Scope::Link)));
    let found = find("10.3.0.0/16").unwrap();
    (wide.scope, wide.protocol) = (Some(Scope::Universe), Some(3));
    assert_eq!(found, &wide);
    assert_eq!(find("10.4.0.0/16").unwrap().kind, RouteKind::Blackhole);
    assert_eq!(find("10.5.0.0/16"), None);
    assert!(routes.iter().all(|route| route.table == 254));

    ipv6_or_ignored()?;
    handle.add_address("v0", &net("fd00::1/64").into())?;
    handle.add_route(&Route::to(net("fd01::/64")).via(ip("fd00::9")).dev(link.index))?;
    let routes = handle.routes()?;
    let found = routes.iter().find(|route| route.destination == net("fd01::/64")).unwrap();
    assert_eq!((found.gateway, found.device), (Some(ip("fd00::9")), Some(link.index)));
    Ok(())
}

/// AddRoute sent the destination as it was, host bits and all (EINVAL), and the source as a selector that
/// IPv4 ignores.
fn a_route_needs_no_masked_destination_and_keeps_its_source() -> Outcome {
    let (_, link) = connected()?;
    netlink::add_route(Some(net("10.6.0.1/16")), Some(ip("10.0.0.1")), None, &link)?;
    let routes = netlink::routes()?;
    let route = routes.iter().find(|route| route.destination == net("10.6.0.0/16")).unwrap();
    assert_eq!((route.source, route.device), (Some(ip("10.0.0.1")), Some(link.index)));
    Ok(())
}

fn a_default_gateway_is_added_and_deleted() -> Outcome {
    let (mut handle, link) = connected()?;
    netlink::add_default_gateway(ip("10.0.0.254"), "v0")?;
    let routes = handle.routes()?;
    let default = routes.iter().find(|route| route.is_default()).unwrap();
    assert_eq!((default.gateway, default.device), (Some(ip("10.0.0.254")), Some(link.index)));
    assert_eq!(default.destination, net("0.0.0.0/0"));

    let error = netlink::add_default_gateway(ip("10.0.0.253"), &link).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(
        error.to_string(),
        "add default gateway 10.0.0.253 on link \"v0\": there is such a route already: \
         File exists (os error 17)"
    );
    handle.delete_route(&Route::default_via(ip("10.0.0.254")))?;
    let error = handle.delete_route(default).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no such route"), "{error}");
    Ok(())
}

fn routes_that_can_not_be_are_told() -> Outcome {
    let (mut handle, link) = connected()?;
    let error = netlink::add_route(Some(net("10.7.0.0/16")), None, Some(ip("192.0.2.1")), &link).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.kernel_text(), Some("Nexthop has invalid gateway"));
    handle.add_route(&Route::to(net("10.7.0.0/16")).dev(link.index))?;
    let again = netlink::add_route(Some(net("10.7.0.0/16")), None, None, &link).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    for device in ["", "no0"] {
        assert!(netlink::add_route(Some(net("10.8.0.0/16")), None, None, device).is_err());
    }
    handle.set_down(&link)?;
    let error = netlink::add_default_gateway(ip("10.0.0.254"), &link).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    Ok(())
}

fn several_next_hops_come_back_as_they_went() -> Outcome {
    let (mut handle, link) = connected()?;
    let hop = |gateway, weight| NextHop::via(ip(gateway)).dev(link.index).weight(weight);
    let mut route = Route::to(net("10.8.0.0/16"));
    route.hops = vec![hop("10.0.0.5", 1), hop("10.0.0.6", 20)];
    handle.add_route(&route)?;
    let routes = handle.routes()?;
    let found = routes.iter().find(|found| found.destination == route.destination).unwrap();
    assert_eq!(found.hops, route.hops);
    handle.delete_route(found)?;

    ipv6_or_ignored()?;
    let by_ipv6 = Route::to(net("10.9.0.0/16")).via(ip("fe80::9")).dev(link.index);
    handle.add_route(&by_ipv6)?;
    let routes = handle.routes()?;
    let found = routes.iter().find(|found| found.destination == by_ipv6.destination).unwrap();
    assert_eq!(found.gateway, by_ipv6.gateway);
    Ok(())
}

/// A route to the gateway's own link must have that link's scope, or the gateway "is invalid".
fn a_gateway_can_be_reached_by_a_route_to_its_link() -> Outcome {
    let (mut handle, link) = connected()?;
    handle.add_route(&Route::to(ip("192.0.2.1").into()).dev(link.index))?;
    handle.add_route(&Route::default_via(ip("192.0.2.1")).dev(link.index))?;
    Ok(())
}

/// 2014's sockets were inherited by every program started meanwhile.
fn sockets_are_not_inherited() -> Outcome {
    netns()?;
    for handle in [Handle::open()?, Handle::open_in(another_netns()?)?] {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_fd().as_raw_fd()))?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8)?;
        assert_ne!(flags & 0o2_000_000, 0, "no O_CLOEXEC in {info}");
    }
    Ok(())
}

/// A privileged process can send to any netlink socket that is not connected to the kernel.
fn other_processes_can_not_send_to_a_handle() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let to: NetlinkAddr = getsockname(handle.as_fd().as_raw_fd())?;
    let forger =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    let sent = sendto(forger.as_raw_fd(), &[0; 36], &to, MsgFlags::empty());
    assert_eq!(sent, Err(Errno::ECONNREFUSED));
    assert!(handle.links()?.iter().any(|link| link.name == "lo"));
    Ok(())
}

/// What is made elsewhere with an echo is told there, to the port that has our number: it was taken for an answer.
fn the_echo_of_another_socket_is_no_answer() -> Outcome {
    netns()?;
    let other = another_netns()?;
    let mut inside = Handle::open_in(&other)?;
    let mut here = Handle::open()?;
    for number in 0..4 {
        here.add_link(&Bridge::new(format!("br{number}")).netns_fd(&other))?;
    }
    assert_eq!(inside.link("lo")?.name, "lo");
    let mut indexes: Vec<_> = inside.links()?.into_iter().map(|link| link.index).collect();
    let count = indexes.len();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len(), count);
    Ok(())
}

fn a_pair_has_one_mtu_however_it_is_made() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Veth::new("v0").peer("v1").mtu(1400))?;
    let mut batch = handle.batch();
    let results = batch.add_link(&Veth::new("v2").peer("v3").mtu(1300).peer_mtu(1200)).send();
    assert!(results[0].is_ok(), "{results:?}");
    let mtus = ["v0", "v1", "v2", "v3"].map(|name| handle.link(name).map(|link| link.mtu));
    assert_eq!(mtus, [Ok(1400), Ok(1400), Ok(1300), Ok(1200)]);
    Ok(())
}

fn a_pair_has_an_end_here() -> Outcome {
    netns()?;
    let other = another_netns()?;
    let mut handle = Handle::open()?;
    let error = handle.add_veth(&Veth::new("v0").netns_fd(&other).peer("v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!((handle.find_link("v1")?, Handle::open_in(&other)?.find_link("v0")?), (None, None));
    Ok(())
}

/// The kernel says "done", and keeps the length.
fn the_network_of_an_ipv6_address_is_not_replaced() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    let mut handle = Handle::open()?;
    handle.add_address("lo", &net("fd00::1/128").into())?;
    handle.replace_address("lo", &net("fd00::1/128").into())?;
    let error = handle.replace_address("lo", &net("fd00::1/64").into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("the link has it as fd00::1/128"), "{error}");
    handle.replace_address("lo", &net("fd00::2/64").into())?;
    Ok(())
}

/// It was named "alt1" in the other namespace.
fn a_link_that_is_moved_by_an_alternative_name_keeps_its_own() -> Outcome {
    netns()?;
    let other = another_netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("x1").peer("x2"))?;
    handle.add_altname("x1", "alt1")?;
    Handle::open_in(&other)?.add_link(&Bridge::new("x1"))?;
    let error = handle.set_netns_fd("alt1", &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    handle.set_netns_fd("x2", &other)?;
    assert!(Handle::open_in(&other)?.find_link("x2")?.is_some());
    Ok(())
}

/// The kernel says EPERM and no more.
fn a_missing_privilege_is_told() -> Outcome {
    // In the namespace of the machine, where only an ordinary user is sure to be refused.
    if grounds::root().is_ok() {
        return Err(ignored("needs an ordinary user"));
    }
    let error = netlink::create_bridge("br-refused", false).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::PermissionDenied, Some(1)));
    assert_eq!(
        error.to_string(),
        "create bridge \"br-refused\": needs CAP_NET_ADMIN in this network namespace, \
         and in those of all that it is tied to: Operation not permitted (os error 1)"
    );
    Ok(())
}

/// Asks for a kernel with IPv6.
fn ipv6_or_ignored() -> Outcome {
    match fs::read_to_string("/proc/sys/net/ipv6/conf/default/disable_ipv6") {
        Ok(disabled) if disabled.trim() == "0" => Ok(()),
        _ => Err(ignored("this kernel has no IPv6, or it is switched off")),
    }
}
