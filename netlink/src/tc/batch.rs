//! Many changes of traffic control with few system calls.

use super::action::one;
use super::class::{self, Class};
use super::filter::Filter;
use super::place::Place;
use super::qdisc::{self, Qdisc};
use super::{Action, TcHandle, chain};
use crate::batch::Batch;
use crate::link::LinkRef;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::wire::tc::numbers::{
    RTM_DELACTION, RTM_DELCHAIN, RTM_DELTFILTER, RTM_NEWCHAIN, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER,
};

const ADD: u16 = NLM_F_CREATE | NLM_F_EXCL;

impl Batch<'_> {
    /// Adds a qdisc, as [`Handle::add_qdisc`](crate::Handle::add_qdisc) does. Classes and filters of it in the same
    /// batch need a [name](Qdisc::handle) that was chosen.
    pub fn add_qdisc<'l>(&mut self, link: impl Into<LinkRef<'l>>, qdisc: &Qdisc) -> &mut Self {
        self.make_qdisc("add", ADD, link.into(), qdisc)
    }

    /// Adds a qdisc or takes the place of one, as [`Handle::replace_qdisc`](crate::Handle::replace_qdisc) does.
    pub fn replace_qdisc<'l>(&mut self, link: impl Into<LinkRef<'l>>, qdisc: &Qdisc) -> &mut Self {
        self.make_qdisc("replace", NLM_F_CREATE | NLM_F_REPLACE, link.into(), qdisc)
    }

    /// Changes a qdisc, as [`Handle::change_qdisc`](crate::Handle::change_qdisc) does.
    pub fn change_qdisc<'l>(&mut self, link: impl Into<LinkRef<'l>>, qdisc: &Qdisc) -> &mut Self {
        self.make_qdisc("change", 0, link.into(), qdisc)
    }

    fn make_qdisc(&mut self, verb: &str, flags: u16, link: LinkRef<'_>, qdisc: &Qdisc) -> &mut Self {
        self.push_on(
            link,
            |requests, handle| qdisc.request(requests, handle, RTM_NEWQDISC, flags, link),
            || format!("{verb} qdisc {} {} of {link}", qdisc.kind.name(), qdisc.parent),
        )
    }

    /// Deletes a qdisc, as [`Handle::delete_qdisc`](crate::Handle::delete_qdisc) does. One that the batch itself adds
    /// goes by its parent.
    pub fn delete_qdisc<'l>(&mut self, link: impl Into<LinkRef<'l>>, qdisc: TcHandle) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| qdisc::delete(requests, handle, link, qdisc),
            || format!("delete qdisc {qdisc} of {link}"),
        )
    }

    /// Adds a class, as [`Handle::add_class`](crate::Handle::add_class) does.
    pub fn add_class<'l>(&mut self, link: impl Into<LinkRef<'l>>, class: &Class) -> &mut Self {
        self.make_class("add", ADD, link.into(), class)
    }

    /// Adds a class or changes it, as [`Handle::replace_class`](crate::Handle::replace_class) does.
    pub fn replace_class<'l>(&mut self, link: impl Into<LinkRef<'l>>, class: &Class) -> &mut Self {
        self.make_class("replace", NLM_F_CREATE, link.into(), class)
    }

    /// Changes a class, as [`Handle::change_class`](crate::Handle::change_class) does.
    pub fn change_class<'l>(&mut self, link: impl Into<LinkRef<'l>>, class: &Class) -> &mut Self {
        self.make_class("change", 0, link.into(), class)
    }

    fn make_class(&mut self, verb: &str, flags: u16, link: LinkRef<'_>, class: &Class) -> &mut Self {
        self.push_on(
            link,
            |requests, handle| class.request(requests, handle, RTM_NEWTCLASS, flags, link),
            || format!("{verb} class {} {} of {link}", class.kind.name(), class.handle),
        )
    }

    /// Deletes a class, as [`Handle::delete_class`](crate::Handle::delete_class) does.
    pub fn delete_class<'l>(&mut self, link: impl Into<LinkRef<'l>>, class: TcHandle) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| class::delete(requests, handle, link, class),
            || format!("delete class {class} of {link}"),
        )
    }

    /// Adds a filter, as [`Handle::add_filter`](crate::Handle::add_filter) does.
    pub fn add_filter<'l>(&mut self, place: impl Into<Place<'l>>, filter: &Filter) -> &mut Self {
        self.make_filter("add", RTM_NEWTFILTER, ADD, place.into(), filter)
    }

    /// Adds a filter or changes it, as [`Handle::replace_filter`](crate::Handle::replace_filter) does.
    pub fn replace_filter<'l>(&mut self, place: impl Into<Place<'l>>, filter: &Filter) -> &mut Self {
        self.make_filter("replace", RTM_NEWTFILTER, NLM_F_CREATE, place.into(), filter)
    }

    /// Changes a filter, as [`Handle::change_filter`](crate::Handle::change_filter) does.
    pub fn change_filter<'l>(&mut self, place: impl Into<Place<'l>>, filter: &Filter) -> &mut Self {
        self.make_filter("change", RTM_NEWTFILTER, 0, place.into(), filter)
    }

    /// Deletes a filter, as [`Handle::delete_filter`](crate::Handle::delete_filter) does.
    pub fn delete_filter<'l>(&mut self, place: impl Into<Place<'l>>, filter: &Filter) -> &mut Self {
        self.make_filter("delete", RTM_DELTFILTER, 0, place.into(), filter)
    }

    fn make_filter(
        &mut self,
        verb: &str,
        kind: u16,
        flags: u16,
        place: Place<'_>,
        filter: &Filter,
    ) -> &mut Self {
        self.push_on(
            place.link(),
            |requests, handle| filter.request(requests, handle, kind, flags, place),
            || format!("{verb} {filter} of {place}"),
        )
    }

    /// Adds a chain, as [`Handle::add_chain`](crate::Handle::add_chain) does.
    pub fn add_chain<'l>(&mut self, place: impl Into<Place<'l>>, parent: TcHandle, number: u32) -> &mut Self {
        let place = place.into();
        self.push_on(
            place.link(),
            |requests, handle| chain::request(requests, handle, RTM_NEWCHAIN, place, parent, number),
            || format!("add chain {number} of {place} at {parent}"),
        )
    }

    /// Deletes a chain, as [`Handle::delete_chain`](crate::Handle::delete_chain) does.
    pub fn delete_chain<'l>(
        &mut self,
        place: impl Into<Place<'l>>,
        parent: TcHandle,
        number: u32,
    ) -> &mut Self {
        let place = place.into();
        self.push_on(
            place.link(),
            |requests, handle| chain::request(requests, handle, RTM_DELCHAIN, place, parent, number),
            || format!("delete chain {number} of {place} at {parent}"),
        )
    }

    /// Adds an action, as [`Handle::add_action`](crate::Handle::add_action) does.
    pub fn add_action(&mut self, action: &Action) -> &mut Self {
        self.push(
            |requests, _| action.request(requests, ADD),
            || format!("add action {} {}", action.kind.name(), action.index),
        )
    }

    /// Adds an action or changes it, as [`Handle::replace_action`](crate::Handle::replace_action) does.
    pub fn replace_action(&mut self, action: &Action) -> &mut Self {
        self.push(
            |requests, _| action.request(requests, NLM_F_CREATE | NLM_F_REPLACE),
            || format!("replace action {} {}", action.kind.name(), action.index),
        )
    }

    /// Deletes an action, as [`Handle::delete_action`](crate::Handle::delete_action) does.
    pub fn delete_action(&mut self, kind: &str, index: u32) -> &mut Self {
        self.push(
            |requests, _| one(requests, RTM_DELACTION, 0, kind, Some(index)),
            || format!("delete action {kind} {index}"),
        )
    }
}
