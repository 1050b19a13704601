//! Traffic control once more: what `tc -json` says of it, filters that are replaced, and lists of filters and classes.

use std::process::{Command, ExitCode};
use std::time::Duration;

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::kind::VlanProtocol;
use netlink::tc::{
    Action, Class, ClassFilter, Codel, Csum, DrrClass, Filter, FilterFilter, FilterKind, Flower, Hfsc,
    HfscClass, Htb, HtbClass, Matchall, Netem, Pedit, PeditHeader, PeditKey, Qdisc, QdiscKind, Sfq, Skbedit,
    Slot, TcHandle, TunnelKey, VlanAction,
};
use netlink::{ErrorKind, Handle, Veth};
use serde_json::{Value, json};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        tc_tells_the_same_of_qdiscs,
        tc_tells_the_same_of_hfsc_and_drr,
        tc_tells_the_same_of_actions,
        options_of_tunnels_come_back,
        a_filter_is_replaced_changed_and_listed,
        classes_are_listed_by_every_filter,
    ])
}

fn pair() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    Ok(handle)
}

/// What this kernel lacks is ignored, with its reason; all else is a failure.
fn known<T>(result: netlink::Result<T>) -> Result<T, Stop> {
    result.map_err(|error| match error.kind() {
        ErrorKind::Unsupported | ErrorKind::NotFound => ignored(format!("this kernel lacks it: {error}")),
        _ => error.into(),
    })
}

