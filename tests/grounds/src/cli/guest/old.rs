//! An old kernel: Debian's Linux 5.10, the oldest that is promised to work, in a machine that qemu emulates.
//!
//! It has its drivers as modules, so that its first program comes with it, in a file system in memory
//! (see `early.rs`); from there on it is a guest as the others are.

use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, str};

use nix::mount::{MsFlags, mount};

use super::error::{Error, on};
use super::initramfs::Archive;
use super::{Task, early, find, is_a_word, kernel};

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";

/// The folder's name in the cache.
const NAME: &str = "linux-5.10";

/// The drivers by which the host's files are reached, and the one that lays memory over them.
const DRIVERS: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// For the kernel. What protects processors against each other's users makes emulation much slower; an
/// emulated one may be trusted for random numbers; its clock is the host's, and needs no comparison.
const ARGUMENTS: &str =
    "console=ttyS1 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable nowatchdog";

/// What the emulator takes for every machine: no screen, no network, and an end instead of a new start.
const MACHINE: [&str; 13] = [
    "-machine",
    "pc,accel=tcg",
    "-cpu",
    "qemu64,+rdrand",
    "-m",
    "2G",
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-monitor",
    "none",
];

/// The kernel's folder: an extracted package, or one of the same form.
struct Kernel {
    image: PathBuf,
    /// What the guest shall find in `/lib/modules`.
    modules: PathBuf,
}

/// Says in one line why there can be no such guest.
pub(super) fn missing() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the old kernel is for x86-64".to_owned());
    }
    if find(QEMU).is_none() {
        return Some(format!("{QEMU} is not installed (Debian's package qemu-system-x86)"));
    }
    Kernel::find().err().map(|error| error.to_string())
}

/// Returns the folder that `OLD_KERNEL` names, or that of the cache, where it would be.
fn folder() -> Option<PathBuf> {
    let named = env::var_os("OLD_KERNEL").filter(|named| !named.is_empty());
    named.map(PathBuf::from).or_else(|| kernel::cached(NAME))
}

impl Kernel {
    fn find() -> Result<Kernel, Error> {
        let how = "run `cargo grounds kernel --old`, or set OLD_KERNEL";
        let no = |what: &str| Error::new(format!("no {what} of an old kernel: {how}"));
        let folder = folder().ok_or_else(|| no("folder"))?;
        let image = [folder.clone(), folder.join("boot")].iter().find_map(|folder| entry(folder, "vmlinuz"));
        let modules = entry(&folder.join("lib/modules"), "");
        // Debian's package has no such table: it is made where the package is installed.
        let modules = modules.filter(|folder| folder.join("modules.dep").exists());
        Ok(Kernel {
            image: image.ok_or_else(|| no("vmlinuz"))?,
            modules: modules.ok_or_else(|| no("lib/modules/VERSION/modules.dep"))?,
        })
    }

