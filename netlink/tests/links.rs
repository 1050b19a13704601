//! What a link has besides its kind: it goes to the kernel and comes back the same, and iproute2 agrees. Tuns and taps.

#[path = "common/oracle.rs"]
mod oracle;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Ipv6Addr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::thread;

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::kind::TunMode;
use netlink::{
    AddrGenMode, Bridge, ErrorKind, Handle, Ipv4Setting, Ipv6Setting, LinkChange, LinkFilter, LinkKind,
    LinkMode, Macvlan, TunTap, Veth, XdpFlags, XdpMode,
};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use oracle::{agrees, ip_link};
use serde_json::json;

fn what_a_link_is_made_with_comes_back() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let pair =
        Veth::new("v0").peer("v1").group(7).queue_len(50).queues(2, 1).gso_max_size(30_000).gso_max_segs(20);
    let error = handle.add_veth(&pair.clone().peer_index(77)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let pair = pair.index(76).peer_index(77).peer_group(8).peer_queue_len(60).peer_queues(1, 3);
    handle.add_veth(&pair)?;
    let here = handle.link("v0")?;
    assert_eq!((here.index, here.group, here.queue_len), (76, 7, 50));
    assert_eq!((here.tx_queues, here.rx_queues), (2, 1));
    assert_eq!((here.gso_max_size, here.gso_max_segs), (Some(30_000), Some(20)));
    let there = handle.link("v1")?;
    assert_eq!((there.index, there.group, there.queue_len), (77, 8, 60));
    assert_eq!((there.tx_queues, there.rx_queues), (1, 3));
    Ok(())
}

/// The link below is in a third place: neither where this is asked, nor where the new one goes.
fn a_link_on_one_of_another_namespace_is_made() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let other = netlink::Netns::create()?;
    let lower = Handle::open_in(&other)?.add_veth(&Veth::new("low").peer("low1"))?.host;
    handle.set_netns_id(&other, Some(9))?;
    handle.add_link(&Macvlan::new("m0", lower.index).lower_netns_id(9))?;
    let made = handle.link("m0")?;
    assert_eq!((made.peer, made.peer_netns_id), (Some(lower.index), Some(9)));
    Ok(())
}

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_link_has_its_carrier,
        what_a_link_is_made_with_comes_back,
        a_link_on_one_of_another_namespace_is_made,
        a_link_is_kept_down_for_reasons,
        a_link_has_a_mode_and_a_broadcast_address,
        a_link_tells_of_its_hardware,
        a_link_makes_ipv6_addresses_as_told,
        a_link_has_an_ipv6_token,
        settings_of_ipv4_are_changed_and_those_of_ipv6_read,
        virtual_functions_are_told_when_asked_for,
        a_program_is_attached_and_detached,
        a_link_is_moved_under_an_index,
        a_tap_is_made_read_and_gone_when_closed,
        a_tun_stays_with_its_owner_and_group,
        a_tap_has_several_queues,
        a_tap_is_made_in_another_namespace,
        packets_go_through_a_tun,
        a_tun_that_can_not_be_is_told,
        an_open_tun_is_closed_at_exec,
    ])
}

fn pair() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    Ok(handle)
}

fn another_netns() -> Result<File, Stop> {
    let made = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    });
    Ok(made.join().unwrap()?)
}

