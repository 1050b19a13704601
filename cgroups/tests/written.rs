//! Every resource of the OCI runtime specification, and the control files that it becomes, in directories that stand
//! in for cgroups.

mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use cgroups::{
    BlockIo, ErrorKind, HugepageLimit, InterfacePriority, Rdma, Resources, ThrottleDevice, WeightDevice,
};
use grounds::tests;
use tree::Tree;

fn main() -> ExitCode {
    grounds::run(tests![
        each_knob_of_v1_has_its_file,
        each_knob_of_v2_has_its_file,
        without_bfq_a_weight_is_one_of_the_cost_model,
        no_rate_is_said_in_each_versions_way,
        what_only_v1_can_do_is_named_on_v2,
        what_no_kernel_can_do_any_more_is_named,
        marks_of_traffic_need_v1,
        memory_and_swap_come_to_the_values_of_the_table_on_v2,
        memory_and_swap_below_memory_is_refused_on_both,
        swap_alone_is_counted_with_the_limit_in_force,
        a_limit_below_the_use_is_refused_before_anything_is_written,
        processors_that_the_parent_lacks_are_reported_and_none_at_all_is_refused,
        a_reservation_limit_that_is_not_there_is_no_error,
        an_unknown_page_size_is_told_with_those_there_are,
    ])
}

fn disk_io() -> BlockIo {
    let mut io = BlockIo::default();
    io.weight = Some(500);
    io.weight_device = vec![WeightDevice::new(8, 0, 17)];
    io.throttle_read_bps_device = vec![ThrottleDevice::new(8, 0, 1 << 20)];
    io.throttle_write_bps_device = vec![ThrottleDevice::new(8, 0, 2 << 20)];
    io.throttle_read_iops_device = vec![ThrottleDevice::new(8, 0, 100)];
    io.throttle_write_iops_device = vec![ThrottleDevice::new(8, 0, 200)];
    io
}

fn adapter() -> BTreeMap<String, Rdma> {
    let mut rdma = Rdma::default();
    (rdma.hca_handles, rdma.hca_objects) = (Some(3), Some(10_000));
    BTreeMap::from([("mlx5_0".to_owned(), rdma)])
}

fn huge(limit: u64) -> Resources {
    let mut resources = Resources::default();
    resources.hugepage_limits = vec![HugepageLimit::new("2MB", limit)];
    resources
}

fn memory(limit: i64, swap: i64) -> Resources {
    let mut resources = Resources::default();
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.swap) = (Some(limit), Some(swap));
    resources
}

fn each_knob_of_v1_has_its_file() {
    let hugetlb = [("hugetlb.2MB.limit_in_bytes", ""), ("hugetlb.2MB.rsvd.limit_in_bytes", "")];
    let tree = Tree::new("knobs1")
        .with("cpu", &[], &[("cpu.rt_runtime_us", "0\n"), ("cpu.rt_period_us", "1000000\n")])
        .with(
            "memory",
            &[],
            &[
                ("memory.kmem.limit_in_bytes", ""),
                ("memory.kmem.tcp.limit_in_bytes", ""),
                ("memory.swappiness", "60\n"),
                ("memory.oom_control", "oom_kill_disable 0\n"),
                ("memory.use_hierarchy", "1\n"),
            ],
        )
        .with(
            "blkio",
            &[],
            &[
                ("blkio.bfq.weight", "100\n"),
                ("blkio.bfq.weight_device", ""),
                ("blkio.throttle.read_bps_device", ""),
                ("blkio.throttle.write_bps_device", ""),
                ("blkio.throttle.read_iops_device", ""),
                ("blkio.throttle.write_iops_device", ""),
            ],
        )
        .with("hugetlb", &[], &hugetlb)
        .with("rdma", &[], &[("rdma.max", "")])
        .with("misc", &[], &[("misc.max", "")])
        .with("net_cls", &[], &[("net_cls.classid", "0\n")])
        .with("net_prio", &[], &[("net_prio.ifpriomap", "lo 0\n")]);
    let mut resources = huge(4 << 20);
    let cpu = resources.cpu.get_or_insert_default();
    (cpu.realtime_runtime, cpu.realtime_period) = (Some(5_000), Some(500_000));
    let memory = resources.memory.get_or_insert_default();
    (memory.kernel, memory.kernel_tcp, memory.swappiness) = (Some(32 << 20), Some(16 << 20), Some(0));
    (memory.disable_oom_killer, memory.use_hierarchy) = (Some(true), Some(true));
    resources.block_io = Some(disk_io());
    resources.rdma = adapter();
    resources.misc = BTreeMap::from([("sev".to_owned(), 5)]);
    let network = resources.network.get_or_insert_default();
    network.class_id = Some(0x0010_0001);
    network.priorities = vec![InterfacePriority::new("eth0", 5)];
    assert_eq!(tree.cgroup().set(&resources).unwrap(), []);
    let written = [
        ("cpu/x/cpu.rt_runtime_us", "5000"),
        ("cpu/x/cpu.rt_period_us", "500000"),
        ("memory/x/memory.kmem.limit_in_bytes", "33554432"),
        ("memory/x/memory.kmem.tcp.limit_in_bytes", "16777216"),
        ("memory/x/memory.swappiness", "0"),
        ("memory/x/memory.oom_control", "1"),
        ("memory/x/memory.use_hierarchy", "1\n"), // so it was; 5.10 refuses to be told once more
        ("blkio/x/blkio.bfq.weight", "500"),
        ("blkio/x/blkio.bfq.weight_device", "8:0 17"),
        ("blkio/x/blkio.throttle.read_bps_device", "8:0 1048576"),
        ("blkio/x/blkio.throttle.write_bps_device", "8:0 2097152"),
        ("blkio/x/blkio.throttle.read_iops_device", "8:0 100"),
        ("blkio/x/blkio.throttle.write_iops_device", "8:0 200"),
        ("hugetlb/x/hugetlb.2MB.limit_in_bytes", "4194304"),
        ("hugetlb/x/hugetlb.2MB.rsvd.limit_in_bytes", "4194304"),
        ("rdma/x/rdma.max", "mlx5_0 hca_handle=3 hca_object=10000"),
        ("misc/x/misc.max", "sev 5"),
        ("net_cls/x/net_cls.classid", "1048577"),
        ("net_prio/x/net_prio.ifpriomap", "eth0 5"),
    ];
    for (path, value) in written {
        assert_eq!(tree.file(path), value, "{path}");
    }
}

