//! Sockets of the running kernel, on the loopback address and on paths of our own. Any user may.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use grounds::{Outcome, tests};
use listenbuffer::{ErrorKind, ListenBuffer, Listener, Options, listen};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, umask};

/// Names the part that a process started by a test plays.
const PART: &str = "LISTENBUFFER_TEST_PART";

fn main() -> ExitCode {
    match env::var(PART).as_deref() {
        Ok("out of descriptors") => return played(out_of_descriptors()),
        Ok("umask") => return played(with_a_umask()),
        _ => {}
    }
    grounds::run(tests![
        a_ping_sent_before_the_activation_arrives_after_it,
        accept_waits_for_the_activation,
        one_activation_wakes_every_accepter,
        activating_twice_and_early_is_the_same,
        dropping_the_activator_fails_accepters,
        closing_before_the_activation_wakes_accepters,
        closing_after_the_activation_wakes_accepters,
        a_deadline_ends_either_wait,
        the_backlog_is_what_was_asked_for,
        a_client_that_left_is_handed_over_with_what_it_sent,
        accept_outlives_a_shortage_of_descriptors,
        udp_messages_are_kept,
        udp_keeps_more_in_a_larger_buffer,
        udp_waits_are_ended_too,
        a_stale_unix_socket_is_replaced,
        a_live_unix_socket_is_not_replaced,
        a_file_in_the_way_is_left_alone,
        only_one_of_many_replaces_a_stale_socket,
        the_path_is_removed_only_while_it_is_ours,
        the_mode_is_exact_under_any_umask,
        a_long_path_works,
        an_abstract_name_has_no_file,
        the_socket_itself_is_handed_over,
        it_can_be_polled,
        descriptors_are_not_inherited_and_connections_block,
        what_is_no_address_is_told,
        a_taken_port_is_told,
    ])
}

fn a_ping_sent_before_the_activation_arrives_after_it() -> Outcome {
    let dir = Scratch::new();
    for (proto, addr) in [("tcp", "127.0.0.1:0".to_owned()), ("unix", dir.path("s").display().to_string())] {
        let (listener, activator) = listen(proto, &addr)?;
        match &listener {
            Listener::Tcp(tcp) => TcpStream::connect(tcp.local_addr()?)?.write_all(b"ping")?,
            _ => UnixStream::connect(&addr)?.write_all(b"ping")?,
        }
        activator.activate();
        let mut ping = String::new();
        listener.accept()?.read_to_string(&mut ping)?;
        assert_eq!(ping, "ping", "{proto}");
    }
    Ok(())
}

fn accept_waits_for_the_activation() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let soon = Instant::now() + Duration::from_millis(50);
    assert_eq!(listener.accept_until(soon).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(Instant::now() >= soon);
    assert!(listener.try_accept()?.is_none());

    let activated = thread::spawn(move || {
        activator.activate();
        activator
    });
    listener.accept()?;
    drop(activated.join().expect("no panic"));
    Ok(())
}

fn one_activation_wakes_every_accepter() -> Outcome {
    // In 2014 an event sent to the channel was received by one accepter; the other one waited for good.
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    let clients = (0..4).map(|_| TcpStream::connect(listener.local_addr()?).map_err(Into::into));
    let _clients = clients.collect::<Result<Vec<_>, grounds::Stop>>()?;
    let start = Barrier::new(5);
    thread::scope(|scope| {
        let accepters: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    listener.accept().map(drop)
                })
            })
            .collect();
        start.wait();
        activator.activate();
        for accepter in accepters {
            accepter.join().expect("no panic")?;
        }
        Ok(())
    })
}

fn activating_twice_and_early_is_the_same() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    activator.activate();
    activator.clone().activate();
    drop(activator);
    for _ in 0..2 {
        let _client = TcpStream::connect(listener.local_addr()?)?;
        listener.accept()?;
    }
    Ok(())
}

