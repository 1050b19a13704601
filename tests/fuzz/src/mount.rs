//! Mount options and the mount table.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mount::{Attributes, Entry, IdMapping, MountInfo, Options, Table};

use crate::Target;
use crate::corpus::files;
use crate::laws::one_line;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "mount-options",
            feeds: "the fourth field of fstab: printed and read again, each word to one party, no bit set and cleared, what is merged means the same",
            run: Some(options),
            seeds: || {
                [
                    "bind,ro,size=10k,nofail",
                    "rbind,rslave,nosuid,nodev,noexec,relatime,shared",
                    r#"context="u:r:t:s0:c1,c2",lowerdir=/a\,b:/c\\,rro,ro=recursive,ro=fs"#,
                    "noatime,norelatime,strictatime,rnosymfollow,sync,dirsync,mand,lazytime,iversion,silent",
                    "remount,tmpcopyup,idmap,ridmap,x-a,user,loop=/l",
                    "move",
                    "shared,private",
                    "ro=often",
                    r#"user,exec,size="10k",a="b"",c",x-b,X-mount.idmap=u:0:100000:65536 g:0:1:1,nouser"#,
                    "ro,rw=fs,ro=vfs,nosuid=recursive,lowerdir+=/a,lowerdir+=/b,device=/d,size=1,size=2,defaults",
                    "noatime,atime,strictatime,norelatime,rnoatime,ratime,rbind,bind,slave,shared",
                ]
                .map(|text| text.as_bytes().to_vec())
                .to_vec()
            },
        },
        Target {
            name: "mount-mountinfo",
            feeds: "/proc/PID/mountinfo: a line that is read is the same when written with escapes and read again; a tree of each mount once",
            run: Some(mountinfo),
            seeds: || {
                let mut seeds = files("mount/tests/fixtures", ".mi");
                seeds.extend(files("cgroups/tests/fixtures", ".mountinfo"));
                seeds
            },
        },
    ]
}

fn options(bytes: &[u8]) {
    let options = match Options::parse(OsStr::from_bytes(bytes)) {
        Ok(options) => options,
        Err(error) => return one_line(error),
    };
    let printed = options.to_os_string();
    assert_eq!(Options::parse(&options).as_ref().ok(), Some(&options), "{printed:?} is something else");
    assert_eq!(printed.to_string_lossy(), options.to_string());
    for (set, clear) in
        [(options.attr_set(), options.attr_clear()), (options.recursive_set(), options.recursive_clear())]
    {
        assert!((set & clear & !Attributes::ATIME).is_empty(), "set and cleared at once");
        let room = !set.intersects(Attributes::ATIME) || clear.contains(Attributes::ATIME);
        assert!(room, "a choice of atime without room for it");
    }
    let known =
        |word: &OsString| printed.as_bytes().windows(word.len()).any(|bytes| bytes == word.as_bytes());
    assert!(options.data().iter().chain(options.userspace()).all(known), "a word from nowhere");
    assert!(!options.data().iter().any(|word| options.userspace().contains(word)), "a word for two parties");
    assert!(!(options.is_move() && (options.remount() || options.bind().is_some())));
    assert_eq!(options.parameters().count(), options.data().len(), "a word without a name");
    for (name, value) in options.parameters() {
        let apart = [
            name.as_bytes(),
            value.as_deref().map_or(b"", |_| b"="),
            value.as_deref().map_or(b"", OsStr::as_bytes),
        ];
        taken_as_one_word(OsStr::from_bytes(&apart.concat()));
    }
    match options.mount_data() {
        Ok(data) => assert!(data.is_empty() == options.data().is_empty()),
        Err(error) => one_line(error),
    }
    match options.id_mapping() {
        Ok(Some(IdMapping::Ids(map))) => assert_eq!(map.to_string().parse().ok(), Some(map)),
        Ok(_) => {}
        Err(error) => one_line(error),
    }
    merged(&options, &printed);
}

/// A word that came by itself is one, whatever it holds.
fn taken_as_one_word(word: &OsStr) {
    match Options::from_words([word]) {
        Ok(options) => {
            assert!(options.data().len() + options.userspace().len() <= 1, "{word:?} is several");
            assert_eq!(
                Options::parse(options.to_os_string()).ok(),
                Some(options),
                "{word:?} is something else"
            );
        }
        Err(error) => one_line(error),
    }
}

