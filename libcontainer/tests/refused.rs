//! Older kernels and filters of other engines: the new system calls are refused, the old ones do.

// A filter is made of raw numbers, for this thread and what it starts.
#![allow(unsafe_code)]

use std::process::ExitCode;

use grounds::{Outcome, Stop, ignored, tests};
use libcontainer::{Container, Io};

mod shell;

use shell::{Shell, is_root, mount};

/// Answers system calls with an error number, from now on, on this thread and in all that it starts.
fn refuse(calls: &[(libc::c_long, i32)]) -> Outcome {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)]; // seccomp_data.nr
    for &(call, errno) in calls {
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        program.push(libc::sock_filter { code, jt: 0, jf: 1, k: call as u32 });
        program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    if !is_root() {
        nix::sys::prctl::set_no_new_privs()?;
    }
    // SAFETY: the filter and its program outlive the call.
    match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) } {
        0 => Ok(()),
        _ => Err(ignored(format!("no seccomp filter: {}", std::io::Error::last_os_error()))),
    }
}

fn a_kernel_without_mount_setattr_remounts() -> Outcome {
    let script = "echo x >/etc/made; echo x >/proc/sys/kernel/hostname; grep ' /tmp/shown ' /proc/self/mountinfo; cat /proc/keys";
    let mut shell = Shell::new(script)?;
    let outside = grounds::Rootfs::new()?;
    shell.config.readonly_rootfs = true;
    // A tmpfs with flags of its own, of which the remount must lose none.
    shell.config.mounts.push(mount("tmpfs", "tmpfs", "/tmp", &["nosuid", "noatime"]));
    shell.config.mounts.push(mount(
        "",
        outside.path(),
        "/tmp/shown",
        &["bind", "ro", "nosuid", "nodev", "noexec"],
    ));
    let plain = run(&shell)?;
    refuse(&[(libc::SYS_mount_setattr, libc::ENOSYS)])?;
    let refused = run(&shell)?;
    assert_eq!(refused.matches("Read-only file system").count(), 2, "{refused}");
    let options = |said: &str| {
        let line = said.lines().find(|line| line.contains(" /tmp/shown ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{said}")).split(' ').nth(5).map(str::to_owned)
    };
    assert_eq!(options(&refused), options(&plain));
    Ok(())
}

fn run(shell: &Shell) -> Result<String, Stop> {
    Ok(shell.run()?.0)
}

fn without_clone3_there_is_clone() -> Outcome {
    let shell = Shell::new("echo $$; sleep 0; exit 4")?;
    for errno in [libc::ENOSYS, libc::EPERM] {
        let shell = &shell;
        std::thread::scope(|scope| {
            let done = scope.spawn(move || {
                refuse(&[(libc::SYS_clone3, errno)])?;
                let (said, status) = shell.run()?;
                assert_eq!((said.as_str(), status.code()), ("1\n", 4));
                let sleeper = Shell::program(&["sleep", "100"])?;
                let mut container = Container::run(&sleeper.config, Io::default())?;
                let mut process = container.config().process.clone();
                process.args = ["sh", "-c", "exit 5"].map(str::to_owned).to_vec();
                assert_eq!(container.exec(&process, Io::default())?.wait()?.code(), 5);
                container.signal(9)?;
                container.wait()?;
                Ok::<_, Stop>(())
            });
            done.join().expect("no panic")
        })?;
    }
    Ok(())
}

/// What a container needs of Linux 5.10 and can't have is an error in one line, and leaves nothing.
fn other_refusals_are_errors_that_leave_nothing() -> Outcome {
    let before = std::fs::read_to_string("/proc/thread-self/mountinfo")?;
    for (call, name) in [
        (libc::SYS_openat2, "openat2"),
        (libc::SYS_fsopen, "fsopen"),
        (libc::SYS_open_tree, "open_tree"),
        (libc::SYS_move_mount, "move_mount"),
        (libc::SYS_pivot_root, "pivot_root"),
        (libc::SYS_capset, "capset"),
        (libc::SYS_setsid, "setsid"),
        (libc::SYS_close_range, "close_range"),
    ] {
        let shell = Shell::new("exit 0")?;
        let error = std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                refuse(&[(call, libc::EPERM)])?;
                Ok::<_, Stop>(Container::create(&shell.config, Io::default()).expect_err(name))
            });
            done.join().expect("no panic")
        })?;
        let text = error.to_string();
        assert!(
            text.contains(name) && text.contains("Operation not permitted") && !text.contains('\n'),
            "{text}"
        );
    }
    assert_eq!(std::fs::read_to_string("/proc/thread-self/mountinfo")?, before);
    Ok(())
}

fn main() -> ExitCode {
    grounds::run(tests![
        a_kernel_without_mount_setattr_remounts,
        without_clone3_there_is_clone,
        other_refusals_are_errors_that_leave_nothing,
    ])
}
