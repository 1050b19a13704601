//! The same by Go's `github.com/vishvananda/netlink`, in a process that does what it is told to.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A program at work, in the namespace that it was started in.
pub(crate) struct Go {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What some runs took.
pub(crate) struct Took {
    pub(crate) whole: Duration,
    pub(crate) user: Duration,
    /// The most that it ever had.
    pub(crate) kib: u64,
}

impl Go {
    /// Builds and starts it; says why where that can't be.
    pub(crate) fn start() -> Option<Go> {
        Go::try_start().inspect_err(|error| println!("without vishvananda/netlink: {error}")).ok()
    }

    fn try_start() -> io::Result<Go> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join("peer-vishvananda");
        let path = env::var_os("GOPATH").unwrap_or_else(|| OsString::from("/usr/share/gocode"));
        let built = Command::new("go")
            .envs([("GO111MODULE", "off"), ("CGO_ENABLED", "0")])
            .env("GOPATH", path)
            .env("GOCACHE", folder.join("go-cache"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers"))
            .args(["build", "-o"])
            .arg(&program)
            .arg("vishvananda.go")
            .output()?;
        if !built.status.success() {
            let complaint = String::from_utf8_lossy(&built.stderr);
            return Err(io::Error::other(
                complaint.lines().find(|line| !line.starts_with('#')).unwrap_or_default(),
            ));
        }
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (orders, answers) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Ok(Go { child, orders, answers: BufReader::new(answers) })
    }

    /// Does it so many times; `None` if it doesn't know how.
    pub(crate) fn run(&mut self, row: &str, times: u32) -> Option<Took> {
        writeln!(self.orders, "{times} {row}").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [nanoseconds, microseconds, kib] = numbers[..] else { return None };
        Some(Took {
            whole: Duration::from_nanos(nanoseconds),
            user: Duration::from_micros(microseconds),
            kib,
        })
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
