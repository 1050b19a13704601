//! What TCP measured: `struct tcp_info`, which grew with every few kernels.

use crate::wire::{u32_at, u64_at};

macro_rules! tcp_info {
    ($($(#[$doc:meta])* $field:ident: $type:ident = $read:ident($at:literal),)+) => {
        /// What TCP measured of a connection ([`tcp(7)`], `TCP_INFO`). What the kernel doesn't have is zero.
        ///
        /// [`tcp(7)`]: https://man7.org/linux/man-pages/man7/tcp.7.html
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TcpInfo {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl TcpInfo {
            /// Reads as much as there is.
            pub(super) fn read(bytes: &[u8]) -> TcpInfo {
                TcpInfo { $($field: $read(bytes, $at).unwrap_or_default(),)+ }
            }
        }
    };
}

fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

tcp_info! {
    /// The state of its congestion avoidance: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    congestion_state: u8 = u8_at(1),
    /// How often the same was sent again without an answer.
    retransmits: u8 = u8_at(2),
    /// How many probes had no answer.
    probes: u8 = u8_at(3),
    /// By how many powers of two the time to wait is longer.
    backoff: u8 = u8_at(4),
    /// What both ends agreed on: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN.
    options: u8 = u8_at(5),
    /// The time after which the same is sent again, in microseconds.
    rto: u32 = u32_at(8),
    /// The time for which an acknowledgement is held back, in microseconds.
    ato: u32 = u32_at(12),
    /// The longest segment to send, in bytes.
    send_mss: u32 = u32_at(16),
    /// The longest segment to receive, in bytes.
    receive_mss: u32 = u32_at(20),
    /// How many segments were not acknowledged; of a listening socket, how many connections wait to be accepted.
    unacked: u32 = u32_at(24),
    /// How many of them the other end has, with gaps; of a listening socket, how many connections may wait.
    sacked: u32 = u32_at(28),
    /// How many of them count as lost.
    lost: u32 = u32_at(32),
    /// How many of them were sent again.
    retransmitted: u32 = u32_at(36),
    /// How long ago data was sent, in milliseconds.
    last_data_sent: u32 = u32_at(44),
    /// How long ago data was received, in milliseconds.
    last_data_received: u32 = u32_at(52),
    /// How long ago an acknowledgement was received, in milliseconds.
    last_ack_received: u32 = u32_at(56),
    /// The path's MTU, in bytes.
    path_mtu: u32 = u32_at(60),
    /// How long the way there and back takes, in microseconds.
    rtt: u32 = u32_at(68),
    /// By how much that varies, in microseconds.
    rtt_variance: u32 = u32_at(72),
    /// The slow start threshold, in segments.
    send_ssthresh: u32 = u32_at(76),
    /// The congestion window, in segments.
    congestion_window: u32 = u32_at(80),
    /// The longest segment that was advertised, in bytes.
    advertised_mss: u32 = u32_at(84),
    /// How many segments may come in another order before one counts as lost.
    reordering: u32 = u32_at(88),
    /// How long the way takes as the receiver sees it, in microseconds.
    receive_rtt: u32 = u32_at(92),
    /// How much the receiver has room for, in bytes.
    receive_space: u32 = u32_at(96),
    /// How many segments were sent again in all.
    total_retransmits: u32 = u32_at(100),
    /// How fast it sends, in bytes a second.
    pacing_rate: u64 = u64_at(104),
    /// How fast it may send, in bytes a second; the highest number is as fast as it can.
    max_pacing_rate: u64 = u64_at(112),
    /// How many bytes were acknowledged.
    bytes_acked: u64 = u64_at(120),
    /// How many bytes were received.
    bytes_received: u64 = u64_at(128),
    /// How many segments were sent.
    segments_out: u32 = u32_at(136),
    /// How many segments were received.
    segments_in: u32 = u32_at(140),
    /// How many bytes wait to be sent.
    not_sent_bytes: u32 = u32_at(144),
    /// The shortest time there and back, in microseconds.
    min_rtt: u32 = u32_at(148),
    /// How many segments with data were received.
    data_segments_in: u32 = u32_at(152),
    /// How many segments with data were sent.
    data_segments_out: u32 = u32_at(156),
    /// How fast data arrived at last, in bytes a second.
    delivery_rate: u64 = u64_at(160),
    /// For how long there was something to send, in microseconds.
    busy_time: u64 = u64_at(168),
    /// For how long the other end had no room, in microseconds.
    receive_window_limited: u64 = u64_at(176),
    /// For how long the send buffer was too small, in microseconds.
    send_buffer_limited: u64 = u64_at(184),
    /// How many segments were delivered.
    delivered: u32 = u32_at(192),
    /// How many of them met congestion (ECN).
    delivered_ce: u32 = u32_at(196),
    /// How many bytes were sent, those sent again too.
    bytes_sent: u64 = u64_at(200),
    /// How many bytes were sent again.
    bytes_retransmitted: u64 = u64_at(208),
    /// How many segments the other end had twice.
    dsack_duplicates: u32 = u32_at(216),
    /// How often segments came in another order.
    reordering_seen: u32 = u32_at(220),
    /// How many segments were received in another order (Linux 5.4).
    receive_out_of_order: u32 = u32_at(224),
    /// How much the other end has room for, in bytes (Linux 5.4).
    send_window: u32 = u32_at(228),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_does_not_have_is_zero() {
        let mut bytes: Vec<u8> = vec![0; 232];
        bytes[68..72].copy_from_slice(&1500_u32.to_ne_bytes());
        bytes[228..].copy_from_slice(&64_000_u32.to_ne_bytes());
        let whole = TcpInfo::read(&bytes);
        assert_eq!((whole.rtt, whole.send_window), (1500, 64_000));
        let old = TcpInfo::read(&bytes[..104]);
        assert_eq!((old.rtt, old.send_window), (1500, 0));
        assert_eq!(TcpInfo::read(&[]), TcpInfo::default());
    }
}
