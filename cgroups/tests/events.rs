//! What a cgroup tells, against the running kernel.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cgroups::{
    Active, Cgroup, ErrorKind, Event, Events, Hierarchies, Pressure, PressureEvent, PressureKind,
    PressureLevel, PressureResource, PressureTrigger, Resources,
};
use grounds::{Outcome, Stop, ignored};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const MIB: i64 = 1 << 20;
/// Much longer than anything here takes, on a slow machine too.
const LONG: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    grounds::run(grounds::tests![
        the_first_process_and_the_last_one_are_told,
        what_came_before_is_not_told,
        a_thousand_quick_cycles_lose_no_end_state,
        freezing_and_thawing_are_told,
        a_kill_for_lack_of_memory_is_told_before_the_end,
        kills_are_told_where_failures_are_not_counted,
        a_kill_below_is_told_apart_from_one_here,
        on_v1_the_limit_of_a_parent_is_told_below_and_the_kill_where_it_was,
        a_fork_bomb_hits_the_limit_and_it_is_told,
        passing_a_threshold_is_told_on_v1,
        short_memory_is_told_on_v1,
        what_only_v1_tells_is_refused_elsewhere,
        the_end_is_told_once_and_is_no_lack_of_memory,
        an_end_that_nobody_looked_at_is_told_with_all_that_was_before,
        lack_of_memory_is_told_after_the_end_on_v1,
        a_controller_that_is_taken_away_is_not_the_end,
        a_cgroup_that_is_gone_tells_nothing,
        the_descriptor_is_readable_while_there_is_something_to_tell,
        a_time_that_is_over_is_no_event,
        events_are_awaited_under_tokio,
        pressure_is_none_where_it_is_not_told,
        waiting_for_the_processor_pulls_the_trigger,
        the_end_of_a_cgroup_ends_its_trigger,
        a_refused_window_is_explained,
        triggers_are_awaited_under_tokio,
    ])
}

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cgroups-events-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn fresh_at(path: &str) -> Result<Active, Stop> {
    grounds::root()?;
    let hierarchies = match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        result => result?,
    };
    match Cgroup::create_beneath_own(&hierarchies, path) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
            Err(ignored(error))
        }
        result => Ok(result?),
    }
}

fn fresh() -> Result<Active, Stop> {
    fresh_at(&name())
}

fn needs(cgroup: &Cgroup, controller: &str) -> Outcome {
    if cgroup.controllers()?.contains(controller) {
        return Ok(());
    }
    Err(ignored(format!("no controller {controller:?} here")))
}

fn v2(cgroup: &Cgroup) -> Result<PathBuf, Stop> {
    cgroup.paths().get("").cloned().ok_or_else(|| ignored("no cgroup v2 here"))
}

fn v1(cgroup: &Cgroup, controller: &str) -> Result<PathBuf, Stop> {
    let path = cgroup.paths().iter().find(|(key, _)| key.split(',').any(|word| word == controller));
    path.map(|(_, path)| path.clone()).ok_or_else(|| ignored(format!("no {controller} on cgroup v1 here")))
}

fn limited(memory: Option<i64>, pids: Option<i64>) -> Resources {
    let mut resources = Resources::default();
    if memory.is_some() {
        resources.memory.get_or_insert_default().limit = memory;
    }
    if pids.is_some() {
        resources.pids.get_or_insert_default().limit = pids;
    }
    resources
}

/// A process that waits in the cgroup until it is told to go on; killed at the end.
struct Shell(Child);

