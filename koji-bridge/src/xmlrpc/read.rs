//! Reads documents, whatever their layout: white space between tags, prefixes of
//! names and bare text as a string are all accepted.

use std::collections::BTreeMap;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use quick_xml::{Reader, events::Event};

use super::{Answer, Fault, ReadError, Value};

/// Deepest nesting of values. Koji's own answers have about ten levels.
const MAX_DEPTH: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The method and the parameters of a `methodCall`.
pub(super) fn call(document: &[u8]) -> Result<(String, Vec<Value>), ReadError> {
    let mut source = Source::new(document)?;
    source.open("methodCall")?;
    source.open("methodName")?;
    let method = source.text_until_close("methodName")?.trim().to_owned();
    let mut parameters = Vec::new();
    match source.next()? {
        Tag::Open(name) if name == "params" => {
            while source.opens("param", "params")? {
                parameters.push(source.whole_value()?);
                source.close("param")?;
            }
            source.close("methodCall")?;
        }
        Tag::Close(name) if name == "methodCall" => {}
        other => return Err(source.unexpected(&other, "<params>")),
    }
    source.end()?;
    Ok((method, parameters))
}

/// The result or the fault of a `methodResponse`.
pub(super) fn answer(document: &[u8]) -> Result<Answer, ReadError> {
    let mut source = Source::new(document)?;
    source.open("methodResponse")?;
    let answer = match source.next()? {
        Tag::Open(name) if name == "params" => {
            source.open("param")?;
            let value = source.whole_value()?;
            source.close("param")?;
            source.close("params")?;
            Ok(value)
        }
        Tag::Open(name) if name == "fault" => {
            let value = source.whole_value()?;
            source.close("fault")?;
            let code = value.get("faultCode").and_then(Value::as_i64);
            let text = value.get("faultString").and_then(Value::as_str);
            match (code, text) {
                (Some(code), Some(text)) => Err(Fault::new(code, text)),
                _ => return Err(source.wrong("a fault without faultCode and faultString")),
            }
        }
        other => return Err(source.unexpected(&other, "<params> or <fault>")),
    };
    source.close("methodResponse")?;
    source.end()?;
    Ok(answer)
}

/// A tag, its name without prefix; an empty element is both.
#[derive(Debug, PartialEq, Eq)]
enum Tag {
    Open(String),
    Close(String),
    End,
}

/// Events of a document, text and entities gathered.
struct Source<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// Text before the last tag.
    text: String,
}

