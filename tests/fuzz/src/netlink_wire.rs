//! The kernel's messages, by the door that netlink opens to the fuzz build.

use netlink::fuzz;

use crate::laws::one_line;

pub(crate) const OBJECT: Option<fn(&[u8])> = Some(object);
pub(crate) const ANSWER: Option<fn(&[u8])> = Some(answer);

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
    if let Some(route) = fuzz::route(payload) {
        assert!(route.hops.len() <= payload.len() / 8, "more hops than bytes");
        assert!(route.hops.iter().all(|hop| hop.weight > 0));
        assert_eq!(
            route.destination.address().is_ipv4(),
            payload[0] == 2,
            "the destination is of another family"
        );
        let _ = route.to_string();
        let mut expected = route.clone();
        expected.destination = route.destination.network();
        assert_eq!(fuzz::route(&fuzz::write_route(&route)), Some(expected));
    }
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
