//! Other libraries, each in a process that looks users up when it is told to.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::table::Wanted;

/// A way to look up in another library: the program and what it is told to do.
pub(crate) struct Way {
    name: &'static str,
    program: &'static str,
    task: &'static str,
    files: Files,
}

/// Which files a library reads.
enum Files {
    /// Any, by their path.
    Any,
    /// Those in `/etc`.
    Etc,
}

/// The ways to find a user.
pub(crate) const USERS: &[Way] = &[
    way("Go: moby ParsePasswdFileFilter", "moby", "filter", Files::Any),
    way("Go: moby GetExecUserPath", "moby", "exec", Files::Any),
    way("Go: os/user Lookup", "osuser", "user", Files::Etc),
    way("C: glibc fgetpwent_r", "glibc", "fgetpwent", Files::Any),
    way("C: glibc getpwnam_r (uzers, nix)", "glibc", "getpwnam", Files::Etc),
    way("C: musl getpwnam_r", "musl", "getpwnam", Files::Etc),
];

/// The ways to find a user and their groups.
pub(crate) const GROUPS: &[Way] = &[
    way("Go: moby GetExecUserPath", "moby", "groups", Files::Any),
    way("Go: os/user Lookup, GroupIds", "osuser", "groups", Files::Etc),
    way("C: glibc getpwnam_r, getgrouplist", "glibc", "groups", Files::Etc),
    way("C: musl getpwnam_r, getgrouplist", "musl", "groups", Files::Etc),
];

const fn way(name: &'static str, program: &'static str, task: &'static str, files: Files) -> Way {
    Way { name, program, task, files }
}

/// Builds the programs that can be built here, and says why the others can't.
pub(crate) fn build() -> Vec<&'static str> {
    let compilers = [
        ("moby", go("moby")),
        ("osuser", go("osuser")),
        ("glibc", c("glibc", "cc")),
        ("musl", c("musl", "musl-gcc")),
    ];
    let mut programs = Vec::new();
    for (program, mut compiler) in compilers {
        compiler.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers"));
        match compiler.output() {
            Ok(output) if output.status.success() => programs.push(program),
            Ok(output) => println!("without {program}: {}", complaint_in(&output.stderr)),
            Err(error) => println!("without {program}: {}: {error}", compiler.get_program().display()),
        }
    }
    programs
}

fn go(program: &str) -> Command {
    let path = env::var_os("GOPATH").unwrap_or_else(|| OsString::from("/usr/share/gocode"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let mut go = Command::new("go");
    // Without cgo, os/user reads the files itself.
    go.envs([("GO111MODULE", "off"), ("CGO_ENABLED", "0")]).env("GOPATH", path).env("GOCACHE", cache);
    go.args(["build", "-o"]).arg(built(program)).arg("loop.go").arg(format!("{program}.go"));
    go
}

fn c(program: &str, compiler: &str) -> Command {
    let mut cc = Command::new(compiler);
    cc.args(["-O2", "-o"]).arg(built(program)).arg("libc.c");
    cc
}

fn built(program: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peer-{program}"))
}

/// A program at work.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts those that there are and that find what is wanted, and says why the others don't.
    pub(crate) fn start_all(ways: &[Way], programs: &[&str], root: &Path, wanted: &Wanted) -> Vec<Peer> {
        let mut peers = Vec::new();
        for way in ways.iter().filter(|way| programs.contains(&way.program)) {
            let peer = Peer::start(way, root).and_then(|mut peer| match peer.ask(1, wanted) {
                Ok(_) => Ok(peer),
                Err(error) => Err(io::Error::other(format!("{error}: {}", peer.complaint()))),
            });
            match peer {
                Ok(peer) => peers.push(peer),
                Err(error) => println!("without {}: {error}", way.name),
            }
        }
        peers
    }

    fn start(way: &Way, root: &Path) -> io::Result<Peer> {
        let program = built(way.program);
        let mut command = match way.files {
            Files::Any => Command::new(&program),
            Files::Etc => with_etc(root, &program)?,
        };
        command.arg(way.task).arg(root);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn()?;
        let (orders, answers) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Ok(Peer { name: way.name, child, orders, answers: BufReader::new(answers) })
    }

    /// Returns what one of so many lookups takes.
    pub(crate) fn time(&mut self, repeat: u32, wanted: &Wanted) -> Duration {
        self.ask(repeat, wanted).expect("it answered before")
    }

    fn ask(&mut self, repeat: u32, wanted: &Wanted) -> io::Result<Duration> {
        writeln!(self.orders, "{repeat} {}", wanted.name)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        match line.trim_end().split_once(' ') {
            Some((nanoseconds, answer)) if answer == wanted.answer.to_string() => {
                let nanoseconds = nanoseconds.parse().map_err(io::Error::other)?;
                Ok(Duration::from_nanos(nanoseconds) / repeat)
            }
            _ => Err(io::Error::other(format!("asked for {}, it answers {line:?}", wanted.name))),
        }
    }

    /// Ends it, and returns what it complained of.
    fn complaint(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.child.kill();
        let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_end(&mut text));
        complaint_in(&text)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program where a root's account files are those in `/etc`, and no service is asked but them.
fn with_etc(root: &Path, program: &Path) -> io::Result<Command> {
    const SCRIPT: &str = r#"
        for file in passwd group nsswitch.conf; do
            [ ! -e "$0/etc/$file" ] || mount --bind "$0/etc/$file" "/etc/$file" || exit
        done
        exec "$@""#;
    fs::write(root.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\n")?;
    let mut command = Command::new("unshare");
    // Its mounts are private to it: unshare(1) sees to that.
    command.arg("--mount");
    if fs::metadata("/proc/self")?.uid() != 0 {
        command.arg("--map-root-user");
    }
    command.args(["--", "sh", "-c", SCRIPT]).args([root, program]);
    Ok(command)
}

/// Returns the first line that says something; go writes headings above it.
fn complaint_in(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().find(|line| !line.starts_with('#')).unwrap_or("it says nothing").to_owned()
}
