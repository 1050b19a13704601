use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::ErrorKind;

fn parse(text: &str) -> Options {
    Options::parse(text).unwrap()
}

#[test]
fn the_words_of_2014_are_sorted() {
    let options = parse("bind,ro,size=10k");
    assert_eq!(options.flags(), ms::BIND | ms::RDONLY);
    assert_eq!(options.data(), ["size=10k"]);
    assert_eq!(options.to_string(), "bind,ro,size=10k");
}

#[test]
fn each_word_has_its_bits() {
    for (word, flags, set, clear) in [
        ("ro", ms::RDONLY, Attributes::RDONLY.bits(), 0),
        ("rw", 0, 0, Attributes::RDONLY.bits()),
        ("nosuid", ms::NOSUID, Attributes::NOSUID.bits(), 0),
        ("suid", 0, 0, Attributes::NOSUID.bits()),
        ("nodev", ms::NODEV, Attributes::NODEV.bits(), 0),
        ("dev", 0, 0, Attributes::NODEV.bits()),
        ("noexec", ms::NOEXEC, Attributes::NOEXEC.bits(), 0),
        ("exec", 0, 0, Attributes::NOEXEC.bits()),
        ("nodiratime", ms::NODIRATIME, Attributes::NODIRATIME.bits(), 0),
        ("diratime", 0, 0, Attributes::NODIRATIME.bits()),
        ("nosymfollow", ms::NOSYMFOLLOW, Attributes::NOSYMFOLLOW.bits(), 0),
        ("symfollow", 0, 0, Attributes::NOSYMFOLLOW.bits()),
        ("noatime", ms::NOATIME, Attributes::NOATIME.bits(), Attributes::ATIME.bits()),
        ("relatime", ms::RELATIME, 0, Attributes::ATIME.bits()),
        ("strictatime", ms::STRICTATIME, Attributes::STRICTATIME.bits(), Attributes::ATIME.bits()),
        ("atime", 0, 0, Attributes::ATIME.bits()),
        ("norelatime", 0, 0, Attributes::ATIME.bits()),
        ("nostrictatime", 0, 0, Attributes::ATIME.bits()),
        ("sync", ms::SYNCHRONOUS, 0, 0),
        ("async", 0, 0, 0),
        ("dirsync", ms::DIRSYNC, 0, 0),
        ("mand", ms::MANDLOCK, 0, 0),
        ("nomand", 0, 0, 0),
        ("lazytime", ms::LAZYTIME, 0, 0),
        ("nolazytime", 0, 0, 0),
        ("iversion", ms::I_VERSION, 0, 0),
        ("noiversion", 0, 0, 0),
        ("silent", ms::SILENT, 0, 0),
        ("loud", 0, 0, 0),
        ("bind", ms::BIND, 0, 0),
        ("rbind", ms::BIND | ms::REC, 0, 0),
        ("remount", ms::REMOUNT, 0, 0),
        ("move", ms::MOVE, 0, 0),
        ("defaults", 0, 0, 0),
    ] {
        let options = parse(word);
        assert_eq!(
            (options.flags(), options.attr_set().bits(), options.attr_clear().bits()),
            (flags, set, clear),
            "{word}"
        );
        assert!(options.recursive_set().is_empty() && options.recursive_clear().is_empty(), "{word}");
        assert!(options.data().is_empty() && options.userspace().is_empty(), "{word}");
    }
}

#[test]
fn the_words_of_container_runtimes_hold_for_the_tree() {
    for (word, set, clear) in [
        ("rro", Attributes::RDONLY.bits(), 0),
        ("ro=recursive", Attributes::RDONLY.bits(), 0),
        ("rrw", 0, Attributes::RDONLY.bits()),
        ("rnosuid", Attributes::NOSUID.bits(), 0),
        ("rsuid", 0, Attributes::NOSUID.bits()),
        ("rnodev", Attributes::NODEV.bits(), 0),
        ("rdev", 0, Attributes::NODEV.bits()),
        ("rnoexec", Attributes::NOEXEC.bits(), 0),
        ("rexec", 0, Attributes::NOEXEC.bits()),
        ("rnodiratime", Attributes::NODIRATIME.bits(), 0),
        ("rdiratime", 0, Attributes::NODIRATIME.bits()),
        ("rrelatime", 0, Attributes::ATIME.bits()),
        ("rnorelatime", 0, Attributes::ATIME.bits()),
        ("rnoatime", Attributes::NOATIME.bits(), Attributes::ATIME.bits()),
        ("ratime", 0, Attributes::ATIME.bits()),
        ("rstrictatime", Attributes::STRICTATIME.bits(), Attributes::ATIME.bits()),
        ("rnostrictatime", 0, Attributes::ATIME.bits()),
        ("rnosymfollow", Attributes::NOSYMFOLLOW.bits(), 0),
        ("rsymfollow", 0, Attributes::NOSYMFOLLOW.bits()),
        ("nosuid=recursive", Attributes::NOSUID.bits(), 0),
    ] {
        let options = parse(word);
        assert_eq!(
            (options.recursive_set().bits(), options.recursive_clear().bits()),
            (set, clear),
            "{word}"
        );
        assert!(options.attr_set().is_empty() && options.attr_clear().is_empty(), "{word}");
        assert_eq!(options.flags(), 0, "{word}");
    }
    assert!(parse("tmpcopyup").tmpcopyup() && parse("idmap").idmap() && parse("ridmap").ridmap());
}

