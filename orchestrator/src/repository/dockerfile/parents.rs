//! The images that a Dockerfile is built from: those of FROM, of `COPY --from`
//! and of `RUN --mount=from`, in every stage, on one platform.
//!
//! Stages of the same file and `scratch` are no parents. Triggers (ONBUILD) name
//! images for the builds of children, so they are no parents of this build.

use std::{collections::BTreeMap, ops::Range};

use common::image::ImageReference;

use super::{
    Arguments, Dockerfile, DockerfileError, Flaw,
    expand::{Missing, expand},
    model::{Kind, Word},
    words,
};

/// Identifies one use of a parent in one Dockerfile, the same on every platform:
/// the place of its image in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParentKey(pub(super) usize);

/// How a parent is used. Stages are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentKind {
    /// The stage begins with it.
    From {
        /// The stage.
        stage: usize,
    },
    /// The stage copies files from it.
    CopyFrom {
        /// The stage.
        stage: usize,
    },
    /// The stage mounts it for a command.
    RunMountFrom {
        /// The stage.
        stage: usize,
    },
}

/// One place where an image from outside is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentUse {
    /// The image as written.
    pub written: String,
    /// The image with variables and quotes resolved.
    pub expanded: ImageReference,
    /// Where it is written, in bytes from the beginning.
    pub span: Range<usize>,
    /// The line of its instruction, from 1.
    pub line: usize,
    /// How it is used.
    pub kind: ParentKind,
}

impl ParentUse {
    /// What to call this use in [`Dockerfile::pin`].
    pub fn key(&self) -> ParentKey {
        ParentKey(self.span.start)
    }
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image from outside, with variables resolved as far as they are known.
    Outside(String),
}

/// The FROM instructions, resolved.
pub(super) struct Stages {
    /// Names in lower case, where there are any, and bases.
    pub(super) stages: Vec<(Option<String>, Base)>,
    /// Values of the global ARGs, and of the platform's.
    pub(super) globals: BTreeMap<String, String>,
}

