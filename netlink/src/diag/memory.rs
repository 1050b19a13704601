//! What memory a socket takes.

use crate::wire::u32_at;

/// What memory a socket takes, in bytes (`INET_DIAG_SKMEMINFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketMemory {
    /// For what was received.
    pub receive_allocated: u32,
    /// The most that may be (`SO_RCVBUF`).
    pub receive_buffer: u32,
    /// For what is being sent.
    pub send_allocated: u32,
    /// The most that may be (`SO_SNDBUF`).
    pub send_buffer: u32,
    /// Taken ahead.
    pub forward_allocated: u32,
    /// For what is to be sent.
    pub send_queued: u32,
    /// For its options.
    pub options: u32,
    /// For what came while a program held it.
    pub backlog: u32,
    /// How many packets were dropped.
    pub drops: u32,
}

impl SocketMemory {
    pub(super) fn read(bytes: &[u8]) -> SocketMemory {
        let at = |place: usize| u32_at(bytes, place * 4).unwrap_or_default();
        SocketMemory {
            receive_allocated: at(0),
            receive_buffer: at(1),
            send_allocated: at(2),
            send_buffer: at(3),
            forward_allocated: at(4),
            send_queued: at(5),
            options: at(6),
            backlog: at(7),
            drops: at(8),
        }
    }
}
