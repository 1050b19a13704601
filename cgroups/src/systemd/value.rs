//! The value of a unit's property: what D-Bus can carry.

use std::fmt::{self, Display};

use zbus::{Array, Signature, Structure, Variant};

use crate::resources::invalid;
use crate::{Error, Result};

/// One setting of a unit, by the name that D-Bus has for it: `TasksMax`, `MemoryMax` ([`org.freedesktop.systemd1`]).
///
/// [`org.freedesktop.systemd1`]: https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Property {
    /// What is set.
    pub name: String,
    /// To what.
    pub value: Value,
}

/// A value of a type that D-Bus knows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `b`.
    Bool(bool),
    /// `y`.
    U8(u8),
    /// `n`.
    I16(i16),
    /// `q`.
    U16(u16),
    /// `i`.
    I32(i32),
    /// `u`.
    U32(u32),
    /// `x`.
    I64(i64),
    /// `t`.
    U64(u64),
    /// `d`.
    F64(f64),
    /// `s`.
    Str(String),
    /// `o`, as a text.
    Path(String),
    /// `g`, as a text.
    Signature(String),
    /// `v`.
    Variant(Box<Value>),
    /// `(…)`.
    Struct(Vec<Value>),
    /// `a…`: the type of the elements in D-Bus' letters, which an empty array needs as well, and the elements.
    Array(String, Vec<Value>),
}

impl Property {
    /// Names a value.
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Property {
        Property { name: name.into(), value: value.into() }
    }

    /// Reads a property as an annotation `org.systemd.property.NAME` of a container's configuration gives it: the
    /// value in the [text format of GVariant].
    ///
    /// A name that ends in `Sec` stands for the property that ends in `USec`, which is what D-Bus has; its number,
    /// whole or with a fraction, is then in seconds.
    ///
    /// ```
    /// use cgroups::systemd::Property;
    ///
    /// let property = Property::parse("TimeoutStopSec", "1.5")?;
    /// assert_eq!(property, Property::new("TimeoutStopUSec", 1_500_000_u64));
    /// assert_eq!(Property::parse("CollectMode", "'inactive-or-failed'")?.value.signature(), "s");
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// [text format of GVariant]: https://docs.gtk.org/glib/gvariant-text-format.html
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) with the place in the text where it stops to make sense.
    pub fn parse(name: &str, text: &str) -> Result<Property> {
        let refused = |why: String| invalid(&format!("systemd property {name:?}"), text, why);
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric())
            && name.starts_with(|c: char| c.is_ascii_uppercase());
        if !named {
            return Err(refused("the name is not one of letters with a capital first".to_owned()));
        }
        let value = super::gvariant::parse(text).map_err(refused)?;
        // MemorySec would be no time; in the names of times a small letter stands before it.
        match name.strip_suffix("Sec").filter(|stem| stem.ends_with(|c: char| c.is_ascii_lowercase())) {
            Some(stem) => match microseconds(&value) {
                Some(micros) => Ok(Property::new(format!("{stem}USec"), micros)),
                None => Err(refused("a time is a number of seconds, not negative".to_owned())),
            },
            None => Ok(Property { name: name.to_owned(), value }),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "compared with a bound far below what is lost")]
fn microseconds(value: &Value) -> Option<u64> {
    const SECOND: u64 = 1_000_000;
    let whole = |n: u64| n.checked_mul(SECOND);
    match *value {
        Value::U8(n) => whole(n.into()),
        Value::U16(n) => whole(n.into()),
        Value::U32(n) => whole(n.into()),
        Value::U64(n) => whole(n),
        Value::I16(n) => u64::try_from(n).ok().and_then(whole),
        Value::I32(n) => u64::try_from(n).ok().and_then(whole),
        Value::I64(n) => u64::try_from(n).ok().and_then(whole),
        Value::F64(n) => {
            let micros = (n * SECOND as f64).round();
            (micros >= 0.0 && micros < u64::MAX as f64).then_some(micros as u64)
        }
        _ => None,
    }
}

impl Value {
    /// Returns the type in D-Bus' letters: `t`, `as`, `a(ss)`.
    pub fn signature(&self) -> String {
        match self {
            Value::Bool(_) => "b".to_owned(),
            Value::U8(_) => "y".to_owned(),
            Value::I16(_) => "n".to_owned(),
            Value::U16(_) => "q".to_owned(),
            Value::I32(_) => "i".to_owned(),
            Value::U32(_) => "u".to_owned(),
            Value::I64(_) => "x".to_owned(),
            Value::U64(_) => "t".to_owned(),
            Value::F64(_) => "d".to_owned(),
            Value::Str(_) => "s".to_owned(),
            Value::Path(_) => "o".to_owned(),
            Value::Signature(_) => "g".to_owned(),
            Value::Variant(_) => "v".to_owned(),
            Value::Struct(fields) => format!("({})", fields.iter().map(Value::signature).collect::<String>()),
            Value::Array(element, _) => format!("a{element}"),
        }
    }

