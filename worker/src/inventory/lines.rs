//! The lines of a text database, numbered, one at a time in memory.

use std::io::{BufRead, Read as _};

use super::database::DatabaseError;

/// Longest line in bytes; those of real databases have a few thousand.
const MAX_LINE: usize = 1024 * 1024;

/// Reads lines.
pub(super) struct Lines<R> {
    from: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of a file.
    pub(super) fn new(from: R) -> Self {
        Self { from, number: 0, line: Vec::new() }
    }

    /// The next line without its end, and its number; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, DatabaseError> {
        self.line.clear();
        self.number += 1;
        let mut limited = self.from.by_ref().take(MAX_LINE as u64 + 1);
        if limited.read_until(b'\n', &mut self.line).map_err(DatabaseError::Disk)? == 0 {
            return Ok(None);
        }
        if self.line.len() > MAX_LINE {
            return Err(DatabaseError::damaged(format!("line {} is too long", self.number)));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some((self.number, line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let mut lines = Lines::new(&b"a\n\nb"[..]);
        for expected in [Some((1, &b"a"[..])), Some((2, b"")), Some((3, b"b")), None, None] {
            let line = lines.next().unwrap();
            assert_eq!(line.map(|(_, text)| text), expected.map(|(_, text)| text));
            assert_eq!(line.map(|(number, _)| number), expected.map(|(number, _)| number));
        }
        let long = [vec![b'x'; MAX_LINE], b"\n".to_vec()].concat();
        let error = Lines::new(&long[..]).next().unwrap_err();
        assert_eq!(error.to_string(), "line 1 is too long");
    }
}
