//! What it costs, by numbers that are the same each time: allocations and system calls.

// An allocator that counts.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::env;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::parent_id;
use std::process::{Command, ExitCode};
use std::time::Duration;

use common::net;
use floor::Floor;
use grounds::faults::Steps;
use grounds::{Outcome, Stop, netns, tests};
use netlink::tc::Qdisc;
use netlink::{
    AddressFilter, Bridge, Dump, Handle, IpNet, LinkChange, LinkFilter, Neighbour, NeighbourFilter, Netns,
    Route, RouteFilter, Rule, RuleAction, RuleFilter, Veth,
};
use nix::sched::{CloneFlags, setns};

#[allow(dead_code, unreachable_pub, reason = "the benchmark uses all of it")]
#[path = "../benches/netlink/floor.rs"]
mod floor;

struct Counter;

#[global_allocator]
static COUNTER: Counter = Counter;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn one_more() {
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

// SAFETY: all of it is the system's allocator, with a number counted up beside it.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        one_more();
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        one_more();
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Counts what this thread allocates meanwhile.
fn allocations<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let made = run();
    (ALLOCATIONS.get() - before, made)
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    if let [word, who, what] = &words[..]
        && word == "operate"
    {
        operate(who, what);
        return ExitCode::SUCCESS;
    }
    grounds::run_as_root(tests![
        a_change_allocates_nothing,
        a_link_found_or_made_allocates_what_it_holds,
        a_list_allocates_what_its_objects_hold,
        a_batch_allocates_next_to_nothing_for_each,
        the_system_calls_are_those_of_the_floor,
        a_containers_network_takes_the_messages_of_the_floor,
    ])
}

/// A namespace with a link that is up, and a bridge.
fn connected() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1").up())?;
    handle.set_up("v1")?;
    handle.add_address("v0", &net("10.0.0.1/24").into())?;
    handle.add_link(&Bridge::new("br0").up())?;
    Ok(handle)
}

fn a_change_allocates_nothing() -> Outcome {
    type Change<'a> = (&'a str, Box<dyn Fn(&mut Handle) -> netlink::Result<()>>);
    let mut handle = connected()?;
    let address = net("10.1.0.1/24").into();
    let (bridge, link) = (handle.link("br0")?, handle.link("v0")?);
    let route = Route::to(net("10.2.0.0/16")).via("10.0.0.9".parse().unwrap()).dev(link.index);
    let neighbour = Neighbour::new("10.0.0.8".parse().unwrap()).mac([2, 0, 0, 0, 0, 1]);
    let mut rule = Rule::v4(RuleAction::Lookup(500));
    rule.priority = Some(700);
    let (route_too, neighbour_too, rule_too, link_too) =
        (route.clone(), neighbour.clone(), rule.clone(), link.clone());
    let address_too = netlink::Address::clone(&address);
    let changes: Vec<Change<'_>> = vec![
        ("add address", Box::new(move |handle| handle.add_address("v0", &address))),
        ("delete address", Box::new(move |handle| handle.delete_address("v0", &address_too))),
        ("add route", Box::new(move |handle| handle.add_route(&route))),
        ("delete route", Box::new(move |handle| handle.delete_route(&route_too))),
        ("add neighbour", Box::new(move |handle| handle.add_neighbour("v0", &neighbour))),
        ("delete neighbour", Box::new(move |handle| handle.delete_neighbour("v0", &neighbour_too))),
        ("add rule", Box::new(move |handle| handle.add_rule(&rule))),
        ("delete rule", Box::new(move |handle| handle.delete_rule(&rule_too))),
        ("set up", Box::new(|handle| handle.set_up("v0"))),
        ("set MTU", Box::new(|handle| handle.set_mtu("v0", 1400))),
        ("set master", Box::new(move |handle| handle.set_master(&link_too, &bridge))),
        ("clear master", Box::new(|handle| handle.clear_master("v0"))),
        ("change link", Box::new(|handle| handle.change_link("v0", &LinkChange::new().mtu(1500).up(true)))),
        (
            "add default gateway",
            Box::new(|handle| handle.add_default_gateway(Ipv4Addr::new(10, 0, 0, 9).into(), "v0")),
        ),
        (
            "delete default gateway",
            Box::new(move |handle| {
                handle.delete_route(&Route::default_via(Ipv4Addr::new(10, 0, 0, 9).into()))
            }),
        ),
    ];
    // What is made is given back, and may hold something.
    let qdisc = |handle: &mut Handle| {
        let (added, made) = allocations(|| handle.add_qdisc("v0", &Qdisc::clsact()));
        let (held, _) = allocations(|| made.clone());
        let (deleted, outcome) = allocations(|| handle.delete_qdisc("v0", made?.parent));
        outcome.map(|()| (added - held, deleted))
    };
    qdisc(&mut handle)?;
    assert_eq!(qdisc(&mut handle)?, (0, 0));
    // The first time warms it up.
    for warm in [true, false] {
        for (what, change) in &changes {
            let (count, outcome) = allocations(|| change(&mut handle));
            outcome?;
            assert!(warm || count == 0, "{what}: {count} allocations");
        }
    }
    Ok(())
}

