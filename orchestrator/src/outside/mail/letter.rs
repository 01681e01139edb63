//! A letter, and its form on the wire (RFC 5322, MIME).

use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};

use super::MailError;

/// Longest subject in characters.
const MAX_SUBJECT: usize = 300;
/// Longest line that need not be encoded, in bytes (RFC 5322, 2.1.1).
const MAX_LINE: usize = 998;

/// What somebody gets by mail.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What tells it from every other letter: the same for the same news, so that
    /// a copy can be recognized. Letters, digits, `.`, `-` and `_`.
    pub id: String,
    /// Who gets it, each once, in the order of the header.
    pub to: Vec<Address>,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Files that come with it.
    pub attachments: Vec<Attachment>,
}

/// A file that comes with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name. Example: `x86_64.log`.
    pub name: String,
    /// Its content, of any kind.
    pub content: Vec<u8>,
}

impl Letter {
    /// The letter as it goes over the wire.
    pub(super) fn encode(&self, from: &Address) -> Result<Vec<u8>, MailError> {
        let unwritable = |error: &dyn std::fmt::Display| MailError::Unwritable(error.to_string());
        let subject: String = self.subject.chars().take(MAX_SUBJECT).map(without_control).collect();
        let mut message = Message::builder()
            .from(Mailbox::new(None, from.clone()))
            .subject(subject)
            .message_id(Some(format!("<{}@{}>", self.id, from.domain())));
        // RFC 3834: nobody's holiday has to be announced to a program.
        let automatic = HeaderName::new_from_ascii("Auto-Submitted".to_owned());
        let automatic = automatic.map_err(|error| unwritable(&error))?;
        message = message.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        for address in &self.to {
            message = message.to(Mailbox::new(None, address.clone()));
        }
        let text = self.text.chars().map(|c| if c == '\n' || c == '\t' { c } else { without_control(c) });
        let text = plain(text.collect());
        let message = if self.attachments.is_empty() {
            message.singlepart(text)
        } else {
            let parts = MultiPart::mixed().singlepart(text);
            message.multipart(self.attachments.iter().try_fold(parts, |parts, file| {
                let part = file.part().map_err(|error| unwritable(&error))?;
                Ok::<_, MailError>(parts.singlepart(part))
            })?)
        };
        Ok(message.map_err(|error| unwritable(&error))?.formatted())
    }
}

/// A text as it is, where any server takes it so: filters look for its lines. It
/// has no control characters but line feeds and tabs.
fn plain(text: String) -> SinglePart {
    if !text.is_ascii() || text.lines().any(|line| line.len() > MAX_LINE) {
        return SinglePart::plain(text);
    }
    let text = text.replace('\n', "\r\n").into_bytes();
    let body = Body::dangerous_pre_encoded(text, ContentTransferEncoding::SevenBit);
    SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body)
}

impl Attachment {
    fn part(&self) -> Result<SinglePart, String> {
        let kind = ContentType::parse("application/octet-stream").map_err(|error| error.to_string())?;
        let body = Body::new_with_encoding(self.content.clone(), ContentTransferEncoding::Base64)
            .map_err(|_| format!("{} cannot be encoded", self.name))?;
        Ok(SinglePart::builder().header(ContentDisposition::attachment(&self.name)).header(kind).body(body))
    }
}

/// What a build prints must not steer the reader's terminal.
fn without_control(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
