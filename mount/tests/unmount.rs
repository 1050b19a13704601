//! Unmounting for real: one mount, trees of them, and what keeps them busy.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::ptr;
use std::time::{Duration, Instant};

use grounds::{Outcome, Stop, ignored, tests};
use mount::{
    ErrorKind, Root, Unmount, Use, User, force_mount, force_unmount, mount, mounted, unmount, users,
};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        stacked_mounts_all_go,
        only_the_top_mount_goes_unless_asked_for_more,
        a_tree_goes_children_first,
        a_tree_goes_in_the_order_of_the_tree_and_not_of_the_names,
        hidden_mounts_go_too,
        what_is_mounted_below_a_plain_directory_goes,
        mounts_beside_the_tree_stay,
        a_bound_tree_that_shares_goes_with_its_peers,
        a_thousand_mounts_go,
        what_is_busy_stays_and_the_rest_goes,
        a_tree_that_is_busy_for_a_moment_goes,
        a_busy_tree_can_be_detached,
        a_stack_in_use_can_be_detached,
        mounts_that_come_meanwhile_go_too,
        nothing_to_unmount_is_an_error,
        names_of_any_bytes_go,
        links_are_not_followed_whatever_is_behind_them,
        links_in_a_root_lead_nowhere_else,
        a_descriptor_keeps_its_own_mount_busy,
        locked_mounts_are_told_and_can_be_detached_together,
        an_error_names_the_working_directory,
        an_error_names_an_open_file,
        an_error_names_a_mapped_file,
        an_error_names_the_mount_on_top_of_another,
        an_error_names_a_bound_socket,
        a_name_with_a_line_in_it_accuses_nobody,
        a_process_whose_first_thread_has_ended_is_found,
        users_of_the_same_directory_elsewhere_do_not_count,
        there_may_be_no_users,
        waiting_can_be_longer_or_not_at_all,
    ])
}

/// An empty tmpfs in a new mount namespace, with a directory in it.
fn ground() -> Result<PathBuf, Stop> {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    directory("/tmp/target")
}

fn directory(path: impl AsRef<Path>) -> Result<PathBuf, Stop> {
    fs::create_dir_all(&path)?;
    Ok(path.as_ref().to_owned())
}

/// Mounts a tmpfs on a directory, which is made where it isn't there.
fn tmpfs(path: impl AsRef<Path>) -> Outcome {
    fs::create_dir_all(&path)?;
    force_mount("a", path, "tmpfs", "")?;
    Ok(())
}

fn mounts_below(path: &str) -> usize {
    mount::mounts().unwrap().iter().filter(|mount| mount.mount_point.starts_with(path)).count()
}

fn all() -> Unmount {
    Unmount::new().recursive(true).wait(Duration::ZERO)
}

/// A program that is killed and reaped when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `sleep`, with whatever the command sets for it.
fn sleep(command: impl FnOnce(&mut Command) -> &mut Command) -> Result<Program, Stop> {
    started(command(Command::new("sleep").arg("100")))
}

/// Waits until it runs: spawn() comes back in the middle of execve(2), before the program is mapped.
fn started(command: &mut Command) -> Result<Program, Stop> {
    let program = Program(command.spawn()?);
    while !fs::read_to_string(format!("/proc/{}/maps", program.0.id()))?.contains("sleep") {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(program)
}

fn process<'a>(users: &'a [User], program: &Program) -> Option<&'a [Use]> {
    users.iter().find_map(|user| match user {
        User::Process { pid, uses, .. } if *pid == program.0.id() => Some(uses.as_slice()),
        _ => None,
    })
}

fn stacked_mounts_all_go() -> Outcome {
    // moby/sys took one of three away and said that all was well.
    let target = ground()?;
    for _ in 0..3 {
        tmpfs(&target)?;
    }
    all().run(&target)?;
    assert!(!mounted(&target)?);
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn only_the_top_mount_goes_unless_asked_for_more() -> Outcome {
    let target = ground()?;
    for _ in 0..3 {
        tmpfs(&target)?;
    }
    Unmount::new().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 2);
    Ok(())
}

