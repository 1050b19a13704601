//! Networks: the loopback interface, and a pair of virtual interfaces on a bridge.

use grounds::{Outcome, Stop};
use libcontainer::{
    Container, ErrorKind, Io, Macvlan, MacvlanMode, Neighbour, NetDevice, Network, Plan, Route, Veth,
};
use netlink::{Address, AddressFilter, Bridge, Handle, Scope};

use crate::shell::{Shell, captured};

crate::tests!(
    loopback_is_up,
    without_a_network_loopback_is_down,
    a_pair_on_a_bridge_has_its_addresses_and_a_way_out,
    a_host_name_is_made_up,
    a_bridge_that_is_absent_is_named,
    a_failed_network_leaves_no_interface,
    a_failure_after_the_network_leaves_no_interface,
    several_interfaces_have_hardware_addresses_queues_and_neighbours,
    a_device_moves_with_its_global_addresses,
    a_device_comes_back_from_a_container_that_fails,
    a_device_whose_name_is_taken_stays,
);

fn loopback_is_up() -> Outcome {
    // IFF_UP and IFF_LOOPBACK; some kernels put the far ends of tunnels into every new namespace.
    let said =
        Shell::new("cat /sys/class/net/lo/flags; ls -d /sys/class/net/e* 2>/dev/null; true")?.says()?;
    assert!(said.starts_with("0x9\n") && !said.contains("/eth"), "{said}");
    Ok(())
}

fn without_a_network_loopback_is_down() -> Outcome {
    let mut shell = Shell::new("cat /sys/class/net/lo/flags")?;
    shell.config.networks.clear();
    assert_eq!(shell.says()?, "0x8\n");
    Ok(())
}

/// A thread's own network with a bridge in it, and a container on that.
fn on_a_bridge(script: &str) -> Result<(Handle, Shell, Veth), Stop> {
    grounds::root()?;
    grounds::netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("br0"))?;
    handle.set_up("br0")?;
    let veth = Veth {
        bridge: Some("br0".to_owned()),
        addresses: vec!["10.9.8.7/24".to_owned(), "fd00:9::7/64".to_owned()],
        gateway: Some("10.9.8.1".parse()?),
        mtu: Some(1400),
        ..Veth::default()
    };
    Ok((handle, Shell::new(script)?, veth))
}

fn a_pair_on_a_bridge_has_its_addresses_and_a_way_out() -> Outcome {
    let script =
        "cat /sys/class/net/eth0/mtu; cat /proc/net/route; cat /proc/net/fib_trie /proc/net/if_inet6; cat";
    let (mut handle, mut shell, mut veth) = on_a_bridge(script)?;
    veth.host_name = Some("outside0".to_owned());
    shell.config.networks.push(Network::Veth(veth));
    shell.config.routes.push(Route {
        destination: Some("192.0.2.0/24".to_owned()),
        source: None,
        gateway: Some("10.9.8.2".parse()?),
        interface: "eth0".to_owned(),
    });
    let (mut io, mut output) = captured()?;
    let (stdin, hold) = std::io::pipe()?;
    io.stdin = stdin.into();
    let mut container = Container::run(&shell.config, io)?;
    let link = handle.link("outside0")?;
    assert_eq!(link.master, Some(handle.link("br0")?.index));
    assert_eq!((link.mtu, link.is_up()), (1400, true));
    drop(hold);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut output, &mut said)?;
    assert!(container.wait()?.success(), "{said}");
    assert!(said.starts_with("1400\n"), "{said}");
    // Destination and gateway, in the byte order of the wire read as a number.
    let routes: Vec<_> = said.lines().filter(|line| line.starts_with("eth0\t")).collect();
    assert!(routes.iter().any(|route| route.starts_with("eth0\t00000000\t0108090A")), "{said}");
    assert!(routes.iter().any(|route| route.starts_with("eth0\t000200C0\t0208090A")), "{said}");
    assert!(said.contains("10.9.8.7"), "{said}");
    assert!(said.contains("fd000009000000000000000000000007"), "{said}");
    drop(container);
    crate::eventually(|| handle.find_link("outside0").is_ok_and(|link| link.is_none()));
    Ok(())
}