impl Dockerfile {
    /// All uses of images from outside, in the order of the text.
    ///
    /// # Errors
    /// A variable without a value, something that is no image, a stage that is
    /// not there, or a `--platform` flag that asks for another platform.
    pub fn parents(&self, arguments: &Arguments) -> Result<Vec<ParentUse>, DockerfileError> {
        let resolved = self.resolve_stages(arguments, Missing::Error)?;
        let mut parents = Vec::new();
        let mut next = 0;
        for instruction in &self.instructions {
            let line = instruction.line;
            match &instruction.kind {
                Kind::From { image, .. } => {
                    if let Some((_, Base::Outside(text))) = resolved.stages.get(next) {
                        let kind = ParentKind::From { stage: next };
                        parents.push(found(image, reference(text, line)?, line, kind));
                    }
                    next += 1;
                }
                Kind::Copy { from } => {
                    let stage = next.saturating_sub(1);
                    if let Some(reference) = outside(from, &resolved, stage, line, "COPY --from")? {
                        parents.push(found(from, reference, line, ParentKind::CopyFrom { stage }));
                    }
                }
                Kind::Run { from } => {
                    let stage = next.saturating_sub(1);
                    for from in from {
                        if let Some(reference) = outside(from, &resolved, stage, line, "RUN --mount=from")? {
                            parents.push(found(from, reference, line, ParentKind::RunMountFrom { stage }));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(parents)
    }

    /// The image from outside on which the final stage stands, through as many
    /// stages as there are; `None` when that is `scratch`.
    ///
    /// # Errors
    /// As [`Dockerfile::parents`].
    pub fn base(&self, arguments: &Arguments) -> Result<Option<ParentUse>, DockerfileError> {
        let resolved = self.resolve_stages(arguments, Missing::Error)?;
        let mut stage = resolved.stages.len().saturating_sub(1);
        while let Some((_, Base::Stage(earlier))) = resolved.stages.get(stage) {
            stage = *earlier;
        }
        let is_base = |parent: &ParentUse| parent.kind == ParentKind::From { stage };
        Ok(self.parents(arguments)?.into_iter().find(is_base))
    }

    /// Resolves every FROM. Variables come from the ARGs before the first one and
    /// from the platform only (Dockerfile reference, "Understand how ARG and FROM
    /// interact"). Only when a missing one is an error, the platform is certain
    /// and `--platform` flags are checked.
    pub(super) fn resolve_stages(
        &self,
        arguments: &Arguments,
        missing: Missing,
    ) -> Result<Stages, DockerfileError> {
        let mut globals = arguments.platform.clone();
        let mut stages: Vec<(Option<String>, Base)> = Vec::new();
        for instruction in &self.instructions {
            let line = instruction.line;
            match &instruction.kind {
                Kind::Arg(text) if stages.is_empty() => {
                    for (name, default) in words::arguments(text, self.escape) {
                        let value = match (arguments.build_args.get(&name), default) {
                            (Some(given), _) => Some(given.clone()),
                            (None, Some(default)) => {
                                let known = |name: &str| globals.get(name).cloned();
                                Some(self.expanded(&default, line, Missing::Empty, &known)?)
                            }
                            (None, None) => None,
                        };
                        if let Some(value) = value {
                            globals.insert(name, value);
                        }
                    }
                }
                Kind::From { platform, image, name } => {
                    let known = |name: &str| globals.get(name).cloned();
                    if let Some((_, flag)) = platform.as_ref().filter(|_| missing == Missing::Error) {
                        let asked = self.expanded(&flag.text, line, Missing::Empty, &known)?;
                        check_platform(flag, &asked, arguments, line)?;
                    }
                    let text = self.expanded(&image.text, line, missing, &known)?;
                    let base = base(text, &stages);
                    stages.push((name.as_ref().map(|name| name.to_lowercase()), base));
                }
                _ => {}
            }
        }
        Ok(Stages { stages, globals })
    }

    pub(super) fn expanded(
        &self,
        word: &str,
        line: usize,
        missing: Missing,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, DockerfileError> {
        expand(word, self.escape, missing, lookup)
            .map_err(|reason| DockerfileError::flawed(Flaw::Variable, line, format!("in '{word}': {reason}")))
    }
}

fn found(word: &Word, expanded: ImageReference, line: usize, kind: ParentKind) -> ParentUse {
    ParentUse { written: word.text.clone(), expanded, span: word.span.clone(), line, kind }
}

fn base(text: String, earlier: &[(Option<String>, Base)]) -> Base {
    if text == "scratch" {
        return Base::Scratch;
    }
    let lower = text.to_lowercase();
    match earlier.iter().position(|(name, _)| name.as_deref() == Some(lower.as_str())) {
        Some(stage) => Base::Stage(stage),
        None => Base::Outside(text),
    }
}

fn reference(text: &str, line: usize) -> Result<ImageReference, DockerfileError> {
    if text.is_empty() {
        return Err(DockerfileError::flawed(Flaw::ImageName, line, "the name of the image is empty"));
    }
    text.parse().map_err(|error: common::ParseError| {
        DockerfileError::flawed(Flaw::ImageName, line, error.to_string())
    })
}

/// The image of a `from`, unless that is a stage or `scratch`.
fn outside(
    from: &Word,
    resolved: &Stages,
    stage: usize,
    line: usize,
    what: &str,
) -> Result<Option<ImageReference>, DockerfileError> {
    let text = from.text.trim_matches('"');
    if text.contains('$') {
        let reason = format!(
            "{what} cannot contain variables; give the image a stage of its own (FROM {text} AS name) and use \
             the name"
        );
        return Err(DockerfileError::flawed(Flaw::Variable, line, reason));
    }
    let lower = text.to_lowercase();
    let named = resolved.stages.iter().position(|(name, _)| name.as_deref() == Some(lower.as_str()));
    let numbered = text.parse::<usize>().ok();
    match named.or(numbered) {
        Some(other) if other < stage => Ok(None),
        Some(_) => {
            let reason = format!("{what}={text} does not name an earlier stage");
            Err(DockerfileError::flawed(Flaw::UnknownStage, line, reason))
        }
        None if text == "scratch" => Ok(None),
        None => reference(text, line).map(Some),
    }
}

/// Accepts a flag that says what happens anyway.
fn check_platform(
    flag: &Word,
    asked: &str,
    arguments: &Arguments,
    line: usize,
) -> Result<(), DockerfileError> {
    let written = flag.text.trim_matches('"').replace(['{', '}'], "");
    if written == "$TARGETPLATFORM" || written == "$BUILDPLATFORM" {
        return Ok(());
    }
    let target = arguments.platform.get("TARGETPLATFORM").map_or("an unknown platform", String::as_str);
    let plain = |name: &str| name.strip_suffix("/v8").unwrap_or(name).to_owned();
    if plain(asked) == plain(target) {
        return Ok(());
    }
    let (written, target) = (flag.text.clone(), target.to_owned());
    Err(DockerfileError::PlatformFlag { line, written, target })
}

#[cfg(test)]
mod tests {
    use common::platform::Architecture;

    use super::*;

    fn arm() -> Arguments {
        let given =
            BTreeMap::from([("GIVEN".to_owned(), "given".to_owned()), ("V".to_owned(), "9".to_owned())]);
        Arguments::new(&given).for_platform(&Architecture::plain("arm64"))
    }

    fn parents(text: &str) -> Result<Vec<String>, DockerfileError> {
        let dockerfile = Dockerfile::parse(text.as_bytes())?;
        let parents = dockerfile.parents(&arm())?;
        for parent in &parents {
            let raw = &text[parent.span.clone()];
            assert!(raw == parent.written || raw.contains('\n'), "{raw} is not {}", parent.written);
        }
        Ok(parents.iter().map(|parent| parent.expanded.to_string()).collect())
    }

    #[test]
    fn external_images_are_found_everywhere() {
        let cases: &[(&str, &[&str])] = &[
            ("FROM a", &["a"]),
            ("from a:1 as b\nfrom b\n", &["a:1"]),
            ("FROM scratch\nCOPY x /\n", &[]),
            ("FROM a AS A\nFROM b\nCOPY --from=a /x /y\nCOPY --from=0 /x /y\n", &["a", "b"]),
            ("FROM a AS a\nFROM a\nFROM r.example.org/a\n", &["a", "r.example.org/a"]),
            ("FROM a\nCOPY --chown=1:1 --from=c:1 /x /y\n", &["a", "c:1"]),
            ("FROM a\nRUN --mount=type=bind,from=c:1,target=/x --network=none ls\n", &["a", "c:1"]),
            (
                "FROM a AS x\nFROM b\nRUN --mount=from=x,target=/x --mount=type=cache,target=/c,\"from=d\" ls\n",
                &["a", "b", "d"],
            ),
            ("FROM a\nRUN --mount=type=bind,from=scratch ls\n", &["a"]),
            ("ARG V=1\nFROM a:$V\n", &["a:9"]),
            ("ARG W=1\nFROM a:${W}\nFROM b:${NONE:-2}\nFROM c${W:+-x}\n", &["a:1", "b:2", "c-x"]),
            ("ARG A=1\nARG B=$A-x C=c\nFROM $C:$B\n", &["c:1-x"]),
            ("FROM a-$TARGETARCH:${TARGETOS}\n", &["a-arm64:linux"]),
            ("FROM a AS st\nARG N=st\nFROM b\n", &["a", "b"]),
            ("ARG N=st\nFROM a AS st\nFROM $N\n", &["a"]),
            ("FROM \"a:1\"\n", &["a:1"]),
            ("FROM \\\n  a\\\n:1 \\\n # comment\n AS x\n", &["a:1"]),
            ("# escape=`\nFROM `\n a\nRUN dir \\\n", &["a"]),
            ("FROM a\nONBUILD COPY --from=b /x /y\nONBUILD RUN --mount=from=c ls\n", &["a"]),
            ("FROM a\nRUN cat <<EOF >x\nFROM b\nCOPY --from=c / /\nEOF\nCOPY --from=d / /\n", &["a", "d"]),
            ("FROM a\nRUN <<EOF\nFROM b\nEOF\n", &["a"]),
            ("FROM a\nCOPY <<EOF /x\nFROM b\nEOF\nFROM c\n", &["a", "c"]),
            ("FROM --platform=$BUILDPLATFORM a\nFROM --platform=${TARGETPLATFORM} b\n", &["a", "b"]),
            ("FROM --platform=linux/arm64 a\nFROM --platform=linux/arm64/v8 b\n", &["a", "b"]),
            ("\u{feff}FROM a\r\nCOPY --from=b \\\r\n x y\r\n", &["a", "b"]),
            (
                "FROM a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
                &["a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
            ),
        ];
        for (text, expected) in cases {
            let found = parents(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_pinned_is_refused_with_its_line() {
        let cases = [
            ("", 1, "FROM"),
            ("RUN x\n", 1, "FROM"),
            ("FROM a\n\nRUM x\n", 3, "unknown instruction"),
            ("FROM a b\n", 1, "AS"),
            ("FROM $NONE\n", 1, "'NONE' has no value"),
            ("ARG N\nFROM a:$N\n", 2, "'N' has no value"),
            ("FROM a\nARG L=1\nFROM b:$L\n", 3, "'L' has no value"),
            ("# c\nFROM $GIVEN\n", 2, "'GIVEN' has no value"),
            ("FROM a\nCOPY --from=$V / /\n", 2, "cannot contain variables"),
            ("FROM a\nRUN --mount=from=$V ls\n", 2, "cannot contain variables"),
            ("FROM a\nCOPY --from=1 / /\n", 2, "does not name an earlier stage"),
            ("FROM a AS x\nCOPY --from=x / /\n", 2, "does not name an earlier stage"),
            ("FROM a\nCOPY --from=later / /\nFROM b AS later\n", 2, "does not name an earlier stage"),
            ("FROM A/B\n", 1, "'A/B' is not a valid repository"),
            ("FROM https://x/y\n", 1, "not a valid"),
            ("FROM \"\"\n", 1, "empty"),
            ("FROM --pull=always a\n", 1, "--pull"),
            ("FROM a\nRUN --mount=type=bind,fr\\\nom=b ls\n", 2, "on one line"),
        ];
        for (text, line, reason) in cases {
            let error = parents(text).expect_err(text);
            assert!(error.to_string().starts_with(&format!("Dockerfile line {line}: ")), "{text}: {error}");
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
        let error = Dockerfile::parse(b"FROM a\n\xff\n").unwrap_err();
        assert_eq!(error.to_string(), "Dockerfile line 2: it is not UTF-8");
    }

    #[test]
    fn a_flag_for_another_platform_is_refused() {
        let error = parents("FROM a\nFROM --platform=linux/amd64 a\n").unwrap_err();
        let failure = common::failure::Failure::from(error);
        assert_eq!(failure.code, "dockerfile.platform_flag");
        assert_eq!(
            failure.message,
            "Dockerfile line 2: --platform=linux/amd64 does not fit a build for linux/arm64"
        );
    }

    #[test]
    fn the_final_stage_stands_on_one_image() {
        let cases = [
            ("FROM a AS x\nFROM b AS y\nFROM x AS z\nFROM z\n", Some("a")),
            ("FROM a\nFROM scratch\nCOPY --from=b / /\n", None),
            ("FROM a\nFROM b\n", Some("b")),
            // DFP-2, which took the first FROM with its name.
            ("FROM fedora:27 AS builder\nRUN x\nFROM scratch\n", None),
            ("FROM scratch\nFROM fedora:27 AS builder\n", Some("fedora:27")),
        ];
        for (text, expected) in cases {
            let base = Dockerfile::parse(text.as_bytes()).unwrap().base(&arm()).unwrap();
            assert_eq!(base.map(|base| base.written).as_deref(), expected, "{text}");
        }
    }
}
