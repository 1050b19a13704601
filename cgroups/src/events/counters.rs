//! Files that only ever count up, and what became more since the last look.

use std::collections::VecDeque;

use crate::Result;
use crate::events::kept::Kept;
use crate::events::wake::Wake;
use crate::events::{Count, Event, failed};
use crate::file::{Dir, parse};

/// A counter's name in its file, and what it means; in the order in which they are told.
pub(crate) type Row = (&'static str, fn(Count) -> Event);

/// `memory.events` of v2.
pub(crate) const MEMORY: &[Row] = &[
    ("low", Event::Low),
    ("high", Event::High),
    ("max", Event::Max),
    ("oom", Event::Oom),
    ("oom_kill", Event::OomKill),
    ("oom_group_kill", Event::OomGroupKill),
];
/// `pids.events` of both versions.
pub(crate) const PIDS: &[Row] = &[("max", Event::PidsMax)];
/// `memory.oom_control` of v1.
pub(crate) const OOM_CONTROL: &[Row] = &[("oom_kill", Event::OomKill)];

/// What a file of counters says of the cgroup alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own {
    /// This other file does; it may not be there.
    With(&'static str),
    /// It counts nothing else: a file of v1.
    Alone { is_silent: bool },
}

/// A file of counters that is watched.
#[derive(Debug)]
pub(crate) struct Counters {
    all: Kept,
    local: Option<Kept>,
    tally: Tally,
    /// Nothing may give a sign when it changes.
    pub(crate) is_silent: bool,
    /// The controller was taken away, or the cgroup is gone.
    pub(crate) is_gone: bool,
}

impl Counters {
    /// Counts from here on; `None` where there is no such file.
    pub(crate) fn open(
        dir: &Dir,
        name: &str,
        rows: &'static [Row],
        own: Own,
        wake: &Wake,
    ) -> Result<Option<Counters>> {
        let Some(all) = Kept::open(dir, name)? else { return Ok(None) };
        wake.on_change(&all).map_err(|e| failed(dir.path(), e))?;
        let parse = |text: &str| counts(text, rows);
        let local = match own {
            Own::With(name) => Kept::open(dir, name)?,
            Own::Alone { .. } => None,
        };
        let seen_local = match (&local, own) {
            (Some(file), _) => file.read(parse)?.map_or(Local::Unknown, Local::Seen),
            (None, Own::With(_)) => Local::Unknown,
            (None, Own::Alone { .. }) => Local::Same,
        };
        let Some(seen) = all.read(parse)? else { return Ok(None) };
        let tally = Tally::new(rows, seen, seen_local);
        let is_silent = matches!(own, Own::Alone { is_silent: true });
        Ok(Some(Counters { all, local, tally, is_silent, is_gone: false }))
    }

    pub(crate) fn look(&mut self, events: &mut VecDeque<Event>) -> Result<()> {
        let parse = |text: &str| counts(text, self.tally.rows);
        let Some(now) = self.all.read(parse)? else {
            self.is_gone = true;
            return Ok(());
        };
        if now != self.tally.seen {
            // After the other: so it has at least what is in there.
            let local = self.local.as_ref().map(|file| file.read(parse)).transpose()?.flatten();
            self.tally.tell(now, local.as_deref(), events);
        }
        Ok(())
    }

    pub(crate) fn forget(self, wake: &Wake) {
        wake.forget(&self.all);
    }
}

/// The counters as they were last seen.
#[derive(Debug)]
struct Tally {
    rows: &'static [Row],
    seen: Vec<u64>,
    local: Local,
}

/// What is known of the cgroup alone.
#[derive(Debug, PartialEq, Eq)]
enum Local {
    Unknown,
    /// The file counts nothing else.
    Same,
    Seen(Vec<u64>),
}

impl Tally {
    fn new(rows: &'static [Row], seen: Vec<u64>, local: Local) -> Tally {
        Tally { rows, seen, local }
    }

    /// Tells what became more.
    ///
    /// The two files are read one after the other: what the local one has in advance is told with the other one's
    /// next count.
    fn tell(&mut self, now: Vec<u64>, local: Option<&[u64]>, events: &mut VecDeque<Event>) {
        for (at, (_, event)) in self.rows.iter().enumerate() {
            let times = now[at].saturating_sub(self.seen[at]);
            let local = match (&mut self.local, local) {
                (Local::Unknown, _) | (Local::Seen(_), None) => None,
                (Local::Same, _) => Some(times),
                (Local::Seen(seen), Some(now)) => {
                    let more = now[at].saturating_sub(seen[at]).min(times);
                    seen[at] += more;
                    Some(more)
                }
            };
            if times > 0 {
                events.push_back(event(Count { times, local }));
            }
        }
        self.seen = now;
    }
}

/// Reads lines of a name and a number. A counter that this kernel doesn't have is 0.
pub(crate) fn counts(text: &str, rows: &[Row]) -> std::result::Result<Vec<u64>, String> {
    let mut found = vec![0; rows.len()];
    for (at, line) in text.lines().enumerate() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(row) = rows.iter().position(|(row, _)| *row == name) {
            found[row] = parse(value.trim_end()).map_err(|what| format!("line {}: {what}", at + 1))?;
        }
    }
    Ok(found)
}

