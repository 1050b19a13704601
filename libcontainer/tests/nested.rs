//! Containers of someone who is root of a user namespace: an ordinary user is, in this program.

use std::process::ExitCode;

use grounds::{Outcome, tests};

mod shell;

use shell::Shell;

/// Such a namespace denies setgroups(2), and every namespace made inside of it does too.
fn root_of_a_user_namespace_starts_containers() -> Outcome {
    grounds::mountns()?;
    let mut shell = Shell::new("echo $$ $(id -u)")?;
    // The group tty has no id there.
    for mount in &mut shell.config.mounts {
        mount.options.retain(|word| word != "gid=5");
    }
    assert_eq!(shell.says()?, "1 0\n");
    Ok(())
}

fn and_rootless_ones_too() -> Outcome {
    grounds::mountns()?;
    let mut shell = Shell::new("echo $$ $(id -u)")?;
    shell.config = shell.config.rootless();
    assert_eq!(shell.says()?, "1 0\n");
    Ok(())
}

fn main() -> ExitCode {
    grounds::run_as_root(tests![root_of_a_user_namespace_starts_containers, and_rootless_ones_too,])
}
