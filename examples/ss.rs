//! The TCP and UDP sockets of a network namespace: `cargo run --example ss [PID]`.
//!
//! Without an argument those of this program's namespace, with a number those of another process's. It needs no
//! privilege, and rights over the other process's namespace for that.

use std::{env, error, process};

use netlink::Netns;
use netlink::diag::{Diag, InetFilter};

fn main() -> process::ExitCode {
    match run() {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ss: {error}");
            process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn error::Error>> {
    let mut diag = match env::args().nth(1) {
        None => Diag::open()?,
        Some(pid) => {
            let pid = pid.parse().map_err(|_| format!("{pid:?} is no process"))?;
            Diag::open_in(&Netns::of_pid(pid)?)?
        }
    };
    println!(
        "{:5} {:12} {:>8} {:>8} {:32} {:32} {:>6}",
        "NETID", "STATE", "RECV-Q", "SEND-Q", "LOCAL", "PEER", "UID"
    );
    for (name, filter) in [("tcp", InetFilter::tcp()), ("udp", InetFilter::udp())] {
        for socket in diag.list_inet(&filter)? {
            let state = socket.state.to_string();
            println!(
                "{name:5} {state:12} {:>8} {:>8} {:32} {:32} {:>6}",
                socket.receive_queue,
                socket.send_queue,
                socket.local.to_string(),
                socket.remote.to_string(),
                socket.uid
            );
        }
    }
    Ok(())
}
