//! What happens to mounts, and how two looks at a mount become events.

use crate::MountInfo;

/// What happened to a mount.
///
/// Told one after the other, events lead from the table that was to the table that is: who applies them to
/// [`Watcher::mounts`](crate::Watcher::mounts) has the table that the kernel has. A mount's parent comes
/// before it, and goes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A mount was attached.
    Mounted(MountInfo),
    /// A mount was detached. It is as it was when it was last looked at.
    Unmounted(MountInfo),
    /// A mount has another place: itself was moved, or a mount above it, or what it lies on became another
    /// mount.
    Moved {
        /// As it was.
        from: MountInfo,
        /// As it is; nothing but its mount point and its parent differ.
        to: MountInfo,
    },
    /// A mount is as it was no more: its attributes, its propagation, or the options of its filesystem.
    Changed {
        /// As it was.
        from: MountInfo,
        /// As it is.
        to: MountInfo,
    },
    /// A mount came and went before it could be looked at. Only the kernel's announcements tell this.
    CameAndWent {
        /// The id that it had.
        unique_id: u64,
    },
    /// More happened than the kernel's queue holds (16,384 announcements, unless the administrator says
    /// otherwise). What this left out is only that of mounts which came and went meanwhile; the events that
    /// follow lead to the table as it is.
    Overflow,
}

/// Says whether two looks under the same id can't have been of the same mount.
///
/// The kernel gives the ids of mountinfo again, the lowest first. A unique id tells for sure.
pub(crate) fn is_another(from: &MountInfo, to: &MountInfo) -> bool {
    if from.unique_id.is_some() && from.unique_id == to.unique_id {
        return false;
    }
    let filesystem = |mount: &MountInfo| (mount.major, mount.minor);
    from.unique_id != to.unique_id
        || filesystem(from) != filesystem(to)
        || from.fs_type != to.fs_type
        || from.source != to.source
        // A directory that was renamed changes the root, and being moved changes the mount point.
        || (from.root != to.root && from.mount_point != to.mount_point)
}

/// Tells how a mount changed from one look to the next: at most that it moved, and then what else changed.
pub(crate) fn compare(from: &MountInfo, to: &MountInfo) -> impl Iterator<Item = Event> + use<> {
    let place = |mount: &MountInfo| (mount.parent, mount.unique_parent);
    let has_moved = place(from) != place(to) || from.mount_point != to.mount_point;
    let mut between = from.clone();
    if has_moved {
        (between.parent, between.unique_parent) = place(to);
        between.mount_point.clone_from(&to.mount_point);
    }
    let moved = has_moved.then(|| Event::Moved { from: from.clone(), to: between.clone() });
    let changed = (between != *to).then(|| Event::Changed { from: between, to: to.clone() });
    moved.into_iter().chain(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> MountInfo {
        crate::parse(line.as_bytes()).next().unwrap().unwrap().to_info()
    }

    #[test]
    fn what_is_the_same_is_no_event() {
        let one = mount("2 1 0:1 / /a rw shared:1 - tmpfs a rw");
        assert!(compare(&one, &one).next().is_none() && !is_another(&one, &one));
    }

    #[test]
    fn a_move_and_a_change_are_told_one_after_the_other() {
        let from = mount("2 1 0:1 / /a rw - tmpfs a rw");
        let between = mount("2 3 0:1 / /b rw - tmpfs a rw");
        let to = mount("2 3 0:1 / /b ro - tmpfs a ro");
        let events: Vec<_> = compare(&from, &to).collect();
        let moved = Event::Moved { from: from.clone(), to: between.clone() };
        assert_eq!(events, [moved, Event::Changed { from: between.clone(), to: to.clone() }]);
        assert_eq!(compare(&from, &between).count(), 1);
        assert_eq!(compare(&between, &to).count(), 1);
    }

    #[test]
    fn an_id_that_was_given_again_is_of_another_mount() {
        let one = mount("2 1 0:1 / /a rw - tmpfs a rw");
        for (other, is_other) in [
            ("2 1 0:2 / /a rw - tmpfs a rw", true),
            ("2 1 0:1 / /a rw - ramfs a rw", true),
            ("2 1 0:1 / /a rw - tmpfs b rw", true),
            ("2 1 0:1 /x /b rw - tmpfs a rw", true),
            ("2 1 0:1 /x /a rw - tmpfs a rw", false),
            ("2 3 0:1 / /b rw - tmpfs a rw", false),
            ("2 1 0:1 / /a ro shared:1 - tmpfs a ro", false),
        ] {
            assert_eq!(is_another(&one, &mount(other)), is_other, "{other}");
        }
        // The same line, and not the same mount.
        let (mut first, mut second) = (one.clone(), one);
        (first.unique_id, second.unique_id) = (Some(8), Some(9));
        assert!(is_another(&first, &second));
        // A device that changed, and the same mount.
        second.unique_id = Some(8);
        second.source = "b".into();
        assert!(!is_another(&first, &second));
    }
}
