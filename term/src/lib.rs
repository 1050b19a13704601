//! Terminal size, raw mode and state, restored when dropped