/// A v2 cgroup with every controller.
fn whole(test: &str, leaf: &[(&str, &str)]) -> Tree {
    let controllers = [("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")];
    let root = [controllers[0], ("cgroup.subtree_control", "")];
    let leaf: Vec<_> = controllers.iter().chain(leaf).copied().collect();
    Tree::new(test).with("", &root, &leaf)
}

fn each_knob_of_v2_has_its_file() {
    let files = [
        ("io.bfq.weight", ""),
        ("io.weight", "default 100\n"),
        ("io.max", ""),
        ("hugetlb.2MB.max", ""),
        ("hugetlb.2MB.rsvd.max", ""),
        ("rdma.max", ""),
        ("misc.max", ""),
    ];
    let tree = whole("knobs2", &files);
    let mut resources = huge(4 << 20);
    resources.rdma = adapter();
    resources.misc = BTreeMap::from([("sev".to_owned(), -1)]);
    let mut io = disk_io();
    io.weight_device.clear();
    resources.block_io = Some(io);
    assert_eq!(tree.cgroup().set(&resources).unwrap(), []);
    let written = [
        ("io.bfq.weight", "500"), // BFQ has the specification's own scale
        ("io.weight", "default 100\n"),
        ("io.max", "8:0 wiops=200"), // the last of four writes
        ("hugetlb.2MB.max", "4194304"),
        ("hugetlb.2MB.rsvd.max", "4194304"),
        ("rdma.max", "mlx5_0 hca_handle=3 hca_object=10000"),
        ("misc.max", "sev max"),
    ];
    for (name, value) in written {
        assert_eq!(tree.file(&format!("unified/x/{name}")), value, "{name}");
    }
    resources.block_io.as_mut().unwrap().weight_device = vec![WeightDevice::new(8, 0, 17)];
    tree.cgroup().set(&resources).unwrap();
    assert_eq!(tree.file("unified/x/io.bfq.weight"), "8:0 17");
}

fn without_bfq_a_weight_is_one_of_the_cost_model() {
    let tree = whole("cost", &[("io.weight", "default 100\n")]);
    let mut resources = Resources::default();
    for (weight, written) in [(10, "1"), (16, "61"), (17, "71"), (100, "910"), (500, "4950"), (1000, "10000")]
    {
        resources.block_io.get_or_insert_default().weight = Some(weight);
        tree.cgroup().set(&resources).unwrap();
        assert_eq!(tree.file("unified/x/io.weight"), written);
    }
    resources.block_io.get_or_insert_default().weight_device = vec![WeightDevice::new(8, 16, 500)];
    tree.cgroup().set(&resources).unwrap();
    assert_eq!(tree.file("unified/x/io.weight"), "8:16 4950");
    fs::remove_file(tree.root.join("unified/x/io.weight")).unwrap();
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("neither io.bfq.weight nor io.weight"), "{error}");
}

