//! Terminals of the running kernel: each test makes a pseudoterminal of its own. Any user may.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::{env, panic};

use grounds::{Outcome, tests};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use term::{ErrorKind, Pty, RawMode, RawOptions, State, Winsize};
use termios::{Termios, VMIN, VTIME};

/// Names the part that a process started by a test plays.
const PART: &str = "TERM_TEST_PART";

fn main() -> ExitCode {
    match env::var(PART).as_deref() {
        Ok("session leader") => return exit_code(session_leader()),
        Ok("no terminal") => return exit_code(no_terminal()),
        Ok("bare tcsetattr") => return exit_code(bare_tcsetattr()),
        Ok("restore") => return exit_code(restore_from_the_background()),
        _ => {}
    }
    grounds::run(tests![
        an_unknown_size_is_none,
        a_size_is_kept_whole_and_seen_from_both_sides,
        a_file_is_no_terminal,
        raw_mode_passes_every_byte_both_ways,
        a_raw_read_waits_for_one_byte,
        output_processing_may_be_kept,
        signal_keys_may_be_kept,
        dropping_the_guard_restores_exactly,
        a_panic_restores,
        guards_nest_and_terminals_are_apart,
        raw_mode_is_entered_again_after_a_change,
        the_guard_outlives_the_callers_descriptor,
        a_terminal_that_hung_up_is_told_by_close_only,
        a_password_is_read_without_echo,
        the_2014_functions_save_and_restore,
        signal_handlers_and_masks_stay_as_they_are,
        a_background_process_restores_without_being_stopped,
        a_process_without_a_terminal_is_told_so,
        a_pty_is_not_inherited,
    ])
}

fn an_unknown_size_is_none() -> Outcome {
    // Docker told every serial console and every `expect` that its window had 0 rows.
    let pty = Pty::open(None)?;
    assert_eq!(term::winsize(&pty.terminal)?, None);
    term::set_winsize(&pty.terminal, &Winsize::new(0, 80))?;
    assert_eq!(term::winsize(&pty.terminal)?, Some(Winsize::new(0, 80)));
    term::set_winsize(&pty.terminal, &Winsize::new(0, 0))?;
    assert_eq!(term::winsize(&pty.terminal)?, None);
    Ok(())
}

fn a_size_is_kept_whole_and_seen_from_both_sides() -> Outcome {
    let mut size = Winsize::new(24, 80);
    (size.x_pixels, size.y_pixels) = (640, 384);
    let pty = Pty::open(Some(&size))?;
    assert_eq!(term::winsize(&pty.controller)?, Some(size));
    assert_eq!(term::winsize(&pty.terminal)?, Some(size));
    Ok(())
}

fn a_file_is_no_terminal() -> Outcome {
    let file = File::open("/dev/null")?;
    let errors = [
        term::winsize(&file).unwrap_err(),
        term::set_winsize(&file, &Winsize::new(24, 80)).unwrap_err(),
        State::save(&file).unwrap_err(),
        RawMode::enter(&file).unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error.kind(), ErrorKind::NotATerminal, "{error}");
        assert_eq!(error.raw_os_error(), Some(25));
    }
    let number = file.as_raw_fd();
    assert_eq!(
        errors[0].to_string(),
        format!("get the window size of descriptor {number}: Inappropriate ioctl for device (os error 25)")
    );
    assert!(!term::is_terminal(&file));
    let pty = Pty::open(None)?;
    assert!(term::is_terminal(&pty.terminal));
    Ok(())
}

fn raw_mode_passes_every_byte_both_ways() -> Outcome {
    let mut pty = Pty::open(None)?;
    let raw = RawMode::enter(&pty.terminal)?;
    let mut terminal = File::from(pty.terminal.try_clone()?);
    // Every byte, of which a cooked terminal eats or answers to Ctrl-C, -D, -Q, -S, -V, -Z, CR, DEL and more.
    let every_byte: Vec<u8> = (0..=255).collect();

    pty.controller.write_all(&every_byte)?;
    let mut keys = [0; 256];
    terminal.read_exact(&mut keys)?;
    assert_eq!(keys.as_slice(), every_byte);

    terminal.write_all(&every_byte)?;
    let mut screen = [0; 256];
    pty.controller.read_exact(&mut screen)?;
    assert_eq!(screen.as_slice(), every_byte, "and the keys were not echoed");
    raw.close()?;
    Ok(())
}

fn a_raw_read_waits_for_one_byte() -> Outcome {
    // Until 2017 Docker left VMIN as it was: after a program that had set it to 0, `docker run -ti`
    // read end of file at once.
    let pty = Pty::open(None)?;
    change(&pty, |mode| (mode.c_cc[VMIN], mode.c_cc[VTIME]) = (0, 7))?;
    let raw = RawMode::enter(&pty.terminal)?;
    let mode = mode(&pty)?;
    assert_eq!((mode.c_cc[VMIN], mode.c_cc[VTIME]), (1, 0));
    raw.close()?;
    Ok(())
}

