//! Each fault is seen by a program that it is done to: this one, playing a part. Any user may.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, hint, thread};

use grounds::faults::{
    Descriptors, Full, Interrupts, RECENT, Refused, Starved, Step, Steps, When, kill_at, kill_first,
};
use grounds::{Outcome, Stop, ignored, test};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, openat2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, getpgid, getpid, getppid, read};

/// Names the part that a process started by a test plays.
const PART: &str = "FAULTS_TEST_PART";

/// What no run here reaches but one that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The exit code of a part that this user or kernel can't play.
const CANNOT: u8 = 77;

fn main() -> ExitCode {
    if let Ok(part) = env::var(PART) {
        return play(&part);
    }
    grounds::run(vec![
        test("killing_a_child_kills_no_other", killing_a_child_kills_no_other),
        test("killing_the_command_ends_the_run", killing_the_command_ends_the_run),
        test("a_call_happens_before_or_not_at_all", a_call_happens_before_or_not_at_all),
        test("a_step_that_is_not_reached_is_no_error", a_step_that_is_not_reached_is_no_error),
        test("the_same_program_takes_the_same_steps", the_same_program_takes_the_same_steps),
        test("steps_are_chosen_by_name_and_sample", steps_are_chosen_by_name_and_sample),
        test("a_first_process_of_a_namespace_is_killed", a_first_process_of_a_namespace_is_killed),
        test("what_is_bound_to_a_killed_parent_dies_with_it", what_is_bound_to_a_killed_parent_dies_with_it),
        test("a_process_that_is_not_dumpable_is_traced", a_process_that_is_not_dumpable_is_traced),
        test("a_thread_may_exec", a_thread_may_exec),
        test("a_stopped_child_stays_stopped_until_continued", a_stopped_child_stays_stopped_until_continued),
        test("signals_arrive", signals_arrive),
        test("what_outlives_the_command_runs_on", what_outlives_the_command_runs_on),
        test("a_hung_tree_is_killed_at_the_limit", a_hung_tree_is_killed_at_the_limit),
        test("a_busy_program_ends_at_the_limit", a_busy_program_ends_at_the_limit),
        test("a_program_that_is_not_there_is_told", a_program_that_is_not_there_is_told),
        test("children_of_other_threads_are_not_reaped", children_of_other_threads_are_not_reaped),
        test("a_traced_command_runs_untraced_later", a_traced_command_runs_untraced_later),
        test("tracing_costs_two_stops_a_call", tracing_costs_two_stops_a_call),
        test("a_full_device_fails_at_the_byte", a_full_device_fails_at_the_byte),
        test("inodes_run_out", inodes_run_out),
        test("descriptors_run_out_at_the_nth", descriptors_run_out_at_the_nth),
        test("descriptors_run_out_in_a_command", descriptors_run_out_in_a_command),
        test("a_storm_interrupts_a_read", a_storm_interrupts_a_read),
        test("a_starved_process_is_killed_and_counted", a_starved_process_is_killed_and_counted),
        test("a_refused_call_answers_and_others_work", a_refused_call_answers_and_others_work),
        test("a_program_runs_without_recent_calls", a_program_runs_without_recent_calls),
    ])
}

/// Starts this program again, in a part.
fn part(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("/proc"));
    command.env(PART, name).stdin(Stdio::null());
    command
}

fn play(part: &str) -> ExitCode {
    let played = match part {
        "leaf" => Ok(()),
        "parent" => parent("leaf"),
        "print" => io::stdout().write_all(b"x"),
        "namespace" => namespace(),
        "pid" => print(getpid()),
        "binder" => binder(),
        "bound" => bound(),
        "not dumpable" => prctl::set_dumpable(false).map_err(Into::into).and_then(|()| parent("pid")),
        "exec in a thread" => exec_in_a_thread(),
        "job control" => job_control(),
        "stop" => raise(Signal::SIGSTOP).map_err(Into::into),
        "daemon" => daemon(),
        "hang" => hang(),
        "sleep" => {
            sleep();
            Ok(())
        }
        "busy" => loop {
            hint::black_box(getppid());
        },
        "call" => {
            (0..1000).for_each(|_| _ = hint::black_box(getppid()));
            Ok(())
        }
        "descriptors" => descriptors(),
        "open" => print(open_all().len()),
        "eat" => eat(),
        "calls" => calls(),
        _ => Err(io::Error::other(format!("no part {part:?}"))),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            println!("{error}");
            ExitCode::from(CANNOT)
        }
        Err(error) => {
            eprintln!("{part}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a text")
}

/// Waits until a process is gone, or reaped by nobody.
fn gone(pid: i32) -> bool {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") && !stat.contains(") X ") => thread::yield_now(),
            _ => return true,
        }
    }
    false
}

