//! Actions that belong to no filter.

use std::sync::Arc;

use nix::errno::Errno;

use super::Action;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::tc::check_kind;
use crate::wire::Request;
use crate::wire::attribute::Attributes;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_ROOT};
use crate::wire::tc::numbers::{
    RTM_DELACTION, RTM_GETACTION, RTM_NEWACTION, TCA_ACT_INDEX, TCA_ACT_KIND, TCA_ACT_TAB, TCA_ROOT_FLAGS,
};

/// The length of `struct tcamsg`.
const HEADER: usize = 4;

pub(in crate::tc) const ACTION_HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is one of that kind and number"),
    (Errno::ENOENT, "there is no such action, or kind of action in this kernel"),
    (Errno::EPERM, "a filter uses it, or CAP_NET_ADMIN is missing in the first user namespace"),
    (Errno::EINVAL, "the kernel takes no such action"),
];

/// Reads the actions of a message.
pub(in crate::tc) fn table(payload: &[u8]) -> Vec<Action> {
    let table = Attributes::after(HEADER, payload).find(|attribute| attribute.kind == TCA_ACT_TAB);
    table.map(super::read_all).unwrap_or_default()
}

impl Action {
    pub(in crate::tc) fn request(&self, request: &mut Request, flags: u16) -> Result<(), Failure> {
        self.check()?;
        request.begin(RTM_NEWACTION, flags, &[0; HEADER]);
        request.nest(TCA_ACT_TAB, |request| self.write(request, 1));
        Ok(())
    }
}

/// Writes a request about one action.
pub(in crate::tc) fn one(
    request: &mut Request,
    message: u16,
    flags: u16,
    kind: &str,
    index: Option<u32>,
) -> Result<(), Failure> {
    check_kind(kind)?;
    request.begin(message, flags, &[0; HEADER]);
    request.nest(TCA_ACT_TAB, |request| {
        request.nest(1, |request| {
            request.text(TCA_ACT_KIND, kind);
            if let Some(index) = index {
                request.u32(TCA_ACT_INDEX, index);
            }
        });
    });
    Ok(())
}

impl Handle {
    /// Adds an action that belongs to no filter, and returns it as the kernel made it, with its number. Filters use
    /// it by its kind and number.
    ///
    /// The kernel wants `CAP_NET_ADMIN` in the first user namespace for this, for changing and for deleting one.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one of that kind and number.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the kernel doesn't know the kind.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be.
    pub fn add_action(&mut self, action: &Action) -> Result<Action> {
        self.make_action("add", NLM_F_CREATE | NLM_F_EXCL, action)
    }

    /// Adds an action, or changes the one of that kind and number.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the kernel doesn't know the kind.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be.
    pub fn replace_action(&mut self, action: &Action) -> Result<Action> {
        self.make_action("replace", NLM_F_CREATE | NLM_F_REPLACE, action)
    }

    fn make_action(&mut self, verb: &str, flags: u16, action: &Action) -> Result<Action> {
        let mut request = self.room();
        let mut made = None;
        action
            .request(&mut request, flags | NLM_F_ECHO)
            .and_then(|()| {
                self.change(request, |message| {
                    if message.kind == RTM_NEWACTION {
                        made = table(message.payload).into_iter().next();
                    }
                })
            })
            .map_err(|failure| {
                let doing = format_args!("{verb} action {} {}", action.kind.name(), action.index);
                failure.when(doing, ACTION_HINTS)
            })?;
        match made {
            Some(made) => Ok(made),
            None => self.action(action.kind.name(), action.index),
        }
    }

    /// Finds an action that belongs to no filter, by its kind and number.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such action.
    pub fn action(&mut self, kind: &str, index: u32) -> Result<Action> {
        self.try_action(kind, index)
            .map_err(|failure| failure.when(format_args!("find action {kind} {index}"), ACTION_HINTS))
    }

    fn try_action(&mut self, kind: &str, index: u32) -> Result<Action, Failure> {
        let mut request = self.room();
        one(&mut request, RTM_GETACTION, NLM_F_ECHO, kind, Some(index))?;
        self.get(request, |message| table(message.payload).into_iter().next())
    }

    /// Lists the actions of a kind (`mirred`, `police`, ...): those that belong to no filter and those of filters.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): the kernel doesn't know the kind.
    /// [`Interrupted`](crate::ErrorKind::Interrupted): actions came and went each time the list was read.
    pub fn list_actions(&mut self, kind: &str) -> Result<Vec<Action>> {
        self.try_list_actions(kind)
            .map_err(|failure| failure.when(format_args!("list actions of kind {kind:?}"), ACTION_HINTS))
    }

    fn try_list_actions(&mut self, kind: &str) -> Result<Vec<Action>, Failure> {
        check_kind(kind)?;
        let write = |handle: &mut Handle| {
            const LARGE_DUMP: u32 = 1;
            let mut request = handle.room();
            request.begin(RTM_GETACTION, 0, &[0; HEADER]);
            request.nest(TCA_ACT_TAB, |request| {
                request.nest(1, |request| request.text(TCA_ACT_KIND, kind));
            });
            // Otherwise there are 32 in a message, and the rest of a longer list is left out.
            let flags = [LARGE_DUMP, LARGE_DUMP].map(u32::to_ne_bytes);
            request.bytes(TCA_ROOT_FLAGS, flags.as_flattened());
            request
        };
        // A message has many actions in it.
        match self.list(write, |message| Some(table(message.payload))) {
            Ok(tables) => Ok(tables.into_iter().flatten().collect()),
            Err(Failure::Interrupted(Some(partial))) => {
                let tables = partial.downcast_ref::<Vec<Vec<Action>>>();
                let actions: Vec<Action> = tables.into_iter().flatten().flatten().cloned().collect();
                Err(Failure::Interrupted(Some(Arc::new(actions))))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Deletes an action that belongs to no filter, by its kind and number.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such action.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): a filter uses it, as the kernel puts it.
    pub fn delete_action(&mut self, kind: &str, index: u32) -> Result<()> {
        let mut request = self.room();
        one(&mut request, RTM_DELACTION, 0, kind, Some(index))
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("delete action {kind} {index}"), ACTION_HINTS))
    }

    /// Deletes all actions of a kind that no filter uses.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): the kernel doesn't know the kind.
    pub fn flush_actions(&mut self, kind: &str) -> Result<()> {
        let mut request = self.room();
        one(&mut request, RTM_DELACTION, NLM_F_ROOT, kind, None)
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("delete actions of kind {kind:?}"), ACTION_HINTS))
    }
}
