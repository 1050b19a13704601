//! Traffic control: what goes to the kernel comes back the same, and tc(8) sees it too.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::{Command, ExitCode};
use std::time::Duration;

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::kind::VlanProtocol;
use netlink::tc::{
    Action, Basic, Block, BpfAction, BpfFilter, Cake, CgroupFilter, Chance, Class, ClassKind, Codel, Csum,
    DrrClass, ExtraStats, Fifo, Filter, FilterFilter, FilterKind, Flower, Fq, FqCodel, Framing, Fw, Gact,
    Hfsc, HfscClass, Htb, HtbClass, LossModel, Masked, Matchall, Mirred, Nat, Netem, NetemRate, Pedit,
    PeditHeader, PeditKey, Police, Prio, Probability, Protocol, Qdisc, QdiscFilter, QdiscKind, Sample,
    ServiceCurve, Sfq, Skbedit, Slot, Tbf, TcHandle, TunnelKey, U32, U32Handle, U32Mark, Verdict, VlanAction,
    bits,
};
use netlink::{BpfProgram, ErrorKind, Handle, Link, MacAddress, Veth};
use nix::libc;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_tbf_is_read_as_it_was_written,
        a_tree_of_htb_is_read_as_it_was_written,
        fq_is_read_as_it_was_written,
        fq_codel_and_codel_are_read_as_they_were_written,
        netem_is_read_as_it_was_written,
        the_models_of_loss_are_read_as_they_were_written,
        prio_and_fifos_are_read_as_they_were_written,
        sfq_cake_and_others_are_read_as_they_were_written,
        hfsc_and_drr_are_read_as_they_were_written,
        a_qdisc_is_changed_replaced_and_deleted,
        qdiscs_are_listed_by_link,
        statistics_count_what_went_through,
        u32_filters_are_read_as_they_were_written,
        u32_hash_tables_lead_to_each_other,
        flower_filters_are_read_as_they_were_written,
        other_filters_are_read_as_they_were_written,
        programs_are_read_as_they_were_written,
        a_shared_block_is_one_for_two_links,
        chains_are_added_listed_and_deleted,
        a_redirect_is_read_as_it_was_written,
        actions_are_read_as_they_were_written,
        an_action_by_chance_is_read_as_it_was_written,
        police_is_read_as_it_was_written,
        actions_alone_are_listed_past_the_thirty_second,
        kinds_without_words_go_as_bytes,
        refusals_are_told_in_the_kernels_words,
        a_batch_makes_a_tree,
        a_batch_changes_actions,
    ])
}

fn link() -> Result<(Handle, Link), Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    handle.set_up("v0")?;
    handle.set_up("v1")?;
    let link = handle.link("v0")?;
    Ok((handle, link))
}

/// What this kernel lacks is ignored, with its reason; all else is a failure.
fn known<T>(what: &str, result: netlink::Result<T>) -> Result<T, Stop> {
    match result {
        Err(error)
            if error.kind() == ErrorKind::Unsupported
                || error.kind() == ErrorKind::NotFound && error.kernel_text().is_none() =>
        {
            Err(ignored(format!("this kernel has no {what}: {error}")))
        }
        Err(error) => panic!("{what}: {error}"),
        Ok(done) => Ok(done),
    }
}

/// What tc(8) says, without blanks and line ends.
fn tc(arguments: &str) -> String {
    let output = Command::new("tc").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "tc {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(arguments: &str, all: &[&str]) {
    let said = tc(arguments);
    for one in all {
        assert!(said.contains(one), "tc {arguments} has no {one:?}: {said}");
    }
}

/// Adds a qdisc at the root, and gives its kind as the kernel echoes it, finds it and lists it.
fn at_root(handle: &mut Handle, kind: impl Into<QdiscKind>) -> Result<QdiscKind, Stop> {
    let qdisc = Qdisc::root(kind).handle(TcHandle::qdisc(1));
    let made = known(qdisc.kind.name(), handle.replace_qdisc("v0", &qdisc))?;
    assert_eq!((made.parent, made.handle), (TcHandle::ROOT, TcHandle::qdisc(1)));
    let found = handle.qdisc("v0", TcHandle::ROOT)?;
    assert_eq!(found.kind, made.kind);
    assert_eq!(handle.qdisc("v0", TcHandle::qdisc(1))?.kind, made.kind);
    let mut filter = QdiscFilter::default();
    filter.index = Some(made.index);
    assert_eq!(handle.list_qdiscs(filter)?[0].kind, made.kind);
    handle.delete_qdisc("v0", TcHandle::ROOT)?;
    Ok(made.kind)
}

