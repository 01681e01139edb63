use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn map(pairs: Pairs<'_>) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Labels by who gives them, and nothing else.
#[derive(Default)]
struct Given<'a> {
    base: Pairs<'a>,
    dockerfile: Pairs<'a>,
    request: Pairs<'a>,
    site: Pairs<'a>,
    release: Option<&'a str>,
    equal: &'a [&'a [&'a str]],
    info_url: Option<&'a str>,
}

const AUTOMATIC: [&str; 4] = ["build-date", "architecture", "vcs-type", "vcs-ref"];

fn settle(given: &Given<'_>) -> Result<SettledLabels, Failure> {
    let equal = given.equal.iter().map(|group| group.iter().map(|name| (*name).to_owned()).collect());
    let site = config::Labels {
        set: map(given.site),
        equal: equal.collect(),
        info_url: given.info_url.map(str::to_owned),
    };
    settle_labels(&LabelInputs {
        site: &site,
        requested: &map(given.request),
        release: given.release,
        dockerfile: &map(given.dockerfile),
        base: &map(given.base),
        automatic: Automatic {
            build_date: "2018-04-25T18:29:51.000123Z".parse().unwrap(),
            architecture: &"x86_64".parse().unwrap(),
            vcs_type: "git",
            vcs_url: None,
            vcs_ref: "abc",
        },
    })
}

/// What is to be set apart from the automatic labels, as `name=value` by name.
fn set(settled: &SettledLabels) -> Vec<String> {
    let wanted = settled.set.iter().filter(|(name, _)| !AUTOMATIC.contains(&name.as_str()));
    wanted.map(|(name, value)| format!("{name}={value}")).collect()
}

fn one(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    if value == "-" { Vec::new() } else { vec![(name, value.to_owned())] }
}

fn borrowed(pairs: &[(&'static str, String)]) -> Vec<(&'static str, &'static str)> {
    pairs.iter().map(|(name, value)| (*name, &*value.clone().leak())).collect()
}

#[test]
fn values_are_added_where_the_dockerfile_lacks_them() {
    let cases: &[(&str, Given<'_>, &[&str])] = &[
        (
            "LBL-1",
            Given {
                base: &[("label1", "base value")],
                site: &[("label1", "value 1"), ("label2", "long value")],
                ..Given::default()
            },
            &["label1=value 1", "label2=long value"],
        ),
        ("LBL-4", Given { base: &[("Name", "base value")], ..Given::default() }, &["name=base value"]),
        (
            "LBL-5",
            Given {
                base: &[("name", "base value")],
                dockerfile: &[("Name", "df value")],
                ..Given::default()
            },
            &["name=df value"],
        ),
        ("LBL-8", Given { release: Some("5"), ..Given::default() }, &["release=5"]),
        (
            "LBL-16, corrected: who asks for a release gets it",
            Given { release: Some("1"), site: &[("release", "9")], ..Given::default() },
            &["release=1"],
        ),
        (
            "LBL-16, corrected, as a label",
            Given { request: &[("release", "1")], site: &[("release", "9")], ..Given::default() },
            &["release=1"],
        ),
        ("LBL-19", Given::default(), &[]),
        (
            "the site wins over the request",
            Given { request: &[("vendor", "me")], site: &[("vendor", "us")], ..Given::default() },
            &["vendor=us"],
        ),
        (
            "what is there already is not set again",
            Given { dockerfile: &[("vendor", "us")], site: &[("vendor", "us")], ..Given::default() },
            &[],
        ),
        (
            "only a worker knows the host",
            Given { site: &[(BUILD_HOST, "x")], request: &[(BUILD_HOST, "y")], ..Given::default() },
            &[],
        ),
    ];
    for (name, given, expected) in cases {
        assert_eq!(set(&settle(given).unwrap()), *expected, "{name}");
    }
}

#[test]
fn the_release_is_the_one_asked_for() {
    // LBL-9: base, Dockerfile, argument; what the final image has because of us.
    for (base, dockerfile, argument, expected) in [
        ("-", "-", "-", None),
        ("-", "A", "A", Some("A")),
        ("-", "B", "A", Some("A")),
        ("-", "A", "B", Some("B")),
        ("-", "-", "A", Some("A")),
        ("-", "A", "-", Some("A")),
        ("B", "-", "A", Some("A")),
        ("A", "B", "-", Some("B")),
        ("A", "B", "C", Some("C")),
    ] {
        let (base, dockerfile) = (one("release", base), one("release", dockerfile));
        let given = Given {
            base: &borrowed(&base),
            dockerfile: &borrowed(&dockerfile),
            release: (argument != "-").then_some(argument),
            ..Given::default()
        };
        let settled = settle(&given).unwrap();
        assert_eq!(settled.own("release"), expected, "LBL-9 {base:?} {dockerfile:?} {argument}");
    }
}

#[test]
fn the_dockerfile_decides_on_its_distribution() {
    for (dockerfile, base, expected) in [
        ("-", "-", "restricted"),
        ("public", "-", "public"),
        ("private", "-", "private"),
        ("public", "private", "public"),
        ("-", "private", "restricted"),
    ] {
        let (dockerfile, base) = (one(DISTRIBUTION_SCOPE, dockerfile), one(DISTRIBUTION_SCOPE, base));
        let given = Given {
            dockerfile: &borrowed(&dockerfile),
            base: &borrowed(&base),
            site: &[(DISTRIBUTION_SCOPE, "restricted")],
            info_url: Some("{distribution-scope}"),
            ..Given::default()
        };
        let settled = settle(&given).unwrap();
        assert_eq!(settled.value(DISTRIBUTION_SCOPE), Some(expected), "LBL-10 {dockerfile:?}");
        assert_eq!(settled.value("url"), Some(expected), "LBL-10 {dockerfile:?}");
        assert_eq!(settled.set.contains_key(DISTRIBUTION_SCOPE), dockerfile.is_empty());
    }
}

#[test]
fn the_builds_own_labels_cannot_be_faked() {
    // LBL-7, as changed later: the explicit value won there. LBL-18.
    let settled = settle(&Given {
        base: &[("Architecture", "old"), ("vcs-ref", "fake")],
        dockerfile: &[("architecture", "ppc"), ("vcs-ref", "fake"), ("build-date", "never")],
        site: &[("vcs-ref", "explicit_value")],
        request: &[("vcs-type", "none")],
        ..Given::default()
    })
    .unwrap();
    for (name, expected) in [
        ("architecture", "x86_64"),
        ("Architecture", "x86_64"),
        ("vcs-ref", "abc"),
        ("vcs-type", "git"),
        ("build-date", "2018-04-25T18:29:51.000123"),
    ] {
        assert_eq!(settled.set.get(name).map(String::as_str), Some(expected), "{name}");
    }
    assert_eq!(iso_date("2018-04-25T18:29:51Z".parse().unwrap()), "2018-04-25T18:29:51");
    // LBL-6: the address is set where there is one.
    assert!(!settled.set.contains_key("vcs-url"));
}

#[test]
fn the_url_is_made_of_labels() {
    let old = [("Authoritative_Registry", "r"), ("BZComponent", "c"), ("Build_Host", "h")];
    let cases: &[(&str, Given<'_>, Result<&str, &str>)] = &[
        (
            "LBL-11",
            Given {
                info_url: Some("url_pre {label1} {label2} url_post"),
                site: &[("label1", "label1_value")],
                dockerfile: &[("label2", "label2_value"), ("url", "mine")],
                ..Given::default()
            },
            Ok("url_pre label1_value label2_value url_post"),
        ),
        (
            "LBL-12",
            Given {
                info_url: Some("{authoritative-source-url} {com.redhat.component} {com.redhat.build-host}"),
                dockerfile: &old,
                ..Given::default()
            },
            Ok("r c h"),
        ),
        ("LBL-13", Given { info_url: Some("{none}"), ..Given::default() }, Err("labels.info_url_label")),
        ("format", Given { info_url: Some("{"), ..Given::default() }, Err("labels.info_url_format")),
    ];
    for (name, given, expected) in cases {
        match (settle(given), expected) {
            (Ok(settled), Ok(url)) => assert_eq!(settled.set.get("url").unwrap(), url, "{name}"),
            (Err(failure), Err(code)) => assert_eq!(failure.code, *code, "{name}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn equal_labels_get_one_value() {
    let two: &[&str] = &["description", "io.k8s.description"];
    let all = ["description", "io.k8s.description", "summary"];
    let three: &[&str] = &all;
    // Values of the base image, of the Dockerfile, on the finished image.
    let cases: &[(&str, &[&str], [&str; 3], [&str; 3], [&str; 3])] = &[
        ("LBL-14", two, ["-", "-", "-"], ["-", "A", "-"], ["A", "A", "-"]),
        ("LBL-14", two, ["A", "-", "-"], ["-", "-", "-"], ["A", "A", "-"]),
        ("LBL-14", two, ["A", "B", "-"], ["-", "-", "-"], ["A", "B", "-"]),
        ("LBL-14", two, ["A", "-", "-"], ["B", "-", "-"], ["B", "B", "-"]),
        ("LBL-14", two, ["A", "C", "-"], ["B", "-", "-"], ["B", "B", "-"]),
        ("LBL-14", two, ["A", "-", "-"], ["-", "A", "-"], ["A", "A", "-"]),
        ("LBL-15", three, ["A", "A", "A"], ["B", "C", "-"], ["B", "C", "B"]),
        ("LBL-15", three, ["A", "A", "A"], ["-", "C", "D"], ["C", "C", "D"]),
        ("LBL-15", three, ["A", "A", "A"], ["B", "-", "D"], ["B", "B", "D"]),
    ];
    for (name, group, base, dockerfile, expected) in cases {
        let pairs = |values: &[&'static str; 3]| {
            let known = all.iter().zip(values).filter(|(_, value)| **value != "-");
            known.map(|(name, value)| (*name, *value)).collect::<Vec<_>>()
        };
        let (base, dockerfile) = (pairs(base), pairs(dockerfile));
        let given = Given { base: &base, dockerfile: &dockerfile, equal: &[group], ..Given::default() };
        let settled = settle(&given).unwrap();
        let found = all.map(|name| settled.value(name).unwrap_or("-"));
        assert_eq!(found, *expected, "{name} {base:?} {dockerfile:?}");
    }
    // LBL-14, last row: the base image has the value already.
    let given =
        Given { base: &[(two[0], "A")], dockerfile: &[(two[1], "A")], equal: &[two], ..Given::default() };
    assert!(set(&settle(&given).unwrap()).is_empty());
}

#[test]
fn both_spellings_of_a_label_say_the_same() {
    // Old and new spelling on the base image, then in the Dockerfile or the
    // request, then on the finished image.
    let table: &[(&str, &[(&str, &str)])] = &[
        ("-,-", &[("-,-", "-,-"), ("-,A", "-,A"), ("A,-", "A,A"), ("A,A", "A,A"), ("A,B", "B,B")]),
        (
            "-,A",
            &[
                ("-,-", "-,A"),
                ("-,B", "-,B"),
                ("A,-", "A,A"),
                ("B,-", "B,B"),
                ("A,B", "B,B"),
                ("B,A", "A,A"),
                ("B,C", "C,C"),
            ],
        ),
        (
            "A,-",
            &[
                ("-,-", "A,A"),
                ("-,B", "B,B"),
                ("A,-", "A,A"),
                ("B,-", "B,B"),
                ("A,B", "B,B"),
                ("B,A", "A,A"),
                ("B,C", "C,C"),
            ],
        ),
        (
            "A,A",
            &[("-,-", "A,A"), ("-,B", "B,B"), ("B,-", "B,B"), ("A,B", "B,B"), ("B,A", "A,A"), ("B,C", "C,C")],
        ),
        (
            "A,B",
            &[
                ("-,-", "B,B"),
                ("-,A", "A,A"),
                ("-,C", "C,C"),
                ("A,-", "A,A"),
                ("C,-", "C,C"),
                ("A,B", "B,B"),
                ("B,A", "A,A"),
                ("C,A", "A,A"),
                ("C,D", "D,D"),
            ],
        ),
    ];
    let pairs = |text: &'static str| {
        let (old, new) = text.split_once(',').unwrap();
        [("Name", old), ("name", new)].into_iter().filter(|(_, value)| *value != "-").collect::<Vec<_>>()
    };
    for (base, rows) in table {
        for (explicit, expected) in *rows {
            let (base, explicit) = (pairs(base), pairs(explicit));
            let dockerfile = Given { base: &base, dockerfile: &explicit, ..Given::default() };
            let request = Given { base: &base, request: &explicit, ..Given::default() };
            for given in [dockerfile, request] {
                let settled = settle(&given).unwrap();
                let value = |name| settled.value(name).unwrap_or("-");
                let found = format!("{},{}", value("Name"), value("name"));
                assert_eq!(found, *expected, "base {base:?}, explicit {explicit:?}");
            }
        }
    }
}

#[test]
fn each_label_says_whom_it_beat() {
    let settled = settle(&Given {
        base: &[("vendor", "4"), ("inherited", "x")],
        dockerfile: &[("vendor", "3"), ("Name", "n")],
        request: &[("vendor", "2")],
        site: &[("vendor", "1")],
        ..Given::default()
    })
    .unwrap();
    let chain: Vec<_> = settled.effective["vendor"].chain.iter().map(|o| (&o.source, &*o.value)).collect();
    use LabelSource::{Base, Dockerfile, Request, Site};
    assert_eq!(chain, [(&Site, "1"), (&Request, "2"), (&Dockerfile, "3"), (&Base, "4")]);
    assert_eq!(settled.effective["name"].chain[0].source, LabelSource::Alias { of: "Name".into() });
    assert_eq!(settled.own("name"), Some("n"));
    assert_eq!((settled.value("inherited"), settled.own("inherited")), (Some("x"), None));
    let inherited = settle(&Given { base: &[("Name", "n")], ..Given::default() }).unwrap();
    assert_eq!((inherited.value("name"), inherited.own("name")), (Some("n"), None));
}

#[test]
fn labels_that_cannot_be_written_are_refused_together() {
    let long = "x".repeat(30_001);
    let failure = settle(&Given {
        site: &[("", "x"), ("a=b", "x")],
        request: &[("line", "a\nb"), ("long", &long)],
        info_url: Some("{none}"),
        ..Given::default()
    })
    .unwrap_err();
    let codes: Vec<String> = failure.each().into_iter().map(|failure| failure.code).collect();
    let expected =
        ["labels.info_url_label", "labels.name", "labels.name", "labels.line_break", "labels.too_long"];
    assert_eq!(codes, expected);

    let many: Vec<(String, String)> = (0..1001).map(|i| (format!("l{i}"), "x".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(settle(&Given { request: &many, ..Given::default() }).unwrap_err().code, "labels.too_many");

    // What is inherited or already in the Dockerfile need not be written.
    let multi_line = [("line", "a\nb")];
    assert!(settle(&Given { base: &multi_line, ..Given::default() }).is_ok());
    assert!(settle(&Given { dockerfile: &multi_line, ..Given::default() }).is_ok());
}
