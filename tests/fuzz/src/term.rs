//! Window sizes, the one thing that term decodes.

use term::Winsize;

use crate::Target;

pub(crate) fn targets() -> Vec<Target> {
    vec![Target {
        name: "term-winsize",
        feeds: "a struct winsize: to a Winsize and back",
        run: Some(winsize),
        seeds: || vec![[24_u16, 80, 640, 480].iter().flat_map(|number| number.to_ne_bytes()).collect()],
    }]
}

fn winsize(bytes: &[u8]) {
    let mut numbers = bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]));
    let mut next = || numbers.next().unwrap_or_default();
    let size = libc::winsize { ws_row: next(), ws_col: next(), ws_xpixel: next(), ws_ypixel: next() };
    let ours = Winsize::from(size);
    assert_eq!((ours.rows, ours.columns), (size.ws_row, size.ws_col));
    assert_eq!(Winsize::from(libc::winsize::from(ours)), ours);
}
