//! Programs to read and to run: `cargo run --example NAME`.
//!
//! | Name | What it shows |
//! |---|---|
//! | `container` | a shell command in a new container, with network, limits and a root filesystem |
//! | `limits` | a command under limits, and what it used |
//! | `bridge` | a network bridge with an address |
//! | `graph` | names for entities in a small database |
//! | `bind_mount` | a file mounted on another, read-only |
//! | `findmnt` | the tree of mounts, with those that are hidden |

mod rootfs;

pub use rootfs::HostRootfs;
