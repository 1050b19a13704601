//! Shares of caches and memory bandwidth.

use serde::{Deserialize, Serialize};

/// A share of the processors' caches and memory bandwidth, and what is measured of it: a group of the [resctrl]
/// filesystem, which must be mounted. OCI's [`linux.intelRdt`].
///
/// [resctrl]: https://docs.kernel.org/filesystems/resctrl.html
/// [`linux.intelRdt`]: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#intelrdt
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct IntelRdt {
    /// The name of the group; `/` is the default one of the whole machine. Unless said, a group by the container's
    /// name is made, and removed with it; one that is named stays.
    pub clos_id: Option<String>,
    /// The share of the cache, as a line of the group's `schemata`: `L3:0=f;1=f`. A group that exists must have it.
    pub l3_cache_schema: Option<String>,
    /// The share of the bandwidth, as such a line: `MB:0=20;1=70`.
    pub mem_bw_schema: Option<String>,
    /// Lines of the group's `schemata`, written as they are, after the others.
    pub schemata: Vec<String>,
    /// Whether what the container uses is measured by a group of its own, made and removed with it.
    pub enable_monitoring: bool,
}

impl IntelRdt {
    /// Returns the lines for the group's `schemata`.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let both = [&self.l3_cache_schema, &self.mem_bw_schema];
        let all = both.into_iter().flatten().chain(&self.schemata);
        all.map(String::as_str).collect()
    }
}
