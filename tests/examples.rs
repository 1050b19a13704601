//! The examples, run as a newcomer runs them.

mod program;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, ExitCode, Stdio};

use grounds::{Outcome, Stop, ignored, tests};
use netlink::Handle;
use program::{contains, example, printed};

fn main() -> ExitCode {
    grounds::run(tests![
        graph_prints_the_children,
        bind_mount_shows_one_file_in_place_of_another,
        findmnt_draws_the_tree_of_mounts,
        id_tells_who_is_meant,
        ss_tells_who_listens,
        bridge_can_be_run_twice,
        bridge_tells_an_ordinary_user_what_to_do,
        container_shows_that_it_is_one,
        container_gives_the_programs_exit_code,
        container_says_which_program_is_missing,
        container_does_not_show_the_hosts_files,
        the_bridge_goes_with_its_last_container,
        containers_at_once_share_the_bridge,
        root_of_a_user_namespace_is_an_ordinary_user,
    ])
}

fn graph_prints_the_children() -> Outcome {
    assert_eq!(printed(&mut example("graph")?)?, "matt\nkoye\n");
    Ok(())
}

fn bind_mount_shows_one_file_in_place_of_another() -> Outcome {
    let text = printed(&mut example("bind_mount")?)?;
    contains(&text, "myotherfile now says: I am myfile")?;
    contains(&text, "Read-only file system")?;
    contains(&text, "unmounted, it says: I am myotherfile")
}

fn findmnt_draws_the_tree_of_mounts() -> Outcome {
    let text = printed(&mut example("findmnt")?)?;
    contains(&text, "TARGET")?;
    contains(&text, "─/proc ")?;
    let below = printed(example("findmnt")?.arg("/proc/self/status"))?;
    contains(below.lines().nth(1).unwrap_or_default(), "/proc ")?;
    let own = std::process::id().to_string();
    contains(&printed(example("findmnt")?.arg(own))?, "─/proc ")?;
    let output = example("findmnt")?.arg("/nowhere").output()?;
    assert!(!output.status.success());
    contains(&String::from_utf8_lossy(&output.stderr), "findmnt: \"/nowhere\": No such file or directory")
}

fn id_tells_who_is_meant() -> Outcome {
    contains(&printed(example("id")?.arg("root"))?, "uid=0(root) gid=0")?;
    contains(&printed(&mut example("id")?)?, &format!("uid={}", std::fs::metadata("/proc/self")?.uid()))?;
    let root = std::env::temp_dir().join(format!("id-{}", std::process::id()));
    std::fs::create_dir_all(root.join("etc"))?;
    std::fs::write(root.join("etc/passwd"), "web:x:33:33::/var/www:/bin/sh\n")?;
    std::fs::write(root.join("etc/group"), "www:x:33:\nlogs:x:44:web\n")?;
    let text = printed(example("id")?.arg("--root").arg(&root).arg("web"));
    let nobody = example("id")?.arg("--root").arg(&root).arg("nobody").output();
    std::fs::remove_dir_all(&root)?;
    assert_eq!(text?, "uid=33(web) gid=33(www) groups=33(www),44(logs)\nhome=/var/www\nshell=/bin/sh\n");
    let (nobody, error) = (nobody?, "id: find user \"nobody\": no such entry in the passwd file\n");
    assert!(!nobody.status.success());
    assert_eq!(String::from_utf8_lossy(&nobody.stderr), error);
    Ok(())
}

fn ss_tells_who_listens() -> Outcome {
    netlink::diag::Diag::open()
        .and_then(|mut diag| diag.list_inet(&netlink::diag::InetFilter::tcp()))
        .map_err(ignored)?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let text = printed(&mut example("ss")?)?;
    let line = text.lines().find(|line| line.contains(&address)).unwrap_or(&text);
    assert!(line.starts_with("tcp   LISTEN"), "{line}");
    let output = example("ss")?.arg("x").output()?;
    assert!(!output.status.success());
    contains(&String::from_utf8_lossy(&output.stderr), "ss: \"x\" is no process")
}