impl Shell {
    fn inside(cgroup: &Cgroup, script: &str) -> Result<Shell, Stop> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("read go; {script}")).stdin(Stdio::piped());
        let shell = Shell(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        cgroup.add(shell.0.id())?;
        Ok(shell)
    }

    /// One that takes all the memory there is.
    fn greedy(cgroup: &Cgroup) -> Result<Shell, Stop> {
        Shell::inside(cgroup, "exec tail /dev/zero")
    }

    fn go(&mut self) -> Outcome {
        self.0.stdin.as_mut().expect("piped").write_all(b"go\n")?;
        Ok(())
    }

    fn end(mut self) -> Outcome {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// All events up to the one that is waited for.
fn until(events: &mut Events, is_it: impl Fn(&Event) -> bool) -> Result<Vec<Event>, Stop> {
    let mut told = Vec::new();
    let end = Instant::now() + LONG;
    while let Some(event) = events.next_timeout(end.saturating_duration_since(Instant::now()))? {
        told.push(event);
        if is_it(&event) {
            return Ok(told);
        }
    }
    panic!("not told within {LONG:?}, but {told:?}");
}

/// All events to the end of the cgroup, after which there are none.
fn rest(events: &mut Events) -> Result<Vec<Event>, Stop> {
    let told = until(events, |event| *event == Event::Removed)?;
    assert!(events.is_ended() && events.next().is_none() && events.try_next()?.is_none());
    assert!(!is_ready(&*events));
    Ok(told)
}

fn is_ready(events: impl AsFd) -> bool {
    let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).expect("a descriptor") > 0
}

fn position(told: &[Event], is_it: impl Fn(&Event) -> bool) -> usize {
    told.iter().position(is_it).unwrap_or_else(|| panic!("missing among {told:?}"))
}

fn the_first_process_and_the_last_one_are_told() -> Outcome {
    let active = fresh()?;
    v2(&active)?;
    let mut events = active.events()?;
    assert_eq!(events.is_populated(), Some(false));
    assert_eq!(events.try_next()?, None);
    let (one, two) = (Shell::inside(&active, "")?, Shell::inside(&active, "")?);
    assert_eq!(until(&mut events, |_| true)?, [Event::Populated]);
    assert_eq!(events.is_populated(), Some(true));
    one.end()?;
    assert_eq!(events.next_timeout(Duration::from_millis(100))?, None, "one is left");
    two.end()?;
    assert_eq!(until(&mut events, |_| true)?, [Event::Empty]);
    active.close()?;
    assert_eq!(rest(&mut events)?, [Event::Removed]);
    Ok(())
}

fn what_came_before_is_not_told() -> Outcome {
    let active = fresh()?;
    v2(&active)?;
    let shell = Shell::inside(&active, "")?;
    let mut events = active.events()?;
    shell.end()?;
    // And what comes right after is.
    assert_eq!(until(&mut events, |_| true)?, [Event::Empty]);
    let shell = Shell::inside(&active, "")?;
    let mut late = active.events()?;
    assert_eq!(late.next_timeout(Duration::from_millis(50))?, None);
    shell.end()?;
    assert_eq!(until(&mut late, |_| true)?, [Event::Empty]);
    drop((events, late));
    active.close()?;
    Ok(())
}

fn a_thousand_quick_cycles_lose_no_end_state() -> Outcome {
    let base = name();
    let (watched, other) = (fresh_at(&format!("{base}/watched"))?, fresh_at(&format!("{base}/other"))?);
    let (inside, outside) = (v2(&watched)?.join("cgroup.procs"), v2(&other)?.join("cgroup.procs"));
    let shell = Shell::inside(&other, "")?;
    let pid = shell.0.id().to_string();
    let mut events = watched.events()?;
    let mover = thread::spawn(move || {
        for cycle in 0..grounds::times(1000) {
            fs::write(&inside, &pid)?;
            fs::write(&outside, &pid)?;
            if cycle % 100 == 99 {
                // Longer than the kernel's pause between two announcements.
                thread::sleep(Duration::from_millis(30));
            }
        }
        fs::write(&inside, &pid)
    });
    let mut told = Vec::new();
    while !mover.is_finished() {
        told.extend(events.next_timeout(Duration::from_millis(5))?);
    }
    mover.join().expect("no panic")?;
    while let Some(event) = events.next_timeout(Duration::from_millis(200))? {
        told.push(event);
    }
    assert_eq!(told.last(), Some(&Event::Populated));
    let turns = |pair: &[Event]| pair[0] != pair[1] && [Event::Populated, Event::Empty].contains(&pair[0]);
    assert!(told.windows(2).all(turns), "{told:?}");
    shell.end()?;
    assert_eq!(until(&mut events, |_| true)?, [Event::Empty]);
    drop(events);
    other.close()?;
    watched.close()?; // and the parent, which came with it
    Ok(())
}

