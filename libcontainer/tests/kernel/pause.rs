//! A container that runs: paused, limited anew, signalled as a whole, counted.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use cgroups::Resources;
use grounds::Outcome;
use libcontainer::{Container, ErrorKind, ExitStatus, Io, Status};

use crate::cgroup::confined;
use crate::shell::{Shell, captured};

crate::tests!(
    a_paused_container_is_neither_started_nor_joined,
    one_that_joins_a_paused_container_waits_for_its_resumption,
    killing_a_paused_container_ends_it,
    limits_are_changed_while_it_runs,
    what_cannot_be_limited_is_refused_before_anything_is_set,
    a_signal_for_all_reaches_all,
    interfaces_are_counted_inside,
);

fn a_paused_container_is_neither_started_nor_joined() -> Outcome {
    let shell = confined("sleep 100")?;
    let mut container = Container::create(&shell.config, Io::default())?;
    assert_eq!(container.status()?, Status::Created);
    container.pause()?;
    container.pause()?;
    assert_eq!(container.status()?, Status::Paused);
    let error = container.start().unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::InvalidState, "cannot start a paused container")
    );
    let process = container.config().process.clone();
    let error = container.exec(&process, Io::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot exec in a paused container");
    container.resume()?;
    container.resume()?;
    assert_eq!(container.status()?, Status::Created);
    container.start()?;
    assert_eq!(container.status()?, Status::Running);
    Ok(())
}

fn one_that_joins_a_paused_container_waits_for_its_resumption() -> Outcome {
    let shell = confined("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    container.pause()?;
    let mut process = container.config().process.clone();
    process.args = ["sh", "-c", "exit 4"].map(str::to_owned).to_vec();
    std::thread::scope(|scope| {
        let joiner = scope.spawn(|| container.exec_paused(&process, Io::default()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!joiner.is_finished());
        container.resume()?;
        let mut child = joiner.join().expect("no panic")?;
        assert_eq!(child.wait()?, ExitStatus::Exited(4));
        Ok(())
    })
}

/// On v1 a frozen process doesn't die.
fn killing_a_paused_container_ends_it() -> Outcome {
    let shell = confined("sleep 100 & wait")?;
    for all in [false, true] {
        let mut container = Container::run(&shell.config, Io::default())?;
        container.pause()?;
        if all {
            container.signal_all(libc::SIGKILL)?;
        } else {
            container.signal(libc::SIGKILL)?;
        }
        assert_eq!(container.wait()?, ExitStatus::Signaled(9));
        container.delete()?;
    }
    Ok(())
}

fn limits_are_changed_while_it_runs() -> Outcome {
    let shell = confined("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let limit = |container: &Container| -> Result<_, libcontainer::Error> {
        Ok(container.stats()?.cgroup.and_then(|cgroup| cgroup.pids).and_then(|pids| pids.limit))
    };
    assert_eq!(limit(&container)?, Some(cgroups::Limit::At(20)));
    let mut limits = Resources::default();
    limits.pids.get_or_insert_default().limit = Some(30);
    limits.memory.get_or_insert_default().limit = Some((48 << 20) + 5);
    let adjusted = container.update(&limits)?;
    assert_eq!(limit(&container)?, Some(cgroups::Limit::At(30)));
    assert_eq!(adjusted.len(), 1, "{adjusted:?}");
    assert_eq!(adjusted[0].got, (48 << 20).to_string());
    let pid = container.pid();
    assert_eq!((container.status()?, container.pid()), (Status::Running, pid));
    Ok(())
}

fn what_cannot_be_limited_is_refused_before_anything_is_set() -> Outcome {
    let shell = confined("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut limits = Resources::default();
    limits.pids.get_or_insert_default().limit = Some(7);
    limits.rdma.insert("mlx4_0".to_owned(), cgroups::Rdma::default());
    if container.cgroup().expect("it has one").controllers()?.contains("rdma") {
        return Err(grounds::ignored("this machine has the controller rdma"));
    }
    let error = container.update(&limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("rdma"), "{error}");
    let pids = container.stats()?.cgroup.and_then(|cgroup| cgroup.pids).and_then(|pids| pids.limit);
    assert_eq!(pids, Some(cgroups::Limit::At(20)));

    let free = Shell::program(&["sleep", "100"])?;
    let container = Container::run(&free.config, Io::default())?;
    assert_eq!(container.update(&Resources::default()).unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(container.signal_all(15).unwrap_err().kind(), ErrorKind::InvalidState);
    Ok(())
}

fn a_signal_for_all_reaches_all() -> Outcome {
    // sleep ends of the signal, and sh runs its trap then.
    let one = "trap 'echo told' USR1; echo up; while :; do sleep 1; done";
    let shell = confined(&format!("({one}) & ({one}) & {one}"))?;
    let (io, output) = captured()?;
    let container = Container::run(&shell.config, io)?;
    let mut lines = BufReader::new(output).lines();
    for _ in 0..3 {
        assert_eq!(lines.next().transpose()?.as_deref(), Some("up"));
    }
    let error = container.signal_all(99).unwrap_err();
    assert_eq!((error.kind(), container.status()?), (ErrorKind::InvalidConfig, Status::Running));
    container.signal_all(libc::SIGUSR1)?;
    for _ in 0..3 {
        // A shell says what its child died of, some of them.
        let told = lines.find(|line| line.as_ref().is_ok_and(|line| line == "told"));
        assert!(told.is_some());
    }
    assert_eq!(container.status()?, Status::Running);
    Ok(())
}

fn interfaces_are_counted_inside() -> Outcome {
    let shell = Shell::program(&["sleep", "100"])?;
    let container = Container::run(&shell.config, Io::default())?;
    let network = container.stats()?.network.expect("it has its own");
    let names: Vec<_> = network.iter().map(|interface| interface.name.as_str()).collect();
    assert!(names.contains(&"lo"), "{names:?}");
    let lo = network.iter().find(|interface| interface.name == "lo").and_then(|lo| lo.counts);
    let lo = lo.expect("the kernel counts");
    assert_eq!((lo.rx_bytes, lo.rx_packets), (lo.tx_bytes, lo.tx_packets), "what it sends it receives");

    let mut shell = Shell::program(&["sleep", "100"])?;
    shell.config.namespaces.retain(|one| one.kind != libcontainer::NamespaceKind::Network);
    shell.config.networks.clear();
    // An ordinary user may mount it for a network namespace of their own only.
    shell.config.mounts.retain(|mount| !mount.destination.starts_with("/sys"));
    let shared = Container::run(&shell.config, Io::default())?;
    assert!(shared.stats()?.network.is_none());
    Ok(())
}
