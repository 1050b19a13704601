//! The host's security modules: a program is bound by what was said, or isn't run.

use std::fs;
use std::path::Path;
use std::process::Command;

use grounds::{Outcome, Stop, ignored};
use libcontainer::{Container, ErrorKind, IntelRdt, Io};

use crate::shell::{Shell, is_root};

crate::tests!(
    a_profile_is_the_programs,
    a_profile_that_is_not_loaded_is_told,
    a_profile_without_apparmor_is_told,
    a_label_without_selinux_is_told,
    a_profile_of_several_lines_is_refused,
    a_mount_label_without_selinux_is_told,
    a_share_of_caches_needs_the_kernels_filesystem,
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

fn a_mount_label_without_selinux_is_told() -> Outcome {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        return Err(ignored("this kernel has SELinux"));
    }
    let mut shell = Shell::new("exit 0")?;
    shell.config.mount_label = Some("system_u:object_r:svirt_sandbox_file_t:s0:c715,c811".to_owned());
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("mount ") && error.to_string().contains("context"), "{error}");
    shell.config.mount_label = Some("a\nb".to_owned());
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    Ok(())
}

fn a_share_of_caches_needs_the_kernels_filesystem() -> Outcome {
    if mount::mounts()?.iter().any(|mount| mount.is_type("resctrl")) {
        return Err(ignored("this machine has a resctrl filesystem"));
    }
    let mut shell = Shell::new("exit 0")?;
    let mut share = IntelRdt::default();
    share.clos_id = Some("gold".to_owned());
    share.schemata = vec!["L3:0=f".to_owned()];
    shell.config.intel_rdt = Some(share);
    let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "intelRdt: no resctrl filesystem is mounted");
    for (name, monitored, says) in [
        ("../gold", false, "\"../gold\" is no name of a group"),
        ("info", false, "\"info\" is no name of a group"),
        ("gold", true, "monitoring needs a container's name, not \"\""),
    ] {
        let share = shell.config.intel_rdt.as_mut().unwrap();
        (share.clos_id, share.enable_monitoring) = (Some(name.to_owned()), monitored);
        let error = Container::create(&shell.config, Io::default()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(says), "{error}");
    }
    Ok(())
}
