use libcontainer::*;
fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let rootfs = args.remove(0);
    let mut config = Config::new(&rootfs);
    if !nix::unistd::geteuid().is_root() { config = config.rootless(); }
    config.hostname = Some("box".into());
    config.process.args = args;
    match Container::run(&config, Io::default()).and_then(|mut c| c.wait()) {
        Ok(s) => println!("{s}"),
        Err(e) => { println!("ERROR {e}"); std::process::exit(1) }
    }
}
