//! Account files and user specs, against a plain model of what they say.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;

use user::{Defaults, Entries, Entry, Group, IdMap, Identity, Owner, Passwd, SubId};

use crate::Target;
use crate::corpus::file;
use crate::laws::{one_line, part};

/// 4294967295 leaves an id as it is, for setresuid(2): nobody may have it.
const ID_MAX: u32 = u32::MAX - 1;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "user-passwd",
            feeds: "a passwd file: from memory and from streams alike, as the model reads it, lookups too",
            run: Some(passwd),
            seeds: || {
                vec![file("user/tests/fixtures/edge.passwd"), b"\xef\xbb\xbfa:x:1:2:g:/h:/s\r\n".to_vec()]
            },
        },
        Target {
            name: "user-group",
            feeds: "a group file, as user-passwd, and the groups of each member",
            run: Some(group),
            seeds: || vec![file("user/tests/fixtures/edge.group")],
        },
        Target {
            name: "user-subid",
            feeds: "a subuid file, as user-passwd, and the ranges of each owner",
            run: Some(subid),
            seeds: || vec![b"matt:100000:65536\n1000:0:4294967295\n# all\nmatt:4294967294:1".to_vec()],
        },
        Target {
            name: "user-identity",
            feeds: "a user spec, NUL, passwd, NUL, group: digits are an id, bad lines change nothing",
            run: Some(identity),
            seeds: identities,
        },
        Target {
            name: "user-idmap",
            feeds: "a uid_map, NUL, a subuid file: each id as by a plain list, what is permitted lies in its lines",
            run: Some(idmap),
            seeds: || {
                vec![
                    b"0 1000 1\n1 100000 65536\n\0matt:100000:65536\n".to_vec(),
                    b"         0          0 4294967295\n".to_vec(),
                    b"0 4294967295 10\n10 99 1\0koye:1:1\n1000:99:1".to_vec(),
                ]
            },
        },
    ]
}

fn identities() -> Vec<Vec<u8>> {
    let (passwd, group) = (file("user/tests/fixtures/edge.passwd"), file("user/tests/fixtures/edge.group"));
    let with = |spec: &str| [spec.as_bytes(), b"\0", &passwd, b"\0", &group].concat();
    ["root", "1000", "adm:0", ":root", "0:4294967295", "dup", "us,er:", ""].map(with).to_vec()
}

/// The fields of the lines of a file that are neither blank nor comments.
fn model(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = text.split(|&byte| byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start());
    let lines = lines.filter(|line| !line.is_empty() && line[0] != b'#' && !line.contains(&0));
    lines.map(|line| line.split(|&byte| byte == b':').collect()).collect()
}

/// A number is what is written when it is printed again.
fn number(field: &[u8], max: u32) -> Option<u32> {
    let number: u32 = str::from_utf8(field).ok()?.parse().ok()?;
    (number <= max && number.to_string().as_bytes() == field).then_some(number)
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name[0] != b'+' && name[0] != b'-'
}

fn passwd(bytes: &[u8]) {
    let users = entries(bytes, Passwd::parse(bytes).map(|user| user.map(Passwd::from)), Passwd::read);
    let mut expected = model(bytes);
    expected.retain(|line| {
        let ids = || number(line[2], ID_MAX).is_some() && number(line[3], ID_MAX).is_some();
        (4..=7).contains(&line.len()) && is_name(line[0]) && ids()
    });
    assert_eq!(users.len(), expected.len(), "the model has others");
    for (user, line) in users.iter().zip(expected) {
        let field = |at: usize| OsStr::from_bytes(line.get(at).copied().unwrap_or_default());
        assert_eq!((&*user.name, user.uid), (field(0), number(line[2], ID_MAX).unwrap()));
        assert_eq!((user.gid, &*user.gecos), (number(line[3], ID_MAX).unwrap(), field(4)));
        assert_eq!((user.home.as_os_str(), user.shell.as_os_str()), (field(5), field(6)));
    }
    for user in users.iter().take(20) {
        for capacity in [3, 70, 8192] {
            let read = || Passwd::read(BufReader::with_capacity(capacity, bytes));
            let by_name = read().find_name(&user.name).unwrap().unwrap();
            assert_eq!(users.iter().find(|other| other.name == user.name), Some(&by_name));
            let by_id = read().find_id(user.uid).unwrap().unwrap();
            assert_eq!(users.iter().find(|other| other.uid == user.uid), Some(&by_id));
        }
    }
}

