//! The systemd driver against a manager that does what no healthy one does: T56 to T58, T65, and what is left of a
//! start that failed. It is the other end of a socket, a thread of the test.

mod fake;

use std::os::fd::AsRawFd;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cgroups::systemd::{Property, Systemd, Unit};
use cgroups::{Cgroup, ErrorKind, Hierarchies};
use grounds::{Outcome, Stop, ignored};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};

use fake::{Answer, Call, Fake, JOB, done, job, processes, text};

const SCOPE: &str = "x.scope";
/// Long enough to be heard on the slowest machine, and short enough to be waited for.
const SHORT: Duration = Duration::from_millis(1500);

/// A process of this test's; killed at the end.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Result<Sleeper, Stop> {
        Ok(Sleeper(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?))
    }

    fn scope(&self) -> Result<Unit, Stop> {
        Ok(Unit::scope(SCOPE)?.pid(self.0.id()))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn refused(name: &'static str, text: &str) -> Vec<Answer> {
    vec![Answer::Error(name, text.to_owned())]
}

/// What a healthy manager does.
fn healthy(call: &Call) -> Vec<Answer> {
    match call.member.as_str() {
        "StartTransientUnit" | "StopUnit" => vec![job(), Answer::JobRemoved(JOB, "done")],
        "GetUnitProcesses" => vec![processes(&[])],
        "Get" if call.arguments.contains("Version") => vec![text("252")],
        "Get" => vec![text("inactive")],
        _ => vec![done()],
    }
}

/// A manager whose start jobs end like this.
fn ending(result: &'static str, inside: Vec<u32>) -> Result<(Fake, Systemd), Stop> {
    let fake = Fake::new(move |call| match call.member.as_str() {
        "StartTransientUnit" => vec![job(), Answer::JobRemoved(JOB, result)],
        "GetUnitProcesses" => vec![processes(&inside)],
        _ => healthy(call),
    })?;
    let systemd = fake.connect()?;
    Ok((fake, systemd))
}

fn a_job_is_waited_for_and_not_taken_for_another() -> Outcome {
    // T57. Signals may come before the answer that says which job it is.
    let fake = Fake::new(|call| match call.member.as_str() {
        "StartTransientUnit" => vec![
            Answer::JobRemoved("/org/freedesktop/systemd1/job/6", "failed"),
            Answer::JobRemoved(JOB, "done"),
            job(),
            Answer::JobRemoved(JOB, "failed"),
        ],
        _ => healthy(call),
    })?;
    fake.connect()?.start(&Sleeper::new()?.scope()?)?;
    assert_eq!(fake.members(), ["StartTransientUnit"]);
    Ok(())
}

fn a_job_that_ends_otherwise_is_an_error_and_nothing_is_left() -> Outcome {
    // T57
    let results = [
        ("failed", ErrorKind::Other),
        ("timeout", ErrorKind::TimedOut),
        ("canceled", ErrorKind::Other),
        ("dependency", ErrorKind::Other),
    ];
    for (result, kind) in results {
        let (fake, systemd) = ending(result, Vec::new())?;
        let error = systemd.start(&Sleeper::new()?.scope()?).unwrap_err();
        assert_eq!(error.to_string(), format!("start systemd unit \"x.scope\": its job ended as {result:?}"));
        assert_eq!(error.kind(), kind);
        assert_eq!(fake.members(), ["StartTransientUnit", "GetUnitProcesses", "StopUnit", "ResetFailedUnit"]);
    }
    Ok(())
}

fn a_unit_with_a_process_in_it_is_left_and_named() -> Outcome {
    // It was stopped, and with it ended the process of whoever had asked.
    let sleeper = Sleeper::new()?;
    let pid = sleeper.0.id();
    let (fake, systemd) = ending("failed", vec![pid])?;
    let error = systemd.start(&sleeper.scope()?).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "start systemd unit \"x.scope\": its job ended as \"failed\": systemd unit \"x.scope\" is left, \
             for process {pid} lives there and can't be put back"
        )
    );
    assert!(!fake.members().iter().any(|member| member == "StopUnit"), "{:?}", fake.members());
    Ok(())
}