fn a_link_has_its_carrier() -> Outcome {
    let mut handle = pair()?;
    let _tap = open(&TunTap::tap("t0"))?;
    handle.set_up("t0")?;
    let before = handle.link("t0")?;
    for connected in [false, true] {
        handle.change_link("t0", &LinkChange::new().carrier(connected))?;
        assert_eq!(handle.link("t0")?.carrier, Some(connected));
    }
    let after = handle.link("t0")?;
    let more = |before: Option<u32>, after: Option<u32>| after.unwrap() - before.unwrap();
    assert_eq!(more(before.carrier_down_count, after.carrier_down_count), 1);
    assert_eq!(more(before.carrier_up_count, after.carrier_up_count), 1);
    assert_eq!(more(before.carrier_changes, after.carrier_changes), 2);
    let error = handle.change_link("v0", &LinkChange::new().carrier(true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    Ok(())
}

fn a_link_is_kept_down_for_reasons() -> Outcome {
    let mut handle = pair()?;
    handle.add_link(&Macvlan::new("m0", "v0"))?;
    let down = LinkChange::new().proto_down(true).proto_down_reason(0b111, 0b101);
    handle.change_link("m0", &down)?;
    let link = handle.link("m0")?;
    assert_eq!((link.proto_down, link.proto_down_reason), (Some(true), Some(0b101)));
    agrees(&ip_link("m0")?, &[("/proto_down", json!(true))]);
    assert_eq!(
        handle.change_link("m0", &LinkChange::new().proto_down(false)).unwrap_err().kind(),
        ErrorKind::Busy
    );
    handle.change_link("m0", &LinkChange::new().proto_down_reason(0b111, 0))?;
    handle.change_link("m0", &LinkChange::new().proto_down(false))?;
    assert_eq!(handle.link("m0")?.proto_down, Some(false));
    Ok(())
}

fn a_link_has_a_mode_and_a_broadcast_address() -> Outcome {
    let mut handle = pair()?;
    for mode in [LinkMode::Dormant, LinkMode::Default] {
        let broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, u8::from(mode)];
        handle.change_link("v0", &LinkChange::new().mode(mode).broadcast(broadcast))?;
        let link = handle.link("v0")?;
        assert_eq!((link.mode, link.broadcast), (mode, Some(broadcast.into())));
        agrees(
            &ip_link("v0")?,
            &[
                ("/linkmode", json!(mode.to_string())),
                ("/broadcast", json!(link.broadcast.unwrap().to_string())),
            ],
        );
    }
    Ok(())
}

fn a_link_tells_of_its_hardware() -> Outcome {
    let mut handle = pair()?;
    let link = handle.link("v0")?;
    let said = ip_link("v0")?;
    if let Some(size) = link.tso_max_size {
        agrees(&said, &[("/tso_max_size", json!(size)), ("/tso_max_segs", json!(link.tso_max_segs))]);
    }
    assert_eq!((link.phys_port_id, link.phys_port_name, link.phys_switch_id), (None, None, None));
    assert_eq!((link.parent_dev, link.parent_bus, link.xdp), (None, None, None));
    assert_eq!((link.netns_id, link.new_netns_id, link.new_index), (None, None, None));
    handle.change_link("v0", &LinkChange::new().flag(netlink::LinkFlags::ALLMULTI, true))?;
    assert!(handle.link("v0")?.allmulti.is_none_or(|count| count == 1));
    handle.add_link(&Bridge::new("br0"))?;
    // It can't leave.
    assert!(handle.link("br0")?.netns_immutable.is_none_or(|immutable| immutable));
    assert!(handle.link("v0")?.netns_immutable.is_none_or(|immutable| !immutable));
    Ok(())
}

fn a_link_makes_ipv6_addresses_as_told() -> Outcome {
    let mut handle = pair()?;
    if handle.link("v0")?.inet6.is_none() {
        return Err(ignored("this kernel has no IPv6"));
    }
    for mode in [AddrGenMode::None, AddrGenMode::Random, AddrGenMode::Eui64] {
        handle.change_link("v0", &LinkChange::new().addr_gen_mode(mode))?;
        assert_eq!(handle.link("v0")?.addr_gen_mode(), Some(mode));
        agrees(&ip_link("v0")?, &[("/inet6_addr_gen_mode", json!(mode.to_string()))]);
    }
    // There is no secret yet.
    let error =
        handle.change_link("v0", &LinkChange::new().addr_gen_mode(AddrGenMode::StablePrivacy)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(22), "{error}");
    Ok(())
}

fn a_link_has_an_ipv6_token() -> Outcome {
    let mut handle = pair()?;
    if handle.link("v0")?.inet6.is_none() {
        return Err(ignored("this kernel has no IPv6"));
    }
    handle.set_up("v0")?;
    let token: Ipv6Addr = "::7:8".parse()?;
    for (set, read) in [(token, Some(token)), (Ipv6Addr::UNSPECIFIED, None)] {
        handle.change_link("v0", &LinkChange::new().token(set))?;
        assert_eq!(handle.link("v0")?.inet6.unwrap().token, read);
    }
    Ok(())
}

fn settings_of_ipv4_are_changed_and_those_of_ipv6_read() -> Outcome {
    let mut handle = pair()?;
    let file = |family: &str, name: &str| -> Result<i32, Stop> {
        Ok(fs::read_to_string(format!("/proc/thread-self/net/../../../sys/net/{family}/conf/v0/{name}"))
            .or_else(|_| fs::read_to_string(format!("/proc/sys/net/{family}/conf/v0/{name}")))?
            .trim()
            .parse()?)
    };
    for (setting, name, value) in [
        (Ipv4Setting::Forwarding, "forwarding", 1),
        (Ipv4Setting::ProxyArp, "proxy_arp", 1),
        (Ipv4Setting::RpFilter, "rp_filter", 2),
        (Ipv4Setting::ArpIgnore, "arp_ignore", 8),
        (Ipv4Setting::ArpAnnounce, "arp_announce", 2),
        (Ipv4Setting::RouteLocalnet, "route_localnet", 1),
        (Ipv4Setting::SrcValidMark, "src_valid_mark", 1),
        (Ipv4Setting::PromoteSecondaries, "promote_secondaries", 1),
        (Ipv4Setting::DropGratuitousArp, "drop_gratuitous_arp", 1),
        (Ipv4Setting::Igmpv3UnsolicitedReportInterval, "igmpv3_unsolicited_report_interval", 777),
    ] {
        handle.change_link("v0", &LinkChange::new().ipv4(setting, value))?;
        assert_eq!(handle.link_conf("v0")?.ipv4(setting), Some(value), "{name}");
        assert_eq!(file("ipv4", name)?, value, "{name}");
    }
    let conf = handle.link_conf("v0")?;
    for (setting, name) in [
        (Ipv6Setting::Forwarding, "forwarding"),
        (Ipv6Setting::HopLimit, "hop_limit"),
        (Ipv6Setting::Mtu, "mtu"),
        (Ipv6Setting::AcceptRa, "accept_ra"),
        (Ipv6Setting::DisableIpv6, "disable_ipv6"),
        (Ipv6Setting::AcceptDad, "accept_dad"),
        (Ipv6Setting::ProxyNdp, "proxy_ndp"),
        (Ipv6Setting::NdiscNotify, "ndisc_notify"),
        (Ipv6Setting::ForceTllao, "force_tllao"),
        (Ipv6Setting::AcceptSourceRoute, "accept_source_route"),
        (Ipv6Setting::DadTransmits, "dad_transmits"),
        (Ipv6Setting::UseTempaddr, "use_tempaddr"),
    ] {
        let Some(value) = conf.ipv6(setting) else { return Err(ignored("this kernel has no IPv6")) };
        assert_eq!(file("ipv6", name)?, value, "{name}");
    }
    Ok(())
}

fn virtual_functions_are_told_when_asked_for() -> Outcome {
    let mut handle = pair()?;
    let mut filter = LinkFilter::default();
    filter.vfs = true;
    assert_eq!(handle.list_links(filter)?, handle.links()?);
    let link = handle.link_with_vfs("v0")?;
    assert_eq!((link.name.as_str(), link.vfs.len()), ("v0", 0));
    Ok(())
}

/// A BPF program that lets every packet pass.
#[allow(unsafe_code, reason = "nothing safe loads a program")]
fn program() -> Result<OwnedFd, Stop> {
    const BPF_PROG_LOAD: i32 = 5;
    // r0 = 2 (XDP_PASS); exit
    let code: [u64; 2] = [0x0000_0002_0000_00b7, 0x95];
    let license = c"Apache-2.0";
    // The beginning of `union bpf_attr`: the type (XDP), how many instructions, where they and the license are.
    let attr: [u64; 16] = {
        let mut attr = [0; 16];
        let (kind, count) = (6_u32, code.len() as u32);
        attr[0] = u64::from_ne_bytes(
            <[u8; 8]>::try_from([kind.to_ne_bytes(), count.to_ne_bytes()].concat()).unwrap_or_default(),
        );
        attr[1] = code.as_ptr() as u64;
        attr[2] = license.as_ptr() as u64;
        attr
    };
    // SAFETY: the kernel reads `attr` and what it points to, all of which outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, attr.as_ptr(), size_of_val(&attr)) };
    if fd < 0 {
        return Err(ignored(format!("no program can be loaded: {}", std::io::Error::last_os_error())));
    }
    // SAFETY: the kernel has just opened it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn a_program_is_attached_and_detached() -> Outcome {
    let mut handle = pair()?;
    let program = program()?;
    for (flags, mode) in [(XdpFlags::SKB_MODE, XdpMode::Generic), (XdpFlags::DRV_MODE, XdpMode::Driver)] {
        handle.change_link("v0", &LinkChange::new().xdp(&program, flags | XdpFlags::UPDATE_IF_NOEXIST))?;
        let xdp = handle.link("v0")?.xdp.unwrap();
        assert_eq!(xdp.mode, mode);
        let id = xdp.id.unwrap();
        let (generic, driver) = if mode == XdpMode::Generic { (Some(id), None) } else { (None, Some(id)) };
        assert_eq!((xdp.generic_id, xdp.driver_id, xdp.hardware_id), (generic, driver, None));
        agrees(&ip_link("v0")?, &[("/xdp/mode", json!(u8::from(mode))), ("/xdp/prog/id", json!(id))]);
        let again = LinkChange::new().xdp(&program, flags | XdpFlags::UPDATE_IF_NOEXIST);
        assert_eq!(handle.change_link("v0", &again).unwrap_err().kind(), ErrorKind::Busy);
        handle.change_link("v0", &LinkChange::new().no_xdp(flags))?;
        assert_eq!(handle.link("v0")?.xdp, None);
    }
    Ok(())
}

fn a_link_is_moved_under_an_index() -> Outcome {
    let mut handle = pair()?;
    let elsewhere = another_netns()?;
    handle.change_link("v1", &LinkChange::new().netns_fd(&elsewhere).new_index(77))?;
    assert_eq!(Handle::open_in(&elsewhere)?.link("v1")?.index, 77);
    Ok(())
}

fn tun_of(handle: &mut Handle, name: &str) -> Result<netlink::kind::Tun, Stop> {
    match handle.link(name)?.kind {
        Some(LinkKind::Tun(tun)) => Ok(*tun),
        other => panic!("{other:?}"),
    }
}

/// There may be no `/dev/net/tun`, or an ordinary user may not open it.
fn open(tun: &TunTap<'_>) -> Result<netlink::TunFd, Stop> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/net/tun") {
        return Err(ignored(format!("/dev/net/tun can't be opened: {error}")));
    }
    Ok(tun.open()?)
}

