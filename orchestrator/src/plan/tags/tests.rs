use super::*;

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn texts(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(Tag::as_str).collect()
}

/// A case without what does not matter.
#[derive(Default)]
struct Case<'a> {
    mode: Option<BuildMode>,
    target: Option<&'a str>,
    version: Option<&'a str>,
    release: Option<&'a str>,
    additional: &'a [&'a str],
    container: Option<&'a [&'a str]>,
    unique: Option<&'a str>,
}

fn choose(case: &Case<'_>) -> Result<Tags, Failure> {
    let request = BuildRequest {
        mode: case.mode.clone().unwrap_or(BuildMode::Normal),
        target: case.target.map(str::to_owned),
        ..BuildRequest::new("x", None)
    };
    let additional: Vec<Tag> = case.additional.iter().copied().map(tag).collect();
    let container: Option<Vec<Tag>> = case.container.map(|tags| tags.iter().copied().map(tag).collect());
    Tags::choose(&TagInputs {
        build: &"bld_1".parse().unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
        request: &request,
        version: case.version,
        release: case.release,
        additional: &additional,
        container_tags: container.as_deref(),
        unique: case.unique.map(tag).as_ref(),
    })
}

#[test]
fn each_kind_of_build_gets_its_classes() {
    let both = || Case { version: Some("1.10"), release: Some("3"), ..Case::default() };
    let extra = || Case { additional: &["tag1", "tag2"], ..both() };
    let isolated = || Some(BuildMode::Isolated { release: "1.1".into() });
    let cases: &[(&str, Case<'_>, &[&str], &[&str])] = &[
        ("normal", both(), &["1.10-3"], &["1.10", "latest"]),
        ("no release", Case { version: Some("1.10"), ..Case::default() }, &[], &["1.10", "latest"]),
        ("T14: no labels", Case::default(), &[], &["latest"]),
        ("no repetition", Case { version: Some("latest"), ..Case::default() }, &[], &["latest"]),
        (
            "T10",
            Case { additional: &["spam", "bacon"], ..Case::default() },
            &[],
            &["latest", "spam", "bacon"],
        ),
        (
            "T12",
            Case { version: Some("version_value"), release: Some("7.4.1"), ..Case::default() },
            &["version_value-7.4.1"],
            &["version_value", "latest"],
        ),
        ("T16", extra(), &["1.10-3"], &["1.10", "latest", "tag1", "tag2"]),
        ("container.yaml", Case { container: Some(&["only"]), ..extra() }, &["1.10-3"], &["only"]),
        ("container.yaml, none", Case { container: Some(&[]), ..extra() }, &["1.10-3"], &[]),
        ("T17 scratch", Case { mode: Some(BuildMode::Scratch), ..extra() }, &[], &[]),
        ("T17 isolated", Case { mode: isolated(), ..extra() }, &["1.10-1.1"], &[]),
        (
            "what stays does not float",
            Case { additional: &["1.10-3", "u-1"], unique: Some("u-1"), ..both() },
            &["1.10-3"],
            &["1.10", "latest"],
        ),
    ];
    for (name, case, primary, floating) in cases {
        let tags = choose(case).unwrap();
        assert_eq!(texts(&tags.primary), *primary, "{name}");
        assert_eq!(texts(&tags.floating), *floating, "{name}");
        assert_eq!(tags.unique.len(), 1, "{name}");
    }
}

#[test]
fn the_unique_tag_follows_from_the_build() {
    let case = Case { mode: Some(BuildMode::Scratch), ..Case::default() };
    let tags = choose(&case).unwrap();
    let text = tags.unique[0].as_str();
    assert!(text.starts_with("none-") && text.ends_with("-19700101000000"), "{text}");
    assert_eq!(text.len(), "none-12345-19700101000000".len());
    assert_eq!(tags, choose(&case).unwrap());
    let replayed = choose(&Case { unique: Some("candidate-32571-20180425182951"), ..case }).unwrap();
    assert_eq!(texts(&replayed.unique), ["candidate-32571-20180425182951"]);
}

#[test]
fn what_makes_no_tag_is_refused_with_its_place() {
    let long = "1".repeat(100);
    let cases: &[(&str, Case<'_>, &[&str])] = &[
        ("grammar", Case { version: Some("1.0+git"), ..Case::default() }, &["tags.version"]),
        ("empty", Case { version: Some(""), ..Case::default() }, &["tags.version"]),
        ("dot", Case { version: Some(".1"), ..Case::default() }, &["tags.version"]),
        ("T13", Case { version: Some("{unknown}"), ..Case::default() }, &["tags.version"]),
        (
            "dash",
            Case { version: Some("1-2"), release: Some("1"), ..Case::default() },
            &["tags.version_has_dash"],
        ),
        (
            "isolated",
            Case { mode: Some(BuildMode::Isolated { release: "1.1-2".into() }), ..Case::default() },
            &["tags.release_has_dash"],
        ),
        (
            "length",
            Case { version: Some(&long), release: Some(&long), ..Case::default() },
            &["tags.too_long"],
        ),
        ("target", Case { target: Some("a b"), ..Case::default() }, &["tags.target"]),
        ("long target", Case { target: Some(&long), version: Some(&long), ..Case::default() }, &[]),
        (
            "all at once",
            Case { target: Some("-"), version: Some("a/b"), release: Some("c d"), ..Case::default() },
            &["tags.target", "tags.version", "tags.release"],
        ),
    ];
    for (name, case, codes) in cases {
        let found = choose(case).map_or_else(Failure::each, |_| Vec::new());
        let found: Vec<&str> = found.iter().map(|failure| failure.code.as_str()).collect();
        assert_eq!(found, *codes, "{name}");
    }
    let failure = choose(&Case { release: Some("a+b"), ..Case::default() }).unwrap_err();
    assert!(failure.message.contains("the label 'release'"), "{failure}");
    // A scratch build has no tag with its version.
    assert!(
        choose(&Case { mode: Some(BuildMode::Scratch), version: Some("1-2"), ..Case::default() }).is_ok()
    );
}
