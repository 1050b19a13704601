//! What is told of a socket is what ss(8) says of it, found by its cookie.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, ExitCode};

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::diag::{Diag, InetFilter, InetSocket, SocketState, TimerKind, UnixFilter, UnixName};
use netlink::{ErrorKind, Handle};
use nix::sys::socket::{setsockopt, sockopt};

fn main() -> ExitCode {
    grounds::run_as_root(tests![ss_says_the_same_of_each_socket, a_unix_socket_with_a_path_is_found])
}

/// What `ss` says, a line for each socket.
fn ss(arguments: &[&str]) -> Result<Vec<String>, Stop> {
    let output = Command::new("ss").args(["-H", "-n", "-O"]).args(arguments).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// The word behind `name:` in a line of `ss`.
fn word<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))
}

fn agrees(socket: &InetSocket, lines: &[String], is_tcp: bool) {
    let cookie = format!("{:x}", socket.cookie);
    let line = lines.iter().find(|line| word(line, "sk") == Some(&cookie));
    let Some(line) = line else { panic!("{socket:?} is not in {lines:#?}") };
    let mut columns = line.split_whitespace();
    assert_eq!(columns.next(), Some(&*socket.state.to_string()), "{line}");
    assert_eq!(columns.next(), Some(&*socket.receive_queue.to_string()), "{line}");
    assert_eq!(columns.next(), Some(&*socket.send_queue.to_string()), "{line}");
    assert_eq!(columns.next(), Some(&*socket.local.to_string()), "{line}");
    let any = if socket.remote.is_ipv4() { "0.0.0.0:*" } else { "[::]:*" }.to_owned();
    let remote = if socket.remote.port() == 0 { any } else { socket.remote.to_string() };
    assert_eq!(columns.next(), Some(&*remote), "{line}");
    assert_eq!(word(line, "ino"), Some(&*socket.inode.to_string()), "{line}");
    let uid = word(line, "uid").map_or(0, |uid| uid.parse().unwrap_or(u32::MAX));
    assert_eq!(uid, socket.uid, "{line}");
    let timer = match socket.timer {
        TimerKind::Off => None,
        TimerKind::Retransmit => Some("(on,"),
        TimerKind::KeepAlive => Some("(keepalive,"),
        TimerKind::TimeWait => Some("(timewait,"),
        TimerKind::ZeroWindowProbe => Some("(persist,"),
        other => panic!("{other:?}"),
    };
    match (word(line, "timer"), timer) {
        (None, None) => {}
        (Some(said), Some(timer)) => assert!(said.starts_with(timer), "{line}"),
        (said, timer) => panic!("{said:?} is not {timer:?}: {line}"),
    }
    assert_eq!(socket.tcp.is_some(), is_tcp, "{socket:?}");
    if is_tcp {
        let congestion = socket.congestion.as_deref().expect("it has one");
        assert!(line.split_whitespace().any(|word| word == congestion), "{line}");
        let tcp = socket.tcp.as_ref().expect("it is there");
        for (name, value) in [("mss", tcp.send_mss), ("cwnd", tcp.congestion_window), ("pmtu", tcp.path_mtu)]
        {
            assert!(word(line, name).is_none_or(|said| said == value.to_string()), "{name}: {value}: {line}");
        }
    }
}

fn ss_says_the_same_of_each_socket() -> Outcome {
    netns()?;
    Handle::open()?.set_up("lo")?;
    let mut diag = Diag::open()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to: SocketAddr = listener.local_addr()?;
    // One whose bytes nobody reads, which looks whether the other end is there; and one that nobody accepts.
    let mut client = TcpStream::connect(to)?;
    setsockopt(&client, sockopt::KeepAlive, &true)?;
    client.write_all(&[0; 100])?;
    let (_server, _) = listener.accept()?;
    let _waits = TcpStream::connect(to)?;
    // One that is closed at one end.
    let closed = TcpStream::connect(to)?;
    closed.shutdown(std::net::Shutdown::Write)?;
    let udp = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(udp.local_addr()?)?;
    sender.send(&[0; 50])?;
    let _udp6 = UdpSocket::bind("[::1]:0");

    // What was sent is acknowledged in its own time; until then a timer runs for it.
    let quiet = |diag: &mut Diag| -> Result<Vec<InetSocket>, Stop> {
        for _ in 0..3000 {
            let found = diag.list_inet(&InetFilter::tcp())?;
            let is_sent = |socket: &InetSocket| {
                socket.state == SocketState::Listen
                    || socket.send_queue == 0 && matches!(socket.timer, TimerKind::Off | TimerKind::KeepAlive)
            };
            if found.iter().all(is_sent) {
                return Ok(found);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Err(Stop::Failed("they are never quiet".to_owned()))
    };
    let found = quiet(&mut diag)?;
    assert_eq!(found.len(), 7, "{found:#?}");
    let lines = ss(&["-e", "-i", "-o", "-t", "-a"])?;
    for socket in &found {
        agrees(socket, &lines, true);
    }
    assert!(found.iter().any(|socket| socket.timer == TimerKind::KeepAlive), "{found:#?}");
    assert!(found.iter().any(|socket| socket.receive_queue == 100));
    assert!(found.iter().any(|socket| socket.state == SocketState::FinWait2));
    assert!(found.iter().any(|socket| socket.state == SocketState::CloseWait));

    let found = diag.list_inet(&InetFilter::udp())?;
    assert!(found.len() >= 2, "{found:#?}");
    let lines = ss(&["-e", "-o", "-u", "-a"])?;
    for socket in &found {
        agrees(socket, &lines, false);
    }
    assert!(found.iter().any(|socket| socket.receive_queue >= 50));
    Ok(())
}

fn a_unix_socket_with_a_path_is_found() -> Outcome {
    netns()?;
    let mut diag = Diag::open()?;
    let folder = std::env::temp_dir().join(format!("netlink-sockets-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let outcome = unix_sockets_in(&mut diag, &folder);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn unix_sockets_in(diag: &mut Diag, folder: &std::path::Path) -> Outcome {
    let (stream, datagram) = (folder.join("stream ü"), folder.join("datagram"));
    let listener = UnixListener::bind(&stream)?;
    let _client = UnixStream::connect(&stream)?;
    let _datagram = UnixDatagram::bind(&datagram)?;
    let found = match diag.list_unix(&UnixFilter::default()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        found => found?,
    };
    let named = |path: &std::path::Path, state: SocketState| {
        let name = Some(UnixName::Path(path.to_owned()));
        let mut of_name = found.iter().filter(|socket| socket.name == name && socket.state == state);
        let one = of_name.next().unwrap_or_else(|| panic!("no {path:?} in {found:#?}"));
        assert!(of_name.next().is_none());
        one
    };
    let listening = named(&stream, SocketState::Listen);
    assert_eq!(listening.receive_queue, 1); // the client that waits
    assert_eq!(listening.name.as_ref().map(ToString::to_string), Some(stream.display().to_string()));
    let bound = named(&datagram, SocketState::Close);
    let lines = ss(&["-e", "-x", "-a"])?;
    for (socket, path) in [(listening, &stream), (bound, &datagram)] {
        let said = format!("{} {}", path.display(), socket.inode);
        let line = lines.iter().find(|line| line.contains(&said));
        let Some(line) = line else { panic!("no {said:?} in {lines:#?}") };
        assert_eq!(line.split_whitespace().nth(1), Some(&*socket.state.to_string()), "{line}");
        assert_eq!(line.split_whitespace().nth(2), Some(&*socket.receive_queue.to_string()), "{line}");
    }
    drop(listener);
    Ok(())
}
