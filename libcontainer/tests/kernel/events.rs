//! What watchers are told.

use std::os::fd::AsFd;
use std::time::Duration;

use grounds::{Outcome, Rootfs, Stop};
use libcontainer::{Container, ErrorKind, Event, Events, ExitStatus, Factory, Io};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cgroup::confined;
use crate::shell::{Shell, kernel_keeps_it};

crate::tests!(
    a_life_is_told_in_order,
    every_watcher_is_told_and_the_maker_still_waits,
    a_failed_start_is_no_start,
    a_deletion_is_no_start,
    a_pause_is_told_whoever_made_it,
    a_kill_for_lack_of_memory_is_told_before_the_end,
    the_descriptor_is_readable_when_there_is_something,
    a_status_that_was_waited_for_is_still_told,
    who_is_gone_cannot_be_watched,
);

const LONG: Duration = Duration::from_secs(20);

/// The next event; a test must not hang where it doesn't come.
fn next(events: &mut Events) -> Result<Event, Stop> {
    Ok(events.next_timeout(LONG)?.expect("an event within twenty seconds"))
}

fn a_life_is_told_in_order() -> Outcome {
    let shell = Shell::new("read line; exit 7")?;
    let (stdin, input) = std::io::pipe()?;
    let mut io = Io::default();
    io.stdin = stdin.into();
    let mut container = Container::create(&shell.config, io)?;
    let mut events = container.events()?;
    assert_eq!(events.try_next()?, None);
    container.start()?;
    assert_eq!(next(&mut events)?, Event::Started);
    assert_eq!(events.next_timeout(Duration::from_millis(20))?, None);
    let mut late = container.events()?;
    drop(input);
    assert_eq!(next(&mut events)?, Event::Exited(ExitStatus::Exited(7)));
    assert!(events.is_ended() && events.next().is_none());
    // What was before is not told.
    assert_eq!(late.by_ref().collect::<Result<Vec<_>, _>>()?, [Event::Exited(ExitStatus::Exited(7))]);
    assert_eq!(container.wait()?, ExitStatus::Exited(7));
    Ok(())
}

fn every_watcher_is_told_and_the_maker_still_waits() -> Outcome {
    let folder = Rootfs::new()?;
    let factory = Factory::new(folder.path().join("tmp/containers"))?;
    let shell = Shell::new("read line; exit 3")?;
    let (stdin, input) = std::io::pipe()?;
    let mut io = Io::default();
    io.stdin = stdin.into();
    let mut made = factory.create("web", &shell.config, io)?;
    let watchers: Vec<_> =
        (0..3).map(|_| factory.load("web").and_then(|found| found.events())).collect::<Result<_, _>>()?;
    let watchers: Vec<_> = watchers
        .into_iter()
        .map(|events| std::thread::spawn(|| events.collect::<Result<Vec<_>, _>>()))
        .collect();
    let mut own = made.events()?;
    factory.load("web")?.start()?;
    assert_eq!(next(&mut own)?, Event::Started);
    drop(input);
    for watcher in watchers {
        let told = watcher.join().expect("no panic")?;
        assert_eq!(told, [Event::Started, Event::Exited(ExitStatus::Exited(3))]);
    }
    assert_eq!(made.wait()?, ExitStatus::Exited(3));
    made.delete()?;
    Ok(())
}

fn a_failed_start_is_no_start() -> Outcome {
    let folder = Rootfs::new()?;
    let factory = Factory::new(folder.path().join("tmp/containers"))?;
    let shell = Shell::program(&["/no/such/program"])?;
    let mut made = factory.create("web", &shell.config, Io::default())?;
    let events = factory.load("web")?.events()?;
    assert_eq!(made.start().unwrap_err().kind(), ErrorKind::Exec);
    let told = events.collect::<Result<Vec<_>, _>>()?;
    assert!(matches!(told[..], [Event::Exited(_)]), "{told:?}");
    made.delete()?;
    Ok(())
}

fn a_deletion_is_no_start() -> Outcome {
    let folder = Rootfs::new()?;
    let factory = Factory::new(folder.path().join("tmp/containers"))?;
    let shell = Shell::program(&["sleep", "100"])?;
    for _ in 0..8 {
        let made = factory.create("web", &shell.config, Io::default())?;
        let events = factory.load("web")?.events()?;
        let watcher = std::thread::spawn(|| events.collect::<Result<Vec<_>, _>>());
        made.delete()?;
        let told = watcher.join().expect("no panic")?;
        assert!(matches!(told[..], [Event::Exited(_)]), "{told:?}");
    }
    Ok(())
}

fn a_pause_is_told_whoever_made_it() -> Outcome {
    let shell = confined("sleep 100 & wait")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut events = container.events()?;
    for _ in 0..3 {
        container.pause()?;
        assert_eq!(next(&mut events)?, Event::Paused);
        // Past this library, as another program would.
        container.cgroup().expect("it has one").thaw()?;
        assert_eq!(next(&mut events)?, Event::Resumed);
    }
    container.signal_all(libc::SIGKILL)?;
    assert_eq!(next(&mut events)?, Event::Exited(ExitStatus::Signaled(9)));
    Ok(())
}

fn a_kill_for_lack_of_memory_is_told_before_the_end() -> Outcome {
    let mut shell = confined("exec tail /dev/zero")?;
    let cgroup = shell.config.cgroup.as_mut().expect("it has one");
    let memory = cgroup.resources.memory.get_or_insert_default();
    (memory.limit, memory.swap) = (Some(16 << 20), None);
    let mut container = Container::create(&shell.config, Io::default())?;
    let events = container.events()?;
    container.start()?;
    let told = events.collect::<Result<Vec<_>, _>>()?;
    assert_eq!(told.first(), Some(&Event::Started), "{told:?}");
    assert_eq!(told.last(), Some(&Event::Exited(ExitStatus::Signaled(9))), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::OomKill(_))), "{told:?}");
    Ok(())
}

fn the_descriptor_is_readable_when_there_is_something() -> Outcome {
    let shell = Shell::program(&["sleep", "100"])?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut events = container.events()?;
    let readable = |events: &Events, time: u16| {
        poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], PollTimeout::from(time))
    };
    while readable(&events, 20)? > 0 {
        assert_eq!(events.try_next()?, None);
    }
    container.signal(libc::SIGTERM)?;
    container.signal(libc::SIGKILL)?;
    assert_eq!(readable(&events, 20_000)?, 1);
    assert!(matches!(next(&mut events)?, Event::Exited(ExitStatus::Signaled(_))));
    assert_eq!(readable(&events, 0)?, 1, "the end stays readable");
    Ok(())
}

fn a_status_that_was_waited_for_is_still_told() -> Outcome {
    let shell = Shell::program(&["sleep", "100"])?;
    let mut container = Container::run(&shell.config, Io::default())?;
    let mut events = container.events()?;
    container.signal(libc::SIGKILL)?;
    assert_eq!(container.wait()?, ExitStatus::Signaled(9)); // nobody can wait for it any more
    let told = next(&mut events)?;
    let known = Event::Exited(ExitStatus::Signaled(9));
    assert!(told == known || (!kernel_keeps_it() && told == Event::Exited(ExitStatus::Unknown)), "{told:?}");
    Ok(())
}

fn who_is_gone_cannot_be_watched() -> Outcome {
    let shell = Shell::new("exit 0")?;
    let mut container = Container::run(&shell.config, Io::default())?;
    container.wait()?;
    assert_eq!(container.events().unwrap_err().kind(), ErrorKind::InvalidState);
    Ok(())
}
