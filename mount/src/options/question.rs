//! Questions about one word.

use std::borrow::Cow;
use std::ffi::OsStr;

use super::Options;
use super::matter::Matter;
use super::meaning::{Meaning, meaning};
use super::word::{is_same, parts, protect, unquote};

impl Options {
    /// Says whether a word is in force: it is there, or another one implies it, and no later one says otherwise.
    ///
    /// `noexec,exec` has `exec` and not `noexec`; `noauto,auto` has `auto`; `user` has `nosuid`. A word is in force
    /// only if something was said: nothing, and `defaults`, have neither `rw` nor `ro`. `ro` is the mount and its
    /// filesystem, as in `ro` and not in `ro=vfs`. Of a filesystem's own words the opposites aren't known (`acl` and
    /// `noacl`).
    ///
    /// A word with a value is asked for with it; [`value`](Self::value) gives the value.
    ///
    /// ```
    /// // What a program that goes through fstab wants to know.
    /// let options = mount::Options::parse("noauto,nofail,ro,auto,x-systemd.automount")?;
    /// assert!(!options.has("noauto")); // to be mounted at boot,
    /// assert!(options.has("nofail")); // which goes on without it
    /// assert!(options.has("ro") && !options.has("rw"));
    /// assert!(options.has("x-systemd.automount"));
    /// # Ok::<(), mount::Error>(())
    /// ```
    pub fn has(&self, word: impl AsRef<OsStr>) -> bool {
        let Ok(word) = protect(word.as_ref()) else { return false };
        let Ok(meaning) = meaning(&word) else { return false };
        match meaning {
            Meaning::Nothing => self.words.iter().any(|other| is_same(other, &word)),
            Meaning::Mount(change) => self.attributes.has(change),
            Meaning::Tree(change) => self.recursive.has(change),
            Meaning::Filesystem(change) => self.superblock.has(change),
            Meaning::Both(change, filesystem) => {
                self.attributes.has(change) && self.superblock.has(filesystem)
            }
            Meaning::Bind(bind) => self.bind == Some(bind),
            Meaning::Remount => self.remount,
            Meaning::Move => self.moves,
            Meaning::Propagation(propagation) => self.propagation.contains(&propagation),
            Meaning::Userspace(_) => {
                let about = Matter::of_tool(&word);
                let last = self.userspace.iter().rfind(|other| Matter::of_tool(other) == about);
                last.is_some_and(|last| is_same(last, &word))
            }
            Meaning::Tmpcopyup => self.tmpcopyup,
            Meaning::Idmap => self.idmap,
            Meaning::Ridmap => self.ridmap,
            Meaning::Data => self.has_data(&word),
        }
    }

    fn has_data(&self, word: &OsStr) -> bool {
        match Matter::of_data(word, 0) {
            Matter::Each(_) => self.data.iter().any(|other| is_same(other, word)),
            about => {
                let last = self.data.iter().rfind(|other| Matter::of_data(other, 0) == about);
                last.is_some_and(|last| is_same(last, word))
            }
        }
    }

    /// Returns the value of an option, whoever it is for, or `None` if it isn't there.
    ///
    /// Of several the last one holds. An option without a value has an empty one; quotes around a value are
    /// not part of it. That `ro` is there doesn't say that it is in force: [`has`](Self::has) does.
    ///
    /// ```
    /// let options = mount::Options::parse(r#"ro,X-mount.subdir="a,b",size=1m"#)?;
    /// assert_eq!(options.value("X-mount.subdir").as_deref(), Some("a,b".as_ref()));
    /// assert_eq!(options.value("ro").as_deref(), Some("".as_ref()));
    /// assert_eq!(options.value("mode"), None);
    /// # Ok::<(), mount::Error>(())
    /// ```
    pub fn value(&self, name: &str) -> Option<Cow<'_, OsStr>> {
        let parts = self.words.iter().rev().filter_map(|word| parts(word).ok());
        let (_, value) = parts.into_iter().find(|(found, _)| *found == name)?;
        Some(value.map_or(Cow::Borrowed(OsStr::new("")), unquote))
    }
}
