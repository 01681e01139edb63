use super::{
    super::labels::{LabelOrigin, LabelSource, LabelValue},
    *,
};

const PIN: &str = "r/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "r/c@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A case without what does not matter.
#[derive(Default)]
struct Case<'a> {
    text: &'a str,
    filesystem: Option<&'a str>,
    labels: &'a [(&'a str, &'a str)],
    help: Option<&'a [u8]>,
    repositories: &'a [&'a str],
    inherited_user: Option<&'a str>,
    release_env: Option<&'a str>,
}

/// Labels of which all are to be set.
fn labels(pairs: &[(&str, &str)]) -> SettledLabels {
    let set: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let effective = set.iter().map(|(name, value)| {
        let chain = vec![LabelOrigin { source: LabelSource::Site, value: value.clone() }];
        (name.clone(), LabelValue { value: value.clone(), chain })
    });
    SettledLabels { effective: effective.collect(), set }
}

fn make(case: &Case<'_>) -> Result<FinalDockerfile, Failure> {
    let parent = |name: &str, pin: &str| Parent { written_as: name.to_owned(), pinned: Some(pin.to_owned()) };
    make_dockerfile(&DockerfileInputs {
        dockerfile: &Dockerfile::parse(case.text.as_bytes())?,
        arguments: &Arguments::default(),
        platform: &"x86_64".parse().unwrap(),
        parents: &[parent("a", PIN), parent("c", OTHER)],
        filesystem: case.filesystem,
        labels: &labels(case.labels),
        help: case.help,
        build_date: "2018-04-05T12:00:00Z".parse().unwrap(),
        repositories: &case.repositories.iter().map(|name| ((*name).to_owned(), b"[x]\n".to_vec())).collect(),
        inherited_user: case.inherited_user,
        release_env: case.release_env,
    })
}

fn text(case: &Case<'_>) -> String {
    make(case).unwrap().text.replace(PIN, "@a").replace(OTHER, "@c")
}

#[test]
fn repositories_are_there_while_packages_are_installed() {
    let add = "ADD .reactor/x86_64/repositories/* '/etc/yum.repos.d/'";
    let rm = "RUN rm -f '/etc/yum.repos.d/atomic-reactor-injected.repo'";
    let repositories: &[&str] = &["atomic-reactor-injected.repo"];
    let cases = [
        ("YUM-6", "FROM a\nRUN yum\nCMD x", None, "FROM @a\n{add}\nRUN yum\nCMD x\n{rm}\n"),
        (
            "YUM-7",
            "FROM a\n# c\nMAINTAINER me\nRUN yum\n",
            None,
            "FROM @a\n# c\nMAINTAINER me\n{add}\nRUN yum\n{rm}\n",
        ),
        (
            "YUM-8",
            "FROM a\nRUN yum\n",
            Some("inherited"),
            "FROM @a\n{add}\nRUN yum\nUSER root\n{rm}\nUSER inherited\n",
        ),
        (
            "YUM-9",
            "from a\n User foo\nrun yum\n",
            Some("inherited"),
            "from @a\n{add}\n User foo\nrun yum\nUSER root\n{rm}\n User foo\n",
        ),
        (
            "YUM-10: the user of another stage does not count",
            "FROM a AS b\nUSER 1\nRUN yum\nFROM c\nRUN yum\n",
            None,
            "FROM @a AS b\n{add}\nUSER 1\nRUN yum\nFROM @c\n{add}\nRUN yum\n{rm}\n",
        ),
        (
            "the user of the stage below does",
            "FROM a AS b\nUSER 1\nFROM b\nRUN yum\n",
            Some("2"),
            "FROM @a AS b\n{add}\nUSER 1\nFROM b\nRUN yum\nUSER root\n{rm}\nUSER 1\n",
        ),
        (
            "what is thrown away keeps them",
            "FROM a AS b\nRUN yum\nFROM scratch\nCOPY --from=b / /\n",
            Some("x"),
            "FROM @a AS b\n{add}\nRUN yum\nFROM scratch\nCOPY --from=b / /\n",
        ),
        ("nothing is run", "FROM a\nCOPY x y\n", Some("x"), "FROM @a\nCOPY x y\n"),
        (
            "only elsewhere",
            "FROM a AS b\nRUN yum\nFROM c\nCOPY --from=b / /\n",
            None,
            "FROM @a AS b\n{add}\nRUN yum\nFROM @c\nCOPY --from=b / /\n",
        ),
    ];
    for (name, dockerfile, inherited_user, expected) in cases {
        let found = text(&Case { text: dockerfile, repositories, inherited_user, ..Case::default() });
        assert_eq!(found, expected.replace("{add}", add).replace("{rm}", rm), "{name}");
    }
    let made = make(&Case { text: "FROM a\nRUN x\n", repositories, ..Case::default() }).unwrap();
    let path = ".reactor/x86_64/repositories/atomic-reactor-injected.repo".to_owned();
    assert_eq!(made.extra_files, [MadeFile { path, content: b"[x]\n".to_vec() }]);
}

