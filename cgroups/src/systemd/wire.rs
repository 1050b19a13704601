//! Messages as D-Bus puts them on the wire ([specification]).
//!
//! Of zbus only the wire format is used. Its connections are asynchronous, and bring a runtime and threads with them;
//! a few calls that block, each with its deadline, need neither.
//!
//! [specification]: https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages

use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, LE, to_bytes};
use zbus::{Array, Signature, Structure, Variant};

use super::value::Value;

/// What is fixed in front of every message: four bytes, three lengths and numbers of 32 bits.
pub(super) const FIXED: usize = 16;
/// A service manager's answers to what is asked here are a few hundred bytes. The specification would allow 128 MiB.
const LARGEST: usize = 16 << 20;

const CALL: u8 = 1;
pub(super) const REPLY: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

/// Nobody is to be started only to answer.
const NO_AUTO_START: u8 = 2;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A call of a method.
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) arguments: Vec<Value>,
}

/// An answer, an error or a signal.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) reply_to: Option<u32>,
    pub(super) interface: String,
    pub(super) member: String,
    pub(super) error: String,
    pub(super) arguments: Vec<Value>,
}

impl Message {
    /// The text that comes with an error, as a part of a line.
    pub(super) fn text(&self) -> String {
        printable(self.arguments.first().and_then(Value::as_str).unwrap_or_default())
    }
}

/// What somebody else says, without what ends a line or does things to a terminal.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Writes a call; without a destination where there is no bus that has several.
pub(super) fn encode(call: &Call<'_>, serial: u32, to_bus: bool) -> zbus::Result<Vec<u8>> {
    let mut fields = Array::new(&signature("(yv)")?);
    let mut field = |code: u8, value: Variant<'static>| {
        let structure = Structure::builder().append_field(Variant::U8(code));
        let structure = structure.append_field(Variant::Variant(Box::new(value))).build()?;
        fields.append(Variant::Structure(structure))
    };
    let text = |text: &str| Variant::Str(text.to_owned().into());
    field(PATH, Value::Path(call.path.to_owned()).to_variant()?)?;
    field(INTERFACE, text(call.interface))?;
    field(MEMBER, text(call.member))?;
    if to_bus {
        field(DESTINATION, text(call.destination))?;
    }
    let (mut kinds, mut body) = (String::new(), Vec::new());
    if !call.arguments.is_empty() {
        kinds = call.arguments.iter().map(Value::signature).collect::<String>();
        let arguments = Value::Struct(call.arguments.clone()).to_variant()?;
        let Variant::Structure(arguments) = arguments else { return Err(zbus::Error::IncorrectType) };
        body = to_bytes(Context::new(LE, 0), &arguments)?.bytes().to_vec();
    }
    // The fields begin behind twelve bytes, by which they are aligned.
    let mut fields = to_bytes(Context::new(LE, 12), &fields)?.bytes().to_vec();
    if !kinds.is_empty() {
        append_signature(&mut fields, &kinds)?;
    }
    let mut bytes = vec![b'l', CALL, NO_AUTO_START, 1];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(serial.to_le_bytes());
    bytes.extend(fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(body);
    Ok(bytes)
}

/// Adds the field that says what the arguments are.
///
/// By hand, because the library takes the types of several arguments for one structure of them, and writes it so.
fn append_signature(fields: &mut Vec<u8>, kinds: &str) -> zbus::Result<()> {
    let length = u8::try_from(kinds.len()).map_err(|_| zbus::Error::OutOfBounds)?;
    // Their own length stands in the first four bytes, behind the twelve: so this ends at a multiple of eight.
    let padded = (fields.len() + 12).next_multiple_of(8) - 12;
    fields.resize(padded, 0);
    fields.extend([SIGNATURE, 1, b'g', 0, length]);
    fields.extend(kinds.as_bytes());
    fields.push(0);
    let bytes = (fields.len() - 4) as u32;
    fields[..4].copy_from_slice(&bytes.to_le_bytes());
    Ok(())
}

/// Returns how many bytes a message has that begins with these.
pub(super) fn length(fixed: &[u8; FIXED]) -> Result<usize, String> {
    if fixed[3] != 1 {
        return Err(format!("a message of protocol version {}", fixed[3]));
    }
    let number = |at: usize| -> Result<usize, String> {
        let bytes = [fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]];
        match fixed[0] {
            b'l' => Ok(u32::from_le_bytes(bytes) as usize),
            b'B' => Ok(u32::from_be_bytes(bytes) as usize),
            other => Err(format!("a message in byte order {other:#x}")),
        }
    };
    let (body, fields) = (number(4)?, number(12)?);
    if body > LARGEST || fields > LARGEST {
        return Err(format!("a message of more than {LARGEST} bytes"));
    }
    Ok((FIXED + fields).next_multiple_of(8) + body)
}

