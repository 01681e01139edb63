//! `set_release_env` of `container.yaml`: the release of the image as an
//! environment variable in every stage. Pure.

use common::failure::{Failure, FailureClass};

use crate::repository::dockerfile::Dockerfile;

/// The same Dockerfile with the variable set behind every FROM.
///
/// # Errors
/// `release_env.name`: the name cannot be that of a variable;
/// `release_env.value`: the release cannot be written.
pub fn set_release_env(dockerfile: &Dockerfile, name: &str, release: &str) -> Result<Dockerfile, Failure> {
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let is_name = begins && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && name.len() <= 128;
    let name_problem = (!is_name).then(|| {
        let shown: String = name.chars().take(80).collect();
        let message =
            format!("set_release_env in container.yaml: {shown:?} cannot be the name of a variable");
        Failure::new(FailureClass::Source, "release_env.name", message)
            .with_advice("use letters, digits and '_', not beginning with a digit")
    });
    let is_bad = release.chars().any(char::is_control) || release.len() > 1024;
    let release_problem = is_bad.then(|| {
        let shown: String = release.chars().take(80).collect();
        let message = format!("the release {shown:?} cannot be set in the environment");
        Failure::new(FailureClass::Source, "release_env.value", message)
            .with_advice("set another release in the Dockerfile's labels, or ask for one")
    });
    if let Some(failure) = Failure::all(name_problem.into_iter().chain(release_problem)) {
        return Err(failure);
    }
    let instruction = dockerfile.env_instruction(name, release);
    let mut edits = dockerfile.edit();
    for stage in 0..dockerfile.stages() {
        edits.insert_after_from(stage, &instruction)?;
    }
    Ok(edits.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, release: &str) -> Result<String, Failure> {
        let dockerfile = Dockerfile::parse(b"FROM a AS b\nRUN x\nFROM scratch\n").unwrap();
        let changed = set_release_env(&dockerfile, name, release)?;
        Ok(String::from_utf8(changed.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn every_stage_gets_the_variable() {
        // C16.
        let expected = "FROM a AS b\nENV R_1=\"1 \\$x\"\nRUN x\nFROM scratch\nENV R_1=\"1 \\$x\"\n";
        assert_eq!(set("R_1", "1 $x").unwrap(), expected);
    }

    #[test]
    fn mistakes_are_told_together() {
        for (name, release, codes) in [
            ("1R", "1", &["release_env.name"][..]),
            ("", "1\n", &["release_env.name", "release_env.value"]),
            ("A=b", "1", &["release_env.name"]),
            ("R", "1\n", &["release_env.value"]),
        ] {
            let found: Vec<String> =
                set(name, release).unwrap_err().each().into_iter().map(|f| f.code).collect();
            assert_eq!(found, codes, "{name}");
        }
    }
}