fn a_tree_goes_children_first() -> Outcome {
    let target = ground()?;
    for name in ["", "a", "a/b", "a/b/c", "a2", "a/b2"] {
        tmpfs(target.join(name))?;
    }
    tmpfs(target.join("a/b/c"))?;
    all().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn a_tree_goes_in_the_order_of_the_tree_and_not_of_the_names() -> Outcome {
    // moby/sys sorts by the length of the path: here the longer path is the parent, by a move.
    let target = ground()?;
    tmpfs(target.join("long/longer/longest"))?;
    tmpfs("/tmp/other")?;
    tmpfs("/tmp/other/below")?;
    mount("/tmp/other", target.join("long"), "none", "move")?;
    // "long" hides "long/longer/longest", which has the longer name and can only go after it.
    all().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn hidden_mounts_go_too() -> Outcome {
    let target = ground()?;
    tmpfs(target.join("a/b"))?;
    tmpfs(target.join("a/b/c"))?;
    tmpfs(target.join("a"))?; // hides both
    tmpfs(target.join("a/b"))?; // has the name of one of them
    tmpfs(&target)?; // hides them all
    assert_eq!(mounts_below("/tmp/target"), 5);
    all().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn what_is_mounted_below_a_plain_directory_goes() -> Outcome {
    let target = ground()?;
    tmpfs(target.join("x/a"))?;
    tmpfs(target.join("x/b"))?;
    all().run("/tmp/target/x/")?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    assert!(target.join("x").is_dir());
    Ok(())
}

fn mounts_beside_the_tree_stay() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    tmpfs("/tmp/target2")?;
    tmpfs("/tmp/t")?;
    all().run(&target)?;
    assert!(mounted("/tmp")? && mounted("/tmp/target2")? && mounted("/tmp/t")?);
    Ok(())
}

fn a_bound_tree_that_shares_goes_with_its_peers() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    mount("none", &target, "none", "shared")?;
    directory(target.join("source"))?;
    directory(target.join("copy"))?;
    force_mount(target.join("source"), target.join("copy"), "none", "bind")?;
    tmpfs(target.join("source/a"))?;
    tmpfs(target.join("source/a/b"))?;
    assert_eq!(mounts_below("/tmp/target"), 6, "each of them is in the copy too");
    all().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn a_thousand_mounts_go() -> Outcome {
    let target = ground()?;
    let many = grounds::times(1000);
    let directories: Vec<_> = (0..many).map(|at| target.join(at.to_string())).collect();
    for directory in &directories {
        fs::create_dir(directory)?;
        force_mount("/tmp/target", directory, "none", "bind")?;
    }
    assert_eq!(mounts_below("/tmp/target"), many);
    all().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn what_is_busy_stays_and_the_rest_goes() -> Outcome {
    let target = ground()?;
    for name in ["", "a", "a/b", "c", "c/d"] {
        tmpfs(target.join(name))?;
    }
    let file = File::create(target.join("a/b/open"))?;
    let error = all().run(&target).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Busy, Some(libc::EBUSY)));
    let text = error.to_string();
    let expected = r#"unmount "/tmp/target" and all below: 3 of 5 mounts stay: "/tmp/target/a/b": used by "#;
    let fd = format!("(pid {}: fd {})", std::process::id(), file.as_raw_fd());
    assert!(text.starts_with(expected) && text.contains(&fd), "{text}");
    assert!(mounted(target.join("a/b"))? && mounted(target.join("a"))? && mounted(&target)?);
    assert!(!mounted(target.join("c"))?);
    drop(file);
    all().run(&target)?;
    Ok(())
}

fn a_tree_that_is_busy_for_a_moment_goes() -> Outcome {
    let target = ground()?;
    tmpfs(target.join("a"))?;
    let file = File::create(target.join("a/open"))?;
    let closer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(250));
        drop(file);
    });
    Unmount::new().recursive(true).wait(Duration::from_secs(60)).run(&target)?;
    closer.join().unwrap();
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn a_busy_tree_can_be_detached() -> Outcome {
    let target = ground()?;
    for name in ["", "a", "a/b"] {
        tmpfs(target.join(name))?;
    }
    let mut file = File::create(target.join("a/b/open"))?;
    all().lazy(true).run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    file.write_all(b"still there")?;
    Ok(())
}

