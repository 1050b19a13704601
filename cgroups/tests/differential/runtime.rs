//! A container of another runtime, made only so far that its cgroup is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use grounds::Rootfs;
use serde_json::{Value, json};

pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    folder: PathBuf,
    root: Rootfs,
}

impl Runtime {
    pub(crate) fn new(name: &'static str) -> io::Result<Runtime> {
        let folder = std::env::temp_dir().join(format!("cgroups-differential-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Runtime { name, folder, root: Rootfs::new()? })
    }

    /// Makes a container with these limits in the cgroup; what the runtime says where it can't.
    pub(crate) fn create(
        &self,
        cgroup: &str,
        resources: &Value,
    ) -> io::Result<Result<Container<'_>, String>> {
        let id = cgroup.trim_start_matches('/').to_owned();
        let bundle = self.folder.join(&id);
        fs::create_dir_all(&bundle)?;
        fs::write(bundle.join("config.json"), self.config(cgroup, resources).to_string())?;
        let errors = fs::File::create(bundle.join("errors"))?;
        let container = Container { runtime: self, id };
        let mut command = container.command(&["create", "--bundle"]);
        // The container has these after the runtime is gone: no pipe.
        let done = command.arg(&bundle).arg(&container.id).stderr(errors).status()?;
        if done.success() {
            return Ok(Ok(container));
        }
        let text = fs::read_to_string(bundle.join("errors"))?;
        Ok(Err(text.lines().last().unwrap_or("it says nothing").to_owned()))
    }

    fn config(&self, cgroup: &str, resources: &Value) -> Value {
        let binds = self.root.binds().iter().map(
            |path| json!({"destination": path, "source": path, "type": "bind", "options": ["rbind", "ro"]}),
        );
        let proc = json!({"destination": "/proc", "source": "proc", "type": "proc"});
        let dev = json!({"destination": "/dev", "source": "tmpfs", "type": "tmpfs", "options": ["mode=755"]});
        let mounts: Vec<_> = [proc, dev].into_iter().chain(binds).collect();
        json!({
            "ociVersion": "1.0.2",
            "process": {"args": ["/bin/sleep", "100"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin:/usr/bin"]},
            "root": {"path": self.root.path()},
            "mounts": mounts,
            "linux": {
                "cgroupsPath": cgroup,
                "resources": resources,
                "namespaces": [{"type": "mount"}, {"type": "pid"}],
            },
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// It is killed and removed when this is dropped.
pub(crate) struct Container<'a> {
    runtime: &'a Runtime,
    id: String,
}

impl Container<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.runtime.name);
        command.arg("--root").arg(self.runtime.folder.join("state")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        drop(self.command(&["delete", "--force", &self.id]).status());
    }
}

/// Whether a program can be found.
pub(crate) fn is_there(name: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(name).exists())
}
