//! Pressure: how much of the time processes have to wait for a resource.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::events::legacy::has;
use crate::file::{Dir, parse as number};
use crate::{Cgroup, Error, ErrorKind, Result};

/// What processes wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum PressureResource {
    /// A processor.
    Cpu,
    /// Memory: to take some back, or to read again what was taken.
    Memory,
    /// Reads and writes of devices.
    Io,
    /// Interrupts that take the processor's time (Linux 6.1, with `CONFIG_IRQ_TIME_ACCOUNTING`); only
    /// [`Full`](PressureKind::Full).
    Irq,
}

/// Who has to wait for it to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum PressureKind {
    /// At least one process waits.
    Some,
    /// All that have something to do wait: the time is lost.
    Full,
}

/// How much processes had to wait, as [pressure stall information] tells it.
///
/// From [`Cgroup::pressure`] and [`Pressure::system`].
///
/// [pressure stall information]: https://docs.kernel.org/accounting/psi.html
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Pressure {
    /// At least one process waited; `None` for interrupts.
    pub some: Option<Stalls>,
    /// All waited at once; `None` for the processor before Linux 5.13.
    pub full: Option<Stalls>,
}

/// How long was waited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stalls {
    /// Of the last 10 seconds, in per cent; the kernel brings the averages up to date every two seconds.
    pub avg10: f64,
    /// Of the last minute, in per cent.
    pub avg60: f64,
    /// Of the last five minutes, in per cent.
    pub avg300: f64,
    /// Since the cgroup was made, or the machine started. The kernel counts in microseconds.
    pub total: Duration,
}

impl PressureResource {
    pub(crate) fn word(self) -> &'static str {
        match self {
            PressureResource::Cpu => "cpu",
            PressureResource::Memory => "memory",
            PressureResource::Io => "io",
            PressureResource::Irq => "irq",
        }
    }

    /// The file in a v2 cgroup.
    pub(crate) fn file(self) -> &'static str {
        match self {
            PressureResource::Cpu => "cpu.pressure",
            PressureResource::Memory => "memory.pressure",
            PressureResource::Io => "io.pressure",
            PressureResource::Irq => "irq.pressure",
        }
    }

    /// The file of the whole machine.
    pub(crate) fn system_file(self) -> PathBuf {
        Path::new("/proc/pressure").join(self.word())
    }
}

impl Cgroup {
    /// Returns how much the processes here and below had to wait for a resource.
    ///
    /// `None` where it isn't told: on v1, by a kernel without it or started with `psi=0`, where somebody wrote 0 to
    /// `cgroup.pressure`, and for interrupts before Linux 6.1. No controller is needed.
    ///
    /// ```no_run
    /// # fn with(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
    /// if let Some(stalls) = cgroup.pressure(cgroups::PressureResource::Memory)?.and_then(|pressure| pressure.full) {
    ///     println!("nothing went on for {:.2} % of the last minute", stalls.avg60);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone, [`Malformed`](ErrorKind::Malformed) with the line if
    /// the file doesn't read as it should.
    pub fn pressure(&self, resource: PressureResource) -> Result<Option<Pressure>> {
        let Some(path) = self.paths.get("") else { return Ok(None) };
        let dir = Dir::open(path)?;
        let name = resource.file();
        if let Some(text) = dir.read_if_there(name)? {
            return Pressure::read(&path.join(name), &text).map(Some);
        }
        if has(&dir, "cgroup.procs")? { Ok(None) } else { Err(removed(path)) }
    }
}

impl Pressure {
    /// Returns how much the processes of the whole machine had to wait for a resource; `None` where it isn't told.
    ///
    /// # Errors
    ///
    /// Fails where `/proc/pressure` can't be read, or doesn't read as it should.
    pub fn system(resource: PressureResource) -> Result<Option<Pressure>> {
        let path = resource.system_file();
        match fs::read_to_string(&path) {
            Ok(text) => Pressure::read(&path, &text).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => Ok(None),
            Err(e) => Err(Error::os("read", &path, e)),
        }
    }

