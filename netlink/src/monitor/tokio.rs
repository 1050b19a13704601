//! Events under tokio.

use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Event, Monitor, failed};
use crate::error::{Failure, Result};

/// A [`Monitor`] whose events are awaited under tokio.
///
/// ```no_run
/// # async fn watch() -> netlink::Result<()> {
/// let monitor = netlink::Monitor::builder().links().open()?;
/// let mut monitor = netlink::AsyncMonitor::new(monitor)?;
/// loop {
///     println!("{:?}", monitor.next().await?);
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncMonitor {
    monitor: AsyncFd<Monitor>,
}

impl AsyncMonitor {
    /// Takes a monitor into the running runtime.
    ///
    /// # Errors
    /// The runtime can't wait for one more descriptor.
    ///
    /// # Panics
    /// Outside of a runtime, or in one without I/O, as all of tokio does.
    pub fn new(monitor: Monitor) -> Result<Self> {
        #[allow(deprecated, reason = "what came in tokio 1.54 instead is unsafe")]
        // Our descriptor stays open and the same for as long as it is registered, as is asked for there: nobody
        // gets at the monitor to put another in its place.
        let monitor = AsyncFd::try_with_interest(monitor, Interest::READABLE);
        Ok(AsyncMonitor { monitor: monitor.map_err(|error| failure(error.into()))? })
    }

    /// Waits for the next event.
    ///
    /// A future that is dropped loses no event.
    ///
    /// # Errors
    /// As [`Monitor::try_next`].
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            let mut ready = self.monitor.readable_mut().await.map_err(failure)?;
            if let Some(event) = ready.get_inner_mut().try_next()? {
                return Ok(event);
            }
            // Only what was seen is cleared: what came since keeps it ready.
            ready.clear_ready();
        }
    }

    /// Returns the next event if there is one, as [`Monitor::try_next`] does.
    ///
    /// # Errors
    /// As [`Monitor::try_next`].
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        self.monitor.get_mut().try_next()
    }

    /// Tells what is there once more, as [`Monitor::resync`] does.
    pub fn resync(&mut self) {
        self.monitor.get_mut().resync();
    }

    /// Returns the monitor.
    pub fn get_ref(&self) -> &Monitor {
        self.monitor.get_ref()
    }

    /// Takes the monitor out of the runtime.
    pub fn into_inner(self) -> Monitor {
        self.monitor.into_inner()
    }
}

fn failure(error: io::Error) -> crate::Error {
    failed(Failure::from(error))
}
