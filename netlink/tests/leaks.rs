//! What was opened is closed: no descriptor and no thread stays, however often and however it ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use grounds::{Outcome, Stop, netns, tests};
use netlink::generic::Generic;
use netlink::{Bridge, Handle, LinkFilter, Monitor, Netns, Route, RouteFilter, Veth, raw};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        handles_leave_nothing,
        handles_of_other_namespaces_leave_nothing,
        what_can_not_be_opened_leaves_nothing,
        lists_read_in_part_leave_nothing,
        monitors_leave_nothing,
        batches_leave_nothing,
    ])
}

/// How often each is done: more than a process may have descriptors at first, together with the others.
const TIMES: usize = 500;

/// The descriptors that this process has, and the threads. (Each test is a process of its own.)
fn held() -> Result<(BTreeMap<String, String>, usize), Stop> {
    let mut descriptors = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The list itself is gone by now.
        if let Ok(target) = fs::read_link(entry.path()) {
            descriptors
                .insert(entry.file_name().to_string_lossy().into_owned(), target.display().to_string());
        }
    }
    descriptors.retain(|_, target| !target.ends_with("/fd"));
    Ok((descriptors, fs::read_dir("/proc/self/task")?.count()))
}

/// Does it many times; afterwards nothing is held that wasn't before.
fn leaves_nothing(mut once: impl FnMut() -> Outcome) -> Outcome {
    once()?;
    let before = held()?;
    assert!(!before.0.is_empty() && before.1 > 0);
    for _ in 0..TIMES {
        once()?;
    }
    // A thread that was waited for is listed a moment longer: after the first time too.
    for _ in 0..500 {
        let (descriptors, threads) = held()?;
        if descriptors == before.0 && threads <= before.1 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(held()?, before);
    Ok(())
}

fn handles_leave_nothing() -> Outcome {
    netns()?;
    leaves_nothing(|| {
        let mut handle = Handle::open()?;
        assert_eq!(handle.link("lo")?.name, "lo");
        assert!(handle.link("missing").is_err());
        _ = Generic::open()?;
        Ok(())
    })
}

fn handles_of_other_namespaces_leave_nothing() -> Outcome {
    netns()?;
    let other = Netns::create()?;
    Handle::open_in(&other)?.add_link(&Bridge::new("there"))?;
    leaves_nothing(|| {
        let mut handle = Handle::open_in(&other)?;
        assert!(handle.find_link("there")?.is_some());
        _ = Netns::current()?;
        other.run(|| File::open("/proc/self/ns/net"))??;
        Ok(())
    })
}

fn what_can_not_be_opened_leaves_nothing() -> Outcome {
    netns()?;
    let null = File::open("/dev/null")?;
    leaves_nothing(|| {
        assert!(Handle::open_in(&null).is_err());
        assert!(Monitor::builder().links().open_in(&null).is_err());
        assert!(raw::Monitor::open(0, &[4000]).is_err());
        assert!(raw::Monitor::open(200, &[1]).is_err());
        assert!(Netns::named("there is none").is_err());
        Ok(())
    })
}

fn lists_read_in_part_leave_nothing() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let device = handle.add_link(&Bridge::new("br0").up())?.index;
    let mut batch = handle.batch();
    // More than one datagram.
    for number in 0..2000_u32 {
        let to = std::net::Ipv4Addr::from(0x0a00_0000 + (number << 8));
        batch.add_route(&Route::to(netlink::IpNet::new(to.into(), 24)?).dev(device));
    }
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    let mut kept = Handle::open()?;
    let links = kept.links()?.len();
    leaves_nothing(|| {
        // Of a handle that goes with it, and of one that stays.
        let mut handle = Handle::open()?;
        for handle in [&mut handle, &mut kept] {
            let mut dump = handle.dump_routes(RouteFilter::default())?;
            for _ in 0..3 {
                dump.next().expect("there are more")?;
            }
            drop(dump);
            let mut dump = handle.dump_links(LinkFilter::default())?;
            assert!(dump.next_message()?.is_some());
        }
        Ok(())
    })?;
    assert_eq!(kept.links()?.len(), links);
    assert!(kept.routes()?.len() >= 2000);
    Ok(())
}

fn monitors_leave_nothing() -> Outcome {
    netns()?;
    let other = Netns::create()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    leaves_nothing(|| {
        drop(Monitor::builder().links().open()?);
        // One that is read in part, with what is there; one that never is.
        let mut monitor = Monitor::builder().all().existing(true).open()?;
        handle.set_mtu("v0", 1400)?;
        handle.set_mtu("v0", 1500)?;
        assert!(monitor.try_next()?.is_some());
        drop(Monitor::builder().links().existing(true).open_in(&other)?);
        let mut raw = raw::Monitor::open(0, &[1])?;
        handle.set_mtu("v0", 1400)?;
        assert!(raw.try_next()?.is_some());
        drop(raw::Monitor::open_in(&other, 0, &[1])?);
        Ok(())
    })
}

fn batches_leave_nothing() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    leaves_nothing(|| {
        // One that is never sent, and one of which all is refused.
        let mut batch = handle.batch();
        batch.add_link(&Bridge::new("br0"));
        drop(batch);
        let mut batch = handle.batch();
        for _ in 0..10 {
            batch.delete_link("br0");
        }
        assert!(batch.send().iter().all(Result::is_err));
        Ok(())
    })?;
    assert_eq!(handle.find_link("br0")?, None);
    Ok(())
}
