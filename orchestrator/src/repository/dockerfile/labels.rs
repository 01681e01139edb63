//! The labels that a Dockerfile gives to its image, and nothing of what its
//! parents from outside have: those of the final stage and of the stages under it.

use std::collections::BTreeMap;

use super::{Arguments, Dockerfile, DockerfileError};

impl Dockerfile {
    /// The labels of the final stage. Variables are expanded as the engine does:
    /// ENV wins over ARG, an ARG without a default takes the build argument or the
    /// global ARG of that name, and what is unknown is empty. The environment of
    /// parents from outside is known only through
    /// [`Arguments::with_parent_env`]. MAINTAINER is no label. The arguments need
    /// not be for a platform: parents are not looked at.
    ///
    /// # Errors
    /// A LABEL, ENV, ARG, USER or FROM that cannot be understood.
    pub fn labels(&self, arguments: &Arguments) -> Result<BTreeMap<String, String>, DockerfileError> {
        Ok(self.final_state(arguments)?.labels)
    }
}

#[cfg(test)]
mod tests {
    use common::platform::Architecture;

    use super::*;

    fn labels(text: &str) -> Result<Vec<(String, String)>, DockerfileError> {
        let given = BTreeMap::from([("GIVEN".to_owned(), "given".to_owned())]);
        let arguments = Arguments::new(&given)
            .for_platform(&Architecture::plain("s390x"))
            .with_parent_env(BTreeMap::from([("FIRST".to_owned(), "first".to_owned())]));
        Ok(Dockerfile::parse(text.as_bytes())?.labels(&arguments)?.into_iter().collect())
    }

    #[test]
    fn labels_are_those_of_the_final_stage() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("FROM a\n", &[]),
            (
                "FROM a\nLABEL name=hello version=\"1.0\" \\\n  release='3'\n",
                &[("name", "hello"), ("release", "3"), ("version", "1.0")],
            ),
            (
                "FROM a\nLABEL \"com.redhat.component\"=\"hello world\"\n",
                &[("com.redhat.component", "hello world")],
            ),
            ("FROM a\nLABEL description old  form\n", &[("description", "old  form")]),
            ("FROM a\nLABEL x=1\nLABEL x=2\n", &[("x", "2")]),
            ("FROM a AS b\nLABEL x=1\nFROM c\nLABEL y=2\n", &[("y", "2")]),
            ("FROM a AS b\nENV V=1\nLABEL x=1\nFROM c\nFROM b\nLABEL y=$V\n", &[("x", "1"), ("y", "1")]),
            ("FROM a\nENV V=1 W=$V\nENV U=$V\nLABEL x=$V$W$U\n", &[("x", "11")]),
            ("FROM a\nLABEL x=$V\nENV V=1\n", &[("x", "")]),
            ("FROM a\nARG R=5\nLABEL release=$R\n", &[("release", "5")]),
            ("FROM a\nARG GIVEN=5\nLABEL x=$GIVEN\n", &[("x", "given")]),
            ("FROM a\nLABEL x=$GIVEN\n", &[("x", "")]),
            ("ARG G=1\nFROM a\nLABEL x=$G\n", &[("x", "")]),
            ("ARG G=1\nFROM a\nARG G\nLABEL x=$G\n", &[("x", "1")]),
            ("ARG G=1\nFROM a\nARG G=2\nLABEL x=$G\n", &[("x", "2")]),
            ("FROM a AS b\nARG R=5\nFROM b\nLABEL x=$R\n", &[("x", "")]),
            ("FROM a\nENV R=1\nARG R=2\nLABEL x=$R\n", &[("x", "1")]),
            ("FROM a\nARG TARGETARCH\nLABEL arch=$TARGETARCH\n", &[("arch", "s390x")]),
            ("FROM a\nENV foo=bar\nLABEL foobar=\"foobar $FIRST\"\n", &[("foobar", "foobar first")]),
            ("FROM scratch\nLABEL x=$FIRST\n", &[("x", "")]),
            (
                "FROM a\nENV K=name\nLABEL $K=v 'single'='$K' esc=\\$K\n",
                &[("esc", "$K"), ("name", "v"), ("single", "$K")],
            ),
            ("FROM a\nMAINTAINER me\nLABEL a=1\\\n  # comment\n\n b=2\n", &[("a", "1"), ("b", "2")]),
            ("FROM a\r\nLABEL a=1 \\\r\n b=2\r\n", &[("a", "1"), ("b", "2")]),
            ("FROM a\nLABEL a=\"two \\\nlines\"\n", &[("a", "two lines")]),
            ("FROM a\nONBUILD LABEL a=1\n", &[]),
            ("FROM a\nLABEL url=\"https://x/?a=b&c\" e=\n", &[("e", ""), ("url", "https://x/?a=b&c")]),
        ];
        for (text, expected) in cases {
            let found = labels(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn labels_are_known_before_the_platform_is() {
        let text = "FROM --platform=linux/amd64 a:$TARGETARCH AS b\nLABEL a=1\nFROM b\nLABEL b=2\n";
        let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
        let labels = dockerfile.labels(&Arguments::default()).unwrap();
        assert_eq!(
            labels.into_iter().collect::<Vec<_>>(),
            [("a".into(), "1".into()), ("b".into(), "2".into())]
        );
        assert!(dockerfile.parents(&Arguments::default()).is_err());
    }

    #[test]
    fn mistakes_carry_their_line() {
        for (text, line) in [
            ("FROM a\nLABEL a\n", 2),
            ("FROM a\n\nLABEL a=1 b\n", 3),
            ("FROM a\nLABEL a=\"b\n", 2),
            ("FROM a\nENV a\n", 2),
            ("FROM a\nLABEL a=${x\n", 2),
        ] {
            let error = labels(text).expect_err(text);
            assert!(error.to_string().starts_with(&format!("Dockerfile line {line}: ")), "{text}: {error}");
        }
    }
}
