//! The door of `tests/fuzz` to what systemd and the environment say. Compiled for it only.

use super::Value;
use super::address::{self, Socket};
use super::{bitmask, wire};

/// The bits of a list of processors, eight a byte, the lowest first.
pub fn bits(list: &str) -> Result<Vec<u8>, String> {
    bitmask::of(list)
}

/// The sockets in a list of addresses: the names, and whether they are abstract.
pub fn addresses(text: &str) -> Vec<(Vec<u8>, bool)> {
    use std::os::unix::ffi::OsStringExt;

    let bytes = |socket| match socket {
        Socket::Path(path) => (path.into_os_string().into_vec(), false),
        Socket::Abstract(name) => (name, true),
    };
    address::parse(text).into_iter().map(bytes).collect()
}

/// The length that a message's first bytes tell.
pub fn length(bytes: &[u8]) -> Option<Result<usize, String>> {
    let fixed = bytes.first_chunk::<{ wire::FIXED }>()?;
    Some(wire::length(fixed))
}

/// The arguments of a whole message.
pub fn arguments(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let message = wire::decode(bytes)?;
    drop(message.text());
    Ok(message.arguments)
}

/// A call with these arguments, as it is sent.
pub fn call(arguments: Vec<Value>) -> Option<Vec<u8>> {
    let call = wire::Call { destination: "a.b", path: "/p", interface: "i.f", member: "M", arguments };
    wire::encode(&call, 1, true).ok()
}
