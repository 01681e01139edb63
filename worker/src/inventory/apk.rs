//! The list of installed packages of apk: paragraphs of `X:value` lines.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use common::packages::{Package, PackageKind};

use super::{
    database::{DatabaseError, add, required_text, text},
    lines::Lines,
};

/// The packages of an `installed` file.
///
/// # Errors
/// A line or a paragraph is not what it should be, or the disk fails.
pub(super) fn read(path: &Path) -> Result<Vec<Package>, DatabaseError> {
    let file = File::open(path).map_err(DatabaseError::Disk)?;
    parse(BufReader::new(file))
}

/// The fields of a paragraph that matter.
#[derive(Debug, Default)]
struct Paragraph {
    begins: u64,
    name: Option<Vec<u8>>,
    version: Option<Vec<u8>>,
    architecture: Option<Vec<u8>>,
}

fn parse(file: impl BufRead) -> Result<Vec<Package>, DatabaseError> {
    let mut packages = Vec::new();
    let mut lines = Lines::new(file);
    let mut paragraph: Option<Paragraph> = None;
    while let Some((number, line)) = lines.next()? {
        match line {
            [] => finish(paragraph.take(), &mut packages)?,
            [letter, b':', value @ ..] if letter.is_ascii_alphabetic() => {
                let paragraph =
                    paragraph.get_or_insert_with(|| Paragraph { begins: number, ..Paragraph::default() });
                match letter {
                    b'P' => paragraph.name = Some(value.to_vec()),
                    b'V' => paragraph.version = Some(value.to_vec()),
                    b'A' => paragraph.architecture = Some(value.to_vec()),
                    _ => {}
                }
            }
            _ => return Err(DatabaseError::damaged(format!("line {number} is no field"))),
        }
    }
    finish(paragraph, &mut packages)?;
    Ok(packages)
}

fn finish(paragraph: Option<Paragraph>, packages: &mut Vec<Package>) -> Result<(), DatabaseError> {
    let Some(paragraph) = paragraph else { return Ok(()) };
    let begins = paragraph.begins;
    let package =
        paragraph.package().map_err(|error| error.within(|| format!("the paragraph at line {begins}")))?;
    add(packages, package)
}

impl Paragraph {
    fn package(&self) -> Result<Package, DatabaseError> {
        let name = required_text(self.name.as_deref(), "P (name)")?;
        let version = required_text(self.version.as_deref(), "V (version)")?;
        let architecture = text(self.architecture.as_deref().unwrap_or_default(), "A (architecture)")?;
        let (version, release) = split_version(&version);
        let (version, release) = (version.to_owned(), release.to_owned());
        let kind = PackageKind::Apk;
        Ok(Package { kind, name, epoch: None, version, release, architecture, md5: None, signature: None })
    }
}

/// Version and `rN`. A version without it is that of a package that apk made
/// itself (`apk add --virtual`).
fn split_version(version: &str) -> (&str, &str) {
    match version.rsplit_once('-') {
        Some((upstream, release)) if is_release(release) && !upstream.is_empty() => (upstream, release),
        _ => (version, ""),
    }
}

fn is_release(text: &str) -> bool {
    text.strip_prefix('r')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(file: &str) -> Result<Vec<String>, String> {
        let packages = parse(file.as_bytes()).map_err(|error| error.to_string())?;
        let line = |package: &Package| {
            format!("{} {} {} {}", package.name, package.version, package.release, package.architecture)
        };
        Ok(packages.iter().map(line).collect())
    }

    #[test]
    fn packages_are_listed() {
        let file = "C:Q1abc=\nP:musl\nV:1.2.4_git20230717-r4\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\n\
             C:Q1def=\nP:.build-deps\nV:20240101.101112\nA:noarch\n\nP:last\nV:1-rc-r0\n";
        let expected =
            ["musl 1.2.4_git20230717 r4 x86_64", ".build-deps 20240101.101112  noarch", "last 1-rc r0 "];
        assert_eq!(listed(file).unwrap(), expected);
        assert_eq!(listed("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let rows = [
            ("P:a\nV:1-r0\nnonsense", "line 3 is no field"),
            ("V:1-r0\n", "the paragraph at line 1: P (name) is missing"),
            ("\nP:a\n\n", "the paragraph at line 2: V (version) is missing"),
        ];
        for (file, reason) in rows {
            assert_eq!(listed(file).unwrap_err(), reason, "{file}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(parse(&file[..]));
        }
    }
}