    /// Returns the files of these drivers and of those they need, in the order in which they are loaded.
    fn drivers(&self) -> Result<Vec<PathBuf>, Error> {
        let file = self.modules.join("modules.dep");
        let table = fs::read_to_string(&file).map_err(on("read", &file))?;
        let mut files = Vec::new();
        for driver in DRIVERS {
            // What has no line is built in.
            for module in needed(&table, driver) {
                let path = self.modules.join(module);
                if !files.contains(&path) {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }
}

/// Fetches Debian's kernel into the cache.
pub(crate) fn fetch() -> Result<PathBuf, Error> {
    kernel::put_into_cache("fetch-old-kernel", NAME, None)
}

/// Tells the warden's command which emulator it keeps, with which machine.
///
/// `init` is what the machine's first program becomes on the host's root: a program and its arguments.
pub(super) fn emulate(
    command: &mut Command,
    folder: &Path,
    task: &Task,
    init: &[&OsStr],
) -> Result<(), Error> {
    let qemu = find(QEMU).ok_or_else(|| Error::new(format!("{QEMU} is not installed")))?;
    let kernel = Kernel::find()?;
    let archive = folder.join("initramfs");
    let bytes = first_files(Path::new(init[0]), &kernel.drivers()?)?;
    fs::write(&archive, bytes).map_err(on("write", &archive))?;

    command.arg(qemu).args(MACHINE);
    command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(&archive);
    // The first serial line is ours and goes to standard output; the second is the kernel's console.
    for file in ["/dev/stdout", "/dev/stderr"] {
        command.args(["-serial", &format!("file:{file}")]);
    }
    share(command, Path::new("/"), "on");
    share(command, folder, "on");
    for folder in &task.writable {
        share(command, folder, "off");
    }
    command.arg("-append").arg(kernel_arguments(init)?);
    Ok(())
}

/// Shares a folder of the host with the guest.
fn share(command: &mut Command, folder: &Path, readonly: &str) {
    let tag = tag(folder);
    // A comma would end the path: in the emulator's language two stand for one.
    let bytes = folder.as_os_str().as_bytes();
    let path = bytes.split(|byte| *byte == b',').collect::<Vec<_>>().join(&b",,"[..]);
    let mut share = OsString::from(format!("local,id={tag},security_model=none,readonly={readonly},"));
    share.push("multidevs=remap,path=");
    share.push(OsString::from_vec(path));
    command.arg("-fsdev").arg(share);
    command.args(["-device", &format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}")]);
}

/// Returns what a share is called: no name has more than 31 bytes.
fn tag(folder: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    format!("f{:016x}", hasher.finish())
}

fn kernel_arguments(init: &[&OsStr]) -> Result<OsString, Error> {
    let mut line = OsString::from(ARGUMENTS);
    // An unknown argument is a variable of the first program's environment: there, `Kernel::find` goes by it.
    let folder = folder().ok_or_else(|| Error::new("no folder of an old kernel"))?;
    let folder = fs::canonicalize(&folder).map_err(on("find", &folder))?;
    line.push(" OLD_KERNEL=");
    line.push(&folder);
    line.push(" -- guest-early");
    for word in init {
        line.push(" ");
        line.push(word);
    }
    if !is_a_word(&folder) || init.iter().any(|word| !is_a_word(Path::new(word))) {
        return Err(Error::new(format!("not words for a kernel's command line: {line:?}")));
    }
    Ok(line)
}

/// Returns the file system that comes with the kernel: this program, its libraries, and drivers.
fn first_files(program: &Path, drivers: &[PathBuf]) -> Result<Vec<u8>, Error> {
    let mut archive = Archive::default();
    let mut add = |path: &Path, file: &Path| {
        let bytes = fs::read(file).map_err(on("read", file))?;
        archive.add(path, &bytes);
        Ok::<(), Error>(())
    };
    add(Path::new("/init"), program)?;
    for library in libraries(program)? {
        add(&library, &library)?;
    }
    for (number, driver) in drivers.iter().enumerate() {
        let name = driver.file_name().unwrap_or_default().to_string_lossy();
        add(&Path::new(early::DRIVERS).join(format!("{number:02}-{name}")), driver)?;
    }
    Ok(archive.into_bytes())
}

/// Returns the libraries of a program, its loader among them. The loader itself tells: ld.so(8).
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let output = Command::new(program).arg("--help").env("LD_TRACE_LOADED_OBJECTS", "1").output();
    let output = output.map_err(on("run", program))?;
    let text = str::from_utf8(&output.stdout).map_err(on("list the libraries of", program))?;
    // `libc.so.6 => /lib/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`
    let paths = text
        .lines()
        .filter(|line| line.starts_with('\t'))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}

/// In the guest: mounts a folder of the host.
pub(super) fn mount_share(folder: &Path, place: &Path, flags: MsFlags) -> Result<(), Error> {
    // What nobody writes to is asked for once.
    let cache = if flags.contains(MsFlags::MS_RDONLY) { "loose" } else { "mmap" };
    let options = format!("trans=virtio,version=9p2000.L,msize=512000,cache={cache}");
    mount(Some(tag(folder).as_str()), place, Some("9p"), flags, Some(options.as_str()))
        .map_err(on("mount the host's folder on", place))
}

/// In the guest: returns the folder of the kernel's modules, and where programs look for it.
pub(super) fn modules() -> Result<(PathBuf, PathBuf), Error> {
    let modules = Kernel::find()?.modules;
    let place = Path::new("/lib/modules").join(modules.file_name().unwrap_or_default());
    Ok((modules, place))
}

/// Returns the driver's module and those it needs, which come before it: modules.dep(5).
fn needed<'a>(table: &'a str, driver: &str) -> Vec<&'a str> {
    let line = table.lines().filter_map(|line| line.split_once(':')).find(|(module, _)| {
        let name = module.rsplit('/').next().unwrap_or(module);
        name.split('.').next() == Some(driver)
    });
    let Some((module, others)) = line else { return Vec::new() };
    let mut modules: Vec<&str> = others.split_whitespace().rev().collect();
    modules.push(module);
    modules
}

/// Returns the folder's entry whose name begins so; the last one, if there are more.
fn entry(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .filter(|entry| entry.file_name().as_bytes().starts_with(prefix.as_bytes()))
        .map(|entry| entry.path())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_comes_after_those_it_needs() {
        let table = "kernel/virtio/virtio.ko:\nkernel/p/virtio_pci.ko: kernel/virtio/ring.ko kernel/virtio/virtio.ko\n";
        let files = ["kernel/virtio/virtio.ko", "kernel/virtio/ring.ko", "kernel/p/virtio_pci.ko"];
        assert_eq!(needed(table, "virtio_pci"), files);
        assert_eq!(needed(table, "virtio"), files[..1]);
        assert!(needed(table, "pci").is_empty());
    }

    #[test]
    fn a_path_with_a_comma_is_one_path() {
        let mut command = Command::new("emulator");
        share(&mut command, Path::new("/a,b"), "on");
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(words[1].ends_with(",path=/a,,b"), "{words:?}");
    }
}