fn parent(child: &str) -> io::Result<()> {
    let status = part(child).status()?;
    print(format!("child: {status}"))
}

fn killing_a_child_kills_no_other() -> Outcome {
    let mut command = part("parent");
    let steps = Steps::record(&mut command, LIMIT)?;
    assert_eq!(text(&steps.run().stdout), "child: exit status: 0\n");
    // Its first steps are before its exec, while its parent waits for it in vfork.
    let steps = steps.of_process(1);
    assert!(steps.len() > 20, "{steps:?}");
    assert!(steps.named(&["execve"]).len() == 1, "{steps:?}");
    for step in steps.iter().take(5).chain(&steps.every(11)) {
        let killed = kill_at(&mut command, step, When::Before, LIMIT)?;
        assert_eq!(killed.step.as_ref(), Some(step));
        assert_eq!(text(&killed.run.stdout), "child: signal: 9 (SIGKILL)\n", "{step}");
        assert!(killed.run.status.success(), "{step}: {killed:?}");
        assert!(killed.run.left.is_empty() && !killed.run.hung, "{step}: {killed:?}");
    }
    Ok(())
}

fn killing_the_command_ends_the_run() -> Outcome {
    let mut command = part("parent");
    let steps = Steps::record(&mut command, LIMIT)?.of_process(0);
    for step in &steps.every(13) {
        let killed = kill_at(&mut command, step, When::Before, LIMIT)?;
        assert_eq!(killed.step.as_ref(), Some(step));
        assert_eq!(killed.run.status.signal(), Some(9), "{step}");
        assert!(!killed.run.hung, "{step}");
        assert!(killed.run.left.iter().all(|(pid, _)| gone(*pid)), "{step}: {:?}", killed.run.left);
    }
    Ok(())
}

fn a_call_happens_before_or_not_at_all() -> Outcome {
    let mut command = part("print");
    let steps = Steps::record(&mut command, LIMIT)?.named(&["write"]);
    let write = steps.iter().next().expect("it prints");
    let before = kill_at(&mut command, write, When::Before, LIMIT)?;
    assert_eq!((text(&before.run.stdout), before.run.status.signal()), ("", Some(9)));
    let after = kill_at(&mut command, write, When::After, LIMIT)?;
    assert_eq!((text(&after.run.stdout), after.run.status.signal()), ("x", Some(9)));
    assert_eq!(after.step.as_ref(), Some(write));
    Ok(())
}

fn a_step_that_is_not_reached_is_no_error() -> Outcome {
    for place in [(0, 1_000_000), (7, 0)] {
        let killed = kill_at(&mut part("print"), place, When::Before, LIMIT)?;
        assert_eq!(killed.step, None);
        assert_eq!(text(&killed.run.stdout), "x");
        assert!(killed.run.status.success());
    }
    // It doesn't return from there.
    let mut command = part("print");
    let steps = Steps::record(&mut command, LIMIT)?.named(&["exit_group"]);
    let exit = steps.iter().next().expect("it exits");
    assert_eq!(kill_at(&mut command, exit, When::After, LIMIT)?.step, None);
    Ok(())
}

fn the_same_program_takes_the_same_steps() -> Outcome {
    let mut command = part("parent");
    let mut names = || -> io::Result<Vec<Vec<String>>> {
        let steps = Steps::record(&mut command, LIMIT)?;
        let of = |n| steps.of_process(n).iter().map(Step::to_string).collect();
        Ok(vec![of(0), of(1), of(2)])
    };
    let first = names()?;
    assert!(first[2].is_empty());
    assert_eq!(first, names()?);
    Ok(())
}

fn steps_are_chosen_by_name_and_sample() -> Outcome {
    let steps = Steps::record(&mut part("parent"), LIMIT)?;
    let named = steps.named(&["mmap", "openat"]);
    assert!(!named.is_empty() && named.len() < steps.len());
    assert_eq!(steps.every(10).len(), steps.len().div_ceil(10));
    assert_eq!(steps.of_process(0).len() + steps.of_process(1).len(), steps.len());
    let own = fs::read_to_string("/proc/self/comm")?;
    assert!(steps.of_process(0).iter().all(|step| *step.comm == *own.trim_end()));
    Ok(())
}