fn dropping_the_activator_fails_accepters() -> Outcome {
    // In 2014 nobody could know that the channel's other end was gone: accept hung.
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    let clone = activator.clone();
    drop(activator);
    assert!(listener.try_accept()?.is_none(), "one is left that may activate");
    thread::scope(|scope| {
        let accepter = scope.spawn(|| listener.accept().map(drop));
        drop(clone);
        let error = accepter.join().expect("no panic").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Abandoned);
        let text = error.to_string();
        assert!(text.starts_with("accept on tcp 127.0.0.1:"), "{text}");
        assert!(text.ends_with(": the activator is gone and never activated it"), "{text}");
    });
    assert_eq!(listener.into_socket().unwrap_err().kind(), ErrorKind::Abandoned);
    Ok(())
}

fn closing_before_the_activation_wakes_accepters() -> Outcome {
    // In 2014 accept came back from a closed listener only after the activation.
    let dir = Scratch::new();
    let (tcp, _tcp_activator) = listen("tcp", "127.0.0.1:0")?;
    let (unix, _unix_activator) = listen("unix", &dir.path("s").display().to_string())?;
    for listener in [tcp, unix] {
        thread::scope(|scope| {
            let accepter = scope.spawn(|| listener.accept().map(drop));
            listener.close();
            assert_eq!(accepter.join().expect("no panic").unwrap_err().kind(), ErrorKind::Closed);
        });
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::Closed, "and it stays closed");
    }
    assert!(!dir.path("s").exists());
    Ok(())
}

fn closing_after_the_activation_wakes_accepters() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    activator.activate();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| -> Outcome {
        let accepter = scope.spawn(|| {
            loop {
                match listener.accept() {
                    Ok(_) => tell.send(()).expect("the test listens"),
                    Err(error) => return error.kind(),
                }
            }
        });
        let _client = TcpStream::connect(listener.local_addr()?)?;
        told.recv()?;
        let address = listener.local_addr()?;
        listener.close();
        assert_eq!(accepter.join().expect("no panic"), ErrorKind::Closed);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    })
}

fn a_deadline_ends_either_wait() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    for activate in [false, true] {
        if activate {
            activator.activate();
        }
        let deadline = Instant::now() + Duration::from_millis(30);
        assert_eq!(listener.accept_until(deadline).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(Instant::now() >= deadline);
        assert!(listener.accept_until(Instant::now()).is_err(), "a deadline that has passed is one, too");
    }
    let _client = TcpStream::connect(listener.local_addr()?)?;
    listener.accept_until(Instant::now())?;
    Ok(())
}

fn the_backlog_is_what_was_asked_for() -> Outcome {
    // The standard library always asks for 128 on TCP, and for all there is on Unix sockets.
    let dir = Scratch::new();
    let path = dir.path("s");
    let (listener, _activator) = Options::new().backlog(3).unix(&path)?;
    assert_eq!(listener.backlog(), Some(3));
    let mut clients = Vec::new();
    loop {
        let client = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        match connect(client.as_raw_fd(), &UnixAddr::new(&path)?) {
            Ok(()) => clients.push(client),
            Err(Errno::EAGAIN) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    assert_eq!(clients.len(), 4, "one more than asked for: it is the kernel's way to count");

    let limit: u32 = fs::read_to_string("/proc/sys/net/core/somaxconn")?.trim().parse().expect("a number");
    let (listener, _activator) = Options::new().backlog(u32::MAX).tcp("127.0.0.1:0")?;
    assert_eq!(listener.backlog(), Some(limit));
    Ok(())
}

fn a_client_that_left_is_handed_over_with_what_it_sent() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    client.write_all(b"bye")?;
    drop(client);
    activator.activate();
    let mut bye = String::new();
    listener.accept()?.0.read_to_string(&mut bye)?;
    assert_eq!(bye, "bye");
    Ok(())
}

fn accept_outlives_a_shortage_of_descriptors() -> Outcome {
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\""])
        .arg(env::current_exe()?)
        .env(PART, "out of descriptors")
        .status()?;
    assert!(status.success(), "{status}");
    Ok(())
}

fn out_of_descriptors() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    activator.activate();
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    assert_eq!(listener.try_accept().unwrap_err().raw_os_error(), Some(24), "EMFILE");
    let soon = Instant::now() + Duration::from_millis(40);
    assert_eq!(listener.accept_until(soon).unwrap_err().raw_os_error(), Some(24));
    let (trying, tried) = mpsc::channel();
    thread::scope(|scope| {
        let accepter = scope.spawn(|| {
            trying.send(()).expect("the test listens");
            listener.accept().map(drop)
        });
        tried.recv().expect("sent");
        drop(files);
        accepter.join().expect("no panic")
    })?;
    Ok(())
}