#[test]
fn names_of_repositories_are_quoted_or_refused() {
    let repositories: &[&str] = &["example repo.repo", "it's.repo"];
    let found = text(&Case { text: "FROM a\nRUN x\n", repositories, ..Case::default() });
    let expected = "RUN rm -f '/etc/yum.repos.d/example repo.repo' '/etc/yum.repos.d/it'\\''s.repo'\n";
    assert!(found.ends_with(expected), "YUM-4 {found}");
    let bad: &[&str] = &["..", "a/b", "a\nRUN b"];
    let failure = make(&Case { text: "FROM a\nRUN x\n", repositories: bad, ..Case::default() }).unwrap_err();
    let codes: Vec<String> = failure.each().into_iter().map(|failure| failure.code).collect();
    assert_eq!(codes, ["repositories.file_name"; 3]);
}

#[test]
fn a_page_and_a_copy_come_before_the_last_instruction() {
    let nvr = [("name", "rhel/server"), ("release", "20"), ("version", "7.1")];
    let label = "LABEL \"name\"=\"rhel/server\" \\\n  \"release\"=\"20\" \\\n  \"version\"=\"7.1\"\n";
    let add =
        "ADD .reactor/x86_64/Dockerfile-rhel-server-7.1-20 /root/buildinfo/Dockerfile-rhel-server-7.1-20\n";
    // HLP-1, DFA-1, DFA-4: the last instruction stays whole.
    let case = Case { text: "FROM a\nRUN b \\\n  c\n", labels: &nvr, help: Some(b"foo"), ..Case::default() };
    let made = make(&case).unwrap();
    let help = "ADD .reactor/x86_64/help.1 /help.1\n";
    let expected = format!("FROM {PIN}\nRUN b \\\n  c\n{help}{add}{label}");
    assert_eq!(made.text, expected);
    // The copy has everything but itself.
    let copy = made.extra_files.iter().find(|file| file.path.contains("Dockerfile-")).unwrap();
    assert_eq!(String::from_utf8_lossy(&copy.content), expected.replace(add, ""));
    assert!(made.notices.is_empty());

    // DFA-4 without a label of ours.
    let found = make(&Case { labels: &[], ..case }).unwrap();
    assert_eq!(found.text, format!("FROM {PIN}\n{help}RUN b \\\n  c\n"));
}

#[test]
fn without_its_labels_there_is_no_copy() {
    // DFA-3 and what cannot be a file's name.
    for (labels, part) in [
        (&[][..], "'name', 'version', 'release'"),
        (&[("name", "x"), ("version", "1")], "'release'"),
        (&[("name", "x y"), ("version", "1"), ("release", "1")], "file name"),
        (&[("name", "x*"), ("version", "1"), ("release", "1")], "file name"),
    ] {
        let made = make(&Case { text: "FROM a\nRUN b\n", labels, ..Case::default() }).unwrap();
        assert!(made.extra_files.is_empty() && !made.text.contains("ADD"), "{labels:?}");
        assert_eq!(made.notices[0].code, "dockerfile.copy_left_out");
        assert!(made.notices[0].text.contains(part), "{labels:?}");
    }
    let empty = make(&Case { text: "FROM a\n", help: Some(b""), ..Case::default() }).unwrap();
    assert_eq!(empty.notices[0].code, "help.empty");
    let failure = make(&Case { text: "FROM a\n", help: Some(b"\xff"), ..Case::default() }).unwrap_err();
    assert_eq!(failure.code, "help.not_utf8", "HLP-3");
}

