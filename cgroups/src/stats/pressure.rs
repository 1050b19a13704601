//! How long processes had to wait.

use crate::stats::files::Files;
use crate::{Pressure, PressureResource, Result};

/// How long processes had to wait for each resource, from the `*.pressure` files of v2.
///
/// No controller is needed. See [`Pressure`] for what the figures mean, and
/// [`Cgroup::pressure_trigger`](crate::Cgroup::pressure_trigger) to be told when they rise.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
#[doc(alias = "PSI")]
pub struct PressureStats {
    /// For a processor.
    pub cpu: Option<Pressure>,
    /// For memory.
    pub memory: Option<Pressure>,
    /// For reads and writes of devices.
    pub io: Option<Pressure>,
    /// For interrupts to be over (Linux 6.1).
    pub irq: Option<Pressure>,
}

pub(crate) fn read(files: &mut Files, into: &mut Option<PressureStats>) -> Result<()> {
    let before = into.take();
    let Some(mut files) = files.v2() else { return Ok(()) };
    // Since Linux 6.1 it is a switch, which takes the other files away and brings them back.
    match files.number("cgroup.pressure")? {
        Some(0) => return Ok(()),
        Some(_) if before.is_none() => files.look_again(),
        _ => {}
    }
    let mut stats = PressureStats::default();
    let places = [
        (PressureResource::Cpu, &mut stats.cpu),
        (PressureResource::Memory, &mut stats.memory),
        (PressureResource::Io, &mut stats.io),
        (PressureResource::Irq, &mut stats.irq),
    ];
    for (resource, place) in places {
        if let Some(text) = files.text(resource.file())? {
            *place = Some(Pressure::of_lines(text.content).map_err(|what| text.malformed(what))?);
        }
    }
    *into = Some(stats).filter(|stats| *stats != PressureStats::default());
    Ok(())
}