fn namespace() -> io::Result<()> {
    let user = if Uid::effective().is_root() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    unshare(user | CloneFlags::CLONE_NEWPID).map_err(|error| {
        io::Error::new(io::ErrorKind::Unsupported, format!("no new PID namespace: {error}"))
    })?;
    parent("pid")
}

fn a_first_process_of_a_namespace_is_killed() -> Outcome {
    let mut command = part("namespace");
    let steps = Steps::record(&mut command, LIMIT)?;
    if steps.run().status.code() == Some(i32::from(CANNOT)) {
        return Err(ignored(text(&steps.run().stdout).trim_end()));
    }
    assert_eq!(text(&steps.run().stdout), "1\nchild: exit status: 0\n");
    let steps = steps.of_process(1).named(&["getpid", "execve", "write"]);
    assert!(steps.len() >= 3, "{steps:?}");
    for step in &steps {
        let killed = kill_at(&mut command, step, When::Before, LIMIT)?;
        assert_eq!(text(&killed.run.stdout), "child: signal: 9 (SIGKILL)\n", "{step}");
    }
    Ok(())
}

fn binder() -> io::Result<()> {
    let mut child = part("bound").stdout(Stdio::piped()).spawn()?;
    let mut ready = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready)?;
    print(child.id())?;
    hint::black_box(getpgid(None))?; // the step to be killed at
    child.kill()?;
    child.wait().map(drop)
}

fn bound() -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    print("ready")?;
    sleep();
    Ok(())
}

fn what_is_bound_to_a_killed_parent_dies_with_it() -> Outcome {
    let mut command = part("binder");
    let steps = Steps::record(&mut command, LIMIT)?.of_process(0).named(&["getpgid"]);
    let killed = kill_at(&mut command, steps.iter().next().expect("the step"), When::Before, LIMIT)?;
    assert_eq!(killed.run.status.signal(), Some(9));
    assert!(killed.run.left.is_empty(), "{killed:?}");
    assert!(gone(text(&killed.run.stdout).trim_end().parse()?));
    Ok(())
}

fn a_process_that_is_not_dumpable_is_traced() -> Outcome {
    let mut command = part("not dumpable");
    let steps = Steps::record(&mut command, LIMIT)?.of_process(1).named(&["getpid"]);
    let killed = kill_at(&mut command, steps.iter().next().expect("it is traced"), When::Before, LIMIT)?;
    assert_eq!(text(&killed.run.stdout), "child: signal: 9 (SIGKILL)\n");
    Ok(())
}

fn exec_in_a_thread() -> io::Result<()> {
    let exec = thread::spawn(|| part("print").exec());
    Err(exec.join().expect("no panic"))
}

fn a_thread_may_exec() -> Outcome {
    let mut command = part("exec in a thread");
    let steps = Steps::record(&mut command, LIMIT)?;
    assert_eq!(text(&steps.run().stdout), "x");
    assert!(steps.of_process(1).is_empty(), "threads are no processes");
    // Two threads of one program race for what they allocate: their steps have no fixed numbers.
    let killed = kill_first(&mut command, |step| step.name == "write", When::Before, LIMIT)?;
    let place = killed.step.expect("it prints").place;
    assert_eq!((place.process, place.thread), (0, 1));
    assert_eq!((text(&killed.run.stdout), killed.run.status.signal()), ("", Some(9)));
    Ok(())
}

fn job_control() -> io::Result<()> {
    let child = Pid::from_raw(part("stop").spawn()?.id().cast_signed());
    print(waitpid(child, Some(WaitPidFlag::WUNTRACED))? == WaitStatus::Stopped(child, Signal::SIGSTOP))?;
    // It would have ended by now if the stop were none.
    thread::sleep(Duration::from_millis(20));
    print(waitpid(child, Some(WaitPidFlag::WNOHANG))? == WaitStatus::StillAlive)?;
    kill(child, Signal::SIGCONT)?;
    print(waitpid(child, None)? == WaitStatus::Exited(child, 0))
}

fn a_stopped_child_stays_stopped_until_continued() -> Outcome {
    let steps = Steps::record(&mut part("job control"), LIMIT)?;
    assert_eq!(text(&steps.run().stdout), "true\ntrue\ntrue\n", "{:?}", steps.run());
    Ok(())
}

fn signals_arrive() -> Outcome {
    // The last one is a real-time signal.
    for signal in [10, 15, 18, 40] {
        let script = format!("trap 'echo got it' {signal}; kill -{signal} $$");
        let steps = Steps::record(Command::new("sh").args(["-c", &script]), LIMIT)?;
        assert_eq!(text(&steps.run().stdout), "got it\n", "{signal}: {:?}", steps.run());
    }
    Ok(())
}