fn freezing_and_thawing_are_told() -> Outcome {
    let active = fresh()?;
    let freeze = v2(&active)?.join("cgroup.freeze");
    let shell = Shell::inside(&active, "")?;
    let mut events = active.events()?;
    assert_eq!(events.is_frozen(), Some(false));
    fs::write(&freeze, "1")?;
    assert_eq!(until(&mut events, |_| true)?, [Event::Frozen]);
    assert_eq!(events.is_frozen(), Some(true));
    fs::write(&freeze, "0")?;
    assert_eq!(until(&mut events, |_| true)?, [Event::Thawed]);
    shell.end()?;
    drop(events);
    active.close()?;
    Ok(())
}

fn a_kill_for_lack_of_memory_is_told_before_the_end() -> Outcome {
    let active = fresh()?;
    needs(&active, "memory")?;
    active.set(&limited(Some(16 * MIB), None))?;
    let mut shell = Shell::greedy(&active)?;
    let mut events = active.events()?;
    shell.go()?;
    assert!(!shell.0.wait()?.success());
    let is_kill = |event: &Event| matches!(event, Event::OomKill(_));
    let mut told = until(&mut events, is_kill)?;
    if active.paths().contains_key("") {
        let more = until(&mut events, |event| *event == Event::Empty);
        told.extend(more?);
    }
    let oom = position(&told, |event| matches!(event, Event::Oom(_)));
    let kill = position(&told, is_kill);
    assert!(oom < kill, "{told:?}");
    let Event::OomKill(count) = told[kill] else { unreachable!("found as such") };
    assert_eq!((count.times, count.local), (1, Some(1)));
    // Told once: nothing of it is left.
    assert_eq!(events.next_timeout(Duration::from_millis(100))?, None);
    active.close()?;
    assert_eq!(rest(&mut events)?, [Event::Removed]);
    Ok(())
}

fn kills_are_told_where_failures_are_not_counted() -> Outcome {
    // The limit on memory and swap is hit first, and the one whose failures `memory.failcnt` counts is not.
    let active = fresh()?;
    let memory = v1(&active, "memory")?;
    if !memory.join("memory.memsw.limit_in_bytes").exists() {
        return Err(ignored("this kernel doesn't count swap"));
    }
    let mut resources = limited(Some(16 * MIB), None);
    resources.memory.get_or_insert_default().swap = Some(16 * MIB);
    active.set(&resources)?;
    let mut shell = Shell::greedy(&active)?;
    let mut events = active.events()?;
    shell.go()?;
    assert!(!shell.0.wait()?.success());
    assert_eq!(fs::read_to_string(memory.join("memory.failcnt"))?, "0\n");
    until(&mut events, |event| matches!(event, Event::OomKill(count) if count.times == 1))?;
    drop(events);
    active.close()?;
    Ok(())
}

fn a_kill_below_is_told_apart_from_one_here() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    let child = fresh_at(&format!("{base}/child"))?;
    needs(&child, "memory")?;
    if !v2(&parent)?.join("memory.events.local").exists() {
        return Err(ignored("memory is on v1, or the kernel is older than 5.2"));
    }
    child.set(&limited(Some(16 * MIB), None))?;
    let mut shell = Shell::greedy(&child)?;
    let mut events = parent.events()?;
    shell.go()?;
    shell.0.wait()?;
    let told = until(&mut events, |event| matches!(event, Event::OomKill(_)))?;
    assert!(
        matches!(told.last(), Some(Event::OomKill(count)) if (count.times, count.local) == (1, Some(0))),
        "{told:?}"
    );
    drop(events);
    child.close()?;
    parent.close()?;
    Ok(())
}