    /// Returns the text, of a string or an object path.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) | Value::Path(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, of any of the unsigned types.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::U8(n) => Some(n.into()),
            Value::U16(n) => Some(n.into()),
            Value::U32(n) => Some(n.into()),
            Value::U64(n) => Some(n),
            _ => None,
        }
    }

    /// An array of pairs of strings, as `DeviceAllow` is one.
    pub(crate) fn pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
        let pair = |(a, b)| Value::Struct(vec![Value::Str(a), Value::Str(b)]);
        Value::Array("(ss)".to_owned(), pairs.into_iter().map(pair).collect())
    }

    /// As the library that writes it wants it.
    pub(crate) fn to_variant(&self) -> zbus::Result<Variant<'static>> {
        Ok(match self {
            Value::Bool(b) => Variant::Bool(*b),
            Value::U8(n) => Variant::U8(*n),
            Value::I16(n) => Variant::I16(*n),
            Value::U16(n) => Variant::U16(*n),
            Value::I32(n) => Variant::I32(*n),
            Value::U32(n) => Variant::U32(*n),
            Value::I64(n) => Variant::I64(*n),
            Value::U64(n) => Variant::U64(*n),
            Value::F64(n) => Variant::F64(*n),
            // The library writes it, and the bus cuts off who sends it.
            Value::Str(text) if text.contains('\0') => {
                return Err(zbus::Error::Failure(format!("{text:?} has a zero byte")));
            }
            Value::Str(text) => Variant::Str(text.clone().into()),
            Value::Path(text) => Variant::ObjectPath(zbus::ObjectPath::try_from(text.clone())?),
            Value::Signature(text) => Variant::Signature(one_type(text)?),
            Value::Variant(inner) => {
                short(&inner.signature())?;
                Variant::Variant(Box::new(inner.to_variant()?))
            }
            Value::Struct(fields) => {
                let mut structure = Structure::builder();
                for field in fields {
                    structure.push_value(field.to_variant()?);
                }
                Variant::Structure(structure.build()?)
            }
            Value::Array(element, elements) => {
                let mut array = Array::new(&one_type(element)?);
                for element in elements {
                    array.append(element.to_variant()?)?;
                }
                Variant::Array(array)
            }
        })
    }

    /// As the library that reads it gives it; `None` for what no unit has: dictionaries and descriptors.
    pub(crate) fn from_variant(variant: &Variant<'_>) -> Option<Value> {
        Some(match variant {
            Variant::Bool(b) => Value::Bool(*b),
            Variant::U8(n) => Value::U8(*n),
            Variant::I16(n) => Value::I16(*n),
            Variant::U16(n) => Value::U16(*n),
            Variant::I32(n) => Value::I32(*n),
            Variant::U32(n) => Value::U32(*n),
            Variant::I64(n) => Value::I64(*n),
            Variant::U64(n) => Value::U64(*n),
            Variant::F64(n) => Value::F64(*n),
            Variant::Str(text) => Value::Str(text.as_str().to_owned()),
            Variant::ObjectPath(path) => Value::Path(path.as_str().to_owned()),
            Variant::Signature(signature) => Value::Signature(signature.to_string()),
            Variant::Variant(inner) => Value::Variant(Box::new(Value::from_variant(inner)?)),
            Variant::Structure(structure) => {
                Value::Struct(structure.fields().iter().map(Value::from_variant).collect::<Option<_>>()?)
            }
            Variant::Array(array) => Value::Array(
                array.element_signature().to_string(),
                array.inner().iter().map(Value::from_variant).collect::<Option<_>>()?,
            ),
            Variant::Dict(_) | Variant::Fd(_) => return None,
        })
    }
}

/// Refuses a type that D-Bus can't write; the library would panic.
fn short(kind: &str) -> zbus::Result<()> {
    if kind.len() > 255 {
        return Err(zbus::Error::Failure(format!("a type of {} letters", kind.len())));
    }
    Ok(())
}

/// The library takes several types in a row for a structure of them, and would send that.
fn one_type(text: &str) -> zbus::Result<Signature> {
    short(text)?;
    let kind = Signature::try_from(text)?;
    if kind.to_string() == text {
        Ok(kind)
    } else {
        Err(zbus::Error::Failure(format!("{text:?} is not one type")))
    }
}

