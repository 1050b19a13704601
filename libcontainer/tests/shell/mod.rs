//! A container that runs a shell script on the host's own programs.

#![allow(dead_code)] // each test program uses a part of it

use std::io::{Read, pipe};
use std::path::Path;
use std::sync::OnceLock;

use grounds::{Rootfs, Stop, ignored};
use libcontainer::{Config, Container, ExitStatus, Io, Mount, Stdio};

pub(crate) struct Shell {
    pub(crate) config: Config,
    pub(crate) rootfs: Rootfs,
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// From Linux 6.15 on the kernel keeps the status of a process that nobody can wait for any more.
pub(crate) fn kernel_keeps_it() -> bool {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

/// Makes a mount of a configuration.
pub(crate) fn mount(
    kind: &str,
    source: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    options: &[&str],
) -> Mount {
    Mount::new(kind, source.as_ref(), destination.as_ref(), options.iter().copied())
}

impl Shell {
    /// The usual container, rootless for an ordinary user, with a script for `sh`. A user who may not
    /// make namespaces at all gets the test ignored.
    pub(crate) fn new(script: &str) -> Result<Shell, Stop> {
        static REFUSED: OnceLock<Option<String>> = OnceLock::new();
        grounds::containers()?;
        let refused = REFUSED.get_or_init(|| {
            let shell = Shell::unasked("exit 0").ok()?;
            let error = Container::create(&shell.config, Io::default()).err()?.to_string();
            (!is_root() && error.starts_with("make namespaces")).then_some(error)
        });
        match refused {
            Some(reason) => Err(ignored(reason)),
            None => Shell::unasked(script),
        }
    }

    fn unasked(script: &str) -> Result<Shell, Stop> {
        let rootfs = Rootfs::new()?;
        let mut config = Config::new(rootfs.path());
        if !is_root() {
            config = config.rootless();
        }
        let binds = rootfs.binds().iter().map(|path| mount("", path, path, &["rbind", "ro"]));
        config.mounts.extend(binds);
        config.hostname = Some("box".to_owned());
        config.process.args = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        Ok(Shell { config, rootfs })
    }

    /// The same with other arguments.
    pub(crate) fn program(args: &[&str]) -> Result<Shell, Stop> {
        let mut shell = Shell::new("")?;
        shell.config.process.args = args.iter().map(|&arg| arg.to_owned()).collect();
        Ok(shell)
    }

    /// Leaves the rootfs' own /dev to the container.
    pub(crate) fn without_dev(mut self) -> Shell {
        self.config.mounts.retain(|mount| !mount.destination.starts_with("/dev"));
        self
    }

    /// Runs it to its end: what it printed on both streams, and how it ended.
    pub(crate) fn run(&self) -> Result<(String, ExitStatus), Stop> {
        let (io, mut output) = captured()?;
        let mut container = Container::run(&self.config, io)?;
        let mut text = String::new();
        output.read_to_string(&mut text)?;
        Ok((text, container.wait()?))
    }

    /// What it printed; it must have succeeded.
    pub(crate) fn says(&self) -> Result<String, Stop> {
        let (text, status) = self.run()?;
        assert!(status.success(), "{status}: {text}");
        Ok(text)
    }
}

/// Streams of which the output can be read until the last writer is gone.
pub(crate) fn captured() -> Result<(Io, std::io::PipeReader), Stop> {
    let (reader, writer) = pipe()?;
    let mut io = Io::default();
    io.stdin = Stdio::Null;
    io.stderr = writer.try_clone()?.into();
    io.stdout = writer.into();
    Ok((io, reader))
}
