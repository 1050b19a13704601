//! Networks: the loopback interface, and a pair of virtual interfaces on a bridge.

use grounds::{Outcome, Stop};
use libcontainer::{Container, ErrorKind, Io, Network, Route, Veth};
use netlink::{Bridge, Handle};

use crate::shell::{Shell, captured};

crate::tests!(
    loopback_is_up,
    without_a_network_loopback_is_down,
    a_pair_on_a_bridge_has_its_addresses_and_a_way_out,
    a_host_name_is_made_up,
    a_bridge_that_is_absent_is_named,
    a_failed_network_leaves_no_interface,
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
    let (mut handle, mut shell, mut veth) = on_a_bridge("exit 0")?;
    veth.gateway = Some("172.16.0.1".parse()?);
    shell.config.networks.push(Network::Veth(veth));
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    crate::eventually(|| {
        handle.links().is_ok_and(|links| links.iter().all(|link| !link.name.starts_with("veth")))
    });
    Ok(())
}
