//! Events under tokio.

use std::io;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{Error, Event, Events, PressureEvent, PressureTrigger, Result};

/// [`Events`] that are awaited under tokio.
///
/// ```no_run
/// # async fn watch(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
/// let mut events = cgroups::AsyncEvents::new(cgroup.events()?)?;
/// while let Some(event) = events.next().await? {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncEvents {
    events: AsyncFd<Events>,
}

impl AsyncEvents {
    /// Takes events into the running runtime.
    ///
    /// # Errors
    ///
    /// Fails if the runtime can't wait for one more descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or in one without I/O, as all of tokio does.
    pub fn new(events: Events) -> Result<Self> {
        let path = events.path.clone();
        #[allow(deprecated, reason = "what came in tokio 1.54 instead is unsafe")]
        // Our descriptor stays open and the same for as long as it is registered, as is asked for there: nobody
        // gets at the events to put others in their place.
        let events = AsyncFd::try_with_interest(events, Interest::READABLE);
        Ok(AsyncEvents { events: events.map_err(|error| failed(&path, error.into()))? })
    }

    /// Waits for the next event; `None` after [`Event::Removed`].
    ///
    /// A future that is dropped loses no event.
    ///
    /// # Errors
    ///
    /// As [`Events::try_next`].
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            if self.get_ref().is_ended() {
                return Ok(None);
            }
            let path = self.get_ref().path.clone();
            let mut ready = self.events.readable_mut().await.map_err(|error| failed(&path, error))?;
            if let Some(event) = ready.get_inner_mut().try_next()? {
                return Ok(Some(event));
            }
            // Only what was seen is cleared: what came since keeps it ready.
            ready.clear_ready();
        }
    }

    /// Returns the next event if there is one, as [`Events::try_next`] does.
    ///
    /// # Errors
    ///
    /// As [`Events::try_next`].
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        self.events.get_mut().try_next()
    }

    /// Returns the events.
    pub fn get_ref(&self) -> &Events {
        self.events.get_ref()
    }

    /// Takes the events out of the runtime.
    pub fn into_inner(self) -> Events {
        self.events.into_inner()
    }
}

/// A [`PressureTrigger`] that is awaited under tokio.
#[derive(Debug)]
pub struct AsyncPressureTrigger {
    trigger: AsyncFd<PressureTrigger>,
}

/// What the trigger is waited for; an error is its end.
const SIGNS: Interest = Interest::PRIORITY.add(Interest::ERROR);

impl AsyncPressureTrigger {
    /// Takes a trigger into the running runtime.
    ///
    /// # Errors
    ///
    /// Fails if the runtime can't wait for one more descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or in one without I/O, as all of tokio does.
    pub fn new(trigger: PressureTrigger) -> Result<Self> {
        let path = trigger.path().to_owned();
        #[allow(deprecated, reason = "what came in tokio 1.54 instead is unsafe")]
        // As for `AsyncEvents`.
        let trigger = AsyncFd::try_with_interest(trigger, SIGNS);
        Ok(AsyncPressureTrigger { trigger: trigger.map_err(|error| failed(&path, error.into()))? })
    }

    /// Waits for the next event; `None` after [`PressureEvent::Ended`].
    ///
    /// A future that is dropped loses no event.
    ///
    /// # Errors
    ///
    /// As [`PressureTrigger::try_next`].
    pub async fn next(&mut self) -> Result<Option<PressureEvent>> {
        while !self.get_ref().is_ended() {
            let path = self.get_ref().path().to_owned();
            let mut ready = self.trigger.ready_mut(SIGNS).await.map_err(|error| failed(&path, error))?;
            // The runtime's poll took the sign; it is not asked for again.
            let signs = ready.ready();
            ready.clear_ready();
            if let Some(event) = ready.get_inner_mut().told(signs.is_error(), signs.is_priority()) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Returns the trigger.
    pub fn get_ref(&self) -> &PressureTrigger {
        self.trigger.get_ref()
    }

    /// Takes the trigger out of the runtime.
    pub fn into_inner(self) -> PressureTrigger {
        self.trigger.into_inner()
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::os("watch cgroup", path, error)
}
