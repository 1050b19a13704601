//! Sockets of all sorts, made here and found again; ss(8) agrees.

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, ExitCode};

use common::net;
use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::diag::{
    Diag, InetFilter, InetProtocol, InetSocket, SocketState, States, UnixFilter, UnixKind, UnixName,
};
use netlink::{ErrorKind, Family, Handle, Netns};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_listening_socket_is_found_with_all_it_has,
        a_connection_is_told_from_both_ends_with_what_tcp_measured,
        udp_sockets_are_found,
        raw_sockets_are_found,
        every_condition_of_a_filter_leaves_out_what_does_not_hold,
        networks_filter_both_families,
        many_sockets_are_listed_one_at_a_time,
        ss_lists_the_same,
        another_namespaces_sockets_are_listed,
        a_connection_is_closed_from_outside,
        what_a_filter_can_not_ask_is_refused,
        unix_sockets_are_found_with_names_and_peers,
    ])
}

/// A namespace with a loopback that is up.
fn connected() -> Result<Diag, Stop> {
    netns()?;
    Handle::open()?.set_up("lo")?;
    Ok(Diag::open()?)
}

fn inode(fd: &impl AsRawFd) -> Result<u32, Stop> {
    Ok(std::fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd()))?.ino() as u32)
}

fn one(sockets: Vec<InetSocket>) -> InetSocket {
    assert_eq!(sockets.len(), 1, "{sockets:#?}");
    sockets.into_iter().next().unwrap()
}

