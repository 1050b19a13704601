//! Overlays with more layers, and with longer and stranger names, than one string of options holds.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use grounds::faults::Refused;
use grounds::{Outcome, Stop, ignored, tests};
use mount::{Attributes, ErrorKind, Overlay, force_mount};
use nix::errno::Errno;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        four_hundred_layers_with_long_paths_are_all_there,
        a_long_word_of_options_is_taken_apart,
        a_short_word_of_options_stays_as_it_is,
        layers_have_names_of_any_bytes,
        paths_beyond_the_kernels_strings_are_given_open,
        layers_are_given_open_or_beneath_a_root,
        the_upper_layer_takes_the_changes,
        a_missing_layer_is_told_by_its_path,
        no_layer_and_too_many_are_errors,
        options_and_attributes_arrive,
        words_for_the_filesystem_are_kept_with_long_layers,
        half_an_upper_layer_is_an_error_with_long_layers_too,
        a_directory_may_be_called_like_the_kernels_words,
        without_single_layers_the_old_call_takes_what_fits,
    ])
}

fn ground() -> Result<PathBuf, Stop> {
    grounds::mountns()?;
    if !fs::read_to_string("/proc/filesystems")?.contains("overlay") {
        return Err(ignored("this kernel has no overlay"));
    }
    force_mount("tmpfs", "/tmp", "tmpfs", "")?;
    fs::create_dir("/tmp/merged")?;
    Ok(PathBuf::from("/tmp/merged"))
}

/// Says that a layer can be given alone here.
fn single_layers() -> Outcome {
    grounds::calls(&["fsopen", "move_mount"])?;
    fs::create_dir_all("/tmp/probe")?;
    match Overlay::new().lower("/tmp/probe").lower("/tmp").create() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(ignored(error.to_string())),
        _ => Ok(()),
    }
}

/// Makes a layer with a file of its own name in it.
fn layer(path: &Path, file: &str) -> Outcome {
    fs::create_dir_all(path)?;
    fs::write(path.join(file), file)?;
    Ok(())
}

fn layers(count: usize) -> Result<Vec<PathBuf>, Stop> {
    let dir = PathBuf::from("/tmp").join("d".repeat(190));
    let paths: Vec<_> = (0..count).map(|i| dir.join(format!("{i:04}"))).collect();
    for (i, path) in paths.iter().enumerate() {
        layer(path, &format!("{i}"))?;
    }
    Ok(paths)
}

fn assert_all_there(merged: &Path, count: usize) {
    for i in 0..count {
        assert_eq!(fs::read_to_string(merged.join(i.to_string())).unwrap(), i.to_string());
    }
}

fn four_hundred_layers_with_long_paths_are_all_there() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    let paths = layers(400)?;
    assert!(paths[0].as_os_str().len() >= 200);
    Overlay::new().lowers(&paths).mount(&merged)?;
    assert_all_there(&merged, 400);
    let words: Vec<_> = mount::mount_of(&merged)?.unwrap().super_words().collect();
    let told = words.iter().filter(|word| word.as_bytes().starts_with(b"lowerdir+=")).count();
    assert_eq!(told, 400);
    Ok(())
}

fn a_long_word_of_options_is_taken_apart() -> Outcome {
    // mount(2) cut the word at 4,095 bytes, and came up with layers missing.
    let merged = ground()?;
    single_layers()?;
    let paths = layers(100)?;
    for dir in ["/tmp/upper", "/tmp/work"] {
        fs::create_dir(dir)?;
    }
    let list: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let options = format!("nodev,lowerdir={},upperdir=/tmp/upper,workdir=/tmp/work,ro=vfs", list.join(":"));
    mount::mount("mine", &merged, "overlay", &options)?;
    assert_all_there(&merged, 100);
    let info = mount::mount_of(&merged)?.unwrap();
    assert_eq!((info.source.to_str(), info.options.to_str()), (Some("mine"), Some("ro,nodev,relatime")));
    assert!(info.super_words().any(|word| word == "upperdir=/tmp/upper"));
    Ok(())
}

fn a_short_word_of_options_stays_as_it_is() -> Outcome {
    let merged = ground()?;
    layer(Path::new("/tmp/a:b"), "1")?;
    layer(Path::new("/tmp/c"), "2")?;
    mount::mount("overlay", &merged, "overlay", r"lowerdir=/tmp/a\:b:/tmp/c")?;
    assert!(merged.join("1").exists() && merged.join("2").exists());
    Ok(())
}

fn layers_have_names_of_any_bytes() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    let names: [&[u8]; 6] = [b"a:b", b"c,d", b"e\\f", b"g h\ni", b"\xff\xfe", b"plain"];
    let paths: Vec<_> = names.iter().map(|name| Path::new("/tmp").join(OsStr::from_bytes(name))).collect();
    for (i, path) in paths.iter().enumerate() {
        layer(path, &i.to_string())?;
    }
    for dir in [r"/tmp/upper,:\u", r"/tmp/work,:\w"] {
        fs::create_dir(dir)?;
    }
    Overlay::new().lowers(&paths).upper(r"/tmp/upper,:\u", r"/tmp/work,:\w").mount(&merged)?;
    assert_all_there(&merged, names.len());
    fs::write(merged.join("new"), "")?;
    assert!(Path::new(r"/tmp/upper,:\u/new").exists());
    Ok(())
}

fn paths_beyond_the_kernels_strings_are_given_open() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    let dir = PathBuf::from("/tmp").join("e".repeat(200)).join("f".repeat(200));
    let paths: Vec<_> = (0..3).map(|i| dir.join(i.to_string())).collect();
    for (i, path) in paths.iter().enumerate() {
        layer(path, &i.to_string())?;
    }
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    Overlay::new().lowers(&paths).upper(&upper, &work).mount(&merged)?;
    assert_all_there(&merged, 3);
    fs::write(merged.join("new"), "")?;
    assert!(upper.join("new").exists());
    Ok(())
}

