//! Mount options and the mount table.

use std::os::unix::ffi::OsStrExt;

use mount::{Attributes, MountInfo, Options};

use crate::Target;
use crate::corpus::files;
use crate::laws::one_line;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "mount-options",
            feeds: "the fourth field of fstab: printed and read again, each word to one party, no bit set and cleared",
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
                ]
                .map(|text| text.as_bytes().to_vec())
                .to_vec()
            },
        },
        Target {
            name: "mount-mountinfo",
            feeds: "/proc/PID/mountinfo: a line that is read is the same when written with escapes and read again",
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
    let Ok(text) = str::from_utf8(bytes) else { return };
    let options = match Options::parse(text) {
        Ok(options) => options,
        Err(error) => return one_line(error),
    };
    let printed = options.to_string();
    assert_eq!(Options::parse(&printed).as_ref().ok(), Some(&options), "{printed:?} is something else");
    for (set, clear) in
        [(options.attr_set(), options.attr_clear()), (options.recursive_set(), options.recursive_clear())]
    {
        assert!((set & clear & !Attributes::ATIME).is_empty(), "set and cleared at once");
        let room = !set.intersects(Attributes::ATIME) || clear.contains(Attributes::ATIME);
        assert!(room, "a choice of atime without room for it");
    }
    let known = |word: &String| printed.contains(word.as_str());
    assert!(options.data().iter().chain(options.userspace()).all(known), "a word from nowhere");
    assert!(!options.data().iter().any(|word| options.userspace().contains(word)), "a word for two parties");
    assert!(!(options.is_move() && (options.remount() || options.bind().is_some())));
}

fn mountinfo(bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let mounts: Vec<_> = mount::parse(bytes).collect();
    assert!(mounts.len() <= lines, "more mounts than lines");
    for mount in mounts {
        match mount {
            Ok(mount) => written_and_read(&mount),
            Err(error) => one_line(error),
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

    let again: Vec<_> = mount::parse(&line).collect::<Result<_, _>>().expect("a line that was just written");
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