fn a_tbf_is_read_as_it_was_written() -> Outcome {
    let (mut handle, _) = link()?;
    let mut tbf =
        Tbf::new(bits(10_000_000), 32 * 1024, Duration::from_millis(50)).peak(bits(20_000_000), 1600);
    tbf.framing = {
        let mut framing = Framing::default();
        (framing.overhead, framing.mpu) = (14, 64);
        framing
    };
    assert_eq!(tbf.limit, 62_500 + 32 * 1024);
    assert_eq!(at_root(&mut handle, tbf)?, tbf.into());
    // More than 32 bits can say.
    let fast = Tbf::new(bits(100_000_000_000), 1 << 20, Duration::from_micros(10));
    let QdiscKind::Tbf(read) = at_root(&mut handle, fast)? else { panic!("it is no tbf") };
    assert_eq!((read.rate, read.limit), (fast.rate, fast.limit));
    assert!((fast.burst..fast.burst + 1600).contains(&read.burst), "{}", read.burst);

    handle.add_qdisc("v0", &Qdisc::root(tbf))?;
    says(
        "-json qdisc show dev v0",
        &["\"kind\":\"tbf\"", "\"rate\":1250000", "\"burst\":3276", "\"minburst\":1600"],
    );
    let refused = handle.add_qdisc("v1", &Qdisc::root(Tbf::new(0, 1, Duration::ZERO))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn a_tree_of_htb_is_read_as_it_was_written() -> Outcome {
    let (mut handle, _) = link()?;
    let mut htb = Htb::new().default_class(0x20);
    (htb.rate_to_quantum, htb.direct_queue_len) = (20, Some(77));
    let root = TcHandle::qdisc(1);
    let made = handle.add_qdisc("v0", &Qdisc::root(htb).handle(root))?;
    assert_eq!(made.kind, htb.into());

    let mut class = HtbClass::new(bits(8_000_000)).ceil(bits(16_000_000)).burst(20_000).priority(3);
    (class.ceil_burst, class.quantum) = (Some(30_000), Some(9000));
    (class.framing.overhead, class.framing.mpu) = (8, 60);
    let parent = TcHandle::new(1, 1);
    handle.add_class("v0", &Class::new(root, parent, HtbClass::new(bits(100_000_000))))?;
    let made = handle.add_class("v0", &Class::new(parent, TcHandle::new(1, 0x10), class))?;
    assert_eq!((made.kind.clone(), made.parent, made.handle), (class.into(), parent, TcHandle::new(1, 0x10)));
    let found = handle.class("v0", TcHandle::new(1, 0x10))?;
    assert_eq!((found.kind, found.leaf), (made.kind, made.leaf));
    let fast = HtbClass::new(bits(80_000_000_000)).burst(1 << 20);
    let made = handle.replace_class("v0", &Class::new(root, TcHandle::new(1, 0x20), fast))?;
    let ClassKind::Htb(read) = made.kind else { panic!("it is of no htb") };
    assert_eq!((read.rate, read.ceil), (fast.rate, Some(fast.rate)));
    let slower = handle.change_class("v0", &Class::new(root, TcHandle::new(1, 0x20), HtbClass::new(1000)))?;
    assert!(matches!(slower.kind, ClassKind::Htb(class) if class.rate == 1000 && class.burst == Some(1600)));

    let classes = handle.classes("v0")?;
    assert_eq!(classes.len(), 3);
    assert!(
        classes.iter().all(|class| matches!(class.stats.as_ref().unwrap().extra, Some(ExtraStats::Htb(_))))
    );
    says(
        "-d class show dev v0",
        &[
            "class htb 1:10 parent 1:1 ",
            "prio 3 quantum 9000 rate 8Mbit overhead 8 ceil 16Mbit",
            "burst 20000b/1 mpu 60b",
        ],
    );
    says("-json qdisc show dev v0", &["\"default\":\"0x20\"", "\"r2q\":20", "\"direct_qlen\":77"]);
    assert_eq!(handle.delete_class("v0", parent).unwrap_err().kind(), ErrorKind::Busy);
    handle.delete_class("v0", TcHandle::new(1, 0x10))?;
    assert_eq!(handle.class("v0", TcHandle::new(1, 0x10)).unwrap_err().kind(), ErrorKind::NotFound);
    let low = HtbClass::new(1000).ceil(10);
    let refused = handle.add_class("v0", &Class::new(root, TcHandle::new(1, 3), low)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn fq_is_read_as_it_was_written() -> Outcome {
    let (mut handle, _) = link()?;
    let mut fq = Fq::default();
    (fq.limit, fq.flow_limit, fq.quantum, fq.initial_quantum) =
        (Some(5000), Some(50), Some(3000), Some(9000));
    (fq.pacing, fq.max_rate, fq.buckets_log, fq.orphan_mask) =
        (Some(false), Some(125_000), Some(8), Some(255));
    (fq.refill_delay, fq.low_rate_threshold) = (Some(Duration::from_millis(30)), Some(50_000));
    (fq.ce_threshold, fq.timer_slack) = (Some(Duration::from_millis(4)), Some(Duration::from_micros(20)));
    (fq.horizon, fq.horizon_drop) = (Some(Duration::from_secs(5)), Some(false));
    fq.priomap = Some([2, 1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2]);
    fq.weights = Some([500_000, 190_000, 60_000]);
    let QdiscKind::Fq(read) = at_root(&mut handle, fq)? else { panic!("it is no fq") };
    fq.offload_horizon = read.offload_horizon;
    assert_eq!(read, fq);
    handle.add_qdisc("v0", &Qdisc::root(fq))?;
    says(
        "-json -d qdisc show dev v0",
        &["\"limit\":5000", "\"flow_limit\":50", "\"maxrate\":125000", "\"buckets\":256"],
    );
    let stats = handle.qdisc("v0", TcHandle::ROOT)?.stats.unwrap();
    assert!(matches!(stats.extra, Some(ExtraStats::Fq(_))), "{stats:?}");
    Ok(())
}

fn fq_codel_and_codel_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let close = |one: Option<Duration>, other: Option<Duration>| {
        one.unwrap().abs_diff(other.unwrap()) <= Duration::from_micros(2)
    };
    let mut fq = FqCodel::default();
    (fq.target, fq.interval) = (Some(Duration::from_millis(7)), Some(Duration::from_millis(90)));
    (fq.limit, fq.ecn, fq.flows, fq.quantum) = (Some(999), Some(false), Some(64), Some(600));
    (fq.ce_threshold, fq.drop_batch, fq.memory_limit) =
        (Some(Duration::from_millis(3)), Some(16), Some(1 << 20));
    (fq.ce_threshold_selector, fq.ce_threshold_mask) = (Some(4), Some(12));
    let QdiscKind::FqCodel(read) = at_root(&mut handle, fq)? else { panic!("it is no fq_codel") };
    assert!(close(read.target, fq.target) && close(read.interval, fq.interval));
    assert!(close(read.ce_threshold, fq.ce_threshold));
    (fq.target, fq.interval, fq.ce_threshold) = (read.target, read.interval, read.ce_threshold);
    assert_eq!(read, fq);
    let stats = handle.add_qdisc("v0", &Qdisc::root(fq))?.stats.unwrap();
    assert!(matches!(stats.extra, Some(ExtraStats::FqCodel(_))), "{stats:?}");
    says(
        "-json -d qdisc show dev v0",
        &["\"limit\":999", "\"flows\":64", "\"quantum\":600", "\"memory_limit\":1048576"],
    );

    let mut codel = Codel::default();
    (codel.target, codel.interval) = (Some(Duration::from_millis(7)), Some(Duration::from_millis(90)));
    (codel.limit, codel.ecn, codel.ce_threshold) = (Some(999), Some(true), Some(Duration::from_millis(3)));
    let QdiscKind::Codel(read) = at_root(&mut handle, codel)? else { panic!("it is no codel") };
    assert!(close(read.target, codel.target) && close(read.interval, codel.interval));
    assert!(close(read.ce_threshold, codel.ce_threshold));
    (codel.target, codel.interval, codel.ce_threshold) = (read.target, read.interval, read.ce_threshold);
    assert_eq!(read, codel);
    Ok(())
}

fn bad_network() -> Netem {
    let percent = Probability::percent;
    let mut netem = Netem::delay(Duration::from_millis(100));
    (netem.limit, netem.jitter, netem.delay_correlation) = (2000, Duration::from_millis(10), percent(25.0));
    (netem.loss, netem.loss_correlation) = (percent(1.0), percent(5.0));
    (netem.duplicate, netem.duplicate_correlation) = (percent(2.0), percent(6.0));
    (netem.corrupt, netem.corrupt_correlation) = (percent(3.0), percent(7.0));
    (netem.reorder, netem.reorder_correlation, netem.gap) = (percent(4.0), percent(8.0), Some(5));
    netem.ecn = true;
    let mut rate = NetemRate::new(bits(1_000_000));
    (rate.packet_overhead, rate.cell_size, rate.cell_overhead) = (-10, 48, 5);
    netem.rate = Some(rate);
    let mut slot = Slot::default();
    (slot.min_delay, slot.max_delay) = (Duration::from_micros(800), Duration::from_micros(900));
    (slot.max_packets, slot.max_bytes) = (32, 64_000);
    netem.slot = Some(slot);
    netem.seed = Some(42);
    netem
}

fn netem_is_read_as_it_was_written() -> Outcome {
    let (mut handle, _) = link()?;
    let netem = bad_network();
    assert_eq!(at_root(&mut handle, netem.clone())?, netem.clone().into());
    handle.add_qdisc("v0", &Qdisc::root(netem.clone()))?;
    says(
        "-json qdisc show dev v0",
        &[
            "\"limit\":2000",
            "\"delay\":0.1,\"jitter\":0.01,\"correlation\":0.25",
            "\"ecn\":true",
            "\"gap\":5",
            "\"packetoverhead\":-10",
        ],
    );
    // The kernel keeps the table for itself.
    let mut spread = netem.clone();
    spread.delay_distribution = (-4096..4096).map(|number| (number / 2) as i16).collect();
    assert_eq!(at_root(&mut handle, spread)?, netem.clone().into());
    let mut fast = Netem::default();
    fast.rate = Some(NetemRate::new(bits(100_000_000_000)));
    let QdiscKind::Netem(read) = at_root(&mut handle, fast.clone())? else { panic!("it is no netem") };
    assert_eq!(read.rate, fast.rate);
    let mut wrong = Netem::default();
    wrong.reorder = Probability::ALWAYS;
    assert_eq!(handle.add_qdisc("v0", &Qdisc::root(wrong)).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn the_models_of_loss_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let percent = Probability::percent;
    let [p13, p31, p32, p23, p14] = [1.0, 20.0, 3.0, 40.0, 5.0].map(percent);
    let gilbert =
        LossModel::GilbertElliot { p: percent(1.0), r: percent(10.0), h: percent(70.0), k1: percent(0.1) };
    for model in [LossModel::State { p13, p31, p32, p23, p14 }, gilbert] {
        let mut netem = Netem::default();
        netem.loss_model = Some(model);
        let QdiscKind::Netem(read) = at_root(&mut handle, netem.clone())? else { panic!("it is no netem") };
        assert_eq!(read.loss_model, Some(model));
        handle.replace_qdisc("v0", &Qdisc::root(netem))?;
        let said = tc("qdisc show dev v0");
        let words = match model {
            LossModel::State { .. } => "loss state p13 1% p31 20% p32 3% p23 40% p14 5%",
            _ => "loss gemodel p 1% r 10% 1-h 70% 1-k 0.1%",
        };
        assert!(said.contains(words), "{said}");
        handle.delete_qdisc("v0", TcHandle::ROOT)?;
    }
    Ok(())
}

fn prio_and_fifos_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    for kind in [QdiscKind::Pfifo(Fifo::new(77)), QdiscKind::Bfifo(Fifo::new(7777))] {
        assert_eq!(at_root(&mut handle, kind.clone())?, kind);
    }
    let QdiscKind::PfifoFast(read) = at_root(&mut handle, QdiscKind::PfifoFast(Prio::default()))? else {
        panic!("it is no pfifo_fast")
    };
    assert_eq!(read, Prio::default());
    let mut prio = Prio::default();
    (prio.bands, prio.priomap) = (4, [3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0]);
    assert_eq!(at_root(&mut handle, prio)?, prio.into());
    handle.add_qdisc("v0", &Qdisc::root(prio).handle(TcHandle::qdisc(1)))?;
    says("-json qdisc show dev v0", &["\"bands\":4", "\"priomap\":[3,2,1,0"]);
    assert_eq!(handle.classes("v0")?.len(), 4);
    handle.add_qdisc("v0", &Qdisc::below(TcHandle::new(1, 1), QdiscKind::Pfifo(Fifo::new(5))))?;
    prio.bands = 2;
    assert_eq!(handle.add_qdisc("v0", &Qdisc::root(prio)).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn sfq_cake_and_others_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let mut sfq = Sfq::default();
    (sfq.quantum, sfq.perturb, sfq.limit, sfq.divisor) = (3000, Duration::from_secs(10), 100, 512);
    (sfq.flows, sfq.depth, sfq.head_drop) = (64, 50, true);
    assert_eq!(at_root(&mut handle, sfq)?, sfq.into());

    let mut cake = Cake::default();
    (cake.rate, cake.diffserv, cake.flow_mode, cake.atm) = (Some(1_250_000), Some(1), Some(5), Some(2));
    (cake.overhead, cake.mpu, cake.memory) = (Some(-4), Some(64), Some(1 << 20));
    (cake.rtt, cake.target) = (Some(Duration::from_millis(50)), Some(Duration::from_micros(2500)));
    (cake.autorate, cake.nat, cake.wash) = (Some(false), Some(true), Some(true));
    (cake.ingress, cake.ack_filter, cake.split_gso, cake.fwmark) =
        (Some(true), Some(1), Some(false), Some(0xf0));
    assert_eq!(at_root(&mut handle, cake)?, cake.into());
    handle.add_qdisc("v0", &Qdisc::root(cake))?;
    says(
        "-json qdisc show dev v0",
        &["\"bandwidth\":1250000", "\"diffserv\":\"diffserv4\"", "\"overhead\":-4", "\"rtt\":50000"],
    );
    Ok(())
}

fn hfsc_and_drr_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let root = TcHandle::qdisc(1);
    known("hfsc", handle.add_qdisc("v0", &Qdisc::root(Hfsc::new(0x10)).handle(root)))?;
    assert_eq!(handle.qdisc("v0", root)?.kind, Hfsc::new(0x10).into());
    let mut class = HfscClass::new(125_000);
    class.real_time = Some(ServiceCurve { m1: 250_000, d: Duration::from_millis(10), m2: 125_000 });
    class.upper_limit = Some(ServiceCurve::rate(1_000_000));
    let made = handle.add_class("v0", &Class::new(root, TcHandle::new(1, 0x10), class))?;
    assert_eq!(made.kind, class.into());
    assert!(matches!(made.stats.unwrap().extra, Some(ExtraStats::Hfsc(_))));
    handle.replace_qdisc("v0", &Qdisc::root(QdiscKind::Drr).handle(TcHandle::qdisc(2)))?;
    let class = Class::new(TcHandle::qdisc(2), TcHandle::new(2, 1), DrrClass::new(4000));
    let made = handle.add_class("v0", &class)?;
    assert_eq!(made.kind, class.kind);
    assert!(matches!(made.stats.unwrap().extra, Some(ExtraStats::Drr(_))));
    Ok(())
}

fn a_qdisc_is_changed_replaced_and_deleted() -> Outcome {
    let (mut handle, _) = link()?;
    let tbf = |rate| Tbf::new(rate, 10_000, Duration::from_millis(100));
    let one = Qdisc::root(tbf(100_000)).handle(TcHandle::qdisc(1));
    handle.add_qdisc("v0", &one)?;
    assert_eq!(handle.add_qdisc("v0", &one).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let changed = handle.change_qdisc("v0", &Qdisc::root(tbf(200_000)).handle(TcHandle::qdisc(1)))?;
    assert_eq!(changed.kind, tbf(200_000).into());
    let replaced = handle.replace_qdisc("v0", &Qdisc::root(Htb::new()).handle(TcHandle::qdisc(2)))?;
    assert_eq!(replaced.kind.name(), "htb");
    handle.delete_qdisc("v0", TcHandle::qdisc(2))?;
    assert_eq!(handle.qdisc("v0", TcHandle::ROOT)?.kind, QdiscKind::Noqueue);
    assert_eq!(handle.delete_qdisc("v0", TcHandle::INGRESS).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn qdiscs_are_listed_by_link() -> Outcome {
    let (mut handle, link) = link()?;
    handle.add_qdisc("v0", &Qdisc::root(Htb::new()))?;
    handle.add_qdisc("v0", &Qdisc::clsact())?;
    handle.add_qdisc("v1", &Qdisc::ingress())?;
    let mut filter = QdiscFilter::default();
    filter.index = Some(link.index);
    let kinds: Vec<_> =
        handle.list_qdiscs(filter)?.into_iter().map(|qdisc| qdisc.kind.name().to_owned()).collect();
    assert_eq!(kinds, ["htb", "clsact"]);
    filter.parent = Some(TcHandle::INGRESS);
    assert_eq!(handle.dump_qdiscs(filter)?.count(), 1);
    let all = handle.qdiscs()?;
    assert!(
        all.iter().any(|qdisc| qdisc.kind == QdiscKind::Ingress && qdisc.handle == TcHandle::INGRESS_QDISC)
    );
    Ok(())
}

fn statistics_count_what_went_through() -> Outcome {
    let (mut handle, _) = link()?;
    handle.add_qdisc("v0", &Qdisc::root(Tbf::new(1 << 30, 100_000, Duration::from_millis(100))))?;
    handle.add_address("v0", &"10.0.0.1/24".parse::<netlink::IpNet>().unwrap().into())?;
    let socket = std::net::UdpSocket::bind("10.0.0.1:0")?;
    // Nobody answers: who has it is asked.
    socket.send_to(&[0; 100], "10.0.0.9:9")?;
    let stats = handle.qdisc("v0", TcHandle::ROOT)?.stats.unwrap();
    assert!(stats.packets > 0 && stats.bytes > 28, "{stats:?}");
    assert_eq!(stats.drops, 0);
    Ok(())
}

fn ingress(handle: &mut Handle) -> Result<TcHandle, Stop> {
    handle.add_qdisc("v0", &Qdisc::ingress())?;
    Ok(TcHandle::INGRESS_QDISC)
}

/// Adds a filter, and gives it as the kernel echoes it, finds it and lists it.
fn back(handle: &mut Handle, filter: &Filter) -> Result<Filter, Stop> {
    let made = known(filter.kind.name(), handle.add_filter("v0", filter))?;
    let found = handle.filter("v0", &made)?;
    assert_eq!((found.handle, found.priority, found.protocol), (made.handle, made.priority, made.protocol));
    let mut which = FilterFilter::default();
    (which.priority, which.protocol, which.chain) =
        (Some(made.priority), Some(made.protocol), Some(made.chain));
    let listed = handle.list_filters("v0", made.parent, which)?;
    let listed =
        listed.into_iter().find(|one| one.handle == made.handle && one.kind.name() == made.kind.name());
    Ok(listed.expect("it is not in the list"))
}

fn u32_filters_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let root = TcHandle::qdisc(1);
    handle.add_qdisc("v0", &Qdisc::root(Htb::new()).handle(root))?;
    handle.add_class("v0", &Class::new(root, TcHandle::new(1, 0x10), HtbClass::new(100_000)))?;
    let web = U32::new().tcp().source("10.0.0.0/8".parse()?).dst_port(80).class(TcHandle::new(1, 0x10));
    let made = back(&mut handle, &Filter::new(root, web.clone()).priority(10))?;
    assert_eq!((made.priority, made.protocol), (10, Protocol::IP));
    let FilterKind::U32(read) = made.kind.clone() else { panic!("it is no u32") };
    assert_eq!((&read.keys, read.class, read.terminal), (&web.keys, web.class, true));
    says(
        "filter show dev v0",
        &[
            "flowid 1:10",
            "match 00060000/00ff0000 at 8",
            "match 0a000000/ff000000 at 12",
            "match 00000050/0000ffff at 20",
        ],
    );
    let six = U32::new().destination("fd00:1::/64".parse()?).udp().class(TcHandle::new(1, 0x10));
    let made = back(&mut handle, &Filter::new(root, six.clone()).priority(11))?;
    assert_eq!(made.protocol, Protocol::IPV6);
    assert!(matches!(&made.kind, FilterKind::U32(read) if read.keys == six.keys));
    handle.delete_filter("v0", &made)?;
    assert_eq!(handle.filter("v0", &made).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(handle.filters("v0", root)?.len(), 1);
    handle.flush_filters("v0", root, 0)?;
    assert_eq!(handle.filters("v0", root)?.len(), 0);
    Ok(())
}

fn u32_hash_tables_lead_to_each_other() -> Outcome {
    let (mut handle, _) = link()?;
    let root = TcHandle::qdisc(1);
    handle.add_qdisc("v0", &Qdisc::root(Htb::new()).handle(root))?;
    let filter = |kind: U32| Filter::new(root, kind).protocol(Protocol::IP).priority(5);
    let table = U32Handle::table(2);
    handle.add_filter("v0", &filter(U32::hash_table(256)).handle(table.to_raw()))?;
    let mut inside = U32::new().source("10.0.0.7/32".parse()?).class(TcHandle::new(1, 0x10));
    inside.table = Some(U32Handle { table: 2, bucket: 7, node: 0 });
    let made = handle.add_filter("v0", &filter(inside.clone()))?;
    let number = U32Handle::from_raw(made.handle);
    assert_eq!((number.table, number.bucket), (2, 7));
    let mut outside = U32::new().source("10.0.0.0/24".parse()?);
    (outside.link, outside.hash_mask, outside.hash_offset) = (Some(table), 0xff, 12);
    let made = handle.add_filter("v0", &filter(outside.clone()))?;
    let FilterKind::U32(read) = made.kind else { panic!("it is no u32") };
    assert_eq!((read.link, read.hash_mask, read.hash_offset), (Some(table), 0xff, 12));
    let mut marked = U32::all().class(TcHandle::new(1, 1));
    marked.mark = Some(U32Mark { value: 7, mask: 0xff });
    let FilterKind::U32(read) = handle.add_filter("v0", &filter(marked.clone()))?.kind else {
        panic!("it is no u32")
    };
    if read.mark.is_none() {
        return Err(ignored("this kernel's u32 looks at no marks (CONFIG_CLS_U32_MARK)"));
    }
    assert_eq!(read.mark, marked.mark);
    Ok(())
}

fn flower_filters_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let parent = ingress(&mut handle)?;
    let mac = MacAddress::from([2, 0, 0, 0, 0, 1]);
    let mut flowers = Vec::new();
    let mut flower = Flower::new().source("10.0.0.0/8".parse()?).destination("10.1.2.3/32".parse()?).tcp();
    (flower.eth_src, flower.eth_dst) = (Some(mac.into()), Some(mac.into()));
    (flower.ip_tos, flower.ip_ttl) = (Some(Masked { value: 0x28, mask: 0xfc }), Some(64.into()));
    (flower.port_src, flower.port_dst) = (Some(Masked { value: 0x1200, mask: 0xff00 }), Some(80.into()));
    (flower.tcp_flags, flower.key_flags) =
        (Some(Masked { value: 2, mask: 0x12 }), Some(Masked { value: 1, mask: 1 }));
    flower.class = Some(TcHandle::new(1, 1));
    flower.flags = Some(1);
    flowers.push(flower);
    let mut flower = Flower::new().destination("fd00::/64".parse()?).udp();
    flower.port_dst_range = Some((1000, 2000));
    flower.port_src_range = Some((5, 6));
    flowers.push(flower);
    let mut flower = Flower::new();
    flower.ip_proto = Some(132);
    flowers.push(flower.src_port(5).dst_port(6));
    let mut flower = Flower::new();
    (flower.ip_proto, flower.icmp_type, flower.icmp_code) = (Some(1), Some(8.into()), Some(0.into()));
    flowers.push(flower);
    let mut flower = Flower::new();
    (flower.ip_proto, flower.icmpv6_type, flower.icmpv6_code) = (Some(58), Some(128.into()), Some(0.into()));
    flowers.push(flower);
    let mut flower = Flower::new();
    (flower.arp_op, flower.arp_sip) =
        (Some(1.into()), Some("10.0.0.1".parse::<std::net::Ipv4Addr>()?.into()));
    flower.arp_tip = Some("10.0.0.2".parse::<std::net::Ipv4Addr>()?.into());
    (flower.arp_sha, flower.arp_tha) = (Some(mac.into()), Some(mac.into()));
    flowers.push(flower);
    let mut flower = Flower::new();
    (flower.mpls_label, flower.mpls_ttl, flower.mpls_tc, flower.mpls_bos) =
        (Some(1234), Some(64), Some(3), Some(1));
    flowers.push(flower);
    let mut flower = Flower::new();
    (flower.vlan.id, flower.vlan.priority, flower.vlan.ether_type) = (Some(7), Some(3), Some(0x8100));
    (flower.cvlan.id, flower.cvlan.priority, flower.cvlan.ether_type) = (Some(8), Some(4), Some(0x0800));
    flowers.push(flower);
    let mut flower = Flower::new();
    (flower.enc_src, flower.enc_dst) = (
        Some("192.0.2.1".parse::<std::net::IpAddr>()?.into()),
        Some("192.0.2.2".parse::<std::net::IpAddr>()?.into()),
    );
    (flower.enc_key_id, flower.enc_dst_port, flower.enc_src_port) =
        (Some(77), Some(4789.into()), Some(5.into()));
    (flower.enc_tos, flower.enc_ttl) = (Some(4.into()), Some(64.into()));
    flowers.push(flower);
    let mut flower = Flower::new().tcp();
    flower.ct_state = Some(Masked { value: 0xa, mask: 0xa });
    flowers.push(flower);
    for (number, flower) in (1..).zip(flowers) {
        let filter = Filter::new(parent, flower.clone()).priority(number);
        let made = back(&mut handle, &filter)?;
        assert_eq!(made.protocol, filter.protocol);
        let FilterKind::Flower(mut read) = made.kind else { panic!("it is no flower") };
        // The kernel adds that no device does it, and what the filter's protocol says already.
        assert_eq!(read.flags.unwrap_or_default() & 1, flower.flags.unwrap_or_default());
        (read.flags, read.eth_type) = (flower.flags, flower.eth_type);
        assert_eq!(*read, flower);
    }
    says(
        "-json filter show dev v0 ingress",
        &["\"dst_ip\":\"10.1.2.3\"", "\"dst_port\":80", "\"src_mac\":\"02:00:00:00:00:01\""],
    );
    let portless = Filter::new(parent, Flower::new().dst_port(80));
    assert_eq!(handle.add_filter("v0", &portless).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn other_filters_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let parent = ingress(&mut handle)?;
    let mut matchall = Matchall::new(vec![]);
    matchall.class = Some(TcHandle::new(1, 1));
    let made = back(&mut handle, &Filter::new(parent, matchall.clone()).priority(1).chain(3))?;
    assert_eq!((made.chain, made.protocol), (3, Protocol::ALL));
    assert!(matches!(made.kind, FilterKind::Matchall(read) if read.class == matchall.class));
    let mut fw = Fw::new(TcHandle::new(1, 2));
    fw.mask = Some(0xff);
    let made = back(&mut handle, &Filter::new(parent, fw.clone()).priority(2).handle(7))?;
    assert_eq!((made.kind, made.handle), (fw.into(), 7));
    let mut basic = Basic::new(vec![]);
    basic.class = Some(TcHandle::new(1, 3));
    let made = back(&mut handle, &Filter::new(parent, basic.clone()).priority(3))?;
    assert_eq!(made.kind, basic.into());
    // The kernel finds none of these when it is asked for one.
    handle.add_filter("v0", &Filter::new(parent, CgroupFilter::new()).priority(4).handle(1))?;
    let listed = handle.filters("v0", parent)?;
    assert!(listed.iter().any(|filter| filter.kind == CgroupFilter::new().into() && filter.priority == 4));
    Ok(())
}

/// A program that returns 0.
#[allow(unsafe_code, reason = "nothing in the tree loads programs")]
fn program() -> Result<OwnedFd, Stop> {
    #[repr(C)]
    struct Attributes {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log: [u64; 12],
    }
    const LOAD: i32 = 5;
    const SCHED_CLS: u32 = 3;
    let instructions: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let attributes = Attributes {
        kind: SCHED_CLS,
        count: 2,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log: [0; 12],
    };
    // SAFETY: the attributes outlive the call, and so does all they point at.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, LOAD, &raw const attributes, size_of::<Attributes>()) };
    match RawFd::try_from(fd) {
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(ignored(format!("no program can be loaded here: {}", std::io::Error::last_os_error()))),
    }
}

fn programs_are_read_as_they_were_written() -> Outcome {
    let (mut handle, _) = link()?;
    let named = |name: &str| program().map(|program| BpfProgram::new(program, name));
    handle.add_qdisc("v0", &Qdisc::clsact())?;
    for parent in [TcHandle::CLSACT_INGRESS, TcHandle::CLSACT_EGRESS] {
        let filter = Filter::new(parent, BpfFilter::direct(named("policy")?)).priority(1);
        let made = back(&mut handle, &filter)?;
        let FilterKind::Bpf(read) = &made.kind else { panic!("it is no bpf") };
        let name = read.program.as_ref().map(BpfProgram::name);
        assert_eq!((name, read.direct_action), (Some("policy"), true));
        assert!(read.id.is_some() && read.tag.is_some());
    }
    says("filter show dev v0 ingress", &["bpf", "policy direct-action"]);
    let mut classed = BpfFilter::new(named("class")?);
    classed.class = Some(TcHandle::new(1, 1));
    let made = back(&mut handle, &Filter::new(TcHandle::CLSACT_EGRESS, classed).priority(2))?;
    assert!(
        matches!(made.kind, FilterKind::Bpf(read) if read.class == Some(TcHandle::new(1, 1)) && !read.direct_action)
    );
    let action = Action::new(BpfAction::new(named("act")?)).verdict(Verdict::Pipe);
    match handle.add_action(&action) {
        // An action's program is of another type: it is refused in the kernel's words.
        Err(error) => assert!(error.to_string().starts_with("add action bpf 0: "), "{error}"),
        Ok(made) => assert_eq!(made.kind.name(), "bpf"),
    }
    Ok(())
}

fn a_shared_block_is_one_for_two_links() -> Outcome {
    let (mut handle, link) = link()?;
    let mut qdisc = Qdisc::ingress();
    qdisc.ingress_block = Some(22);
    assert_eq!(handle.add_qdisc("v0", &qdisc)?.ingress_block, Some(22));
    handle.add_qdisc("v1", &qdisc)?;
    let filter = Filter::new(TcHandle::NONE, U32::all().action(Action::mirror(&link))).priority(1);
    let made = handle.add_filter(Block(22), &filter)?;
    assert_eq!((made.index, made.block), (0, Some(Block(22))));
    assert_eq!(handle.filters(Block(22), TcHandle::NONE)?.len(), 1);
    assert_eq!(handle.chains(Block(22), TcHandle::NONE)?.len(), 1);
    let refused = handle.add_filter("v0", &Filter::new(TcHandle::INGRESS_QDISC, U32::all())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    handle.delete_filter(Block(22), &made)?;
    Ok(())
}

fn chains_are_added_listed_and_deleted() -> Outcome {
    let (mut handle, _) = link()?;
    let parent = ingress(&mut handle)?;
    handle.add_chain("v0", parent, 7)?;
    assert_eq!(handle.add_chain("v0", parent, 7).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let numbers: Vec<_> = handle.chains("v0", parent)?.iter().map(|chain| chain.number).collect();
    assert_eq!(numbers, [7]);
    handle.delete_chain("v0", parent, 7)?;
    assert!(handle.chains("v0", parent)?.is_empty());
    let missing = handle.delete_chain("v0", parent, 7).unwrap_err();
    assert!(missing.kernel_text().is_some(), "{missing}");
    Ok(())
}

fn a_redirect_is_read_as_it_was_written() -> Outcome {
    let (mut handle, link) = link()?;
    let parent = ingress(&mut handle)?;
    let mut redirect = Action::redirect(link.index);
    redirect.cookie = vec![1, 2, 3];
    let filter = Filter::new(parent, U32::all().action(redirect.clone()).action(Action::mirror(link.index)));
    let made = back(&mut handle, &filter)?;
    let FilterKind::U32(read) = made.kind else { panic!("it is no u32") };
    let [first, second] = &read.actions[..] else { panic!("{:?}", read.actions) };
    assert_eq!(
        (&first.kind, first.verdict, &first.cookie),
        (&redirect.kind, Verdict::Stolen, &redirect.cookie)
    );
    assert_eq!((&second.kind, second.verdict), (&Mirred::EgressMirror(link.index).into(), Verdict::Pipe));
    assert_eq!((first.references, first.bindings), (1, 1));
    assert!(first.stats.is_some());
    says(
        "-json filter show dev v0 ingress",
        &[
            "\"mirred_action\":\"redirect\"",
            "\"direction\":\"egress\"",
            "\"to_dev\":\"v0\"",
            "\"cookie\":\"010203\"",
        ],
    );
    Ok(())
}

fn actions_are_read_as_they_were_written() -> Outcome {
    let (mut handle, link) = link()?;
    may_change_actions(&mut handle)?;
    let push = |id, priority| VlanAction::Push { id, protocol: VlanProtocol::Dot1ad, priority };
    let mac = MacAddress::from([2, 0, 0, 0, 0, 1]);
    let mut edit = Skbedit::mark(7);
    (edit.priority, edit.queue, edit.mark_mask) = (Some(0x1_0010), Some(0), Some(0xff));
    (edit.packet_type, edit.inherit_dsfield) = (Some(0), true);
    let mut sample = Sample::new(100, 5);
    sample.truncate = Some(64);
    let keys = vec![
        PeditKey { header: PeditHeader::Ethernet, offset: 0, keep: [0; 4], value: [2, 0, 0, 9], add: false },
        PeditKey {
            header: PeditHeader::Ipv4,
            offset: 8,
            keep: [0, 255, 255, 255],
            value: [255, 0, 0, 0],
            add: true,
        },
    ];
    let actions = [
        Action::new(Mirred::EgressRedirect(link.index)).verdict(Verdict::Stolen),
        Action::new(Mirred::EgressMirror(link.index)),
        Action::new(Mirred::IngressRedirect(link.index)).verdict(Verdict::Stolen),
        Action::new(Mirred::IngressMirror(link.index)),
        Action::pass(),
        Action::drop(),
        Action::new(VlanAction::Pop),
        Action::new(push(7, None)),
        Action::new(push(4094, Some(5))),
        Action::new(VlanAction::Modify { id: 9, protocol: VlanProtocol::Dot1q, priority: Some(2) }),
        Action::new(VlanAction::PopEthernet),
        Action::new(VlanAction::PushEthernet { destination: mac, source: mac }),
        Action::new(edit),
        Action::new(Pedit::new(keys)),
        Action::new(Csum::new(1 | 8)),
        Action::new(TunnelKey::Release),
        Action::new(TunnelKey::set("192.0.2.1".parse()?, "192.0.2.2".parse()?, 77)),
        Action::new(TunnelKey::set("fd00::1".parse()?, "fd00::2".parse()?, 77)),
        Action::new(sample),
        Action::new(Nat::egress("10.0.0.0/24".parse()?, "10.1.0.0".parse()?)),
        Action::new(Nat::ingress("10.0.0.1/32".parse()?, "10.1.0.0".parse()?)),
    ];
    let mut lacking = Vec::new();
    for (number, action) in (1..).zip(actions) {
        let action = action.index(number);
        let made = match handle.add_action(&action) {
            Ok(made) => made,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => {
                lacking.push(action.kind.name().to_owned());
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!((&made.kind, made.verdict, made.index), (&action.kind, action.verdict, number));
        let found = handle.action(action.kind.name(), number)?;
        assert_eq!((&found.kind, found.references), (&action.kind, 1));
        assert!(handle.list_actions(action.kind.name())?.iter().any(|one| one.index == number));
        handle.delete_action(action.kind.name(), number)?;
    }
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(ignored(format!("this kernel lacks the actions {lacking:?}")))
    }
}

fn an_action_by_chance_is_read_as_it_was_written() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    may_change_actions(&mut handle)?;
    for chance in [Chance::Random(10, Verdict::Drop), Chance::Each(3, Verdict::Continue)] {
        let action = Action::new(Gact::with_chance(chance)).verdict(Verdict::Ok);
        match handle.add_action(&action) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => {
                return Err(ignored(format!("this kernel has no gact with a chance: {error}")));
            }
            made => assert_eq!(made?.kind, action.kind),
        }
    }
    Ok(())
}

fn police_is_read_as_it_was_written() -> Outcome {
    let (mut handle, _) = link()?;
    may_change_actions(&mut handle)?;
    let mut police = Police::new(bits(10_000_000), 65_536);
    (police.peak_rate, police.mtu, police.conform) =
        (Some(bits(20_000_000)), Some(2000), Some(Verdict::Pipe));
    police.framing.overhead = 14;
    let made = known("police", handle.add_action(&Action::police(police)))?;
    assert_eq!((made.kind, made.verdict), (police.into(), Verdict::Drop));
    let long = Police::new(bits(10_000_000), 65_536);
    let made = handle.add_action(&Action::police(long))?;
    assert_eq!(made.kind, long.into());
    says("action show action police", &["rate 10Mbit burst 64Kb", "action drop", "mtu 2000b"]);
    let packets = Police::packets(1000, 50);
    assert_eq!(handle.add_action(&Action::police(packets))?.kind, packets.into());
    let fast = Police::new(bits(100_000_000_000), 1 << 20);
    let netlink::tc::ActionKind::Police(read) = handle.add_action(&Action::police(fast))?.kind else {
        panic!("it is no police")
    };
    assert_eq!(read.rate, fast.rate);
    handle.add_qdisc("v0", &Qdisc::clsact())?;
    let filter = Filter::new(TcHandle::CLSACT_INGRESS, Matchall::new(vec![Action::police(long)]));
    let made = back(&mut handle, &filter)?;
    assert!(matches!(made.kind, FilterKind::Matchall(read) if read.actions[0].kind == long.into()));
    Ok(())
}

fn actions_alone_are_listed_past_the_thirty_second() -> Outcome {
    let (mut handle, link) = link()?;
    may_change_actions(&mut handle)?;
    for number in 1..=100 {
        handle.add_action(&Action::mirror(link.index).index(number))?;
    }
    assert_eq!(handle.list_actions("mirred")?.len(), 100);
    assert_eq!(
        handle.add_action(&Action::mirror(link.index).index(5)).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    let replaced = handle.replace_action(&Action::redirect(link.index).index(5))?;
    assert_eq!(replaced.kind, Mirred::EgressRedirect(link.index).into());
    handle.flush_actions("mirred")?;
    assert_eq!(handle.list_actions("mirred")?.len(), 0);
    assert_eq!(handle.action("mirred", 5).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn kinds_without_words_go_as_bytes() -> Outcome {
    let (mut handle, _) = link()?;
    let other = QdiscKind::Other { kind: "pfifo".to_owned(), options: 77_u32.to_ne_bytes().to_vec() };
    assert_eq!(at_root(&mut handle, other)?, QdiscKind::Pfifo(Fifo::new(77)));
    let nameless = QdiscKind::Other { kind: "a-name-too-long-for-it".to_owned(), options: vec![] };
    assert_eq!(handle.add_qdisc("v0", &Qdisc::root(nameless)).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn refusals_are_told_in_the_kernels_words() -> Outcome {
    let (mut handle, _) = link()?;
    let unknown = QdiscKind::Other { kind: "nosuch".to_owned(), options: vec![] };
    let error = handle.add_qdisc("v0", &Qdisc::root(unknown)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().starts_with("add qdisc nosuch root of link \"v0\": "), "{error}");
    assert!(error.kernel_text().is_some(), "{error}");
    assert_eq!(handle.qdisc("none", TcHandle::ROOT).unwrap_err().kind(), ErrorKind::NotFound);
    let error = handle.add_filter("v0", &Filter::new(TcHandle::qdisc(9), U32::all())).unwrap_err();
    assert!(error.to_string().starts_with("add filter u32 all at 9: of link \"v0\": "), "{error}");
    Ok(())
}

fn a_batch_makes_a_tree() -> Outcome {
    let (mut handle, _) = link()?;
    let root = TcHandle::qdisc(1);
    let class = Class::new(root, TcHandle::new(1, 0x10), HtbClass::new(100_000));
    let filter = Filter::new(root, U32::all().class(class.handle)).priority(1).protocol(Protocol::ALL);
    let mut batch = handle.batch();
    batch.add_qdisc("v0", &Qdisc::root(Htb::new()).handle(root));
    batch.add_class("v0", &class);
    batch.add_class("v0", &class);
    batch.add_filter("v0", &filter);
    batch.add_qdisc("v0", &Qdisc::ingress());
    batch.add_chain("v0", TcHandle::INGRESS_QDISC, 3);
    batch.delete_class("v0", TcHandle::new(1, 0x77));
    let results = batch.send();
    let failed: Vec<_> =
        results.iter().enumerate().filter(|(_, one)| one.is_err()).map(|(at, _)| at).collect();
    assert_eq!(failed, [2, 6], "{results:?}");
    let told = |at: usize| results[at].as_ref().unwrap_err().to_string();
    assert!(told(2).starts_with("add class htb 1:10 of link \"v0\": "), "{}", told(2));
    assert!(told(6).starts_with("delete class 1:77 of link \"v0\": "), "{}", told(6));
    assert_eq!(handle.filters("v0", root)?.len(), 1);
    Ok(())
}

fn a_batch_changes_actions() -> Outcome {
    let (mut handle, link) = link()?;
    may_change_actions(&mut handle)?;
    let mut batch = handle.batch();
    batch.add_action(&Action::mirror(link.index).index(9));
    batch.replace_action(&Action::redirect(link.index).index(9));
    batch.delete_action("mirred", 9);
    batch.delete_action("mirred", 9);
    let results = batch.send();
    assert!(results[..3].iter().all(Result::is_ok), "{results:?}");
    let told = results[3].as_ref().unwrap_err().to_string();
    assert!(told.starts_with("delete action mirred 9: "), "{told}");
    Ok(())
}

/// The kernel lets only the first user namespace change actions that belong to no filter.
fn may_change_actions(handle: &mut Handle) -> Result<(), Stop> {
    match handle.flush_actions("mirred") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(ignored(format!("needs the first user namespace: {error}")))
        }
        outcome => Ok(outcome?),
    }
}
