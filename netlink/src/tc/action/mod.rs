//! What is done with packets.

mod alone;
mod edit;
mod mirred;
mod police;
mod tunnel;
mod verdict;

pub(super) use self::alone::{ACTION_HINTS, one, table};
pub use self::edit::{Csum, Nat, Pedit, PeditHeader, PeditKey, Sample, Skbedit};
pub use self::mirred::{BpfAction, Gact, Mirred, VlanAction};
pub use self::police::Police;
pub use self::tunnel::TunnelKey;
pub use self::verdict::{Chance, Verdict};

use super::stats::TcStats;
use crate::LinkIndex;
use crate::error::Failure;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_ACT_COOKIE, TCA_ACT_FLAGS, TCA_ACT_INDEX, TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_ACT_STATS,
};

/// Something that is done with packets: by a filter, or alone, for many filters to use by its kind and number
/// ([`Handle::add_action`](crate::Handle::add_action)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// Its number, one for each kind. On input 0 lets the kernel choose; another one is that of an action that is
    /// there, or becomes its number.
    pub index: u32,
    /// What happens to the packet next; for [`Police`] if there are too many, and `conform` says what else.
    pub verdict: Verdict,
    /// What is done, and how.
    pub kind: ActionKind,
    /// Up to 16 bytes that somebody noted about it.
    pub cookie: Vec<u8>,
    /// Whether it counts for all processors together: slower, and less memory.
    pub no_percpu: bool,
    /// How many use it. On input it is not looked at.
    pub references: u32,
    /// How many filters use it. On input it is not looked at.
    pub bindings: u32,
    /// What it has counted. On input it is not looked at.
    pub stats: Option<TcStats>,
}

/// What an action does, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionKind {
    /// Nothing but to say what happens next.
    Gact(Gact),
    /// Sends the packet, or another like it, to a link.
    Mirred(Mirred),
    /// Lets so much through, and not more.
    Police(Police),
    /// Puts VLAN marks on, changes them, takes them off.
    Vlan(VlanAction),
    /// Changes what the kernel knows of a packet.
    Skbedit(Skbedit),
    /// Changes a packet's bytes.
    Pedit(Pedit),
    /// Computes checksums anew.
    Csum(Csum),
    /// Says through which tunnel a packet goes.
    TunnelKey(TunnelKey),
    /// Shows one of so many packets to a listener.
    Sample(Sample),
    /// Translates IPv4 addresses, without looking at connections.
    Nat(Nat),
    /// Runs a program.
    Bpf(BpfAction),
    /// Another.
    Other {
        /// Its name.
        kind: String,
        /// What the kernel's `TCA_ACT_OPTIONS` holds. It has its number and verdict in it: `index` and `verdict` of
        /// the [`Action`] are not looked at on input, and the verdict is not read.
        options: Vec<u8>,
    },
}

super::kinds_from!(ActionKind: Gact Mirred Police Skbedit Pedit Csum TunnelKey Sample Nat);

impl From<VlanAction> for ActionKind {
    fn from(action: VlanAction) -> Self {
        ActionKind::Vlan(action)
    }
}

impl From<BpfAction> for ActionKind {
    fn from(action: BpfAction) -> Self {
        ActionKind::Bpf(action)
    }
}

impl ActionKind {
    /// Returns its name, as tc(8) has it.
    pub fn name(&self) -> &str {
        match self {
            ActionKind::Gact(_) => "gact",
            ActionKind::Mirred(_) => "mirred",
            ActionKind::Police(_) => "police",
            ActionKind::Vlan(_) => "vlan",
            ActionKind::Skbedit(_) => "skbedit",
            ActionKind::Pedit(_) => "pedit",
            ActionKind::Csum(_) => "csum",
            ActionKind::TunnelKey(_) => "tunnel_key",
            ActionKind::Sample(_) => "sample",
            ActionKind::Nat(_) => "nat",
            ActionKind::Bpf(_) => "bpf",
            ActionKind::Other { kind, .. } => kind,
        }
    }