impl<'a> Source<'a> {
    fn new(document: &'a [u8]) -> Result<Self, ReadError> {
        let text =
            std::str::from_utf8(document).map_err(|error| ReadError::Encoding { at: error.valid_up_to() })?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, depth: 0, text: String::new() })
    }

    /// The next tag; the text before it is in `self.text`.
    fn next(&mut self) -> Result<Tag, ReadError> {
        self.text.clear();
        loop {
            let event = self.reader.read_event().map_err(|error| ReadError::Malformed {
                at: self.reader.error_position(),
                reason: error.to_string(),
            })?;
            match event {
                Event::Start(tag) => return Ok(Tag::Open(local(tag.local_name().as_ref()))),
                Event::End(tag) => return Ok(Tag::Close(local(tag.local_name().as_ref()))),
                Event::Text(text) => {
                    let text = text.xml10_content();
                    self.check_characters(&text)?;
                    self.text.push_str(&text);
                }
                Event::CData(text) => {
                    let text = text.xml10_content();
                    self.check_characters(&text)?;
                    self.text.push_str(&text);
                }
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|error| ReadError::Malformed {
                        at: self.reader.buffer_position(),
                        reason: error.to_string(),
                    })?;
                    let named = match &reference[..] {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => None,
                    };
                    match character.or(named) {
                        Some(character) => self.text.push(character),
                        None => return Err(self.malformed(format!("there is no entity '{}'", &*reference))),
                    }
                }
                Event::DocType(_) => {
                    return Err(self.malformed("a document type has no place in XML-RPC".to_owned()));
                }
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => return Ok(Tag::End),
                Event::Empty(tag) => {
                    let name = local(tag.local_name().as_ref());
                    return Err(self.malformed(format!("<{name}/> came unexpanded")));
                }
            }
        }
    }

    /// XML 1.0 has no control characters but tab, line feed and carriage return;
    /// a hub that sends one anyway has sent a document that nobody else reads.
    fn check_characters(&self, text: &str) -> Result<(), ReadError> {
        let bad =
            |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
        match text.chars().find(|c| bad(*c)) {
            Some(c) => Err(self.malformed(format!("the character U+{:04X} is not allowed", c as u32))),
            None => Ok(()),
        }
    }

    fn open(&mut self, name: &str) -> Result<(), ReadError> {
        match self.next()? {
            Tag::Open(found) if found == name => Ok(()),
            other => Err(self.unexpected(&other, &format!("<{name}>"))),
        }
    }

    fn close(&mut self, name: &str) -> Result<(), ReadError> {
        match self.next()? {
            Tag::Close(found) if found == name => Ok(()),
            other => Err(self.unexpected(&other, &format!("</{name}>"))),
        }
    }

    /// Whether `name` opens; false when `parent` closes in its place.
    fn opens(&mut self, name: &str, parent: &str) -> Result<bool, ReadError> {
        match self.next()? {
            Tag::Open(found) if found == name => Ok(true),
            Tag::Close(found) if found == parent => Ok(false),
            other => Err(self.unexpected(&other, &format!("<{name}> or </{parent}>"))),
        }
    }

    fn end(&mut self) -> Result<(), ReadError> {
        match self.next()? {
            Tag::End => Ok(()),
            other => Err(self.unexpected(&other, "the end of the document")),
        }
    }

    fn text_until_close(&mut self, name: &str) -> Result<String, ReadError> {
        self.close(name)?;
        Ok(std::mem::take(&mut self.text))
    }

    fn whole_value(&mut self) -> Result<Value, ReadError> {
        self.open("value")?;
        self.value()
    }

    /// A value whose `<value>` is open; reads its end, too.
    fn value(&mut self) -> Result<Value, ReadError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(&format!("values are nested deeper than {MAX_DEPTH}")));
        }
        let value = match self.next()? {
            Tag::Close(name) if name == "value" => {
                self.depth -= 1;
                return Ok(Value::String(std::mem::take(&mut self.text)));
            }
            Tag::Open(kind) => self.typed(&kind)?,
            other => return Err(self.unexpected(&other, "a type or </value>")),
        };
        self.close("value")?;
        self.depth -= 1;
        Ok(value)
    }

    /// A value in its type, whose tag is open.
    fn typed(&mut self, kind: &str) -> Result<Value, ReadError> {
        match kind {
            "array" => return self.array(),
            "struct" => return self.members(),
            _ => {}
        }
        let text = self.text_until_close(kind)?;
        let trimmed = text.trim();
        let wrong = |what: &str| self.wrong(&format!("'{}' is {what}", shown(trimmed)));
        match kind {
            "nil" => Ok(Value::Nil),
            "string" => Ok(Value::String(text)),
            "int" | "i1" | "i2" | "i4" | "i8" | "biginteger" => {
                trimmed.parse().map(Value::Int).map_err(|_| wrong("no integer of 64 bits"))
            }
            "double" | "float" => trimmed.parse().map(Value::Double).map_err(|_| wrong("no number")),
            "boolean" => match trimmed {
                "1" | "true" => Ok(Value::Bool(true)),
                "0" | "false" => Ok(Value::Bool(false)),
                _ => Err(wrong("no boolean")),
            },
            "dateTime.iso8601" => Ok(Value::DateTime(trimmed.to_owned())),
            "base64" => {
                let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                BASE64.decode(digits).map(Value::Bytes).map_err(|_| wrong("not base64"))
            }
            other => Err(self.wrong(&format!("there is no type <{}>", shown(other)))),
        }
    }

    fn array(&mut self) -> Result<Value, ReadError> {
        self.open("data")?;
        let mut items = Vec::new();
        while self.opens("value", "data")? {
            items.push(self.value()?);
        }
        self.close("array")?;
        Ok(Value::Array(items))
    }

    fn members(&mut self) -> Result<Value, ReadError> {
        let mut members = BTreeMap::new();
        while self.opens("member", "struct")? {
            self.open("name")?;
            let name = self.text_until_close("name")?;
            let value = self.whole_value()?;
            self.close("member")?;
            members.insert(name, value);
        }
        Ok(Value::Struct(members))
    }

    fn malformed(&self, reason: String) -> ReadError {
        ReadError::Malformed { at: self.reader.buffer_position(), reason }
    }

    fn wrong(&self, reason: &str) -> ReadError {
        ReadError::Unexpected { at: self.reader.buffer_position(), reason: reason.to_owned() }
    }

    fn unexpected(&self, found: &Tag, wanted: &str) -> ReadError {
        let found = match found {
            Tag::Open(name) => format!("<{}>", shown(name)),
            Tag::Close(name) => format!("</{}>", shown(name)),
            Tag::End => "the end".to_owned(),
        };
        self.wrong(&format!("{found} where {wanted} should be"))
    }
}

fn local(name: &str) -> String {
    name.to_owned()
}

/// The beginning of a text, for errors.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