fn a_tap_is_made_read_and_gone_when_closed() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    for (new, mode) in [(TunTap::tap("t0"), TunMode::Tap), (TunTap::tun("t0"), TunMode::Tun)] {
        let open = open(&new)?;
        assert_eq!(open.name(), "t0");
        let tun = tun_of(&mut handle, "t0")?;
        assert_eq!((tun.mode, tun.persist, tun.pi), (Some(mode), Some(false), Some(false)));
        assert_eq!((tun.vnet_hdr, tun.multi_queue, tun.owner), (Some(false), Some(false), None));
        agrees(
            &ip_link("t0")?,
            &[
                ("/linkinfo/info_kind", json!("tun")),
                ("/linkinfo/info_data/type", json!(mode.to_string())),
                ("/linkinfo/info_data/persist", json!(false)),
            ],
        );
        drop(open);
        assert_eq!(handle.find_link("t0")?, None);
    }
    let chosen = open(&TunTap::tun(""))?;
    assert_eq!(handle.link(chosen.name())?.kind_name(), Some("tun"));
    Ok(())
}

fn a_tun_stays_with_its_owner_and_group() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    // The only ones that an ordinary user's namespace has.
    let tun = open(&TunTap::tap("t0").persistent().owner(0).group(0).vnet_hdr().packet_info())?;
    drop(tun);
    let tun = tun_of(&mut handle, "t0")?;
    assert_eq!((tun.persist, tun.owner, tun.group), (Some(true), Some(0), Some(0)));
    assert_eq!((tun.vnet_hdr, tun.pi), (Some(true), Some(true)));
    agrees(&ip_link("t0")?, &[("/linkinfo/info_data/persist", json!(true))]);
    let again = open(&TunTap::tap("t0").vnet_hdr().packet_info())?;
    again.set_persistent(false)?;
    drop(again);
    assert_eq!(handle.find_link("t0")?, None);
    drop(open(&TunTap::tap("t0").persistent())?);
    handle.delete_link("t0")?;
    Ok(())
}