fn group(bytes: &[u8]) {
    let groups = entries(bytes, Group::parse(bytes).map(|group| group.map(Group::from)), Group::read);
    let mut expected = model(bytes);
    expected.retain(|line| {
        (3..=4).contains(&line.len()) && is_name(line[0]) && number(line[2], ID_MAX).is_some()
    });
    assert_eq!(groups.len(), expected.len(), "the model has others");
    for (group, line) in groups.iter().zip(expected) {
        assert_eq!((group.name.as_bytes(), Some(group.gid)), (line[0], number(line[2], ID_MAX)));
        let members = line.get(3).copied().unwrap_or_default().split(|&byte| byte == b',');
        let members: Vec<_> = members.filter(|member| !member.is_empty()).map(OsStr::from_bytes).collect();
        assert_eq!(group.members, members);
    }
    for group in groups.iter().take(20) {
        let named = Group::read(bytes).find_name(&group.name).unwrap().unwrap();
        assert_eq!(groups.iter().find(|other| other.name == group.name), Some(&named));
        let by_id = Group::read(tiny(bytes)).find_id(group.gid).unwrap().unwrap();
        assert_eq!(groups.iter().find(|other| other.gid == group.gid), Some(&by_id));
        for member in group.members.iter().take(5) {
            groups_of(bytes, member, &groups);
        }
    }
    groups_of(bytes, OsStr::new("adm"), &groups);
}

/// Checks the groups of a member, also where lines are too long to be held.
fn groups_of(bytes: &[u8], member: &OsStr, groups: &[Group]) {
    let mut expected: Vec<_> = groups
        .iter()
        .filter(|group| group.members.iter().any(|m| m == member))
        .map(|group| group.gid)
        .collect();
    let mut seen = HashSet::new();
    expected.retain(|gid| seen.insert(*gid));
    assert_eq!(Group::read(bytes).gids_of(member).unwrap(), expected, "{member:?}");
    assert_eq!(Group::read(tiny(bytes)).gids_of(member).unwrap(), expected, "{member:?}");
    // A group whose head is too long is none; no other group comes in.
    let short = Group::read(tiny(bytes)).max_line(12).gids_of(member).unwrap();
    assert!(short.iter().all(|gid| expected.contains(gid)), "{member:?}");
    let longest =
        model(bytes).iter().map(|line| line.iter().take(3).map(|field| field.len() + 1).sum()).max();
    let blanks =
        bytes.split(|&byte| byte == b'\n').map(|line| line.len() - line.trim_ascii_start().len()).max();
    let max = longest.unwrap_or(0) + blanks.unwrap_or(0) + 3;
    let heads = Group::read(tiny(bytes)).max_line(max).gids_of(member).unwrap();
    assert_eq!(heads, expected, "{member:?} with lines of {max} bytes");
}

