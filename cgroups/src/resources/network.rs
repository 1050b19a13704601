//! Marks and priorities of network traffic.

use super::rdma::word;
use crate::Result;

/// Marks and priorities of the traffic that processes send. cgroup v1 only: on v2 filters look at the cgroup itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Network {
    /// The mark of net_cls, by which filters know the traffic: the major number of a class in the upper 16 bits, the
    /// minor in the lower.
    #[doc(alias = "classID")]
    pub class_id: Option<u32>,
    /// The priority on single interfaces.
    pub priorities: Vec<InterfacePriority>,
}

/// The priority of what goes out by one interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct InterfacePriority {
    /// The interface, in the caller's network namespace.
    pub name: String,
    /// The priority.
    pub priority: u32,
}

impl InterfacePriority {
    /// A priority on the interface of this name.
    pub fn new(name: impl Into<String>, priority: u32) -> InterfacePriority {
        InterfacePriority { name: name.into(), priority }
    }
}

impl Network {
    pub(super) fn check(&self) -> Result<()> {
        self.priorities.iter().try_for_each(|one| word("network.priorities", &one.name, "network interface"))
    }
}
