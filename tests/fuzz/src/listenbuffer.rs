//! Protocols and addresses.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;

use listenbuffer::{ListenBuffer, listen};

use crate::Target;
use crate::laws::{one_line, part};
use crate::scratch::Scratch;

pub(crate) fn targets() -> Vec<Target> {
    vec![Target {
        name: "listenbuffer-address",
        feeds: "a protocol, NUL, an address: a path leads nowhere else, and nothing is left behind",
        run: Some(address),
        seeds: || {
            [
                "tcp\x00127.0.0.1:0",
                "udp\0[::1]:0",
                "unix\0socket",
                "unix\0@abstract",
                "path\0a\u{fc}",
                "x\0y",
                "unix\0",
            ]
            .map(|text| text.as_bytes().to_vec())
            .to_vec()
        },
    }]
}

fn address(mut bytes: &[u8]) {
    let proto = part(&mut bytes);
    match proto {
        b"unix" | b"path" => unix(bytes),
        b"tcp" | b"udp" => inet(proto == b"tcp", bytes),
        _ => {
            let (proto, address) = (String::from_utf8_lossy(proto), String::from_utf8_lossy(bytes));
            one_line(listen(&proto, &address).expect_err("an unknown protocol"));
        }
    }
}

/// Only the own host and no fixed port: names would be looked up elsewhere, and ports may be taken.
fn inet(tcp: bool, bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() && address.port() == 0 => {}
        // No colon, no name to look up.
        Err(_) if !text.contains(':') => {}
        _ => return,
    }
    match listen(if tcp { "tcp" } else { "udp" }, text) {
        Ok((listener, _)) => listener.close(),
        Err(error) => one_line(error),
    }
}

fn unix(bytes: &[u8]) {
    let abstract_name = bytes.starts_with(b"@");
    // Those with more than one component would be somebody else's folders.
    if !abstract_name && bytes.contains(&b'/') {
        return;
    }
    let scratch = Scratch::new();
    let name = OsStr::from_bytes(bytes);
    let path = if abstract_name { name.into() } else { scratch.path().join(name) };
    match ListenBuffer::unix(&path) {
        Ok((listener, _)) => {
            let there = fs::read_dir(scratch.path()).expect("it is ours").count();
            assert_eq!(there, usize::from(!abstract_name), "the socket is elsewhere");
            drop(listener);
        }
        Err(error) => one_line(error),
    }
    let left = fs::read_dir(scratch.path()).expect("it is ours").count();
    assert_eq!(left, 0, "a file is left behind");
}