/// Cuts the options in two at each comma in turn: what is merged means what stood there.
fn merged(options: &Options, text: &OsStr) {
    let text = text.as_bytes();
    let again = options.merge(&Options::default()).expect("they were not in contradiction");
    same_meaning(&again, options);
    // Of tools' words one may be kept for what it takes away alone: "user,nouser".
    let mut words = again.data().iter().chain(again.userspace().last());
    assert!(words.all(|word| again.has(word)), "a word that is kept and not in force");
    assert_eq!(again.merge(&Options::default()).ok().as_ref(), Some(&again), "merging is done at once");
    for at in (0..text.len()).filter(|at| text[*at] == b',').take(8) {
        let (earlier, later) = (OsStr::from_bytes(&text[..at]), OsStr::from_bytes(&text[at + 1..]));
        let (Ok(earlier), Ok(later)) = (Options::parse(earlier), Options::parse(later)) else { continue };
        if earlier.to_os_string().len() + later.to_os_string().len() + 1 != text.len() {
            continue; // not between two words, or beside an empty one
        }
        same_meaning(&earlier.merge(&later).expect("they were not in contradiction"), options);
    }
}

fn same_meaning(merged: &Options, whole: &Options) {
    assert_eq!(merged.flags(), whole.flags(), "{merged} and {whole}");
    assert_eq!((merged.attr_set(), merged.attr_clear()), (whole.attr_set(), whole.attr_clear()));
    assert_eq!(
        (merged.recursive_set(), merged.recursive_clear()),
        (whole.recursive_set(), whole.recursive_clear())
    );
    assert_eq!(merged.superblock_flags(), whole.superblock_flags());
    assert_eq!((merged.tmpcopyup(), merged.idmap()), (whole.tmpcopyup(), whole.idmap()));
    let last = |options: &Options, name: &str| {
        let values = options.parameters().filter(|(found, _)| *found == name);
        values.last().map(|(_, value)| value.map(Cow::into_owned))
    };
    for (name, _) in whole.parameters() {
        assert_eq!(last(merged, name), last(whole, name), "{merged} and {whole}");
    }
}

fn mountinfo(bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let mounts: Vec<_> = mount::parse(bytes).collect();
    assert!(mounts.len() <= lines, "more mounts than lines");
    let (good, bad): (Vec<_>, Vec<_>) = mounts.into_iter().partition(Result::is_ok);
    for error in &bad {
        one_line(error.as_ref().unwrap_err());
    }
    let good: Vec<_> = good.into_iter().map(Result::unwrap).collect();
    good.iter().for_each(as_owned);
    let table = Table::from_bytes_lossy(bytes.to_vec());
    assert!(table.iter().eq(good), "a table is its lines");
    assert!(
        table
            .skipped()
            .map(|error| error.to_string())
            .eq(bad.iter().map(|error| format!("{:?}", error.as_ref().unwrap_err())))
    );
    assert_eq!(Table::from_bytes(bytes.to_vec()).is_ok(), bad.is_empty());
    as_a_tree(&table);
    as_places(&table);
}

/// Owned or borrowed, it is the same.
fn as_owned(entry: &Entry<'_>) {
    let mount = entry.to_info();
    assert!(entry.super_words().eq(mount.super_words().map(Cow::<OsStr>::Owned)));
    assert!(entry.optional().eq(mount.optional.iter().map(Cow::from)));
    assert_eq!(entry.is_unbindable(), mount.is_unbindable());
    assert_eq!(
        (entry.shared(), entry.master(), entry.propagate_from()),
        (mount.shared(), mount.master(), mount.propagate_from())
    );
    assert!(mount.is_beneath(entry.mount_point()) && mount.is_above(entry.mount_point()));
    assert!(entry.is_beneath(entry.mount_point()) && entry.is_above(entry.mount_point()));
    assert!(
        entry.is_type(&mount.fs_type)
            && entry.subtype().is_none_or(|subtype| subtype.len() < mount.fs_type.len())
    );
    written_and_read(&mount);
}

