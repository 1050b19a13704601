//! What links were called by whoever collected changes.

use std::collections::BTreeMap;

use crate::link::{By, LinkRef};

/// The names of links by their indexes, which are all that is in a request.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<u32, Box<str>>);

impl Names {
    /// Notes what a link was called, if it has an index in the request.
    pub(super) fn note(&mut self, index: u32, link: LinkRef<'_>) {
        let name = match link.0 {
            By::Name(name) => name,
            By::Link(link) => link.name.as_str(),
            By::Index(_) => return,
        };
        if index != 0 && self.0.get(&index).is_none_or(|known| **known != *name) {
            self.0.insert(index, name.into());
        }
    }

    /// Calls a link as it was called.
    pub(crate) fn link(&self, index: u32) -> String {
        match self.0.get(&index) {
            Some(name) => format!("link {name:?}"),
            None => format!("link {index}"),
        }
    }
}