fn a_stack_in_use_can_be_detached() -> Outcome {
    let target = ground()?;
    tmpfs(target.join("a"))?;
    let below = File::create(target.join("a/open"))?;
    tmpfs(&target)?;
    tmpfs(&target)?;
    let above = File::create(target.join("open"))?;
    all().lazy(true).run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    drop((below, above));
    Ok(())
}

fn mounts_that_come_meanwhile_go_too() -> Outcome {
    let target = ground()?;
    for name in 0..50 {
        tmpfs(target.join(name.to_string()))?;
    }
    let (send, receive) = std::sync::mpsc::channel();
    let others = target.clone();
    let mounter = std::thread::spawn(move || {
        send.send(()).unwrap();
        for name in 0..50 {
            // It is an error where the mount is gone again before its maker has looked at it.
            let _ = force_mount("new", others.join(name.to_string()), "tmpfs", "");
        }
    });
    receive.recv()?;
    while !mounter.is_finished() {
        match Unmount::new().recursive(true).run(&target) {
            Err(error) if error.kind() != ErrorKind::NotMounted => return Err(error.into()),
            _ => {}
        }
    }
    mounter.join().unwrap();
    if mounts_below("/tmp/target") > 0 {
        all().run(&target)?;
    }
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn nothing_to_unmount_is_an_error() -> Outcome {
    let target = ground()?;
    let error = all().run(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotMounted);
    let text = r#"unmount "/tmp/target" and all below: nothing is mounted there or below"#;
    assert_eq!((error.to_string().as_str(), error.path()), (text, Some(target.as_path())));
    assert_eq!(all().run("/tmp/target/none/such").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Unmount::new().run("/tmp/none").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Unmount::new().run("").unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn names_of_any_bytes_go() -> Outcome {
    use std::os::unix::ffi::OsStrExt;
    let target = ground()?;
    for name in [&b"a b\t\n\\#\xff"[..], b" ", b"\\040", b"x//deleted"] {
        let path = target.join(std::ffi::OsStr::from_bytes(name));
        tmpfs(&path)?;
        tmpfs(path.join("below"))?;
    }
    all().run(&target)?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    Ok(())
}

fn links_are_not_followed_whatever_is_behind_them() -> Outcome {
    // Behind a slash the kernel follows a link, UMOUNT_NOFOLLOW or not.
    let target = ground()?;
    tmpfs(&target)?;
    tmpfs(target.join("below"))?;
    symlink(&target, "/tmp/link")?;
    for path in ["/tmp/link", "/tmp/link/", "/tmp/link/.", "/tmp/link//./"] {
        for how in [Unmount::new(), Unmount::new().lazy(true), all(), all().lazy(true)] {
            let error = how.run(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}: {error}");
        }
        assert_eq!(unmount(path).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(mounts_below("/tmp/target"), 2);
    // On the way there it is followed, as ever.
    Unmount::new().run("/tmp/link/below")?;
    assert!(!mounted(target.join("below"))? && mounted(&target)?);
    Ok(())
}

fn links_in_a_root_lead_nowhere_else() -> Outcome {
    let target = ground()?;
    tmpfs("/tmp/outside")?;
    tmpfs("/tmp/outside/below")?;
    let root = Root::open(&target)?;
    symlink("/tmp/outside", target.join("absolute"))?;
    symlink("../outside", target.join("relative"))?;
    directory(target.join("tmp/outside"))?;
    directory(target.join("outside"))?;
    for path in ["absolute", "relative", "absolute/", "/absolute"] {
        for how in [Unmount::new(), all()] {
            assert_eq!(how.run(root.at(path)).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
        }
    }
    for path in ["absolute/below", "relative/below", "../outside", "relative/../../outside"] {
        for how in [Unmount::new(), all()] {
            let kind = how.run(root.at(path)).unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::NotFound | ErrorKind::NotMounted), "{path}: {kind:?}");
        }
    }
    assert_eq!(mounts_below("/tmp/outside"), 2);

    tmpfs(target.join("tmp/outside"))?;
    tmpfs(target.join("tmp/outside/inside"))?;
    Unmount::new().run(root.at("absolute/inside"))?;
    all().run(root.at("/"))?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    assert_eq!(mounts_below("/tmp/outside"), 2);
    Ok(())
}

fn a_descriptor_keeps_its_own_mount_busy() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    tmpfs(target.join("below"))?;
    let directory = File::open(&target)?;
    let error = Unmount::new().run(directory.as_fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    let text = r#"unmount "/tmp/target": the descriptor itself keeps it busy, and it is not to be detached"#;
    assert!(error.to_string().starts_with(text), "{error}");
    let error = all().run(directory.as_fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(mounts_below("/tmp/target"), 1, "those below go");
    Unmount::new().lazy(true).run(directory.as_fd())?;
    assert_eq!(mounts_below("/tmp/target"), 0);
    let plain = File::open("/tmp/target")?;
    assert_eq!(Unmount::new().run(plain.as_fd()).unwrap_err().kind(), ErrorKind::NotMounted);
    Ok(())
}

fn locked_mounts_are_told_and_can_be_detached_together() -> Outcome {
    // mount_namespaces(7): mounts that came from a more privileged namespace are locked together.
    if grounds::root().is_ok() {
        return Err(ignored("needs a mount namespace below a user namespace"));
    }
    grounds::mountns()?;
    let error = unmount("/proc").unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::PermissionDenied, Some(libc::EINVAL)));
    let error = all().run("/proc").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("locked by the user namespace"), "{error}");
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    let copy = directory("/tmp/copy")?;
    force_mount("/sys", &copy, "none", "rbind")?;
    if mounts_below("/tmp/copy") < 2 {
        return Err(ignored("nothing is mounted below /sys"));
    }
    assert_eq!(all().run(&copy).unwrap_err().kind(), ErrorKind::PermissionDenied);
    all().lazy(true).run(&copy)?;
    assert_eq!(mounts_below("/tmp/copy"), 0);
    Ok(())
}

fn an_error_names_the_working_directory() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    let program = sleep(|command| command.current_dir(&target))?;
    let error = Unmount::new().wait(Duration::ZERO).run(&target).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Busy, Some(libc::EBUSY)));
    let expected = format!(
        r#"unmount "/tmp/target": used by "sleep" (pid {}: cwd): Device or resource busy (os error 16)"#,
        program.0.id()
    );
    assert_eq!(error.to_string(), expected);
    drop(program);
    force_unmount(&target)?;
    Ok(())
}

