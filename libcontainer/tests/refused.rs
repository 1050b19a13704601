//! Older kernels and filters of other engines: the new system calls are refused, the old ones do.

use std::process::ExitCode;

use grounds::faults::Refused;
use grounds::{Outcome, Stop, tests};
use libcontainer::{Container, Io};
use nix::errno::Errno;

mod shell;

use shell::{Shell, mount};

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
    Refused::new().call("mount_setattr", Errno::ENOSYS).install()?;
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
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        let shell = &shell;
        std::thread::scope(|scope| {
            let done = scope.spawn(move || {
                Refused::new().call("clone3", errno).install()?;
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
    let calls =
        ["openat2", "fsopen", "open_tree", "move_mount", "pivot_root", "capset", "setsid", "close_range"];
    for name in calls {
        let shell = Shell::new("exit 0")?;
        let error = std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                Refused::new().call(name, Errno::EPERM).install()?;
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