fn a_unit_of_which_nobody_knows_what_is_in_it_is_left() -> Outcome {
    let fake = Fake::new(|call| match call.member.as_str() {
        "StartTransientUnit" => vec![job(), Answer::JobRemoved(JOB, "failed")],
        "GetUnitProcesses" => refused("org.freedesktop.DBus.Error.AccessDenied", "No."),
        _ => healthy(call),
    })?;
    let error = fake.connect()?.start(&Sleeper::new()?.scope()?).unwrap_err();
    let end = "systemd unit \"x.scope\" may be left: list the processes of systemd unit \"x.scope\": No \
               (org.freedesktop.DBus.Error.AccessDenied)";
    assert!(error.to_string().ends_with(end), "{error}");
    assert!(!fake.members().iter().any(|member| member == "StopUnit"), "{:?}", fake.members());
    Ok(())
}

fn a_job_without_end_is_taken_back_when_the_time_is_over() -> Outcome {
    // T57
    let fake = Fake::new(|call| match call.member.as_str() {
        "StartTransientUnit" => vec![job()],
        _ => healthy(call),
    })?;
    let systemd = fake.connect()?.with_timeout(SHORT);
    let started = Instant::now();
    let error = systemd.start(&Sleeper::new()?.scope()?).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().ends_with("no answer after 1.5s"), "{error}");
    assert!(started.elapsed() >= SHORT);
    // Not stopped before it is certain that it doesn't start any more.
    let expected = ["StartTransientUnit", "CancelJob", "GetUnitProcesses", "StopUnit", "ResetFailedUnit"];
    assert_eq!(fake.members(), expected);
    Ok(())
}

fn an_answer_that_does_not_come_is_not_waited_for_without_end() -> Outcome {
    let fake = Fake::new(|call| if call.member == "Get" { healthy(call) } else { Vec::new() })?;
    let systemd = fake.connect()?.with_timeout(SHORT);
    let error = systemd.set_properties(SCOPE, &[Property::new("TasksMax", 5_u64)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let start = "set TasksMax=5 of systemd unit \"x.scope\": no answer after";
    assert!(error.to_string().starts_with(start), "{error}");
    // The next call has a connection on which no late answer can come.
    assert_eq!(systemd.stop(SCOPE).unwrap_err().kind(), ErrorKind::TimedOut);
    Ok(())
}

fn what_is_left_of_a_failed_unit_is_forgotten_once() -> Outcome {
    // T56: the first time it helps.
    let first = AtomicBool::new(true);
    let fake = Fake::new(move |call| match call.member.as_str() {
        "StartTransientUnit" if first.swap(false, Ordering::SeqCst) => {
            refused("org.freedesktop.systemd1.UnitExists", "Unit x.scope already exists.")
        }
        _ => healthy(call),
    })?;
    fake.connect()?.start(&Sleeper::new()?.scope()?)?;
    assert_eq!(fake.members(), ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]);
    Ok(())
}

fn a_unit_that_exists_twice_is_an_error_and_not_stopped() -> Outcome {
    // T56: it is somebody else's.
    let fake = Fake::new(|call| match call.member.as_str() {
        "StartTransientUnit" => {
            refused("org.freedesktop.systemd1.UnitExists", "Unit x.scope already exists.")
        }
        _ => healthy(call),
    })?;
    let error = fake.connect()?.start(&Sleeper::new()?.scope()?).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(fake.members(), ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]);
    Ok(())
}

fn a_slice_that_exists_is_told_its_limits() -> Outcome {
    // T56
    let fake = Fake::new(|call| match call.member.as_str() {
        "StartTransientUnit" => {
            refused("org.freedesktop.systemd1.UnitExists", "Unit x.slice already exists.")
        }
        _ => healthy(call),
    })?;
    let slice = Unit::slice("x.slice")?.limits([Property::new("TasksMax", 5_u64)]);
    fake.connect()?.start(&slice)?;
    assert_eq!(fake.members(), ["StartTransientUnit", "SetUnitProperties"]);
    assert!(fake.calls("SetUnitProperties")[0].arguments.contains("TasksMax"));
    Ok(())
}

fn a_slice_that_is_not_there_is_made_to_go_by_itself() -> Outcome {
    let fake = Fake::new(|call| match call.member.as_str() {
        "Get" if call.arguments.contains("FragmentPath") => vec![text("")],
        _ => healthy(call),
    })?;
    fake.connect()?.start(&Sleeper::new()?.scope()?.in_slice("a-b.slice")?)?;
    let call = fake.calls("StartTransientUnit").remove(0);
    for word in ["a.slice", "a-b.slice", "StopWhenUnneeded"] {
        assert!(call.arguments.contains(word), "{word}");
    }
    Ok(())
}