fn tc(arguments: &str) -> Result<String, Stop> {
    let output = Command::new("tc").args(arguments.split(' ')).output()?;
    assert!(output.status.success(), "tc {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn tc_json(arguments: &str) -> Result<Vec<Value>, Stop> {
    Ok(serde_json::from_str(&tc(&format!("-json {arguments}"))?)?)
}

#[track_caller]
fn agrees(said: &Value, expected: &[(&str, Value)]) {
    for (pointer, value) in expected {
        assert_eq!(said.pointer(pointer), Some(value), "{pointer} in {said:#}");
    }
}

/// tc(8) rounds down what the kernel counts in units of 64 ns.
#[track_caller]
fn is_about(said: &Value, micros: u64) {
    let told = said.as_u64().expect("a number");
    assert!((micros - 1..=micros).contains(&told), "{told} is not {micros}");
}

fn tc_tells_the_same_of_qdiscs() -> Outcome {
    let mut handle = pair()?;
    for (qdisc, word) in [(Qdisc::clsact(), "clsact"), (Qdisc::ingress(), "ingress")] {
        known(handle.add_qdisc("v0", &qdisc))?;
        let said = tc_json("qdisc show dev v0")?;
        let said = said.iter().find(|one| one["kind"] == json!(word)).expect("it is there");
        agrees(said, &[("/handle", json!("ffff:")), ("/parent", json!("ffff:fff1"))]);
        handle.delete_qdisc("v0", TcHandle::INGRESS)?;
    }
    let mut root = |kind: QdiscKind| -> Result<Value, Stop> {
        known(handle.replace_qdisc("v0", &Qdisc::root(kind).handle(TcHandle::qdisc(7))))?;
        let said = tc_json("qdisc show dev v0 root")?.swap_remove(0);
        agrees(&said, &[("/handle", json!("7:")), ("/root", json!(true))]);
        handle.delete_qdisc("v0", TcHandle::ROOT)?;
        Ok(said)
    };
    let mut sfq = Sfq::default();
    (sfq.quantum, sfq.perturb, sfq.limit) = (3000, Duration::from_secs(5), 99);
    agrees(
        &root(sfq.into())?,
        &[
            ("/kind", json!("sfq")),
            ("/options/limit", json!(99)),
            ("/options/quantum", json!(3000)),
            ("/options/perturb", json!(5)),
        ],
    );

    let mut codel = Codel::default();
    (codel.limit, codel.ecn) = (Some(99), Some(true));
    (codel.target, codel.interval) = (Some(Duration::from_millis(7)), Some(Duration::from_millis(90)));
    let said = root(codel.into())?;
    agrees(&said, &[("/kind", json!("codel")), ("/options/limit", json!(99)), ("/options/ecn", json!(true))]);
    is_about(&said["options"]["target"], 7000);
    is_about(&said["options"]["interval"], 90_000);

    let mut netem = Netem::delay(Duration::from_millis(5));
    let mut slot = Slot::default();
    (slot.min_delay, slot.max_delay) = (Duration::from_millis(1), Duration::from_millis(2));
    (slot.max_packets, slot.max_bytes) = (5, 6000);
    netem.slot = Some(slot);
    agrees(
        &root(netem.into())?,
        &[
            ("/options/delay/delay", json!(0.005)),
            ("/options/slot/min-delay", json!(0.001)),
            ("/options/slot/max-delay", json!(0.002)),
            ("/options/slot/packets", json!(5)),
            ("/options/slot/bytes", json!(6000)),
        ],
    );
    Ok(())
}

/// Of these two tc(8) has no JSON, or bad one.
fn tc_tells_the_same_of_hfsc_and_drr() -> Outcome {
    let mut handle = pair()?;
    let root = TcHandle::qdisc(1);
    known(handle.add_qdisc("v0", &Qdisc::root(Hfsc::new(0x10)).handle(root)))?;
    let mut class = HfscClass::new(125_000);
    class.upper_limit = Some(netlink::tc::ServiceCurve::rate(250_000));
    handle.add_class("v0", &Class::new(root, TcHandle::new(1, 0x10), class))?;
    assert!(tc("qdisc show dev v0 root")?.contains("default 10"));
    let said = tc("class show dev v0")?;
    let class = said.lines().find(|line| line.contains("1:10")).expect("it is there");
    for word in ["class hfsc 1:10 parent 1:", "m2 1Mbit", "ul m1 0bit d 0us m2 2Mbit"] {
        assert!(class.contains(word), "{word} in {class}");
    }

    handle.replace_qdisc("v0", &Qdisc::root(QdiscKind::Drr).handle(TcHandle::qdisc(2)))?;
    let two = TcHandle::qdisc(2);
    handle.add_class("v0", &Class::new(two, TcHandle::new(2, 0x11), DrrClass::new(777)))?;
    agrees(&tc_json("qdisc show dev v0 root")?[0], &[("/kind", json!("drr")), ("/handle", json!("2:"))]);
    assert!(tc("class show dev v0")?.contains("class drr 2:11 root quantum 777b"));
    Ok(())
}

fn tc_tells_the_same_of_actions() -> Outcome {
    let mut handle = pair()?;
    known(handle.add_qdisc("v0", &Qdisc::clsact()))?;
    let mut edit = Skbedit::mark(7);
    edit.priority = Some(0x1_0002);
    let ttl = PeditKey {
        header: PeditHeader::Ipv4,
        offset: 8,
        keep: [0, 255, 255, 255],
        value: [9, 0, 0, 0],
        add: false,
    };
    let push = VlanAction::Push { id: 7, protocol: VlanProtocol::Dot1ad, priority: Some(3) };
    let tunnel = TunnelKey::set("10.0.0.1".parse()?, "10.0.0.2".parse()?, 7);
    let actions: [(Action, &[(&str, Value)]); 9] = [
        (Action::drop(), &[("/kind", json!("gact")), ("/control_action/type", json!("drop"))]),
        (Action::pass(), &[("/kind", json!("gact")), ("/control_action/type", json!("pass"))]),
        (
            Action::goto_chain(5),
            &[("/control_action/type", json!("goto")), ("/control_action/chain", json!(5))],
        ),
        (
            Action::new(push),
            &[
                ("/kind", json!("vlan")),
                ("/vlan_action", json!("push")),
                ("/id", json!(7)),
                ("/protocol", json!("802.1ad")),
                ("/priority", json!(3)),
                ("/control_action/type", json!("pipe")),
            ],
        ),
        (Action::new(VlanAction::Pop), &[("/kind", json!("vlan")), ("/vlan_action", json!("pop"))]),
        (Action::new(edit), &[("/kind", json!("skbedit")), ("/mark", json!(7)), ("/priority", json!("1:2"))]),
        (
            Action::new(Pedit::new(vec![ttl])),
            &[
                ("/kind", json!("pedit")),
                ("/nkeys", json!(1)),
                ("/keys/0/htype", json!("ipv4")),
                ("/keys/0/offset", json!(8)),
                ("/keys/0/cmd", json!("set")),
                ("/keys/0/val", json!("9000000")),
                ("/keys/0/mask", json!("ffffff")),
            ],
        ),
        (Action::new(Csum::new(1 | 8)), &[("/kind", json!("csum")), ("/csum", json!("iph, tcp"))]),
        (
            Action::new(tunnel),
            &[
                ("/kind", json!("tunnel_key")),
                ("/mode", json!("set")),
                ("/src_ip", json!("10.0.0.1")),
                ("/dst_ip", json!("10.0.0.2")),
                ("/key_id", json!(7)),
            ],
        ),
    ];
    for (action, expected) in actions {
        let filter = Filter::new(TcHandle::CLSACT_INGRESS, Matchall::new(vec![action.clone()])).priority(5);
        let made = known(handle.add_filter("v0", &filter))?;
        let said = tc_json("filter show dev v0 ingress")?;
        let said = said.iter().find(|one| one.get("options").is_some()).expect("it is there");
        agrees(said, &[("/pref", json!(5)), ("/kind", json!("matchall")), ("/protocol", json!("all"))]);
        agrees(&said["options"]["actions"][0], expected);
        let FilterKind::Matchall(read) = &made.kind else { panic!("it is no matchall") };
        assert_eq!((&read.actions[0].kind, read.actions[0].verdict), (&action.kind, action.verdict));
        handle.delete_filter("v0", &made)?;
    }
    let mut skip = Matchall::new(vec![Action::pass()]);
    skip.flags = Some(1);
    handle.add_filter("v0", &Filter::new(TcHandle::CLSACT_EGRESS, skip))?;
    let said = tc_json("filter show dev v0 egress")?;
    assert!(said.iter().any(|one| one["options"]["skip_hw"] == json!(true)), "{said:#?}");
    Ok(())
}

/// `struct nlattr` and what is in it, filled up.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 4) as u16;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn options_of_tunnels_come_back() -> Outcome {
    const TCA_FLOWER_KEY_ENC_OPTS_GENEVE: u16 = 1;
    let mut handle = pair()?;
    known(handle.add_qdisc("v0", &Qdisc::clsact()))?;
    let geneve = |class: [u8; 2], kind: u8, data: [u8; 4]| {
        let option = [attribute(1, &class), attribute(2, &[kind]), attribute(3, &data)].concat();
        attribute(TCA_FLOWER_KEY_ENC_OPTS_GENEVE, &option)
    };
    let mut flower = Flower::new();
    flower.enc_key_id = Some(5);
    let key = geneve([1, 2], 0x80, [0x11, 0x22, 0x33, 0x44]);
    flower.enc_options = (key, geneve([0xff, 0xff], 0xff, [0xff; 4]));
    let filter = Filter::new(TcHandle::CLSACT_INGRESS, flower.clone()).priority(5);
    let made = known(handle.add_filter("v0", &filter))?;
    for found in [handle.filter("v0", &made)?, made] {
        let FilterKind::Flower(read) = found.kind else { panic!("it is no flower") };
        assert_eq!((read.enc_key_id, &read.enc_options), (Some(5), &flower.enc_options));
    }
    let said = tc_json("filter show dev v0 ingress")?;
    let said = said.iter().find(|one| one.get("options").is_some()).expect("it is there");
    agrees(
        said,
        &[
            ("/options/keys/enc_key_id", json!(5)),
            ("/options/keys/geneve_opt_key/0/class", json!(258)),
            ("/options/keys/geneve_opt_key/0/type", json!(128)),
            ("/options/keys/geneve_opt_key/0/data", json!([17, 34, 51, 68])),
            ("/options/keys/geneve_opt_mask/0/class", json!(65_535)),
        ],
    );
    Ok(())
}

