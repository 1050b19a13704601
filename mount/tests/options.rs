//! Options for real: what reaches the kernel, and what must not.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use grounds::{Outcome, Stop, ignored, tests};
use mount::{ErrorKind, Options, force_mount, mount_of, mounted};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        contradictions_mount_nothing_and_name_both_words,
        a_comma_between_quotes_reaches_the_filesystem,
        a_label_with_commas_is_one_option,
        quotes_are_not_part_of_a_value,
        words_of_tools_stay_with_the_tools,
        whoever_may_mount_as_a_user_mounts_without_rights,
        each_layer_of_read_only_is_set_for_itself,
        the_last_word_holds_for_the_kernel_too,
        merged_options_mount_as_they_read,
    ])
}

fn ground() -> Result<PathBuf, Stop> {
    grounds::mountns()?;
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    let target = PathBuf::from("/tmp/target");
    fs::create_dir(&target)?;
    Ok(target)
}

fn has(target: &PathBuf, words: &[&str]) -> bool {
    let mount = mount_of(target).unwrap().unwrap();
    words.iter().all(|word| mount.has_option(word))
}

fn contradictions_mount_nothing_and_name_both_words() -> Outcome {
    // The kernel answers EINVAL to "shared,private", and moby/sys hands it on without a word.
    let target = ground()?;
    for (options, a, b) in [("size=1m,shared,private", "shared", "private"), ("rbind,move", "move", "rbind")]
    {
        let error = force_mount("a", &target, "tmpfs", options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!(r#""{a}" and "{b}" contradict each other"#)), "{error}");
    }
    assert!(!mounted(&target)?);
    Ok(())
}

fn a_comma_between_quotes_reaches_the_filesystem() -> Outcome {
    let target = ground()?;
    for name in ["a,b", "c"] {
        fs::create_dir(format!("/tmp/{name}"))?;
        fs::write(format!("/tmp/{name}/{name}"), "")?;
    }
    for options in [r#"ro,lowerdir="/tmp/a,b:/tmp/c""#, r"lowerdir=/tmp/a\,b:/tmp/c,ro"] {
        match force_mount("overlay", &target, "overlay", options) {
            Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error)),
            Err(error) if grounds::root().is_err() => return Err(ignored(error)),
            result => result?,
        }
        assert!(target.join("a,b").exists() && target.join("c").exists(), "{options}");
        mount::unmount(&target)?;
    }
    Ok(())
}

fn a_label_with_commas_is_one_option() -> Outcome {
    // moby/sys splits within the quotes, and the filesystem is asked for an option `c2"`.
    let target = ground()?;
    let options = r#"size=1m,context="system_u:object_r:tmp_t:s0:c1,c2""#;
    match force_mount("a", &target, "tmpfs", options) {
        Ok(()) => assert!(mounted(&target)?),
        Err(error) => {
            assert!(!error.to_string().contains(r#"'c2"'"#), "{error}");
            assert!(!mounted(&target)?, "without SELinux there is no such option");
        }
    }
    Ok(())
}

fn quotes_are_not_part_of_a_value() -> Outcome {
    let target = ground()?;
    force_mount("a", &target, "tmpfs", r#"size="1m",mode="700""#)?;
    let mount = mount_of(&target)?.unwrap();
    let words: Vec<_> = mount.super_words().collect();
    assert!(words.iter().any(|word| word == "size=1024k") && words.iter().any(|word| word == "mode=700"));
    Ok(())
}

fn words_of_tools_stay_with_the_tools() -> Outcome {
    // The kernel answers EINVAL to each of them.
    let target = ground()?;
    let words = "noauto,nofail,_netdev,comment=a,x-systemd.automount,X-mount.mkdir=0755,\
                 X-mount.noloop,helper=x,uhelper=x,nouser,nogroup,defaults";
    for word in words.split(',') {
        force_mount("a", &target, "tmpfs", word)?;
        mount::unmount(&target)?;
    }
    force_mount("a", &target, "tmpfs", words)?;
    assert!(mounted(&target)?);
    // These change what is mounted, and passing over them would be a lie.
    for word in [
        "X-mount.subdir=a",
        "X-mount.owner=0",
        "X-mount.mode=700",
        "offset=1",
        "sizelimit=1",
        "encryption=x",
        "verity.roothash=00",
    ] {
        let error = force_mount("a", &target, "tmpfs", word).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{word}: {error}");
    }
    Ok(())
}

fn whoever_may_mount_as_a_user_mounts_without_rights() -> Outcome {
    let target = ground()?;
    force_mount("a", &target, "tmpfs", "user,exec")?;
    assert!(has(&target, &["nosuid", "nodev"]) && !has(&target, &["noexec"]));
    mount::unmount(&target)?;
    force_mount("a", &target, "tmpfs", "users")?;
    assert!(has(&target, &["nosuid", "nodev", "noexec"]));
    Ok(())
}

fn each_layer_of_read_only_is_set_for_itself() -> Outcome {
    let target = ground()?;
    for (options, of_mount, of_filesystem) in
        [("ro=vfs", true, false), ("ro=fs", false, true), ("ro", true, true), ("ro,rw=fs", true, false)]
    {
        force_mount("a", &target, "tmpfs", options)?;
        let mount = mount_of(&target)?.unwrap();
        let filesystem = mount.super_words().any(|word| word == "ro");
        assert_eq!((mount.has_option("ro"), filesystem), (of_mount, of_filesystem), "{options}");
        mount::unmount(&target)?;
    }
    Ok(())
}

fn the_last_word_holds_for_the_kernel_too() -> Outcome {
    let target = ground()?;
    force_mount("a", &target, "tmpfs", "ro,noexec,nosuid,rw,exec,noatime,strictatime,size=1m,size=2m")?;
    let mount = mount_of(&target)?.unwrap();
    assert!(mount.has_option("rw") && mount.has_option("nosuid") && !mount.has_option("noexec"));
    assert!(!mount.has_option("noatime") && !mount.has_option("relatime"));
    assert!(mount.super_words().any(|word| word == "size=2048k"));
    Ok(())
}

fn merged_options_mount_as_they_read() -> Outcome {
    let target = ground()?;
    let preset = Options::parse("noexec,nosuid,nodev,rprivate,size=64m,noatime")?;
    let options = preset.merge(&Options::parse("exec,size=1m,slave,atime")?)?;
    assert_eq!(options.to_string(), "nosuid,nodev,exec,size=1m,slave,atime");
    force_mount("a", &target, "tmpfs", options.to_os_string())?;
    assert!(has(&target, &["nosuid", "nodev", "relatime"]) && !has(&target, &["noexec"]));
    Ok(())
}
