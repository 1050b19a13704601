//! A round of raw mode and a look at the window's size, against the bare calls.

use std::os::fd::AsRawFd;

use divan::Bencher;
use term::{Pty, RawMode, Winsize};
use termios::{TCSANOW, Termios, tcsetattr};

fn main() {
    divan::main();
}

fn pty() -> Pty {
    Pty::open(Some(&Winsize::new(24, 80))).expect("a pseudoterminal")
}

#[divan::bench]
fn raw_mode_entered_and_left(bencher: Bencher) {
    let pty = pty();
    bencher.bench_local(|| RawMode::enter(&pty.terminal).and_then(RawMode::close).expect("a terminal"));
}

#[divan::bench]
fn raw_mode_bare(bencher: Bencher) {
    let pty = pty();
    let fd = pty.terminal.as_raw_fd();
    bencher.bench_local(|| {
        let before = Termios::from_fd(fd).expect("a terminal");
        let mut raw = before;
        termios::cfmakeraw(&mut raw);
        tcsetattr(fd, TCSANOW, &raw).expect("a terminal");
        tcsetattr(fd, TCSANOW, &before).expect("a terminal");
    });
}

#[divan::bench]
fn winsize(bencher: Bencher) {
    let pty = pty();
    bencher.bench_local(|| term::winsize(&pty.terminal).expect("a terminal"));
}