fn no_rate_is_said_in_each_versions_way() {
    let mut resources = Resources::default();
    resources.block_io.get_or_insert_default().throttle_read_bps_device = vec![ThrottleDevice::new(8, 0, 0)];
    let v1 = Tree::new("norate1").with("blkio", &[], &[("blkio.throttle.read_bps_device", "8:0 5\n")]);
    v1.cgroup().set(&resources).unwrap();
    assert_eq!(v1.file("blkio/x/blkio.throttle.read_bps_device"), "8:0 0");
    let v2 = whole("norate2", &[("io.max", "8:0 rbps=5\n")]);
    v2.cgroup().set(&resources).unwrap();
    assert_eq!(v2.file("unified/x/io.max"), "8:0 rbps=max");
}

fn what_only_v1_can_do_is_named_on_v2() {
    type Fill = fn(&mut Resources);
    let cases: [(&str, Fill); 7] = [
        ("memory.kernel", |r| r.memory.get_or_insert_default().kernel = Some(4096)),
        ("memory.kernel_tcp", |r| r.memory.get_or_insert_default().kernel_tcp = Some(4096)),
        ("memory.swappiness", |r| r.memory.get_or_insert_default().swappiness = Some(0)),
        ("memory.disable_oom_killer", |r| r.memory.get_or_insert_default().disable_oom_killer = Some(true)),
        ("memory.use_hierarchy", |r| r.memory.get_or_insert_default().use_hierarchy = Some(false)),
        ("cpu.realtime_runtime", |r| r.cpu.get_or_insert_default().realtime_runtime = Some(1)),
        ("cpu.realtime_period", |r| r.cpu.get_or_insert_default().realtime_period = Some(1)),
    ];
    let tree = whole("onlyv1", &[]);
    for (name, fill) in cases {
        let mut resources = Resources::default();
        fill(&mut resources);
        let error = tree.cgroup().set(&resources).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().starts_with(&format!("set {name} to ")), "{error}");
    }
    // What says that it is as it is on v2 is fine.
    let mut resources = Resources::default();
    let memory = resources.memory.get_or_insert_default();
    (memory.kernel, memory.kernel_tcp) = (Some(-1), Some(0));
    (memory.disable_oom_killer, memory.use_hierarchy) = (Some(false), Some(true));
    tree.cgroup().set(&resources).unwrap();
}

fn what_no_kernel_can_do_any_more_is_named() {
    let mut resources = Resources::default();
    resources.block_io.get_or_insert_default().leaf_weight = Some(10);
    for tree in [whole("leaf2", &[]), Tree::new("leaf1").with("blkio", &[], &[])] {
        let error = tree.cgroup().set(&resources).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("block_io.leaf_weight"), "{error}");
    }
    resources.block_io.get_or_insert_default().leaf_weight = Some(0);
    resources.block_io.get_or_insert_default().weight = Some(100);
    let error = Tree::new("nobfq").with("blkio", &[], &[]).cgroup().set(&resources).unwrap_err();
    assert!(error.to_string().contains("blkio.bfq.weight"), "{error}");
}

fn marks_of_traffic_need_v1() {
    let tree = whole("marks", &[]);
    let mut resources = Resources::default();
    resources.network.get_or_insert_default().class_id = Some(0);
    tree.cgroup().set(&resources).unwrap(); // no mark, as it is
    resources.network.get_or_insert_default().class_id = Some(1);
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoController);
    assert!(error.to_string().contains("\"net_cls\"") && error.to_string().contains("v1"), "{error}");
    resources.network.get_or_insert_default().class_id = None;
    resources.network.get_or_insert_default().priorities = vec![InterfacePriority::new("lo", 1)];
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert!(error.to_string().contains("\"net_prio\""), "{error}");
}

