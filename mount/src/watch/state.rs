//! The mounts as they were at the last look, and what the next look tells.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek};

use nix::errno::Errno;

use super::event::{compare, is_another};
use crate::statmount::{Found, InfoReader, Numbers};
use crate::sys::fanotify::Announcement;
use crate::{Event, MountIds, MountInfo, NamespaceId, parse, sys};

/// Where the mounts are read from.
pub(crate) enum Source {
    /// listmount(2) and statmount(2): mounts have unique ids, and one can be asked about alone.
    Kernel(ById),
    /// A mountinfo file, of which each look reads the whole.
    Text(Vec<u8>),
}

/// The mounts of a namespace, by their unique ids.
pub(crate) struct ById {
    namespace: Option<NamespaceId>,
    reader: InfoReader,
    ids: Vec<u64>,
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// At the numbers of each mount, and at the options of each filesystem.
    Numbers,
    /// At all of each mount.
    Whole,
}

/// The mounts that were told of, and the events that were not taken yet.
pub(crate) struct State {
    source: Source,
    /// By unique id, or by that of mountinfo.
    mounts: BTreeMap<u64, Known>,
    /// Whether the kernel announces mounts.
    is_announced: bool,
    /// Mounts of which it was told that they are gone, and of which the announcement is still to come.
    gone: HashSet<u64>,
    announced: VecDeque<Announcement>,
    pub(crate) events: VecDeque<Event>,
}

struct Known {
    info: MountInfo,
    /// What may change while the mount stays; there are none of the text.
    numbers: Option<Numbers>,
}

