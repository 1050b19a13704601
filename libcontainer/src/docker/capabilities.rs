//! Capabilities: kept, or all but those that are dropped.

use super::json::{Document, Mask};
use super::{Dialect, invalid};
use crate::config::{Capabilities, CapabilitySet};
use crate::error::Result;

/// Those that there were in 2014: CAP_CHOWN to CAP_BLOCK_SUSPEND. A list of what to drop could only name
/// these, so it gives no other.
const OF_2014: CapabilitySet = CapabilitySet::from_bits((1 << 37) - 1);

/// Returns the capabilities of the process.
pub(super) fn capabilities(dialect: Dialect, file: &Document) -> Result<Capabilities> {
    let named = file.capabilities.iter().flatten().map(String::as_str);
    let set = match (dialect, &file.capabilities_mask) {
        (Dialect::V1, _) => set("capabilities", named)?,
        (_, Some(mask)) => without(set("capabilities_mask", dropped(mask))?),
        (_, None) => without(set("capabilities", named)?),
    };
    Ok(Capabilities::of(set))
}

fn dropped(mask: &Mask) -> impl Iterator<Item = &str> {
    mask.entries().into_iter().filter(|(_, enabled)| !enabled).map(|(key, _)| key)
}

fn without(dropped: CapabilitySet) -> CapabilitySet {
    CapabilitySet::from_bits(OF_2014.bits() & !dropped.bits())
}

fn set<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Result<CapabilitySet> {
    names.map(|name| name.parse().map_err(|error| invalid(format_args!("{key}: {error}")))).collect()
}