fn a_listening_socket_is_found_with_all_it_has() -> Outcome {
    let mut diag = connected()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    setsockopt(&listener, sockopt::Mark, &77)?;
    let found = one(diag.list_inet(&InetFilter::tcp())?);
    assert_eq!((found.state, found.protocol), (SocketState::Listen, InetProtocol::Tcp));
    assert_eq!(found.local, listener.local_addr()?);
    assert_eq!((found.remote.ip(), found.remote.port()), (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
    assert_eq!(found.inode, inode(&listener)?);
    assert_eq!((found.uid, found.device), (0, None));
    assert_eq!((found.receive_queue, found.send_queue), (0, 128));
    assert_eq!(found.mark, Some(77));
    assert!(found.cookie != 0);
    assert!(found.memory.is_some_and(|memory| memory.receive_buffer > 0));
    assert!(found.congestion.is_some_and(|name| !name.is_empty()));
    assert_eq!(found.tos, Some(0));
    // A connection that waits to be accepted.
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let mut filter = InetFilter::tcp();
    filter.states = States::LISTEN;
    assert_eq!(one(diag.list_inet(&filter)?).receive_queue, 1);
    Ok(())
}

fn a_connection_is_told_from_both_ends_with_what_tcp_measured() -> Outcome {
    let mut diag = connected()?;
    let listener = TcpListener::bind("[::1]:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"twelve bytes")?;
    server.read_exact(&mut [0; 2])?;
    let mut filter = InetFilter::tcp();
    filter.states = States::ESTABLISHED;
    let found = diag.list_inet(&filter)?;
    assert_eq!(found.len(), 2);
    let of = |address| found.iter().find(|socket| socket.local == address).unwrap();
    let (here, there) = (of(client.local_addr()?), of(server.local_addr()?));
    assert_eq!((here.remote, there.remote), (client.peer_addr()?, server.peer_addr()?));
    assert_eq!((here.inode, there.inode), (inode(&client)?, inode(&server)?));
    assert_eq!(there.receive_queue, 10);
    let tcp = there.tcp.as_ref().unwrap();
    assert_eq!((tcp.bytes_received, tcp.data_segments_in), (12, 1));
    assert!(tcp.congestion_window > 0 && tcp.send_mss > 0 && tcp.rto > 0, "{tcp:?}");
    assert_eq!(here.tcp.as_ref().unwrap().bytes_sent, 12);
    filter.states = States::LISTEN;
    // What is bound to an address of IPv6 can't speak IPv4.
    assert_eq!(one(diag.list_inet(&filter)?).ipv6_only, Some(true));
    Ok(())
}

fn udp_sockets_are_found() -> Outcome {
    let mut diag = connected()?;
    let open = UdpSocket::bind("127.0.0.1:0")?;
    let tied = UdpSocket::bind("127.0.0.1:0")?;
    tied.connect(open.local_addr()?)?;
    tied.send(b"x")?;
    let mut filter = InetFilter::udp();
    filter.states = States::CLOSE;
    let found = one(diag.list_inet(&filter)?);
    assert_eq!((found.local, found.inode), (open.local_addr()?, inode(&open)?));
    assert!(found.receive_queue > 0);
    assert_eq!(found.tcp, None);
    filter.states = States::ESTABLISHED;
    assert_eq!(one(diag.list_inet(&filter)?).remote, open.local_addr()?);
    Ok(())
}

fn raw_sockets_are_found() -> Outcome {
    let mut diag = connected()?;
    let ping = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
    let found = match diag.list_inet(&InetFilter::raw(1)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        found => found?,
    };
    assert_eq!(one(found).inode, inode(&ping)?);
    Ok(())
}

/// Fills in a filter, knowing the client's port and the server's.
type Fill = fn(&mut InetFilter, u16, u16);

fn every_condition_of_a_filter_leaves_out_what_does_not_hold() -> Outcome {
    let mut diag = connected()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (_server, _) = listener.accept()?;
    setsockopt(&client, sockopt::Mark, &0x15)?;
    setsockopt(&client, sockopt::BindToDevice, &"lo".into())?;
    let (mine, theirs) = (client.local_addr()?.port(), listener.local_addr()?.port());
    let cookie = {
        let mut filter = InetFilter::tcp();
        filter.local_ports = Some(mine..=mine);
        let found = one(diag.list_inet(&filter)?);
        assert_eq!(found.device, Some(1));
        found.cookie
    };
    let holds: [Fill; 10] = [
        |filter, mine, _| filter.local_ports = Some(mine..=u16::MAX),
        |filter, mine, _| filter.local_ports = Some(0..=mine),
        |filter, _, theirs| filter.remote_ports = Some(theirs..=theirs),
        |filter, _, _| filter.local = Some(net("127.0.0.0/8")),
        |filter, _, _| filter.remote = Some(net("127.0.0.1/32")),
        |filter, _, _| filter.local = Some(net("0.0.0.0/0")),
        |filter, _, _| filter.device = Some(1),
        |filter, _, _| filter.mark = Some((0x15, 0xff)),
        |filter, _, _| filter.mark = Some((0x10, 0xf0)),
        |filter, _, _| filter.states = States::ESTABLISHED | States::LISTEN,
    ];
    let fails: [Fill; 9] = [
        |filter, mine, _| filter.local_ports = Some(0..=mine - 1),
        |filter, mine, _| filter.local_ports = Some(mine.saturating_add(1)..=u16::MAX),
        |filter, mine, _| filter.remote_ports = Some(mine..=mine),
        |filter, _, _| filter.local = Some(net("10.0.0.0/8")),
        |filter, _, _| filter.remote = Some(net("127.0.0.2/32")),
        |filter, _, _| filter.device = Some(99),
        |filter, _, _| filter.mark = Some((0x16, 0xff)),
        |filter, _, _| filter.family = Some(Family::Ipv6),
        |filter, _, _| filter.states = States::TIME_WAIT,
    ];
    for (fill, expected) in holds.map(|fill| (fill, true)).into_iter().chain(fails.map(|fill| (fill, false)))
    {
        let mut filter = InetFilter::tcp();
        fill(&mut filter, mine, theirs);
        let found = diag.list_inet(&filter)?;
        assert_eq!(found.iter().any(|socket| socket.cookie == cookie), expected, "{filter:?}: {found:#?}");
    }
    // All at once.
    let mut filter = InetFilter::tcp();
    for fill in holds {
        fill(&mut filter, mine, theirs);
    }
    assert_eq!(one(diag.list_inet(&filter)?).cookie, cookie);
    // The cgroup that it was made in, which is the root's in some places.
    let mut filter = InetFilter::tcp();
    filter.local_ports = Some(mine..=mine);
    filter.cgroup_id = one(diag.list_inet(&filter)?).cgroup_id;
    if filter.cgroup_id.is_some() {
        assert_eq!(one(diag.list_inet(&filter)?).cookie, cookie);
        filter.cgroup_id = Some(u64::MAX - 1);
        assert!(diag.list_inet(&filter)?.is_empty());
    }
    Ok(())
}

fn networks_filter_both_families() -> Outcome {
    let mut diag = connected()?;
    let dual = TcpListener::bind("[::]:0")?;
    assert_eq!(one(diag.list_inet(&InetFilter::tcp())?).ipv6_only, Some(false));
    let v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, dual.local_addr()?.port()))?;
    let (server, _) = dual.accept()?;
    assert!(server.local_addr()?.is_ipv6());
    let mut filter = InetFilter::tcp();
    filter.states = States::ESTABLISHED;
    filter.local = Some(net("127.0.0.0/8"));
    // The client, and the server's end, which is IPv6 and speaks IPv4.
    let mut inodes: Vec<_> = diag.list_inet(&filter)?.iter().map(|socket| socket.inode).collect();
    let mut expected = [inode(&v4)?, inode(&server)?];
    inodes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(inodes, expected);
    filter.local = Some(net("::1/128"));
    assert!(diag.list_inet(&filter)?.is_empty());
    Ok(())
}

fn many_sockets_are_listed_one_at_a_time() -> Outcome {
    let mut diag = connected()?;
    let sockets = (0..500).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let mut found = 0;
    for socket in diag.dump_inet(Family::Ipv4, &InetFilter::udp())? {
        found += usize::from(socket?.local.ip().is_loopback());
    }
    assert_eq!(found, sockets.len());
    assert_eq!(diag.dump_inet(Family::Ipv6, &InetFilter::udp())?.count(), 0);
    Ok(())
}

fn ss_lists_the_same() -> Outcome {
    let mut diag = connected()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let _server = listener.accept()?;
    let _udp = UdpSocket::bind("[::1]:0")?;
    drop(client);
    let shown = Command::new("ss").args(["-Htuna", "-e"]).output()?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let mut found = diag.list_inet(&InetFilter::tcp())?;
    found.extend(diag.list_inet(&InetFilter::udp())?);
    assert_eq!(shown.lines().count(), found.len(), "{shown}\n{found:#?}");
    for socket in found {
        let (local, remote) = (socket.local.to_string(), socket.remote.port());
        let line = shown.lines().find(|line| {
            line.contains(&format!("sk:{:x} ", socket.cookie))
                || line.ends_with(&format!("sk:{:x}", socket.cookie))
        });
        let line = line.or_else(|| shown.lines().find(|line| line.contains(&local))).unwrap_or_default();
        assert!(line.contains(&local), "{socket:?}\n{shown}");
        if remote != 0 {
            assert!(line.contains(&socket.remote.to_string()), "{socket:?}\n{shown}");
        }
    }
    Ok(())
}

fn another_namespaces_sockets_are_listed() -> Outcome {
    netns()?;
    let blue = Netns::create()?;
    Handle::open_in(&blue)?.set_up("lo")?;
    let there = blue.run(|| TcpListener::bind("127.0.0.1:0"))??;
    let found = one(Diag::open_in(&blue)?.list_inet(&InetFilter::tcp())?);
    assert_eq!(found.local, there.local_addr()?);
    assert!(Diag::open()?.list_inet(&InetFilter::tcp())?.is_empty());
    Ok(())
}

fn a_connection_is_closed_from_outside() -> Outcome {
    let mut diag = connected()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let _server = listener.accept()?;
    let mut filter = InetFilter::tcp();
    filter.states = States::ESTABLISHED;
    let port = client.local_addr()?.port();
    filter.local_ports = Some(port..=port);
    let found = one(diag.list_inet(&filter)?);
    match diag.destroy(&found) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            assert!(error.to_string().contains("CONFIG_INET_DIAG_DESTROY"), "{error}");
            return Err(ignored(error));
        }
        outcome => outcome?,
    }
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    assert_eq!(diag.destroy(&found).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn what_a_filter_can_not_ask_is_refused() -> Outcome {
    let mut diag = connected()?;
    let mut filter = InetFilter::tcp();
    filter.mark = Some((2, 1));
    let error = diag.list_inet(&filter).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().starts_with("list TCP sockets: "), "{error}");
    assert!(diag.dump_inet(Family::Ipv4, &filter).is_err());
    Ok(())
}

