//! The objects that systemd has on D-Bus, and calls to them.

use std::fmt::Write;

use super::value::{Property, Value};
use super::wire::Call;

pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(super) const ROOT: &str = "/org/freedesktop/systemd1";
const SYSTEMD: &str = "org.freedesktop.systemd1";

/// A call to the manager.
pub(super) fn to_manager(member: &str, arguments: Vec<Value>) -> Call<'_> {
    Call { destination: SYSTEMD, path: ROOT, interface: MANAGER, member, arguments }
}

/// A question for a property of an object.
pub(super) fn to_get<'a>(path: &'a str, interface: &str, name: &str) -> Call<'a> {
    Call {
        destination: SYSTEMD,
        path,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
        arguments: vec![Value::from(interface), Value::from(name)],
    }
}

/// The object that stands for a unit: its name, with what a path can't hold as hexadecimal digits.
pub(super) fn of_unit(unit: &str) -> String {
    let mut path = format!("{ROOT}/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && at > 0) {
            path.push(byte.into());
        } else {
            // Writing to a text can't fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

/// An array of names and values.
pub(super) fn listed<'a>(properties: impl IntoIterator<Item = &'a Property>) -> Value {
    let pair = |property: &Property| {
        let value = Value::Variant(Box::new(property.value.clone()));
        Value::Struct(vec![Value::Str(property.name.clone()), value])
    };
    Value::Array("(sv)".to_owned(), properties.into_iter().map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_an_object_with_digits_for_what_a_path_can_not_hold() {
        assert_eq!(of_unit("a-1.scope"), "/org/freedesktop/systemd1/unit/a_2d1_2escope");
        assert_eq!(of_unit("7.scope"), "/org/freedesktop/systemd1/unit/_37_2escope");
    }
}
