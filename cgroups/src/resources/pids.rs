//! The number of processes and threads.

use super::{invalid, signed};
use crate::Result;

/// As many as there can be processes, on the largest machines.
const MOST: i64 = 4_194_304;

/// The number of processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Pids {
    /// How many there may be; -1 for no limit. Here 0 is a limit: nothing inside can fork. At most 4194304.
    pub limit: Option<i64>,
}

impl Pids {
    pub(super) fn check(&self) -> Result<()> {
        signed("pids.limit", self.limit)?;
        match self.limit {
            Some(limit) if limit > MOST => {
                Err(invalid("pids.limit", limit, format!("the most that the kernel takes is {MOST}")))
            }
            _ => Ok(()),
        }
    }
}
