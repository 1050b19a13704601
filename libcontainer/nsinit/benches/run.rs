//! A bundle from its beginning to its end, by nsinit and by runc where it is installed, in turn and as
//! whole processes: `cargo bench -p nsinit` as root, with a static busybox in the PATH.

#![allow(missing_docs)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, process};

const ROUNDS: usize = 60;

fn main() -> io::Result<()> {
    let folder = env::temp_dir().join(format!("bundle-{}", process::id()));
    let measured = bundle(&folder).and_then(|()| measure(&folder));
    fs::remove_dir_all(&folder)?;
    measured
}

/// A bundle as `spec` writes it, without a terminal, with a program that ends at once.
fn bundle(folder: &Path) -> io::Result<()> {
    let bin = folder.join("rootfs/bin");
    fs::create_dir_all(&bin)?;
    let path = env::var_os("PATH").unwrap_or_default();
    let busybox = env::split_paths(&path).map(|folder| folder.join("busybox")).find(|file| file.exists());
    fs::copy(busybox.ok_or(io::ErrorKind::NotFound)?, bin.join("busybox"))?;
    symlink("busybox", bin.join("true"))?;
    assert!(Command::new(env!("CARGO_BIN_EXE_nsinit")).arg("spec").current_dir(folder).status()?.success());
    let file = folder.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = vec!["/bin/true"].into();
    fs::write(file, config.to_string())
}

fn measure(folder: &Path) -> io::Result<()> {
    let programs = [env!("CARGO_BIN_EXE_nsinit"), "runc"];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (program, times) in programs.iter().zip(&mut times) {
            let mut command = Command::new(program);
            command.args(["run", "--bundle"]).arg(folder).arg(format!("bench-{}-{round}", process::id()));
            let begin = Instant::now();
            match command.stdin(Stdio::null()).status() {
                Ok(status) => assert!(status.success(), "{program}: {status}"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            times.push(begin.elapsed());
        }
    }
    for (program, times) in programs.iter().zip(&mut times).filter(|(_, times)| !times.is_empty()) {
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("{program}: median {:.1} ms, fastest {:.1} ms", ms(times[times.len() / 2]), ms(times[0]));
    }
    Ok(())
}