fn on_v1_the_limit_of_a_parent_is_told_below_and_the_kill_where_it_was() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    let (child, other) = (fresh_at(&format!("{base}/child"))?, fresh_at(&format!("{base}/other"))?);
    let memory = v1(&parent, "memory")?;
    if fs::read_to_string(memory.join("memory.use_hierarchy"))? != "1\n" {
        return Err(ignored("limits of v1 cgroups don't hold below them here"));
    }
    parent.set(&limited(Some(16 * MIB), None))?;
    let mut shell = Shell::greedy(&child)?;
    let mut watched = [parent.events()?, child.events()?, other.events()?];
    shell.go()?;
    shell.0.wait()?;
    for (at, events) in watched.iter_mut().enumerate() {
        let mut told = until(events, |event| matches!(event, Event::Oom(_)))?;
        while let Some(event) = events.next_timeout(Duration::from_millis(300))? {
            told.push(event);
        }
        let is_killed = told.iter().any(|event| matches!(event, Event::OomKill(_)));
        assert_eq!(is_killed, at == 1, "{told:?}");
    }
    drop(watched);
    other.close()?;
    child.close()?;
    parent.close()?;
    Ok(())
}

fn a_fork_bomb_hits_the_limit_and_it_is_told() -> Outcome {
    let active = fresh()?;
    needs(&active, "pids")?;
    active.set(&limited(None, Some(5)))?;
    let mut events = active.events()?;
    let mut shell = Shell::inside(&active, "bomb() { bomb | bomb & }; bomb; bomb; bomb; wait")?;
    shell.go()?;
    let told = until(&mut events, |event| matches!(event, Event::PidsMax(count) if count.times > 0))?;
    assert!(!told.iter().any(|event| matches!(event, Event::Oom(_) | Event::OomKill(_))), "{told:?}");
    active.kill()?;
    drop(shell);
    active.close()?;
    let told = rest(&mut events)?;
    assert!(!told.contains(&Event::Populated), "{told:?}");
    Ok(())
}

