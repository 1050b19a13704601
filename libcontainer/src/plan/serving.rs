//! How the kernel serves the process: turns, reads and writes, memory, processors.

use super::builder::Builder;
use crate::config::scheduling::mask;
use crate::config::{Config, Process};
use crate::program::Op;

/// What counts for all processes of a new container.
pub(super) fn container(builder: &mut Builder, config: &Config) {
    if let Some(personality) = config.personality {
        builder.step(format!("set personality {personality:?}"));
        builder.op(Op::Personality { persona: personality.number() });
    }
    if let Some(policy) = &config.memory_policy {
        let nodes = mask(&policy.nodes).unwrap_or_default();
        builder.step(format!("set memory policy {}", policy.words()));
        builder.op(Op::MemoryPolicy { mode: policy.number(), nodes: &nodes });
    }
}

/// What counts for one process. It takes rights that the process may not have later.
pub(super) fn process(builder: &mut Builder, process: &Process) {
    if let Some(scheduler) = &process.scheduler {
        builder.step(format!("set scheduler {scheduler}"));
        builder.op(Op::Scheduler { attributes: &scheduler.attributes() });
    }
    if let Some(priority) = process.io_priority {
        builder.step(format!("set I/O priority {} {}", priority.class.name(), priority.priority));
        builder.op(Op::IoPriority { priority: priority.number() });
    }
}

/// Says on which processors it runs from here on.
pub(super) fn processors(builder: &mut Builder, list: Option<&String>) {
    if let Some((list, mask)) = list.and_then(|list| Some((list, mask(list)?))) {
        builder.step(format!("run on processors {list}")).op(Op::CpuAffinity { mask: &mask });
    }
}
