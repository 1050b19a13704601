//! Containers with a home on disk, seen through two factories as by two programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use grounds::{Outcome, Rootfs, Stop};
use libcontainer::{Config, Container, ErrorKind, ExitStatus, Factory, Io, Status};

use crate::shell::{Shell, captured, kernel_keeps_it};

crate::tests!(
    one_makes_and_another_starts_and_deletes,
    a_name_is_taken_once,
    it_starts_once_whoever_asks,
    a_killed_container_is_found_stopped,
    a_missing_program_is_told_to_whoever_starts,
    a_failure_leaves_no_home,
    one_that_was_half_made_can_be_deleted,
    an_empty_home_can_be_deleted,
    a_broken_state_is_told,
    a_number_that_is_another_process_now_is_recognised,
    deleting_while_it_is_made_leaves_nothing,
    homes_are_for_the_owner_only,
    notes_and_names_are_kept,
    ids_that_lead_elsewhere_are_refused,
    a_long_folder_is_no_hindrance,
    dropping_it_leaves_it_running,
    nobody_joins_or_starts_one_that_is_still_being_made,
);

/// Two factories of the same folder.
struct Two {
    one: Factory,
    other: Factory,
    root: PathBuf,
    _folder: Rootfs,
}

fn two() -> Result<Two, Stop> {
    let folder = Rootfs::new()?;
    let root = folder.path().join("tmp/containers");
    Ok(Two { one: Factory::new(&root)?, other: Factory::new(&root)?, root, _folder: folder })
}

fn one_makes_and_another_starts_and_deletes() -> Outcome {
    let two = two()?;
    let shell = Shell::new("echo up; sleep 100")?;
    let (io, mut output) = captured()?;
    let mut made = two.one.create("web", &shell.config, io)?;
    assert_eq!(made.status()?, Status::Created);
    assert_eq!((two.other.list()?, two.other.exists("web")?), (vec!["web".to_owned()], true));

    let mut found = two.other.load("web")?;
    assert_eq!((found.status()?, found.pid(), found.id()), (Status::Created, made.pid(), Some("web")));
    assert_eq!(found.config(), &shell.config);
    found.start()?;
    let mut word = [0; 3];
    output.read_exact(&mut word)?;
    assert_eq!(&word, b"up\n");
    assert_eq!((found.status()?, two.one.load("web")?.status()?), (Status::Running, Status::Running));

    let mut process = shell.config.process.clone();
    process.args = ["sh", "-c", "exit 6"].map(str::to_owned).to_vec();
    assert_eq!(found.exec(&process, Io::default())?.wait()?, ExitStatus::Exited(6));

    found.delete()?;
    // The handle that deleted it has waited for it: an older kernel has told it, and nobody else.
    let ended = made.wait()?;
    assert!(
        ended == ExitStatus::Signaled(9) || (!kernel_keeps_it() && ended == ExitStatus::Unknown),
        "{ended}"
    );
    assert_eq!((two.one.list()?, two.one.exists("web")?), (vec![], false));
    assert_eq!(two.one.load("web").unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_name_is_taken_once() -> Outcome {
    let two = two()?;
    let shell = Shell::program(&["sleep", "100"])?;
    let made = two.one.create("web", &shell.config, Io::default())?;
    let error = two.other.create("web", &shell.config, Io::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::AlreadyExists, "container \"web\": exists already")
    );
    assert_eq!(made.status()?, Status::Created, "the first is not touched");
    made.delete()?;
    two.other.create("web", &shell.config, Io::default())?.delete()?;
    Ok(())
}

fn it_starts_once_whoever_asks() -> Outcome {
    let two = two()?;
    let shell = Shell::program(&["sleep", "100"])?;
    let mut made = two.one.create("web", &shell.config, Io::default())?;
    let mut found = two.other.load("web")?;
    found.start()?;
    assert_eq!(found.start().unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(made.start().unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(two.one.load("web")?.start().unwrap_err().kind(), ErrorKind::InvalidState);
    found.delete()?;

    // At once: one of them.
    let made = two.one.create("web", &shell.config, Io::default())?;
    let results = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..4)
            .map(|_| two.other.load("web").map(|mut found| scope.spawn(move || found.start())))
            .collect::<Result<_, _>>()?;
        Ok::<_, libcontainer::Error>(
            starters.into_iter().map(|one| one.join().expect("no panic")).collect::<Vec<_>>(),
        )
    })?;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    }
    made.delete()?;
    Ok(())
}