fn a_link_found_or_made_allocates_what_it_holds() -> Outcome {
    let mut handle = connected()?;
    for name in ["v0", "br0", "lo"] {
        handle.link(name)?;
        let (count, link) = allocations(|| handle.link(name));
        let (held, _) = allocations(|| link.clone());
        assert!(count <= held, "{name}: {count} allocations, and {held} are held");
    }
    let veth = Veth::new("a0").peer("a1").mtu(1400).up();
    let (count, made) = allocations(|| handle.add_veth(&veth));
    let (held, _) = allocations(|| made.clone());
    // The pair is copied, with its two names; and the other end may be echoed too.
    assert!(count <= 2 * held + 2, "{count} allocations, and {held} are held");
    let (count, outcome) = allocations(|| handle.delete_link("a0"));
    outcome?;
    assert_eq!(count, 0);
    Ok(())
}

/// One for what reads the objects, and one for the room that the next request has.
const LIST: usize = 2;

fn listed<T: Clone>(what: &str, mut dump: impl FnMut() -> netlink::Result<Vec<T>>) -> Outcome {
    dump()?;
    let (count, objects) = allocations(&mut dump);
    let objects = objects?;
    let (held, _) = allocations(|| objects.clone());
    assert!(!objects.is_empty(), "{what}");
    assert!(count <= held + LIST, "{what}: {count} allocations for {}, {held} are held", objects.len());
    Ok(())
}

/// Into room that is there.
fn walked<T>(dump: netlink::Result<Dump<'_, T>>, mut into: Vec<T>) -> netlink::Result<Vec<T>> {
    for object in dump? {
        into.push(object?);
    }
    Ok(into)
}

fn a_list_allocates_what_its_objects_hold() -> Outcome {
    let mut handle = connected()?;
    let link = handle.link("v0")?;
    let mut batch = handle.batch();
    for number in 0..200 {
        batch.add_link(&Veth::new(format!("a{number}")).peer(format!("b{number}")));
        batch.add_address(&link, &net(&format!("10.7.0.{number}/24")).into());
        batch.add_route(&Route::to(net(&format!("10.8.{number}.0/24"))).dev(link.index));
        batch.add_neighbour(&link, &Neighbour::new(Ipv4Addr::new(10, 0, 1, number).into()).mac([2; 6]));
    }
    for result in batch.send() {
        result?;
    }
    // The vector in which they are kept is one that is held.
    listed("links", || walked(handle.dump_links(LinkFilter::default()), Vec::with_capacity(500)))?;
    listed("addresses", || walked(handle.dump_addresses(AddressFilter::default()), Vec::with_capacity(500)))?;
    listed("routes", || walked(handle.dump_routes(RouteFilter::default()), Vec::with_capacity(1000)))?;
    listed("neighbours", || {
        walked(handle.dump_neighbours(NeighbourFilter::default()), Vec::with_capacity(500))
    })?;
    listed("rules", || walked(handle.dump_rules(RuleFilter::default()), Vec::with_capacity(500)))?;
    // As messages, nothing is.
    let (count, outcome) = allocations(|| {
        let mut links = handle.dump_links(LinkFilter::default())?;
        while links.next_message()?.is_some() {}
        Ok::<(), netlink::Error>(())
    });
    outcome?;
    assert!(count <= LIST, "{count} allocations");
    Ok(())
}