fn daemon() -> io::Result<()> {
    let daemon = part("sleep").spawn()?;
    print(daemon.id())
}

fn what_outlives_the_command_runs_on() -> Outcome {
    let steps = Steps::record(&mut part("daemon"), LIMIT)?;
    let run = steps.run();
    assert!(run.status.success() && !run.hung);
    let daemon: i32 = text(&run.stdout).trim_end().parse()?;
    let status = fs::read_to_string(format!("/proc/{daemon}/status"))?;
    kill(Pid::from_raw(daemon), Signal::SIGKILL)?;
    assert!(status.contains("\nTracerPid:\t0\n"), "{status}");
    assert!(!status.contains("(stopped)") && !status.contains("(tracing stop)"), "{status}");
    assert_eq!(run.left.iter().map(|(pid, _)| *pid).collect::<Vec<_>>(), [daemon]);
    Ok(())
}

fn sleep() {
    thread::sleep(LIMIT * 10);
}

fn hang() -> io::Result<()> {
    for child in ["sleep", "stop", "busy"] {
        print(part(child).spawn()?.id())?;
    }
    print(getpid())?;
    sleep();
    Ok(())
}

fn a_hung_tree_is_killed_at_the_limit() -> Outcome {
    let steps = Steps::record(&mut part("hang"), Duration::from_secs(2))?;
    let run = steps.run();
    assert!(run.hung && run.left.is_empty());
    assert_eq!(run.status.signal(), Some(9));
    let pids: HashSet<i32> = text(&run.stdout).lines().map(str::parse).collect::<Result<_, _>>()?;
    assert_eq!(pids.len(), 4, "{run:?}");
    assert!(pids.into_iter().all(gone));
    Ok(())
}

fn a_busy_program_ends_at_the_limit() -> Outcome {
    // A program that never waits would keep the tracer from looking at the clock, if that came second.
    let killed = kill_at(&mut part("busy"), (1, 0), When::Before, Duration::from_millis(500))?;
    assert!(killed.run.hung && killed.step.is_none());
    Ok(())
}

fn a_program_that_is_not_there_is_told() -> Outcome {
    match Steps::record(&mut Command::new("/nonexistent"), LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => Err(Stop::Failed(format!("{other:?}"))),
    }
}

fn children_of_other_threads_are_not_reaped() -> Outcome {
    let mut before = part("leaf").spawn()?;
    Steps::record(&mut part("parent"), LIMIT)?;
    assert!(before.wait()?.success());
    Ok(())
}

fn a_traced_command_runs_untraced_later() -> Outcome {
    let mut command = part("print");
    Steps::record(&mut command, LIMIT)?;
    assert_eq!(text(&command.stdout(Stdio::piped()).output()?.stdout), "x");
    Ok(())
}

fn tracing_costs_two_stops_a_call() -> Outcome {
    let steps = Steps::record(&mut part("call"), LIMIT)?;
    assert_eq!(steps.named(&["getppid"]).len(), 1000);
    let told = steps.run().stops;
    assert!(told.abs_diff(2 * steps.len()) < 20, "{told} stops for {} calls", steps.len());
    Ok(())
}

fn a_full_device_fails_at_the_byte() -> Outcome {
    let full = Full::new(64 << 10, 8)?;
    let no_space = |path: &str| {
        let mut file = File::create(full.path().join(path))?;
        file.write_all(b".")
    };
    full.fill()?;
    let error = no_space("full").expect_err("it is full");
    assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));
    full.leave(4096)?;
    no_space("fits")?;
    let error = no_space("doesn't fit").expect_err("it is full again");
    assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));

    let folder = full.path().to_owned();
    let status = Command::new("sh").arg("-c").arg("echo x > child").current_dir(&folder).status()?;
    assert!(!status.success(), "a child has the same room");
    drop(full);
    assert!(!folder.exists());
    Ok(())
}

fn inodes_run_out() -> Outcome {
    let full = Full::new(64 << 10, 3)?;
    for name in ["one", "two", "three"] {
        File::create(full.path().join(name))?;
    }
    let error = File::create(full.path().join("four")).expect_err("there is no inode left");
    assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));
    fs::remove_file(full.path().join("one"))?;
    full.fill_inodes()?;
    assert!(File::create(full.path().join("one")).is_err());
    Ok(())
}

/// Opens as many as there may be.
fn open_all() -> Vec<File> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::EMFILE as i32));
                return files;
            }
        }
    }
}