fn a_host_name_is_made_up() -> Outcome {
    let (mut handle, mut shell, veth) = on_a_bridge("sleep 100")?;
    shell.config.networks.push(Network::Veth(veth));
    let first = Container::run(&shell.config, Io::default())?;
    let second = Container::run(&shell.config, Io::default())?;
    let ends = handle.links()?.into_iter().filter(|link| link.name.starts_with("veth")).count();
    assert_eq!(ends, 2);
    drop((first, second));
    Ok(())
}

fn a_bridge_that_is_absent_is_named() -> Outcome {
    let (_, mut shell, mut veth) = on_a_bridge("exit 0")?;
    veth.bridge = Some("no-such-bridge".to_owned());
    shell.config.networks.push(Network::Veth(veth));
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().contains("no-such-bridge"), "{error}");
    Ok(())
}

fn a_failed_network_leaves_no_interface() -> Outcome {
    let (mut handle, mut shell, veth) = on_a_bridge("exit 0")?;
    shell.config.networks.push(Network::Veth(veth));
    // Only the kernel knows that the address isn't the container's.
    shell.config.routes.push(Route {
        destination: Some("192.0.2.0/24".to_owned()),
        source: Some("172.16.0.1".parse()?),
        gateway: None,
        interface: "eth0".to_owned(),
    });
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    // At once, and not when the namespace is gone some time.
    assert_eq!(veths(&mut handle)?, 0);
    Ok(())
}

/// How many host's ends there are.
fn veths(handle: &mut Handle) -> Result<usize, Stop> {
    Ok(handle.links()?.iter().filter(|link| link.name.starts_with("veth")).count())
}

fn a_failure_after_the_network_leaves_no_interface() -> Outcome {
    let (mut handle, mut shell, veth) = on_a_bridge("exit 0")?;
    shell.config.networks.push(Network::Veth(veth));
    shell.config.sysctl.insert("net.ipv4.no_such_parameter".to_owned(), "1".to_owned());
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().contains("no_such_parameter"), "{error}");
    assert_eq!(veths(&mut handle)?, 0);
    Ok(())
}

fn several_interfaces_have_hardware_addresses_queues_and_neighbours() -> Outcome {
    let script = "cd /sys/class/net; cat eth0/address eth0/tx_queue_len; cat /proc/net/arp; ls -d eth1 up0; \
                  cat /proc/net/ipv6_route; grep -c fd00 /proc/net/if_inet6; cat /proc/net/if_inet6";
    let (mut handle, mut shell, mut veth) = on_a_bridge(script)?;
    veth.mac = Some("02:00:00:00:00:07".to_owned());
    veth.queue_len = Some(77);
    veth.hairpin = true;
    veth.ipv6_gateway = Some("fd00:9::1".parse()?);
    veth.neighbours = vec![Neighbour { address: "10.9.8.9".parse()?, mac: "02:00:00:00:00:09".to_owned() }];
    shell.config.networks.push(Network::Veth(veth));
    shell.config.networks.push(Network::Veth(Veth { name: "eth1".to_owned(), ..Veth::default() }));
    handle.add_link(&netlink::Veth::new("parent0").up().peer("parent1"))?;
    let macvlan = Macvlan {
        name: "up0".to_owned(),
        parent: "parent0".to_owned(),
        mode: MacvlanMode::Private,
        addresses: vec!["10.7.7.7/24".to_owned()],
        ..Macvlan::default()
    };
    shell.config.networks.push(Network::Macvlan(macvlan));
    let said = shell.says()?;
    assert!(said.starts_with("02:00:00:00:00:07\n77\n"), "{said}");
    assert!(said.contains("02:00:00:00:00:09"), "{said}");
    assert!(said.contains("eth1\nup0\n"), "{said}");
    let way_out =
        |line: &str| line.starts_with("00000000000000000000000000000000 00") && line.contains(" fd000009");
    assert!(said.lines().any(way_out), "{said}");
    // The flags, at the end: permanent and without detection, so not tentative.
    let address = said.lines().find(|line| line.starts_with("fd000009") && line.contains(" 40 00 "));
    assert!(address.is_some_and(|line| line.contains(" 82 ")), "{said}");
    Ok(())
}