fn output_processing_may_be_kept() -> Outcome {
    let mut pty = Pty::open(None)?;
    let mut terminal = File::from(pty.terminal.try_clone()?);
    let mut screen = [0; 3];

    let raw = RawOptions::new().keep_output_processing().enter(&pty.terminal)?;
    terminal.write_all(b"a\n")?;
    pty.controller.read_exact(&mut screen)?;
    assert_eq!(&screen, b"a\r\n");
    raw.close()?;

    let raw = RawMode::enter(&pty.terminal)?;
    terminal.write_all(b"a\nb")?;
    pty.controller.read_exact(&mut screen)?;
    assert_eq!(&screen, b"a\nb");
    raw.close()?;
    Ok(())
}

fn signal_keys_may_be_kept() -> Outcome {
    let pty = Pty::open(None)?;
    let raw = RawOptions::new().keep_signals().enter(&pty.terminal)?;
    assert_ne!(mode(&pty)?.c_lflag & termios::ISIG, 0);
    assert_eq!(mode(&pty)?.c_lflag & termios::ICANON, 0);
    raw.close()?;

    let raw = RawMode::enter(&pty.terminal)?;
    assert_eq!(mode(&pty)?.c_lflag & termios::ISIG, 0);
    raw.close()?;
    Ok(())
}

fn dropping_the_guard_restores_exactly() -> Outcome {
    let pty = Pty::open(None)?;
    change(&pty, |mode| {
        mode.c_iflag |= termios::IGNBRK | termios::INLCR;
        mode.c_cc[VMIN] = 3;
        termios::cfsetspeed(mode, termios::B9600).expect("a speed that every system knows");
    })?;
    let before = mode(&pty)?;

    let state = State::save(&pty.terminal)?;
    let raw = RawMode::enter(&pty.terminal)?;
    assert_ne!(mode(&pty)?, before);
    assert_eq!(raw.before(), &state);
    drop(raw);
    assert_eq!(mode(&pty)?, before);
    Ok(())
}

fn a_panic_restores() -> Outcome {
    let pty = Pty::open(None)?;
    let before = mode(&pty)?;
    let result = panic::catch_unwind(|| {
        let _raw = RawMode::enter(&pty.terminal).expect("it is a terminal");
        panic::resume_unwind(Box::new("a program's own mistake"));
    });
    assert!(result.is_err());
    assert_eq!(mode(&pty)?, before);
    Ok(())
}

fn guards_nest_and_terminals_are_apart() -> Outcome {
    let (one, other) = (Pty::open(None)?, Pty::open(None)?);
    let cooked = mode(&one)?;
    let outer = RawMode::enter(&one.terminal)?;
    assert_eq!(mode(&other)?, cooked);
    let raw = mode(&one)?;
    let inner = RawMode::enter(&one.terminal)?;
    let beside = RawMode::enter(&other.terminal)?;
    inner.close()?;
    assert_eq!(mode(&one)?, raw, "the inner guard found it raw and leaves it raw");
    outer.close()?;
    assert_eq!((mode(&one)?, mode(&other)?), (cooked, raw));
    beside.close()?;
    assert_eq!(mode(&other)?, cooked);
    Ok(())
}

fn raw_mode_is_entered_again_after_a_change() -> Outcome {
    let pty = Pty::open(None)?;
    let before = mode(&pty)?;
    let guard = RawMode::enter(&pty.terminal)?;
    let raw = mode(&pty)?;
    // A shell does this while the program is stopped.
    guard.before().restore(&pty.terminal)?;
    guard.reenter(RawOptions::new())?;
    assert_eq!(mode(&pty)?, raw);
    guard.close()?;
    assert_eq!(mode(&pty)?, before);
    Ok(())
}

fn the_guard_outlives_the_callers_descriptor() -> Outcome {
    // A guard that remembered a number would restore whatever the number means by then.
    let pty = Pty::open(None)?;
    let before = mode(&pty)?;
    let descriptor = pty.terminal.try_clone()?;
    let raw = RawMode::enter(&descriptor)?;
    drop(descriptor);
    let _reused = File::open("/dev/null")?;
    raw.close()?;
    assert_eq!(mode(&pty)?, before);
    Ok(())
}

fn a_terminal_that_hung_up_is_told_by_close_only() -> Outcome {
    let pty = Pty::open(None)?;
    let (told, quiet) = (RawMode::enter(&pty.terminal)?, RawMode::enter(&pty.terminal)?);
    drop(pty.controller);
    drop(quiet);
    assert_eq!(told.close().unwrap_err().kind(), ErrorKind::HungUp);
    Ok(())
}

