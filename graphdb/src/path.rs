//! Paths: names joined by slashes, from the root.

use crate::Text;

/// Returns the names of a path, from the root down.
///
/// Every path starts at the root, with a leading slash or without, and empty names don't count.
/// `.` and `..` are names like any other.
pub(crate) fn names(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
}

/// Returns the one spelling that all spellings of a path share: `/a/b` for `a//b/`.
pub(crate) fn normal(path: &[u8]) -> Text {
    let mut normal = Vec::with_capacity(path.len() + 1);
    for name in names(path) {
        normal.push(b'/');
        normal.extend_from_slice(name);
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal.into()
}

/// Returns the path of a name below a normal path.
///
/// An empty name, which only 2014's code wrote, shows as a trailing slash.
pub(crate) fn join(parent: &Text, name: &Text) -> Text {
    let parent = parent.as_bytes();
    let parent = if parent == b"/" { b"" } else { parent };
    [parent, b"/", name.as_bytes()].concat().into()
}

/// Returns a path's parent and its last name, or `None` for the root, which has neither.
///
/// ```
/// let (parent, name) = graphdb::split_path("/web/db").expect("not the root");
/// assert_eq!((parent, name), ("/web".into(), "db".into()));
/// assert_eq!(graphdb::split_path("/"), None);
/// ```
#[doc(alias = "splitPath")]
pub fn split_path(path: impl AsRef<[u8]>) -> Option<(Text, Text)> {
    let path = normal(path.as_ref());
    let slash = path.as_bytes().iter().rposition(|&byte| byte == b'/')?;
    let (parent, name) = (&path.as_bytes()[..slash], &path.as_bytes()[slash + 1..]);
    let parent = if parent.is_empty() { b"/" } else { parent };
    (!name.is_empty()).then(|| (parent.into(), name.into()))
}

/// Returns how deep a path is: 1 for the root, 2 for what is directly below it.
///
/// ```
/// assert_eq!(graphdb::path_depth("/"), 1);
/// assert_eq!(graphdb::path_depth("/web/db"), 3);
/// ```
#[doc(alias = "PathDepth")]
pub fn path_depth(path: impl AsRef<[u8]>) -> usize {
    names(path.as_ref()).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_the_same_path() {
        // 2014 took the first element of a relative path for the root: "zzz" existed in every graph.
        for spelling in ["/a/b", "a/b", "//a//b", "/a/b/", "a/b//"] {
            assert_eq!(normal(spelling.as_bytes()), "/a/b", "{spelling}");
            assert_eq!(path_depth(spelling), 3, "{spelling}");
            assert_eq!(split_path(spelling), Some(("/a".into(), "b".into())), "{spelling}");
        }
        for spelling in ["", "/", "//"] {
            assert_eq!(normal(spelling.as_bytes()), "/");
            assert_eq!(path_depth(spelling), 1);
            assert_eq!(split_path(spelling), None, "2014 panicked at the first of these");
        }
    }

    #[test]
    fn dots_are_names() {
        // 2014 cleaned full paths: what was named ".." below /a was shown as "/".
        assert_eq!(join(&"/a".into(), &"..".into()), "/a/..");
        assert_eq!(split_path("/a/.."), Some(("/a".into(), "..".into())));
        assert_eq!(path_depth("/a/../."), 4);
    }

    #[test]
    fn joining_and_splitting_are_inverse() {
        for (parent, name) in [("/", "a"), ("/a", "b"), ("/a/b", " ")] {
            let path = join(&parent.into(), &name.into());
            assert_eq!(split_path(path), Some((parent.into(), name.into())));
        }
    }
}
