//! What a container's network costs, by numbers that are the same each time: messages, sockets, threads.

use std::env;
use std::process::{Command, ExitCode};
use std::time::Duration;

use grounds::faults::Steps;
use grounds::{Outcome, Stop, tests};
use libcontainer::{Container, Io, Network, Route, Veth};
use netlink::{Bridge, Handle};

mod shell;

use shell::Shell;

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    if let [word, pairs] = &words[..]
        && word == "operate"
    {
        operate(pairs.parse().unwrap_or(0));
        return ExitCode::SUCCESS;
    }
    grounds::run(tests![
        a_pair_takes_three_messages_three_sockets_and_a_thread,
        each_further_pair_takes_two_messages,
    ])
}

/// Makes a container with so many pairs, each with all that one can have.
fn operate(pairs: usize) {
    let Ok(mut shell) = Shell::new("exit 0") else { panic!("no container can be made") };
    for number in 0..pairs {
        let name = format!("eth{number}");
        shell.config.networks.push(Network::Veth(Veth {
            name: name.clone(),
            // The kernel takes the interfaces of the container before away in its own time.
            host_name: Some(format!("o{number}-{}", std::process::id())),
            bridge: Some("br0".to_owned()),
            addresses: vec![format!("10.9.{number}.7/24"), format!("fd00:{number}::7/64")],
            gateway: (number == 0).then(|| [10, 9, 0, 1].into()),
            mtu: Some(1400),
            mac: Some(format!("02:00:00:00:00:0{number}")),
            ..Veth::default()
        }));
        shell.config.routes.push(Route {
            destination: Some(format!("192.0.{number}.0/24")),
            source: None,
            gateway: Some([10, 9, number as u8, 2].into()),
            interface: name,
        });
    }
    drop(Container::create(&shell.config, Io::default()).unwrap());
}

/// Counts messages, sockets and births of a container with so many pairs.
fn counts(pairs: usize) -> Result<[usize; 3], Stop> {
    let mut command = Command::new(env::current_exe()?);
    let steps = Steps::record(command.args(["operate", &pairs.to_string()]), Duration::from_secs(60))?;
    let run = steps.run();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let kinds: [&[&str]; 3] = [&["sendto", "sendmsg"], &["socket"], &["clone", "clone3", "vfork", "fork"]];
    Ok(kinds.map(|names| steps.named(names).len()))
}

/// A network with a bridge, which the programs of this thread are in.
fn on_a_bridge() -> Result<(), Stop> {
    grounds::root()?;
    grounds::calls(&["clone3"])?; // without it there are more tries
    drop(Shell::new("exit 0")?); // as far as containers can be made
    grounds::netns()?;
    let mut handle = Handle::open()?;
    handle.add_link(&Bridge::new("br0").up())?;
    Ok(())
}

/// By hand it would be no less: which link the bridge is, the pair, and everything inside at once. One socket
/// has to be opened by a thread that goes inside; the third only asks whether there is IPv6.
fn a_pair_takes_three_messages_three_sockets_and_a_thread() -> Outcome {
    on_a_bridge()?;
    let (without, with) = (counts(0)?, counts(1)?);
    let more: Vec<_> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    assert_eq!(more, [3, 3, 1], "{with:?} {without:?}");
    Ok(())
}

fn each_further_pair_takes_two_messages() -> Outcome {
    on_a_bridge()?;
    let (one, three) = (counts(1)?, counts(3)?);
    let more: Vec<_> = three.iter().zip(&one).map(|(three, one)| three - one).collect();
    assert_eq!(more, [4, 0, 0], "{three:?} {one:?}");
    Ok(())
}
