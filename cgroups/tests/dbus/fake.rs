//! A manager on a socket of its own that says what a test wants: as much of D-Bus as that takes.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use cgroups::systemd::Systemd;
use grounds::Stop;

/// What it was asked, as far as tests look.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `StartTransientUnit`, `Get`.
    pub(crate) member: String,
    /// The bytes of the arguments, as text where they are some.
    pub(crate) arguments: String,
    serial: u32,
}

/// What it does then.
pub(crate) enum Answer {
    /// Answers with arguments of these types.
    Reply(&'static str, Vec<u8>),
    /// Refuses.
    Error(&'static str, String),
    /// Tells that a job has ended.
    JobRemoved(&'static str, &'static str),
    /// Sends bytes that are no message.
    Bytes(Vec<u8>),
    /// Closes the connection; the next may come.
    HangUp,
}

/// The object of every job.
pub(crate) const JOB: &str = "/org/freedesktop/systemd1/job/7";

type Answers = dyn Fn(&Call) -> Vec<Answer> + Send + Sync;

/// A manager that runs until the end of the test.
pub(crate) struct Fake {
    folder: PathBuf,
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Arc<Answers>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Listens, and answers by what `answers` says to each call.
    pub(crate) fn new(answers: impl Fn(&Call) -> Vec<Answer> + Send + Sync + 'static) -> Result<Fake, Stop> {
        let folder = std::env::temp_dir().join(format!("cgroups-fake-{}", std::process::id()));
        fs::create_dir_all(folder.join("systemd"))?;
        let listener = UnixListener::bind(folder.join("systemd/private"))?;
        let answers = Arc::new(answers);
        let mut fake = Fake { folder, calls: Arc::default(), answers, over: Arc::default(), thread: None };
        fake.serve(listener);
        Ok(fake)
    }

    /// Lets in whoever knocks there, and no more at the socket before.
    pub(crate) fn serve(&mut self, listener: UnixListener) {
        self.close();
        let (heard, answers, over) =
            (self.calls.clone(), self.answers.clone(), Arc::new(AtomicBool::new(false)));
        self.over = over.clone();
        self.thread = Some(thread::spawn(move || {
            thread::scope(|threads| {
                for stream in listener.incoming().map_while(Result::ok) {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    threads.spawn(|| serve(stream, &heard, &*answers));
                }
            });
        }));
    }

    /// Takes the socket away, and is back when nobody listens there any more.
    pub(crate) fn close(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.over.store(true, Ordering::SeqCst);
            drop(UnixStream::connect(self.socket()));
            drop(thread.join());
            drop(fs::remove_file(self.socket()));
        }
    }

    /// Connects to it, as a user does to theirs.
    #[allow(unsafe_code)]
    pub(crate) fn connect(&self) -> cgroups::Result<Systemd> {
        // SAFETY: this test is a process of its own, and its other threads look at no variable.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", &self.folder) };
        // SAFETY: as above.
        unsafe { std::env::remove_var("DBUS_SESSION_BUS_ADDRESS") };
        Systemd::user()
    }

    /// The names of all calls so far but `Get`.
    pub(crate) fn members(&self) -> Vec<String> {
        let calls = self.calls.lock().expect("no panic");
        calls.iter().filter(|call| call.member != "Get").map(|call| call.member.clone()).collect()
    }

    /// All calls of that name.
    pub(crate) fn calls(&self, member: &str) -> Vec<Call> {
        let calls = self.calls.lock().expect("no panic");
        calls.iter().filter(|call| call.member == member).cloned().collect()
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("systemd/private")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.close();
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// One connection, until either side ends it.
fn serve(mut stream: UnixStream, heard: &Mutex<Vec<Call>>, answers: &Answers) {
    if greet(&mut stream).is_none() {
        return;
    }
    while let Some(call) = read_call(&mut stream) {
        heard.lock().expect("no panic").push(call.clone());
        for answer in answers(&call) {
            let bytes = match answer {
                Answer::Reply(types, body) => {
                    message(2, &[(5, Field::Number(call.serial)), (8, Field::Types(types))], &body)
                }
                Answer::Error(name, text) => {
                    let fields =
                        [(4, Field::Text(name)), (5, Field::Number(call.serial)), (8, Field::Types("s"))];
                    message(3, &fields, &Body::default().text(&text).0)
                }
                Answer::JobRemoved(job, result) => {
                    let fields = [
                        (1, Field::Path("/org/freedesktop/systemd1")),
                        (2, Field::Text("org.freedesktop.systemd1.Manager")),
                        (3, Field::Text("JobRemoved")),
                        (8, Field::Types("uoss")),
                    ];
                    let body = Body::default().number(7).text(job).text("x.scope").text(result);
                    message(4, &fields, &body.0)
                }
                Answer::Bytes(bytes) => bytes,
                Answer::HangUp => return,
            };
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

fn greet(stream: &mut UnixStream) -> Option<()> {
    let mut lines = Vec::new();
    while !lines.ends_with(b"BEGIN\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        lines.push(byte[0]);
    }
    stream.write_all(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n").ok()
}

fn read_call(stream: &mut UnixStream) -> Option<Call> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).ok()?;
    let number = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let fields_length = number(12) as usize;
    let mut fields = vec![0; fields_length.next_multiple_of(8)];
    stream.read_exact(&mut fields).ok()?;
    let mut body = vec![0; number(4) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(Call {
        member: member(&fields[..fields_length])?,
        arguments: String::from_utf8_lossy(&body).into_owned(),
        serial: number(8),
    })
}

/// The third of the fields: each begins at a multiple of eight with its code and its type.
fn member(fields: &[u8]) -> Option<String> {
    let mut at = 0;
    while at < fields.len() {
        let (code, kind) = (fields[at], fields[at + 2]);
        at += 4;
        let length = if kind == b'g' {
            fields[at].into()
        } else {
            u32::from_le_bytes(fields[at..at + 4].try_into().ok()?)
        };
        at += if kind == b'g' { 1 } else { 4 };
        let end = at + length as usize;
        if code == 3 {
            return Some(String::from_utf8_lossy(&fields[at..end]).into_owned());
        }
        at = (end + 1).next_multiple_of(8);
    }
    None
}

enum Field {
    Text(&'static str),
    Path(&'static str),
    Types(&'static str),
    Number(u32),
}

fn message(kind: u8, fields: &[(u8, Field)], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'l', kind, 0, 1];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    for (code, value) in fields {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend([*code, 1]);
        match value {
            Field::Text(text) => bytes.extend([&b"s\0"[..], &Body::default().text(text).0].concat()),
            Field::Path(text) => bytes.extend([&b"o\0"[..], &Body::default().text(text).0].concat()),
            Field::Types(types) => {
                bytes.extend([b'g', 0, types.len() as u8]);
                bytes.extend(types.as_bytes());
                bytes.push(0);
            }
            Field::Number(number) => {
                bytes.extend(b"u\0");
                bytes.extend(number.to_le_bytes());
            }
        }
    }
    let length = (bytes.len() - 16) as u32;
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(body);
    bytes
}

/// Arguments, one after the other.
#[derive(Default)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Body {
    /// `s` or `o`.
    pub(crate) fn text(mut self, text: &str) -> Body {
        self = self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
        self
    }

    /// `u`.
    pub(crate) fn number(mut self, number: u32) -> Body {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.0.extend(number.to_le_bytes());
        self
    }
}

/// A property that is a text.
pub(crate) fn text(text: &str) -> Answer {
    let mut body = Body(vec![1, b's', 0]);
    body = body.text(text);
    Answer::Reply("v", body.0)
}

/// The beginning of a job.
pub(crate) fn job() -> Answer {
    Answer::Reply("o", Body::default().text(JOB).0)
}

/// Nothing more than "yes".
pub(crate) fn done() -> Answer {
    Answer::Reply("", Vec::new())
}

/// The processes of a unit, as `GetUnitProcesses` tells them.
pub(crate) fn processes(pids: &[u32]) -> Answer {
    let mut array = Body::default();
    for &pid in pids {
        array.0.resize(array.0.len().next_multiple_of(8), 0);
        array = array.text("/x.scope").number(pid).text("sleep 600");
    }
    let mut body = Body::default().number(array.0.len() as u32);
    // Structures begin at a multiple of eight, which doesn't count.
    body.0.extend([0; 4]);
    body.0.extend(array.0);
    Answer::Reply("a(sus)", body.0)
}