fn udp_messages_are_kept() -> Outcome {
    // The package of 2014 promised udp, and failed to listen on it.
    let (buffer, activator) = ListenBuffer::udp("127.0.0.1:0")?;
    let client = UdpSocket::bind("127.0.0.1:0")?;
    client.send_to(b"one", buffer.local_addr()?)?;
    client.send_to(b"two", buffer.local_addr()?)?;
    let mut message = [0; 16];
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(buffer.recv_from_until(&mut message, soon).unwrap_err().kind(), ErrorKind::TimedOut);

    activator.activate();
    let (length, from) = buffer.recv_from(&mut message)?;
    assert_eq!((&message[..length], from), (&b"one"[..], client.local_addr()?));
    let socket = buffer.into_socket()?;
    let (length, _) = socket.recv_from(&mut message)?;
    assert_eq!(&message[..length], b"two");

    let (listener, _activator) = listen("udp", "127.0.0.1:0")?;
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn udp_keeps_more_in_a_larger_buffer() -> Outcome {
    // By default 256 of 3,000 messages were kept, and nobody told of the others.
    let (small, large) = (udp_messages_kept(4096)?, udp_messages_kept(64 << 10)?);
    assert!(large > 4 * small, "{small} and {large}");
    Ok(())
}

/// Counts how many of 3,000 messages a receive buffer holds, which must be the oldest.
fn udp_messages_kept(bytes: usize) -> Result<u32, grounds::Stop> {
    let (buffer, activator) = Options::new().receive_buffer(bytes).udp("127.0.0.1:0")?;
    assert_eq!(buffer.receive_buffer()?, 2 * bytes);
    let client = UdpSocket::bind("127.0.0.1:0")?;
    for number in 0..3000u32 {
        let mut message = [0; 100];
        message[..4].copy_from_slice(&number.to_be_bytes());
        client.send_to(&message, buffer.local_addr()?)?;
    }
    activator.activate();
    let mut kept = 0;
    let mut message = [0; 100];
    while buffer.recv_from_until(&mut message, Instant::now()).is_ok() {
        assert_eq!(message[..4], u32::to_be_bytes(kept));
        kept += 1;
    }
    Ok(kept)
}

fn udp_waits_are_ended_too() -> Outcome {
    for activate in [false, true] {
        let (buffer, activator) = ListenBuffer::udp("127.0.0.1:0")?;
        if activate {
            activator.activate();
        }
        thread::scope(|scope| {
            let receiver = scope.spawn(|| buffer.recv_from(&mut [0; 16]).map(drop));
            buffer.close();
            assert_eq!(receiver.join().expect("no panic").unwrap_err().kind(), ErrorKind::Closed);
        });
    }
    let (buffer, activator) = ListenBuffer::udp("127.0.0.1:0")?;
    drop(activator);
    assert_eq!(buffer.recv_from(&mut [0; 16]).unwrap_err().kind(), ErrorKind::Abandoned);
    Ok(())
}

fn a_stale_unix_socket_is_replaced() -> Outcome {
    // After a crash the daemon could not start again until somebody removed its socket.
    let dir = Scratch::new();
    let path = dir.path("s");
    drop(UnixListener::bind(&path)?);
    let (listener, activator) = ListenBuffer::unix(&path)?;
    activator.activate();
    let _client = UnixStream::connect(&path)?;
    listener.accept()?;
    Ok(())
}

fn a_live_unix_socket_is_not_replaced() -> Outcome {
    let dir = Scratch::new();
    let path = dir.path("s");
    let refused = |path: &Path| {
        let error = ListenBuffer::unix(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(
            error.to_string(),
            format!("listen on unix \"{}\": Address already in use (os error 98)", path.display())
        );
    };
    let (listener, _activator) = Options::new().backlog(0).unix(&path)?;
    refused(&path);
    // Its queue is full now: connecting would block.
    refused(&path);
    refused(&path);
    drop(listener);

    let _datagrams = UnixDatagram::bind(&path)?;
    refused(&path);
    assert!(path.exists());
    Ok(())
}

fn a_file_in_the_way_is_left_alone() -> Outcome {
    let dir = Scratch::new();
    fs::write(dir.path("file"), "precious")?;
    fs::create_dir(dir.path("dir"))?;
    drop(UnixListener::bind(dir.path("stale"))?);
    symlink("stale", dir.path("link"))?;
    for name in ["file", "dir", "link"] {
        assert_eq!(ListenBuffer::unix(dir.path(name)).unwrap_err().kind(), ErrorKind::AddrInUse, "{name}");
        assert!(dir.path(name).symlink_metadata().is_ok(), "{name}");
    }
    assert_eq!(fs::read(dir.path("file"))?, b"precious");
    Ok(())
}

fn only_one_of_many_replaces_a_stale_socket() -> Outcome {
    // Two that find the same stale socket: the second must not remove what the first has just bound.
    let dir = Scratch::new();
    for round in 0..20 {
        let path = dir.path(&round.to_string());
        drop(UnixListener::bind(&path)?);
        let start = Barrier::new(4);
        let listeners = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        ListenBuffer::unix(&path)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        });
        let kinds: Vec<_> =
            listeners.iter().filter_map(|made| made.as_ref().err()).map(listenbuffer::Error::kind).collect();
        assert_eq!(kinds, [ErrorKind::AddrInUse; 3], "round {round}");
        UnixStream::connect(&path)?;
    }
    Ok(())
}

