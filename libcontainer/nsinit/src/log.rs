//! Where errors are told: on standard error, and in the file that the caller's engine reads.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use libcontainer::{ErrorKind, oci};

use crate::failure::Failure;

/// How lines of the file look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// The file and its format.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) file: Option<PathBuf>,
    pub(crate) format: Format,
    pub(crate) debug: bool,
}

impl Log {
    /// Tells of a failure and returns its exit code.
    pub(crate) fn failed(&self, failure: &Failure) -> ExitCode {
        self.error(&failure.text);
        ExitCode::from(failure.code)
    }

    /// Tells of an error that doesn't end the command.
    pub(crate) fn error(&self, text: &str) {
        let text = one_line(text);
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(std::io::stderr(), "nsinit: {text}");
        self.write("error", &text);
    }

    /// Tells of a hook that failed when its container was gone already: nothing failed but the hook.
    pub(crate) fn hooks(&self, deleted: libcontainer::Result<()>) -> libcontainer::Result<()> {
        match deleted {
            Err(error) if error.kind() == ErrorKind::Hook => {
                self.error(&error.to_string());
                Ok(())
            }
            deleted => deleted,
        }
    }

    /// Tells what is done, to those who asked for it.
    pub(crate) fn debug(&self, text: &str) {
        if !self.debug {
            return;
        }
        let text = one_line(text);
        if self.file.is_none() {
            let _ = writeln!(std::io::stderr(), "{}", line(Format::Text, "debug", &text));
        }
        self.write("debug", &text);
    }

    fn write(&self, level: &str, text: &str) {
        let Some(path) = &self.file else { return };
        let line = line(self.format, level, text) + "\n";
        let opened = File::options().append(true).create(true).open(path);
        if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
            let _ = writeln!(std::io::stderr(), "nsinit: write log {path:?}: {error}");
        }
    }
}

fn line(format: Format, level: &str, text: &str) -> String {
    let now = oci::timestamp(SystemTime::now());
    // To the second, as engines expect it.
    let time = now.split('.').next().unwrap_or_default().trim_end_matches('Z').to_owned() + "Z";
    match format {
        Format::Text => format!("time={time:?} level={level} msg={text:?}"),
        Format::Json => serde_json::json!({ "level": level, "msg": text, "time": time }).to_string(),
    }
}

/// Shows control characters instead of sending them to a terminal.
fn one_line(text: &str) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.into() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_engines_expect_them() {
        let text = line(Format::Text, "error", r#"no "x""#);
        let (time, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, r#"level=error msg="no \"x\"""#);
        assert_eq!(time.len(), r#"time="2026-11-21T23:30:26Z""#.len());
        let json: serde_json::Value = serde_json::from_str(&line(Format::Json, "error", "a\"b")).unwrap();
        assert_eq!((&json["level"], &json["msg"]), (&"error".into(), &"a\"b".into()));
    }

    #[test]
    fn an_error_is_one_line_whatever_is_in_it() {
        assert_eq!(one_line("a\nb\x1b[31m"), r"a\nb\u{1b}[31m");
    }
}
