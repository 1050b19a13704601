//! OCI bundles: the [runtime specification]'s files, read and written.
//!
//! A bundle is a directory with a `config.json` and a root filesystem. What the file asks for becomes a
//! [`Config`]; nothing else of this crate knows the format.
//!
//! ```no_run
//! # fn main() -> libcontainer::Result<()> {
//! use libcontainer::{Container, Io, oci};
//!
//! let bundle = oci::load("/srv/bundle")?;
//! let status = Container::run(&bundle.config("web")?, Io::default())?.wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! Versions 1.0 to 1.3 are read, for Linux. Fields that the specification doesn't know are ignored, as it
//! asks for. Fields that it knows and this crate doesn't do (`vm`, for virtual machines) are an
//! error that names them: a container never runs with less protection than its bundle asks for.
//!
//! [runtime specification]: https://github.com/opencontainers/runtime-spec/blob/main/config.md

mod config;
mod example;
mod hooks;
mod seccomp;
mod serving;
mod spec;
mod state;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::config::{Config, Process, Seccomp};
use crate::error::{Error, ErrorKind, Result};
use spec::Spec;

pub use example::default_spec;
pub use state::{State, timestamp};

/// The newest version of the specification that is read here.
pub const VERSION: &str = "1.3.0";

/// The file of a bundle that says what the container is.
pub const CONFIG: &str = "config.json";

/// A `config.json` is never larger than this, in bytes.
const LIMIT: u64 = 16 << 20;

/// A bundle: a directory, and what its `config.json` asks for.
#[derive(Clone, Debug)]
pub struct Bundle {
    path: PathBuf,
    spec: Spec,
}

/// Reads the bundle in a directory.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) where there is no directory or no `config.json`,
/// [`InvalidConfig`](ErrorKind::InvalidConfig) with line and column where it isn't what the specification
/// says.
pub fn load(bundle: impl AsRef<Path>) -> Result<Bundle> {
    let bundle = bundle.as_ref();
    let path = bundle
        .canonicalize()
        .map_err(|error| Error::io(format_args!("open bundle {bundle:?}"), &error).at(bundle))?;
    let file = path.join(CONFIG);
    let json = read(&file).map_err(|error| Error::io(format_args!("read {file:?}"), &error).at(&file))?;
    Bundle::of(path, &json)
        .map_err(|error| Error::new(error.kind(), format_args!("{file:?}: {error}")).at(&file))
}

/// Reads a process from its JSON text, as `config.json` has it under `process`.
///
/// # Errors
///
/// [`InvalidConfig`](ErrorKind::InvalidConfig) with line and column,
/// [`Unsupported`](ErrorKind::Unsupported) with everything that this crate doesn't do.
pub fn process(json: &[u8]) -> Result<Process> {
    let process: spec::Process = parse(json)?;
    config::process(&process)
}

/// Reads a profile of system calls from its JSON text, as `config.json` has it under `linux.seccomp`.
///
/// ```
/// # fn main() -> libcontainer::Result<()> {
/// use libcontainer::{oci, seccomp::Filter};
///
/// let json = br#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
///     {"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}"#;
/// let filter = Filter::compile(&oci::seccomp(json)?)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`InvalidConfig`](ErrorKind::InvalidConfig) with the name of the field that is wrong, or line and column
/// where it isn't JSON.
pub fn seccomp(json: &[u8]) -> Result<Seccomp> {
    seccomp::seccomp(&parse(json)?)
}

impl Bundle {
    /// Reads a bundle from the text of its `config.json`; `path` is the absolute path of its directory.
    ///
    /// # Errors
    ///
    /// As [`load`].
    pub fn parse(path: impl AsRef<Path>, json: &[u8]) -> Result<Bundle> {
        Bundle::of(path.as_ref().to_owned(), json)
    }

    fn of(path: PathBuf, json: &[u8]) -> Result<Bundle> {
        let spec: Spec = parse(json)?;
        check_version(&spec.oci_version)?;
        Ok(Bundle { path, spec })
    }

    /// Returns its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the version of the specification that it was written for.
    pub fn version(&self) -> &str {
        &self.spec.oci_version
    }

    /// Returns what its makers noted for those who know what it means.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.spec.annotations
    }

    /// Returns the container that it asks for. One that names no control group gets `/ID`.
    ///
    /// A new network namespace has its loopback interface up. Ambient capabilities that aren't inheritable
    /// too are left out, for the kernel gives none; names of capabilities that nobody knows are too.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) for a virtual machine's bundle (`vm`),
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for values that mean nothing, with the name of their field.
    pub fn config(&self, id: &str) -> Result<Config> {
        config::container(&self.spec, &self.path, id)
    }
}

/// Reads a file that must be small and of the plain kind: a FIFO would keep us waiting.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::other(format!("is larger than {LIMIT} bytes")));
    }
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(invalid)
}

fn check_version(version: &str) -> Result<()> {
    let mut parts = version.split(['-', '+']).next().unwrap_or_default().split('.');
    let numbers: Vec<_> = parts.by_ref().map(str::parse::<u32>).collect();
    match numbers.as_slice() {
        [Ok(1), Ok(_), Ok(_)] => Ok(()),
        _ => Err(invalid(format_args!("ociVersion {version:?}: is not of version 1, as \"{VERSION}\""))),
    }
}

/// What is written is not what the specification says.
fn invalid(why: impl Display) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
}

#[cfg(test)]
mod tests;