fn a_password_is_read_without_echo() -> Outcome {
    let mut pty = Pty::open(None)?;
    let mut terminal = File::from(pty.terminal.try_clone()?);
    let state = term::save_state(&terminal)?;
    let mut line = [0; 7];

    term::disable_echo(&terminal, &state)?;
    pty.controller.write_all(b"secret\n")?;
    terminal.read_exact(&mut line)?;
    assert_eq!(&line, b"secret\n");
    term::restore_terminal(&terminal, &state)?;

    pty.controller.write_all(b"shown!\n")?;
    terminal.read_exact(&mut line)?;
    let mut screen = [0; 8];
    pty.controller.read_exact(&mut screen)?;
    assert_eq!(&screen, b"shown!\r\n", "the first thing on the screen");
    Ok(())
}

fn the_2014_functions_save_and_restore() -> Outcome {
    let pty = Pty::open(None)?;
    let before = mode(&pty)?;
    for make_raw in [term::make_raw, term::set_raw_terminal] {
        let state = make_raw(&pty.terminal)?;
        assert_eq!(mode(&pty)?.c_lflag & (termios::ECHO | termios::ICANON | termios::ISIG), 0);
        term::restore_terminal(&pty.terminal, &state)?;
        assert_eq!(mode(&pty)?, before);
    }
    Ok(())
}

fn signal_handlers_and_masks_stay_as_they_are() -> Outcome {
    // 2014 took over SIGINT and ended the process with status 0 when it came.
    let signals = || -> std::io::Result<Vec<String>> {
        let status = fs::read_to_string("/proc/thread-self/status")?;
        Ok(status.lines().filter(|line| line.starts_with("Sig")).map(str::to_owned).collect())
    };
    let before = signals()?;
    let pty = Pty::open(None)?;
    let raw = RawMode::enter(&pty.terminal)?;
    assert_eq!(signals()?, before);
    raw.close()?;
    assert_eq!(signals()?, before);
    Ok(())
}

fn a_pty_is_not_inherited() -> Outcome {
    let pty = Pty::open(None)?;
    for fd in [pty.controller.as_fd(), pty.terminal.as_fd()] {
        let flags = FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD)?);
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
    }
    Ok(())
}

/// A process in the background that changed its terminal was stopped for good (SIGTTOU).
fn a_background_process_restores_without_being_stopped() -> Outcome {
    let pty = Pty::open(None)?;
    let status = part("session leader").stdin(Stdio::from(pty.terminal.try_clone()?)).status()?;
    assert!(status.success(), "{status}");
    assert_eq!(mode(&pty)?.c_lflag & termios::ECHO, 0, "the change from the background arrived");
    Ok(())
}

fn a_process_without_a_terminal_is_told_so() -> Outcome {
    let status = part("no terminal").stdin(Stdio::null()).status()?;
    assert!(status.success(), "{status}");
    Ok(())
}

type Played = Result<(), Box<dyn Error>>;

/// Takes the terminal on stdin as its own and starts two processes in the background of it.
fn session_leader() -> Played {
    setsid()?;
    let _terminal = OpenOptions::new().read(true).write(true).open("/proc/self/fd/0")?;
    term::controlling_terminal()?;
    match background("bare tcsetattr")? {
        WaitStatus::Stopped(_, Signal::SIGTTOU) => {}
        other => return Err(format!("the kernel no longer stops the background: {other:?}").into()),
    }
    match background("restore")? {
        WaitStatus::Exited(_, 0) => Ok(()),
        other => Err(format!("restoring from the background: {other:?}").into()),
    }
}

/// Plays a part in a process group of its own, until it stops or ends; nothing of it is left.
fn background(name: &str) -> Result<WaitStatus, Box<dyn Error>> {
    let child = part(name).process_group(0).spawn()?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    if let WaitStatus::Stopped(..) = status {
        kill(pid, Signal::SIGKILL)?;
        waitpid(pid, None)?;
    }
    Ok(status)
}

fn bare_tcsetattr() -> Played {
    let mode = Termios::from_fd(0)?;
    Ok(termios::tcsetattr(0, termios::TCSANOW, &mode)?)
}

fn restore_from_the_background() -> Played {
    let state = State::save(std::io::stdin())?;
    Ok(term::disable_echo(std::io::stdin(), &state)?)
}

fn no_terminal() -> Played {
    setsid()?;
    match term::controlling_terminal() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn part(name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env(PART, name);
    command
}

fn exit_code(played: Played) -> ExitCode {
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn mode(pty: &Pty) -> std::io::Result<Termios> {
    Termios::from_fd(pty.terminal.as_raw_fd())
}

fn change(pty: &Pty, change: fn(&mut Termios)) -> std::io::Result<()> {
    let mut mode = mode(pty)?;
    change(&mut mode);
    termios::tcsetattr(pty.terminal.as_raw_fd(), termios::TCSANOW, &mode)
}
