//! What goes wrong between a handle and the kernel: lost answers, missing ones, signals, forged messages.

mod common;

use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::time::Duration;

use common::net;
use grounds::faults::Interrupts;
use grounds::{Outcome, netns, tests};
use netlink::kind::MacvlanMode;
use netlink::raw::Request;
use netlink::{Bridge, ErrorKind, Event, Handle, LinkFilter, Monitor, Route};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, setsockopt, socket,
    sockopt,
};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_lost_answer_is_told_and_the_handle_works_on,
        a_missing_answer_is_told_and_the_handle_works_on,
        signals_disturb_nothing,
        signals_put_off_no_timeout,
        what_another_process_tells_a_group_is_not_heard,
        a_bridge_is_deleted_and_nothing_else,
        what_was_added_later_in_2014_is_there,
    ])
}

const RTM_SETLINK: u16 = 19;

/// There is room for two answers or so, and all are refused.
fn a_lost_answer_is_told_and_the_handle_works_on() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    setsockopt(&handle, sockopt::RcvBuf, &1)?;
    let mut batch = handle.batch();
    for number in 0..60 {
        batch.delete_route(&Route::to(net(&format!("10.{number}.0.0/16"))));
    }
    let results = batch.send();
    assert_eq!(results.len(), 60);
    let errors: Vec<_> =
        results.into_iter().map(|result| result.expect_err("none is there").to_string()).collect();
    let lost = errors.iter().filter(|error| error.contains("the kernel's answer was lost")).count();
    assert!(lost > 0, "{errors:#?}");
    assert!(errors[0].starts_with("delete route 10.0.0.0/16: "), "{}", errors[0]);
    setsockopt(&handle, sockopt::RcvBuf, &(256 * 1024))?;
    assert_eq!(handle.link("lo")?.name, "lo");
    let mut batch = handle.batch();
    batch.delete_route(&Route::to(net("10.0.0.0/16")));
    assert_eq!(batch.send().remove(0).expect_err("it isn't there").kind(), ErrorKind::NotFound);
    Ok(())
}

/// What is not acknowledged is not answered.
fn unanswered(handle: &mut Handle) -> netlink::Result<()> {
    let mut request: Request = handle.raw_request(RTM_SETLINK, 0, &[0; 16]);
    request.text(3, "lo");
    handle.raw_get(request, |_| Some(()))
}

fn a_missing_answer_is_told_and_the_handle_works_on() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.set_timeout(Some(Duration::from_millis(20)))?;
    for _ in 0..3 {
        let error = unanswered(&mut handle).expect_err("there is no answer");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("the kernel did not answer in time"), "{error}");
    }
    handle.set_timeout(None)?;
    assert_eq!(handle.link("lo")?.name, "lo");
    Ok(())
}

fn signals_disturb_nothing() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut monitor = Monitor::builder().links().open()?;
    let _signals = Interrupts::every(Duration::from_millis(1))?;
    let mut batch = handle.batch();
    for number in 0..20 {
        batch.add_link(&Bridge::new(format!("br{number}")));
    }
    batch.send().into_iter().collect::<netlink::Result<Vec<()>>>()?;
    for _ in 0..100 {
        assert!(handle.links()?.len() > 20);
        assert_eq!(handle.link("br7")?.name, "br7");
    }
    for number in 0..20 {
        let told = loop {
            match monitor.next_timeout(Duration::from_secs(20))? {
                Some(Event::New(netlink::Object::Link(link))) => break link.name,
                Some(_) => {}
                None => panic!("nothing was told of br{number}"),
            }
        };
        assert_eq!(told, format!("br{number}"));
    }
    Ok(())
}

/// The kernel begins to count again after each of them.
fn signals_put_off_no_timeout() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.set_timeout(Some(Duration::from_millis(200)))?;
    let _signals = Interrupts::every(Duration::from_millis(5))?;
    let error = unanswered(&mut handle).expect_err("there is no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(handle.link("lo")?.name, "lo");
    Ok(())
}

/// Who may change the network may send to its groups.
fn what_another_process_tells_a_group_is_not_heard() -> Outcome {
    const RTM_DELLINK: u16 = 17;
    const RTNLGRP_LINK: u32 = 1;
    netns()?;
    let mut monitor = Monitor::builder().links().open()?;
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    let mut forged = vec![32, 0, 0, 0];
    forged.extend(RTM_DELLINK.to_ne_bytes());
    forged.extend([0; 14]);
    forged.extend(1_u32.to_ne_bytes());
    forged.extend([0; 8]);
    match sendto(socket.as_raw_fd(), &forged, &NetlinkAddr::new(0, RTNLGRP_LINK), MsgFlags::empty()) {
        // Before the groups are asked, the kernel itself is: which takes no such message.
        Ok(_) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("br0"))?;
    let event = monitor.next_timeout(Duration::from_secs(20))?;
    assert!(
        matches!(&event, Some(Event::New(netlink::Object::Link(link))) if link.name == "br0"),
        "{event:?}"
    );
    Ok(())
}

fn a_bridge_is_deleted_and_nothing_else() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    netlink::create_veth_pair("v0", "v1")?;
    let error = netlink::delete_bridge("v0").expect_err("it is no bridge");
    assert_eq!(error.to_string(), "delete bridge \"v0\": link \"v0\" is not a bridge");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    netlink::delete_bridge("br0")?;
    assert_eq!(netlink::delete_bridge("br0").expect_err("it is gone").kind(), ErrorKind::NotFound);
    let links: Vec<_> =
        Handle::open()?.dump_links(LinkFilter::default())?.collect::<netlink::Result<Vec<_>>>()?;
    assert!(links.iter().any(|link| link.name == "v0"));
    Ok(())
}

fn what_was_added_later_in_2014_is_there() -> Outcome {
    netns()?;
    netlink::create_bridge("br0", false)?;
    netlink::create_veth_pair("v0", "v1")?;
    netlink::link_set_master("v0", "br0")?;
    netlink::link_set_no_master("v0")?;
    netlink::link_set_mac("v0", [2, 0, 0, 0, 0, 9])?;
    let v0 = netlink::interface_by_name("v0")?;
    assert_eq!((v0.master, v0.mac), (None, Some([2, 0, 0, 0, 0, 9].into())));

    netlink::link_add_ip("v0", net("10.0.0.1/24"))?;
    netlink::link_del_ip("v0", net("10.0.0.1/24"))?;
    assert!(!Handle::open()?.addresses()?.iter().any(|address| address.index == v0.index));
    let error = netlink::link_del_ip("v0", net("10.0.0.1/24")).expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);

    netlink::link_add_macvlan("v0", "m0", MacvlanMode::Bridge)?;
    assert_eq!(netlink::interface_by_name("m0")?.peer, Some(v0.index));
    match netlink::link_add_vlan("v0", "v0.7", 7) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        outcome => {
            outcome?;
            assert_eq!(netlink::interface_by_name("v0.7")?.kind_name(), Some("vlan"));
        }
    }
    Ok(())
}