/// Each mount is visited once, and not before the one that it lies on.
fn as_a_tree(table: &Table) {
    let place = |entry: Entry<'_>| entry.as_bytes().as_ptr();
    let mut visited: Vec<_> = table.tree().map(|node| place(node.entry)).collect();
    visited.sort_unstable();
    assert!(visited.into_iter().eq(table.iter().map(place)), "not each mount once");
    let mut path: Vec<Entry<'_>> = Vec::new();
    let mut was_last: Vec<bool> = Vec::new();
    for node in table.tree() {
        assert!(node.depth <= path.len(), "a step is left out");
        path.truncate(node.depth);
        was_last.truncate(node.depth + 1);
        assert!(was_last.len() <= node.depth || !was_last[node.depth], "a child after the last");
        was_last.truncate(node.depth);
        assert!(path.last().is_none_or(|parent| parent.id() == node.entry.parent()));
        path.push(node.entry);
        was_last.push(node.is_last);
    }
    for root in table.roots() {
        assert!(root.id() == root.parent() || table.get(root.parent()).is_none());
    }
    for entry in table {
        let first = table.get(entry.id()).expect("its id is there");
        assert!(table.children(entry.id()).all(|child| child.parent() == entry.id()));
        let mut below = table.descendants(entry.id());
        assert!(
            below
                .next()
                .is_some_and(|node| node.depth == 0 && node.is_last && place(node.entry) == place(first))
        );
        assert!(below.all(|node| node.depth > 0));
        if table.len() > 64 {
            break; // the rest is the same, and takes long
        }
    }
}

/// At each mount point are the mounts that say so, and the visible one is last.
fn as_places(table: &Table) {
    for entry in table.iter().take(64) {
        let path = entry.mount_point().into_owned();
        let there: Vec<_> = table.at(&path).collect();
        // The kernel writes no slash at the end of a mount point; made-up ones are as good without.
        let trimmed = |path: &Path| {
            let text = path.as_os_str().as_bytes();
            let end = text.iter().rposition(|&byte| byte != b'/').map_or(text.len().min(1), |last| last + 1);
            text[..end].to_vec()
        };
        let same = |other: &Entry<'_>| trimmed(&other.mount_point()) == trimmed(&path);
        assert_eq!(there.len(), table.iter().filter(same).count());
        assert!(table.top_at(&path).is_none_or(|top| Some(&top) == there.last()));
        if let Some(found) = table.mount_of(&path) {
            assert!(found.is_above(&path));
        }
    }
}

fn written_and_read(mount: &MountInfo) {
    let words: Vec<_> = mount.super_words().collect();
    let super_words: Vec<_> = words.iter().map(|word| escaped(word.as_bytes(), b",")).collect();
    let ids = format!("{} {} {}:{} ", mount.id, mount.parent, mount.major, mount.minor);
    let mut fields = vec![
        escaped(mount.root.as_os_str().as_bytes(), b""),
        escaped(mount.mount_point.as_os_str().as_bytes(), b""),
        escaped(mount.options.as_bytes(), b""),
    ];
    // One dash alone would end the optional fields.
    fields.extend(mount.optional.iter().map(|word| escaped(word.as_bytes(), b"-")));
    fields.push(b"-".to_vec());
    fields.push(escaped(mount.fs_type.as_bytes(), b""));
    fields.push(escaped(mount.source.as_bytes(), b""));
    fields.push(super_words.join(&b','));
    let line = [ids.as_bytes(), &fields.join(&b' ')].concat();

    let again: Vec<_> =
        mount::parse(&line).map(|entry| entry.expect("a line that was just written").to_info()).collect();
    let [again] = again.as_slice() else { panic!("{} lines", again.len()) };
    assert_eq!(again.super_words().collect::<Vec<_>>(), words);
    let plain = |mount: &MountInfo| {
        let MountInfo {
            id,
            parent,
            major,
            minor,
            root,
            mount_point,
            options,
            optional,
            fs_type,
            source,
            super_options,
            ..
        } = mount.clone();
        (id, parent, (major, minor), root, mount_point, options, optional, fs_type, source, super_options)
    };
    assert_eq!(plain(again), plain(mount));
    for word in
        mount.options.as_bytes().split(|&byte| byte == b',').filter_map(|word| str::from_utf8(word).ok())
    {
        assert!(mount.has_option(word));
    }
}

/// Escapes as the kernel does, and what else would be misread.
fn escaped(field: &[u8], more: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in field {
        if b" \t\n\r\\#".contains(byte) || more.contains(byte) {
            text.extend(format!("\\{byte:03o}").bytes());
        } else {
            text.push(*byte);
        }
    }
    text
}