fn passing_a_threshold_is_told_on_v1() -> Outcome {
    let active = fresh()?;
    v1(&active, "memory")?;
    active.set(&limited(Some(32 * MIB), None))?;
    let mut events = active.events()?;
    events.watch_usage(8 << 20)?;
    let mut shell = Shell::greedy(&active)?;
    shell.go()?;
    until(&mut events, |event| *event == Event::Usage(8 << 20))?;
    shell.0.wait()?;
    until(&mut events, |event| matches!(event, Event::OomKill(_)))?;
    active.close()?;
    // The eventfd of the threshold is counted up for the end, too.
    let told = rest(&mut events)?;
    assert!(told.iter().filter(|event| matches!(event, Event::Usage(_))).count() <= 1, "{told:?}");
    assert_eq!(events.watch_usage(1).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn short_memory_is_told_on_v1() -> Outcome {
    let active = fresh()?;
    v1(&active, "memory")?;
    active.set(&limited(Some(16 * MIB), None))?;
    let mut events = active.events()?;
    events.watch_pressure(PressureLevel::Low)?;
    // The cache of a file is taken back again and again.
    let file = std::env::temp_dir().join(name());
    let script = format!("dd if=/dev/zero of={} bs=1M count=96", file.display());
    let mut shell = Shell::inside(&active, &script)?;
    shell.go()?;
    let told = until(&mut events, |event| *event == Event::MemoryPressure(PressureLevel::Low));
    drop(shell);
    fs::remove_file(&file)?;
    told?;
    drop(events);
    active.close()?;
    Ok(())
}

fn what_only_v1_tells_is_refused_elsewhere() -> Outcome {
    let active = fresh()?;
    if v1(&active, "memory").is_ok() {
        return Err(ignored("memory is on v1"));
    }
    let mut events = active.events()?;
    for error in
        [events.watch_usage(1), events.watch_pressure(PressureLevel::Critical)].map(Result::unwrap_err)
    {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("only v1 tells"), "{error}");
    }
    drop(events);
    active.close()?;
    Ok(())
}

fn the_end_is_told_once_and_is_no_lack_of_memory() -> Outcome {
    // The eventfd for OOM on v1 is counted up when the cgroup is removed, and peers took that for an OOM.
    for _ in 0..20 {
        let active = fresh()?;
        let mut events = active.events()?;
        active.close()?;
        assert_eq!(rest(&mut events)?, [Event::Removed]);
    }
    Ok(())
}

fn an_end_that_nobody_looked_at_is_told_with_all_that_was_before() -> Outcome {
    let active = fresh()?;
    let is_v2 = active.paths().contains_key("");
    let shell = Shell::inside(&active, "")?;
    let mut events = active.events()?;
    shell.end()?;
    active.close()?;
    let all: &[Event] = if is_v2 { &[Event::Empty, Event::Removed] } else { &[Event::Removed] };
    assert_eq!(rest(&mut events)?, all);
    Ok(())
}

fn lack_of_memory_is_told_after_the_end_on_v1() -> Outcome {
    // One count for the OOM, and one for the end, which comes some time after the directory is gone.
    let active = fresh()?;
    v1(&active, "memory")?;
    active.set(&limited(Some(16 * MIB), None))?;
    let mut shell = Shell::greedy(&active)?;
    let mut events = active.events()?;
    shell.go()?;
    shell.0.wait()?;
    active.close()?;
    let told = rest(&mut events)?;
    let ooms = told.iter().filter(|event| matches!(event, Event::Oom(count) if count.times == 1));
    assert_eq!(ooms.count(), 1, "{told:?}");
    Ok(())
}

fn a_controller_that_is_taken_away_is_not_the_end() -> Outcome {
    let base = name();
    let (parent, child) = (fresh_at(&base)?, fresh_at(&format!("{base}/child"))?);
    let (above, here) = (v2(&parent)?, v2(&child)?);
    if !here.join("pids.events").exists() {
        return Err(ignored("pids is not on v2"));
    }
    let mut events = child.events()?;
    fs::write(above.join("cgroup.subtree_control"), "-pids")?;
    assert!(!here.join("pids.events").exists());
    assert_eq!(events.next_timeout(Duration::from_millis(100))?, None);
    assert!(!is_ready(&events), "a file that is gone wakes for ever");
    let shell = Shell::inside(&child, "")?;
    assert_eq!(until(&mut events, |_| true)?, [Event::Populated]);
    shell.end()?;
    drop(events);
    child.close()?;
    parent.close()?;
    Ok(())
}

fn a_cgroup_that_is_gone_tells_nothing() -> Outcome {
    let active = fresh()?;
    let cgroup = Cgroup::open(active.paths().clone())?;
    active.close()?;
    let error = cgroup.events().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("watch cgroup \"/"), "{error}");
    Ok(())
}

fn the_descriptor_is_readable_while_there_is_something_to_tell() -> Outcome {
    let active = fresh()?;
    let freeze = v2(&active)?.join("cgroup.freeze");
    let shell = Shell::inside(&active, "")?;
    let mut events = active.events()?;
    assert!(!is_ready(&events));
    fs::write(&freeze, "1")?;
    shell.end()?; // Frozen, and then there is nobody left: two events at once, or one after the other.
    let end = Instant::now() + LONG;
    let mut told = Vec::new();
    while told.last() != Some(&Event::Empty) {
        assert!(Instant::now() < end, "{told:?}");
        let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(1000_u16))?;
        // One at a time: the descriptor stays readable for the others.
        told.extend(events.try_next()?);
    }
    while events.try_next()?.is_some() {}
    drop(events);
    active.close()?;
    Ok(())
}