fn a_batch_allocates_next_to_nothing_for_each() -> Outcome {
    let mut handle = connected()?;
    let device = handle.link("v0")?.index;
    let routes: Vec<_> = (0..1000)
        .map(|number| Route::to(net(&format!("11.{}.{}.0/24", number / 250, number % 250))).dev(device))
        .collect();
    for add in [true, false, true] {
        let (count, results) = allocations(|| {
            let mut batch = handle.batch();
            for route in &routes {
                if add {
                    batch.add_route(route)
                } else {
                    batch.delete_route(route)
                };
            }
            batch.send()
        });
        for result in results {
            result?;
        }
        // Vectors that grow, and some for each 64 that are sent.
        assert!(count <= 100, "{count} allocations for 1,000 routes");
    }
    Ok(())
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const TO: Ipv4Addr = Ipv4Addr::new(10, 2, 3, 0);
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 1, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

fn mark() {
    std::hint::black_box(parent_id());
}

/// Does something for the first time, and between two marks for the second.
fn operate(who: &str, what: &str) {
    let mut handle = Handle::open().unwrap();
    let mut floor = Floor::open();
    let (device, bridge) = (handle.link("v0").unwrap().index, handle.link("br0").unwrap().index);
    let home = File::open("/proc/thread-self/ns/net").unwrap();
    let all: Vec<_> = (0..200).map(|number| Ipv4Addr::new(11, 0, number, 0)).collect();
    let to = |to: Ipv4Addr| Route::to(IpNet::new(to.into(), 24).unwrap()).dev(device);
    let is_ours = who == "ours";
    for time in 0..2 {
        let name = &*format!("{who}{time}");
        let netns = if what == "container" { Some(Netns::create().unwrap()) } else { None };
        mark();
        match (what, is_ours) {
            ("find", false) => drop(floor.link("v0")),
            ("find", true) => drop(handle.link("v0").unwrap()),
            ("mtu", false) => floor.mtu(device, 1400),
            ("mtu", true) => handle.set_mtu(device, 1400).unwrap(),
            ("address", false) => {
                floor.address(true, device, ADDRESS, 24);
                floor.address(false, device, ADDRESS, 24);
            }
            ("address", true) => {
                let address = IpNet::new(ADDRESS.into(), 24).unwrap().into();
                handle.add_address(device, &address).unwrap();
                handle.delete_address(device, &address).unwrap();
            }
            ("route", false) => {
                floor.route(true, device, TO);
                floor.route(false, device, TO);
            }
            ("route", true) => {
                handle.add_route(&to(TO)).unwrap();
                handle.delete_route(&to(TO)).unwrap();
            }
            ("batch", false) => {
                floor.routes(true, device, &all);
                floor.routes(false, device, &all);
            }
            ("batch", true) => {
                let mut batch = handle.batch();
                for one in &all {
                    batch.add_route(&to(*one));
                }
                batch.send().into_iter().for_each(|result| result.unwrap());
                let mut batch = handle.batch();
                for one in &all {
                    batch.delete_route(&to(*one));
                }
                batch.send().into_iter().for_each(|result| result.unwrap());
            }
            ("links", false) => floor.links(drop),
            ("links", true) => {
                handle.dump_links(LinkFilter::default()).unwrap().for_each(|link| drop(link.unwrap()));
            }
            ("container", false) => {
                let netns = netns.as_ref().unwrap();
                let index = floor.veth_into(name, bridge, 1400, netns.as_fd().as_raw_fd());
                setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
                let mut inside = Floor::open();
                setns(&home, CloneFlags::CLONE_NEWNET).unwrap();
                inside.inside(index, INSIDE, GATEWAY);
            }
            ("container", true) => {
                let netns = netns.as_ref().unwrap();
                let veth = Veth::new(name).master(bridge).mtu(1400).up();
                let pair = handle.add_veth(&veth.peer("eth0").peer_netns_fd(netns)).unwrap();
                let mut inside = Handle::open_in(netns).unwrap();
                let mut batch = inside.batch();
                batch.add_address(pair.peer_index, &IpNet::new(INSIDE.into(), 16).unwrap().into());
                batch.change_link(pair.peer_index, &LinkChange::new().up(true));
                batch.add_route(&Route::default_via(GATEWAY.into()).dev(pair.peer_index));
                batch.send().into_iter().for_each(|result| result.unwrap());
            }
            _ => panic!("{what}"),
        }
        mark();
    }
}

/// The system calls of the second time, but for those of the allocator.
fn calls(who: &str, what: &str) -> Result<Vec<String>, Stop> {
    let mut command = Command::new(env::current_exe()?);
    let steps = Steps::record(command.args(["operate", who, what]), Duration::from_secs(60))?;
    let run = steps.run();
    assert!(run.status.success(), "{what}: {}", String::from_utf8_lossy(&run.stderr));
    let names: Vec<_> = steps.iter().map(|step| &*step.name).collect();
    let parts: Vec<_> = names.split(|name| *name == "getppid").collect();
    assert_eq!(parts.len(), 5, "{names:?}");
    let memory = ["brk", "mmap", "munmap", "mremap", "madvise", "mprotect"];
    let plain = |name: &&str| match *name {
        "sendto" | "sendmsg" => "send".to_owned(),
        "recvfrom" | "recvmsg" => "receive".to_owned(),
        other => other.to_owned(),
    };
    Ok(parts[3].iter().filter(|name| !memory.contains(*name)).map(plain).collect())
}

fn the_system_calls_are_those_of_the_floor() -> Outcome {
    connected()?;
    for what in ["find", "mtu", "address", "route", "batch", "links"] {
        assert_eq!(calls("ours", what)?, calls("floor", what)?, "{what}");
    }
    assert_eq!(calls("ours", "mtu")?, ["send", "receive"]);
    Ok(())
}

/// Where the namespace is another, it is entered by a thread, whose calls are not the kernel's answers.
fn a_containers_network_takes_the_messages_of_the_floor() -> Outcome {
    connected()?;
    let (ours, floor) = (calls("ours", "container")?, calls("floor", "container")?);
    let trips = |calls: &[String]| calls.iter().filter(|call| *call == "send").count();
    assert_eq!((trips(&ours), trips(&floor)), (2, 2), "{ours:?} {floor:?}");
    let answers = |calls: &[String]| calls.iter().filter(|call| *call == "receive").count();
    assert_eq!(answers(&ours), answers(&floor), "{ours:?} {floor:?}");
    Ok(())
}
