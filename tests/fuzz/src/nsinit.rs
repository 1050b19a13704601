//! The command line of nsinit, up to what a command does with it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use lexopt::Parser;

use crate::Target;
use crate::args::{Arguments, Global, one};

pub(crate) fn targets() -> Vec<Target> {
    vec![Target {
        name: "nsinit-arguments",
        feeds: "a command line, arguments apart by NULs: no word comes from nowhere",
        run: Some(arguments),
        seeds: || {
            [
                "--root\0/r\0--log-format=json\0--debug\0state\0web",
                "--log\0f\0--log-format\0text\0kill\0web\0--\0-9",
                "--systemd-cgroup",
                "-v",
                "--rootless=auto\0list\0-q",
            ]
            .map(|text| text.as_bytes().to_vec())
            .to_vec()
        },
    }]
}

fn arguments(bytes: &[u8]) {
    let words: Vec<_> =
        bytes.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    for rest in [false, true] {
        let mut arguments = Arguments(Parser::from_args(words.clone()));
        let Ok(global) = Global::read(&mut arguments) else { continue };
        if global.command.is_none() {
            continue;
        }
        let left = if rest { arguments.rest().map(Some) } else { arguments.words("state") };
        if let Ok(Some(left)) = left {
            assert!(left.len() < words.len(), "more words than arguments");
            let named = one(&left, "state").ok();
            assert_eq!(named.is_some(), left.len() == 1);
        }
    }
}