fn a_killed_container_is_found_stopped() -> Outcome {
    let two = two()?;
    let shell = Shell::program(&["sleep", "100"])?;
    for started in [false, true] {
        let mut made = two.one.create("web", &shell.config, Io::default())?;
        if started {
            made.start()?;
        }
        let mut watcher = two.other.load("web")?;
        made.signal(libc::SIGKILL)?;
        crate::eventually(|| made.try_wait().is_ok_and(|status| status == Some(ExitStatus::Signaled(9))));
        crate::eventually(|| watcher.status().is_ok_and(|status| status == Status::Stopped));
        let mut found = two.other.load("web")?;
        assert_eq!(found.status()?, Status::Stopped);
        assert_eq!(found.start().unwrap_err().kind(), ErrorKind::InvalidState);
        assert_eq!(found.signal(15).unwrap_err().kind(), ErrorKind::InvalidState);
        assert_eq!(
            found.exec(&shell.config.process, Io::default()).unwrap_err().kind(),
            ErrorKind::InvalidState
        );
        watcher.wait()?;
        found.delete()?;
    }
    Ok(())
}

fn a_missing_program_is_told_to_whoever_starts() -> Outcome {
    let two = two()?;
    let shell = Shell::program(&["/no/such/program"])?;
    let made = two.one.create("web", &shell.config, Io::default())?;
    let mut found = two.other.load("web")?;
    let error = found.start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exec);
    assert_eq!(error.to_string(), "execute \"/no/such/program\": No such file or directory (os error 2)");
    crate::eventually(|| found.status().is_ok_and(|status| status == Status::Stopped));
    made.delete()?;
    Ok(())
}

