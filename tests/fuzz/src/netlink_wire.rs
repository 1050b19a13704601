//! The kernel's messages, by the door that netlink opens to the fuzz build.

use netlink::fuzz;

use crate::laws::one_line;

pub(crate) const OBJECT: Option<fn(&[u8])> = Some(object);
pub(crate) const ANSWER: Option<fn(&[u8])> = Some(answer);
pub(crate) const TOLD: Option<fn(&[u8])> = Some(told);

fn object(payload: &[u8]) {
    if let Some(link) = fuzz::link(payload) {
        assert!(link.name.len() + link.altnames.iter().map(String::len).sum::<usize>() <= 3 * payload.len());
        assert!(link.altnames.len() <= payload.len() / 4);
        let _ = link.flags.to_string();
    }
    if let Some(address) = fuzz::address(payload) {
        let written = fuzz::write_address(address.index, address.net);
        let again = fuzz::address(&written).expect("an address that was just written");
        assert_eq!((again.index, again.net), (address.index, address.net));
    }
    assert!(fuzz::tables(payload) <= payload.len(), "more objects than bytes");
    if let Some(route) = fuzz::route(payload) {
        assert!(route.hops.len() <= payload.len() / 8, "more hops than bytes");
        assert!(route.hops.iter().all(|hop| hop.weight > 0));
        assert_eq!(
            route.destination.address().is_ipv4(),
            payload[0] == 2,
            "the destination is of another family"
        );
        let _ = route.to_string();
        let again = fuzz::route(&fuzz::write_route(&route)).expect("a route that was just written");
        assert_eq!(again.destination, route.destination.network());
        // The rest is not all sent as it was read: the state is the kernel's to say.
        assert_eq!(
            (again.source, again.metric, again.table, again.nexthop_id),
            (route.source, route.metric, route.table, route.nexthop_id)
        );
        if route.nexthop_id.is_some() {
            // The object says by which ways.
            return;
        }
        assert_eq!((again.gateway, again.device), (route.gateway, route.device));
        assert_eq!(again.hops.len(), route.hops.len());
        for (again, hop) in again.hops.iter().zip(&route.hops) {
            assert_eq!(
                (again.gateway, again.device, again.weight, again.realms),
                (hop.gateway, hop.device, hop.weight, hop.realms)
            );
        }
    }
}

/// The type of a message, then its payload.
fn told(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first_chunk() else { return };
    let kind = u16::from_ne_bytes(*kind);
    // Links, addresses, routes, neighbours, rules, qdiscs, classes, filters, groups of bridges, ids of namespaces, next
    // hops, VLANs of bridges: new and gone.
    let is_known =
        matches!(kind & !3, 16 | 20 | 24 | 28 | 32 | 36 | 40 | 44 | 84 | 88 | 104 | 112) && kind & 2 == 0;
    assert!(!fuzz::told(kind, payload) || is_known, "{kind} is told as an object");
}

fn answer(bytes: &[u8]) {
    let Some((&choice, datagram)) = bytes.split_first() else { return };
    match fuzz::answer(choice, datagram) {
        Ok((objects, _)) => assert!(objects <= datagram.len() / 16, "more objects than bytes"),
        Err(error) => {
            one_line(&error);
            assert!(error.kernel_text().is_none_or(|text| text.len() <= 3 * datagram.len()));
        }
    }
}
