//! Account files and user specs.

use std::collections::HashSet;
use std::fmt::Debug;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;

use user::{Defaults, Entries, Entry, Group, Identity, Passwd};

use crate::Target;
use crate::corpus::file;
use crate::laws::{one_line, part};

/// 4294967295 leaves an id as it is, for setresuid(2): nobody may have it.
const ID_MAX: u32 = u32::MAX - 1;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "user-passwd",
            feeds: "a passwd file: from memory and from a stream alike, strict and lenient, written and read again",
            run: Some(passwd),
            seeds: || {
                vec![file("user/tests/fixtures/edge.passwd"), b"\xef\xbb\xbfa:x:1:2:g:/h:/s\r\n".to_vec()]
            },
        },
        Target {
            name: "user-group",
            feeds: "a group file, as user-passwd",
            run: Some(group),
            seeds: || vec![file("user/tests/fixtures/edge.group")],
        },
        Target {
            name: "user-identity",
            feeds: "a user spec, NUL, passwd, NUL, group: digits are an id, bad lines change nothing",
            run: Some(identity),
            seeds: identities,
        },
    ]
}

fn identities() -> Vec<Vec<u8>> {
    let (passwd, group) = (file("user/tests/fixtures/edge.passwd"), file("user/tests/fixtures/edge.group"));
    let with = |spec: &str| [spec.as_bytes(), b"\0", &passwd, b"\0", &group].concat();
    ["root", "1000", "adm:0", ":root", "0:4294967295", "dup", "us,er:", ""].map(with).to_vec()
}

fn passwd(bytes: &[u8]) {
    let users = entries(bytes, Passwd::parse(bytes), Passwd::read(bytes), Passwd::read(tiny(bytes)));
    let names = Passwd::read(bytes).lenient().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(names, users, "lenient reading differs in more than the bad lines");
    for user in &users {
        assert!(user.uid <= ID_MAX && user.gid <= ID_MAX);
        let by_name = Passwd::read(bytes).find_name(user.name.as_bytes()).unwrap().unwrap();
        assert_eq!(users.iter().find(|other| other.name == user.name), Some(&by_name));
        let by_id = Passwd::read(bytes).find_id(user.uid).unwrap().unwrap();
        assert_eq!(users.iter().find(|other| other.uid == user.uid), Some(&by_id));
        let ids = format!(":x:{}:{}:", user.uid, user.gid);
        // Not the first line, where a byte order mark is none of the name's, and with all of its end.
        let line = [
            b"\n",
            user.name.as_bytes(),
            ids.as_bytes(),
            user.gecos.as_bytes(),
            b":",
            user.home.as_os_str().as_bytes(),
            b":",
            user.shell.as_os_str().as_bytes(),
            b"\r\n",
        ];
        assert!(Passwd::parse(&line.concat()).map(Result::unwrap).eq([user.clone()]), "{user:?}");
    }
}

fn group(bytes: &[u8]) {
    let groups = entries(bytes, Group::parse(bytes), Group::read(bytes), Group::read(tiny(bytes)));
    let lenient = Group::read(bytes).lenient().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(lenient, groups, "lenient reading differs in more than the bad lines");
    for group in &groups {
        assert!(group.gid <= ID_MAX);
        let named = Group::read(bytes).find_name(group.name.as_bytes()).unwrap().unwrap();
        assert_eq!(groups.iter().find(|other| other.name == group.name), Some(&named));
        let members: Vec<_> = group.members.iter().map(|member| member.as_bytes()).collect();
        let id = format!(":x:{}:", group.gid);
        let line = [b"\n", group.name.as_bytes(), id.as_bytes(), &members.join(&b','), b"\r\n"].concat();
        assert!(Group::parse(&line).map(Result::unwrap).eq([group.clone()]), "{group:?}");
    }
}

/// A stream that gives three bytes at a time.
fn tiny(bytes: &[u8]) -> BufReader<&[u8]> {
    BufReader::with_capacity(3, bytes)
}

/// Checks that all ways of reading agree, and returns the entries.
fn entries<'a, E: Entry + Debug + PartialEq>(
    bytes: &[u8],
    memory: impl Iterator<Item = user::Result<E>>,
    stream: Entries<&'a [u8], E>,
    tiny: Entries<BufReader<&'a [u8]>, E>,
) -> Vec<E> {
    let said = |entry: user::Result<E>| entry.map_err(|error| error.to_string());
    let memory: Vec<_> = memory.map(said).collect();
    assert_eq!(memory, stream.map(said).collect::<Vec<_>>(), "memory and stream differ");
    assert_eq!(memory, tiny.map(said).collect::<Vec<_>>(), "the size of a buffer matters");
    assert!(memory.len() <= bytes.len(), "more entries than bytes");
    memory.iter().filter_map(|entry| entry.as_ref().err()).for_each(one_line);
    memory.into_iter().filter_map(Result::ok).collect()
}

fn identity(mut bytes: &[u8]) {
    let Ok(spec) = str::from_utf8(part(&mut bytes)) else { return };
    let (passwd, group) = (part(&mut bytes), part(&mut bytes));
    let resolve = |passwd: &[u8], group: &[u8]| {
        Identity::resolve(spec, &Defaults::default(), passwd, group).map_err(|error| error.to_string())
    };
    let found = resolve(passwd, group);
    let noise = b"\n# a comment\n\nno entry\n+nis:::\nbad:x:-1:0\n";
    let with_noise = resolve(&[passwd, noise].concat(), &[group, noise].concat());
    assert_eq!(found, with_noise, "lines that are no entries count");
    let who = match found {
        Ok(who) => who,
        Err(error) => return one_line(error),
    };
    assert!(who.uid <= ID_MAX && who.gid <= ID_MAX);
    let (user, wanted) = spec.split_once(':').unwrap_or((spec, ""));
    if !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(user, who.uid.to_string(), "digits are an id");
    }
    if !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(wanted, who.gid.to_string(), "digits are an id");
    }
    assert!(wanted.is_empty() || who.groups.is_empty(), "groups besides the one that was asked for");
    let unique: HashSet<_> = who.groups.iter().collect();
    assert_eq!(unique.len(), who.groups.len(), "a group twice");
    assert_eq!(who.groups_with_primary()[0], who.gid);
}
