//! The door for `unsafe`: what neither the standard library nor nix offers.
#![allow(unsafe_code)]
