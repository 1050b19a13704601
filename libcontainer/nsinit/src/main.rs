//! nsinit
fn main() {}