fn memory_and_swap_come_to_the_values_of_the_table_on_v2() {
    // ((swap of the specification, limit), what is written to memory.swap.max); "x" is untouched.
    let table = [
        ((0, 0), "x"),
        ((-1, 0), "max"),
        ((300, -1), "300"),
        ((-1, -1), "max"),
        ((-1, 1000), "max"),
        ((1000, 1000), "0"),
        ((500, 200), "300"),
        ((0, -1), "max"),
    ];
    for (at, ((swap, limit), written)) in table.into_iter().enumerate() {
        let tree = whole(&format!("swap{at}"), &[("memory.max", "max\n"), ("memory.swap.max", "x")]);
        tree.cgroup().set(&memory(limit, swap)).unwrap();
        assert_eq!(tree.file("unified/x/memory.swap.max"), written, "{swap} {limit}");
    }
    for (at, (swap, limit)) in [(-2, 0), (300, 400), (300, 0), (300, -300)].into_iter().enumerate() {
        let tree = whole(&format!("swaperr{at}"), &[("memory.max", "max\n"), ("memory.swap.max", "x")]);
        let error = tree.cgroup().set(&memory(limit, swap)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{swap} {limit}");
        assert_eq!(tree.file("unified/x/memory.swap.max"), "x", "{swap} {limit}");
        assert_eq!(tree.file("unified/x/memory.max"), "max\n", "{swap} {limit}");
    }
}

fn memory_and_swap_below_memory_is_refused_on_both() {
    let files = [("memory.limit_in_bytes", "x"), ("memory.memsw.limit_in_bytes", "x")];
    for tree in [whole("below2", &[]), Tree::new("below1").with("memory", &[], &files)] {
        let error = tree.cgroup().set(&memory(8 << 20, 4 << 20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "set memory.swap to 4194304: memory and swap together, below memory.limit 8388608"
        );
    }
}

fn swap_alone_is_counted_with_the_limit_in_force() {
    // v1's file takes memory and swap together, whatever else was given; so does this on v2.
    let tree = whole("alone", &[("memory.max", "200000\n"), ("memory.swap.max", "max\n")]);
    tree.cgroup().set(&memory(0, 500_000)).unwrap();
    assert_eq!(tree.file("unified/x/memory.swap.max"), "300000");
    assert_eq!(tree.file("unified/x/memory.max"), "200000\n");
}

fn a_limit_below_the_use_is_refused_before_anything_is_written() {
    let files = [
        ("memory.max", "x"),
        ("memory.swap.max", "x"),
        ("memory.current", "1048576\n"),
        ("memory.swap.current", "8192\n"),
    ];
    let tree = whole("use", &files);
    for (limit, swap, part) in [
        (1 << 19, 1 << 20, "1048576 bytes are in use"),
        // One peer adds the swap to the use once more, and refuses this one.
        (1 << 20, (1 << 20) + 4096, "8192 bytes of swap are in use"),
    ] {
        let mut resources = memory(limit, swap);
        resources.memory.get_or_insert_default().check_before_update = true;
        let error = tree.cgroup().set(&resources).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().ends_with(part), "{error}");
        assert_eq!(
            (tree.file("unified/x/memory.max"), tree.file("unified/x/memory.swap.max")),
            ("x".into(), "x".into())
        );
    }
    let mut resources = memory(1 << 20, (1 << 20) + 8192);
    resources.memory.get_or_insert_default().check_before_update = true;
    tree.cgroup().set(&resources).unwrap();
}

fn processors_that_the_parent_lacks_are_reported_and_none_at_all_is_refused() {
    let tree = whole("cpus", &[("cpuset.cpus", ""), ("cpuset.cpus.effective", "0-1\n")]);
    fs::write(tree.root.join("unified/cpuset.cpus.effective"), "0-1\n").unwrap();
    let mut resources = Resources::default();
    resources.cpuset.get_or_insert_default().cpus = Some("0-3".to_owned());
    let adjusted = tree.cgroup().set(&resources).unwrap();
    assert_eq!(adjusted.len(), 1);
    assert!(
        adjusted[0].to_string().ends_with("x/cpuset.cpus.effective\": 0-1 instead of 0-3"),
        "{}",
        adjusted[0]
    );
    resources.cpuset.get_or_insert_default().cpus = Some("1,0".to_owned());
    assert_eq!(tree.cgroup().set(&resources).unwrap(), []);
    resources.cpuset.get_or_insert_default().cpus = Some("5".to_owned());
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().ends_with("/unified\" above it has 0-1"), "{error}");
    // Who was told to have others is named rather than the parent.
    fs::write(tree.root.join("unified/cpuset.cpus"), "0\n").unwrap();
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert!(error.to_string().ends_with("/unified\" above it has 0"), "{error}");
}

fn a_reservation_limit_that_is_not_there_is_no_error() {
    let tree = whole("rsvd", &[("hugetlb.2MB.max", "")]);
    tree.cgroup().set(&huge(2 << 20)).unwrap();
    assert_eq!(tree.file("unified/x/hugetlb.2MB.max"), "2097152");
}

fn an_unknown_page_size_is_told_with_those_there_are() {
    let tree = whole("size", &[]);
    let error = tree.cgroup().set(&huge(2 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("hugetlb.2MB.max") && error.to_string().contains("pages of"),
        "{error}"
    );
}