fn bridge_can_be_run_twice() -> Outcome {
    let mut bridge = example("bridge")?;
    grounds::netns()?;
    for _ in 0..2 {
        contains(&printed(&mut bridge)?, "inet 10.0.41.1/16")?;
    }
    let mut handle = Handle::open()?;
    let link = handle.link("mydocker0")?;
    assert!(link.is_up());
    let addresses: Vec<_> =
        handle.addresses()?.into_iter().filter(|address| address.index == link.index).collect();
    assert!(addresses.iter().any(|address| address.net.to_string() == "10.0.41.1/16"));
    Ok(())
}

fn bridge_tells_an_ordinary_user_what_to_do() -> Outcome {
    grounds::ordinary_user()?;
    let output = example("bridge")?.output()?;
    assert!(!output.status.success());
    contains(&String::from_utf8_lossy(&output.stderr), "unshare -rn")
}

fn container_shows_that_it_is_one() -> Outcome {
    grounds::containers()?;
    let mut container = example("container")?;
    let root = grounds::root().is_ok();
    if root {
        grounds::netns()?;
    }
    let text = printed(&mut container)?;
    contains(&text, "I am process 1, root, on host box.")?;
    contains(&text, "proc on /proc")?;
    contains(&text, "All processes: /proc/1\n")?;
    if root {
        contains(&text, "eth0 <BROADCAST,MULTICAST,UP,LOWER_UP> 10.42.")?;
        contains(&text, "the way out: 10.42.0.1")?;
    }
    Ok(())
}

fn container_gives_the_programs_exit_code() -> Outcome {
    grounds::containers()?;
    let mut container = example("container")?;
    if grounds::root().is_ok() {
        grounds::netns()?;
    }
    let status = container.args(["sh", "-c", "exit 7"]).status()?;
    assert_eq!(status.code(), Some(7));
    Ok(())
}

fn container_says_which_program_is_missing() -> Outcome {
    grounds::containers()?;
    let mut container = example("container")?;
    if grounds::root().is_ok() {
        grounds::netns()?;
    }
    let output = container.arg("/nowhere").output()?;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    contains(&said, "execute \"/nowhere\": No such file or directory")
}

fn container_does_not_show_the_hosts_files() -> Outcome {
    grounds::containers()?;
    let mut container = example("container")?;
    if grounds::root().is_ok() {
        grounds::netns()?;
    }
    let text = printed(
        container
            .args(["sh", "-c", "cat /etc/shadow /etc/machine-id; ls -A /root /home; cat /etc/passwd"])
            .stderr(Stdio::null()),
    )?;
    let users: Vec<_> = text.lines().filter(|line| line.contains(":x:")).collect();
    assert_eq!(users.len(), 2, "{text}");
    Ok(())
}

fn the_bridge_goes_with_its_last_container() -> Outcome {
    grounds::containers()?;
    let mut second = example("container")?;
    let mut first = example("container")?;
    grounds::root()?;
    grounds::netns()?;
    let mut first = first
        .args(["sh", "-c", "echo up; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(first.stdout.take().ok_or(grounds::ignored("no pipe"))?).lines();
    while lines.next().transpose()?.is_some_and(|line| line != "up") {}
    printed(second.args(["sh", "-c", "true"]))?;
    let mut handle = Handle::open()?;
    assert!(handle.find_link("container0")?.is_some(), "the first container still uses it");
    first.stdin.take().ok_or(grounds::ignored("no pipe"))?.write_all(b"\n")?;
    assert!(first.wait()?.success());
    assert!(handle.find_link("container0")?.is_none(), "nobody uses it any more");
    Ok(())
}

fn containers_at_once_share_the_bridge() -> Outcome {
    grounds::containers()?;
    // One that ended took the bridge away while another was about to use it.
    example("container")?;
    grounds::root()?;
    grounds::netns()?;
    let start =
        || example("container")?.args(["sh", "-c", "true"]).stdout(Stdio::null()).spawn().map_err(Stop::from);
    let started = (0..8).map(|_| start()).collect::<Result<Vec<_>, Stop>>()?;
    for mut container in started {
        assert!(container.wait()?.success());
    }
    assert!(Handle::open()?.find_link("container0")?.is_none());
    Ok(())
}

fn root_of_a_user_namespace_is_an_ordinary_user() -> Outcome {
    grounds::containers()?;
    let container = example("container")?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--net"]).arg(container.get_program());
    match printed(&mut unshare) {
        Err(Stop::Failed(error)) if error.contains("unshare: ") => Err(grounds::ignored(error)),
        text => contains(&text?, "I am process 1, root, on host box."),
    }
}
