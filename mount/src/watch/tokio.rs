//! Watching under tokio.

use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{Error, Event, Result, Watcher};

/// A [`Watcher`] of which events are awaited under tokio.
///
/// ```no_run
/// # async fn watch() -> mount::Result<()> {
/// let mut watcher = mount::AsyncWatcher::new(mount::Watcher::new()?)?;
/// loop {
///     println!("{:?}", watcher.next().await?);
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncWatcher {
    watcher: AsyncFd<Watcher>,
}

impl AsyncWatcher {
    /// Takes a watcher into the running runtime.
    ///
    /// # Errors
    ///
    /// Fails if the runtime can't wait for one more descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or in one without I/O, as all of tokio does.
    pub fn new(watcher: Watcher) -> Result<Self> {
        #[allow(deprecated, reason = "what came in tokio 1.54 instead is unsafe")]
        // Our descriptor stays open and the same for as long as it is registered, as is asked for there: nobody
        // gets at the watcher to put another one in its place.
        let watcher = AsyncFd::try_with_interest(watcher, Interest::READABLE);
        Ok(AsyncWatcher { watcher: watcher.map_err(|error| failed(&error.into()))? })
    }

    /// Waits for the next event.
    ///
    /// A future that is dropped loses no event.
    ///
    /// # Errors
    ///
    /// As [`Watcher::try_next`].
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            let mut ready = self.watcher.readable_mut().await.map_err(|error| failed(&error))?;
            if let Some(event) = ready.get_inner_mut().try_next()? {
                return Ok(event);
            }
            // Only what was seen is cleared: what came since keeps it ready.
            ready.clear_ready();
        }
    }

    /// Returns the watcher.
    pub fn get_ref(&self) -> &Watcher {
        self.watcher.get_ref()
    }

    /// Returns the next event if there is one, as [`Watcher::try_next`] does.
    ///
    /// # Errors
    ///
    /// As [`Watcher::try_next`].
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        self.watcher.get_mut().try_next()
    }

    /// Looks at all of every mount, as [`Watcher::rescan`] does.
    ///
    /// # Errors
    ///
    /// As [`Watcher::try_next`].
    pub fn rescan(&mut self) -> Result<()> {
        self.watcher.get_mut().rescan()
    }

    /// Takes the watcher out of the runtime.
    pub fn into_inner(self) -> Watcher {
        self.watcher.into_inner()
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::io("wait for a change of the mounts", Path::new("/proc/thread-self/mountinfo"), error)
}
