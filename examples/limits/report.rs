//! What it used, in words.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use cgroups::{Adjusted, Limit, Pressure, Stats};

use crate::run::End;

/// Says it all, where the command's own errors go: its output may be for another program to read.
pub(crate) fn print(end: &End, adjusted: &[Adjusted]) {
    let how = match (end.status.code(), end.status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, signal) => format!("was killed by signal {}", signal.unwrap_or_default()),
    };
    eprintln!("limits: the command {how} after {}", time(end.elapsed));
    let lines = [cpu(end), memory(end), pids(end), io(&end.stats), pressure(&end.stats), Some(hits(end))];
    for line in lines.iter().flatten() {
        eprintln!("  {line}");
    }
    if end.left > 0 {
        eprintln!("  left       {} ran on until killed", count(end.left as u64, "process", "processes"));
    }
    for adjusted in adjusted {
        eprintln!("  rounded    {adjusted}");
    }
}

fn cpu(end: &End) -> Option<String> {
    let cpu = end.stats.cpu.as_ref()?;
    let percent = 100.0 * cpu.usage.as_secs_f64() / end.elapsed.as_secs_f64().max(1e-6);
    let part = |name, part: Option<Duration>| part.map(|part| format!("{name} {}", time(part)));
    let parts: Vec<_> = [part("user", cpu.user), part("system", cpu.system)].into_iter().flatten().collect();
    let held = cpu.throttling.filter(|throttling| throttling.periods > 0).map(|throttling| {
        let (held, of) = (throttling.throttled_periods, throttling.periods);
        format!("; held back in {held} of {of} periods, {}", time(throttling.throttled_time))
    });
    let held = held.unwrap_or_default();
    Some(format!("processor  {} ({}), {percent:.1} % of one{held}", time(cpu.usage), parts.join(", ")))
}

fn memory(end: &End) -> Option<String> {
    let memory = end.stats.memory.as_ref()?;
    let peak = match memory.max_usage {
        Some(peak) => format!("at most {}", bytes(peak)),
        None => format!("{} and more", bytes(end.seen.memory)),
    };
    let killed = count(end.hits.kills, "process", "processes");
    Some(format!("memory     {peak}{}; {killed} killed for lack of it", of(memory.limit, bytes)))
}

fn pids(end: &End) -> Option<String> {
    let pids = end.stats.pids?;
    let most = match pids.max_current {
        Some(most) => format!("at most {most}"),
        None => format!("{} and more", end.seen.pids.max(1)),
    };
    Some(format!("processes  {most}{}", of(pids.limit, |limit| limit.to_string())))
}

fn io(stats: &Stats) -> Option<String> {
    let list = stats.io.as_ref()?;
    let sum = |figure: fn(&cgroups::IoStats) -> u64| list.iter().map(figure).sum::<u64>();
    let (read, written) = (bytes(sum(|io| io.read_bytes)), bytes(sum(|io| io.written_bytes)));
    let (reads, writes) = (sum(|io| io.reads), sum(|io| io.writes));
    Some(format!("devices    read {read} in {reads}, wrote {written} in {writes}"))
}

fn pressure(stats: &Stats) -> Option<String> {
    let pressure = stats.pressure.as_ref()?;
    let waited =
        |name: &str, pressure: Option<Pressure>| Some(format!("{} for {name}", time(pressure?.some?.total)));
    let parts = [
        waited("processors", pressure.cpu),
        waited("memory", pressure.memory),
        waited("devices", pressure.io),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("waited     {}", parts.join(", ")))
}

fn hits(end: &End) -> String {
    let throttled =
        end.stats.cpu.as_ref().and_then(|cpu| cpu.throttling).map_or(0, |quota| quota.throttled_periods);
    let parts = [("memory", end.hits.memory), ("processor", throttled), ("processes", end.hits.pids)];
    let hit: Vec<_> = parts.iter().filter(|(_, times)| *times > 0).collect();
    if hit.is_empty() {
        return "limits hit none".to_owned();
    }
    let words: Vec<_> =
        hit.iter().map(|(name, times)| format!("{name} ({})", count(*times, "time", "times"))).collect();
    format!("limits hit {}", words.join(", "))
}

fn of(limit: Option<Limit>, text: impl Fn(u64) -> String) -> String {
    match limit {
        Some(Limit::At(limit)) => format!(" of {}", text(limit)),
        _ => String::new(),
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `12.3 MiB`
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let at = ((bytes.ilog2() / 10) as usize).min(UNITS.len());
    let tenths = (u128::from(bytes) * 10) >> (10 * at);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[at - 1])
}

/// `1.234 s`
pub(crate) fn time(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
