//! Runs programs and tests on a chosen ground.

mod fuzz;
mod guest;

fn main() {}
