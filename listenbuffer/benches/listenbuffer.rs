//! Accepting a queued client, against the standard library.

use std::net::{SocketAddr, TcpListener, TcpStream};

use divan::Bencher;
use listenbuffer::ListenBuffer;

fn main() {
    divan::main();
}

fn client(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).expect("it listens")
}

#[divan::bench]
fn accept(bencher: Bencher) {
    let (listener, activator) = ListenBuffer::tcp("127.0.0.1:0").expect("a port");
    activator.activate();
    let address = listener.local_addr().expect("bound");
    bencher.with_inputs(|| client(address)).bench_local_refs(|_| listener.accept().expect("a client"));
}

#[divan::bench]
fn accept_bare(bencher: Bencher) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    bencher.with_inputs(|| client(address)).bench_local_refs(|_| listener.accept().expect("a client"));
}
