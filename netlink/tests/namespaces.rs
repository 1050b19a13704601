//! Network namespaces: made, found, pinned, named and numbered.

use std::fs::{self, File};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use grounds::faults::Refused;
use grounds::{Outcome, Stop, ignored, mountns, netns, tests};
use netlink::{AddressFilter, Bridge, ErrorKind, Handle, LinkFilter, Netns, Veth};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_new_namespace_is_another_and_moves_nobody,
        a_namespace_is_found_by_path_descriptor_and_process,
        a_process_that_ended_has_no_namespace,
        what_is_no_namespace_is_refused,
        a_pinned_namespace_stays_and_a_failed_pin_leaves_nothing,
        a_pin_that_fails_takes_its_file_with_it,
        a_named_namespace_is_that_of_ip_netns,
        names_that_can_not_be_are_refused,
        what_runs_within_a_namespace_is_there_and_the_caller_is_not,
        ids_are_given_found_and_listed,
        links_and_addresses_of_another_namespace_are_listed_by_its_id,
    ])
}

/// A program's output as text.
fn output(program: &str, arguments: &[&str]) -> Result<String, Stop> {
    let output = Command::new(program).args(arguments).output()?;
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A `/run` of the test's own, in its own mount namespace.
fn own_run() -> Outcome {
    mountns()?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

fn a_new_namespace_is_another_and_moves_nobody() -> Outcome {
    netns()?;
    let before = Netns::current()?;
    let made = Netns::create()?;
    assert_ne!(made, before);
    assert_eq!(Netns::current()?, before);
    let links = Handle::open_in(&made)?.links()?;
    // Kernels with tunnels have more there, and nothing is up.
    assert!(
        links.iter().any(|link| link.name == "lo") && links.iter().all(|link| !link.is_up()),
        "{links:?}"
    );
    let again = made.try_clone()?;
    drop(made);
    assert!(Handle::open_in(&again).is_ok());
    let shown = fs::read_link("/proc/thread-self/ns/net")?;
    assert_eq!(shown.to_str(), Some(before.inode().to_string().as_str()));
    Ok(())
}

/// A process in a network namespace of its own, ended with the test.
struct Elsewhere(Child);

impl Elsewhere {
    fn start(netns: &Netns) -> Result<Elsewhere, Stop> {
        let child = netns.run(|| Command::new("sleep").arg("60").stdin(Stdio::null()).spawn())??;
        Ok(Elsewhere(child))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[allow(unsafe_code, reason = "there is no safe call for it")]
fn pidfd(pid: u32) -> Result<OwnedFd, Stop> {
    // SAFETY: numbers go in, and a number comes out.
    let fd = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid, 0) };
    let fd = match i32::try_from(fd) {
        Ok(fd) if fd >= 0 => fd,
        _ if Errno::last() == Errno::ENOSYS => return Err(ignored("needs pidfd_open")),
        _ => return Err(Errno::last().into()),
    };
    // SAFETY: the kernel has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn a_namespace_is_found_by_path_descriptor_and_process() -> Outcome {
    netns()?;
    let made = Netns::create()?;
    let elsewhere = Elsewhere::start(&made)?;
    let pid = elsewhere.0.id();
    assert_eq!(Netns::of_pid(pid)?, made);
    assert_eq!(Netns::of_pidfd(pidfd(pid)?)?, made);
    assert_eq!(Netns::open(format!("/proc/{pid}/ns/net"))?, made);
    assert_eq!(Netns::from_fd(File::open(format!("/proc/{pid}/ns/net"))?)?, made);
    Handle::open_in(&made)?.add_link(&Bridge::new("there"))?;
    assert!(Handle::open_in(Netns::of_pid(pid)?)?.find_link("there")?.is_some());
    Ok(())
}

fn a_process_that_ended_has_no_namespace() -> Outcome {
    netns()?;
    let mut child = Command::new("true").spawn()?;
    let pidfd = pidfd(child.id());
    child.wait()?;
    let pidfd = pidfd?;
    let error = Netns::of_pidfd(&pidfd).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("there is no such process"), "{error}");
    // Beyond what the kernel gives.
    assert_eq!(Netns::of_pid(u32::MAX).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn what_is_no_namespace_is_refused() -> Outcome {
    netns()?;
    for path in ["/dev/null", "/proc/self/ns/uts", "/proc/self/status", "/"] {
        let error = Netns::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("that is not a network namespace"), "{error}");
    }
    assert_eq!(Netns::open("/nowhere").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Netns::of_pidfd(File::open("/dev/null")?).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn a_pinned_namespace_stays_and_a_failed_pin_leaves_nothing() -> Outcome {
    own_run()?;
    let netns = Netns::create()?;
    netns.pin("/run/pinned")?;
    let inode = netns.inode();
    drop(netns);
    let found = Netns::open("/run/pinned")?;
    assert_eq!(found.inode(), inode);
    let error = found.pin("/run/pinned").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert_eq!(found.pin("/run/none/pinned").unwrap_err().kind(), ErrorKind::NotFound);
    // Somebody's file is not touched.
    fs::write("/run/file", "mine")?;
    assert_eq!(found.pin("/run/file").unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string("/run/file")?, "mine");
    umount2("/run/pinned", MntFlags::MNT_DETACH)?;
    Ok(())
}

fn a_pin_that_fails_takes_its_file_with_it() -> Outcome {
    own_run()?;
    let netns = Netns::create()?;
    Refused::new().call("mount", Errno::EPERM).install()?;
    let error = netns.pin("/run/refused").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(!fs::exists("/run/refused")?);
    assert_eq!(Netns::create_named("refused").unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(!fs::exists("/run/netns/refused")?);
    Ok(())
}

fn a_named_namespace_is_that_of_ip_netns() -> Outcome {
    own_run()?;
    netns()?;
    assert_eq!(Netns::list_named()?, [""; 0]);
    let blue = Netns::create_named("blue")?;
    assert_eq!(Netns::named("blue")?, blue);
    assert_eq!(output("ip", &["netns", "list"])?.trim(), "blue");
    assert!(output("ip", &["-n", "blue", "-json", "link"])?.contains("\"lo\""));
    output("ip", &["netns", "add", "red"])?;
    assert_eq!(Netns::list_named()?, ["blue", "red"]);
    assert_eq!(Netns::create_named("red").unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(Netns::list_named()?, ["blue", "red"]);
    Netns::delete_named("red")?;
    assert_eq!(Netns::named("red").unwrap_err().kind(), ErrorKind::NotFound);
    output("ip", &["netns", "del", "blue"])?;
    assert_eq!(Netns::delete_named("blue").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir("/run/netns")?.count(), 0);
    // What was left half-made is none, and can be removed.
    fs::write("/run/netns/half", "")?;
    assert_eq!(Netns::list_named()?, [""; 0]);
    assert_eq!(Netns::named("half").unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = Netns::create_named("half").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert!(error.to_string().contains("is no network namespace"), "{error}");
    Netns::delete_named("half")?;
    assert!(!fs::exists("/run/netns/half")?);
    Ok(())
}

fn names_that_can_not_be_are_refused() -> Outcome {
    own_run()?;
    for name in ["", ".", "..", "a/b", "a\0b"] {
        assert_eq!(Netns::create_named(name).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Netns::named(name).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Netns::delete_named(name).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(!fs::exists("/run/netns")?);
    Ok(())
}

fn what_runs_within_a_namespace_is_there_and_the_caller_is_not() -> Outcome {
    netns()?;
    let made = Netns::create()?;
    let before = Netns::current()?;
    assert_eq!(made.run(Netns::current)??, made);
    assert_eq!(Netns::current()?, before);
    let panicked = thread::scope(|scope| scope.spawn(|| made.run(|| panic!("on purpose"))).join().is_err());
    assert!(panicked);
    Ok(())
}

fn ids_are_given_found_and_listed() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let (blue, red) = (Netns::create()?, Netns::create()?);
    assert_eq!(handle.netns_id(&blue)?, None);
    assert_eq!(handle.set_netns_id(&blue, Some(7))?, 7);
    assert_eq!(handle.netns_id(&blue)?, Some(7));
    let chosen = handle.set_netns_id(&red, None)?;
    assert_eq!(handle.netns_id(&red)?, Some(chosen));
    let mut ids = handle.netns_ids()?;
    ids.sort_unstable();
    let mut expected = [7, chosen];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let error = handle.set_netns_id(&blue, Some(8)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let green = Netns::create()?;
    assert!(handle.set_netns_id(&green, Some(7)).is_err());
    assert_eq!(handle.set_netns_id(&green, Some(u32::MAX)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(handle.netns_id(File::open("/dev/null")?).is_err());
    let listed = output("ip", &["netns", "list-id"])?;
    assert!(listed.contains("nsid 7"), "{listed}");
    Ok(())
}

fn links_and_addresses_of_another_namespace_are_listed_by_its_id() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let blue = Netns::create()?;
    handle.add_veth(&Veth::new("v0").peer("eth0").peer_netns_fd(&blue))?;
    Handle::open_in(&blue)?.add_address("eth0", &"10.0.0.2/24".parse()?)?;
    let id = handle.netns_id(&blue)?;
    assert!(id.is_some());
    let mut links = LinkFilter::default();
    links.netns_id = id;
    let names: Vec<_> = handle.list_links(links.clone())?.into_iter().map(|link| link.name).collect();
    assert!(names.iter().any(|name| name == "eth0") && !names.iter().any(|name| name == "v0"), "{names:?}");
    assert_eq!(names.len(), Handle::open_in(&blue)?.links()?.len());
    let mut addresses = AddressFilter::default();
    addresses.netns_id = id;
    let addresses = handle.list_addresses(addresses)?;
    assert!(addresses.iter().any(|address| address.net.to_string() == "10.0.0.2/24"), "{addresses:?}");
    links.netns_id = Some(99);
    let error = handle.list_links(links).unwrap_err();
    if error.kind() == ErrorKind::Unsupported {
        return Err(ignored("this kernel lists no other namespace"));
    }
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    Ok(())
}