fn a_slice_that_others_have_made_meanwhile_is_theirs() -> Outcome {
    for why in [
        ("org.freedesktop.systemd1.UnitExists", "Unit a.slice already exists."),
        (
            "org.freedesktop.DBus.Error.PropertyReadOnly",
            "Cannot set property StopWhenUnneeded, or unknown property.",
        ),
    ] {
        let fake = Fake::new(move |call| match call.member.as_str() {
            "StartTransientUnit" if call.arguments.contains("StopWhenUnneeded") => refused(why.0, why.1),
            "Get" if call.arguments.contains("FragmentPath") => vec![text("")],
            _ => healthy(call),
        })?;
        fake.connect()?.start(&Sleeper::new()?.scope()?.in_slice("a.slice")?)?;
        assert_eq!(fake.members(), ["StartTransientUnit", "StartTransientUnit"]);
    }
    Ok(())
}

/// A manager to which these properties are news.
fn old(unknown: &'static [&'static str]) -> Result<Fake, Stop> {
    Fake::new(move |call| match call.member.as_str() {
        "StartTransientUnit" | "SetUnitProperties" => {
            match unknown.iter().find(|name| call.arguments.contains(*name)) {
                Some(name) => refused(
                    "org.freedesktop.DBus.Error.PropertyReadOnly",
                    &format!("Cannot set property {name}, or unknown property."),
                ),
                None => healthy(call),
            }
        }
        _ => healthy(call),
    })
}

fn properties_that_an_old_systemd_does_not_know_are_left_out_one_by_one() -> Outcome {
    // T65
    let fake = old(&["IOAccounting", "MemorySwapMax", "AllowedCPUs"])?;
    let systemd = fake.connect()?;
    let limits = [
        Property::new("MemorySwapMax", 1_u64),
        Property::new("TasksMax", 2_u64),
        Property::new("AllowedCPUs", vec![1_u8]),
    ];
    systemd.start(&Sleeper::new()?.scope()?.limits(limits.clone()))?;
    assert_eq!(fake.calls("StartTransientUnit").len(), 4);
    let last = fake.calls("StartTransientUnit").pop().expect("four");
    assert!(last.arguments.contains("TasksMax") && last.arguments.contains("CPUAccounting"));
    // From now on they aren't even tried.
    systemd.set_properties(SCOPE, &limits)?;
    assert_eq!(fake.calls("SetUnitProperties").len(), 1);
    let unknown: Vec<_> = systemd.unknown_properties().into_iter().collect();
    assert_eq!(unknown, ["AllowedCPUs", "IOAccounting", "MemorySwapMax"]);
    Ok(())
}

fn two_threads_may_learn_the_same_at_once() -> Outcome {
    // The one that was told later took the property for one that it could not leave out, and failed. Both must have
    // asked before either is answered.
    let (together, count) = (Barrier::new(2), AtomicU32::new(0));
    let fake = Fake::new(move |call| match call.member.as_str() {
        "SetUnitProperties" if count.fetch_add(1, Ordering::SeqCst) < 2 => {
            together.wait();
            let text = "Cannot set property MemorySwapMax, or unknown property.";
            refused("org.freedesktop.DBus.Error.PropertyReadOnly", text)
        }
        _ => healthy(call),
    })?;
    let systemd = fake.connect()?;
    let limits = [Property::new("MemorySwapMax", 1_u64), Property::new("TasksMax", 2_u64)];
    thread::scope(|threads| {
        let set = || systemd.set_properties(SCOPE, &limits);
        let calls = [threads.spawn(set), threads.spawn(set)];
        calls.into_iter().try_for_each(|call| call.join().expect("no panic"))
    })?;
    assert_eq!(fake.calls("SetUnitProperties").len(), 4);
    Ok(())
}

fn a_start_that_was_not_heard_is_asked_for_again() -> Outcome {
    // T58: the manager closed the connection, and knows nothing of the unit.
    let first = AtomicBool::new(true);
    let fake = Fake::new(move |call| match call.member.as_str() {
        "StartTransientUnit" if first.swap(false, Ordering::SeqCst) => vec![Answer::HangUp],
        _ => healthy(call),
    })?;
    fake.connect()?.start(&Sleeper::new()?.scope()?)?;
    assert_eq!(fake.members(), ["StartTransientUnit", "StartTransientUnit"]);
    Ok(())
}