#[test]
fn read_only_may_be_the_mount_or_the_filesystem() {
    let (mount, filesystem, both) = (parse("ro=vfs"), parse("ro=fs"), parse("ro"));
    assert_eq!((mount.attr_set(), mount.superblock_flags()), (Attributes::RDONLY, vec![]));
    assert_eq!((filesystem.attr_set(), filesystem.superblock_flags()), (Attributes::empty(), vec!["ro"]));
    assert_eq!((both.attr_set(), both.superblock_flags()), (Attributes::RDONLY, vec!["ro"]));
    assert_eq!((mount.flags(), filesystem.flags()), (0, ms::RDONLY));
    assert_eq!(parse("rw,sync,nolazytime,silent").superblock_flags(), ["rw", "sync", "nolazytime"]);
}

#[test]
fn the_last_word_holds() {
    assert_eq!(parse("ro,rw").attr_set(), Attributes::empty());
    assert_eq!(parse("rw,ro").attr_clear(), Attributes::empty());
    assert_eq!(parse("noatime,strictatime").attr_set(), Attributes::STRICTATIME);
    assert_eq!(parse("noatime,norelatime").attr_set(), Attributes::NOATIME);
    assert_eq!(parse("noatime,atime").attr_set(), Attributes::empty());
    assert_eq!(parse("rbind,bind").bind(), Some(Bind::Recursive));
    assert_eq!(parse("sync,async").flags(), 0);
}

#[test]
fn words_for_userspace_are_kept_from_the_filesystem() {
    // The kernel answers EINVAL to them.
    let text = "auto,noauto,nofail,_netdev,user,nouser,users,owner,group,comment=a b,x-systemd.automount,\
                X-mount.mkdir=0755,loop,loop=/dev/loop0,offset=4096,sizelimit=1,uhelper=x,helper=y";
    let options = parse(text);
    assert_eq!(options.userspace().join(OsStr::new(",")), text);
    assert!(options.data().is_empty());
    // cifs and 9p have options of these names.
    assert_eq!(parse("user=jane,group_id=4").data(), ["user=jane", "group_id=4"]);
}

