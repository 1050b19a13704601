//! Runs a fuzz target.
//!
//! As built by `cargo grounds fuzz` this is a libFuzzer program: `FUZZ_TARGET` names the target, the
//! arguments are libFuzzer's. Otherwise it runs inputs once: `fuzz TARGET FILE…`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod fuzzer {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::{env, process};

    use fuzz::Target;

    static TARGET: OnceLock<Target> = OnceLock::new();

    libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| {
        if let Some(run) = TARGET.get().and_then(|target| target.run) {
            run(bytes);
        }
    });

    /// Chooses the target; or does what `FUZZ_DO` says instead, and ends.
    fn begin() {
        let name = env::var("FUZZ_TARGET").unwrap_or_default();
        let task = env::var("FUZZ_DO").unwrap_or_default();
        if task == "list" {
            for target in fuzz::targets() {
                println!("{}\t{}", target.name, target.feeds);
            }
            process::exit(0);
        }
        let Some(target) = fuzz::find(&name) else {
            eprintln!("FUZZ_TARGET {name:?}: there is no such target");
            process::exit(2);
        };
        let folder = PathBuf::from(env::var_os("FUZZ_FOLDER").unwrap_or_default());
        let done = match task.as_str() {
            "" => {
                TARGET.get_or_init(|| target);
                return;
            }
            "unpack" => fuzz::unpack(&target, &folder, false),
            "seeds" => fuzz::unpack(&target, &folder, true),
            "keep" => fuzz::keep(&target, &folder),
            _ => Err(std::io::Error::other("FUZZ_DO: is none of list, unpack, seeds and keep")),
        };
        match done {
            Ok(()) => process::exit(0),
            Err(error) => {
                eprintln!("{task} inputs of {name} in {folder:?}: {error}");
                process::exit(2);
            }
        }
    }
}

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for target in fuzz::targets() {
            println!("{:26} {}", target.name, target.feeds);
        }
        return ExitCode::SUCCESS;
    };
    let Some(target) = fuzz::find(&name) else {
        eprintln!("target {name:?}: there is none");
        return ExitCode::FAILURE;
    };
    let Some(run) = target.run else {
        eprintln!("target {name:?}: only the fuzz build reaches it; see cargo grounds fuzz");
        return ExitCode::FAILURE;
    };
    for file in arguments {
        match std::fs::read(&file) {
            Ok(bytes) => run(&bytes),
            Err(error) => {
                eprintln!("read {file:?}: {error}");
                return ExitCode::FAILURE;
            }
        }
        println!("{file}: well");
    }
    ExitCode::SUCCESS
}