impl State {
    pub(crate) fn new(source: Source, is_announced: bool) -> Self {
        State {
            source,
            mounts: BTreeMap::new(),
            is_announced,
            gone: HashSet::new(),
            announced: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn mounts(&self) -> impl ExactSizeIterator<Item = &MountInfo> {
        self.mounts.values().map(|known| &known.info)
    }

    pub(crate) fn get(&self, id: u64) -> Option<&MountInfo> {
        self.mounts.get(&id).map(|known| &known.info)
    }

    /// Says whether all was looked into and taken.
    pub(crate) fn is_through(&self) -> bool {
        self.events.is_empty() && self.announced.is_empty()
    }

    /// Looks at the mounts again, and tells what changed.
    pub(crate) fn refresh(&mut self, table: &File, look: Look) -> nix::Result<()> {
        match &mut self.source {
            Source::Kernel(_) => self.refresh_by_id(look),
            Source::Text(buffer) => {
                let mounts = read(table, buffer)?;
                self.replace(mounts);
                Ok(())
            }
        }
    }

    /// Compares with a table that was read whole.
    fn replace(&mut self, mounts: Vec<MountInfo>) {
        let mut new: BTreeMap<u64, MountInfo> = mounts.into_iter().map(|mount| (mount.id, mount)).collect();
        let is_gone = |id: &u64, known: &Known| new.get(id).is_none_or(|to| is_another(&known.info, to));
        let gone = self.mounts.iter().filter(|(id, known)| is_gone(id, known)).map(|(id, _)| *id).collect();
        self.forget(gone);
        for (id, known) in &mut self.mounts {
            if let Some(info) = new.remove(id) {
                known.update(Known { info, numbers: None }, &mut self.events);
            }
        }
        self.learn(new.into_iter().map(|(id, info)| (id, Known { info, numbers: None })).collect());
    }

    fn refresh_by_id(&mut self, look: Look) -> nix::Result<()> {
        let mut ids = self.source.ids()?;
        ids.sort_unstable();
        let gone: Vec<u64> =
            self.mounts.keys().filter(|id| ids.binary_search(id).is_err()).copied().collect();
        if self.is_announced {
            self.gone.extend(&gone);
        }
        self.forget(gone);
        // A mount that has another parent may have been moved, and all below it with it.
        if look == Look::Whole || self.refresh_numbers()? {
            for (id, known) in &mut self.mounts {
                self.source.look_again(*id, known, &mut self.events)?;
            }
        }
        self.attach(&ids)
    }

    /// Looks at the numbers of each mount, and at the whole of it where they differ; at the whole of the first
    /// mount of each filesystem, for its options. Says whether a mount has another parent.
    fn refresh_numbers(&mut self) -> nix::Result<bool> {
        let (mut seen, mut reconfigured) = (HashSet::new(), HashSet::new());
        for (id, known) in &mut self.mounts {
            let Some(numbers) = self.source.numbers(*id)? else { continue };
            if known.numbers.is_some_and(|known| known.parent != numbers.parent) {
                return Ok(true);
            }
            let device = numbers.device;
            let is_first = seen.insert(device);
            if is_first || reconfigured.contains(&device) || known.numbers != Some(numbers) {
                let before = known.info.super_options.clone();
                self.source.look_again(*id, known, &mut self.events)?;
                if known.info.super_options != before {
                    reconfigured.insert(device);
                }
            }
        }
        Ok(false)
    }

    /// Takes announcements that were read, for [`follow`](Self::follow).
    pub(crate) fn announce(&mut self, announcements: &[Announcement]) {
        self.announced.extend(announcements);
    }

    /// Looks into what was announced, and says whether all mounts are to be looked at.
    pub(crate) fn follow(&mut self) -> nix::Result<bool> {
        let mut is_uncertain = false;
        while let Some(first) = self.announced.front() {
            // What comes in one piece is told in one: a tree from its top, or from its leaves when it goes.
            let kind = std::mem::discriminant(first);
            let run: Vec<Announcement> = self
                .announced
                .iter()
                .take_while(|next| std::mem::discriminant(*next) == kind)
                .copied()
                .collect();
            let ids: Vec<u64> = run.iter().filter_map(|announcement| announcement.id()).collect();
            match first {
                Announcement::Attached(_) => self.attach_announced(&ids)?,
                Announcement::Detached(_) => self.detach(ids),
                // A mount takes along what is below it, and may come into sight or go out of it.
                Announcement::Moved(_) => is_uncertain = true,
                Announcement::Overflow => {
                    is_uncertain = true;
                    self.gone.clear();
                    self.events.push_back(Event::Overflow);
                }
            }
            self.announced.drain(..run.len());
        }
        Ok(is_uncertain)
    }

    fn attach_announced(&mut self, ids: &[u64]) -> nix::Result<()> {
        let mut fresh = BTreeMap::new();
        let mut passed = Vec::new();
        for &id in ids.iter().filter(|id| !self.mounts.contains_key(id) && !self.gone.contains(id)) {
            match self.source.look_at(id)? {
                (Found::There(info), numbers) => _ = fresh.insert(id, Known { info, numbers }),
                (Found::Gone, _) => passed.push(Event::CameAndWent { unique_id: id }),
                (Found::Hidden, _) => {}
            }
        }
        self.events.extend(passed);
        self.learn(fresh);
        Ok(())
    }

    /// Adds those of the mounts that are there and not known.
    fn attach(&mut self, ids: &[u64]) -> nix::Result<()> {
        let mut fresh = BTreeMap::new();
        for &id in ids.iter().filter(|id| !self.mounts.contains_key(id)) {
            if let (Found::There(info), numbers) = self.source.look_at(id)? {
                fresh.insert(id, Known { info, numbers });
            }
        }
        self.learn(fresh);
        Ok(())
    }

    fn detach(&mut self, mut ids: Vec<u64>) {
        ids.retain(|id| !self.gone.remove(id) && self.mounts.contains_key(id));
        self.forget(ids);
    }

    /// Tells of new mounts, a parent before its children.
    fn learn(&mut self, fresh: BTreeMap<u64, Known>) {
        let mut ids: Vec<u64> = fresh.keys().copied().collect();
        let depths = depths(&fresh);
        ids.sort_by_key(|id| depths.get(id));
        let told = ids.iter().filter_map(|id| fresh.get(id));
        self.events.extend(told.map(|known| Event::Mounted(known.info.clone())));
        self.gone.retain(|id| !fresh.contains_key(id));
        self.mounts.extend(fresh);
    }

    /// Tells of mounts that are gone, a parent after its children.
    fn forget(&mut self, mut ids: Vec<u64>) {
        if ids.len() > 1 {
            let depths = depths(&self.mounts);
            ids.sort_by_key(|id| Reverse(depths.get(id)));
        }
        let known = ids.iter().filter_map(|id| self.mounts.remove(id));
        self.events.extend(known.map(|known| Event::Unmounted(known.info)));
    }
}

/// Counts the mounts above each one, all of them in one pass.
fn depths(mounts: &BTreeMap<u64, Known>) -> HashMap<u64, usize> {
    let parent = |id: u64| {
        let info = &mounts.get(&id)?.info;
        Some(info.unique_parent.unwrap_or(info.parent)).filter(|parent| *parent != id)
    };
    let mut depths = HashMap::with_capacity(mounts.len());
    let mut way = Vec::new();
    for &id in mounts.keys() {
        // Up to what is counted already, or to the top. Two looks may make a circle of parents that never was: it
        // ends where it is entered again.
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| !depths.contains_key(id)) {
            depths.insert(id, 0);
            way.push(id);
            next = parent(id).filter(|id| mounts.contains_key(id));
        }
        let mut depth = next.and_then(|id| depths.get(&id)).map_or(0, |depth| depth + 1);
        while let Some(id) = way.pop() {
            depths.insert(id, depth);
            depth += 1;
        }
    }
    depths
}

impl Known {
    fn update(&mut self, new: Known, events: &mut VecDeque<Event>) {
        // A parent whose number was given again is another one.
        if self.info != new.info || self.info.unique_parent != new.info.unique_parent {
            events.extend(compare(&self.info, &new.info));
        }
        *self = new;
    }
}

impl Source {
    /// Prefers listmount(2) and statmount(2), where they tell all that the text does (Linux 6.15).
    pub(crate) fn new(namespace: Option<NamespaceId>) -> Self {
        let mut source =
            Source::Kernel(ById { namespace, reader: InfoReader::new(namespace), ids: Vec::new() });
        let is_telling = source.ids().is_ok_and(|ids| {
            ids.first().is_some_and(|id| matches!(source.look_at(*id), Ok((Found::There(_), _))))
        });
        if is_telling { source } else { Source::Text(Vec::new()) }
    }

