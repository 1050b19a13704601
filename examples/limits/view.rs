//! What is used at this moment, in the last lines of the terminal.

use std::fmt::Write as _;
use std::io::{self, Write, stderr};
use std::time::{Duration, Instant};

use cgroups::{CpuStats, Limit, Stats};

use crate::report::{bytes, time};
use crate::run::Hits;

/// How many lines it takes.
const LINES: u16 = 5;

/// The last lines of the terminal. The command's output scrolls above them, as a scroll region (DECSTBM) lets it.
pub(crate) struct View {
    rows: u16,
    columns: u16,
    begin: Instant,
    before: Option<(Instant, CpuStats)>,
}

impl View {
    /// Makes room; `None` where the terminal is too small, or is none.
    pub(crate) fn open(begin: Instant) -> Option<View> {
        let size = term::winsize(stderr()).ok().flatten();
        let (rows, columns) = size.map_or((24, 80), |size| (size.rows, size.columns));
        if rows < 2 * LINES || columns < 20 {
            return None;
        }
        // Lines are made by going down; the cursor's place is kept over setting the region, which moves it.
        let room = "\n".repeat(LINES.into());
        write(&format!("{room}\x1b7\x1b[1;{}r\x1b8\x1b[{LINES}A", rows - LINES)).ok()?;
        Some(View { rows, columns, begin, before: None })
    }

    /// Begins anew in a window of another size.
    pub(crate) fn resized(self) -> Option<View> {
        let begin = self.begin;
        drop(self);
        View::open(begin)
    }

    pub(crate) fn draw(&mut self, stats: &Stats, hits: Hits) -> io::Result<()> {
        let lines = self.lines(stats, hits);
        let mut text = "\x1b7".to_owned();
        for (row, line) in (self.rows - LINES + 1..).zip(lines) {
            let line: String = line.chars().take(self.columns.into()).collect();
            let _ = write!(text, "\x1b[{row};1H\x1b[2K{line}");
        }
        text.push_str("\x1b8");
        write(&text)
    }

    fn lines(&mut self, stats: &Stats, hits: Hits) -> [String; LINES as usize] {
        let mut cpu = format!("processor  {:>6.1} %", self.percent(stats));
        if let Some(used) = &stats.cpu {
            let _ = write!(cpu, "   {} in {}", time(used.usage), time(self.begin.elapsed()));
            if let Some(throttling) = used.throttling.filter(|throttling| throttling.throttled_periods > 0) {
                let _ = write!(cpu, ", held back {}", time(throttling.throttled_time));
            }
        }
        let memory = stats.memory.as_ref().map_or("memory     ?".to_owned(), |memory| {
            let of = match memory.limit {
                Some(Limit::At(limit)) => format!(" of {} {}", bytes(limit), bar(memory.usage, limit)),
                _ => String::new(),
            };
            format!("memory     {}{of}", bytes(memory.usage))
        });
        let pids = stats.pids.map_or("processes  ?".to_owned(), |pids| {
            let of =
                if let Some(Limit::At(limit)) = pids.limit { format!(" of {limit}") } else { String::new() };
            format!("processes  {}{of}", pids.current)
        });
        let io = stats.io.iter().flatten();
        let (read, written) = io.fold((0, 0), |sum, io| (sum.0 + io.read_bytes, sum.1 + io.written_bytes));
        let io = format!("devices    read {}, wrote {}", bytes(read), bytes(written));
        let Hits { memory: full, kills, pids: refused } = hits;
        [cpu, memory, pids, io, format!("hit        memory {full}, killed {kills}, processes {refused}")]
    }

    /// The use of processors since the last look.
    fn percent(&mut self, stats: &Stats) -> f64 {
        let (Some(cpu), now) = (&stats.cpu, Instant::now()) else { return 0.0 };
        let (since, before) =
            self.before.replace((now, cpu.clone())).unwrap_or((self.begin, CpuStats::default()));
        cpu.percent_since(&before, now.saturating_duration_since(since).max(Duration::from_micros(1)))
    }
}

/// Gives the lines back, empty.
impl Drop for View {
    fn drop(&mut self) {
        let first = self.rows - LINES + 1;
        drop(write(&format!("\x1b7\x1b[r\x1b[{first};1H\x1b[J\x1b8")));
    }
}

/// How much of a limit is in use.
fn bar(used: u64, limit: u64) -> String {
    const WIDTH: usize = 20;
    let full = u128::from(used) * WIDTH as u128 / u128::from(limit.max(1));
    let full = usize::try_from(full).unwrap_or(WIDTH).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}

/// In one piece, that no output of the command's comes in between.
fn write(text: &str) -> io::Result<()> {
    let mut to = stderr().lock();
    to.write_all(text.as_bytes())?;
    to.flush()
}
