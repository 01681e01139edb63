//! Changes of a Dockerfile, made on instructions: spans of the text are replaced
//! and lines are put between instructions; every other byte stays.
//!
//! A new line never falls into an instruction. What belongs to one are all its
//! physical lines with the comments between them and its here-documents. Where a
//! file ends with a continuation that leads nowhere, the escape is taken away, for
//! whatever came behind it would become part of that instruction; the engine
//! ignores it there. New lines end as the first line of the file does.

mod diff;
mod pin;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::{
    Dockerfile, DockerfileError,
    lines::End,
    model::{Instruction, Kind},
    quote,
};

pub use diff::unified_diff;

/// Changes to be made to one Dockerfile, all at once.
#[derive(Debug)]
pub struct Edits<'a> {
    dockerfile: &'a Dockerfile,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    span: Range<usize>,
    text: String,
    /// Instructions on lines of their own, instead of a part of one.
    is_instruction: bool,
}

impl Dockerfile {
    /// Begins to edit.
    pub fn edit(&self) -> Edits<'_> {
        Edits { dockerfile: self, changes: Vec::new() }
    }

    /// A LABEL instruction that gives these labels whatever they contain, except
    /// for line breaks, which it cannot hold. One label on each line. Nothing when
    /// there are no labels.
    pub fn label_instruction<'l>(
        &self,
        labels: impl IntoIterator<Item = (&'l String, &'l String)>,
    ) -> Option<String> {
        let pair = |(name, value): (&String, &String)| {
            format!("{}={}", quote::double(name, self.escape), quote::double(value, self.escape))
        };
        let pairs: Vec<String> = labels.into_iter().map(pair).collect();
        let separator = format!(" {}\n  ", self.escape);
        (!pairs.is_empty()).then(|| format!("LABEL {}", pairs.join(&separator)))
    }

    /// An ENV instruction for one variable.
    pub fn env_instruction(&self, name: &str, value: &str) -> String {
        format!("ENV {name}={}", quote::double(value, self.escape))
    }
}

