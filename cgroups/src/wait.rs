//! Waiting for the kernel: often at first, then seldom, and never forever.

use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Wait {
    until: Instant,
    pause: Duration,
    times: u32,
}

impl Wait {
    pub(crate) fn new(deadline: Duration) -> Wait {
        // Most of what is waited for takes 0.1 to 1 ms; notifications of it come 10 ms late.
        Wait { until: Instant::now() + deadline, pause: Duration::from_micros(20), times: 0 }
    }

    /// How often there was a pause so far.
    pub(crate) fn times(&self) -> u32 {
        self.times
    }

    /// Pauses before the next look; false once the deadline has passed.
    pub(crate) fn more(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 3 / 2).min(Duration::from_millis(10));
        self.times += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_ends_the_wait() {
        let started = Instant::now();
        let mut wait = Wait::new(Duration::from_millis(50));
        while wait.more() {}
        assert!(started.elapsed() >= Duration::from_millis(50));
        assert!(!wait.more());
        assert!(!Wait::new(Duration::ZERO).more());
    }

    /// Counted, not timed: on some machines a sleep of 20 us takes as long as a tick of the clock.
    #[test]
    fn looks_are_often_at_first_then_seldom_and_never_more_than_ten_milliseconds_apart() {
        let mut wait = Wait::new(Duration::from_secs(60));
        let pauses: Vec<_> = (0..20)
            .map(|_| {
                let pause = wait.pause;
                assert!(wait.more());
                pause
            })
            .collect();
        assert_eq!(wait.times(), 20);
        assert_eq!(pauses[0], Duration::from_micros(20));
        assert!(pauses.is_sorted());
        assert!(pauses[19] > Duration::from_millis(5) && wait.pause <= Duration::from_millis(10));
    }
}