fn subid(bytes: &[u8]) {
    let ranges = entries(bytes, SubId::parse(bytes).map(|range| range.map(SubId::from)), SubId::read);
    let lines = bytes.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii_start().is_empty() && !line.contains(&0));
    let lines = lines.filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    let mut expected: Vec<Vec<_>> = lines.map(|line| line.split(|&byte| byte == b':').collect()).collect();
    expected.retain(|line| {
        let end = || Some(u64::from(number(line[1], ID_MAX)?) + u64::from(number(line[2], u32::MAX)?));
        line.len() == 3
            && !line[0].is_empty()
            && line[2] != b"0"
            && end().is_some_and(|end| end <= u64::from(ID_MAX) + 1)
    });
    assert_eq!(ranges.len(), expected.len(), "the model has others");
    for (range, line) in ranges.iter().zip(expected) {
        let numbers = (Some(range.first), Some(range.length));
        assert_eq!(range.owner.as_bytes(), line[0]);
        assert_eq!(numbers, (number(line[1], ID_MAX), number(line[2], u32::MAX)));
    }
    for range in ranges.iter().take(20) {
        let owner = Owner { name: range.owner.clone(), uid: 1000, gid: 100 };
        let of_user = SubId::read(tiny(bytes)).of_user(&owner).unwrap();
        let is_theirs = |other: &&SubId| other.owner == range.owner || other.owner == "1000";
        assert!(ranges.iter().filter(is_theirs).eq(&of_user));
    }
}

/// A stream that gives three bytes at a time.
fn tiny(bytes: &[u8]) -> BufReader<&[u8]> {
    BufReader::with_capacity(3, bytes)
}

/// Checks that all ways of reading agree, and returns the entries.
fn entries<'a, E: Entry + std::fmt::Debug + PartialEq>(
    bytes: &'a [u8],
    memory: impl Iterator<Item = user::Result<E>>,
    read: impl Fn(BufReader<&'a [u8]>) -> Entries<BufReader<&'a [u8]>, E>,
) -> Vec<E> {
    let said = |entry: user::Result<E>| entry.map_err(|error| error.to_string());
    let memory: Vec<_> = memory.map(said).collect();
    assert_eq!(memory, read(BufReader::new(bytes)).map(said).collect::<Vec<_>>(), "memory and stream differ");
    assert_eq!(memory, read(tiny(bytes)).map(said).collect::<Vec<_>>(), "the size of a buffer matters");
    assert!(memory.len() <= bytes.len(), "more entries than bytes");
    memory.iter().filter_map(|entry| entry.as_ref().err()).for_each(one_line);
    let good: Vec<_> = memory.into_iter().filter_map(Result::ok).collect();
    let lenient: Vec<_> = read(tiny(bytes)).lenient().map(Result::unwrap).collect();
    assert_eq!(lenient, good, "lenient reading differs in more than the bad lines");
    good
}

fn identity(mut bytes: &[u8]) {
    let spec = OsStr::from_bytes(part(&mut bytes));
    let (passwd, group) = (part(&mut bytes), part(&mut bytes));
    let resolve = |passwd: &[u8], group: &[u8]| {
        Identity::resolve(spec, &Defaults::default(), passwd, group).map_err(|error| error.to_string())
    };
    let found = resolve(passwd, group);
    let noise = b"\n# a comment\n\nno entry\n+nis:::\nbad:x:-1:0\n";
    let with_noise = resolve(&[passwd, noise].concat(), &[group, noise].concat());
    assert_eq!(found, with_noise, "lines that are no entries count");
    assert_eq!(found.as_ref().ok(), plain(spec.as_bytes(), passwd, group).as_ref(), "the model has another");
    let streams = Identity::resolve(spec, &Defaults::default(), tiny(passwd), tiny(group));
    assert_eq!(found, streams.map_err(|error| error.to_string()), "the size of a buffer matters");
    let who = match found {
        Ok(who) => who,
        Err(error) => return one_line(error),
    };
    assert!(who.uid <= ID_MAX && who.gid <= ID_MAX);
    let unique: HashSet<_> = who.groups.iter().collect();
    assert_eq!(unique.len(), who.groups.len(), "a group twice");
    assert_eq!(who.groups_with_primary()[0], who.gid);
}