#[test]
fn a_file_system_takes_the_place_of_its_image() {
    let case = Case {
        text: "FROM koji/image-build:f28 AS b\nFROM a\nFROM koji/image-build\nRUN x\n",
        filesystem: Some(".reactor/x86_64/filesystem.tar.xz"),
        ..Case::default()
    };
    let add = "ADD .reactor/x86_64/filesystem.tar.xz /";
    let expected = format!("FROM scratch AS b\n{add}\nFROM @a\nFROM scratch\n{add}\nRUN x\n");
    assert_eq!(text(&case), expected);
    let case = Case { repositories: &["r.repo"], ..case };
    let repositories = "ADD .reactor/x86_64/repositories/* '/etc/yum.repos.d/'";
    let rm = "RUN rm -f '/etc/yum.repos.d/r.repo'";
    let expected = expected.replace("RUN x", &format!("{repositories}\nRUN x\n{rm}"));
    assert_eq!(text(&case), expected);
    let none = Case { filesystem: None, ..case };
    assert_eq!(make(&none).unwrap_err().code, "filesystem.missing");
    let bad = Case { filesystem: Some("a b"), ..none };
    assert_eq!(make(&bad).unwrap_err().code, "filesystem.path");
}

#[test]
fn everything_together_in_its_order() {
    let case = Case {
        text: "# escape=`\r\nFROM a AS b\r\nRUN x\r\nFROM c\r\nRUN y `\r\n  z\r\nUSER me",
        labels: &[("name", "n"), ("release", "2"), ("version", "1")],
        help: Some(b"# n\n"),
        repositories: &["r.repo"],
        release_env: Some("RELEASE"),
        ..Case::default()
    };
    let made = make(&case).unwrap();
    let expected = "# escape=`
FROM @a AS b
ENV RELEASE=\"2\"
ADD .reactor/x86_64/repositories/* '/etc/yum.repos.d/'
RUN x
FROM @c
ENV RELEASE=\"2\"
ADD .reactor/x86_64/repositories/* '/etc/yum.repos.d/'
RUN y `
  z
USER me
ADD .reactor/x86_64/help.1 /help.1
ADD .reactor/x86_64/Dockerfile-n-1-2 /root/buildinfo/Dockerfile-n-1-2
LABEL \"name\"=\"n\" `
  \"release\"=\"2\" `
  \"version\"=\"1\"
USER root
RUN rm -f '/etc/yum.repos.d/r.repo'
USER me
";
    assert_eq!(text(&case), expected.replace('\n', "\r\n"));
    let paths: Vec<&str> = made.extra_files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [".reactor/x86_64/Dockerfile-n-1-2", ".reactor/x86_64/help.1", ".reactor/x86_64/repositories/r.repo"]
    );
    assert!(made.diff.contains("-FROM a AS b") && made.diff.contains("+USER root"), "{}", made.diff);
    assert_eq!(made, make(&case).unwrap());
}

#[test]
fn without_a_release_there_is_none_in_the_environment() {
    // As in a scratch build, and in a dry run that does not know the release.
    let case = Case { text: "FROM a\nRUN b\n", release_env: Some("RELEASE"), ..Case::default() };
    let made = make(&case).unwrap();
    assert!(!made.text.contains("RELEASE"), "{}", made.text);
    assert!(made.notices.iter().any(|notice| notice.code == "release_env.no_release"), "{:?}", made.notices);
}

#[test]
fn a_file_system_is_named_without_a_registry() {
    let case = Case { text: "FROM r.example.org/koji/image-build\n", ..Case::default() };
    assert!(make(&case).is_ok());
}

#[test]
fn nothing_to_do_changes_nothing() {
    let made = make(&Case { text: "FROM x\nRUN y", ..Case::default() }).unwrap();
    assert_eq!((made.text.as_str(), made.diff.as_str()), ("FROM x\nRUN y", ""));
}
