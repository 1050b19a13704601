//! The tests of the first Docker, of January 2013, by their names: there the engine was lxc.

use std::io::pipe;

use grounds::{Outcome, Rootfs, Stop};
use libcontainer::{Container, ErrorKind, ExitStatus, Factory, Io, Status};

use crate::shell::Shell;

crate::tests!(create, destroy, get, start, run, output, stop, exit_code);

/// A folder for homes, gone with the rootfs that it is in.
fn docker() -> Result<(Rootfs, Factory), Stop> {
    let folder = Rootfs::new()?;
    let docker = Factory::new(folder.path().join("containers"))?;
    Ok((folder, docker))
}

fn listing() -> Result<Shell, Stop> {
    Shell::program(&["ls", "-al"])
}

fn create() -> Outcome {
    let (_folder, docker) = docker()?;
    let shell = listing()?;
    assert_eq!(docker.list()?.len(), 0);
    let container = docker.create("test", &shell.config, Io::default())?;
    assert_eq!(docker.list()?, ["test"]);
    let error = docker.create("test", container.config(), Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    container.delete()?;
    Ok(())
}

fn destroy() -> Outcome {
    let (_folder, docker) = docker()?;
    let shell = listing()?;
    let container = docker.create("test", &shell.config, Io::default())?;
    let again = docker.load("test")?;
    assert!(docker.root().join("test").is_dir());
    container.delete()?;
    assert_eq!(docker.list()?.len(), 0);
    assert!(!docker.root().join("test").exists());
    assert_eq!(docker.load("test").unwrap_err().kind(), ErrorKind::NotFound);
    // Who still holds it deletes nothing, and nobody else's.
    drop(again.delete());
    assert_eq!(docker.list()?.len(), 0);
    Ok(())
}

fn get() -> Outcome {
    let (_folder, docker) = docker()?;
    let shell = listing()?;
    let names = ["one", "three", "two"];
    let made = names.map(|name| docker.create(name, &shell.config, Io::default()));
    for (name, container) in names.iter().zip(&made) {
        let container = container.as_ref().expect("it was made");
        assert_eq!(docker.load(name)?.pid(), container.pid());
    }
    assert_eq!(docker.load("four").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(docker.list()?, names);
    for container in made {
        container?.delete()?;
    }
    Ok(())
}

fn start() -> Outcome {
    let (stdin, hold) = pipe()?;
    let mut io = Io::default();
    io.stdin = stdin.into();
    let shell = Shell::program(&["cat"])?;
    let mut container = Container::create(&shell.config, io)?;
    assert_eq!(container.status()?, Status::Created);
    container.start()?;
    assert_eq!(container.status()?, Status::Running);
    let error = container.start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    drop(hold);
    container.wait()?;
    assert_eq!(container.status()?, Status::Stopped);
    // It does not hang, and says the same.
    assert_eq!(container.wait()?, ExitStatus::Exited(0));
    Ok(())
}

fn run() -> Outcome {
    let shell = Shell::program(&["true"])?;
    let mut container = Container::run(&shell.config, Io::default())?;
    container.wait()?;
    assert_eq!(container.status()?, Status::Stopped);
    Ok(())
}

fn output() -> Outcome {
    assert_eq!(Shell::program(&["echo", "-n", "foobar"])?.says()?, "foobar");
    Ok(())
}

fn stop() -> Outcome {
    let shell = Shell::program(&["sleep", "300"])?;
    let mut container = Container::run(&shell.config, Io::default())?;
    assert_eq!(container.status()?, Status::Running);
    container.signal(libc::SIGKILL)?;
    assert_eq!(container.wait()?, ExitStatus::Signaled(libc::SIGKILL));
    assert_eq!(container.status()?, Status::Stopped);
    let error = container.signal(libc::SIGKILL).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    Ok(())
}

fn exit_code() -> Outcome {
    for (program, code) in [("true", 0), ("false", 1)] {
        let shell = Shell::program(&[program])?;
        assert_eq!(Container::run(&shell.config, Io::default())?.wait()?.code(), code, "{program}");
    }
    Ok(())
}
