//! All that a filter wants, deleted.

use crate::address::AddressFilter;
use crate::error::{ErrorKind, Result};
use crate::handle::Handle;
use crate::neighbour::NeighbourFilter;
use crate::route::RouteFilter;
use crate::rule::RuleFilter;

impl Handle {
    /// Deletes the addresses that a filter wants, as `ip address flush` does; returns how many it found. What goes by
    /// itself meanwhile is no error.
    ///
    /// ```no_run
    /// use netlink::{AddressFilter, Handle};
    ///
    /// let mut handle = Handle::open()?;
    /// let mut filter = AddressFilter::default();
    /// filter.index = Some(handle.link("eth0")?.index);
    /// handle.flush_addresses(filter)?;
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`list_addresses`](Handle::list_addresses), and the first of
    /// [`delete_address`](Handle::delete_address): the others are tried all the same.
    pub fn flush_addresses(&mut self, filter: AddressFilter) -> Result<usize> {
        let found = self.list_addresses(filter)?;
        let mut batch = self.batch();
        for address in &found {
            batch.delete_address(address.index, address);
        }
        flushed(batch.send())
    }

    /// Deletes the routes that a filter wants, as `ip route flush` does; returns how many it found. What goes by itself
    /// meanwhile is no error. A filter that says nothing wants the kernel's own too, of all tables.
    ///
    /// # Errors
    /// Those of [`list_routes`](Handle::list_routes), and the first of [`delete_route`](Handle::delete_route): the
    /// others are tried all the same.
    pub fn flush_routes(&mut self, filter: RouteFilter) -> Result<usize> {
        let found = self.list_routes(filter)?;
        let mut batch = self.batch();
        for route in &found {
            batch.delete_route(route);
        }
        flushed(batch.send())
    }

    /// Deletes the rules that a filter wants; returns how many it found. One that says nothing wants those that lead to
    /// the tables `local`, `main` and `default` too.
    ///
    /// # Errors
    /// Those of [`list_rules`](Handle::list_rules), and the first of [`delete_rule`](Handle::delete_rule): the others
    /// are tried all the same.
    pub fn flush_rules(&mut self, filter: RuleFilter) -> Result<usize> {
        let found = self.list_rules(filter)?;
        let mut batch = self.batch();
        for rule in &found {
            batch.delete_rule(rule);
        }
        flushed(batch.send())
    }

    /// Deletes the neighbours that a filter wants, as `ip neighbour flush` does; returns how many it found. What goes
    /// by itself meanwhile is no error.
    ///
    /// # Errors
    /// Those of [`list_neighbours`](Handle::list_neighbours), and the first of
    /// [`delete_neighbour`](Handle::delete_neighbour): the others are tried all the same.
    pub fn flush_neighbours(&mut self, filter: NeighbourFilter) -> Result<usize> {
        let found = self.list_neighbours(filter)?;
        let mut batch = self.batch();
        for neighbour in &found {
            batch.delete_neighbour(neighbour.index, neighbour);
        }
        flushed(batch.send())
    }
}

fn flushed(results: Vec<Result<()>>) -> Result<usize> {
    let count = results.len();
    let failed = |error: &crate::Error| error.kind() != ErrorKind::NotFound;
    match results.into_iter().filter_map(Result::err).find(failed) {
        Some(error) => Err(error),
        None => Ok(count),
    }
}