    fn by_id(&mut self) -> nix::Result<&mut ById> {
        match self {
            Source::Kernel(by_id) => Ok(by_id),
            Source::Text(_) => Err(Errno::ENOSYS),
        }
    }

    fn ids(&mut self) -> nix::Result<Vec<u64>> {
        let ById { namespace, ids, .. } = self.by_id()?;
        let list = MountIds::new();
        let list = namespace.map_or(list, |namespace| list.namespace(namespace));
        list.list_into(ids)?;
        Ok(ids.clone())
    }

    fn look_at(&mut self, id: u64) -> nix::Result<(Found, Option<Numbers>)> {
        let reader = &mut self.by_id()?.reader;
        match reader.find(id) {
            // Others' mounts can't be looked at by an ordinary user.
            Err(Errno::EPERM) => Ok((Found::Hidden, None)),
            found => Ok((found?, Some(reader.last_numbers()))),
        }
    }

    /// Looks at a known mount. What is gone by now is told by the next list, or by an announcement.
    fn look_again(&mut self, id: u64, known: &mut Known, events: &mut VecDeque<Event>) -> nix::Result<()> {
        if let (Found::There(info), numbers) = self.look_at(id)? {
            known.update(Known { info, numbers }, events);
        }
        Ok(())
    }

    fn numbers(&mut self, id: u64) -> nix::Result<Option<Numbers>> {
        match self.by_id()?.reader.numbers(id) {
            Err(Errno::EPERM) => Ok(None),
            numbers => numbers,
        }
    }
}

/// Reads the whole table. A line that can't be read is left out: nothing is known of its mount.
fn read(mut table: &File, buffer: &mut Vec<u8>) -> nix::Result<Vec<MountInfo>> {
    buffer.clear();
    let size = table.rewind().and_then(|()| table.read_to_end(buffer));
    size.map_err(|error| sys::errno(&error))?;
    Ok(parse(buffer).filter_map(Result::ok).map(MountInfo::from).collect())
}
