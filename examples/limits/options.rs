//! The command line.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{IsTerminal, stderr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use cgroups::{Hierarchies, Resources, ThrottleDevice};
use nix::sys::stat::{major, minor};

pub(crate) const HELP: &str = "\
limits [OPTION…] COMMAND [ARGUMENT…]: runs a command under limits, and says what it used

  --memory SIZE       so much memory; sizes are bytes, or with K, M, G or T
  --swap SIZE         so much swap besides (with --memory; 0 for none)
  --cpus NUMBER       so much of the processors' time: 0.5 is half of one
  --cpu-weight N      the share when processors are scarce: 1 to 10000, 100 is what all have
  --cpuset LIST       only these processors: 0-3,7
  --pids N            so many processes and threads
  --io DEVICE=SIZE    so much read and so much written in a second: /dev/sda=10M; for several devices several times
  --systemd           in a slice of systemd's: the system's for root, else the user's
  --live, --no-live   show meanwhile what is used, or don't; on a terminal it is shown
";

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) resources: Resources,
    pub(crate) systemd: bool,
    pub(crate) command: Vec<OsString>,
    live: Option<bool>,
}

/// What can't have been meant.
#[derive(Debug)]
pub(crate) struct Wrong(String);

impl Error for Wrong {}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (limits --help tells more)", self.0)
    }
}

impl Options {
    /// Reads the command line; `None` where help is asked for.
    pub(crate) fn read() -> Result<Option<Options>, Box<dyn Error>> {
        let mut options = Options::default();
        let mut swap = None;
        let mut arguments = std::env::args_os().skip(1);
        while let Some(argument) = arguments.next() {
            let is_option = argument.as_encoded_bytes().starts_with(b"-");
            let name = match argument.to_str().filter(|_| is_option) {
                Some("--") => {
                    options.command = arguments.collect();
                    break;
                }
                Some(name) => name,
                None => {
                    options.command = [argument].into_iter().chain(arguments).collect();
                    break;
                }
            };
            // Both are common: `--pids 20` and `--pids=20`.
            let (name, mut given) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, None),
            };
            let mut value = || {
                let next = || arguments.next().and_then(|value| value.into_string().ok());
                given.take().or_else(next).ok_or_else(|| Wrong(format!("{name} needs a value")))
            };
            let resources = &mut options.resources;
            match name {
                "--help" | "-h" => return Ok(None),
                "--memory" => resources.memory.get_or_insert_default().limit = Some(memory(name, &value()?)?),
                "--swap" => swap = Some(size(name, &value()?)?),
                "--cpus" => resources.cpu.get_or_insert_default().quota = Some(quota(name, &value()?)?),
                "--cpu-weight" => weight(resources, number(name, &value()?)?)?,
                "--cpuset" => resources.cpuset.get_or_insert_default().cpus = Some(value()?),
                "--pids" => resources.pids.get_or_insert_default().limit = Some(number(name, &value()?)?),
                "--io" => throttle(resources, &value()?)?,
                "--systemd" => options.systemd = true,
                "--live" => options.live = Some(true),
                "--no-live" => options.live = Some(false),
                _ => return Err(Wrong(format!("{name} is no option")).into()),
            }
            if given.is_some() {
                return Err(Wrong(format!("{name} takes no value")).into());
            }
        }
        if options.command.is_empty() {
            return Err(Wrong("no command".to_owned()).into());
        }
        if let Some(swap) = swap {
            let memory = options.resources.memory.as_mut().filter(|memory| memory.limit.is_some());
            let memory = memory.ok_or_else(|| Wrong("--swap needs --memory beside it".to_owned()))?;
            // To the library, as to containers, it is both together.
            memory.swap = memory.limit.map(|limit| limit.saturating_add(swap));
        }
        Ok(Some(options))
    }

    /// Whether to show meanwhile what is used.
    pub(crate) fn is_live(&self) -> bool {
        self.live.unwrap_or_else(|| stderr().is_terminal())
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Wrong> {
    text.parse().map_err(|_| Wrong(format!("{name} {text}: not a number")))
}

fn size(name: &str, text: &str) -> Result<i64, Wrong> {
    let wrong = || Wrong(format!("{name} {text}: not a size, as 64M"));
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(wrong()),
    };
    let number = digits.parse::<i64>().ok().filter(|number| *number >= 0);
    number.and_then(|number| number.checked_mul(1 << shift)).ok_or_else(wrong)
}

/// To the library, as to containers, a limit of 0 is none.
fn memory(name: &str, text: &str) -> Result<i64, Wrong> {
    match size(name, text)? {
        0 => Err(Wrong(format!("{name} {text}: nothing runs in none"))),
        bytes => Ok(bytes),
    }
}

/// Microseconds of each 100 milliseconds, the period that there is unless another one is set.
fn quota(name: &str, text: &str) -> Result<i64, Wrong> {
    let cpus: f64 = number(name, text)?;
    if !(0.01..=100_000.0).contains(&cpus) {
        return Err(Wrong(format!("{name} {text}: not from 0.01 on")));
    }
    Ok((cpus * 100_000.0).round() as i64)
}

/// The weight of v2; v1 has shares, of which all have 1024.
fn weight(resources: &mut Resources, weight: u64) -> Result<(), Box<dyn Error>> {
    let hierarchies = Hierarchies::detect()?;
    let on_v2 =
        hierarchies.mount_point("").is_ok_and(|v2| hierarchies.mount_point("cpu").is_ok_and(|cpu| cpu == v2));
    if !(1..=10_000).contains(&weight) {
        return Err(Wrong(format!("--cpu-weight {weight}: not of 1 to 10000")).into());
    }
    let cpu = resources.cpu.get_or_insert_default();
    if on_v2 {
        cpu.weight = Some(weight);
    } else {
        cpu.shares = Some((weight * 1024 / 100).max(2));
    }
    Ok(())
}

fn throttle(resources: &mut Resources, text: &str) -> Result<(), Box<dyn Error>> {
    let (path, rate) = text.rsplit_once('=').ok_or_else(|| Wrong(format!("--io {text}: not DEVICE=SIZE")))?;
    let node = std::fs::metadata(path).map_err(|error| format!("--io {path}: {error}"))?;
    if !node.file_type().is_block_device() {
        return Err(format!("--io {path}: no block device").into());
    }
    let rate = size("--io", rate)?.unsigned_abs();
    let [major, minor] = [major(node.rdev()), minor(node.rdev())].map(u32::try_from);
    let device = ThrottleDevice::new(major?, minor?, rate);
    let io = resources.block_io.get_or_insert_default();
    io.throttle_read_bps_device.push(device);
    io.throttle_write_bps_device.push(device);
    Ok(())
}