    /// Reads the text of a pressure file.
    ///
    /// ```
    /// let text = "some avg10=0.12 avg60=3.00 avg300=45.60 total=170\n";
    /// let pressure = cgroups::Pressure::parse(text)?;
    /// assert_eq!(pressure.some.unwrap().avg300, 45.6);
    /// assert_eq!(pressure.full, None);
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Malformed`](ErrorKind::Malformed) with the line. Lines and figures that are not known are passed over.
    pub fn parse(text: &str) -> Result<Pressure> {
        Pressure::of_lines(text)
            .map_err(|what| Error::new(ErrorKind::Malformed, format!("read pressure: {what}")))
    }

    fn read(path: &Path, text: &str) -> Result<Pressure> {
        Pressure::of_lines(text).map_err(|what| Error::malformed(path, what))
    }

    pub(crate) fn of_lines(text: &str) -> std::result::Result<Pressure, String> {
        let mut pressure = Pressure::default();
        for (at, line) in text.lines().enumerate() {
            let (kind, figures) = line.split_once(' ').unwrap_or((line, ""));
            let place = match kind {
                "some" => &mut pressure.some,
                "full" => &mut pressure.full,
                _ => continue,
            };
            *place = Some(stalls(figures).map_err(|what| format!("line {}: {what}", at + 1))?);
        }
        Ok(pressure)
    }
}

pub(crate) fn removed(path: &Path) -> Error {
    Error::at(ErrorKind::NotFound, "use cgroup", path, "it was removed")
}

fn stalls(figures: &str) -> std::result::Result<Stalls, String> {
    let mut stalls = Stalls::default();
    let mut found = 0;
    for figure in figures.split_ascii_whitespace() {
        let (name, value) = figure.split_once('=').unwrap_or((figure, ""));
        match name {
            "avg10" => stalls.avg10 = percentage(value)?,
            "avg60" => stalls.avg60 = percentage(value)?,
            "avg300" => stalls.avg300 = percentage(value)?,
            "total" => stalls.total = Duration::from_micros(number(value)?),
            _ => continue,
        }
        found += 1;
    }
    if found == 4 { Ok(stalls) } else { Err("not avg10, avg60, avg300 and total".to_owned()) }
}

fn percentage(word: &str) -> std::result::Result<f64, String> {
    if let Some(hundredths) = hundredths(word) {
        // Both are exact, so the quotient is the nearest number, as that of parsing would be.
        return Ok(f64::from(hundredths) / 100.0);
    }
    // Only what the kernel writes: not "inf", and nothing that would be.
    let is_plain = word.bytes().all(|b| b.is_ascii_digit() || b == b'.') && word.len() < 32;
    word.parse().ok().filter(|_| is_plain).ok_or_else(|| format!("{word:?} is no percentage"))
}

/// Reads what the kernel writes: a few digits, a point, and two more.
fn hundredths(word: &str) -> Option<u32> {
    let (rest, [b'.', tenths, hundredths]) = word.as_bytes().split_last_chunk()? else { return None };
    if rest.is_empty() || rest.len() > 6 {
        return None;
    }
    rest.iter().chain([tenths, hundredths]).try_fold(0, |sum, byte| match byte {
        b'0'..=b'9' => Some(sum * 10 + u32::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_way_reads_a_percentage_as_the_long_one_does() {
        for number in (0..=10_000).chain([99_999_999]) {
            let word = format!("{}.{:02}", number / 100, number % 100);
            assert_eq!(hundredths(&word), Some(number), "{word}");
            let long: f64 = word.parse().unwrap();
            assert_eq!(percentage(&word).unwrap().to_bits(), long.to_bits(), "{word}");
        }
        for word in ["", ".00", "1.0", "1.000", "-1.00", "1,00", "1.0x", "1234567.00"] {
            assert_eq!(hundredths(word), None, "{word}");
        }
    }

    #[test]
    fn both_lines_are_read() {
        // As Linux 6.18 wrote it.
        let text = "some avg10=1.50 avg60=0.30 avg300=0.06 total=18446744073709551615\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4821\n";
        let pressure = Pressure::parse(text).unwrap();
        let some = pressure.some.unwrap();
        assert!((some.avg10 - 1.5).abs() < 1e-9 && (some.avg60 - 0.3).abs() < 1e-9);
        assert_eq!(some.total, Duration::from_micros(u64::MAX));
        assert_eq!(pressure.full.unwrap().total, Duration::from_micros(4821));
    }

    #[test]
    fn a_line_that_is_not_there_is_none() {
        let irq = Pressure::parse("full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").unwrap();
        assert!(irq.some.is_none() && irq.full == Some(Stalls::default()));
        assert_eq!(Pressure::parse("").unwrap(), Pressure::default());
    }

    #[test]
    fn what_a_later_kernel_adds_is_passed_over() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 avg900=x total=7 new\nmost of=it\n";
        assert_eq!(Pressure::parse(text).unwrap().some.unwrap().total, Duration::from_micros(7));
    }

    #[test]
    fn a_bad_figure_is_told_with_its_line() {
        for (text, what) in [
            ("some avg10=inf avg60=0.00 avg300=0.00 total=0", "line 1: \"inf\" is no percentage"),
            ("some avg10=NaN avg60=0.00 avg300=0.00 total=0", "line 1: \"NaN\" is no percentage"),
            ("some avg10=-1 avg60=0.00 avg300=0.00 total=0", "line 1: \"-1\" is no percentage"),
            ("x\nfull avg10=0 avg60=0 avg300=0 total=-1", "line 2: \"-1\" is no number"),
            ("some", "line 1: not avg10, avg60, avg300 and total"),
        ] {
            let error = Pressure::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert_eq!(error.to_string(), format!("read pressure: {what}"));
        }
    }
}