#[test]
fn commas_between_quotes_or_escaped_separate_nothing() {
    // An SELinux label has commas: `context="system_u:object_r:tmp_t:s0:c127,c456"`.
    let options = parse(r#"nosuid,context="u:r:t:s0:c1,c2",lowerdir=/a\,b:/c\\,ro"#);
    assert_eq!(options.data(), [r#"context="u:r:t:s0:c1,c2""#, r"lowerdir=/a\,b:/c\\"]);
    assert_eq!(options.attr_set(), Attributes::NOSUID | Attributes::RDONLY);
    assert_eq!(parse(&options.to_string()), options);
    assert!(Options::parse(r#"context="u:r"#).unwrap_err().to_string().ends_with("a quote is not closed"));
}

#[test]
fn words_that_are_apart_are_not_split_again() {
    let options = Options::from_words(["bind", "lowerdir=/a,b"]).unwrap();
    assert_eq!(options.data(), [r#"lowerdir="/a,b""#]);
    assert_eq!(parse(&options.to_string()), options);
    let parameters: Vec<_> = options.parameters().collect();
    assert_eq!(parameters, [("lowerdir", Some(OsStr::new("/a,b").into()))]);
    assert_eq!(options.mount_data().unwrap(), r"lowerdir=/a\,b");
    assert_eq!(options.bind(), Some(Bind::Plain));
}

#[test]
fn propagation_that_contradicts_itself_is_refused_with_both_words() {
    // The kernel would answer EINVAL, without a word of why.
    for (text, a, b) in [
        ("shared,private", "shared", "private"),
        ("bind,rslave,ro,unbindable", "rslave", "unbindable"),
        ("shared,slave", "shared", "slave"),
    ] {
        let error = Options::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(
            error.to_string().ends_with(&format!("\"{a}\" and \"{b}\" contradict each other")),
            "{error}"
        );
    }
    assert_eq!(parse("slave,shared").propagation(), [Propagation::Slave, Propagation::Shared]);
    assert_eq!(parse("private,rprivate").propagation(), [Propagation::Private, Propagation::Rprivate]);
    for word in ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"] {
        let options = parse(word);
        assert_eq!(options.propagation()[0].to_string(), word);
        assert_eq!(options.propagation()[0].is_recursive(), word.starts_with('r'));
        assert_eq!(options.flags(), 0);
    }
}

#[test]
fn nonsense_is_refused() {
    for text in [
        "ro=often",
        "nosuid=fs",
        "ro=",
        "size=1\0k",
        "=x",
        "\"ro\"",
        "\"a=b,c\"",
        "ro,size=\"1",
        "rro=fs,ro=rec",
        " ",
    ] {
        assert_eq!(Options::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
    }
}

#[test]
fn a_blank_beside_a_comma_is_refused() {
    // " ro" was an option of the filesystem, and a bind with it writable.
    for (text, word) in
        [("bind,ro, nosuid", " nosuid"), ("ro ", "ro "), ("size =1k", "size =1k"), ("a,\tb", "\tb")]
    {
        let error = Options::parse(text).unwrap_err();
        let expected = format!("mount options {word:?}: its name begins or ends with a blank");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, expected));
        assert!(Options::from_words([word]).is_err());
    }
    assert_eq!(parse("unc=//srv/My Docs ,a b").data(), ["unc=//srv/My Docs ", "a b"]);
}

#[test]
fn a_word_is_in_force_until_a_later_one_says_otherwise() {
    for (text, in_force, not) in [
        ("noauto,auto", "auto", "noauto"),
        ("auto,noauto", "noauto", "auto"),
        ("nofail", "nofail", "fail"),
        ("user,nouser", "nouser", "user"),
        ("ro,rw", "rw", "ro"),
        ("rw,bind,ro", "ro", "rw"),
        ("ro=vfs", "ro=vfs", "ro"),
        ("noexec,exec", "exec", "noexec"),
        ("user", "nosuid", "suid"),
        ("user,suid", "suid", "nosuid"),
        ("rnosuid,rsuid", "rsuid", "rnosuid"),
        ("nosuid", "nosuid", "nosuid=recursive"),
        ("nosuid=recursive", "rnosuid", "nosuid"),
        ("noatime,relatime", "relatime", "noatime"),
        ("noatime,atime", "atime", "noatime"),
        ("noatime,norelatime", "noatime", "atime"),
        ("sync,async", "async", "sync"),
        ("silent", "silent", "loud"),
        ("bind,rbind", "rbind", "bind"),
        ("remount", "remount", "move"),
        ("slave,shared", "slave", "rslave"),
        ("idmap", "idmap", "ridmap"),
        ("ridmap", "ridmap", "idmap"),
        ("tmpcopyup", "tmpcopyup", "bind"),
        ("defaults", "defaults", "rw"),
        ("size=1,size=2", "size=2", "size=1"),
        ("lowerdir+=/a,lowerdir+=/b", "lowerdir+=/a", "lowerdir+=/c"),
        (r#"context="a,b""#, "context=a,b", "context=a"),
        ("x-a=1,x-b", "x-a=1", "x-a"),
        ("X-mount.mode=1,X-mount.mode=2", "X-mount.mode=2", "X-mount.mode=1"),
        ("user=jane", "user=jane", "user"),
    ] {
        let options = parse(text);
        assert!(options.has(in_force), "{text} has {in_force}");
        assert!(!options.has(not), "{text} has not {not}");
        let merged = options.merge(&Options::default()).unwrap();
        assert!(merged.has(in_force) || in_force == "defaults", "{text} merged has {in_force}");
        assert!(!merged.has(not), "{text} merged has not {not}");
    }
    for nonsense in ["", "ro=often", "\"", " ro", "a,b"] {
        assert!(!parse("ro,nosuid").has(nonsense));
    }
}

#[test]
fn options_are_their_text_wherever_text_is_taken() {
    let options = Options::from_words(["ro", "context=a,b"]).unwrap();
    let text: &OsStr = options.as_ref();
    assert_eq!(text, r#"ro,context="a,b""#);
    assert_eq!(Options::parse(&options).unwrap(), options);
    assert_eq!(format!("{options:?}"), r#"Options("ro,context=\"a,b\"")"#);
}

#[test]
fn nothing_is_no_option() {
    for text in ["", ",", ",,ro,"] {
        assert!(parse(text).data().is_empty());
    }
    assert_eq!(parse(",,ro,").to_string(), "ro");
}

#[test]
fn words_that_no_order_reconciles_are_refused_with_both_of_them() {
    for (text, a, b) in [
        ("move,bind", "move", "bind"),
        ("rbind,move", "move", "rbind"),
        ("remount,move", "move", "remount"),
        ("remount,idmap", "idmap", "remount"),
        ("ridmap,move", "ridmap", "move"),
        ("bind,tmpcopyup", "tmpcopyup", "bind"),
        ("tmpcopyup,remount", "tmpcopyup", "remount"),
    ] {
        let error = Options::parse(text).unwrap_err();
        let expected = format!("mount options {text:?}: \"{a}\" and \"{b}\" contradict each other");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, expected));
    }
    // These are no contradictions: a remount of a bind, a map of a new tmpfs, one map for two readers.
    for text in
        ["remount,bind,ro", "remount,rslave", "idmap", "bind,idmap,ridmap", "remount,X-mount.idmap=0:0:1"]
    {
        parse(text);
    }
}

#[test]
fn each_attribute_may_be_of_the_mount_or_of_the_tree() {
    for word in
        ["ro", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow", "noatime", "relatime", "strictatime"]
    {
        let (plain, mount) = (parse(word), parse(&format!("{word}=vfs")));
        assert_eq!((mount.attr_set(), mount.attr_clear()), (plain.attr_set(), plain.attr_clear()), "{word}");
        assert!(mount.superblock_flags().is_empty());
        for tree in [format!("{word}=recursive"), format!("{word}=\"recursive\""), format!("r{word}")] {
            let tree = parse(&tree);
            assert_eq!(
                (tree.recursive_set(), tree.recursive_clear()),
                (plain.attr_set(), plain.attr_clear())
            );
            assert!(tree.attr_set().is_empty() && tree.data().is_empty());
        }
    }
    assert_eq!(parse("rw=fs,ro=vfs").superblock_flags(), ["rw"]);
    let error = Options::parse("nosuid=fs").unwrap_err().to_string();
    assert_eq!(error, r#"mount options "nosuid=fs": "nosuid" is of mounts, not of filesystems"#);
}

#[test]
fn whoever_may_mount_as_a_user_gives_rights_away() {
    // mount(8): user and users imply noexec,nosuid,nodev, owner and group nosuid,nodev, unless overridden by
    // later options.
    let secure = Attributes::NOSUID | Attributes::NODEV;
    for (text, set) in [
        ("user", secure | Attributes::NOEXEC),
        ("noauto,users", secure | Attributes::NOEXEC),
        ("owner", secure),
        ("group", secure),
        ("user,exec,dev", Attributes::NOSUID),
        ("exec,user", secure | Attributes::NOEXEC),
        ("nouser", Attributes::empty()),
        ("user=jane", Attributes::empty()),
    ] {
        assert_eq!(parse(text).attr_set(), set, "{text}");
    }
    assert_eq!(parse("user").userspace(), ["user"]);
}

#[test]
fn all_of_mount_8_is_sorted() {
    let text = "encryption=aes,verity.hashdevice=/dev/a,verity.roothash=00,X-mount.auto-fstypes=\"ext4,btrfs\",\
                X-mount.subdir=a,X-mount.owner=1,X-mount.group=2,X-mount.mode=700,X-mount.nocanonicalize=source,\
                X-mount.noloop,X-mount.idmap=u:0:1:1 g:0:1:1,x-gvfs-name=a b,nogroup,noowner,nousers";
    let options = parse(text);
    assert_eq!(options.userspace().join(OsStr::new(",")), text);
    assert!(options.data().is_empty() && options.flags() == 0 && options.attr_set().is_empty());
    assert_eq!(options.value("X-mount.auto-fstypes").unwrap(), OsStr::new("ext4,btrfs"));
    // Names that only look like theirs.
    assert_eq!(parse("users=2,xattr,helpers,verity=on").data(), ["users=2", "xattr", "helpers", "verity=on"]);
}

#[test]
fn values_of_any_bytes_pass_through() {
    let text = OsStr::from_bytes(b"ro,lowerdir=/\xff:/b,upperdir=/\xfe");
    let options = Options::parse(text).unwrap();
    assert_eq!(options.data()[0].as_bytes(), b"lowerdir=/\xff:/b");
    assert_eq!(options.to_os_string(), text);
    assert_eq!(Options::parse(options.to_os_string()).unwrap(), options);
    assert_eq!(options.to_string(), "ro,lowerdir=/\u{fffd}:/b,upperdir=/\u{fffd}");
    assert!(Options::parse(OsStr::from_bytes(b"\xff=a")).is_err());
}

#[test]
fn the_filesystem_sees_values_without_their_quotes() {
    let options = parse(r#"context="a,b",size="10k",lowerdir=/a\,b:/c,fsname="x ""y""",password=,noswap"#);
    let parameters: Vec<_> = options.parameters().collect();
    let value = |text: &'static str| Some(OsStr::new(text).into());
    assert_eq!(
        parameters,
        [
            ("context", value("a,b")),
            ("size", value("10k")),
            ("lowerdir", value(r"/a\,b:/c")),
            ("fsname", value(r#"x "y""#)),
            ("password", value("")),
            ("noswap", None),
        ]
    );
    let expected = r#"context="a,b",size=10k,lowerdir=/a\,b:/c,fsname=x "y",password=,noswap"#;
    assert_eq!(options.mount_data().unwrap(), expected);
    assert!(parse("ro").mount_data().unwrap().is_empty());
    let error = parse(r#"password="a,b""#).mount_data().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "the kernel would read an option \"b\"");
}

#[test]
fn a_map_of_ids_is_given_out() {
    let map = |text: &str| parse(text).id_mapping();
    assert_eq!(map("bind,idmap").unwrap(), None);
    let ids = IdMapping::Ids("u:0:1000:1 g:0:1000:1".parse().unwrap());
    assert_eq!(map("X-mount.idmap=u:0:1000:1 g:0:1000:1").unwrap(), Some(ids));
    let namespace = IdMapping::Namespace("/proc/1/ns/user".into());
    assert_eq!(map("X-mount.idmap=0:0:1,X-mount.idmap=\"/proc/1/ns/user\"").unwrap(), Some(namespace));
    assert_eq!(map("X-mount.idmap=").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(map("X-mount.idmap=u:0").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn later_options_win() {
    for (earlier, later, merged) in [
        ("noatime,ro,size=10k,defaults", "atime,defaults,rw,size=1024k", "atime,rw,size=1024k"),
        ("rprivate,noexec", "slave,exec", "slave,exec"),
        ("slave,shared", "rprivate", "rprivate"),
        ("ro", "rw=fs", "ro,rw=fs"),
        ("ro", "rw=vfs,rw=fs", "rw=vfs,rw=fs"),
        ("ro", "rro", "ro,rro"),
        ("strictatime,nodiratime", "noatime,norelatime", "nodiratime,noatime"),
        ("rbind,ro", "bind", "rbind,ro"),
        ("bind", "rbind", "rbind"),
        ("remount,bind", "remount,ro", "bind,remount,ro"),
        ("lowerdir+=/a,metacopy=on", "lowerdir+=/b,metacopy=off", "lowerdir+=/a,lowerdir+=/b,metacopy=off"),
        ("noauto,nofail,user", "auto,nofail", "user,auto,nofail"),
        ("user", "exec,suid,dev,nouser", "exec,suid,dev,nouser"),
        ("nosuid,nodev,noexec", "user", "user"),
        ("user,exec,suid,dev", "user=jane", "user,exec,suid,dev,user=jane"),
        ("x-a=1,x-b,X-mount.mode=700", "x-a=2,x-b,X-mount.mode=755", "x-a=1,x-a=2,x-b,X-mount.mode=755"),
        ("sync,silent", "async,loud,dirsync", "async,loud,dirsync"),
        ("", "", ""),
    ] {
        let both = parse(earlier).merge(&parse(later)).unwrap();
        assert_eq!(both.to_string(), merged, "{earlier} with {later}");
        assert_eq!(both.merge(&Options::default()).unwrap(), both);
    }
    assert_eq!(parse("bind").merge(&parse("move")).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn long_options_are_told_by_their_beginning() {
    let text = format!("shared,lowerdir={},private", "/a:".repeat(10_000));
    let error = Options::parse(&text).unwrap_err().to_string();
    assert!(error.len() < 350 && error.contains("...\": \"shared\" and \"private\""), "{error}");
}
