//! What a request of traffic control was to do, read from its bytes.

use super::TcHandle;
use super::action::{ACTION_HINTS, table};
use super::chain::Chain;
use super::class::HINTS as CLASS_HINTS;
use super::filter::{FILTER_HINTS, Filter};
use super::qdisc::HINTS;
use crate::batch::Names;
use crate::error::Hints;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::tc::numbers::{
    RTM_DELACTION, RTM_DELCHAIN, RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWACTION, RTM_NEWCHAIN,
    RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, TCA_KIND,
};
use crate::wire::tc::{BLOCK, HEADER, Header};

/// What a request of this type was to do, on what.
pub(crate) fn doing(kind: u16, payload: &[u8], names: &Names) -> Option<String> {
    let verb = match kind {
        RTM_NEWQDISC | RTM_NEWTCLASS | RTM_NEWTFILTER | RTM_NEWCHAIN | RTM_NEWACTION => "add",
        RTM_DELQDISC | RTM_DELTCLASS | RTM_DELTFILTER | RTM_DELCHAIN | RTM_DELACTION => "delete",
        _ => return None,
    };
    if matches!(kind, RTM_NEWACTION | RTM_DELACTION) {
        let actions = table(payload);
        let names: Vec<_> =
            actions.iter().map(|action| format!("{} {}", action.kind.name(), action.index)).collect();
        return Some(format!("{verb} action {}", names.join(", ")));
    }
    let header = Header::read(payload).unwrap_or_default();
    let place = match header.index {
        BLOCK => format!("block {}", header.parent),
        index => names.link(index),
    };
    let name = Attributes::after(HEADER, payload).find(|attribute| attribute.kind == TCA_KIND);
    let name = name.map(Attribute::text).map(|name| name + " ").unwrap_or_default();
    let handle = TcHandle::from_kernel(header.handle);
    let parent = TcHandle::from_kernel(header.parent);
    let which = if parent.is_none() { handle } else { parent };
    Some(match kind {
        RTM_NEWQDISC | RTM_DELQDISC => format!("{verb} qdisc {name}{which} of {place}"),
        RTM_NEWTCLASS | RTM_DELTCLASS => format!("{verb} class {name}{handle} of {place}"),
        RTM_NEWCHAIN | RTM_DELCHAIN => {
            let number = Chain::read(payload).map_or(0, |chain| chain.number);
            format!("{verb} chain {number} of {place}")
        }
        _ => {
            let filter = Filter::read(payload).map(|filter| filter.to_string());
            format!("{verb} {} of {place}", filter.unwrap_or_default())
        }
    })
}

/// Words for an errno without any.
pub(crate) fn hints(kind: u16) -> Option<Hints<'static>> {
    match kind {
        RTM_NEWQDISC | RTM_DELQDISC => Some(HINTS),
        RTM_NEWTCLASS | RTM_DELTCLASS => Some(CLASS_HINTS),
        RTM_NEWTFILTER..=RTM_DELTFILTER | RTM_NEWCHAIN..=RTM_DELCHAIN => Some(FILTER_HINTS),
        RTM_NEWACTION..=RTM_DELACTION => Some(ACTION_HINTS),
        _ => None,
    }
}
