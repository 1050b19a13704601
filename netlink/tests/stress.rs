//! Lists of links that come and go while they are read.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::tc::{Filter, FilterFilter, Prio, Qdisc, TcHandle, U32};
use netlink::{
    Bridge, Dump, ErrorKind, FdbEntry, FdbFilter, Handle, IpNet, Link, LinkFilter, MdbEntry, MdbGroup,
    Neighbour, NeighbourFilter, Route, Veth,
};

/// How many links are there the whole time.
const LINKS: usize = 1000;
const ROUNDS: usize = 300;
/// On a slow machine fewer rounds are as good.
const LONGEST: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_list_that_is_wrong_says_so,
        a_list_of_ipv6_routes_that_is_short_says_so,
        a_list_of_what_a_bridge_knows_that_is_short_says_so,
        a_list_of_neighbours_that_is_short_says_so,
        a_list_of_filters_that_is_short_says_so,
        a_list_of_groups_that_is_short_says_so,
        what_goes_while_a_list_is_read_is_told,
    ])
}

/// Tells whether each link that was there the whole time is told exactly once.
fn is_whole(links: &[Link]) -> bool {
    let mut told: HashMap<&str, usize> = HashMap::new();
    for link in links {
        *told.entry(&link.name).or_default() += 1;
    }
    (0..LINKS).all(|number| told.get(&*format!("stays{number}")) == Some(&1))
}

fn a_list_that_is_wrong_says_so() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut batch = handle.batch();
    for number in 0..LINKS as u32 {
        batch.add_link(&Bridge::new(format!("stays{number}")).index(1000 + 2 * number));
    }
    for result in batch.send() {
        result?;
    }
    let (end, calm) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut whole, mut interrupted, mut changes) = (0, 0, 0);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut handle = Handle::open()?;
            let (mut count, mut place, mut pause) = (0, 0, Duration::from_millis(1));
            while !end.load(Relaxed) {
                // Between those that stay, near the beginning and near the end.
                place = (place + 387) % LINKS as u32;
                handle.add_link(&Bridge::new("comes").index(1001 + 2 * place))?;
                handle.delete_link("comes")?;
                count += 2;
                // Now and then a list is whole: with longer pauses on a slower machine.
                if count % 16 == 0 {
                    pause = if calm.load(Relaxed) { pause / 2 } else { pause * 2 };
                    pause = pause.clamp(Duration::from_millis(1), Duration::from_secs(1));
                    thread::sleep(pause);
                }
            }
            Ok::<u32, netlink::Error>(count)
        });
        let begin = Instant::now();
        for round in 0..ROUNDS {
            if begin.elapsed() > LONGEST && whole > 0 {
                break;
            }
            // Most are walked once; some are read again, many times.
            let found = if round % 30 == 0 {
                handle.links().map_err(|error| {
                    assert!(error.kind() == ErrorKind::Interrupted, "{error}");
                    assert!(error.partial::<Link>().is_some(), "{error}");
                })
            } else {
                let mut found = Vec::new();
                let mut dump = handle.dump_links(LinkFilter::default()).expect("a list");
                let outcome = dump.try_for_each(|link| {
                    found.push(link?);
                    Ok(())
                });
                assert!(dump.next().is_none());
                outcome.map(|()| found).map_err(|error: netlink::Error| {
                    assert!(error.kind() == ErrorKind::Interrupted, "{error}");
                })
            };
            match found {
                Ok(links) => {
                    assert!(is_whole(&links), "round {round}: a list is wrong, and says nothing");
                    whole += 1;
                }
                Err(()) => interrupted += 1,
            }
            calm.store(whole * 3 > interrupted, Relaxed);
        }
        end.store(true, Relaxed);
        changes = other.join().expect("it ends")?;
        Ok::<(), netlink::Error>(())
    })?;
    println!("{whole} whole, {interrupted} interrupted, {changes} changes meanwhile");
    // Otherwise it was no test.
    assert!(whole > 0 && interrupted > 0 && changes > 0);
    Ok(())
}