/// A manager that hangs up after it has begun to start a unit, which is found to be something after a while.
fn hanging_up(state: &'static str) -> Result<Fake, Stop> {
    let asked = AtomicBool::new(false);
    Fake::new(move |call| match call.member.as_str() {
        "StartTransientUnit" => vec![job(), Answer::HangUp],
        "Get" if call.arguments.contains("ActiveState") => {
            vec![text(if asked.swap(true, Ordering::SeqCst) { state } else { "activating" })]
        }
        _ => healthy(call),
    })
}

fn a_start_that_was_heard_is_not_asked_for_again() -> Outcome {
    // T58: then the unit's state tells.
    let name = format!("x{}.scope", std::process::id());
    let cgroup = Cgroup::create(&Hierarchies::detect()?, &name).map_err(ignored)?.commit();
    let mut sleeper = Command::new("sleep");
    sleeper.arg("600").stdin(Stdio::null());
    let sleeper = Sleeper(cgroup.spawn(sleeper)?);
    let unit = Unit::scope(&name)?.pid(sleeper.0.id());
    let fake = hanging_up("active")?;
    let outcome = fake.connect()?.start(&unit);
    drop(sleeper);
    cgroup.remove()?;
    outcome?;
    assert_eq!(fake.calls("StartTransientUnit").len(), 1);
    Ok(())
}

fn a_start_that_failed_unheard_is_told() -> Outcome {
    let fake = hanging_up("failed")?;
    let error = fake.connect()?.start(&Sleeper::new()?.scope()?).unwrap_err();
    assert_eq!(error.to_string(), r#"start systemd unit "x.scope": its job ended as "failed""#);
    assert_eq!(fake.calls("StartTransientUnit").len(), 1);
    Ok(())
}

fn a_unit_of_a_stranger_is_not_taken_for_what_was_started() -> Outcome {
    let fake = hanging_up("active")?;
    let error = fake.connect()?.start(&Sleeper::new()?.scope()?).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(fake.calls("StopUnit").is_empty(), "it is not ours to stop");
    Ok(())
}

fn a_manager_that_always_hangs_up_is_an_error() -> Outcome {
    let fake =
        Fake::new(
            |call| if call.arguments.contains("Version") { healthy(call) } else { vec![Answer::HangUp] },
        )?;
    let systemd = fake.connect()?;
    let error = systemd.stop(SCOPE).unwrap_err();
    assert!(error.to_string().starts_with("stop systemd unit \"x.scope\": no connection: "), "{error}");
    let error = systemd.start(&Sleeper::new()?.scope()?).unwrap_err();
    assert!(error.to_string().contains("systemd unit \"x.scope\" may be left"), "{error}");
    Ok(())
}

/// A manager that answers the first who comes, and has no room for so many after it.
fn full(times: u32) -> Result<Fake, Stop> {
    let count = AtomicU32::new(0);
    Fake::new(move |call| {
        let guest = call.arguments.contains("Version").then(|| count.fetch_add(1, Ordering::SeqCst));
        match guest {
            // Connecting asks twice.
            Some(guest) if guest > 1 && guest - 2 < times => refused(
                "org.freedesktop.DBus.Error.LimitsExceeded",
                "The maximum number of guests is reached",
            ),
            _ => healthy(call),
        }
    })
}

fn one_that_has_no_room_is_asked_again_in_a_while() -> Outcome {
    // T58: 100 ms, then 200.
    let fake = full(2)?;
    let systemd = fake.connect()?;
    let started = Instant::now();
    systemd.reset_failed(SCOPE)?;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(fake.calls("Get").len(), 5);
    Ok(())
}

fn one_that_never_has_room_is_an_error_when_the_time_is_over() -> Outcome {
    let fake = full(u32::MAX)?;
    let systemd = fake.connect()?.with_timeout(SHORT);
    let error = systemd.reset_failed(SCOPE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("The maximum number of guests is reached"), "{error}");
    Ok(())
}

fn where_many_knock_at_once_one_waits_in_line() -> Outcome {
    // T58: on a socket that doesn't block it was refused with EAGAIN.
    let mut fake = Fake::new(healthy)?;
    let systemd = fake.connect()?;
    fake.close();
    let address = UnixAddr::new(&fake.socket())?;
    let stream = |flags| socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC | flags, None);
    let listener = stream(SockFlag::empty())?;
    bind(listener.as_raw_fd(), &address)?;
    listen(&listener, Backlog::new(0)?)?;
    let mut guests = Vec::new();
    let refusal = loop {
        let guest = stream(SockFlag::SOCK_NONBLOCK)?;
        match connect(guest.as_raw_fd(), &address) {
            Ok(()) => guests.push(guest),
            Err(error) => break error,
        }
    };
    assert_eq!(refusal, Errno::EAGAIN);
    let systemd = systemd.with_timeout(SHORT);
    let late = systemd.reset_failed(SCOPE).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut, "{late}");
    assert!(late.to_string().contains("no answer after 1.5s"), "{late}");
    // The line moves on while it stands in it.
    let systemd = systemd.with_timeout(Duration::from_secs(60));
    thread::scope(|threads| {
        let caller = threads.spawn(|| systemd.reset_failed(SCOPE));
        drop(guests);
        fake.serve(listener.into());
        caller.join().expect("no panic")
    })?;
    Ok(())
}

