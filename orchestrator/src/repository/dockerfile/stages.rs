//! Questions about the stages of a Dockerfile: which stand on which, which run
//! commands, and as whom the final one ends.

use common::image::ImageReference;

use super::{
    Arguments, Dockerfile, DockerfileError, ParentKey,
    expand::Missing,
    model::{Instruction, Kind},
    parents::Base,
    quote,
};

impl Dockerfile {
    /// The stages that begin with an image from outside and in which, or in a
    /// stage built on which, something is run. Counted from 0, in order.
    ///
    /// # Errors
    /// A FROM or an ARG before it that cannot be understood.
    pub fn stages_that_run(&self, arguments: &Arguments) -> Result<Vec<usize>, DockerfileError> {
        let roots = self.roots(arguments)?;
        let mut found: Vec<usize> = Vec::new();
        for (stage, root) in roots.iter().enumerate() {
            let runs = self.body(stage).iter().any(|i| matches!(i.kind, Kind::Run { .. }));
            found.extend(root.filter(|_| runs));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The stage on whose image from outside the final stage stands: itself, or
    /// one further up. `None` when that is `scratch`.
    ///
    /// # Errors
    /// A FROM or an ARG before it that cannot be understood.
    pub fn root_of_final_stage(&self, arguments: &Arguments) -> Result<Option<usize>, DockerfileError> {
        Ok(self.roots(arguments)?.pop().flatten())
    }

    /// The stages, counted from 0, whose FROM is such an image.
    ///
    /// # Errors
    /// As [`Dockerfile::parents`].
    pub fn stages_from(
        &self,
        is_meant: impl Fn(&ImageReference) -> bool,
        arguments: &Arguments,
    ) -> Result<Vec<usize>, DockerfileError> {
        let stage = |parent: super::ParentUse| match parent.kind {
            super::ParentKind::From { stage } if is_meant(&parent.expanded) => Some(stage),
            _ => None,
        };
        Ok(self.parents(arguments)?.into_iter().filter_map(stage).collect())
    }

    /// What to call the images of these stages' FROM in [`super::Edits::pin`].
    pub fn image_keys(&self, stages: &[usize]) -> Vec<ParentKey> {
        let image = |stage: &usize| match &self.opening_of(*stage)?.kind {
            Kind::From { image, .. } => Some(ParentKey(image.span.start)),
            _ => None,
        };
        stages.iter().filter_map(image).collect()
    }

    /// The USER instruction that, at the end of the final stage, gives the user
    /// that the stage has there: the last one of the stage and of those under it,
    /// as it is written; else one for `inherited`, the user of the image from
    /// outside. One that would mean something else at the end, because its
    /// variables have other values there, is written with its value. `None` when
    /// nobody says anything.
    ///
    /// # Errors
    /// An instruction that cannot be understood, or an inherited user that cannot
    /// be written down.
    pub fn final_user(
        &self,
        arguments: &Arguments,
        inherited: Option<&str>,
    ) -> Result<Option<String>, DockerfileError> {
        let state = self.final_state(arguments)?;
        let Some(user) = &state.user else {
            let Some(inherited) = inherited.filter(|user| !user.is_empty()) else { return Ok(None) };
            if self.root_of_final_stage(arguments)?.is_none() {
                return Ok(None);
            }
            if inherited.chars().any(char::is_control) {
                return Err(DockerfileError::InheritedUser { user: inherited.to_owned() });
            }
            return Ok(Some(self.user_instruction(inherited)));
        };
        let line = self.line_at(user.span.start);
        let at_the_end = self.expanded(&user.written, line, Missing::Empty, &|name| state.lookup(name))?;
        if at_the_end != user.value {
            return Ok(Some(self.user_instruction(&user.value)));
        }
        let original = self.text[user.span.clone()].trim_end();
        let one_line = !original.contains('\n') && !original.ends_with(self.escape);
        Ok(Some(if one_line { original.to_owned() } else { format!("USER {}", user.written) }))
    }

    fn user_instruction(&self, user: &str) -> String {
        let simple = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if user.chars().all(simple) {
            format!("USER {user}")
        } else {
            format!("USER {}", quote::double(user, self.escape))
        }
    }

    /// The instructions of a stage, without its FROM.
    pub(super) fn body(&self, stage: usize) -> &[Instruction] {
        let mut bodies = self.instructions.split(|i| matches!(i.kind, Kind::From { .. }));
        // What comes before the first FROM is no stage.
        bodies.nth(stage + 1).unwrap_or_default()
    }

    /// The FROM of a stage.
    pub(super) fn opening_of(&self, stage: usize) -> Option<&Instruction> {
        self.instructions.iter().filter(|i| matches!(i.kind, Kind::From { .. })).nth(stage)
    }

    fn line_at(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    /// For each stage the one that begins with the image from outside under it.
    fn roots(&self, arguments: &Arguments) -> Result<Vec<Option<usize>>, DockerfileError> {
        let resolved = self.resolve_stages(arguments, Missing::Empty)?;
        let mut roots: Vec<Option<usize>> = Vec::with_capacity(resolved.stages.len());
        for (stage, (_, base)) in resolved.stages.iter().enumerate() {
            roots.push(match base {
                Base::Scratch => None,
                Base::Outside(_) => Some(stage),
                Base::Stage(earlier) => roots.get(*earlier).copied().flatten(),
            });
        }
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_user_at_the_end_is_that_of_the_final_stage() {
        // YUM-8..10: the last one differs from the system before on purpose.
        let cases: &[(&str, &str, Option<&str>, Option<&str>)] = &[
            ("none", "FROM a\nRUN x\n", None, None),
            ("empty", "FROM a\nRUN x\n", Some(""), None),
            ("YUM-8", "FROM a\nRUN x\n", Some("inherited"), Some("USER inherited")),
            ("YUM-9", "from a\n User foo\nrun x\n", Some("inherited"), Some(" User foo")),
            ("YUM-10", "FROM a AS b\nUSER 1\nFROM c\nRUN x\n", Some("2"), Some("USER 2")),
            ("YUM-10", "FROM a AS b\nUSER 1\nFROM c\nRUN x\n", None, None),
            ("chain", "FROM a AS b\nUSER 1\nFROM b\nRUN x\n", Some("2"), Some("USER 1")),
            ("last", "FROM a\nUSER 1\nUSER 2:3\n", None, Some("USER 2:3")),
            ("variable", "FROM a\nENV U=1\nUSER $U\n", None, Some("USER $U")),
            ("changed", "FROM a\nENV U=1\nUSER $U\nENV U=2\n", None, Some("USER 1")),
            ("argument", "FROM a AS b\nARG U='x y'\nUSER $U\nFROM b\n", None, Some("USER \"x y\"")),
            ("lines", "FROM a\nUSER \\\n # c\n  me\n", None, Some("USER me")),
            ("open", "FROM a\nUSER me \\\n", None, Some("USER me")),
            ("windows", "FROM a\r\nUSER me\r\nRUN x\r\n", None, Some("USER me")),
            ("expands", "FROM a\n", Some("$x"), Some("USER \"\\$x\"")),
            ("scratch", "FROM a\nFROM scratch\nCOPY --from=0 / /\n", Some("x"), None),
        ];
        for (name, text, inherited, expected) in cases {
            let found = parse(text).final_user(&Arguments::default(), *inherited).unwrap();
            assert_eq!(found.as_deref(), *expected, "{name}");
        }
        let error = parse("FROM a\n").final_user(&Arguments::default(), Some("x\nRUN y")).unwrap_err();
        assert!(matches!(error, DockerfileError::InheritedUser { .. }));
    }

    #[test]
    fn stages_that_run_something_are_known_by_their_image_from_outside() {
        let cases: &[(&str, &[usize])] = &[
            ("FROM a\n", &[]),
            ("FROM a\nRUN x\n", &[0]),
            ("FROM scratch\nRUN x\n", &[]),
            ("FROM a AS b\nFROM b\nRUN x\n", &[0]),
            ("FROM a\nFROM b AS c\nRUN x\nFROM scratch\nFROM c\nRUN y\nFROM d\nRUN z\n", &[1, 4]),
            ("FROM a\nONBUILD RUN x\n", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).stages_that_run(&Arguments::default()).unwrap(), *expected, "{text}");
        }
    }

    #[test]
    fn stages_are_found_by_their_image() {
        let arguments = Arguments::new(&BTreeMap::from([("V".to_owned(), "2".to_owned())]));
        let text = "ARG V\nFROM a/b:$V\nFROM r.example.org/a/b\nFROM a/b\nCOPY --from=a/b / /\n";
        let is_meant = |image: &ImageReference| image.host.is_none() && image.repository.as_str() == "a/b";
        assert_eq!(parse(text).stages_from(is_meant, &arguments).unwrap(), [0, 2]);
    }
}
