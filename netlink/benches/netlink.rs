//! Finding a link and listing them, against the bare system calls: `cargo bench -p netlink`.

use std::os::fd::AsRawFd;

use divan::{Bencher, black_box};
use netlink::Handle;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{MsgFlags, recv, send};

fn main() {
    divan::main();
}

/// `RTM_GETLINK` of link 1 without statistics, or of all links.
fn request(index: u32, flags: u16) -> Vec<u8> {
    let mut bytes = 40_u32.to_ne_bytes().to_vec();
    bytes.extend([18_u16.to_ne_bytes(), flags.to_ne_bytes()].concat());
    bytes.extend([0; 12]);
    bytes.extend(index.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([8_u16.to_ne_bytes(), 29_u16.to_ne_bytes()].concat());
    bytes.extend(8_u32.to_ne_bytes());
    bytes
}

fn bare() -> Socket {
    let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.bind(&SocketAddr::new(0, 0)).unwrap();
    socket
}

#[divan::bench]
fn find_link(bencher: Bencher) {
    let mut handle = Handle::open().unwrap();
    bencher.bench_local(|| handle.link(1).unwrap());
}

#[divan::bench]
fn find_link_bare(bencher: Bencher) {
    let (socket, request, mut buffer) = (bare(), request(1, 1), vec![0; 32768]);
    bencher.bench_local(|| {
        send(socket.as_raw_fd(), black_box(&request), MsgFlags::empty()).unwrap();
        recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap()
    });
}

#[divan::bench]
fn list_links(bencher: Bencher) {
    let mut handle = Handle::open().unwrap();
    bencher.bench_local(|| handle.links().unwrap());
}

#[divan::bench]
fn list_links_bare(bencher: Bencher) {
    let (socket, request, mut buffer) = (bare(), request(0, 0x301), vec![0; 32768]);
    bencher.bench_local(|| {
        send(socket.as_raw_fd(), black_box(&request), MsgFlags::empty()).unwrap();
        // The last datagram is the end (3) alone, or ends with it.
        while {
            let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
            buffer[4] != 3 && buffer[length - 16] != 3
        } {}
    });
}
