//! Reads the text format of GVariant, as far as units' properties go: no dictionaries, no maybe types.

use super::value::Value;

/// How deep arrays and tuples may be in one another.
const DEEPEST: usize = 16;

type Parsed<T> = Result<T, String>;

/// Reads a value, or says what is wrong and where.
pub(super) fn parse(text: &str) -> Parsed<Value> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(None, 0)?;
    parser.space();
    if parser.at < text.len() { Err(parser.wrong("nothing more")) } else { Ok(value) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// A value; where the place says which type it has, of that type.
    fn value(&mut self, expected: Option<&str>, depth: usize) -> Parsed<Value> {
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} levels"));
        }
        self.space();
        match self.peek() {
            Some('\'' | '"') => self.string(expected),
            Some('@') => self.annotated(depth),
            Some('[') => self.array(expected, depth),
            Some('(') => self.tuple(expected, depth),
            Some('<') => {
                self.at += 1;
                let inner = self.value(None, depth + 1)?;
                self.expect('>')?;
                Ok(Value::Variant(Box::new(inner)))
            }
            Some(c) if c.is_ascii_alphabetic() => self.word(expected, depth),
            Some(_) => self.number(expected),
            None => Err(self.wrong("a value")),
        }
    }

    /// `true`, `false`, or the name of a type before a value.
    fn word(&mut self, expected: Option<&str>, depth: usize) -> Parsed<Value> {
        let start = self.at;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
        let kind = match word.as_str() {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            // Rust reads these too, but the format has them as words of its own.
            "inf" | "nan" if expected.is_none_or(|e| e == "d") => {
                return word.parse().map(Value::F64).map_err(|_| self.wrong("a number"));
            }
            "boolean" => "b",
            "byte" => "y",
            "int16" => "n",
            "uint16" => "q",
            "int32" => "i",
            "uint32" => "u",
            "int64" => "x",
            "uint64" => "t",
            "double" => "d",
            "string" => "s",
            "objectpath" => "o",
            "signature" => "g",
            _ => {
                self.at = start;
                return Err(self.wrong("a value (texts stand in quotes)"));
            }
        };
        self.typed(kind, depth)
    }

    /// `@as []`.
    fn annotated(&mut self, depth: usize) -> Parsed<Value> {
        self.at += 1;
        let kind = self.take_while(|c| c.is_ascii_alphabetic() || "()".contains(c)).to_owned();
        // The library takes several types in a row for a structure of them.
        if !zbus::Signature::try_from(kind.as_str()).is_ok_and(|signature| signature.to_string() == kind) {
            return Err(self.wrong("a type before this"));
        }
        self.typed(&kind, depth)
    }

    fn typed(&mut self, kind: &str, depth: usize) -> Parsed<Value> {
        let value = self.value(Some(kind), depth + 1)?;
        if value.signature() == kind {
            Ok(value)
        } else {
            Err(self.wrong(&format!("a value of type {kind}")))
        }
    }

    fn string(&mut self, expected: Option<&str>) -> Parsed<Value> {
        let quote = self.next().unwrap_or('\'');
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.wrong("the closing quote")),
                Some(c) if c == quote => break,
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
            }
        }
        if text.contains('\0') {
            return Err(self.wrong("a text without zero bytes"));
        }
        Ok(match expected {
            Some("o") => Value::Path(text),
            Some("g") => Value::Signature(text),
            _ => Value::Str(text),
        })
    }

    fn escaped(&mut self) -> Parsed<char> {
        let digits = match self.next() {
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('r') => return Ok('\r'),
            Some('a') => return Ok('\x07'),
            Some('b') => return Ok('\x08'),
            Some('f') => return Ok('\x0c'),
            Some('v') => return Ok('\x0b'),
            Some('u') => 4,
            Some('U') => 8,
            Some(c) => return Ok(c),
            None => return Err(self.wrong("a letter after the backslash")),
        };
        let code = self.text.get(self.at..self.at + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let c = code.and_then(char::from_u32).ok_or_else(|| self.wrong("the number of a character"))?;
        self.at += digits;
        Ok(c)
    }

    fn array(&mut self, expected: Option<&str>, depth: usize) -> Parsed<Value> {
        let mut element = match expected {
            Some(kind) => Some(kind.strip_prefix('a').ok_or_else(|| self.wrong("no array"))?.to_owned()),
            None => None,
        };
        self.at += 1;
        let mut elements = Vec::new();
        loop {
            self.space();
            if self.peek() == Some(']') {
                self.at += 1;
                break;
            }
            if !elements.is_empty() {
                self.expect(',')?;
            }
            let value = self.value(element.as_deref(), depth + 1)?;
            // The first element says what the others are: `[uint64 1, 2]`.
            let kind = element.get_or_insert_with(|| value.signature());
            if value.signature() != *kind {
                let kind = kind.clone();
                return Err(self.wrong(&format!("elements of one type, {kind}")));
            }
            elements.push(value);
        }
        let element = element.ok_or_else(|| self.wrong("a type before an empty array, as in \"@as []\""))?;
        Ok(Value::Array(element, elements))
    }

    fn tuple(&mut self, expected: Option<&str>, depth: usize) -> Parsed<Value> {
        let mut kinds = match expected {
            Some(kind) => {
                let inner = kind.strip_prefix('(').and_then(|kind| kind.strip_suffix(')'));
                Some(split(inner.ok_or_else(|| self.wrong("no tuple"))?).into_iter())
            }
            None => None,
        };
        self.at += 1;
        let mut fields = Vec::new();
        loop {
            self.space();
            if self.peek() == Some(')') {
                self.at += 1;
                break;
            }
            if !fields.is_empty() {
                self.expect(',')?;
                self.space();
                // A tuple of one is written `(1,)`.
                if fields.len() == 1 && self.peek() == Some(')') {
                    self.at += 1;
                    break;
                }
            }
            let kind = kinds.as_mut().and_then(Iterator::next);
            fields.push(self.value(kind.as_deref(), depth + 1)?);
        }
        if fields.is_empty() { Err(self.wrong("a value in the tuple")) } else { Ok(Value::Struct(fields)) }
    }

    fn number(&mut self, expected: Option<&str>) -> Parsed<Value> {
        let start = self.at;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)).to_owned();
        let value = match expected {
            None if float(&word) => word.parse().ok().map(Value::F64),
            None | Some("i") => whole(&word).map(Value::I32),
            Some("y") => whole(&word).map(Value::U8),
            Some("n") => whole(&word).map(Value::I16),
            Some("q") => whole(&word).map(Value::U16),
            Some("u") => whole(&word).map(Value::U32),
            Some("x") => whole(&word).map(Value::I64),
            Some("t") => whole(&word).map(Value::U64),
            Some("d") => word.parse().ok().map(Value::F64),
            Some(_) => None,
        };
        value.ok_or_else(|| {
            self.at = start;
            match expected {
                None => self.wrong("a value of 32 bits (or \"uint64\" and the like before it)"),
                Some(kind) => self.wrong(&format!("a value of type {kind}")),
            }
        })
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn space(&mut self) {
        self.take_while(|c| c.is_ascii_whitespace());
    }

    fn take_while(&mut self, is: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        while self.peek().is_some_and(&is) {
            self.next();
        }
        &self.text[start..self.at]
    }

    fn expect(&mut self, c: char) -> Parsed<()> {
        self.space();
        if self.peek() != Some(c) {
            return Err(self.wrong(&format!("{c:?}")));
        }
        self.at += 1;
        Ok(())
    }

    fn wrong(&self, expected: &str) -> String {
        format!("expected {expected} at byte {}", self.at)
    }
}