fn the_path_is_removed_only_while_it_is_ours() -> Outcome {
    let dir = Scratch::new();
    let path = dir.path("s");
    let (listener, _activator) = ListenBuffer::unix(&path)?;
    assert!(path.symlink_metadata()?.file_type().is_socket());
    drop(listener);
    assert!(path.symlink_metadata().is_err());

    let (listener, _activator) = ListenBuffer::unix(&path)?;
    fs::remove_file(&path)?;
    let (successor, _activator) = ListenBuffer::unix(&path)?;
    listener.close();
    drop(listener);
    UnixStream::connect(&path)?;
    drop(successor);
    assert!(path.symlink_metadata().is_err());
    Ok(())
}

fn the_mode_is_exact_under_any_umask() -> Outcome {
    let status = Command::new("/proc/self/exe").env(PART, "umask").status()?;
    assert!(status.success(), "{status}");
    Ok(())
}

/// Docker set umask(0777) around bind: meanwhile every other thread made files that nobody could open.
fn with_a_umask() -> Outcome {
    let dir = Scratch::new();
    for mask in [0o000, 0o022, 0o077, 0o777] {
        let mask = Mode::from_bits_truncate(mask);
        for mode in [0o600, 0o660, 0o666, 0o777, 0o000] {
            let path = dir.path("s");
            umask(mask);
            let made = Options::new().mode(mode).unix(&path);
            assert_eq!(umask(mask), mask, "it is as it was");
            let (_listener, _activator) = made?;
            assert_eq!(path.symlink_metadata()?.mode() & 0o7777, mode, "{mode:o} under {mask:?}");
        }
    }
    Ok(())
}