fn unix_sockets_are_found_with_names_and_peers() -> Outcome {
    let mut diag = connected()?;
    let name = b"netlink-test\x01";
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    let mut client = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    let (server, _) = listener.accept()?;
    client.write_all(b"twelve bytes")?;
    let unbound = UnixDatagram::unbound()?;
    let found = match diag.list_unix(&UnixFilter::default()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        found => found?,
    };
    let of = |inode: u32| found.iter().find(|socket| socket.inode == inode).unwrap();
    let listening = of(inode(&listener)?);
    assert_eq!((listening.state, listening.kind), (SocketState::Listen, UnixKind::Stream));
    assert_eq!(listening.name, Some(UnixName::Abstract(name.to_vec())));
    assert_eq!(listening.name.as_ref().unwrap().to_string(), "@netlink-test\\x01");
    let (here, there) = (of(inode(&client)?), of(inode(&server)?));
    assert_eq!((here.peer, there.peer), (Some(there.inode), Some(here.inode)));
    assert_eq!((here.state, there.receive_queue), (SocketState::Established, 12));
    let alone = of(inode(&unbound)?);
    assert_eq!((alone.kind, &alone.name, alone.peer), (UnixKind::Datagram, &None, None));
    assert!(alone.uid.is_none_or(|uid| uid == 0));
    assert!(alone.memory.is_some());
    let mut filter = UnixFilter::default();
    filter.states = States::LISTEN;
    let listening = diag.list_unix(&filter)?;
    assert!(listening.iter().all(|socket| socket.state == SocketState::Listen));
    assert!(listening.len() < found.len());
    assert_eq!(diag.dump_unix(&filter)?.count(), listening.len());
    Ok(())
}