    fn check(&self) -> Result<(), Failure> {
        match self {
            ActionKind::Police(action) => action.check(),
            ActionKind::Vlan(action) => action.check(),
            ActionKind::Pedit(action) => action.check(),
            ActionKind::TunnelKey(action) => action.check(),
            ActionKind::Nat(action) => action.check(),
            ActionKind::Other { kind, .. } => super::check_kind(kind),
            _ => Ok(()),
        }
    }

    fn write(&self, request: &mut Request, general: General) {
        match self {
            ActionKind::Gact(action) => action.write(request, general),
            ActionKind::Mirred(action) => action.write(request, general),
            ActionKind::Police(action) => action.write(request, general),
            ActionKind::Vlan(action) => action.write(request, general),
            ActionKind::Skbedit(action) => action.write(request, general),
            ActionKind::Pedit(action) => action.write(request, general),
            ActionKind::Csum(action) => action.write(request, general),
            ActionKind::TunnelKey(action) => action.write(request, general),
            ActionKind::Sample(action) => action.write(request, general),
            ActionKind::Nat(action) => action.write(request, general),
            ActionKind::Bpf(action) => action.write(request, general),
            ActionKind::Other { options, .. } => request.header(options),
        }
    }

    fn read(name: &[u8], options: Attribute<'_>) -> Option<(General, ActionKind)> {
        Some(match name {
            b"gact" => Gact::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"mirred" => Mirred::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"police" => Police::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"vlan" => VlanAction::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"skbedit" => Skbedit::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"pedit" => Pedit::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"csum" => Csum::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"tunnel_key" => TunnelKey::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"sample" => Sample::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"nat" => Nat::read(options).map(|(general, kind)| (general, kind.into()))?,
            b"bpf" => BpfAction::read(options).map(|(general, kind)| (general, kind.into()))?,
            _ => return None,
        })
    }
}

/// What all kinds but police begin with (`tc_gen`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct General {
    index: u32,
    verdict: Verdict,
    references: u32,
    bindings: u32,
}

impl General {
    /// Writes an attribute that begins with it.
    fn write(self, request: &mut Request, kind: u16, rest: impl FnOnce(&mut Request)) {
        request.attribute(kind, |request| {
            request.header(&self.index.to_ne_bytes());
            request.header(&[0; 4]);
            request.header(&self.verdict.to_kernel().to_ne_bytes());
            request.header(&[0; 8]);
            rest(request);
        });
    }

    fn read(fields: &mut Fields<'_>) -> Option<General> {
        let index = fields.u32()?;
        fields.skip(4)?;
        let verdict = Verdict::from_kernel(fields.i32()?);
        Some(General { index, verdict, references: fields.u32()?, bindings: fields.u32()? })
    }

    /// Finds the attribute that begins with it; gives the rest of that one.
    fn find(options: Attribute<'_>, kind: u16) -> Option<(General, Fields<'_>)> {
        let parms = options.nested().find(|attribute| attribute.kind == kind)?;
        let mut fields = Fields(parms.payload);
        Some((General::read(&mut fields)?, fields))
    }
}

impl Action {
    /// Begins an action, after which the packet goes on to the next one ([`Verdict::Pipe`]).
    pub fn new(kind: impl Into<ActionKind>) -> Action {
        Action {
            index: 0,
            verdict: Verdict::Pipe,
            kind: kind.into(),
            cookie: Vec::new(),
            no_percpu: false,
            references: 0,
            bindings: 0,
            stats: None,
        }
    }

    /// Lets the packet through, past all further filters.
    pub fn pass() -> Action {
        Action::new(Gact::default()).verdict(Verdict::Ok)
    }

    /// Drops the packet.
    pub fn drop() -> Action {
        Action::new(Gact::default()).verdict(Verdict::Drop)
    }

    /// Goes on with the filters of another chain.
    pub fn goto_chain(chain: u32) -> Action {
        Action::new(Gact::default()).verdict(Verdict::GotoChain(chain))
    }

    /// Sends the packet out through the link with this index, instead.
    pub fn redirect(link: impl Into<LinkIndex>) -> Action {
        Action::new(Mirred::EgressRedirect(link.into().0)).verdict(Verdict::Stolen)
    }

