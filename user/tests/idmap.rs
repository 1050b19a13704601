//! Maps of ids against the kernel that takes them, and against the programs that write them for users.

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::{env, fs};

use grounds::{Outcome, Stop, ignored, tests};
use user::{ErrorKind, IdMap, IdMaps, IdRange, Owner, SubId};

fn main() -> ExitCode {
    grounds::run(tests![
        the_kernel_takes_what_is_a_map_and_nothing_else,
        a_map_is_read_back_as_it_was_written,
        the_kernel_wants_each_range_in_one_of_the_parents,
        ids_that_this_namespace_lacks_have_no_outside,
        newuidmap_writes_what_is_permitted_and_nothing_else,
        newgidmap_writes_what_is_permitted_and_nothing_else,
        newgidmap_forbids_setgroups_to_whom_subgid_grants_nothing,
        a_users_ids_are_those_of_this_systems_files,
        this_users_own_ids_are_what_newuidmap_writes,
    ])
}

/// A process in a new user namespace that nobody has written maps for; it goes at the end.
struct Namespace(Child);

impl Namespace {
    fn new() -> Result<Self, Stop> {
        Namespace::made_by(Command::new("unshare"))
    }

    /// Has it made by a command that is unshare(1), in whatever way it is called.
    fn made_by(mut command: Command) -> Result<Self, Stop> {
        command.args(["-U", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut namespace = match command.spawn() {
            Ok(child) => Namespace(child),
            Err(error) => return Err(ignored(format!("no unshare(1): {error}"))),
        };
        // What comes back has been through cat, which is in the namespace.
        let child = &mut namespace.0;
        let written = child.stdin.as_mut().expect("a pipe").write_all(b"x");
        let echoed = child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]);
        if written.and(echoed).is_err() {
            let why = io::read_to_string(child.stderr.as_mut().expect("a pipe"))?;
            return Err(ignored(format!("no user namespace: {why}")));
        }
        Ok(namespace)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn write(&self, file: &str, text: impl AsRef<str>) -> io::Result<()> {
        let mut file = fs::File::options().write(true).open(format!("/proc/{}/{file}", self.pid()))?;
        // The kernel takes one write: what is left of it would be a second.
        let written = file.write(text.as_ref().as_bytes())?;
        if written == text.as_ref().len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A command as a user, where this one is root; else this user must be the one.
fn as_user(owner: &Owner, program: &str) -> Command {
    let mut command = Command::new(program);
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

fn range(inside: u32, outside: u32, length: u32) -> IdRange {
    IdRange { inside, outside, length }
}

/// Lines of 12 bytes, of which some have one more.
fn lines(count: u32, longer: u32) -> String {
    let line = |at: u32| format!("{} {} 1\n", 100 + at, if at < longer { 100_000 } else { 10_000 } + at);
    (0..count).map(line).collect::<Vec<_>>().concat()
}

fn the_kernel_takes_what_is_a_map_and_nothing_else() -> Outcome {
    grounds::root()?;
    for text in [
        "0 0 4294967295",
        "0 100000 65536\n",
        "         0     100000      65536\n",
        "4294967294 4294967294 1",
        "10 0 10\n0 10 10",
        &lines(340, 0),
    ] {
        let map = IdMap::parse(text.as_bytes())?;
        Namespace::new()?.write("uid_map", text)?;
        Namespace::new()?.write("gid_map", map.to_string())?;
    }
    for text in [
        "0 0 0",
        "1 0 4294967295",
        "0 1 4294967295",
        "4294967295 0 1",
        "0 0 10\n9 100 1",
        "0 0 10\n100 9 1",
        "0 100 10\n20 95 10",
        "0 0",
        "0 0 1 1",
        "0 0 -1",
        "+0 0 1",
        "0:0:1",
        "0 0 1\n\n1 1 1",
        &lines(341, 0),
    ] {
        assert_eq!(IdMap::parse(text.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidData, "{text}");
        let error = Namespace::new()?.write("uid_map", text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
    }
    // Ids that nobody has: what is read may have them, and is not to be written.
    assert!(IdMap::new([range(0, u32::MAX, 1)]).is_err());
    assert!(Namespace::new()?.write("uid_map", "0 4294967295 1").is_err());
    Ok(())
}

fn a_map_is_read_back_as_it_was_written() -> Outcome {
    grounds::root()?;
    let namespace = Namespace::new()?;
    assert!(IdMaps::of_process(namespace.pid())?.is_empty());
    let uids = IdMap::new([range(10, 5000, 10), range(0, 1000, 1), range(1, 4_294_967_290, 5)])?;
    let gids: IdMap = lines(340, 0).parse()?;
    namespace.write("uid_map", uids.to_string())?;
    namespace.write("gid_map", gids.to_string())?;
    assert_eq!(IdMaps::of_process(namespace.pid())?, IdMaps { uids, gids });
    // In the order of their ids inside, if they are more than five.
    let namespace = Namespace::new()?;
    let backwards = IdMap::new((0..6).rev().map(|id| range(id, id, 1)))?;
    namespace.write("uid_map", backwards.to_string())?;
    assert_eq!(IdMap::uids_of(namespace.pid())?, IdMap::new((0..6).map(|id| range(id, id, 1)))?);
    Ok(())
}

fn the_kernel_wants_each_range_in_one_of_the_parents() -> Outcome {
    grounds::root()?;
    let parent: IdMap = "0 100000 10\n10 100010 10".parse()?;
    let outer = Namespace::new()?;
    outer.write("uid_map", parent.to_string())?;
    outer.write("gid_map", parent.to_string())?;
    let inside = |program| {
        let mut command = Command::new("nsenter");
        command.args(["-U", "-t", &outer.pid().to_string(), program]);
        command
    };
    let mut taken = 0;
    for text in ["0 0 10", "0 5 10", "0 10 10", "0 0 20", "0 19 1", "0 20 1", "0 0 10\n10 10 10", "0 19 2"] {
        let inner = Namespace::made_by(inside("unshare"))?;
        let mut tee = inside("tee");
        tee.arg(format!("/proc/{}/uid_map", inner.pid())).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut tee = tee.stderr(Stdio::null()).spawn()?;
        tee.stdin.take().expect("a pipe").write_all(text.as_bytes())?;
        let written = tee.wait()?.success();
        let within = text.parse::<IdMap>()?.check_within(&parent);
        assert_eq!(within.is_ok(), written, "{text}: {within:?}");
        taken += u32::from(written);
    }
    assert_eq!(taken, 4);
    Ok(())
}

fn ids_that_this_namespace_lacks_have_no_outside() -> Outcome {
    let of_this_test = format!("/proc/{}/uid_map", std::process::id());
    let seen = Command::new("unshare").args(["-U", "cat", &of_this_test]).output()?;
    if !seen.status.success() {
        return Err(ignored(format!("no user namespace: {}", String::from_utf8_lossy(&seen.stderr))));
    }
    let map = IdMap::parse(&seen.stdout)?;
    assert!(!map.is_empty());
    assert!(map.ranges().iter().all(|range| range.outside == u32::MAX), "{map}");
    assert_eq!((map.root(), map.to_container(0), map.to_container(u32::MAX)), (None, None, None));
    Ok(())
}

/// A user as the machine's files have him, with his lines of subuid or subgid.
struct Asker {
    program: &'static str,
    owner: Owner,
    subids: Vec<SubId>,
}

impl Asker {
    /// Gives a user to this thread's mount namespace.
    fn new(program: &'static str) -> Result<Self, Stop> {
        grounds::root()?;
        grounds::mountns()?;
        let granted = "matt:100000:1000\nkoye:101000:1000\n4242:102000:500\nmatt:102500:500\nmatt:102400:200\n\
                       matt:200000:0\n4343:300000:10\n4242:4294967000:295\n";
        put(
            "/etc/passwd",
            "root:x:0:0::/:/bin/sh\nmatt:x:4242:4343::/:/bin/sh\nkoye:x:4343:4343::/:/bin/sh\n",
        )?;
        let file = if program == "newuidmap" { "/etc/subuid" } else { "/etc/subgid" };
        put(file, granted)?;
        let owner = Owner { name: "matt".into(), uid: 4242, gid: 4343 };
        let subids = SubId::read(granted.as_bytes()).lenient().collect::<Result<_, _>>()?;
        let asker = Asker { program, owner, subids };
        // The own id alone needs no line: only the program, with its rights.
        let (done, _) = asker.ask(&IdMap::rootless(asker.own_id(), [] as [SubId; 0])?)?;
        done.map_err(|why| ignored(format!("{program} doesn't work: {why}")))?;
        Ok(asker)
    }

    fn own_id(&self) -> u32 {
        if self.program == "newuidmap" { self.owner.uid } else { self.owner.gid }
    }

    /// Returns what the program says, or the error it prints, and the namespace that it was asked for.
    fn ask(&self, map: &IdMap) -> Result<(Result<(), String>, Namespace), Stop> {
        let namespace = Namespace::made_by(as_user(&self.owner, "unshare"))?;
        let mut program = as_user(&self.owner, self.program);
        let output = program.arg(namespace.pid().to_string()).args(map.to_args()).output();
        let output = output.map_err(|error| ignored(format!("no {}: {error}", self.program)))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((if output.status.success() { Ok(()) } else { Err(said) }, namespace))
    }

    fn check(&self, map: &IdMap) -> user::Result<()> {
        match self.program {
            "newuidmap" => map.check_newuidmap(&self.owner, &self.subids),
            _ => map.check_newgidmap(&self.owner, &self.subids),
        }
    }

    /// Asks both, who must agree; tells whether they permit.
    fn agree(&self, map: &IdMap) -> Result<bool, Stop> {
        let (checked, (done, namespace)) = (self.check(map), self.ask(map)?);
        assert_eq!(checked.is_ok(), done.is_ok(), "{map}: {checked:?}, {done:?}");
        if checked.is_ok() && map.ranges().len() < 6 {
            let read = IdMaps::of_process(namespace.pid())?;
            assert!(read.uids == *map || read.gids == *map, "{map}");
        }
        Ok(checked.is_ok())
    }
}

/// Puts a text in the place of a file, in this mount namespace only.
fn put(file: &str, text: &str) -> Outcome {
    if !fs::exists(file)? {
        return Err(ignored(format!("no {file} to put another in the place of")));
    }
    let own = env::temp_dir().join("file");
    fs::write(&own, text)?;
    let mounted = Command::new("mount").arg("--bind").args([own.as_os_str(), file.as_ref()]).output()?;
    fs::remove_file(own)?;
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    assert_eq!(fs::read_to_string(file)?, text);
    Ok(())
}

fn agrees_with(program: &'static str) -> Outcome {
    let asker = Asker::new(program)?;
    let own = asker.own_id();
    for (text, permitted) in [
        (format!("0 {own} 1"), true),
        (format!("0 {own} 2"), false),
        ("0 100000 1000".to_owned(), true),
        ("0 100000 1001".to_owned(), false),
        ("0 99999 1".to_owned(), false),
        ("0 101000 1".to_owned(), false),
        ("0 101999 2".to_owned(), false),
        // Lines by the uid, by the name, and one that overlaps both.
        ("0 102000 1000".to_owned(), true),
        ("0 102000 1001".to_owned(), false),
        ("0 200000 1".to_owned(), false),
        ("0 300000 1".to_owned(), false),
        ("0 4294967000 295".to_owned(), true),
        ("0 0 1".to_owned(), false),
        (format!("1 100000 999\n0 {own} 1"), true),
        (format!("1 100000 999\n0 {own} 1\n5000 0 1"), false),
        (String::new(), false),
    ] {
        assert_eq!(asker.agree(&text.parse()?)?, permitted, "{text}");
    }
    let singles = |count| IdMap::new((0..count).map(|id| range(id, 100_000 + id, 1)));
    assert!(asker.agree(&singles(300)?)?);
    // More than 4,096 bytes of text, which is a page on most machines.
    asker.agree(&singles(340)?)?;
    // Wherever ranges begin and end, near where lines do.
    let mut permitted = 0;
    for number in 0..60_u32 {
        let edges = [99_999, 100_000, 100_990, 101_999, 102_000, 102_399, 102_490, 102_999];
        let first = edges[number as usize % edges.len()];
        let length = [1, 2, 10, 11, 501, 1000][number as usize % 6];
        permitted += u32::from(asker.agree(&IdMap::new([range(number, first, length)])?)?);
    }
    assert!((10..50).contains(&permitted), "{permitted} of 60");
    Ok(())
}

fn newuidmap_writes_what_is_permitted_and_nothing_else() -> Outcome {
    agrees_with("newuidmap")
}

fn newgidmap_writes_what_is_permitted_and_nothing_else() -> Outcome {
    agrees_with("newgidmap")
}

fn newgidmap_forbids_setgroups_to_whom_subgid_grants_nothing() -> Outcome {
    let asker = Asker::new("newgidmap")?;
    for (map, setgroups) in [("0 4343 1", "deny"), ("0 4343 1\n1 100000 1", "allow")] {
        let (done, namespace) = asker.ask(&map.parse()?)?;
        assert_eq!(done, Ok(()));
        assert_eq!(fs::read_to_string(format!("/proc/{}/setgroups", namespace.pid()))?.trim(), setgroups);
    }
    Ok(())
}

fn a_users_ids_are_those_of_this_systems_files() -> Outcome {
    grounds::root()?;
    grounds::mountns()?;
    put("/etc/passwd", "matt:x:4242:4343::/:/bin/sh\nkoye:x:4343:4343::/:/bin/sh\n")?;
    put("/etc/subuid", "koye:1:1\nmatt:100000:10\n4242:200000:5\n")?;
    put("/etc/subgid", "4242:300000:7\n")?;
    let maps = IdMaps::of_user("matt")?;
    assert_eq!((&maps.uids, &maps.gids), (&"0 100000 10\n10 200000 5".parse()?, &"0 300000 7".parse()?));
    assert_eq!(IdMaps::of_user("4242")?, maps);
    let error = IdMaps::of_user("koye").unwrap_err().to_string();
    assert_eq!(error, r#"find subordinate gids of "koye": there are none"#);
    assert_eq!(IdMaps::of_user("nobody here").unwrap_err().kind(), ErrorKind::UnknownUser);
    Ok(())
}

fn this_users_own_ids_are_what_newuidmap_writes() -> Outcome {
    grounds::ordinary_user()?;
    let process = fs::metadata("/proc/self")?;
    let Some(user) = user::lookup_uid(process.uid())? else {
        return Err(ignored("this user is in no passwd file"));
    };
    let owner = Owner::from(&user);
    let granted = fs::read("/etc/subuid").map_err(|error| ignored(format!("no /etc/subuid: {error}")))?;
    let subids: Vec<_> = SubId::read(&granted[..]).flatten().filter(|subid| owner.owns(subid)).collect();
    if subids.is_empty() || process.gid() != owner.gid {
        return Err(ignored("this user has no subordinate ids, or is in another group than the primary one"));
    }
    let asker = Asker { program: "newuidmap", owner, subids };
    assert!(asker.agree(&IdMap::rootless(asker.own_id(), &asker.subids)?)?);
    assert!(asker.agree(&IdMap::from_subids(&asker.subids)?)?);
    assert!(!asker.agree(&"0 0 1".parse()?)?);
    let last = asker.subids.iter().map(|subid| subid.first + subid.length).max().expect("some");
    assert!(!asker.agree(&IdMap::new([range(0, last, 1)])?)?);
    Ok(())
}