/// What the one filter of v0 does with a packet, as tc(8) says.
fn verdict_of(handle: u32) -> Result<Value, Stop> {
    let said = tc_json("filter show dev v0 ingress")?;
    let said = said.iter().find(|one| one["options"]["handle"] == json!(handle)).expect("it is there");
    Ok(said["options"]["actions"][0]["control_action"]["type"].clone())
}

fn a_filter_is_replaced_changed_and_listed() -> Outcome {
    let mut handle = pair()?;
    known(handle.add_qdisc("v0", &Qdisc::clsact()))?;
    let parent = TcHandle::CLSACT_INGRESS;
    let filter = |number: u32, action: Action| {
        // No two of a priority are of the same packets.
        let flower = Flower::new().tcp().dst_port(80 + number as u16).action(action);
        Filter::new(parent, flower).priority(5).handle(number)
    };
    // There is none to change yet.
    let error = handle.change_filter("v0", &filter(1, Action::pass())).unwrap_err();
    if error.kind() != ErrorKind::NotFound {
        return Err(error.into());
    }
    // One that isn't there is made.
    let made = known(handle.replace_filter("v0", &filter(1, Action::pass())))?;
    assert_eq!((made.handle, made.priority), (1, 5));
    assert_eq!(verdict_of(1)?, json!("pass"));
    let error = handle.add_filter("v0", &filter(1, Action::drop())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    handle.replace_filter("v0", &filter(1, Action::drop()))?;
    assert_eq!(verdict_of(1)?, json!("drop"));
    handle.change_filter("v0", &filter(1, Action::goto_chain(9)))?;
    assert_eq!(verdict_of(1)?, json!("goto"));

    handle.add_filter("v0", &filter(2, Action::pass()))?;
    handle.add_filter("v0", &filter(3, Action::pass()).priority(6))?;
    handle.add_filter("v0", &filter(4, Action::pass()).chain(9))?;
    let mut is = |set: fn(&mut FilterFilter), expected: &[u32]| {
        let mut which = FilterFilter::default();
        set(&mut which);
        let numbers = |filters: &[Filter]| -> Vec<_> {
            // Before those of a priority comes the priority itself, without a number.
            let mut numbers: Vec<_> =
                filters.iter().map(|filter| filter.handle).filter(|number| *number != 0).collect();
            numbers.sort_unstable();
            numbers
        };
        let listed = handle.list_filters("v0", parent, which)?;
        assert_eq!(numbers(&listed), expected, "{which:?}");
        let dumped = handle.dump_filters("v0", parent, which)?.collect::<netlink::Result<Vec<_>>>()?;
        assert_eq!(numbers(&dumped), expected, "{which:?}");
        Outcome::Ok(())
    };
    is(|_| {}, &[1, 2, 3, 4])?;
    is(|which| which.chain = Some(0), &[1, 2, 3])?;
    is(|which| which.chain = Some(9), &[4])?;
    is(|which| which.priority = Some(6), &[3])?;
    is(|which| (which.priority, which.chain) = (Some(5), Some(9)), &[4])?;
    is(|which| which.priority = Some(7), &[])?;
    Ok(())
}

fn classes_are_listed_by_every_filter() -> Outcome {
    let mut handle = pair()?;
    let index = handle.link("v0")?.index;
    let root = TcHandle::qdisc(1);
    known(handle.add_qdisc("v0", &Qdisc::root(Htb::new()).handle(root)))?;
    let class = |minor: u16| TcHandle::new(1, minor);
    for (parent, minor) in [(root, 1), (class(1), 0x10), (class(1), 0x11), (root, 2)] {
        handle.add_class("v0", &Class::new(parent, class(minor), HtbClass::new(100_000)))?;
    }
    // One of another qdisc, below a class.
    let two = TcHandle::qdisc(2);
    handle.add_qdisc("v0", &Qdisc::below(class(0x10), Htb::new()).handle(two))?;
    handle.add_class("v0", &Class::new(two, TcHandle::new(2, 1), HtbClass::new(100_000)))?;
    let mut is = |qdisc: Option<TcHandle>, parent: Option<TcHandle>, expected: &[TcHandle]| {
        let mut filter = ClassFilter::of(index);
        (filter.qdisc, filter.parent) = (qdisc, parent);
        let sorted = |classes: Vec<Class>| {
            let mut handles: Vec<_> = classes.iter().map(|class| class.handle.to_string()).collect();
            handles.sort_unstable();
            handles
        };
        let mut expected: Vec<_> = expected.iter().map(TcHandle::to_string).collect();
        expected.sort_unstable();
        assert_eq!(sorted(handle.list_classes(filter)?), expected, "{filter:?}");
        let dumped = handle.dump_classes(filter)?.collect::<netlink::Result<Vec<_>>>()?;
        assert_eq!(sorted(dumped), expected, "{filter:?}");
        Outcome::Ok(())
    };
    let of_one = [class(1), class(2), class(0x10), class(0x11)];
    let below = TcHandle::new(2, 1);
    is(None, None, &[&of_one[..], &[below]].concat())?;
    is(Some(root), None, &of_one)?;
    is(Some(two), None, &[below])?;
    is(None, Some(class(1)), &[class(0x10), class(0x11)])?;
    is(Some(root), Some(class(2)), &[])?;
    assert_eq!(handle.classes("v1")?, []);
    Ok(())
}