/// Lists again and again while another thread changes every second of them; those between are never missing, or the list
/// says so. The kernel doesn't.
fn is_short_with_a_word<T>(
    count: usize,
    mut list: impl FnMut(&mut Handle) -> netlink::Result<Vec<T>>,
    number: impl Fn(&T) -> Option<usize>,
    flap: impl Fn(&mut Handle, usize) -> netlink::Result<()> + Sync,
) -> Outcome {
    const LISTS: usize = 40;
    let (mut handle, end) = (Handle::open()?, AtomicBool::new(false));
    thread::scope(|scope| {
        let changer = scope.spawn(|| {
            let mut handle = Handle::open()?;
            let mut place = 0;
            while !end.load(Relaxed) {
                flap(&mut handle, place * 2 + 1)?;
                place = (place + 7) % (count / 2);
                // Now and then a list is whole.
                if place.is_multiple_of(16) {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            Ok::<(), netlink::Error>(())
        });
        let begin = Instant::now();
        let mut outcome = Ok(());
        for _ in 0..LISTS {
            match list(&mut handle) {
                Ok(found) => {
                    let mut told = vec![false; count];
                    found.iter().filter_map(&number).for_each(|number| told[number] = true);
                    let missing = (0..count).step_by(2).filter(|number| !told[*number]).count();
                    if missing > 0 {
                        outcome = Err(Stop::Failed(format!("{missing} are missing, and nothing is said")));
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome = Err(error.into());
                    break;
                }
            }
            if begin.elapsed() > LONGEST / 3 {
                break;
            }
        }
        end.store(true, Relaxed);
        changer.join().expect("it ends")?;
        outcome
    })
}

/// How many there are, of which every second comes and goes.
const FLAPPING: usize = 8000;

fn a_list_of_ipv6_routes_that_is_short_says_so() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let link = handle.add_link(&Bridge::new("br0").up())?;
    let first = u128::from_be_bytes([0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let route = |number: usize| {
        let net = IpNet::new(Ipv6Addr::from(first | (number as u128) << 64).into(), 64).expect("64 is short");
        Route::to(net).dev(link.index)
    };
    let mut batch = handle.batch();
    (0..FLAPPING).for_each(|number| _ = batch.add_route(&route(number)));
    if let Some(error) = batch.send().into_iter().find_map(Result::err) {
        return Err(ignored(error)); // no IPv6 here
    }
    let number = |route: &Route| match route.destination.address() {
        IpAddr::V6(address) if u128::from(address) >> 112 == 0xfd77 => {
            Some((u128::from(address) >> 64) as usize & 0xffff)
        }
        _ => None,
    };
    is_short_with_a_word(FLAPPING, Handle::routes, number, |handle, number| {
        handle.delete_route(&route(number))?;
        handle.add_route(&route(number))
    })
}

fn a_list_of_what_a_bridge_knows_that_is_short_says_so() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("br0").up())?;
    let pair = handle.add_veth(&Veth::new("v0").master("br0").peer("v1").up())?;
    let entry = |number: usize| {
        let [high, low] = (number as u16).to_be_bytes();
        FdbEntry::of_bridge([2, 0, 0, 9, high, low])
    };
    let mut batch = handle.batch();
    (0..FLAPPING).for_each(|number| _ = batch.add_fdb(&pair.host, &entry(number)));
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    let number = |entry: &FdbEntry| {
        let octets = entry.mac.octets();
        octets.starts_with(&[2, 0, 0, 9]).then(|| usize::from(u16::from_be_bytes([octets[4], octets[5]])))
    };
    is_short_with_a_word(FLAPPING, Handle::fdb, number, |handle, number| {
        handle.delete_fdb("v0", &entry(number))?;
        handle.add_fdb("v0", &entry(number))
    })
}

fn a_list_of_neighbours_that_is_short_says_so() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let link = handle.add_link(&Bridge::new("br0").up())?;
    let neighbour = |number: usize| {
        let [high, low] = (number as u16).to_be_bytes();
        Neighbour::new([10, 9, high, low].into()).mac([2, 0, 0, 9, high, low])
    };
    let mut batch = handle.batch();
    (0..FLAPPING).for_each(|number| _ = batch.add_neighbour(&link, &neighbour(number)));
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    let number = |neighbour: &Neighbour| match neighbour.address {
        IpAddr::V4(address) if address.octets().starts_with(&[10, 9]) => {
            let [.., high, low] = address.octets();
            Some(usize::from(u16::from_be_bytes([high, low])))
        }
        _ => None,
    };
    is_short_with_a_word(FLAPPING, Handle::neighbours, number, |handle, number| {
        // Here and there: each comes once in a while.
        let number = (number / 2 * 2741) % (FLAPPING / 2) * 2 + 1;
        handle.delete_neighbour(link.index, &neighbour(number))?;
        handle.add_neighbour(link.index, &neighbour(number))
    })
}

fn a_list_of_filters_that_is_short_says_so() -> Outcome {
    const FILTERS: usize = 1000;
    netns()?;
    let mut handle = Handle::open()?;
    let link = handle.add_veth(&Veth::new("v0").peer("v1"))?.host;
    let root = TcHandle::qdisc(1);
    let lacks = |error: netlink::Error| match error.kind() {
        ErrorKind::Unsupported | ErrorKind::NotFound => ignored(error),
        _ => error.into(),
    };
    handle.add_qdisc(&link, &Qdisc::root(Prio::default()).handle(root)).map_err(lacks)?;
    let filter = |number: usize| {
        let [high, low] = (number as u16).to_be_bytes();
        let net = IpNet::new([10, 9, high, low].into(), 32).expect("32 is not too long");
        // Those of a table count from one.
        let handle = 0x8000_0001 + number as u32;
        Filter::new(root, U32::new().destination(net).class(TcHandle::new(1, 1))).priority(10).handle(handle)
    };
    handle.add_filter(&link, &filter(0)).map_err(lacks)?;
    let mut batch = handle.batch();
    (1..FILTERS).for_each(|number| _ = batch.add_filter(&link, &filter(number)));
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    // Tables are told too, which have no number.
    let number = |filter: &Filter| (filter.handle & 0xfff).checked_sub(1).map(|number| number as usize);
    let list = |handle: &mut Handle| handle.filters(link.index, root);
    assert_eq!(list(&mut handle)?.iter().filter_map(number).count(), FILTERS);
    is_short_with_a_word(FILTERS, list, number, |handle, number| {
        handle.delete_filter(link.index, &filter(number))?;
        handle.add_filter(link.index, &filter(number)).map(drop)
    })?;
    tells_of(
        |handle| handle.dump_filters(link.index, root, FilterFilter::default()),
        |other| other.delete_filter(link.index, &filter(FILTERS - 1)),
    )
}

fn a_list_of_groups_that_is_short_says_so() -> Outcome {
    const GROUPS: usize = 2000;
    netns()?;
    let mut handle = Handle::open()?;
    let bridge = handle.add_link(&Bridge::new("br0").up())?;
    let pair = handle.add_veth(&Veth::new("v0").master("br0").peer("v1").up())?;
    handle.set_up("v1")?;
    let entry = |number: usize| {
        let [high, low] = (number as u16).to_be_bytes();
        MdbEntry::new(pair.host.index, IpAddr::from([239, 9, high, low]))
    };
    let mut batch = handle.batch();
    (0..GROUPS).for_each(|number| _ = batch.add_mdb(&bridge, &entry(number)));
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    let number = |entry: &MdbEntry| match entry.group {
        MdbGroup::Ip(IpAddr::V4(address)) if address.octets().starts_with(&[239, 9]) => {
            let [.., high, low] = address.octets();
            Some(usize::from(u16::from_be_bytes([high, low])))
        }
        _ => None,
    };
    is_short_with_a_word(GROUPS, Handle::mdb, number, |handle, number| {
        handle.delete_mdb(bridge.index, &entry(number))?;
        handle.add_mdb(bridge.index, &entry(number))
    })
}

/// Changes something when a list was begun, which is longer than one datagram: in the end it says so. One during which
/// nothing happens doesn't.
fn tells_of<T>(
    list: impl for<'h> Fn(&'h mut Handle) -> netlink::Result<Dump<'h, T>>,
    change: impl FnOnce(&mut Handle) -> netlink::Result<()>,
) -> Outcome {
    let (mut handle, mut other) = (Handle::open()?, Handle::open()?);
    assert!(list(&mut handle)?.all(|found| found.is_ok()));
    let mut dump = list(&mut handle)?;
    dump.next().expect("there are many")?;
    change(&mut other)?;
    let end = dump.last().expect("there are more");
    assert_eq!(end.err().map(|error| error.kind()), Some(ErrorKind::Interrupted));
    // The next one is whole again.
    assert!(list(&mut handle)?.all(|found| found.is_ok()));
    Ok(())
}

