//! Where the buses are: addresses as D-Bus writes them.

use std::env;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A socket on which a bus, or a manager itself, listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) socket: Socket,
    /// Whether a manager listens there itself, with no bus between.
    pub(super) private: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Socket {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// Where the system's manager can be reached, the best first.
pub(super) fn system() -> Vec<Address> {
    let mut found = listed("DBUS_SYSTEM_BUS_ADDRESS");
    found.extend(
        ["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"].map(|path| bus(path.into())),
    );
    found.push(private("/run/systemd/private".into()));
    found
}

/// Where the calling user's manager can be reached.
///
/// A session's bus is not always the one that the manager is on, so all are tried.
pub(super) fn user() -> Vec<Address> {
    let uid = nix::unistd::geteuid();
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|path| Path::new(path).is_absolute());
    let runtime = runtime.map_or_else(|| PathBuf::from(format!("/run/user/{uid}")), PathBuf::from);
    let mut found = listed("DBUS_SESSION_BUS_ADDRESS");
    found.push(bus(runtime.join("bus")));
    found.push(private(runtime.join("systemd/private")));
    found
}

fn bus(path: PathBuf) -> Address {
    Address { socket: Socket::Path(path), private: false }
}

fn private(path: PathBuf) -> Address {
    Address { socket: Socket::Path(path), private: true }
}

fn listed(variable: &str) -> Vec<Address> {
    let text = env::var(variable).unwrap_or_default();
    parse(&text).into_iter().map(|socket| Address { socket, private: false }).collect()
}

/// Reads a list of addresses; those that are no Unix sockets are passed over.
pub(super) fn parse(text: &str) -> Vec<Socket> {
    text.split(';').filter_map(one).collect()
}

fn one(address: &str) -> Option<Socket> {
    let pairs = address.strip_prefix("unix:")?;
    let get =
        |key: &str| pairs.split(',').find_map(|pair| unescaped(pair.strip_prefix(key)?.strip_prefix('=')?));
    if let Some(path) = get("path").filter(|path| !path.is_empty()) {
        return Some(Socket::Path(std::ffi::OsString::from_vec(path).into()));
    }
    get("abstract").filter(|name| !name.is_empty()).map(Socket::Abstract)
}

/// Undoes `%2f`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = &rest[2..];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_addresses_are_read_and_others_passed_over() {
        let path = |path: &str| Socket::Path(path.into());
        assert_eq!(parse("unix:path=/run/user/1000/bus"), [path("/run/user/1000/bus")]);
        assert_eq!(
            parse("tcp:host=x,port=1;unix:guid=0f,path=/a%20b;unix:abstract=/tmp/dbus-x,guid=1"),
            [path("/a b"), Socket::Abstract(b"/tmp/dbus-x".to_vec())]
        );
        for nothing in
            ["", "unix:", "unix:path=", "unix:path=%2", "unix:path=%zz", "autolaunch:", ";;", "unix:path=%é"]
        {
            assert!(parse(nothing).is_empty(), "{nothing}");
        }
    }
}