fn layers_are_given_open_or_beneath_a_root() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    layer(Path::new("/tmp/root/layer"), "0")?;
    layer(Path::new("/tmp/open"), "1")?;
    // A link that would lead elsewhere, were it followed from outside.
    std::os::unix::fs::symlink("/layer", "/tmp/root/link")?;
    let root = mount::Root::open("/tmp/root")?;
    let open = OwnedFd::from(File::open("/tmp/open")?);
    Overlay::new().lower(root.at("link")).lower(open.as_fd()).mount(&merged)?;
    assert_all_there(&merged, 2);
    Ok(())
}

fn the_upper_layer_takes_the_changes() -> Outcome {
    let merged = ground()?;
    layer(Path::new("/tmp/lower"), "0")?;
    fs::create_dir("/tmp/upper")?;
    fs::create_dir("/tmp/work")?;
    Overlay::new().lower("/tmp/lower").upper("/tmp/upper", "/tmp/work").mount(&merged)?;
    fs::write(merged.join("0"), "changed")?;
    assert_eq!(fs::read_to_string("/tmp/upper/0")?, "changed");
    assert_eq!(fs::read_to_string("/tmp/lower/0")?, "0");
    Ok(())
}

fn a_missing_layer_is_told_by_its_path() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    layer(Path::new("/tmp/lower"), "0")?;
    let error = Overlay::new().lower("/tmp/lower").lower("/tmp/nothing").mount(&merged).unwrap_err();
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::NotFound, Some(Path::new("/tmp/nothing"))),
        "{error}"
    );
    assert!(error.to_string().contains("/tmp/nothing"), "{error}");
    assert!(!mount::mounted(&merged)?);
    Ok(())
}

fn no_layer_and_too_many_are_errors() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    let error = Overlay::new().mount(&merged).unwrap_err();
    let text = r#"mount overlay on "/tmp/merged": an overlay needs a layer below"#;
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, text));
    let paths = layers(501)?;
    let error = Overlay::new().lowers(&paths).mount(&merged).unwrap_err();
    assert!(error.to_string().contains("too many lower directories"), "{error}");
    Ok(())
}

fn options_and_attributes_arrive() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    layer(Path::new("/tmp/lower"), "0")?;
    fs::create_dir("/tmp/upper")?;
    fs::create_dir("/tmp/work")?;
    Overlay::new()
        .lower("/tmp/lower")
        .upper("/tmp/upper", "/tmp/work")
        .set("redirect_dir", "nofollow")
        .set_flag("volatile")
        .attributes(Attributes::NOSUID)
        .source("layers")
        .mount(&merged)?;
    let info = mount::mount_of(&merged)?.unwrap();
    assert_eq!((info.source.to_str(), info.options.to_str()), (Some("layers"), Some("rw,nosuid,relatime")));
    let words: Vec<_> = info.super_words().collect();
    // Newer kernels say fsync=volatile.
    let has = |end: &str| words.iter().any(|word| word.to_str().unwrap().ends_with(end));
    assert!(has("volatile") && has("redirect_dir=nofollow"), "{words:?}");
    Ok(())
}

/// Two layers whose names together are longer than one string of fsconfig(2).
fn long_lowerdir() -> Result<String, Stop> {
    let paths = layers(2)?;
    Ok(format!("lowerdir={}:{}", paths[0].display(), paths[1].display()))
}

fn words_for_the_filesystem_are_kept_with_long_layers() -> Outcome {
    let merged = ground()?;
    single_layers()?;
    mount::mount("overlay", &merged, "overlay", format!("{},sync,dirsync,ro=vfs", long_lowerdir()?))?;
    let info = mount::mount_of(&merged)?.unwrap();
    let words: Vec<_> = info.super_words().collect();
    assert!(["sync", "dirsync"].iter().all(|word| words.contains(&word.into())), "{words:?}");
    assert!(info.has_option("ro"));
    Ok(())
}

fn half_an_upper_layer_is_an_error_with_long_layers_too() -> Outcome {
    // It was left out, and the overlay was read-only.
    let merged = ground()?;
    let options = format!("{},upperdir=/tmp/upper", long_lowerdir()?);
    let error = mount::mount("overlay", &merged, "overlay", options).unwrap_err();
    let text = r#"mount "overlay" on "/tmp/merged": an overlay with upperdir needs workdir too"#;
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, text));
    Ok(())
}

fn a_directory_may_be_called_like_the_kernels_words() -> Outcome {
    ground()?;
    single_layers()?;
    let merged = Path::new("/tmp/Unknown parameter");
    fs::create_dir(merged)?;
    Overlay::new().lowers(&layers(30)?).mount(merged)?;
    assert_all_there(merged, 30);
    Ok(())
}

fn without_single_layers_the_old_call_takes_what_fits() -> Outcome {
    let merged = ground()?;
    Refused::new().call("fsopen", Errno::ENOSYS).install()?;
    let paths = layers(30)?;
    // 6 kB of names, short ones of open descriptors instead.
    Overlay::new().lowers(&paths).attributes(Attributes::RDONLY | Attributes::NOSUID).mount(&merged)?;
    assert_all_there(&merged, 30);
    let info = mount::mount_of(&merged)?.unwrap();
    assert!(info.has_option("ro") && info.has_option("nosuid"));
    mount::unmount(&merged)?;
    let paths = layers(400)?;
    let error = Overlay::new().lowers(&paths).mount(&merged).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("of which mount(2) takes 4095"), "{error}");
    Ok(())
}
