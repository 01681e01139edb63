//! The status files of dpkg: paragraphs of `Name: value` lines (deb-control(5)).
//!
//! Only four fields are looked at, the others may be in any encoding.

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

/// Ways to end of `Status` with all files of the package in place. The two about
/// triggers are states of an installed package that another one has to look at.
const INSTALLED: [&[u8]; 3] = [b"installed", b"triggers-awaited", b"triggers-pending"];

/// The installed packages of a status file.
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
    package: Option<Vec<u8>>,
    status: Option<Vec<u8>>,
    version: Option<Vec<u8>>,
    architecture: Option<Vec<u8>>,
}

fn parse(file: impl BufRead) -> Result<Vec<Package>, DatabaseError> {
    let mut packages = Vec::new();
    let mut lines = Lines::new(file);
    let mut paragraph: Option<Paragraph> = None;
    while let Some((number, line)) = lines.next()? {
        if line.trim_ascii().is_empty() {
            finish(paragraph.take(), &mut packages)?;
            continue;
        }
        let continued = line.starts_with(b" ") || line.starts_with(b"\t");
        if continued && paragraph.is_some() {
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|_| !continued) else {
            return Err(DatabaseError::damaged(format!("line {number} is no field")));
        };
        let paragraph = paragraph.get_or_insert_with(|| Paragraph { begins: number, ..Paragraph::default() });
        paragraph.set(&line[..colon], line[colon + 1..].trim_ascii());
    }
    finish(paragraph, &mut packages)?;
    Ok(packages)
}

fn finish(paragraph: Option<Paragraph>, packages: &mut Vec<Package>) -> Result<(), DatabaseError> {
    let Some(paragraph) = paragraph else { return Ok(()) };
    let begins = paragraph.begins;
    let package =
        paragraph.package().map_err(|error| error.within(|| format!("the paragraph at line {begins}")))?;
    package.map_or(Ok(()), |package| add(packages, package))
}

impl Paragraph {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        let fields = [
            ("package", &mut self.package),
            ("status", &mut self.status),
            ("version", &mut self.version),
            ("architecture", &mut self.architecture),
        ];
        for (known, field) in fields {
            if name.eq_ignore_ascii_case(known.as_bytes()) {
                *field = Some(value.to_vec());
            }
        }
    }

    /// The package, if it is installed. A paragraph without a status is that of
    /// an image that was put together without dpkg, and says what is there.
    fn package(&self) -> Result<Option<Package>, DatabaseError> {
        let name = required_text(self.package.as_deref(), "Package")?;
        if let Some(status) = &self.status {
            let words: Vec<&[u8]> =
                status.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
            let [_, _, state] = words[..] else {
                return Err(DatabaseError::damaged(format!("the Status of {name} is not three words")));
            };
            if !INSTALLED.contains(&state) {
                return Ok(None);
            }
        }
        let version = required_text(self.version.as_deref(), "Version")?;
        let (epoch, version, release) = split_version(&version)
            .ok_or_else(|| DatabaseError::damaged(format!("the Version of {name} is {version}")))?;
        let architecture = text(self.architecture.as_deref().unwrap_or_default(), "Architecture")?;
        let (version, release) = (version.to_owned(), release.to_owned());
        let kind = PackageKind::Deb;
        Ok(Some(Package { kind, name, epoch, version, release, architecture, md5: None, signature: None }))
    }
}

/// Epoch, upstream version and Debian revision (deb-version(7)).
fn split_version(version: &str) -> Option<(Option<u32>, &str, &str)> {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch.parse().ok()?), rest),
        None => (None, version),
    };
    let (version, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (!version.is_empty()).then_some((epoch, version, revision))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(file: &str) -> Result<Vec<String>, String> {
        let packages = parse(file.as_bytes()).map_err(|error| error.to_string())?;
        let line = |package: &Package| {
            format!("{} {} {}", package.name, package.full_version(), package.architecture)
        };
        Ok(packages.iter().map(line).collect())
    }

    #[test]
    fn installed_packages_are_listed() {
        let file = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\n\
             Description: shell\n Package: no field\n .\nVersion: 5.2.15-2+b7\n\n\n\
             Package: held\nStatus: hold ok installed\nVersion: 1:2-rc-3\nArchitecture: all\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
             Package: half\nStatus: install reinstreq half-installed\nVersion: 1\n\n\
             package: waiting\nSTATUS: install ok triggers-awaited\nversion: 0:1.0\n\n\
             Package: never\nStatus: unknown ok not-installed\n";
        let expected = ["bash 5.2.15-2+b7 amd64", "held 1:2-rc-3 all", "waiting 0:1.0 "];
        assert_eq!(listed(file).unwrap(), expected);
        assert_eq!(listed("").unwrap(), Vec::<String>::new());
        assert_eq!(listed("\n \n").unwrap(), Vec::<String>::new());
        let alone = "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all";
        assert_eq!(listed(alone).unwrap(), ["tzdata 2024a-0+deb12u1 all"]);
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let rows = [
            ("\n\nthis is no field", "line 3 is no field"),
            (" begins in the middle", "line 1 is no field"),
            ("Version: 1", "the paragraph at line 1: Package is missing"),
            ("\nPackage: a\nStatus: install ok installed", "the paragraph at line 2: Version is missing"),
            ("Package: a\nStatus: installed", "the paragraph at line 1: the Status of a is not three words"),
            ("Package: a\nVersion: x:1", "the paragraph at line 1: the Version of a is x:1"),
            ("Package: a\u{1}\nVersion: 1", "the paragraph at line 1: Package has a control character"),
        ];
        for (file, reason) in rows {
            assert_eq!(listed(file).unwrap_err(), reason, "{file}");
        }
    }

    #[test]
    fn versions_are_split() {
        let rows = [
            ("1.2-3", Some((None, "1.2", "3"))),
            ("1:1.2-a-3~x", Some((Some(1), "1.2-a", "3~x"))),
            ("2024", Some((None, "2024", ""))),
            ("0:1:2-3", Some((Some(0), "1:2", "3"))),
            ("99999999999:1", None),
            ("-1", None),
        ];
        for (version, expected) in rows {
            assert_eq!(split_version(version), expected, "{version}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(parse(&file[..]));
        }
    }
}