fn messages_that_are_none_are_an_error_soon() -> Outcome {
    let huge = |order: u8| {
        let mut bytes = vec![order, 2, 0, 1];
        bytes.extend([0xff; 12]);
        bytes
    };
    let mut short = vec![b'l', 2, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0];
    short.extend([0xff; 20]);
    // Types one in the other, deeper than anything is.
    let mut deep = vec![b'l', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 136, 0, 0, 0, 8, 1, b'g', 0, 128];
    deep.extend([b'a'; 128]);
    deep.extend([0; 3]);
    for bytes in [huge(b'l'), huge(b'B'), huge(b'x'), vec![0; 16], short, deep] {
        let fake = Fake::new(move |call| match call.member.as_str() {
            "Get" => healthy(call),
            _ => vec![Answer::Bytes(bytes.clone()), Answer::HangUp],
        })?;
        let systemd = fake.connect()?;
        let error = systemd.reset_failed(SCOPE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{error}");
        assert!(error.to_string().len() < 500, "{error}");
    }
    Ok(())
}

fn a_flood_of_signals_is_read_and_forgotten() -> Outcome {
    let fake = Fake::new(|call| match call.member.as_str() {
        "StartTransientUnit" => {
            let mut answers: Vec<_> =
                (0..2_000).map(|_| Answer::JobRemoved("/org/freedesktop/systemd1/job/1", "done")).collect();
            answers.extend([job(), Answer::JobRemoved(JOB, "done")]);
            answers
        }
        _ => healthy(call),
    })?;
    fake.connect()?.start(&Sleeper::new()?.scope()?)?;
    Ok(())
}

fn an_answer_of_another_kind_is_no_property() -> Outcome {
    let fake = Fake::new(|call| match call.member.as_str() {
        "Get" if !call.arguments.contains("Version") => vec![processes(&[1])],
        _ => healthy(call),
    })?;
    let error = fake.connect()?.property(SCOPE, "TasksMax").unwrap_err();
    assert!(error.to_string().ends_with("as a property came"), "{error}");
    Ok(())
}

fn main() -> ExitCode {
    grounds::run(grounds::tests![
        a_job_is_waited_for_and_not_taken_for_another,
        a_job_that_ends_otherwise_is_an_error_and_nothing_is_left,
        a_unit_with_a_process_in_it_is_left_and_named,
        a_unit_of_which_nobody_knows_what_is_in_it_is_left,
        a_job_without_end_is_taken_back_when_the_time_is_over,
        an_answer_that_does_not_come_is_not_waited_for_without_end,
        what_is_left_of_a_failed_unit_is_forgotten_once,
        a_unit_that_exists_twice_is_an_error_and_not_stopped,
        a_slice_that_exists_is_told_its_limits,
        a_slice_that_is_not_there_is_made_to_go_by_itself,
        a_slice_that_others_have_made_meanwhile_is_theirs,
        properties_that_an_old_systemd_does_not_know_are_left_out_one_by_one,
        two_threads_may_learn_the_same_at_once,
        a_start_that_was_not_heard_is_asked_for_again,
        a_start_that_was_heard_is_not_asked_for_again,
        a_start_that_failed_unheard_is_told,
        a_unit_of_a_stranger_is_not_taken_for_what_was_started,
        a_manager_that_always_hangs_up_is_an_error,
        one_that_has_no_room_is_asked_again_in_a_while,
        one_that_never_has_room_is_an_error_when_the_time_is_over,
        where_many_knock_at_once_one_waits_in_line,
        messages_that_are_none_are_an_error_soon,
        a_flood_of_signals_is_read_and_forgotten,
        an_answer_of_another_kind_is_no_property,
    ])
}