fn float(word: &str) -> bool {
    !word.contains('x') && word.contains(['.', 'e', 'E'])
}

/// Reads an integer: decimal, `0x` and, as in C, octal with a zero in front.
fn whole<T: TryFrom<i128>>(word: &str) -> Option<T> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // from_str_radix would take a second sign.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    T::try_from(if negative { -number } else { number }).ok()
}

/// The single types in a row of them: `sa(ss)t` is three.
fn split(kinds: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in kinds.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && letter != 'a' {
            found.push(kinds[start..=at].to_owned());
            start = at + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> Value {
        parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn values_read_as_glib_documents_them() {
        assert_eq!(ok("true"), Value::Bool(true));
        assert_eq!(ok(" 5 "), Value::I32(5));
        assert_eq!(ok("-5"), Value::I32(-5));
        assert_eq!(ok("0x10"), Value::I32(16));
        assert_eq!(ok("010"), Value::I32(8));
        assert_eq!(ok("uint64 18446744073709551615"), Value::U64(u64::MAX));
        assert_eq!(ok("byte 255"), Value::U8(255));
        assert_eq!(ok("1.5"), Value::F64(1.5));
        assert_eq!(ok("double 2"), Value::F64(2.0));
        assert_eq!(ok(r"'it\'s'"), Value::from("it's"));
        assert_eq!(ok(r#""a\u0041\n""#), Value::from("aA\n"));
        assert_eq!(ok("objectpath '/a'"), Value::Path("/a".to_owned()));
        assert_eq!(ok("['a', 'b']"), Value::from(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(ok("@as []"), Value::from(Vec::<String>::new()));
        assert_eq!(ok("@ay [1, 0x2]"), Value::from(vec![1_u8, 2]));
        assert_eq!(ok("[byte 1, 2]"), Value::from(vec![1_u8, 2]));
        assert_eq!(ok("@t 7"), Value::U64(7));
        assert_eq!(ok("<1>"), Value::Variant(Box::new(Value::I32(1))));
        assert_eq!(ok("('/dev/sda', uint64 9)").signature(), "(st)");
        assert_eq!(ok("@a(st) [('/dev/sda', 9)]").signature(), "a(st)");
        assert_eq!(ok("(1,)").signature(), "(i)");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        assert_eq!(parse("inactive").unwrap_err(), "expected a value (texts stand in quotes) at byte 0");
        assert_eq!(parse("'x").unwrap_err(), "expected the closing quote at byte 2");
        assert_eq!(parse("1 2").unwrap_err(), "expected nothing more at byte 2");
        for text in [
            "",
            "[",
            "[]",
            "()",
            "(",
            "['a' 'b']",
            "['a', 1]",
            "@ 1",
            "@as 1",
            "@z 1",
            "byte 256",
            "uint64 -1",
            "3000000000",
            "0x",
            "--1",
            "+-1",
            "1..2",
            "'\\u12'",
            "'\\ud800'",
            "<1",
            "'\\u0000'",
            "int32 'x'",
            "@a{sv} {}",
            "@ass []",
            "@ss 'x'",
            "-",
            "0xé",
            "'é",
            "@é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"<".repeat(100_000)).is_err());
        assert!(parse(&"@v".repeat(100_000)).is_err());
    }
}
