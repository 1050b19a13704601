//! The host's security modules: a program is bound by what was said, or isn't run.

use std::fs;
use std::path::Path;
use std::process::Command;

use grounds::{Outcome, Stop, ignored};
use libcontainer::{Container, ErrorKind, Io};

use crate::shell::{Shell, is_root};

crate::tests!(
    a_profile_is_the_programs,
    a_profile_that_is_not_loaded_is_told,
    a_profile_without_apparmor_is_told,
    a_label_without_selinux_is_told,
    a_profile_of_several_lines_is_refused,
);

fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|enabled| enabled.trim() == "Y")
}

fn with_apparmor() -> Result<(), Stop> {
    if has_apparmor() { Ok(()) } else { Err(ignored("this kernel has no AppArmor, or it is switched off")) }
}

fn a_profile_is_the_programs() -> Outcome {
    with_apparmor()?;
    if !is_root() || !Path::new("/sbin/apparmor_parser").exists() {
        return Err(ignored("no profile can be loaded: it takes root and apparmor_parser"));
    }
    let mut shell = Shell::program(&["cat", "/proc/self/attr/apparmor/current"])?;
    let name = format!("libcontainer-test-{}", std::process::id());
    let profile = shell.rootfs.path().join("../profile");
    fs::write(
        &profile,
        format!(
            "profile {name} flags=(attach_disconnected) {{ file, capability, signal, ptrace, unix, network, mount, umount, pivot_root, }}\n"
        ),
    )?;
    let loaded = Command::new("/sbin/apparmor_parser").arg("--replace").arg(&profile).output()?;
    if !loaded.status.success() {
        return Err(ignored(String::from_utf8_lossy(&loaded.stderr).trim()));
    }
    shell.config.process.apparmor_profile = Some(name.clone());
    let said = shell.says();
    Command::new("/sbin/apparmor_parser").arg("--remove").arg(&profile).output()?;
    fs::remove_file(&profile)?;
    assert_eq!(said?.trim(), format!("{name} (enforce)"));
    Ok(())
}

fn a_profile_that_is_not_loaded_is_told() -> Outcome {
    with_apparmor()?;
    let mut shell = Shell::new("exit 0")?;
    shell.config.process.apparmor_profile = Some("no-such-profile".to_owned());
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().starts_with("confine by AppArmor profile \"no-such-profile\": "), "{error}");
    Ok(())
}

fn a_profile_without_apparmor_is_told() -> Outcome {
    if has_apparmor() {
        return Err(ignored("this kernel has AppArmor"));
    }
    let mut shell = Shell::new("exit 0")?;
    shell.config.process.apparmor_profile = Some("web".to_owned());
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().starts_with("confine by AppArmor profile \"web\": "), "{error}");
    Ok(())
}

fn a_label_without_selinux_is_told() -> Outcome {
    if Path::new("/sys/fs/selinux/enforce").exists() || has_apparmor() {
        return Err(ignored("this kernel has SELinux or AppArmor"));
    }
    let mut shell = Shell::new("exit 0")?;
    shell.config.process.selinux_label = Some("system_u:system_r:container_t:s0".to_owned());
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert!(error.to_string().starts_with("confine by SELinux label \"system_u"), "{error}");
    Ok(())
}

fn a_profile_of_several_lines_is_refused() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.process.apparmor_profile = Some("web\nunconfined".to_owned());
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    Ok(())
}