/// Who is meant, found line by line; without an answer it must be an error.
fn plain(spec: &[u8], passwd: &[u8], group: &[u8]) -> Option<Identity> {
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let sides: Vec<_> = spec.split(|&byte| byte == b':').collect();
    let [user, wanted] = match sides[..] {
        [user] => [user, b""],
        [user, wanted] => [user, wanted],
        _ => return None,
    };
    for side in [user, wanted] {
        if (digits(side) && number(side, ID_MAX).is_none())
            || side.starts_with(b"+")
            || side.starts_with(b"-")
        {
            return None;
        }
    }
    let users: Vec<_> = Passwd::parse(passwd).filter_map(Result::ok).collect();
    let groups: Vec<_> = Group::parse(group).filter_map(Result::ok).collect();
    let uid = if user.is_empty() { Some(0) } else { number(user, ID_MAX) };
    let found = users.iter().find(|entry| match uid {
        Some(uid) => entry.uid == uid,
        None => entry.name.as_bytes() == user,
    });
    let mut who = Identity::new(found.map_or(uid, |entry| Some(entry.uid))?, 0).unwrap();
    if let Some(entry) = found {
        (who.gid, who.name) = (entry.gid, Some(entry.name.to_owned()));
        if !entry.home.as_os_str().is_empty() {
            entry.home.clone_into(&mut who.home);
        }
        who.shell = (!entry.shell.as_os_str().is_empty()).then(|| entry.shell.to_owned());
        if wanted.is_empty() {
            let of = groups.iter().filter(|group| group.members().any(|member| member == entry.name));
            who.add_groups(of.map(|group| group.gid)).unwrap();
        }
    }
    if !wanted.is_empty() {
        let named = || groups.iter().find(|group| group.name.as_bytes() == wanted);
        who.gid = number(wanted, ID_MAX).or_else(|| named().map(|group| group.gid))?;
    }
    Some(who)
}

fn idmap(mut bytes: &[u8]) {
    let map = match IdMap::parse(part(&mut bytes)) {
        Ok(map) => map,
        Err(error) => return one_line(error),
    };
    assert!(map.ranges().len() <= 340);
    assert_eq!(map.to_string().parse::<IdMap>().unwrap(), map);
    let plain = |id: u32| {
        let range =
            map.ranges().iter().find(|range| id >= range.inside && id - range.inside < range.length)?;
        (range.outside <= ID_MAX).then(|| range.outside + (id - range.inside))
    };
    let edges = map.ranges().iter().flat_map(|range| {
        let after = range.inside + range.length;
        [range.inside.wrapping_sub(1), range.inside, range.inside + range.length / 2, after - 1, after]
    });
    for id in edges {
        let outside = map.to_host(id);
        assert_eq!(outside, plain(id), "{id}");
        assert!(outside.is_none_or(|outside| map.to_container(outside) == Some(id)), "{id}");
    }
    if let Ok(again) = IdMap::new(map.ranges().iter().copied()) {
        assert_eq!(again, map);
        assert!(map.is_empty() || map.check_within(&IdMap::identity()).is_ok());
    }
    let matt = Owner { name: "matt".into(), uid: 1000, gid: 100 };
    let subids: Vec<_> = SubId::read(bytes).flatten().collect();
    let granted = |id: u32| {
        subids.iter().any(|subid| matt.owns(subid) && id >= subid.first && id - subid.first < subid.length)
    };
    let permitted = map.check_newuidmap(&matt, &subids);
    for range in map.ranges().iter().filter(|_| permitted.is_ok()) {
        let own = range.length == 1 && range.outside == 1000;
        let ends = [range.outside, range.outside + range.length / 2, range.outside + (range.length - 1)];
        assert!(own || ends.into_iter().all(granted), "{range}");
    }
    if let Err(error) = permitted {
        one_line(error);
    }
    for map in [IdMap::from_subids(&subids), IdMap::rootless(1000, &subids)] {
        match map {
            Ok(map) => assert_eq!(IdMap::new(map.ranges().iter().copied()).unwrap(), map),
            Err(error) => one_line(error),
        }
    }
}