    /// Sends another packet like it out through the link with this index, too.
    pub fn mirror(link: impl Into<LinkIndex>) -> Action {
        Action::new(Mirred::EgressMirror(link.into().0))
    }

    /// Lets so much through, and drops what is more.
    pub fn police(police: Police) -> Action {
        Action::new(police).verdict(Verdict::Drop)
    }

    /// Says what happens to the packet next.
    #[must_use]
    pub fn verdict(mut self, verdict: Verdict) -> Action {
        self.verdict = verdict;
        self
    }

    /// Numbers it.
    #[must_use]
    pub fn index(mut self, index: u32) -> Action {
        self.index = index;
        self
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        const LONGEST_COOKIE: usize = 16;
        if self.cookie.len() > LONGEST_COOKIE {
            let why = format!("a cookie has at most {LONGEST_COOKIE} bytes, not {}", self.cookie.len());
            return Err(Failure::Input(why));
        }
        self.verdict.check()?;
        self.kind.check()
    }

    /// Writes what stands in a list of actions.
    pub(super) fn write(&self, request: &mut Request, order: u16) {
        request.nest(order, |request| {
            request.text(TCA_ACT_KIND, self.kind.name());
            if self.no_percpu {
                // `struct nla_bitfield32`: the bits, and which of them are meant.
                request.bytes(TCA_ACT_FLAGS, [1_u32, 1].map(u32::to_ne_bytes).as_flattened());
            }
            if !self.cookie.is_empty() {
                request.bytes(TCA_ACT_COOKIE, &self.cookie);
            }
            request.nest(TCA_ACT_OPTIONS, |request| {
                let general = General { index: self.index, verdict: self.verdict, ..General::default() };
                self.kind.write(request, general);
            });
        });
    }

    /// Reads one of a list of actions.
    pub(super) fn read(attribute: Attribute<'_>) -> Option<Action> {
        let find = |kind| attribute.nested().find(|attribute: &Attribute<'_>| attribute.kind == kind);
        let name = find(TCA_ACT_KIND)?.text_bytes();
        let options = find(TCA_ACT_OPTIONS);
        let (general, kind) =
            options.and_then(|options| ActionKind::read(name, options)).unwrap_or_else(|| {
                let kind = String::from_utf8_lossy(name).into_owned();
                let options = options.map(|options| options.payload.to_vec()).unwrap_or_default();
                (General::default(), ActionKind::Other { kind, options })
            });
        let flags = find(TCA_ACT_FLAGS).and_then(|flags| Fields(flags.payload).u32());
        // A request to delete one has its number alone.
        let index = find(TCA_ACT_INDEX).and_then(Attribute::u32).unwrap_or(general.index);
        Some(Action {
            index,
            verdict: general.verdict,
            kind,
            cookie: find(TCA_ACT_COOKIE).map(|cookie| cookie.payload.to_vec()).unwrap_or_default(),
            no_percpu: flags.unwrap_or_default() & 1 != 0,
            references: general.references,
            bindings: general.bindings,
            stats: find(TCA_ACT_STATS).map(TcStats::read),
        })
    }
}

/// Writes the actions of a filter.
pub(super) fn write_all(request: &mut Request, kind: u16, actions: &[Action]) {
    if !actions.is_empty() {
        request.nest(kind, |request| {
            for (order, action) in (1..).zip(actions) {
                action.write(request, order);
            }
        });
    }
}

/// Refuses more actions than the kernel takes, which would leave them out.
pub(super) fn check_all(actions: &[Action]) -> Result<(), Failure> {
    const MOST: usize = 32;
    if actions.len() > MOST {
        return Err(Failure::Input(format!("a filter has at most {MOST} actions, not {}", actions.len())));
    }
    actions.iter().try_for_each(Action::check)
}

/// Reads the actions of a filter.
pub(super) fn read_all(nest: Attribute<'_>) -> Vec<Action> {
    nest.nested().filter_map(Action::read).collect()
}
