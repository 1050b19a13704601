//! What a link sent and received.

use crate::wire::u64_at;

/// What a link sent and received since it was made (`struct rtnl_link_stats64`).
///
/// What its driver doesn't count is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Packets received without an error.
    pub rx_packets: u64,
    /// Packets sent without an error.
    pub tx_packets: u64,
    /// Bytes received without an error.
    pub rx_bytes: u64,
    /// Bytes sent without an error.
    pub tx_bytes: u64,
    /// Packets received with an error.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets received and dropped, for want of room for instance.
    pub rx_dropped: u64,
    /// Packets dropped instead of being sent.
    pub tx_dropped: u64,
    /// Packets to a group received.
    pub multicast: u64,
    /// Packets that collided while they were sent.
    pub collisions: u64,
    /// Packets received of a wrong length.
    pub rx_length_errors: u64,
    /// Packets that the device had no room for.
    pub rx_over_errors: u64,
    /// Packets received with a wrong checksum.
    pub rx_crc_errors: u64,
    /// Packets received that didn't end at a byte.
    pub rx_frame_errors: u64,
    /// Packets that the device lost before the host took them.
    pub rx_fifo_errors: u64,
    /// Packets that the host took too late.
    pub rx_missed_errors: u64,
    /// Packets given up by the device.
    pub tx_aborted_errors: u64,
    /// Packets not sent because nothing was connected.
    pub tx_carrier_errors: u64,
    /// Packets that the device lost before they were sent.
    pub tx_fifo_errors: u64,
    /// Failures of the device's heartbeat.
    pub tx_heartbeat_errors: u64,
    /// Packets that collided too late.
    pub tx_window_errors: u64,
    /// Compressed packets received.
    pub rx_compressed: u64,
    /// Compressed packets sent.
    pub tx_compressed: u64,
    /// Packets received that nobody wanted.
    pub rx_nohandler: u64,
    /// Packets received for another host (Linux 6.0).
    pub rx_otherhost_dropped: u64,
}

impl LinkStats {
    /// Reads them; what an older kernel doesn't tell is 0.
    pub(crate) fn read(bytes: &[u8]) -> LinkStats {
        let at = |place: usize| u64_at(bytes, place * 8).unwrap_or_default();
        LinkStats {
            rx_packets: at(0),
            tx_packets: at(1),
            rx_bytes: at(2),
            tx_bytes: at(3),
            rx_errors: at(4),
            tx_errors: at(5),
            rx_dropped: at(6),
            tx_dropped: at(7),
            multicast: at(8),
            collisions: at(9),
            rx_length_errors: at(10),
            rx_over_errors: at(11),
            rx_crc_errors: at(12),
            rx_frame_errors: at(13),
            rx_fifo_errors: at(14),
            rx_missed_errors: at(15),
            tx_aborted_errors: at(16),
            tx_carrier_errors: at(17),
            tx_fifo_errors: at(18),
            tx_heartbeat_errors: at(19),
            tx_window_errors: at(20),
            rx_compressed: at(21),
            tx_compressed: at(22),
            rx_nohandler: at(23),
            rx_otherhost_dropped: at(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernels_figures_are_read_as_far_as_they_go() {
        let bytes: Vec<u8> = (1..=24_u64).flat_map(u64::to_ne_bytes).collect();
        let stats = LinkStats::read(&bytes);
        assert_eq!((stats.rx_packets, stats.tx_bytes, stats.rx_nohandler), (1, 4, 24));
        assert_eq!(stats.rx_otherhost_dropped, 0);
        assert_eq!(LinkStats::read(&bytes[..7]), LinkStats::default());
    }
}