fn a_time_that_is_over_is_no_event() -> Outcome {
    let active = fresh()?;
    let mut events = active.events()?;
    let begin = Instant::now();
    assert_eq!(events.next_timeout(Duration::from_millis(50))?, None);
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert!(!events.is_ended());
    drop(events);
    active.close()?;
    Ok(())
}

#[cfg(not(feature = "tokio"))]
fn events_are_awaited_under_tokio() -> Outcome {
    Err(ignored("needs the feature \"tokio\""))
}

#[cfg(feature = "tokio")]
fn events_are_awaited_under_tokio() -> Outcome {
    let active = fresh()?;
    v2(&active)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut events = cgroups::AsyncEvents::new(active.events()?)?;
        for _ in 0..20 {
            // A wait that is given up loses nothing.
            let early = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
            assert!(early.is_err(), "{early:?}");
            let shell = Shell::inside(&active, "")?;
            assert_eq!(tokio::time::timeout(LONG, events.next()).await??, Some(Event::Populated));
            shell.end()?;
            assert_eq!(tokio::time::timeout(LONG, events.next()).await??, Some(Event::Empty));
        }
        active.close()?;
        assert_eq!(tokio::time::timeout(LONG, events.next()).await??, Some(Event::Removed));
        assert_eq!(events.next().await?, None);
        assert!(events.get_ref().is_ended() && events.into_inner().next().is_none());
        Ok(())
    })
}

/// A cgroup whose pressure is told.
fn pressed() -> Result<Active, Stop> {
    let active = fresh()?;
    v2(&active)?;
    if active.pressure(PressureResource::Cpu)?.is_none() {
        return Err(ignored("this kernel doesn't look at pressure"));
    }
    Ok(active)
}

