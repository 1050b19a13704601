//! A transient scope or slice: what systemd is asked to make.

use super::name::{UnitPath, checked, is_slice};
use super::value::{Property, Value};
use crate::{Error, ErrorKind, Result};

/// A transient unit with a cgroup of its own, to be [started](super::Systemd::start).
///
/// A scope holds processes that the caller has started; it is there as long as one of them is. A slice holds other
/// units. Scopes are delegated: what is below is the caller's, and systemd keeps its hands off it. Both have no
/// default dependencies (a scope would otherwise be stopped before the machine's last services are), and all of
/// systemd's accounting.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    name: String,
    slice: Option<String>,
    description: Option<String>,
    pids: Vec<u32>,
    limits: Vec<Property>,
    extra: Vec<Property>,
}

impl Unit {
    /// Names a scope: `run-7.scope`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that systemd doesn't take.
    pub fn scope(name: impl Into<String>) -> Result<Unit> {
        Unit::named(name.into(), ".scope")
    }

    /// Names a slice: `machine-a.slice`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that systemd doesn't take.
    pub fn slice(name: impl Into<String>) -> Result<Unit> {
        let unit = Unit::named(name.into(), ".slice")?;
        super::expand_slice(&unit.name)?;
        Ok(unit)
    }

    /// Names the scope or slice of a [`UnitPath`], in its slice.
    pub fn at(path: &UnitPath) -> Unit {
        Unit { slice: Some(path.slice.clone()), ..Unit::new(path.unit.clone()) }
    }

    fn named(name: String, suffix: &str) -> Result<Unit> {
        checked(&name)?;
        if !name.ends_with(suffix) {
            let why = format!("name systemd unit {name:?}: it does not end in {suffix:?}");
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(Unit::new(name))
    }

    fn new(name: String) -> Unit {
        Unit { name, slice: None, description: None, pids: Vec::new(), limits: Vec::new(), extra: Vec::new() }
    }

    /// Puts the unit into a slice; else it lies in systemd's default one. A slice lies where its name says, and only
    /// wants this one to be there.
    ///
    /// If the slice of a scope isn't there, it is made, and systemd stops it again when the last unit in it has gone.
    ///
    /// # Errors
    ///
    /// Those of [`expand_slice`](super::expand_slice).
    pub fn in_slice(mut self, slice: impl Into<String>) -> Result<Unit> {
        let slice = slice.into();
        super::expand_slice(&slice)?;
        self.slice = Some(slice);
        Ok(self)
    }

    /// Says what the unit is, for those who look at it.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Unit {
        self.description = Some(text.into());
        self
    }

    /// Puts a process into the scope, from wherever it is now. A scope needs one at least.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Unit {
        self.pids.push(pid);
        self
    }

    /// Adds limits, as a [`Translation`](super::Translation) has them. One that this systemd doesn't know is left out.
    #[must_use]
    pub fn limits(mut self, limits: impl IntoIterator<Item = Property>) -> Unit {
        self.limits.extend(limits);
        self
    }

    /// Sets a property that somebody wants, in the place of what would be set otherwise. It is an error if this
    /// systemd doesn't know it.
    #[must_use]
    pub fn property(mut self, property: Property) -> Unit {
        self.extra.push(property);
        self
    }

    /// Returns the unit's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_slice(&self) -> bool {
        is_slice(&self.name)
    }

    /// The processes that it gets, which for a slice are none.
    pub(super) fn pids(&self) -> &[u32] {
        if self.is_slice() { &[] } else { &self.pids }
    }

    pub(super) fn its_slice(&self) -> Option<&str> {
        self.slice.as_deref()
    }

    pub(super) fn given_limits(&self) -> Vec<Property> {
        self.limits.iter().chain(&self.extra).cloned().collect()
    }

    /// All properties, each with whether systemd may be too old for it.
    pub(super) fn properties(&self) -> Vec<(Property, bool)> {
        let needed = |name: &str, value: Value| (Property::new(name, value), false);
        let description = self.description.clone().unwrap_or_else(|| self.name.clone());
        let mut all = vec![needed("Description", description.into())];
        match &self.slice {
            Some(slice) if self.is_slice() => all.push(needed("Wants", vec![slice.clone()].into())),
            Some(slice) => all.push(needed("Slice", slice.clone().into())),
            None => {}
        }
        if !self.is_slice() {
            all.push(needed("Delegate", true.into()));
            let pids = self.pids.iter().map(|&pid| Value::U32(pid)).collect();
            all.push(needed("PIDs", Value::Array("u".to_owned(), pids)));
        }
        all.push(needed("DefaultDependencies", false.into()));
        let accounting = ["CPUAccounting", "MemoryAccounting", "TasksAccounting", "IOAccounting"];
        let accounting =
            accounting.iter().filter(|name| self.limits.iter().all(|limit| limit.name != **name));
        all.extend(accounting.map(|name| (Property::new(*name, true), true)));
        all.extend(self.limits.iter().map(|limit| (limit.clone(), true)));
        all.retain(|(property, _)| self.extra.iter().all(|extra| extra.name != property.name));
        all.extend(self.extra.iter().map(|extra| (extra.clone(), false)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(unit: &Unit) -> Vec<String> {
        unit.properties().into_iter().map(|(p, _)| format!("{}={}", p.name, p.value)).collect()
    }

    #[test]
    fn a_scope_is_delegated_and_holds_its_processes() {
        let unit = Unit::scope("x.scope").unwrap().in_slice("a.slice").unwrap().pid(7).description("it");
        assert_eq!(
            said(&unit),
            [
                "Description=\"it\"",
                "Slice=\"a.slice\"",
                "Delegate=true",
                "PIDs=[7]",
                "DefaultDependencies=false",
                "CPUAccounting=true",
                "MemoryAccounting=true",
                "TasksAccounting=true",
                "IOAccounting=true",
            ]
        );
    }

    #[test]
    fn a_slice_wants_its_parent_and_holds_no_process() {
        let unit = Unit::slice("a-b.slice").unwrap().in_slice("a.slice").unwrap().pid(7);
        assert_eq!(
            said(&unit)[..3],
            ["Description=\"a-b.slice\"", "Wants=[\"a.slice\"]", "DefaultDependencies=false"]
        );
    }

    #[test]
    fn what_somebody_wants_replaces_what_would_be_set() {
        let unit = Unit::scope("x.scope").unwrap().limits([Property::new("TasksMax", 5_u64)]);
        let unit = unit.property(Property::new("TasksMax", 9_u64)).property(Property::new("Delegate", false));
        let said = said(&unit);
        assert!(
            said.contains(&"TasksMax=9".to_owned()) && !said.contains(&"TasksMax=5".to_owned()),
            "{said:?}"
        );
        assert_eq!(said.iter().filter(|p| p.starts_with("Delegate")).count(), 1);
    }

    #[test]
    fn a_scope_is_not_a_slice() {
        assert!(Unit::scope("a.slice").is_err());
        assert!(Unit::slice("a.scope").is_err());
        assert!(Unit::slice("a--b.slice").is_err());
        assert!(Unit::scope("a b.scope").is_err());
    }
}
