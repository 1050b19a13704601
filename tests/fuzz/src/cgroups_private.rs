//! What kernel and systemd say of cgroups, by the door that the crate opens to the fuzz build.

use cgroups::fuzz;
use cgroups::systemd::{Property, Value, fuzz as systemd};

use crate::laws::{one_line, part};

pub(crate) const COUNTERS: Option<fn(&[u8])> = Some(counters);
pub(crate) const LIST: Option<fn(&[u8])> = Some(list);
pub(crate) const ADDRESS: Option<fn(&[u8])> = Some(address);
pub(crate) const MESSAGE: Option<fn(&[u8])> = Some(message);

fn counters(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let longer = format!("new 7\n{text}");
    for (counts, again) in fuzz::counters(text).into_iter().zip(fuzz::counters(&longer)) {
        match counts {
            Ok(counts) => assert_eq!(again.as_ref(), Ok(&counts), "one line more"),
            Err(error) => one_line(error),
        }
    }
    match fuzz::life(text) {
        Ok(life) => assert_eq!(fuzz::life(&longer), Ok(life), "one line more"),
        Err(error) => one_line(error),
    }
}

fn list(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let bits = systemd::bits(text);
    if let Err(error) = &bits {
        one_line(error);
    }
    // What both readers understand, both understand alike.
    if let (Some(members), Ok(bits)) = (fuzz::members(text), bits) {
        let set = |n: &u32| bits[*n as usize / 8] >> (n % 8) & 1 == 1;
        assert!(members.iter().all(set));
        assert_eq!(bits.iter().map(|byte| byte.count_ones() as usize).sum::<usize>(), members.len());
    }
}

fn address(mut bytes: &[u8]) {
    let Ok(text) = str::from_utf8(part(&mut bytes)) else { return };
    let sockets = systemd::addresses(text);
    assert!(sockets.len() <= text.split(';').count() && sockets.iter().all(|(name, _)| !name.is_empty()));
    // Any name comes back that was written as the specification says.
    if !bytes.is_empty() {
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        for (key, is_abstract) in [("path", false), ("abstract", true)] {
            let found = systemd::addresses(&format!("tcp:host=x;unix:guid=0,{key}={escaped}"));
            assert_eq!(found, [(bytes.to_vec(), is_abstract)]);
        }
    }
}

fn message(bytes: &[u8]) {
    if let Some(Err(error)) = systemd::length(bytes) {
        one_line(error);
    }
    match systemd::arguments(bytes) {
        Ok(arguments) => {
            if let [Value::Struct(_)] = arguments[..] {
                return; // the library takes its fields for several arguments
            }
            let Some(call) = systemd::call(arguments.clone()) else { return };
            assert_eq!(systemd::length(&call), Some(Ok(call.len())));
            let again = systemd::arguments(&call).expect("what was written");
            // Not equal by value: what is no number isn't equal to itself.
            assert_eq!(format!("{again:?}"), format!("{arguments:?}"));
        }
        Err(error) => one_line(error),
    }
}

/// A property can be sent, or is refused by its name; and comes to the manager as it is.
pub(crate) fn sent(property: &Property) {
    // Beside another one: the library takes a structure that is alone for several arguments.
    let arguments = vec![property.value.clone(), Value::Bool(true)];
    let Some(call) = systemd::call(arguments.clone()) else { return };
    assert_eq!(systemd::length(&call), Some(Ok(call.len())));
    let there = systemd::arguments(&call).expect("what was written");
    assert_eq!(format!("{there:?}"), format!("{arguments:?}"));
}

/// Calls as they are sent.
pub(crate) fn calls() -> Vec<Vec<u8>> {
    let values = ["'x'", "uint64 7", "[('PIDs', <[uint32 1, 2]>)]", "(true, 1.5, @as [])", "[byte 1, 2]"];
    let read = |text| Property::parse("X", text).expect("a value").value;
    values.into_iter().filter_map(|text| systemd::call(vec![read(text)])).collect()
}