/// What `cgroup.events` of v2 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) populated: bool,
    pub(crate) frozen: Option<bool>,
}

impl Life {
    pub(crate) fn parse(text: &str) -> std::result::Result<Life, String> {
        let mut life = Life { populated: false, frozen: None };
        let mut is_there = false;
        for (at, line) in text.lines().enumerate() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let is = || match value {
                "0" => Ok(false),
                "1" => Ok(true),
                _ => Err(format!("line {}: {value:?} is neither 0 nor 1", at + 1)),
            };
            match name {
                "populated" => (life.populated, is_there) = (is()?, true),
                "frozen" => life.frozen = Some(is()?),
                _ => {}
            }
        }
        if is_there { Ok(life) } else { Err("no line \"populated\"".to_owned()) }
    }

    /// Tells how one look differs from the one before.
    pub(crate) fn tell(self, before: Life, events: &mut VecDeque<Event>) {
        if self.frozen.unwrap_or(false) != before.frozen.unwrap_or(false) {
            events.push_back(if self.frozen == Some(true) { Event::Frozen } else { Event::Thawed });
        }
        if self.populated != before.populated {
            events.push_back(if self.populated { Event::Populated } else { Event::Empty });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tally: &mut Tally, now: &[u64], local: Option<&[u64]>) -> Vec<Event> {
        let mut events = VecDeque::new();
        tally.tell(now.to_vec(), local, &mut events);
        events.into()
    }

    fn count(times: u64, local: impl Into<Option<u64>>) -> Count {
        Count { times, local: local.into() }
    }

    #[test]
    fn only_what_became_more_is_told() {
        let text = "low 0\nhigh 7\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\nsock_throttled 9\n";
        let seen = counts(text, MEMORY).unwrap();
        assert_eq!(seen, [0, 7, 3, 1, 1, 0]);
        let mut tally = Tally::new(MEMORY, seen.clone(), Local::Unknown);
        assert!(told(&mut tally, &seen, None).is_empty());
        let later = told(&mut tally, &[0, 7, 5, 2, 4, 0], None);
        assert_eq!(
            later,
            [Event::Max(count(2, None)), Event::Oom(count(1, None)), Event::OomKill(count(3, None))]
        );
    }

    #[test]
    fn what_the_local_file_has_in_advance_is_told_later() {
        let mut tally = Tally::new(PIDS, vec![0], Local::Seen(vec![0]));
        assert!(told(&mut tally, &[0], Some(&[2])).is_empty());
        assert_eq!(told(&mut tally, &[3], Some(&[2])), [Event::PidsMax(count(3, 2))]);
        assert_eq!(told(&mut tally, &[4], Some(&[2])), [Event::PidsMax(count(1, 0))]);
    }

    #[test]
    fn v1_counts_the_cgroup_alone() {
        let mut tally = Tally::new(OOM_CONTROL, vec![1], Local::Same);
        let now = counts("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", OOM_CONTROL).unwrap();
        assert_eq!(told(&mut tally, &now, None), [Event::OomKill(count(1, 1))]);
    }

    #[test]
    fn a_counter_at_its_end_or_falling_is_no_event() {
        let mut tally = Tally::new(PIDS, vec![u64::MAX - 1], Local::Unknown);
        assert_eq!(told(&mut tally, &[u64::MAX], None), [Event::PidsMax(count(1, None))]);
        assert!(told(&mut tally, &[3], None).is_empty());
        assert_eq!(told(&mut tally, &[4], None), [Event::PidsMax(count(1, None))]);
    }

    #[test]
    fn a_bad_number_is_told_with_its_line() {
        assert_eq!(counts("low 0\nmax many\n", MEMORY).unwrap_err(), "line 2: \"many\" is no number");
        assert_eq!(counts("max", PIDS).unwrap_err(), "line 1: \"\" is no number");
        assert_eq!(Life::parse("populated 2\n").unwrap_err(), "line 1: \"2\" is neither 0 nor 1");
        assert!(Life::parse("frozen 0\n").is_err());
    }

    #[test]
    fn freezing_is_told_before_the_end() {
        let before = Life::parse("populated 1\nfrozen 0\n").unwrap();
        let mut events = VecDeque::new();
        Life::parse("populated 0\nfrozen 1\nnew 5\n").unwrap().tell(before, &mut events);
        assert_eq!(events, [Event::Frozen, Event::Empty]);
        events.clear();
        // Before Linux 5.2 there was no freezer.
        before.tell(Life::parse("populated 0\n").unwrap(), &mut events);
        assert_eq!(events, [Event::Populated]);
    }
}