fn a_long_path_works() -> Outcome {
    let dir = Scratch::new();
    let deep = dir.path(&"d".repeat(100)).join("e".repeat(100));
    fs::create_dir_all(&deep)?;
    let path = deep.join("s");
    for _ in 0..2 {
        // The second round finds the first one's socket, stale.
        let (listener, activator) = Options::new().mode(0o600).unix(&path)?;
        activator.activate();
        assert_eq!(path.symlink_metadata()?.mode() & 0o777, 0o600);
        let held = File::open(&deep)?;
        let _client = UnixStream::connect(format!("/proc/self/fd/{}/s", held.as_raw_fd()))?;
        listener.accept()?;
        drop(listener.into_socket()?);
        assert!(path.exists());
    }
    let error = ListenBuffer::unix(deep.join("n".repeat(100))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    Ok(())
}

fn an_abstract_name_has_no_file() -> Outcome {
    let name = format!("listenbuffer-test-{}", process::id());
    let (listener, activator) = ListenBuffer::unix(format!("@{name}"))?;
    activator.activate();
    let _client = UnixStream::connect_addr(&UnixAddress::from_abstract_name(&name)?)?;
    listener.accept()?;
    assert_eq!(ListenBuffer::unix(format!("@{name}")).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert!(!Path::new(&format!("@{name}")).exists());
    Ok(())
}

fn the_socket_itself_is_handed_over() -> Outcome {
    let dir = Scratch::new();
    let (buffer, activator) = ListenBuffer::unix(dir.path("s"))?;
    let _client = UnixStream::connect(dir.path("s"))?;
    activator.activate();
    let listener: UnixListener = buffer.into_socket()?;
    listener.accept()?;
    assert!(dir.path("s").exists());

    let (buffer, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    let address = buffer.local_addr()?;
    activator.activate();
    let listener = buffer.into_socket()?;
    // Non-blocking, this would fail at once.
    let accepter = thread::spawn(move || listener.accept().map(drop));
    let _client = TcpStream::connect(address)?;
    accepter.join().expect("no panic")?;
    Ok(())
}

fn it_can_be_polled() -> Outcome {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    assert!(!readable(&listener)? && !readable(listener.activation())?);
    let _client = TcpStream::connect(listener.local_addr()?)?;
    assert!(readable(&listener)? && !readable(listener.activation())?);
    activator.activate();
    assert!(readable(listener.activation())? && readable(listener.activation())?);
    assert!(listener.try_accept()?.is_some());
    assert!(listener.try_accept()?.is_none());
    Ok(())
}

fn descriptors_are_not_inherited_and_connections_block() -> Outcome {
    let dir = Scratch::new();
    let (tcp, activate_tcp) = ListenBuffer::tcp("127.0.0.1:0")?;
    let (unix, activate_unix) = ListenBuffer::unix(dir.path("s"))?;
    let (udp, _activator) = ListenBuffer::udp("127.0.0.1:0")?;
    activate_tcp.activate();
    activate_unix.activate();
    let _clients = (TcpStream::connect(tcp.local_addr()?)?, UnixStream::connect(dir.path("s"))?);
    let (from_tcp, from_unix) = (OwnedFd::from(tcp.accept()?.0), OwnedFd::from(unix.accept()?.0));
    for fd in [&from_tcp, &from_unix] {
        assert_eq!(fcntl(fd, FcntlArg::F_GETFL)? & nix::libc::O_NONBLOCK, 0);
    }
    let fds = [tcp.as_fd(), tcp.activation(), unix.as_fd(), udp.as_fd(), from_tcp.as_fd(), from_unix.as_fd()];
    for fd in fds {
        assert!(FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD)?).contains(FdFlag::FD_CLOEXEC));
    }
    Ok(())
}

fn what_is_no_address_is_told() -> Outcome {
    for (proto, addr) in
        [("tcp", "127.0.0.1"), ("udp", "127.0.0.1:65536"), ("carrier", "pigeon"), ("unix", "/")]
    {
        let error = listen(proto, addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(&format!("{addr:?}")), "{error}");
    }
    let error = ListenBuffer::unix("/no/such/directory/s").unwrap_err();
    assert_eq!(
        error.to_string(),
        "listen on unix \"/no/such/directory/s\": No such file or directory (os error 2)"
    );
    let dir = Scratch::new();
    if grounds::ordinary_user().is_ok() {
        fs::set_permissions(&dir.0, Permissions::from_mode(0o500))?;
        assert_eq!(ListenBuffer::unix(dir.path("s")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
    Ok(())
}

fn a_taken_port_is_told() -> Outcome {
    let (listener, _activator) = ListenBuffer::tcp("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let error = ListenBuffer::tcp(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), format!("listen on tcp {address}: Address already in use (os error 98)"));
    drop(listener);
    let (again, _activator) = ListenBuffer::tcp(address)?;
    assert_eq!(again.local_addr()?, address);
    Ok(())
}

fn readable(fd: impl AsFd) -> nix::Result<bool> {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut polled, PollTimeout::ZERO)? > 0)
}

fn played(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("{stop:?}");
            ExitCode::FAILURE
        }
    }
}

/// A directory for one test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("listenbuffer-test-{}-{number}", process::id()));
        fs::create_dir(&dir).expect("a directory of our own");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