fn an_error_names_an_open_file() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    let file = File::create(target.join("file"))?;
    let program = sleep(|command| command.stdin(Stdio::from(file)))?;
    let error = Unmount::new().wait(Duration::ZERO).run(&target).unwrap_err().to_string();
    assert!(error.contains(&format!(r#"used by "sleep" (pid {}: fd 0)"#, program.0.id())), "{error}");
    Ok(())
}

fn an_error_names_a_mapped_file() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    let path = target.join("a file");
    fs::write(&path, "mapped")?;
    let file = File::open(&path)?;
    // SAFETY: a new mapping, which nobody reads.
    let mapped =
        unsafe { libc::mmap(ptr::null_mut(), 6, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    assert_ne!(mapped, libc::MAP_FAILED);
    drop(file);
    let error = Unmount::new().wait(Duration::ZERO).run(&target).unwrap_err().to_string();
    let expected = format!(r#"(pid {}: mapped "/tmp/target/a file")"#, std::process::id());
    assert!(error.contains(&expected), "{error}");
    // SAFETY: the mapping of above.
    unsafe { libc::munmap(mapped, 6) };

    // A program that lies there: it runs, and its code is mapped.
    fs::copy("/bin/sleep", target.join("sleep"))?;
    fs::set_permissions(target.join("sleep"), fs::Permissions::from_mode(0o755))?;
    let program = started(Command::new(target.join("sleep")).arg("100"))?;
    let uses = users(&target)?;
    let uses = process(&uses.found, &program).expect("it is there");
    assert!(uses.contains(&Use::Exe) && uses.contains(&Use::Mapped(target.join("sleep"))), "{uses:?}");
    Ok(())
}

fn an_error_names_the_mount_on_top_of_another() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    tmpfs(target.join("be low"))?;
    let error = Unmount::new().wait(Duration::ZERO).run(&target).unwrap_err().to_string();
    assert!(error.contains(r#"used by the mount on "/tmp/target/be low""#), "{error}");
    Ok(())
}

fn a_name_with_a_line_in_it_accuses_nobody() -> Outcome {
    // /proc/net/unix has the names of sockets as they are, and this one holds a line of another's.
    let target = ground()?;
    tmpfs(&target)?;
    let victim = UnixListener::bind("/tmp/victim")?;
    let link = fs::read_link(format!("/proc/self/fd/{}", victim.as_raw_fd()))?;
    let inode: u64 = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse()?;
    let forged = format!("/tmp/x\n0: 2 0 1 1 1 {inode} {}/socket", target.display());
    fs::create_dir_all(Path::new(&forged).parent().unwrap())?;
    fs::write(target.join("socket"), "")?;
    let liar = UnixListener::bind(&forged)?;
    // Nor does a socket of this name in another mount namespace: tests beside this one have some.
    let found = users(&target)?.found;
    assert!(found.is_empty(), "{found:?}");
    drop((victim, liar));
    Ok(())
}

fn a_process_whose_first_thread_has_ended_is_found() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    // A program whose main thread ends while another one has its working directory on the mount.
    let script = format!(
        "import ctypes, os, threading, time\n\
         threading.Thread(target=lambda: (os.chdir({:?}), print('ready', flush=True), time.sleep(60))).start()\n\
         ctypes.CDLL(None).syscall({}, 0)",
        target.to_str().unwrap(),
        libc::SYS_exit
    );
    let mut python = Command::new("/usr/bin/python3");
    let child = python.args(["-c", &script]).current_dir("/").stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| ignored(format!("no python3: {error}")))?;
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready)?;
    let found = users(&target)?.found;
    child.kill()?;
    child.wait()?;
    let is_child = |user: &User| matches!(user, User::Process { pid, uses, .. } if *pid == child.id() && uses.contains(&Use::Cwd));
    assert!(found.iter().any(is_child), "{found:?}");
    Ok(())
}

fn an_error_names_a_bound_socket() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    let socket = UnixListener::bind(target.join("socket"))?;
    let found = users(&target)?.found;
    let own = found.iter().find_map(|user| match user {
        User::Process { pid, uses, .. } if *pid == std::process::id() => Some(uses.clone()),
        _ => None,
    });
    assert_eq!(own, Some(vec![Use::Socket(socket.as_raw_fd() as u32)]));
    assert_eq!(Unmount::new().wait(Duration::ZERO).run(&target).unwrap_err().kind(), ErrorKind::Busy);
    drop(socket);
    unmount(&target)?;
    Ok(())
}

fn users_of_the_same_directory_elsewhere_do_not_count() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    let copy = directory("/tmp/copy")?;
    force_mount(&target, &copy, "none", "bind")?;
    let program = sleep(|command| command.current_dir(&copy))?;
    assert_eq!(process(&users(&target)?.found, &program), None);
    assert_eq!(process(&users(&copy)?.found, &program), Some(&[Use::Cwd][..]));
    unmount(&target)?;
    Ok(())
}

fn there_may_be_no_users() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    assert_eq!(users(&target)?.found, []);
    assert_eq!(users("/tmp/none").unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn waiting_can_be_longer_or_not_at_all() -> Outcome {
    let target = ground()?;
    tmpfs(&target)?;
    let _open = File::create(target.join("open"))?;
    for (wait, least, most) in [(0, 0, 3000), (300, 300, 5000)] {
        let before = Instant::now();
        let error = Unmount::new().wait(Duration::from_millis(wait)).run(&target).unwrap_err();
        let took = before.elapsed().as_millis();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!((least..most).contains(&took), "{took}");
    }
    Ok(())
}