/// Reads a whole message.
pub(super) fn decode(bytes: &[u8]) -> Result<Message, String> {
    let wrong = |e: zbus::Error| format!("a message that can't be read: {}", printable(&e.to_string()));
    let endian = if bytes.first() == Some(&b'B') { BE } else { LE };
    let (Some(kind), Some(fields)) = (bytes.get(1), bytes.get(12..)) else {
        return Err("a message cut short".to_owned());
    };
    let mut message = Message { kind: *kind, ..Message::default() };
    let data = Data::new(fields, Context::new(endian, 12));
    let (fields, length): (Vec<(u8, Variant<'_>)>, usize) = data.deserialize().map_err(wrong)?;
    let mut kinds = None;
    for (code, value) in fields {
        match (code, value) {
            (INTERFACE, Variant::Str(text)) => text.as_str().clone_into(&mut message.interface),
            (MEMBER, Variant::Str(text)) => text.as_str().clone_into(&mut message.member),
            (ERROR_NAME, Variant::Str(text)) => message.error = printable(text.as_str()),
            (REPLY_SERIAL, Variant::U32(serial)) => message.reply_to = Some(serial),
            (SIGNATURE, Variant::Signature(signature)) => kinds = Some(signature.to_string_no_parens()),
            _ => {}
        }
    }
    if let Some(kinds) = kinds.filter(|kinds| !kinds.is_empty()) {
        let body = bytes.get((12 + length).next_multiple_of(8)..).unwrap_or_default();
        let body = Data::new(body, Context::new(endian, 0));
        let kinds = signature(&format!("({kinds})")).map_err(wrong)?;
        let (body, _): (Structure<'_>, usize) =
            body.deserialize_for_dynamic_signature(kinds).map_err(wrong)?;
        // What is not understood (a dictionary, a descriptor) is nothing that is asked for here.
        let arguments = body.fields().iter().map(Value::from_variant).collect::<Option<Vec<_>>>();
        message.arguments = arguments.unwrap_or_default();
    }
    Ok(message)
}

fn signature(text: &str) -> zbus::Result<Signature> {
    Ok(Signature::try_from(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: Vec<Value>) -> Call<'static> {
        Call { destination: "a.b", path: "/p", interface: "i.f", member: "M", arguments }
    }

    #[test]
    fn a_call_is_written_as_the_specification_says() {
        let bytes = encode(&call(vec![Value::from("x"), Value::from(7_u32)]), 5, true).unwrap();
        let expected: &[u8] = b"l\x01\x02\x01\x0c\0\0\0\x05\0\0\0\x48\0\0\0\
            \x01\x01o\0\x02\0\0\0/p\0\0\0\0\0\0\
            \x02\x01s\0\x03\0\0\0i.f\0\0\0\0\0\
            \x03\x01s\0\x01\0\0\0M\0\0\0\0\0\0\0\
            \x06\x01s\0\x03\0\0\0a.b\0\0\0\0\0\
            \x08\x01g\0\x02su\0\
            \x01\0\0\0x\0\0\0\x07\0\0\0";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_message_comes_back_as_it_was_written() {
        let arguments = vec![
            Value::from("unit"),
            Value::Array(
                "(sv)".to_owned(),
                vec![Value::Struct(vec![
                    Value::from("PIDs"),
                    Value::Variant(Box::new(Value::Array("u".to_owned(), vec![Value::from(1_u32)]))),
                ])],
            ),
            Value::pairs([]),
        ];
        let bytes = encode(&call(arguments.clone()), 1, false).unwrap();
        let fixed: [u8; FIXED] = bytes[..FIXED].try_into().unwrap();
        assert_eq!(length(&fixed).unwrap(), bytes.len());
        let message = decode(&bytes).unwrap();
        assert_eq!((message.kind, message.member.as_str()), (CALL, "M"));
        assert_eq!(message.arguments, arguments);
        let bytes = encode(&call(Vec::new()), 1, true).unwrap();
        assert!(decode(&bytes).unwrap().arguments.is_empty());
    }

    #[test]
    fn what_others_say_stays_in_one_line() {
        // The library repeats the bytes that it can't read, and services put several lines into an error.
        let whole = encode(&call(vec![Value::from("x\n\u{1b}[31m\u{e9}")]), 5, true).unwrap();
        assert_eq!(decode(&whole).unwrap().text(), "x\\n\\u{1b}[31m\u{e9}");
        let at = whole.iter().position(|byte| *byte == b'\n').unwrap();
        let mut bytes = whole.clone();
        bytes[at] = 0;
        let error = decode(&bytes).unwrap_err();
        assert!(!error.contains(char::is_control), "{error:?}");
    }

    #[test]
    fn no_bytes_end_the_program() {
        let whole = encode(&call(vec![Value::from("x"), Value::from(vec![1_u8, 2])]), 5, true).unwrap();
        for end in 0..whole.len() {
            drop(decode(&whole[..end]));
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff, b'B', b'v', b'('] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                drop(decode(&bytes));
                drop(length(&bytes[..FIXED].try_into().unwrap()));
            }
        }
        assert!(length(&[b'l', 2, 0, 1, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(length(&[b'x', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(length(&[b'l', 2, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
