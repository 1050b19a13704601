//! Compiles the freestanding image of `init/` with the compiler that builds this crate.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=init");
    println!("cargo::rerun-if-changed=src/program.rs");
    for variable in ["RUSTC", "RUSTC_LINKER", "DOCS_RS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let image = PathBuf::from(variable("OUT_DIR")).join("init-image");
    println!("cargo::rustc-env=INIT_IMAGE={}", image.display());

    let target = variable("TARGET").into_string().expect("a target triple is plain text");
    let known = target.starts_with("x86_64-") || target.starts_with("aarch64-");
    if env::var_os("DOCS_RS").is_some() || !target.contains("-linux-") || !known {
        std::fs::write(&image, []).expect("OUT_DIR can be written");
        return;
    }
    let mut tried = Vec::new();
    for linker in linkers() {
        match compile(&target, &linker, &image) {
            Ok(()) => return,
            Err(why) => tried.push(format!("{}: {why}", linker.program.display())),
        }
    }
    panic!("libcontainer's init image can't be built for {target}:\n{}", tried.join("\n"));
}

struct Linker {
    program: PathBuf,
    /// Whether it is called as a linker, or as a compiler that calls one.
    plain: bool,
}

/// The linker that cargo was told to use, else the one that comes with rustc, else the C compiler.
fn linkers() -> Vec<Linker> {
    let mut linkers = Vec::new();
    if let Some(program) = env::var_os("RUSTC_LINKER") {
        let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = name.starts_with("ld") || name.ends_with("-ld") || name.contains("lld");
        linkers.push(Linker { program: program.into(), plain });
    }
    let sysroot = Command::new(variable("RUSTC")).args(["--print", "sysroot"]).output();
    if let Ok(sysroot) = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()) {
        let host = variable("HOST");
        let program = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld");
        linkers.push(Linker { program, plain: true });
    }
    linkers.push(Linker { program: "cc".into(), plain: false });
    linkers
}

fn compile(target: &str, linker: &Linker, image: &Path) -> Result<(), String> {
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-name=init", "--crate-type=bin", "--cap-lints=allow"]);
    rustc.arg(format!("--target={target}")).arg(format!("-Clinker={}", linker.program.display()));
    rustc.args(["-Copt-level=s", "-Clto=fat", "-Ccodegen-units=1", "-Cpanic=abort", "-Cstrip=symbols"]);
    // Fixed addresses: nothing has to be relocated before the first instruction.
    rustc.args(["-Crelocation-model=static", "-Cforce-unwind-tables=no"]);
    if linker.plain {
        rustc.args(["-Clinker-flavor=ld.lld", "-Clink-arg=-static", "-Clink-arg=--build-id=none"]);
    } else {
        rustc.args(["-Clink-arg=-nostdlib", "-Clink-arg=-nostartfiles", "-Clink-arg=-static"]);
        rustc.arg("-Clink-arg=-Wl,--build-id=none");
    }
    rustc.arg("-o").arg(image).arg("init/main.rs");
    let output = rustc.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}
