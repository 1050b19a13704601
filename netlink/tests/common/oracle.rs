//! What iproute2 says of the same links.

use std::process::Command;

use grounds::Stop;
use serde_json::Value;

/// Runs `ip -json -details link show dev NAME`.
pub(crate) fn ip_link(name: &str) -> Result<Value, Stop> {
    let output = Command::new("ip").args(["-json", "-details", "link", "show", "dev", name]).output()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip link show {name}: {error}");
    let mut links: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    Ok(links.swap_remove(0))
}

/// Compares what it says with what is expected, by their JSON pointers.
#[track_caller]
pub(crate) fn agrees(said: &Value, expected: &[(&str, Value)]) {
    for (pointer, value) in expected {
        assert_eq!(said.pointer(pointer), Some(value), "{pointer} in {said:#}");
    }
}