fn descriptors() -> io::Result<()> {
    // A gap below the highest one is room, too.
    let mut files: Vec<File> = (0..4).map(|_| File::open("/dev/null")).collect::<io::Result<_>>()?;
    drop(files.remove(1));
    for more in [0, 1, 2, 5] {
        let _few = Descriptors::leave(more)?;
        print(open_all().len())?;
    }
    (0..10).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>().map(drop)
}

fn descriptors_run_out_at_the_nth() -> Outcome {
    let output = part("descriptors").output()?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "0\n1\n2\n5\n");
    Ok(())
}

fn descriptors_run_out_in_a_command() -> Outcome {
    for more in [1, 3] {
        let mut command = part("open");
        Descriptors::leave_in(&mut command, more);
        let output = command.output()?;
        assert_eq!(text(&output.stdout), format!("{more}\n"), "{output:?}");
    }
    Ok(())
}

fn a_storm_interrupts_a_read() -> Outcome {
    let (silent, _writer) = io::pipe()?;
    let storm = Interrupts::every(Duration::from_millis(1))?;
    for _ in 0..10 {
        assert_eq!(read(&silent, &mut [0]), Err(Errno::EINTR));
    }
    assert!(storm.delivered() >= 10);
    drop(storm);

    // Calm again: this read ends by what is written.
    let (mut calm, mut writer) = io::pipe()?;
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        writer.write_all(b"x")
    });
    assert_eq!(calm.read(&mut [0])?, 1);
    late.join().expect("no panic")?;
    Ok(())
}

fn eat() -> io::Result<()> {
    let mut eaten = Vec::new();
    for _ in 0..512 {
        eaten.push(hint::black_box(vec![1_u8; 1 << 20]));
    }
    print(eaten.len())
}

fn a_starved_process_is_killed_and_counted() -> Outcome {
    let starved = Starved::new(32 << 20)?;
    assert_eq!(starved.oom_kills()?, 0);
    assert!(starved.spawn(&mut part("leaf"))?.wait()?.success());
    let status = starved.spawn(&mut part("eat"))?.wait()?;
    assert_eq!(status.signal(), Some(9));
    assert_eq!(starved.oom_kills()?, 1);

    let mut sleeper = part("sleep").spawn()?;
    starved.add(sleeper.id())?;
    drop(starved);
    assert_eq!(sleeper.wait()?.signal(), Some(9), "what is left inside goes with it");
    Ok(())
}

fn calls() -> io::Result<()> {
    let root = File::open("/")?;
    print(format!("openat2: {:?}", openat2(&root, "usr", OpenHow::new().flags(OFlag::O_PATH)).map(drop)))?;
    let status = fs::read_to_string("/proc/self/status")?;
    print(status.lines().find(|line| line.starts_with("NoNewPrivs")).unwrap_or_default())?;
    parent("leaf")
}

fn a_refused_call_answers_and_others_work() -> Outcome {
    let output = |refused: &str| -> Result<String, Stop> {
        let mut command = part("calls");
        refused.parse::<Refused>()?.install_in(&mut command);
        Ok(text(&command.output()?.stdout).to_owned())
    };
    if !text(&part("calls").output()?.stdout).starts_with("openat2: Ok") {
        return Err(ignored("openat2 is refused already"));
    }
    // Only who can't do without it sets no_new_privs.
    let status = fs::read_to_string("/proc/self/status")?;
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim();
    let sys_admin = u64::from_str_radix(field("CapEff:"), 16)? & 1 << 21 != 0;
    let privileges = if sys_admin { field("NoNewPrivs:") } else { "1" };
    let works = "child: exit status: 0\n";
    let answers = |answer: &str| format!("openat2: {answer}\nNoNewPrivs:\t{privileges}\n{works}");
    assert_eq!(output("openat2")?, answers("Err(ENOSYS)"));
    assert_eq!(output("437=EPERM,clone3")?, answers("Err(EPERM)"));
    assert_eq!(output("listmount")?, answers("Ok(())"));
    Ok(())
}

fn a_program_runs_without_recent_calls() -> Outcome {
    let here = RECENT.iter().fold(Refused::new(), |refused, call| refused.call(call, Errno::ENOSYS));
    here.install()?; // on this thread and its children
    let output = part("parent").output()?;
    assert_eq!(text(&output.stdout), "child: exit status: 0\n");
    let root = File::open("/")?;
    assert_eq!(openat2(&root, "usr", OpenHow::new()).map(drop), Err(Errno::ENOSYS));
    Ok(())
}
