//! Whether everything is stopped, and who asked for it.

use std::time::Duration;

use crate::Result;
use crate::stats::files::Files;

/// Whether everything is stopped, and who asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct FreezerStats {
    /// All processes here have stopped.
    pub frozen: bool,
    /// This cgroup itself was asked to.
    #[doc(alias = "SelfState")]
    pub self_freezing: bool,
    /// A cgroup above was asked to. Only v1 tells.
    #[doc(alias = "ParentState")]
    pub parent_freezing: Option<bool>,
    /// How long it was frozen so far (v2: Linux 6.18).
    pub frozen_time: Option<Duration>,
}

pub(crate) fn read(files: &mut Files, into: &mut Option<FreezerStats>) -> Result<()> {
    *into = None;
    *into = if let Some(mut v1) = files.v1("freezer") {
        // The root has no such files.
        let Some(state) = v1.text("freezer.state")? else { return Ok(()) };
        let frozen = state.content.trim_ascii() == "FROZEN";
        let self_freezing = v1.number("freezer.self_freezing")? == Some(1);
        let parent_freezing = v1.number("freezer.parent_freezing")?.map(|figure| figure == 1);
        Some(FreezerStats { frozen, self_freezing, parent_freezing, frozen_time: None })
    } else if let Some(mut v2) = files.v2() {
        let Some(asked) = v2.number("cgroup.freeze")? else { return Ok(()) };
        let (mut frozen, mut frozen_time) = (false, None);
        if let Some(text) = v2.text("cgroup.events")? {
            text.pairs(|key, value| frozen |= key == "frozen" && value == 1)?;
        }
        if let Some(text) = v2.text("cgroup.stat.local")? {
            text.pairs(|key, value| {
                if key == "frozen_usec" {
                    frozen_time = Some(Duration::from_micros(value));
                }
            })?;
        }
        Some(FreezerStats { frozen, self_freezing: asked == 1, parent_freezing: None, frozen_time })
    } else {
        None
    };
    Ok(())
}
