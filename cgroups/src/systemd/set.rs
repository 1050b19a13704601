//! Changing what a unit may use.

use super::connection::Failure;
use super::manager::Systemd;
use super::name::checked;
use super::object::{listed, to_manager};
use super::peer::lock;
use super::value::{Property, Value};
use crate::Result;

impl Systemd {
    /// Changes properties of a unit until it ends.
    ///
    /// Limits that a [`Translation`](super::Translation) has and that this systemd doesn't know are left out.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) for a unit that isn't there, [`InvalidInput`](crate::ErrorKind::InvalidInput) for a
    /// value that systemd refuses and for another property that there isn't or that can't be changed, [`PermissionDenied`](crate::ErrorKind::PermissionDenied).
    pub fn set_properties(&self, name: &str, properties: &[Property]) -> Result<()> {
        checked(name)?;
        let mut properties: Vec<_> =
            properties.iter().map(|property| (property.clone(), property.is_limit())).collect();
        loop {
            let unknown = self.unknown_properties();
            properties.retain(|(property, optional)| !optional || !unknown.contains(&property.name));
            if properties.is_empty() {
                return Ok(());
            }
            let given: Vec<&Property> = properties.iter().map(|(property, _)| property).collect();
            let arguments = vec![Value::from(name), Value::from(true), listed(given.iter().copied())];
            match self.peer.call(&to_manager("SetUnitProperties", arguments)) {
                Ok(_) => return Ok(()),
                Err(failure) if self.learn(&failure, &properties) => {}
                Err(failure) => {
                    let action = format!("set {} of systemd unit {name:?}", in_words(given.into_iter()));
                    return Err(failure.into_error(action));
                }
            }
        }
    }

    /// Notes the property that systemd says it doesn't know, if it may be left out.
    pub(super) fn learn(&self, failure: &Failure, properties: &[(Property, bool)]) -> bool {
        let Failure::Refused { name, text } = failure else { return false };
        // systemd's own words, the same since 2013: "Cannot set property X, or unknown property."
        if !name.ends_with(".PropertyReadOnly") && !name.ends_with(".UnknownProperty") {
            return false;
        }
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let unknown = words.find(|word| properties.iter().any(|(p, optional)| *optional && p.name == *word));
        let Some(unknown) = unknown else { return false };
        // Another thread may have learnt it at the same time; it is left out next time in either case.
        lock(&self.unknown).insert(unknown.to_owned());
        true
    }
}

pub(super) fn in_words<'a>(properties: impl Iterator<Item = &'a Property>) -> String {
    properties.map(|p| format!("{}={}", p.name, p.value)).collect::<Vec<_>>().join(" ")
}
