//! Hooks of all six kinds.

use std::fs;
use std::io::Read;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use grounds::{Outcome, Stop};
use libcontainer::{Container, ErrorKind, ExitStatus, Factory, Hook, Io, NamespaceKind, Status};
use serde_json::Value;

use crate::shell::{Shell, captured, mount};

crate::tests![
    each_kind_runs_at_its_turn,
    hooks_read_the_containers_state,
    hooks_of_the_host_see_the_host_and_its_mounts_there,
    hooks_in_the_containers_namespaces_see_the_host_root_and_mount_for_the_container,
    hooks_before_the_program_are_as_the_program,
    a_failed_hook_before_the_start_leaves_nothing,
    a_failed_hook_before_the_program_stops_the_container,
    a_failed_hook_after_the_start_ends_the_container,
    all_hooks_run_when_it_is_gone_though_one_fails,
    a_hook_that_takes_too_long_is_killed,
    a_hook_that_prints_without_end_is_heard_in_part,
    a_hook_has_its_own_environment_and_nothing_else,
    what_a_hook_leaves_behind_holds_nobody,
    hooks_run_for_those_who_load_the_container,
    a_hook_of_the_host_runs_in_the_bundle,
    a_missing_hook_is_named,
];

/// A hook that is a script of the host's shell.
fn script(text: &str) -> Hook {
    let mut hook = Hook::new("/bin/sh");
    hook.args = ["sh", "-c", text].map(str::to_owned).to_vec();
    hook.env = vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
    hook
}

/// A folder that every user may write to, bound as /notes in the container.
struct Notes(PathBuf);

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Deref for Notes {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

fn notes(shell: &mut Shell) -> Result<Notes, Stop> {
    let folder = std::env::temp_dir().join("notes");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    shell.config.mounts.push(mount("", &folder, "/notes", &["bind"]));
    Ok(Notes(folder))
}

fn read(path: impl AsRef<Path>) -> Result<String, Stop> {
    fs::read_to_string(path.as_ref()).map_err(|error| Stop::Failed(format!("{:?}: {error}", path.as_ref())))
}

fn each_kind_runs_at_its_turn() -> Outcome {
    let mut shell = Shell::new("echo program >>/notes/log")?;
    let notes = notes(&mut shell)?;
    let note = |name: &str, folder: &Path| script(&format!("echo {name} >>{}/log", folder.display()));
    let hooks = &mut shell.config.hooks;
    hooks.poststop = vec![note("poststop-1", &notes), note("poststop-2", &notes)];
    hooks.poststart = vec![note("poststart", &notes)];
    hooks.start_container =
        vec![note("startContainer-1", Path::new("/notes")), note("startContainer-2", Path::new("/notes"))];
    hooks.create_container = vec![note("createContainer", &notes)];
    hooks.create_runtime = vec![note("createRuntime", &notes)];
    hooks.prestart = vec![note("prestart-1", &notes), note("prestart-2", &notes)];
    let mut container = Container::create(&shell.config, Io::default())?;
    assert_eq!(read(notes.join("log"))?, "prestart-1\nprestart-2\ncreateRuntime\ncreateContainer\n");
    assert_eq!(container.status()?, Status::Created);
    container.start()?;
    let mut lines: Vec<_> = read(notes.join("log"))?.lines().skip(4).map(str::to_owned).collect();
    assert_eq!(lines.drain(..2).collect::<Vec<_>>(), ["startContainer-1", "startContainer-2"]);
    // The program runs beside what comes after its start.
    assert!(lines.contains(&"poststart".to_owned()), "{lines:?}");
    container.wait()?;
    let log = read(notes.join("log"))?;
    assert!(log.contains("program\n") && !log.contains("poststop"), "{log}");
    container.delete()?;
    assert!(read(notes.join("log"))?.ends_with("poststop-1\npoststop-2\n"));
    Ok(())
}

fn hooks_read_the_containers_state() -> Outcome {
    let mut shell = Shell::new("read wait")?;
    let notes = notes(&mut shell)?;
    let keep = |name: &str, folder: &Path| script(&format!("cat >{}/{name}", folder.display()));
    let hooks = &mut shell.config.hooks;
    hooks.prestart = vec![keep("prestart", &notes)];
    hooks.create_runtime = vec![keep("createRuntime", &notes)];
    hooks.create_container = vec![keep("createContainer", &notes)];
    hooks.start_container = vec![keep("startContainer", Path::new("/notes"))];
    hooks.poststart = vec![keep("poststart", &notes)];
    hooks.poststop = vec![keep("poststop", &notes)];
    "seven".clone_into(&mut shell.config.description.id);
    shell.config.description.annotations.insert("org.example.note".to_owned(), "x\ny".repeat(50_000));
    let (reader, writer) = std::io::pipe()?;
    let mut io = Io::default();
    io.stdin = reader.into();
    let container = Container::run(&shell.config, io)?;
    let pid = container.pid().unwrap_or_default();
    drop(writer);
    container.delete()?;
    let own = if shell.config.namespaces.iter().any(|one| one.kind == NamespaceKind::Pid) { 1 } else { pid };
    for (name, status, number) in [
        ("prestart", "creating", Some(pid)),
        ("createRuntime", "creating", Some(pid)),
        ("createContainer", "creating", Some(own)),
        ("startContainer", "created", Some(own)),
        ("poststart", "running", Some(pid)),
        ("poststop", "stopped", None),
    ] {
        let state: Value = serde_json::from_str(&read(notes.join(name))?)?;
        assert_eq!(state["ociVersion"], "1.3.0", "{name}");
        assert_eq!(state["id"], "seven", "{name}");
        assert_eq!(state["status"], status, "{name}");
        assert_eq!(state["pid"].as_u64(), number.map(u64::from), "{name}");
        assert_eq!(state["annotations"]["org.example.note"].as_str().map(str::len), Some(150_000), "{name}");
        assert_eq!(state["bundle"], "", "{name}");
    }
    Ok(())
}

/// What a hook of the host does to the container it does by the process's number.
fn hooks_of_the_host_see_the_host_and_its_mounts_there() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let notes = notes(&mut shell)?;
    let text = format!(
        "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); cd {}; \
         readlink /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/net >own; grep -c ' /notes ' /proc/$pid/mountinfo >mounts",
        notes.display()
    );
    shell.config.hooks.create_runtime = vec![script(&text)];
    let inside = format!(" {}/notes ", shell.config.rootfs.display());
    shell.config.hooks.create_runtime[0].args[2] = text.replace(" /notes ", &inside);
    Container::create(&shell.config, Io::default())?.delete()?;
    let links = ["mnt", "pid", "net"].map(|kind| fs::read_link(format!("/proc/self/ns/{kind}")));
    let links: Vec<_> = links
        .into_iter()
        .map(|link| link.map(|link| link.display().to_string()))
        .collect::<Result<_, _>>()?;
    assert_eq!(read(notes.join("own"))?.lines().collect::<Vec<_>>(), links);
    assert_eq!(read(notes.join("mounts"))?, "1\n");
    Ok(())
}