fn a_failure_leaves_no_home() -> Outcome {
    let two = two()?;
    let mut shell = Shell::new("exit 0")?;
    shell.config.mounts.push(crate::shell::mount("no-such-filesystem", "x", "/tmp", &[]));
    assert!(two.one.create("web", &shell.config, Io::default()).is_err());
    assert_eq!(
        two.one.create("web", &Config::default(), Io::default()).unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
    assert_eq!(fs::read_dir(&two.root)?.count(), 0);
    Ok(())
}

/// A maker that is killed leaves a state and no process.
fn one_that_was_half_made_can_be_deleted() -> Outcome {
    let two = two()?;
    let shell = Shell::new("exit 0")?;
    let made = two.one.create("web", &shell.config, Io::default())?;
    let state = fs::read_to_string(two.root.join("web/state.json"))?;
    made.delete()?;
    fs::create_dir(two.root.join("web"))?;
    let begin = state.find("\"init\":").expect("the first process is in the state");
    let end = begin + state[begin..].find('}').expect("it is an object") + 1;
    fs::write(two.root.join("web/state.json"), format!("{}\"init\":null{}", &state[..begin], &state[end..]))?;
    let found = two.other.load("web")?;
    assert_eq!((found.status()?, found.pid()), (Status::Stopped, None));
    found.delete()?;
    assert!(!two.one.exists("web")?);
    Ok(())
}

fn an_empty_home_can_be_deleted() -> Outcome {
    let two = two()?;
    fs::create_dir(two.root.join("web"))?;
    let found = two.one.load("web")?;
    assert_eq!(found.status()?, Status::Stopped);
    found.delete()?;
    assert_eq!(fs::read_dir(&two.root)?.count(), 0);
    Ok(())
}

fn a_broken_state_is_told() -> Outcome {
    let two = two()?;
    fs::create_dir(two.root.join("web"))?;
    for broken in ["", "null", "{", "[]", "{\"id\": 1}"] {
        fs::write(two.root.join("web/state.json"), broken)?;
        let error = two.one.load("web").expect_err(broken);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains("state.json"), "{error}");
    }
    // It hinders no other, and can be got rid of.
    let shell = Shell::new("exit 0")?;
    let made = two.other.create("whole", &shell.config, Io::default())?;
    let found = two.one.containers()?;
    let found: Vec<_> = found.iter().map(|(id, found)| (id.as_str(), found.as_ref().err())).collect();
    assert!(matches!(found[..], [("web", Some(_)), ("whole", None)]), "{found:?}");
    assert_eq!(two.one.discard("whole").unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(two.one.discard("none").unwrap_err().kind(), ErrorKind::NotFound);
    two.one.discard("web")?;
    assert_eq!(two.one.list()?, ["whole"]);
    made.delete()?;
    Ok(())
}

/// Its state names a process by number and start; the number is this test's own by now.
fn a_number_that_is_another_process_now_is_recognised() -> Outcome {
    let two = two()?;
    // The kernel tells starts by hundredths of a second: that of this process is another one's then.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let shell = Shell::program(&["sleep", "100"])?;
    let made = two.one.create("web", &shell.config, Io::default())?;
    let file = two.root.join("web/state.json");
    let state = fs::read_to_string(&file)?;
    let number = format!("\"pid\":{}", made.pid().expect("it lives"));
    assert!(state.contains(&number), "{state}");
    fs::write(&file, state.replace(&number, &format!("\"pid\":{}", std::process::id())))?;
    let found = two.other.load("web")?;
    assert_eq!((found.status()?, found.pid()), (Status::Stopped, None));
    assert_eq!(found.signal(9).unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(found.events().unwrap_err().kind(), ErrorKind::InvalidState);
    fs::write(&file, state)?;
    made.delete()?;
    Ok(())
}

/// A delete in the middle of a create removed the home, and the container lived on without one.
fn deleting_while_it_is_made_leaves_nothing() -> Outcome {
    let two = two()?;
    let shell = Shell::program(&["sleep", "100"])?;
    for _ in 0..8 {
        let made = std::thread::scope(|scope| {
            let maker = scope.spawn(|| two.one.create("web", &shell.config, Io::default()));
            crate::eventually(|| two.other.exists("web").is_ok_and(|exists| exists) || maker.is_finished());
            drop(two.other.load("web").and_then(Container::delete));
            maker.join().expect("no panic")
        });
        if let Ok(mut made) = made {
            // Deleted when it was made, so that its process is gone; or never found, and still whole.
            if two.other.exists("web")? {
                made.delete()?;
            } else {
                crate::eventually(|| made.try_wait().is_ok_and(|status| status.is_some()));
            }
        }
        assert_eq!(fs::read_dir(&two.root)?.count(), 0);
    }
    Ok(())
}

fn homes_are_for_the_owner_only() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let two = two()?;
    let shell = Shell::new("exit 0")?;
    let made = two.one.create("web", &shell.config, Io::default())?;
    for folder in [two.root.clone(), two.root.join("web")] {
        assert_eq!(fs::metadata(&folder)?.permissions().mode() & 0o777, 0o700, "{folder:?}");
    }
    made.delete()?;
    Ok(())
}

fn notes_and_names_are_kept() -> Outcome {
    let two = two()?;
    let notes = BTreeMap::from([("bundle".to_owned(), "/srv/bundle".to_owned())]);
    let shell = Shell::new("exit 0")?;
    let made = two.one.create_with("web", &shell.config, Io::default(), notes.clone())?;
    let found = two.other.load("web")?;
    assert_eq!(found.notes()?, notes);
    let age = found.created()?.expect("it is known").elapsed().unwrap_or_default();
    assert!(age.as_secs() < 60, "{age:?}");
    made.delete()?;
    Ok(())
}

fn ids_that_lead_elsewhere_are_refused() -> Outcome {
    let two = two()?;
    fs::create_dir(two.root.with_file_name("precious"))?;
    for id in ["../precious", "..", ".", "", "a/b", "/etc"] {
        assert_eq!(two.one.load(id).unwrap_err().kind(), ErrorKind::InvalidConfig, "{id:?}");
        assert_eq!(
            two.one.create(id, &Config::new("/"), Io::default()).unwrap_err().kind(),
            ErrorKind::InvalidConfig
        );
        assert!(two.one.exists(id).is_err());
    }
    assert!(two.root.with_file_name("precious").is_dir());
    Ok(())
}

/// The path of a socket has at most 107 bytes.
fn a_long_folder_is_no_hindrance() -> Outcome {
    let two = two()?;
    let factory = Factory::new(two.root.join("x".repeat(100)).join("y".repeat(100)))?;
    let id = "z".repeat(200);
    let shell = Shell::new("exit 0")?;
    let mut made = factory.create(&id, &shell.config, Io::default())?;
    factory.load(&id)?.start()?;
    assert_eq!(made.wait()?, ExitStatus::Exited(0));
    made.delete()?;
    Ok(())
}

fn dropping_it_leaves_it_running() -> Outcome {
    let two = two()?;
    let sleeper = Shell::program(&["sleep", "100"])?;
    let mut made = two.one.create("web", &sleeper.config, Io::default())?;
    made.start()?;
    let pid = made.pid();
    drop(made);
    let mut found = two.other.load("web")?;
    assert_eq!((found.status()?, found.pid()), (Status::Running, pid));
    found.signal(9)?;
    // It is this program's child still, so that its end is known.
    assert_eq!(found.wait()?, ExitStatus::Signaled(9));
    found.delete()?;
    Ok(())
}

/// Whoever joined a container before it had left the host's root found itself on the host.
fn nobody_joins_or_starts_one_that_is_still_being_made() -> Outcome {
    let two = two()?;
    let shell = Shell::new("exit 0")?;
    let made = two.one.create("web", &shell.config, Io::default())?;
    // As its maker does until everything is done.
    let maker = fs::File::open(two.root.join("web/lock"))?;
    maker.lock()?;
    let mut found = two.other.load("web")?;
    assert_eq!(found.status()?, Status::Creating);
    let joined = found.exec(&shell.config.process, Io::default()).unwrap_err();
    assert_eq!(joined.kind(), ErrorKind::InvalidState, "{joined}");
    assert_eq!(found.start().unwrap_err().kind(), ErrorKind::InvalidState);
    maker.unlock()?;
    assert_eq!(found.status()?, Status::Created);
    found.start()?;
    assert_eq!(found.wait()?, ExitStatus::Exited(0));
    made.delete()?;
    Ok(())
}
