//! Dockerfiles that other people wrote. They are not part of the repository: the
//! test reads every file below the directory that the environment names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{Arguments, Dockerfile};

/// Names the directory.
const VARIABLE: &str = "REACTOR_DOCKERFILE_CORPUS";

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// What is wrong with one file, if it can be understood at all.
fn check(bytes: &[u8]) -> Result<Result<(), String>, String> {
    let dockerfile = Dockerfile::parse(bytes).map_err(|error| error.to_string())?;
    let has_flags = dockerfile.pin(&BTreeMap::new()).is_ok_and(|text| text != bytes);
    if dockerfile.as_bytes() != bytes {
        return Ok(Err("the text is not what it was".to_owned()));
    }
    if has_flags && !String::from_utf8_lossy(bytes).contains("--platform") {
        return Ok(Err("pinning nothing changes it".to_owned()));
    }
    let arguments = Arguments::default();
    let labels = dockerfile.labels(&arguments).map_err(|error| error.to_string())?;
    let added = BTreeMap::from([
        ("org.example.first".to_owned(), "V \"q\" \\ $x `y`".to_owned()),
        ("org.example.second".to_owned(), String::new()),
    ]);
    let instruction = dockerfile.label_instruction(&added).unwrap_or_default();
    let mut edits = dockerfile.edit();
    edits.append(dockerfile.stages() - 1, &instruction).map_err(|error| error.to_string())?;
    let edited = edits.finish().map_err(|error| format!("DEFECT {error}"))?;
    let mut expected = labels;
    expected.extend(added);
    if edited.labels(&arguments).as_ref() != Ok(&expected) {
        return Ok(Err("the labels are not those that were set".to_owned()));
    }
    let original = String::from_utf8_lossy(bytes);
    let edited = String::from_utf8_lossy(edited.as_bytes()).into_owned();
    Ok(without(&edited, &instruction, &original))
}

/// Takes the last instruction away again and compares. A file whose last line had
/// no end, or an escape that led nowhere, has got one, or lost it.
fn without(edited: &str, instruction: &str, original: &str) -> Result<(), String> {
    let unix = |text: &str| text.replace("\r\n", "\n");
    let back = unix(edited);
    let back = back.strip_suffix(&format!("{instruction}\n")).ok_or("the instruction is not at the end")?;
    let original = unix(original);
    let plain = |text: &str| text.trim_end_matches(['\n', '\r', ' ', '\t', '\\', '`']).to_owned();
    if back == original || back == format!("{original}\n") || plain(back) == plain(&original) {
        Ok(())
    } else {
        Err("taking the label away again does not give the original".to_owned())
    }
}

#[test]
fn dockerfiles_of_other_people_come_back_as_they_were() {
    // A setting of this test alone; the program itself never looks at it.
    #[allow(clippy::disallowed_methods)]
    let Ok(directory) = std::env::var(VARIABLE) else {
        println!("skipped: {VARIABLE} does not name a directory");
        return;
    };
    let mut paths = Vec::new();
    files(Path::new(&directory), &mut paths);
    paths.sort();
    let (mut good, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for path in &paths {
        match check(&fs::read(path).unwrap()) {
            Ok(Ok(())) => good += 1,
            Ok(Err(reason)) => wrong.push(format!("{}: {reason}", path.display())),
            Err(reason) if reason.starts_with("DEFECT") => {
                wrong.push(format!("{}: {reason}", path.display()))
            }
            Err(reason) => refused.push(format!("{}: {reason}", path.display())),
        }
    }
    println!("{} files: {good} come back, {} are refused:", paths.len(), refused.len());
    for line in &refused {
        println!("  {line}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(good > 0, "no file could be read");
}