/// So GPU and library hooks work: what they mount at the rootfs' path is the container's.
fn hooks_in_the_containers_namespaces_see_the_host_root_and_mount_for_the_container() -> Outcome {
    let mut shell = Shell::new("cat /mnt/given; hostname; readlink /proc/self/ns/net")?;
    let notes = notes(&mut shell)?;
    let rootfs = shell.config.rootfs.clone();
    fs::create_dir(rootfs.join("mnt"))?;
    let text = format!(
        "set -e; mount -t tmpfs none {0}/mnt; echo given >{0}/mnt/given; id -u >{1}/id; pwd >>{1}/id; \
         readlink /proc/self/ns/mnt >{1}/mnt; grep CapEff /proc/self/status >{1}/caps",
        rootfs.display(),
        notes.display()
    );
    shell.config.hooks.create_container = vec![script(&text)];
    let said = shell.says()?;
    let mut lines = said.lines();
    assert_eq!((lines.next(), lines.next()), (Some("given"), Some("box")));
    assert!(!fs::exists(rootfs.join("mnt/given"))?, "nothing of it is the host's");
    assert_eq!(read(notes.join("id"))?, format!("0\n{}\n", rootfs.display()));
    assert_ne!(read(notes.join("mnt"))?.trim(), fs::read_link("/proc/self/ns/mnt")?.display().to_string());
    Ok(())
}

