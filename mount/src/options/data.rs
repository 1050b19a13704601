//! The words for the filesystem, in the two forms that the kernel takes.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

use super::word::{escape_commas, parts, unquote};
use super::{Options, refused};
use crate::Result;

/// Names whose values the kernel's security modules take out of quotes themselves.
const LABELS: [&str; 5] = ["context", "fscontext", "defcontext", "rootcontext", "seclabel"];

/// Names whose values overlay reads with escapes.
const LAYERS: [&str; 3] = ["lowerdir", "upperdir", "workdir"];

impl Options {
    /// Returns the words for the filesystem, in their order and as they were written.
    pub fn data(&self) -> &[OsString] {
        &self.data
    }

    /// Returns the options for the filesystem one by one, as [`fsconfig(2)`] takes them: the name, and the value
    /// if there is one, without the quotes around it.
    ///
    /// Backslashes stay, which overlay reads in `lowerdir`, `upperdir` and `workdir`.
    ///
    /// ```
    /// let options = mount::Options::parse(r#"ro,context="a,b",noswap"#)?;
    /// let parameters: Vec<_> = options.parameters().collect();
    /// assert_eq!(parameters[0].0, "context");
    /// assert_eq!(parameters[0].1.as_deref(), Some("a,b".as_ref()));
    /// assert_eq!(parameters[1], ("noswap", None));
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// [`fsconfig(2)`]: https://man7.org/linux/man-pages/man2/fsconfig.2.html
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<Cow<'_, OsStr>>)> {
        let parts = self.data.iter().filter_map(|word| parts(word).ok());
        parts.map(|(name, value)| (name, value.map(unquote)))
    }

    /// Returns the options for the filesystem in one string, as [`mount(2)`] takes them.
    ///
    /// It has no quotes but those around security labels, and of overlay's paths each comma is escaped. Of
    /// what mount(2) takes, all beyond 4,095 bytes is cut by the kernel.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a comma in another value, which mount(2) has no
    /// way to say.
    ///
    /// [`mount(2)`]: https://man7.org/linux/man-pages/man2/mount.2.html
    pub fn mount_data(&self) -> Result<OsString> {
        let words: Result<Vec<_>> = self.data.iter().map(|word| written(word)).collect();
        Ok(words?.join(OsStr::new(",")))
    }
}

fn written(word: &OsStr) -> Result<OsString> {
    let Ok((name, Some(value))) = parts(word) else { return Ok(word.to_owned()) };
    if LABELS.contains(&name) {
        return Ok(word.to_owned());
    }
    let value = unquote(value);
    let value = if LAYERS.contains(&name) { Cow::Owned(escape_commas(&value)) } else { value };
    if !LAYERS.contains(&name) && value.as_encoded_bytes().contains(&b',') {
        return Err(refused(
            word,
            "mount(2) can't say a comma in this value, as fsconfig(2) can (Linux 5.2)",
        ));
    }
    Ok([OsStr::new(name), OsStr::new("="), &value].into_iter().collect())
}
