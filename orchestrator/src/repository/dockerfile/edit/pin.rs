//! Writing the final Dockerfile of a platform: parents by digest, all else byte
//! for byte.

use std::{collections::BTreeMap, ops::Range};

use super::{
    super::{
        Dockerfile, DockerfileError, ParentKey,
        model::{Kind, Word},
    },
    Edits,
};

impl Dockerfile {
    /// The text with the images at `pins` replaced; see [`Edits::pin`].
    ///
    /// # Errors
    /// As [`Edits::pin`].
    pub fn pin(&self, pins: &BTreeMap<ParentKey, String>) -> Result<Vec<u8>, DockerfileError> {
        let mut edits = self.edit();
        edits.pin(pins)?;
        Ok(edits.text().into_bytes())
    }

    /// All places where an image or a stage is named.
    fn images(&self) -> impl Iterator<Item = &Word> {
        self.instructions.iter().flat_map(|instruction| match &instruction.kind {
            Kind::From { image, .. } => std::slice::from_ref(image),
            Kind::Copy { from } => std::slice::from_ref(from),
            Kind::Run { from } => from.as_slice(),
            _ => &[],
        })
    }

    fn platform_flags(&self) -> impl Iterator<Item = &Range<usize>> {
        self.instructions.iter().filter_map(|instruction| match &instruction.kind {
            Kind::From { platform: Some((flag, _)), .. } => Some(flag),
            _ => None,
        })
    }
}

impl Edits<'_> {
    /// Replaces the images at `pins`. Nothing else changes, with one exception:
    /// the `--platform` flag of a FROM, which can only say what happens anyway
    /// (see [`Dockerfile::parents`]), goes together with the spaces behind it. A
    /// digest names one platform, and an engine that builds under emulation would
    /// read `$BUILDPLATFORM` as its own.
    ///
    /// # Errors
    /// A key is not from this Dockerfile, or a reference is not one word.
    pub fn pin(&mut self, pins: &BTreeMap<ParentKey, String>) -> Result<(), DockerfileError> {
        let dockerfile = self.dockerfile;
        for (key, reference) in pins {
            let image = dockerfile.images().find(|word| word.span.start == key.0);
            let Some(image) = image.filter(|_| is_one_word(reference)) else {
                return Err(DockerfileError::NoSuchParent { at: key.0, reference: reference.clone() });
            };
            self.replace(image.span.clone(), reference);
        }
        for flag in dockerfile.platform_flags() {
            let behind = dockerfile.text[flag.end..].bytes().take_while(|b| b" \t".contains(b)).count();
            self.replace(flag.start..flag.end + behind, "");
        }
        Ok(())
    }
}

/// Whether a text can stand where an image is named.
pub(super) fn is_one_word(reference: &str) -> bool {
    !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/@[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::super::super::Arguments;
    use super::*;

    const PIN: &str = "r/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Pins every parent to the same digest, shown as `@`.
    fn pinned(text: &str) -> String {
        let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
        let parents = dockerfile.parents(&Arguments::default()).unwrap();
        let pins = parents.iter().map(|parent| (parent.key(), PIN.to_owned())).collect();
        String::from_utf8(dockerfile.pin(&pins).unwrap()).unwrap().replace(PIN, "@")
    }

    #[test]
    fn only_the_images_change() {
        let cases = [
            ("FROM a", "FROM @"),
            ("  from\ta:1   as  b\r\nFROM b\r\n", "  from\t@   as  b\r\nFROM b\r\n"),
            ("ARG V=1\nFROM \"a:${V}\" AS x\n\n\n", "ARG V=1\nFROM @ AS x\n\n\n"),
            ("\u{feff}# c\nFROM a\n", "\u{feff}# c\nFROM @\n"),
            ("FROM \\\n # c\n a\\\n:1 \\\n AS x", "FROM \\\n # c\n @ \\\n AS x"),
            ("FROM a\nCOPY --from=b --chown=b b b\n", "FROM @\nCOPY --from=@ --chown=b b b\n"),
            (
                "FROM a\nRUN --mount=type=bind,source=b,from=b,target=/b echo from=b\n",
                "FROM @\nRUN --mount=type=bind,source=b,from=@,target=/b echo from=b\n",
            ),
            ("FROM a\nRUN --mount=\"from=b\" ls\n", "FROM @\nRUN --mount=\"from=@\" ls\n"),
            ("FROM --platform=$BUILDPLATFORM   a AS x\n", "FROM @ AS x\n"),
            ("FROM --platform=$TARGETPLATFORM scratch\n", "FROM scratch\n"),
            ("FROM a\nRUN cat <<E\nFROM ä\nE\nFROM b", "FROM @\nRUN cat <<E\nFROM ä\nE\nFROM @"),
        ];
        for (text, expected) in cases {
            assert_eq!(pinned(text), expected, "{text}");
        }
    }

    #[test]
    fn without_pins_nothing_changes() {
        let text = "FROM a\n  # c\nRUN x \\\n\n  y\nLABEL a=b";
        let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
        assert_eq!(dockerfile.pin(&BTreeMap::new()).unwrap(), text.as_bytes());
        assert_eq!(dockerfile.as_bytes(), text.as_bytes());
    }

    #[test]
    fn a_pin_must_fit() {
        let dockerfile = Dockerfile::parse(b"FROM a\nRUN x\n").unwrap();
        for (at, reference) in [(0, PIN), (6, PIN), (5, ""), (5, "x y"), (5, "x\nRUN y"), (5, "$x")] {
            let pins = BTreeMap::from([(ParentKey(at), reference.to_owned())]);
            assert!(dockerfile.pin(&pins).is_err(), "{at} {reference}");
        }
        assert!(dockerfile.pin(&BTreeMap::from([(ParentKey(5), PIN.to_owned())])).is_ok());
    }
}