fn hooks_before_the_program_are_as_the_program() -> Outcome {
    let look = "id -u; id -g; pwd; cat /proc/self/status | grep -E '^(Cap|NoNewPrivs)'; ulimit -n; \
                readlink /proc/self/ns/mnt /proc/self/ns/user /proc/self/cgroup; cat /proc/self/attr/current 2>/dev/null; ls /";
    let mut shell = Shell::new(look)?;
    let notes = notes(&mut shell)?;
    shell.config.process.cwd = "/notes".into();
    shell.config.process.no_new_privileges = true;
    shell.config.hooks.start_container = vec![script(&format!("exec >/notes/hook 2>&1; {look}"))];
    let program = shell.says()?;
    let hook = read(notes.join("hook"))?;
    assert_eq!(hook, program);
    assert!(hook.contains("NoNewPrivs:\t1"), "{hook}");
    Ok(())
}

fn gone(error: &libcontainer::Error, words: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Hook);
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text}");
    }
}

fn a_failed_hook_before_the_start_leaves_nothing() -> Outcome {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let mut shell = Shell::new("echo ran >/notes/program")?;
        let notes = notes(&mut shell)?;
        let hooks = &mut shell.config.hooks;
        let list = match kind {
            "prestart" => &mut hooks.prestart,
            "createRuntime" => &mut hooks.create_runtime,
            _ => &mut hooks.create_container,
        };
        let never = script(&format!("echo ran >{}/never", notes.display()));
        list.extend([script("exit 0"), script("echo 'no such device' >&2; exit 3"), never.clone()]);
        hooks.start_container = vec![never];
        hooks.poststop = vec![script(&format!("cat >{}/after", notes.display()))];
        let error = Container::run(&shell.config, Io::default()).map(drop).unwrap_err();
        let first = format!("error running {kind} hook #1: ");
        gone(&error, &[&first, "\"/bin/sh\"", "exit status 3", "no such device"]);
        assert!(!fs::exists(notes.join("never"))? && !fs::exists(notes.join("program"))?);
        assert!(read(notes.join("after"))?.contains("\"stopped\""));
    }
    Ok(())
}

fn a_failed_hook_before_the_program_stops_the_container() -> Outcome {
    let mut shell = Shell::new("echo ran >/notes/program")?;
    let notes = notes(&mut shell)?;
    shell.config.hooks.start_container = vec![script("kill -9 $$")];
    shell.config.hooks.poststop = vec![script(&format!("echo >{}/after", notes.display()))];
    let mut container = Container::create(&shell.config, Io::default())?;
    gone(&container.start().unwrap_err(), &["error running startContainer hook #0: ", "signal 9"]);
    assert_eq!(container.wait()?, ExitStatus::Signaled(9));
    assert_eq!(container.status()?, Status::Stopped);
    assert_eq!(container.start().unwrap_err().kind(), ErrorKind::InvalidState);
    assert!(!fs::exists(notes.join("after"))?, "not before it is deleted");
    container.delete()?;
    assert!(fs::exists(notes.join("after"))? && !fs::exists(notes.join("program"))?);
    Ok(())
}

fn a_failed_hook_after_the_start_ends_the_container() -> Outcome {
    let mut shell = Shell::new("echo ran >/notes/program; sleep 100")?;
    let notes = notes(&mut shell)?;
    let wait = format!("until test -s {}/program; do sleep 0.01; done; exit 1", notes.display());
    shell.config.hooks.poststart = vec![script(&wait)];
    let mut container = Container::create(&shell.config, Io::default())?;
    gone(&container.start().unwrap_err(), &["error running poststart hook #0: ", "exit status 1"]);
    assert_eq!(container.wait()?, ExitStatus::Signaled(9));
    container.delete()?;
    Ok(())
}

fn all_hooks_run_when_it_is_gone_though_one_fails() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let notes = notes(&mut shell)?;
    let after = script(&format!("echo ran >{}/after", notes.display()));
    shell.config.hooks.poststop = vec![script("exit 4"), script("exit 5"), after];
    let mut container = Container::run(&shell.config, Io::default())?;
    container.wait()?;
    let cgroup = container.cgroup().map(|cgroup| cgroup.paths().clone());
    gone(&container.delete().unwrap_err(), &["error running poststop hook #0: ", "exit status 4"]);
    assert!(fs::exists(notes.join("after"))?);
    assert!(cgroup.into_iter().flatten().all(|(_, path)| !path.exists()));
    Ok(())
}

fn a_hook_that_takes_too_long_is_killed() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let mut slow = script("echo begun; exec sleep 1000");
    slow.timeout = Some(1);
    shell.config.hooks.prestart = vec![slow];
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    gone(&error, &["error running prestart hook #0: ", "longer than 1 s", "begun"]);
    Ok(())
}

