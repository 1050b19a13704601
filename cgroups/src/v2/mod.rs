//! The controllers of cgroup v2, one file each, and what its core does: freeze, kill, hand controllers down.

pub(crate) mod core;
pub(crate) mod cpu;
pub(crate) mod cpuset;
pub(crate) mod devices;
pub(crate) mod hugetlb;
pub(crate) mod io;
pub(crate) mod memory;
pub(crate) mod misc;
pub(crate) mod rdma;
// The same files with the same meaning as on v1.
pub(crate) use crate::v1::pids;
