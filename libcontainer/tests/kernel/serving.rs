//! How the kernel serves a process: what the configuration says is what the process finds.

use std::fs;
use std::io::Read;

use grounds::{Outcome, Stop, ignored};
use libcontainer::{
    Container, CpuAffinity, ErrorKind, Io, IoClass, IoPriority, MemoryMode, MemoryPolicy, Personality,
    Process, Scheduler, SchedulerFlag, SchedulerPolicy,
};

use crate::shell::{Shell, captured, is_root};

crate::tests!(
    a_scheduler_is_the_programs,
    a_scheduler_of_those_who_join_is_their_own,
    an_impossible_scheduler_is_refused_before_anything_is_made,
    a_refused_scheduler_is_told,
    an_io_priority_is_the_programs,
    a_personality_is_the_programs,
    memory_comes_from_where_it_was_said,
    who_joins_runs_on_the_processors_that_were_said,
);

/// What `/proc/self/stat` says: nice value, real-time priority, policy.
fn stat(text: &str) -> (i32, u32, u32) {
    let fields: Vec<_> = text.rsplit_once(')').expect("a name in brackets").1.split_whitespace().collect();
    let number = |field: usize| fields[field - 3].parse::<i32>().expect("a number");
    (number(19), number(40) as u32, number(41) as u32)
}

fn joined(container: &Container, process: &Process) -> Result<String, Stop> {
    let (io, mut output) = captured()?;
    let mut child = container.exec(process, io)?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    let status = child.wait()?;
    assert!(status.success(), "{status}: {text}");
    Ok(text)
}

fn a_scheduler_is_the_programs() -> Outcome {
    let mut shell = Shell::program(&["cat", "/proc/self/stat"])?;
    let mut batch = Scheduler::new(SchedulerPolicy::Batch);
    batch.nice = 5;
    shell.config.process.scheduler = Some(batch);
    assert_eq!(stat(&shell.says()?), (5, 0, 3));
    shell.config.process.scheduler = Some(Scheduler::new(SchedulerPolicy::Idle));
    assert_eq!(stat(&shell.says()?).2, 5);
    Ok(())
}

fn a_scheduler_of_those_who_join_is_their_own() -> Outcome {
    let shell = Shell::new("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut process = container.config().process.clone();
    process.args = ["cat", "/proc/self/stat"].map(str::to_owned).to_vec();
    let mut batch = Scheduler::new(SchedulerPolicy::Batch);
    batch.nice = 7;
    process.scheduler = Some(batch);
    assert_eq!(stat(&joined(&container, &process)?), (7, 0, 3));
    assert_eq!(stat(&fs::read_to_string(format!("/proc/{}/stat", container.pid().expect("it runs")))?).2, 0);
    Ok(())
}

fn an_impossible_scheduler_is_refused_before_anything_is_made() -> Outcome {
    let mut shell = Shell::new("")?;
    shell.config.process.scheduler = Some(Scheduler::new(SchedulerPolicy::Fifo));
    shell.config.process.io_priority = Some(IoPriority { class: IoClass::BestEffort, priority: 8 });
    shell.config.memory_policy = Some(MemoryPolicy::new(MemoryMode::Bind, ""));
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    for told in ["priority 0 is not from 1 to 99", "8 is not from 0 to 7", "MPOL_BIND: needs nodes"] {
        assert!(error.to_string().contains(told), "{told} in {error}");
    }
    Ok(())
}

/// Whether it may is the kernel's to say: the limits of real-time groups are known to nobody else.
fn a_refused_scheduler_is_told() -> Outcome {
    let mut shell = Shell::program(&["cat", "/proc/self/stat"])?;
    let mut fifo = Scheduler::new(SchedulerPolicy::Fifo);
    fifo.priority = 3;
    fifo.flags = vec![SchedulerFlag::ResetOnFork];
    shell.config.process.scheduler = Some(fifo);
    match shell.run() {
        Ok((text, _)) => assert_eq!(stat(&text).1, 3, "{text}"),
        Err(Stop::Failed(text)) => {
            assert!(
                text.starts_with("set scheduler SCHED_FIFO with priority 3, SCHED_FLAG_RESET_ON_FORK: "),
                "{text}"
            );
        }
        Err(stop) => return Err(stop),
    }
    Ok(())
}

fn an_io_priority_is_the_programs() -> Outcome {
    let mut shell = Shell::program(&["ionice"])?;
    shell.config.process.io_priority = Some(IoPriority { class: IoClass::BestEffort, priority: 6 });
    assert_eq!(shell.says()?.trim(), "best-effort: prio 6");
    shell.config.process.io_priority = Some(IoPriority { class: IoClass::Idle, priority: 0 });
    assert_eq!(shell.says()?.trim(), "idle");
    Ok(())
}

fn a_personality_is_the_programs() -> Outcome {
    // linux/personality.h
    let mut shell = Shell::program(&["cat", "/proc/self/personality"])?;
    assert_eq!(shell.says()?.trim(), "00000000");
    shell.config.personality = Some(Personality::Linux32);
    assert_eq!(shell.says()?.trim(), "00000008");
    Ok(())
}

fn memory_comes_from_where_it_was_said() -> Outcome {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        return Err(ignored("this kernel knows no NUMA nodes"));
    }
    let mut shell = Shell::program(&["cat", "/proc/self/numa_maps"])?;
    shell.config.memory_policy = Some(MemoryPolicy::new(MemoryMode::Bind, "0"));
    let said = shell.says()?;
    assert!(said.lines().any(|line| line.contains(" bind:0 ")), "{said}");
    Ok(())
}

fn who_joins_runs_on_the_processors_that_were_said() -> Outcome {
    let own = fs::read_to_string("/proc/self/status")?;
    let allowed = own.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let first: String = allowed.trim().chars().take_while(char::is_ascii_digit).collect();
    let shell = Shell::new("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut process = container.config().process.clone();
    process.args = ["grep", "Cpus_allowed_list", "/proc/self/status"].map(str::to_owned).to_vec();
    for (initial, last) in [(None, Some(first.clone())), (Some(first.clone()), None)] {
        let mut affinity = CpuAffinity::default();
        (affinity.initial, affinity.last) = (initial, last);
        process.exec_cpu_affinity = Some(affinity);
        let said = joined(&container, &process)?;
        // An attach to a cpuset of v1 begins anew.
        if process.exec_cpu_affinity.as_ref().is_some_and(|affinity| affinity.last.is_some()) || !is_root() {
            assert_eq!(said.split_whitespace().last(), Some(first.as_str()), "{said}");
        }
    }
    let mut affinity = CpuAffinity::default();
    affinity.last = Some("4000".to_owned());
    process.exec_cpu_affinity = Some(affinity);
    let error = container.exec(&process, Io::default()).unwrap_err();
    assert!(error.to_string().starts_with("run on processors 4000: "), "{error}");
    Ok(())
}