/// Writes the value for an error's line: a text in quotes, the rest plain.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: char, items: &[Value], close: char| {
            write!(f, "{open}")?;
            for (at, item) in items.iter().enumerate() {
                write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
            }
            write!(f, "{close}")
        };
        match self {
            Value::Bool(b) => write!(f, "{b}"),
            Value::U8(n) => write!(f, "{n}"),
            Value::I16(n) => write!(f, "{n}"),
            Value::U16(n) => write!(f, "{n}"),
            Value::I32(n) => write!(f, "{n}"),
            Value::U32(n) => write!(f, "{n}"),
            Value::I64(n) => write!(f, "{n}"),
            Value::U64(n) => write!(f, "{n}"),
            Value::F64(n) => write!(f, "{n}"),
            Value::Str(text) | Value::Path(text) | Value::Signature(text) => write!(f, "{text:?}"),
            Value::Variant(inner) => write!(f, "<{inner}>"),
            Value::Struct(fields) => list(f, '(', fields, ')'),
            Value::Array(_, elements) => list(f, '[', elements, ']'),
        }
    }
}

macro_rules! from {
    ($($kind:ty => $variant:ident),*) => { $(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Value {
                Value::$variant(value.into())
            }
        }
    )* };
}

from!(bool => Bool, u8 => U8, u32 => U32, u64 => U64, i32 => I32, i64 => I64, f64 => F64, &str => Str, String => Str);

/// An array of bytes.
impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        Value::Array("y".to_owned(), bytes.into_iter().map(Value::U8).collect())
    }
}

/// An array of strings.
impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Value {
        Value::Array("s".to_owned(), texts.into_iter().map(Value::Str).collect())
    }
}

/// The library's refusal to write a value: a string with a zero byte, an array of different types.
pub(crate) fn unspeakable(what: impl Display, cause: &zbus::Error) -> Error {
    Error::new(crate::ErrorKind::InvalidInput, format!("{what}: D-Bus can't carry it: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_type_too_long_for_the_wire_is_refused() {
        // Found by fuzzing: the library panicked.
        let many = || vec![Value::Bool(true); 300];
        for value in [
            Value::Variant(Box::new(Value::Struct(many()))),
            Value::Variant(Box::new(Value::Array(format!("({})", "b".repeat(300)), Vec::new()))),
            Value::Signature("b".repeat(300)),
            // Found later: it was sent as "(vsv)".
            Value::Signature("vsv".to_owned()),
        ] {
            assert!(value.to_variant().is_err());
        }
    }

    #[test]
    fn a_value_comes_back_from_the_library_as_it_went_there() {
        let values = [
            Value::from(true),
            Value::from(u64::MAX),
            Value::from(-3_i32),
            Value::from("x"),
            Value::from(vec![1_u8, 255]),
            Value::from(Vec::<String>::new()),
            Value::pairs([("/dev/null".to_owned(), "rwm".to_owned())]),
            Value::pairs([]),
            Value::Variant(Box::new(Value::F64(0.5))),
        ];
        for value in values {
            let variant = value.to_variant().unwrap();
            assert_eq!(variant.value_signature().to_string(), value.signature());
            assert_eq!(Value::from_variant(&variant), Some(value));
        }
    }

    #[test]
    fn an_array_of_different_things_is_refused() {
        let mixed = Value::Array("s".to_owned(), vec![Value::from("x"), Value::from(1_u32)]);
        assert!(mixed.to_variant().is_err());
        assert!(Value::Array("nonsense".to_owned(), vec![]).to_variant().is_err());
    }

    #[test]
    fn a_text_with_a_zero_byte_is_refused_before_the_bus_hangs_up_over_it() {
        assert!(Value::from("a\0b").to_variant().is_err());
        assert!(Value::from(vec!["a\0b".to_owned()]).to_variant().is_err());
        assert!(Value::Path("/a\0b".to_owned()).to_variant().is_err());
    }

    #[test]
    fn a_time_in_seconds_becomes_microseconds() {
        let micros = |text: &str| Property::parse("TimeoutStopSec", text).map(|p| (p.name, p.value));
        let named = |n: u64| ("TimeoutStopUSec".to_owned(), Value::U64(n));
        assert_eq!(micros("3").unwrap(), named(3_000_000));
        assert_eq!(micros("uint64 3").unwrap(), named(3_000_000));
        assert_eq!(micros("0.25").unwrap(), named(250_000));
        for bad in ["-1", "'3'", "-0.5", "1e300", "uint64 18446744073709551615"] {
            assert_eq!(micros(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
        // Not a time: no small letter before.
        assert_eq!(Property::parse("XSec", "3").unwrap().name, "XSec");
    }

    #[test]
    fn a_property_s_name_is_letters() {
        for bad in ["", "memoryMax", "Memory.Max", "Memory Max", "Größe", "1"] {
            let error = Property::parse(bad, "1").unwrap_err();
            assert!(error.to_string().starts_with(&format!("set systemd property {bad:?}")), "{error}");
        }
    }
}