fn a_tap_has_several_queues() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let new = TunTap::tap("t0").multi_queue();
    let queues = [open(&new)?, open(&new)?, open(&new)?];
    let tun = tun_of(&mut handle, "t0")?;
    assert_eq!((tun.multi_queue, tun.num_queues, tun.num_disabled_queues), (Some(true), Some(3), Some(0)));
    drop(queues);
    Ok(())
}

fn a_tap_is_made_in_another_namespace() -> Outcome {
    netns()?;
    let elsewhere = another_netns()?;
    let tap = open(&TunTap::tap("t0").netns_fd(&elsewhere))?;
    assert_eq!(Handle::open()?.find_link("t0")?, None);
    assert_eq!(Handle::open_in(&elsewhere)?.link("t0")?.kind_name(), Some("tun"));
    drop(tap);
    Ok(())
}

fn packets_go_through_a_tun() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let tap = open(&TunTap::tap("t0").nonblocking())?;
    handle.set_up("t0")?;
    let mut file = File::from(OwnedFd::from(tap));
    // An Ethernet packet to all, of a type for experiments.
    let packet = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5], &[0; 46]].concat();
    assert_eq!(file.write(&packet)?, packet.len());
    assert_eq!(handle.link_with_stats("t0")?.stats.unwrap().rx_packets, 1);
    // Whatever the kernel sent first; maybe nothing yet.
    let read = file.read(&mut [0; 2000]);
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    Ok(())
}

fn a_tun_that_can_not_be_is_told() -> Outcome {
    let mut handle = pair()?;
    let error = TunTap::tap("a-name-that-is-too-long").open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let first = open(&TunTap::tap("t0"))?;
    let error = TunTap::tap("t0").open().unwrap_err();
    assert_eq!(
        error.to_string(),
        "open tap \"t0\": somebody is attached to it, or it is there already: \
         Device or resource busy (os error 16)"
    );
    assert_eq!(TunTap::tap("t0").exclusive().open().unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(TunTap::tap("v0").open().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(handle.find_link("t0")?.is_some());
    drop(first);
    Ok(())
}

fn an_open_tun_is_closed_at_exec() -> Outcome {
    netns()?;
    let tun = open(&TunTap::tun("t0"))?;
    let flags = FdFlag::from_bits_retain(fcntl(&tun, FcntlArg::F_GETFD)?);
    assert!(flags.contains(FdFlag::FD_CLOEXEC));
    Ok(())
}
