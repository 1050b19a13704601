//! Which processors and memory nodes.

/// Which processors and memory nodes may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Cpuset {
    /// Processors, as `0-3,7`. On v2 those that a parent doesn't have are passed over, which is reported; it is an
    /// error if none is left.
    pub cpus: Option<String>,
    /// Memory nodes, as `0,1`.
    pub mems: Option<String>,
}
