//! A terminal of the container's own.

use std::fs::File;
use std::io::{Read, Write};

use grounds::{Outcome, Stop};
use libcontainer::{Container, Io};

use crate::shell::Shell;

crate::tests!(
    the_streams_are_a_terminal_of_its_own,
    its_size_is_as_asked,
    it_is_the_console,
    control_c_is_a_signal,
    it_hangs_up_when_the_master_is_gone,
    an_exec_has_one_too,
);

fn shell(script: &str) -> Result<Shell, Stop> {
    let mut shell = Shell::new(script)?;
    shell.config.process.terminal = true;
    Ok(shell)
}

fn master(container: &Container) -> Result<File, Stop> {
    Ok(container.console().expect("it has a terminal").try_clone_to_owned()?.into())
}

/// Everything until the last one who holds the terminal is gone, which is EIO.
fn rest(mut master: File) -> String {
    let mut bytes = Vec::new();
    drop(master.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

fn says(shell: &Shell) -> Result<String, Stop> {
    let mut container = Container::run(&shell.config, Io::default())?;
    let text = rest(master(&container)?);
    assert!(container.wait()?.success(), "{text}");
    Ok(text)
}

fn the_streams_are_a_terminal_of_its_own() -> Outcome {
    let said = says(&shell(
        "test -t 0 && test -t 1 && test -t 2 && echo yes; readlink /proc/1/fd/0; : </dev/tty && echo tty",
    )?)?;
    assert_eq!(said, "yes\n/dev/pts/0\ntty\n");
    Ok(())
}

fn its_size_is_as_asked() -> Outcome {
    let mut shell = shell("stty size")?;
    shell.config.process.terminal_size = Some((41, 132));
    assert_eq!(says(&shell)?, "41 132\n");
    Ok(())
}

fn it_is_the_console() -> Outcome {
    assert_eq!(
        says(&shell("echo through the console >/dev/console; test -c /dev/console && echo device")?)?,
        "through the console\ndevice\n"
    );
    Ok(())
}

fn control_c_is_a_signal() -> Outcome {
    let shell = shell("trap 'echo interrupted; exit 4' INT; echo ready; sleep 100 & wait")?;
    let mut container = Container::run(&shell.config, Io::default())?;
    let mut master = master(&container)?;
    let mut text = Vec::new();
    while !text.ends_with(b"ready\n") {
        let mut byte = [0];
        master.read_exact(&mut byte)?;
        text.extend(byte);
    }
    master.write_all(b"\x03")?;
    assert!(rest(master).contains("interrupted"));
    assert_eq!(container.wait()?.code(), 4);
    Ok(())
}

fn it_hangs_up_when_the_master_is_gone() -> Outcome {
    let shell = Shell::new("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut process = container.config().process.clone();
    let script = "trap 'echo hung up >/tmp/said; exit' HUP; echo ready; sleep 100 & wait";
    process.args = ["sh", "-c", script].map(str::to_owned).to_vec();
    process.terminal = true;
    let child = container.exec(&process, Io::default())?;
    let mut master: File = child.console().expect("it has a terminal").try_clone_to_owned()?.into();
    master.read_exact(&mut [0; 6])?;
    drop((master, child));
    let said = shell.rootfs.path().join("tmp/said");
    crate::eventually(|| std::fs::read_to_string(&said).is_ok_and(|said| said == "hung up\n"));
    Ok(())
}

fn an_exec_has_one_too() -> Outcome {
    let shell = Shell::new("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut process = container.config().process.clone();
    process.args =
        ["sh", "-c", "stty size; readlink /proc/self/fd/1; test -t 2; exit $?"].map(str::to_owned).to_vec();
    process.terminal = true;
    process.terminal_size = Some((20, 30));
    let mut child = container.exec(&process, Io::default())?;
    let master: File = child.console().expect("it has a terminal").try_clone_to_owned()?.into();
    assert_eq!(rest(master), "20 30\n/dev/pts/0\n");
    assert!(child.wait()?.success());
    Ok(())
}
