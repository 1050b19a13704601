//! What goes over the serial line, from the guest to the host.
//!
//! One line carries everything, so that the end can't overtake the output before it. A frame is its
//! kind, the length of its bytes (four bytes, little-endian), and the bytes.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};

use super::wait;

/// No frame is longer: a longer one is no frame.
const LONGEST: usize = 1 << 20;

/// One message of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The task was started.
    Started,
    /// The task wrote this to its standard output.
    Output(Vec<u8>),
    /// The task wrote this to its standard error.
    Error(Vec<u8>),
    /// The task exited with this code.
    Exited(i32),
    /// The task died by this signal.
    Signaled(i32),
    /// The task could not be started; why.
    Failed(String),
}

impl Frame {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Frame::Started => (b'S', Vec::new()),
            Frame::Output(bytes) => (b'O', bytes.clone()),
            Frame::Error(bytes) => (b'E', bytes.clone()),
            Frame::Exited(code) => (b'X', code.to_le_bytes().into()),
            Frame::Signaled(signal) => (b'K', signal.to_le_bytes().into()),
            Frame::Failed(reason) => (b'F', reason.clone().into_bytes()),
        }
    }

    fn from_parts(kind: u8, bytes: Vec<u8>) -> Option<Frame> {
        let number = || Some(i32::from_le_bytes(bytes.as_slice().try_into().ok()?));
        Some(match kind {
            b'S' => Frame::Started,
            b'X' => Frame::Exited(number()?),
            b'K' => Frame::Signaled(number()?),
            b'F' => Frame::Failed(String::from_utf8_lossy(&bytes).into_owned()),
            b'O' => Frame::Output(bytes),
            b'E' => Frame::Error(bytes),
            _ => return None,
        })
    }
}

/// The guest's end.
#[derive(Debug)]
pub(super) struct Writer(File);

impl Writer {
    /// Opens the serial line, and stops the terminal layer from changing what goes through it.
    pub(super) fn open(line: &Path) -> io::Result<Writer> {
        // Else the line would become the controlling terminal of whoever leads a session.
        let flags = OFlag::O_NOCTTY.bits();
        let file = File::options().read(true).write(true).custom_flags(flags).open(line)?;
        let writer = Writer(file);
        if writer.is_serial() {
            let mut settings = tcgetattr(&writer.0)?;
            cfmakeraw(&mut settings);
            tcsetattr(&writer.0, SetArg::TCSANOW, &settings)?;
        }
        Ok(writer)
    }

    /// Tells whether the line is one, from another kernel, and not a pipe of this one.
    pub(super) fn is_serial(&self) -> bool {
        self.0.is_terminal()
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let (kind, bytes) = frame.parts();
        let mut message = vec![kind];
        message.extend((bytes.len() as u32).to_le_bytes());
        message.extend(bytes);
        self.0.write_all(&message)
    }

    /// Waits until everything has left the guest.
    pub(super) fn drain(&self) -> io::Result<()> {
        if self.is_serial() { Ok(tcdrain(&self.0)?) } else { Ok(()) }
    }
}

/// The host's end.
#[derive(Debug)]
pub(super) struct Reader<R> {
    file: R,
    buffer: Vec<u8>,
    /// What was read and is not a whole frame yet.
    pending: Vec<u8>,
}

impl<R: Read + AsFd> Reader<R> {
    pub(super) fn new(file: R) -> Reader<R> {
        Reader { file, buffer: vec![0; 65536], pending: Vec::new() }
    }

    /// Returns the next frame, nothing at the end.
    ///
    /// # Errors
    /// `TimedOut` when none came by then, `InvalidData` when what came is none.
    pub(super) fn next(&mut self, until: Instant) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            wait::readable(&self.file, until)?;
            match self.file.read(&mut self.buffer)? {
                0 => return Ok(None),
                count => self.pending.extend(&self.buffer[..count]),
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Frame>> {
        let Some((head, rest)) = self.pending.split_first_chunk::<5>() else { return Ok(None) };
        let [kind, length @ ..] = *head;
        let length = u32::from_le_bytes(length) as usize;
        let garbled = || io::Error::new(io::ErrorKind::InvalidData, "the serial line is garbled");
        if length > LONGEST {
            return Err(garbled());
        }
        let Some(bytes) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::from_parts(kind, bytes.to_vec()).ok_or_else(garbled)?;
        self.pending.drain(..5 + length);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let (reader, writer) = io::pipe().unwrap();
        let mut writer = Writer(File::from(std::os::fd::OwnedFd::from(writer)));
        let frames = [
            Frame::Started,
            Frame::Output(vec![0, 10, 13, 255]),
            Frame::Error(Vec::new()),
            Frame::Exited(-1),
            Frame::Signaled(9),
            Frame::Failed("run \"/x\": no".to_owned()),
        ];
        for frame in &frames {
            writer.send(frame).unwrap();
        }
        drop(writer);

        let mut reader = Reader::new(reader);
        let until = Instant::now() + Duration::from_secs(5);
        let read: Vec<Frame> = std::iter::from_fn(|| reader.next(until).unwrap()).collect();
        assert_eq!(read, frames);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"Kernel panic - not syncing").unwrap();
        let error = Reader::new(reader).next(Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_silent_line_times_out() {
        let (reader, _writer) = io::pipe().unwrap();
        let error = Reader::new(reader).next(Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