/// An interface on the host with addresses, one of which isn't to be kept.
fn device(handle: &mut Handle) -> Result<(), Stop> {
    handle.add_link(&netlink::Veth::new("moved0").up().peer("moved1"))?;
    handle.add_address("moved0", &"10.3.3.3/24".parse()?)?;
    handle.add_address("moved0", &"fd00:3::3/64".parse()?)?;
    let mut local: Address = "10.3.4.4/24".parse()?;
    local.scope = Some(Scope::Link);
    handle.add_address("moved0", &local)?;
    Ok(())
}

fn a_device_moves_with_its_global_addresses() -> Outcome {
    let script = "cat /sys/class/net/in0/flags; cat /proc/net/fib_trie /proc/net/if_inet6";
    let (mut handle, mut shell, _) = on_a_bridge(script)?;
    device(&mut handle)?;
    let device = NetDevice { host_name: "moved0".to_owned(), name: Some("in%d".to_owned()) };
    shell.config.networks.push(Network::Device(device));
    let said = shell.says()?;
    let flags =
        said.lines().next().and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
    assert_eq!(flags.map(|flags| flags & 1), Some(1), "{said}");
    assert!(said.contains("10.3.3.3") && !said.contains("10.3.4.4"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("fd000003") && line.contains(" 82 ")), "{said}");
    // It is a virtual one: it goes with the namespace.
    crate::eventually(|| handle.find_link("moved0").is_ok_and(|link| link.is_none()));
    Ok(())
}

fn a_device_comes_back_from_a_container_that_fails() -> Outcome {
    let (mut handle, mut shell, _) = on_a_bridge("exit 0")?;
    device(&mut handle)?;
    let device = NetDevice { host_name: "moved0".to_owned(), name: Some("eth7".to_owned()) };
    shell.config.networks.push(Network::Device(device));
    shell.config.sysctl.insert("net.ipv4.no_such_parameter".to_owned(), "1".to_owned());
    let plan = Plan::new(&shell.config)?.to_string();
    assert!(plan.contains("network device \"moved0\" as \"eth7\""), "{plan}");
    Container::create(&shell.config, Io::default()).unwrap_err();
    let link = handle.link("moved0")?;
    assert!(link.is_up());
    let mut filter = AddressFilter::default();
    filter.index = Some(link.index);
    let addresses: Vec<_> = handle.list_addresses(filter)?.iter().map(|one| one.net.to_string()).collect();
    assert!(addresses.contains(&"10.3.3.3/24".to_owned()), "{addresses:?}");
    assert!(addresses.contains(&"fd00:3::3/64".to_owned()), "{addresses:?}");
    Ok(())
}

fn a_device_whose_name_is_taken_stays() -> Outcome {
    let (mut handle, mut shell, veth) = on_a_bridge("ls -d /sys/class/net/eth1")?;
    device(&mut handle)?;
    // The container's interfaces are made before it comes.
    shell.config.networks.push(Network::Veth(veth));
    let device = NetDevice { host_name: "moved0".to_owned(), name: Some("eth%d".to_owned()) };
    shell.config.networks.push(Network::Device(device));
    assert_eq!(shell.says()?, "/sys/class/net/eth1\n");
    let absent = NetDevice { host_name: "absent0".to_owned(), name: None };
    shell.config.networks = vec![Network::Device(absent)];
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().contains("absent0"), "{error}");
    Ok(())
}