impl Edits<'_> {
    /// Adds an instruction at the end of a stage, counted from 0: behind its last
    /// instruction, in the final stage behind everything.
    ///
    /// # Errors
    /// There is no such stage, or it is not clear where it ends.
    pub fn append(&mut self, stage: usize, instruction: &str) -> Result<(), DockerfileError> {
        let (from, body) = self.stage(stage)?;
        let (behind, open) = end_of(body.last().unwrap_or(from))?;
        let is_final = stage + 1 == self.dockerfile.stages();
        let at = if is_final { self.dockerfile.text.len() } else { behind };
        self.close(open);
        self.insert(at, instruction);
        Ok(())
    }

    /// Adds an instruction directly behind the FROM of a stage.
    ///
    /// # Errors
    /// As [`Edits::append`].
    pub fn insert_after_from(&mut self, stage: usize, instruction: &str) -> Result<(), DockerfileError> {
        let (from, _) = self.stage(stage)?;
        let (at, open) = end_of(from)?;
        self.close(open);
        self.insert(at, instruction);
        Ok(())
    }

    /// Adds an instruction behind the FROM of a stage, the `skip` instructions
    /// that follow it, and the MAINTAINER that may come then.
    ///
    /// # Errors
    /// As [`Edits::append`].
    pub fn insert_after_maintainer(
        &mut self,
        stage: usize,
        skip: usize,
        instruction: &str,
    ) -> Result<(), DockerfileError> {
        let (from, body) = self.stage(stage)?;
        let maintainer = body.get(skip).filter(|next| next.kind == Kind::Maintainer);
        let skipped = skip.checked_sub(1).and_then(|last| body.get(last));
        let (at, open) = end_of(maintainer.or(skipped).unwrap_or(from))?;
        self.close(open);
        self.insert(at, instruction);
        Ok(())
    }

    /// Adds an instruction in front of the last one of a stage; behind its FROM
    /// when there is no other.
    ///
    /// # Errors
    /// As [`Edits::append`].
    pub fn insert_before_last(&mut self, stage: usize, instruction: &str) -> Result<(), DockerfileError> {
        let (_, body) = self.stage(stage)?;
        match body.last() {
            Some(last) => {
                let at = last.span.start;
                self.insert(at, instruction);
                Ok(())
            }
            None => self.insert_after_from(stage, instruction),
        }
    }

    /// Replaces the image of a stage's FROM, and nothing else of it.
    ///
    /// # Errors
    /// There is no such stage, or `image` is not one word.
    pub fn replace_from(&mut self, stage: usize, image: &str) -> Result<(), DockerfileError> {
        let (from, _) = self.stage(stage)?;
        let Kind::From { image: word, .. } = &from.kind else { return Err(no_stage(stage)) };
        if !pin::is_one_word(image) {
            return Err(DockerfileError::NoSuchParent { at: word.span.start, reference: image.to_owned() });
        }
        let span = word.span.clone();
        self.replace(span, image);
        Ok(())
    }

    /// The text with all changes made.
    pub fn text(mut self) -> String {
        self.changes.sort_by_key(|change| change.span.start);
        let original = self.dockerfile.text.as_str();
        let newline = newline(original);
        let added: usize = self.changes.iter().map(|change| change.text.len() + 2).sum();
        let mut result = String::with_capacity(original.len() + added);
        let mut copied = 0;
        for Change { span, text, is_instruction } in self.changes {
            if span.start < copied {
                // The same change asked for twice.
                continue;
            }
            result.push_str(&original[copied..span.start]);
            copied = span.end;
            if !is_instruction {
                result.push_str(&text);
                continue;
            }
            if !result.is_empty() && !result.ends_with('\n') {
                result.push_str(newline);
            }
            for line in text.lines() {
                result.push_str(line);
                result.push_str(newline);
            }
        }
        result.push_str(&original[copied..]);
        result
    }

    /// The Dockerfile with all changes made.
    ///
    /// # Errors
    /// The result does not have the instructions that were meant, which would be
    /// a defect of ours.
    pub fn finish(self) -> Result<Dockerfile, DockerfileError> {
        if self.changes.is_empty() {
            return Ok(self.dockerfile.clone());
        }
        let added = self.changes.iter().filter(|change| change.is_instruction).count();
        let expected = self.dockerfile.instructions.len() + added;
        let text = self.text();
        match Dockerfile::parse(text.as_bytes()) {
            Ok(edited) if edited.instructions.len() == expected => Ok(edited),
            Ok(edited) => Err(DockerfileError::Edit {
                reason: format!("{} instructions instead of {expected}", edited.instructions.len()),
            }),
            Err(error) => Err(DockerfileError::Edit { reason: error.to_string() }),
        }
    }

    fn stage(&self, stage: usize) -> Result<(&Instruction, &[Instruction]), DockerfileError> {
        let from = self.dockerfile.opening_of(stage).ok_or_else(|| no_stage(stage))?;
        Ok((from, self.dockerfile.body(stage)))
    }

    /// Takes away an escape at the end of the file.
    fn close(&mut self, open: Option<Range<usize>>) {
        if let Some(escape) = open {
            self.replace(escape, "");
        }
    }

    fn replace(&mut self, span: Range<usize>, text: &str) {
        self.changes.push(Change { span, text: text.to_owned(), is_instruction: false });
    }

    fn insert(&mut self, at: usize, instruction: &str) {
        self.changes.push(Change { span: at..at, text: instruction.to_owned(), is_instruction: true });
    }
}

/// Where the lines of an instruction end, and the escape that leads on from
/// there to nothing.
fn end_of(instruction: &Instruction) -> Result<(usize, Option<Range<usize>>), DockerfileError> {
    let at = instruction.span.end;
    match &instruction.end {
        End::Complete => Ok((at, None)),
        End::Dangling(escape) => Ok((at, Some(escape.clone()))),
        End::Unclear => Err(DockerfileError::invalid(
            instruction.line,
            "it ends with two escapes, which some engines take for a continuation and some do not",
        )),
    }
}

fn no_stage(stage: usize) -> DockerfileError {
    DockerfileError::Edit { reason: format!("there is no stage {stage}") }
}

/// How the lines of a text end.
fn newline(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}
