//! This system's files and this process's user, with files of the test's own in the place of the machine's.
#![allow(unsafe_code)]

use std::process::{Command, ExitCode};
use std::{env, fs};

use grounds::{Outcome, Stop, tests};
use nix::mount::{MsFlags, mount};
use user::{ErrorKind, Group, IdMaps, Owner, Passwd};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        the_current_user_is_who_runs_this,
        the_current_users_subordinate_ids_are_of_both_files,
        home_is_what_the_environment_says_or_else_the_file,
        a_missing_file_knows_nobody,
        names_and_ids_are_looked_up,
        a_users_maps_are_of_both_files,
    ])
}

/// Takes the machine's `/etc` away from this thread.
fn etc(files: &[(&str, &str)]) -> Outcome {
    grounds::mountns()?;
    mount(Some("etc"), "/etc", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    files.iter().try_for_each(|(name, text)| Ok(fs::write(format!("/etc/{name}"), text)?))
}

const FILES: &[(&str, &str)] = &[
    ("passwd", "one:x:1:1::/one:\nme:x:0:5::/my/home:/bin/sh\n"),
    ("group", "ones:x:1:\nmine:x:0:\n"),
    ("subuid", "me:1000:10\none:2000:10\n0:3000:10\n1:4000:10\n"),
    ("subgid", "one:5000:10\nme:6000:10\n"),
];

fn the_current_user_is_who_runs_this() -> Outcome {
    etc(FILES)?;
    assert_eq!(Passwd::current()?.expect("known").name, "me");
    // The process's own group, not the one that the file has for the user.
    assert_eq!(Group::current()?.expect("known").name, "mine");
    assert_eq!(Owner::current()?, Owner { name: "me".into(), uid: 0, gid: 0 });
    Ok(())
}

fn the_current_users_subordinate_ids_are_of_both_files() -> Outcome {
    etc(FILES)?;
    let firsts = |ranges: Vec<user::SubId>| ranges.iter().map(|range| range.first).collect::<Vec<_>>();
    assert_eq!(firsts(user::current_subuids()?), [1000, 3000]);
    assert_eq!(firsts(user::current_subgids()?), [6000]);
    Ok(())
}

fn home_is_what_the_environment_says_or_else_the_file() -> Outcome {
    etc(FILES)?;
    for (variable, home) in [(Some("/elsewhere"), "/elsewhere"), (Some(""), "/my/home"), (None, "/my/home")] {
        // SAFETY: this test is a process of its own, and no other thread of it reads the environment.
        unsafe { env::remove_var("HOME") };
        if let Some(value) = variable {
            // SAFETY: as above.
            unsafe { env::set_var("HOME", value) };
        }
        assert_eq!(user::home()?.expect("a home").to_str(), Some(home), "{variable:?}");
    }
    fs::write("/etc/passwd", "")?;
    assert_eq!(user::home()?, None);
    Ok(())
}

fn a_missing_file_knows_nobody() -> Outcome {
    etc(&[("subuid", "0:3000:10\n")])?;
    assert_eq!((Passwd::current()?, Group::current()?), (None, None));
    assert_eq!((user::lookup_user("me")?, user::lookup_group("mine")?), (None, None));
    assert_eq!((user::lookup_uid(0)?, user::lookup_gid(0)?), (None, None));
    // Whom no file knows may still have ranges by the id.
    assert_eq!(user::current_subuids()?.len(), 1);
    assert!(user::current_subgids()?.is_empty());
    assert_eq!(user::identity("7", 0, 8)?.gid, 8);
    // Who asks for all of a file is told that there is none.
    assert_eq!(user::parse_passwd().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(user::parse_group().unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn names_and_ids_are_looked_up() -> Outcome {
    etc(FILES)?;
    let uid = |name: &str| -> Result<_, Stop> { Ok(user::lookup_user(name)?.map(|user| user.uid)) };
    assert_eq!((uid("one")?, uid("1")?, uid("2")?), (Some(1), Some(1), None));
    let gid = |name: &str| -> Result<_, Stop> { Ok(user::lookup_group(name)?.map(|group| group.gid)) };
    assert_eq!((gid("ones")?, gid("0")?, gid("none")?), (Some(1), Some(0), None));
    let error = user::lookup_group("-1").unwrap_err();
    assert_eq!(error.to_string(), r#"group "-1": it is neither a name nor an id"#);
    assert_eq!(user::parse_passwd_filter(|user| user.uid > 0)?.len(), 1);
    assert_eq!(user::parse_group()?.len(), 2);
    Ok(())
}

fn a_users_maps_are_of_both_files() -> Outcome {
    etc(FILES)?;
    let maps = IdMaps::of_user("me")?;
    assert_eq!(
        (maps.uids.to_string().as_str(), maps.gids.to_string().as_str()),
        ("0 1000 10\n10 3000 10", "0 6000 10")
    );
    assert_eq!(IdMaps::of_user("nobody").unwrap_err().kind(), ErrorKind::UnknownUser);
    fs::write("/etc/subgid", "one:1:1\n")?;
    let error = IdMaps::of_user("me").unwrap_err();
    assert_eq!(error.to_string(), r#"find subordinate gids of "me": there are none"#);
    // getent(1) writes what this crate reads, where it is installed.
    if let Ok(output) = Command::new("getent").args(["passwd", "me"]).output()
        && output.status.success()
    {
        assert_eq!(Passwd::read(&output.stdout[..]).next().expect("a line")?.uid, 0);
    }
    Ok(())
}