fn pressure_is_none_where_it_is_not_told() -> Outcome {
    let active = fresh()?;
    if v2(&active).is_err() {
        assert_eq!(active.pressure(PressureResource::Memory)?, None);
        let second = Duration::from_secs(2);
        let error = active.pressure_trigger(PressureResource::Memory, PressureKind::Some, second, second);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
        return Ok(());
    }
    drop(active);
    let active = pressed()?;
    for resource in [PressureResource::Cpu, PressureResource::Memory, PressureResource::Io] {
        assert!(active.pressure(resource)?.is_some_and(|pressure| pressure.some.is_some()), "{resource:?}");
        assert!(Pressure::system(resource)?.is_some(), "{resource:?}");
    }
    if let Some(irq) = active.pressure(PressureResource::Irq)? {
        assert!(irq.some.is_none() && irq.full.is_some());
    }

    let switch = v2(&active)?.join("cgroup.pressure");
    let cgroup = Cgroup::open(active.paths().clone())?;
    if switch.exists() {
        fs::write(&switch, "0")?;
        assert_eq!(active.pressure(PressureResource::Memory)?, None);
        let second = Duration::from_secs(2);
        let error = active
            .pressure_trigger(PressureResource::Memory, PressureKind::Some, second, second)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("cgroup.pressure"), "{error}");
    }
    active.close()?;
    assert_eq!(cgroup.pressure(PressureResource::Memory).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

/// More that want a processor than there are.
fn crowd(cgroup: &Cgroup) -> Result<Vec<Shell>, Stop> {
    let count = 2 * thread::available_parallelism()?.get() + 2;
    let mut shells =
        (0..count).map(|_| Shell::inside(cgroup, "while :; do :; done")).collect::<Result<Vec<_>, _>>()?;
    shells.iter_mut().try_for_each(Shell::go)?;
    Ok(shells)
}

fn waiting_for_the_processor_pulls_the_trigger() -> Outcome {
    let active = pressed()?;
    let (stall, window) = (Duration::from_millis(50), Duration::from_secs(2));
    let mut trigger = active.pressure_trigger(PressureResource::Cpu, PressureKind::Some, stall, window)?;
    assert_eq!(trigger.try_next()?, None);
    let before =
        active.pressure(PressureResource::Cpu)?.and_then(|pressure| pressure.some).unwrap_or_default();
    let shells = crowd(&active)?;
    assert_eq!(trigger.next_timeout(LONG)?, Some(PressureEvent::Stalled));
    drop(shells);
    let after =
        active.pressure(PressureResource::Cpu)?.and_then(|pressure| pressure.some).unwrap_or_default();
    assert!(after.total >= before.total + stall, "{before:?} {after:?}");
    drop(trigger);
    active.close()?;
    Ok(())
}

fn the_end_of_a_cgroup_ends_its_trigger() -> Outcome {
    // A removed cgroup's file is ready for ever: whoever takes that for pressure never comes to an end.
    let active = pressed()?;
    let second = Duration::from_secs(2);
    let mut trigger =
        active.pressure_trigger(PressureResource::Memory, PressureKind::Full, second, second)?;
    let waiter = thread::spawn(move || {
        let told = trigger.by_ref().collect::<Result<Vec<_>, _>>();
        (told, trigger.try_next(), trigger.is_ended())
    });
    thread::sleep(Duration::from_millis(20));
    active.close()?;
    let (told, after, is_ended) = waiter.join().expect("no panic");
    assert_eq!((told?, after?, is_ended), (vec![PressureEvent::Ended], None, true));
    Ok(())
}

fn a_refused_window_is_explained() -> Outcome {
    let active = pressed()?;
    let status = fs::read_to_string("/proc/self/status")?;
    let effective =
        status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("every process has them");
    let may_all = u64::from_str_radix(effective.trim(), 16)? & (1 << 24) != 0;
    let (stall, odd) = (Duration::from_millis(100), Duration::from_millis(1500));
    match active.pressure_trigger(PressureResource::Io, PressureKind::Some, stall, odd) {
        Ok(_) => assert!(may_all || before_6_4()?, "taken without CAP_SYS_RESOURCE"),
        Err(error) => {
            assert!(!may_all, "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("multiple of 2 s"), "{error}");
        }
    }
    let error = PressureTrigger::system(PressureResource::Io, PressureKind::Some, odd, stall).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("longer than the window"), "{error}");
    active.close()?;
    Ok(())
}

fn before_6_4() -> Result<bool, Stop> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').map(|word| word.parse::<u32>().unwrap_or(0));
    Ok((numbers.next(), numbers.next()) < (Some(6), Some(4)))
}

#[cfg(not(feature = "tokio"))]
fn triggers_are_awaited_under_tokio() -> Outcome {
    Err(ignored("needs the feature \"tokio\""))
}

#[cfg(feature = "tokio")]
fn triggers_are_awaited_under_tokio() -> Outcome {
    let active = pressed()?;
    let (stall, window) = (Duration::from_millis(50), Duration::from_secs(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let trigger = active.pressure_trigger(PressureResource::Cpu, PressureKind::Some, stall, window)?;
        let mut trigger = cgroups::AsyncPressureTrigger::new(trigger)?;
        let early = tokio::time::timeout(Duration::from_millis(5), trigger.next()).await;
        assert!(early.is_err(), "{early:?}");
        let shells = crowd(&active)?;
        for _ in 0..2 {
            let next = tokio::time::timeout(LONG, trigger.next()).await?;
            assert_eq!(next?, Some(PressureEvent::Stalled));
        }
        drop(shells);
        active.close()?;
        while tokio::time::timeout(LONG, trigger.next()).await?? != Some(PressureEvent::Ended) {}
        assert_eq!(trigger.next().await?, None);
        assert!(trigger.into_inner().is_ended());
        Ok(())
    })
}
