//! The same look again and again.

use crate::stats::files::Files;
use crate::stats::{Stats, StatsKind};
use crate::{Cgroup, Result};

/// Reads a cgroup's figures again and again, from files that stay open.
///
/// A sample costs little more than one [`pread(2)`] for each file, and allocates nothing once the first was taken. It
/// holds some twenty to sixty descriptors open, all close-on-exec: fewer for fewer [kinds](StatsKind).
///
/// What comes or goes meanwhile, as when a v2 cgroup is given a controller or loses one, is seen by the next sample.
///
/// ```no_run
/// # use std::time::{Duration, Instant};
/// # fn with(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
/// use cgroups::StatsKind;
///
/// let mut sampler = cgroup.sampler_of(StatsKind::CPU | StatsKind::MEMORY)?;
/// while let Some(stats) = sampler.sample()? {
///     println!("{:?} bytes", stats.memory.as_ref().map(|memory| memory.usage));
///     std::thread::sleep(Duration::from_secs(1));
/// }
/// println!("it was removed");
/// # Ok(())
/// # }
/// ```
///
/// [`pread(2)`]: https://man7.org/linux/man-pages/man2/pread.2.html
#[derive(Debug)]
#[must_use = "it keeps files open, and reads none of itself"]
pub struct Sampler {
    /// `None` once the cgroup is gone.
    files: Option<Files>,
    kinds: StatsKind,
    stats: Stats,
}

impl Cgroup {
    /// Prepares to read what this cgroup and those below it have used, again and again.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the cgroup is gone already.
    pub fn sampler(&self) -> Result<Sampler> {
        self.sampler_of(StatsKind::all())
    }

    /// Prepares to read some of it again and again.
    ///
    /// # Errors
    ///
    /// Those of [`sampler`](Cgroup::sampler).
    pub fn sampler_of(&self, kinds: StatsKind) -> Result<Sampler> {
        let files = Files::open(self, |controller| kinds.needs(controller), true)?;
        Ok(Sampler { files: Some(files), kinds, stats: Stats::default() })
    }
}

impl Sampler {
    /// Reads all figures; `None` once the cgroup is gone from any of its hierarchies, and ever after, even if another
    /// one of its name is made.
    ///
    /// The files are closed then.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::ErrorKind::Malformed) with file and line if the kernel's figures can't be read. The next
    /// call tries again.
    pub fn sample(&mut self) -> Result<Option<&Stats>> {
        let Some(files) = &mut self.files else { return Ok(None) };
        match self.stats.read(files, self.kinds) {
            Ok(()) => Ok(Some(&self.stats)),
            Err(error) if error.is_gone() => {
                self.files = None;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