fn a_hook_that_prints_without_end_is_heard_in_part() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.hooks.prestart = vec![script("head -c 1000000 /dev/zero | tr '\\0' x; exit 1")];
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    gone(&error, &["exit status 1: xxxx"]);
    assert!(error.to_string().len() < 5000);
    Ok(())
}

fn a_hook_has_its_own_environment_and_nothing_else() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let notes = notes(&mut shell)?;
    shell.config.process.env.push("OF_THE_PROGRAM=1".to_owned());
    let keep = |folder: &Path, name: &str| {
        let mut hook = script(&format!(
            "exec >{0}/{name}; tr '\\0' '\\n' </proc/self/environ; ls -l /proc/self/fd | wc -l; umask",
            folder.display()
        ));
        hook.env = vec!["ONE=1".to_owned(), "PATH=/bin:/usr/bin".to_owned()];
        hook
    };
    let hooks = &mut shell.config.hooks;
    hooks.prestart = vec![keep(&notes, "prestart")];
    hooks.create_container = vec![keep(&notes, "createContainer")];
    hooks.start_container = vec![keep(Path::new("/notes"), "startContainer")];
    Container::run(&shell.config, Io::default())?.delete()?;
    for name in ["prestart", "createContainer", "startContainer"] {
        let text = read(notes.join(name))?;
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["ONE=1", "PATH=/bin:/usr/bin"], "{name}: {text}");
        // The standard streams, the folder's own, and a line of the sum.
        assert_eq!(lines[2].trim(), "5", "{name}: {text}");
    }
    Ok(())
}

/// Go's runtimes wait until nobody can print any more.
fn what_a_hook_leaves_behind_holds_nobody() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let notes = notes(&mut shell)?;
    let text = format!("sleep 1000 & echo $! >{}/pid", notes.display());
    shell.config.hooks.prestart = vec![script(&text)];
    let container = Container::create(&shell.config, Io::default())?;
    let pid: i32 = read(notes.join("pid"))?.trim().parse()?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)?;
    container.delete()?;
    Ok(())
}

fn hooks_run_for_those_who_load_the_container() -> Outcome {
    let mut shell = Shell::new("echo ran >/notes/program")?;
    let notes = notes(&mut shell)?;
    let factory = Factory::new(std::env::temp_dir().join("factory"))?;
    shell.config.hooks.start_container = vec![script("echo ran >/notes/before")];
    shell.config.hooks.poststart = vec![script(&format!("echo ran >{}/after", notes.display()))];
    shell.config.hooks.poststop = vec![script(&format!("echo ran >{}/end; exit 1", notes.display()))];
    let (io, mut output) = captured()?;
    drop(factory.create("hooked", &shell.config, io)?);
    let mut container = factory.load("hooked")?;
    assert!(!fs::exists(notes.join("before"))?);
    container.start()?;
    assert!(fs::exists(notes.join("before"))? && fs::exists(notes.join("after"))?);
    container.wait()?;
    output.read_to_string(&mut String::new())?;
    gone(&factory.load("hooked")?.delete().unwrap_err(), &["error running poststop hook #0: "]);
    assert!(fs::exists(notes.join("end"))? && !factory.exists("hooked")?);
    fs::remove_dir(factory.root())?;
    Ok(())
}

fn a_hook_of_the_host_runs_in_the_bundle() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let notes = notes(&mut shell)?;
    notes.clone_into(&mut shell.config.description.bundle);
    shell.config.hooks.create_runtime = vec![script("pwd >where; cat >state")];
    let before = std::env::current_dir()?;
    Container::create(&shell.config, Io::default())?.delete()?;
    assert_eq!(read(notes.join("where"))?.trim(), notes.display().to_string());
    let state: Value = serde_json::from_str(&read(notes.join("state"))?)?;
    assert_eq!(state["bundle"].as_str(), notes.to_str());
    assert_eq!(std::env::current_dir()?, before);
    Ok(())
}

fn a_missing_hook_is_named() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    let mut hook = Hook::new("/nowhere/hook");
    shell.config.hooks.create_container = vec![hook.clone()];
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    gone(&error, &["createContainer hook #0", "\"/nowhere/hook\"", "No such file"]);
    shell.config.hooks.create_container.clear();
    hook.path = "relative".into();
    hook.timeout = Some(0);
    shell.config.hooks.poststop = vec![hook];
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("poststop hook #0: path \"relative\" must be absolute"), "{error}");
    Ok(())
}