fn what_goes_while_a_list_is_read_is_told() -> Outcome {
    const RTM_GETMDB: u16 = 86;
    const AF_BRIDGE: u8 = 7;
    const MANY: u16 = 3000;
    netns()?;
    let mut handle = Handle::open()?;
    let bridge = handle.add_link(&Bridge::new("br0").up())?.index;
    let v0 = handle.add_veth(&Veth::new("v0").master("br0").peer("v1").up())?.host.index;
    handle.set_up("v1")?;
    let neighbour = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Neighbour::new([10, 9, high, low].into()).mac([2, 0, 0, 9, high, low])
    };
    let entry = |number: u16| {
        let [high, low] = number.to_be_bytes();
        FdbEntry::of_bridge([2, 0, 0, 9, high, low])
    };
    let group = |number: u16| {
        let [high, low] = number.to_be_bytes();
        MdbEntry::new(v0, IpAddr::from([239, 9, high, low]))
    };
    let mut batch = handle.batch();
    for number in 0..MANY {
        batch.add_neighbour(bridge, &neighbour(number)).add_fdb(v0, &entry(number));
        batch.add_mdb(bridge, &group(number));
    }
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    let last = MANY - 1;
    tells_of(
        |handle| handle.dump_neighbours(NeighbourFilter::default()),
        |other| other.delete_neighbour(bridge, &neighbour(last)),
    )?;
    tells_of(|handle| handle.dump_fdb(FdbFilter::default()), |other| other.delete_fdb(v0, &entry(last)))?;
    tells_of(
        |handle| {
            let request = handle.raw_request(RTM_GETMDB, 0, &[AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0]);
            handle.raw_dump(request)
        },
        |other| other.delete_mdb(bridge, &group(last)),
    )
}
