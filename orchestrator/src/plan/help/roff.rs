//! Markdown as roff, with the macros of man(7) and tbl(1) for tables. HTML in the
//! file is left out.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::Title;

/// The whole page.
pub(super) fn page(title: &Title, body: &str) -> String {
    let mut page = Page::default();
    let arguments = [&title.name, &title.section, &title.date, &title.author, &title.manual];
    page.out.push_str(".TH");
    for argument in arguments {
        page.out.push_str(" \"");
        page.out.push_str(&escaped(argument).replace('"', "\\(dq"));
        page.out.push('"');
    }
    page.out.push('\n');
    for event in Parser::new_ext(body, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        page.event(event);
    }
    page.end_line();
    if page.has_table {
        // Tells man(1) to run tbl(1).
        page.out.insert_str(0, "'\\\" t\n");
    }
    page.out
}

/// Text on one line as roff shows it, but for characters at the beginning of a line.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => result.push_str("\\e"),
            '-' => result.push_str("\\-"),
            c if c.is_control() && c != '\t' => result.push(' '),
            c => result.push(c),
        }
    }
    result
}

#[derive(Default)]
struct Page {
    out: String,
    /// The next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// Whether the item has something in it already, for each open list.
    item_has_text: Vec<bool>,
    /// Open fonts.
    fonts: Vec<char>,
    /// Addresses of open links.
    links: Vec<String>,
    in_code_block: bool,
    in_heading: bool,
    has_table: bool,
    /// Whether the next cell is the first of its row.
    first_cell: bool,
    in_table: bool,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => {
                self.font('B');
                self.text(&text);
                self.end_font();
            }
            Event::SoftBreak if self.in_heading || self.in_table => self.out.push(' '),
            Event::SoftBreak => self.end_line(),
            Event::HardBreak if self.in_heading || self.in_table => self.out.push(' '),
            Event::HardBreak => self.request(".br"),
            Event::Rule => self.request(".PP\n\\l'\\n(.lu'"),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => match self.item_has_text.last_mut() {
                None => self.request(".PP"),
                Some(has_text @ false) => *has_text = true,
                Some(_) => self.request(".IP"),
            },
            Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. } => self.heading(".SH"),
            Tag::Heading { .. } => self.heading(".SS"),
            Tag::BlockQuote(_) => self.request(".RS"),
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                self.request(".PP\n.RS\n.nf");
                self.in_code_block = true;
            }
            Tag::List(first) => {
                if !self.lists.is_empty() {
                    self.request(".RS");
                }
                self.lists.push(first);
                self.item_has_text.push(false);
            }
            Tag::Item => self.item(),
            Tag::Emphasis => self.font('I'),
            Tag::Strong => self.font('B'),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.links.push(dest_url.to_string()),
            Tag::Table(columns) => {
                let row = vec!["l"; columns.len()].join(" ");
                self.request(&format!(".TS\nallbox tab(\t);\n{row}\n{row}."));
                self.has_table = true;
                self.in_table = true;
            }
            Tag::TableHead | Tag::TableRow => {
                self.end_line();
                self.first_cell = true;
            }
            Tag::TableCell => {
                if !std::mem::replace(&mut self.first_cell, false) {
                    self.out.push('\t');
                }
                // Some characters alone in a cell are lines.
                self.out.push_str("\\&");
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.in_heading = false;
                self.end_line();
            }
            TagEnd::BlockQuote(_) => self.request(".RE"),
            TagEnd::CodeBlock => {
                self.in_code_block = false;
                self.request(".fi\n.RE");
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.item_has_text.pop();
                if !self.lists.is_empty() {
                    self.request(".RE");
                }
            }
            TagEnd::Emphasis | TagEnd::Strong => self.end_font(),
            TagEnd::Link | TagEnd::Image => {
                let address = self.links.pop().unwrap_or_default();
                let is_said = self.out.ends_with(&escaped(&address));
                if !is_said && !address.is_empty() {
                    self.out.push_str(" <");
                    self.out.push_str(&escaped(&address));
                    self.out.push('>');
                }
            }
            TagEnd::Table => {
                self.in_table = false;
                self.request(".TE");
            }
            _ => {}
        }
    }

    fn heading(&mut self, name: &str) {
        // The next line is the heading: as an argument its quotes would count.
        self.request(name);
        self.in_heading = true;
    }

    fn item(&mut self) {
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!(".IP \"{number}.\" 4");
                *number = number.saturating_add(1);
                mark
            }
            _ => ".IP \\(bu 2".to_owned(),
        };
        self.request(&mark);
        if let Some(has_text) = self.item_has_text.last_mut() {
            *has_text = false;
        }
    }

    fn text(&mut self, text: &str) {
        let text = if self.in_table { text.replace(['\t', '\n'], " ") } else { text.to_owned() };
        for line in text.split_inclusive('\n') {
            // Otherwise it would be a request to roff.
            if self.out.ends_with('\n') && line.starts_with(['.', '\'']) {
                self.out.push_str("\\&");
            }
            if !self.in_code_block && self.out.ends_with('\n') && line == "\n" {
                continue;
            }
            self.out.push_str(&escaped(line.strip_suffix('\n').unwrap_or(line)));
            if line.ends_with('\n') {
                self.out.push('\n');
            }
        }
        if let Some(has_text) = self.item_has_text.last_mut() {
            *has_text = true;
        }
    }

    fn font(&mut self, font: char) {
        self.fonts.push(font);
        self.out.push_str("\\f");
        self.out.push(font);
    }

    fn end_font(&mut self) {
        self.fonts.pop();
        self.out.push_str("\\f");
        self.out.push(self.fonts.last().copied().unwrap_or('R'));
    }

    fn end_line(&mut self) {
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Requests on lines of their own.
    fn request(&mut self, lines: &str) {
        self.end_line();
        self.out.push_str(lines);
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(markdown: &str) -> String {
        let empty = String::new;
        let title =
            Title { name: empty(), section: empty(), manual: empty(), author: empty(), date: empty() };
        let page = page(&title, markdown);
        page.replacen(".TH \"\" \"\" \"\" \"\" \"\"\n", "", 1)
    }

    #[test]
    fn each_kind_of_markdown_has_its_macros() {
        let cases = [
            ("# NAME\nhello - says *hello*\n", ".SH\nNAME\n.PP\nhello \\- says \\fIhello\\fR\n"),
            ("### Sub \"x\"\n", ".SS\nSub \"x\"\n"),
            (".TH x\n\n'y\n", ".PP\n\\&.TH x\n.PP\n\\&'y\n"),
            ("a\n.br b\n", ".PP\na\n\\&.br b\n"),
            ("a\\\\b `c\\d`", ".PP\na\\eb \\fBc\\ed\\fR\n"),
            ("**a *b* c**", ".PP\n\\fBa \\fIb\\fB c\\fR\n"),
            ("    .code -x\n\n    y\n", ".PP\n.RS\n.nf\n\\&.code \\-x\n\ny\n.fi\n.RE\n"),
            ("```sh\na\n```\n", ".PP\n.RS\n.nf\na\n.fi\n.RE\n"),
            ("- a\n- b\n", ".IP \\(bu 2\na\n.IP \\(bu 2\nb\n"),
            ("3. a\n\n   b\n4. c\n", ".IP \"3.\" 4\na\n.IP\nb\n.IP \"4.\" 4\nc\n"),
            ("- a\n  - b\n- c\n", ".IP \\(bu 2\na\n.RS\n.IP \\(bu 2\nb\n.RE\n.IP \\(bu 2\nc\n"),
            ("[x](https://h/a-b) <https://h/>", ".PP\nx <https://h/a\\-b> https://h/\n"),
            ("[x](<&#10;.so y>)", ".PP\nx < .so y>\n"),
            ("a  \nb", ".PP\na\n.br\nb\n"),
            ("> a\n", ".RS\n.PP\na\n.RE\n"),
            ("a <b>c</b>\n\n<!-- d -->\n", ".PP\na c\n"),
            (
                "| a | b |\n|---|---|\n| _ | .c |\n",
                "'\\\" t\n.TS\nallbox tab(\t);\nl l\nl l.\n\\&a\t\\&b\n\\&_\t\\&.c\n.TE\n",
            ),
        ];
        for (markdown, expected) in cases {
            assert_eq!(body(markdown), expected, "{markdown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_gives_requests_of_its_own(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                ".so /etc/passwd", "'x", "\\", "\n", " ", "- ", "1. ", "# ", "*", "`", "|", "---|", "> ", "    ", "a", "<b>",
                "[", "](", ")", "&#10;", "&#9;",
            ]), 0..30),
        ) {
            for line in body(&parts.concat()).lines() {
                proptest::prop_assert!(!line.starts_with(".so") && !line.starts_with("'x"), "{}", line);
            }
        }
    }
}
