use super::*;

/// A table row: who says what, each as names with blanks between.
#[derive(Default, Clone, Copy)]
struct Row {
    asked: &'static str,
    target: Option<&'static str>,
    beyond: bool,
    only: &'static str,
    not: &'static str,
    enabled: &'static str,
    defaults: &'static str,
}

const SITE: &str = "x86_64 aarch64 ppc64le s390x spam bacon toast";

fn platforms(text: &str) -> Vec<Platform> {
    text.split_whitespace().map(|name| name.parse().unwrap()).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn run(row: Row) -> Result<Outcome, Vec<PlatformProblem>> {
    let or = |text: &'static str, other| if text.is_empty() { other } else { text };
    let enabled = or(row.enabled, SITE);
    let target = row.target.map(words);
    select(&Voices {
        asked: &platforms(row.asked),
        target: target.as_deref(),
        beyond_target: row.beyond,
        limits: &PlatformLimits { only: words(row.only), not: words(row.not) },
        known: &platforms(SITE),
        enabled: &platforms(enabled),
        defaults: &platforms(or(row.defaults, "x86_64")),
    })
}

#[test]
fn the_sets_are_cut_down_in_order() {
    let row = Row::default();
    let both = "x86_64 ppc64le";
    let cases = [
        ("PLT-1 a tag without arches", Row { target: Some(""), ..row }, "x86_64"),
        ("PLT-1 no target", row, "x86_64"),
        (
            "PLT-2",
            Row { target: Some("x86_64 spam bacon toast ppc64le"), not: "spam bacon eggs toast", ..row },
            both,
        ),
        ("PLT-3", Row { target: Some("x86_64 bacon toast"), only: both, not: "toast", ..row }, "x86_64"),
        ("PLT-4 no favourite", Row { target: Some(both), only: "ppc64le", ..row }, "ppc64le"),
        ("PLT-6 no value, no limit", Row { target: Some(both), ..row }, both),
        ("PLT-7 both", Row { asked: both, target: Some(both), ..row }, both),
        ("PLT-7 the user is heard", Row { asked: "ppc64le", target: Some(both), ..row }, "ppc64le"),
        ("PLT-7 only asked", Row { asked: both, target: Some(""), ..row }, both),
        ("defaults", Row { defaults: both, ..row }, both),
        ("only goes beyond the defaults", Row { only: "s390x", ..row }, "s390x"),
        ("each once", Row { asked: "aarch64 aarch64", ..row }, "aarch64"),
        ("override", Row { asked: "s390x", target: Some(both), beyond: true, ..row }, "s390x"),
        ("the site lacks one", Row { target: Some(both), enabled: "x86_64", ..row }, "x86_64"),
        ("an odd arch", Row { target: Some("noarch? x86_64"), ..row }, "x86_64"),
        ("unknown names", Row { only: "x86_64 eggs", not: "vax", ..row }, "x86_64"),
    ];
    for (case, row, expected) in cases {
        let outcome = run(row).unwrap_or_else(|problems| panic!("{case}: {problems:?}"));
        assert_eq!(outcome.platforms, platforms(expected), "{case}");
        assert!(!outcome.arithmetic.is_empty(), "{case}");
    }
}

#[test]
fn what_was_asked_for_is_not_dropped() {
    let row = Row::default();
    let code = |row| {
        let problems = run(row).unwrap_err();
        problems.into_iter().map(|problem| Failure::from(problem).code).collect::<Vec<_>>()
    };
    let target = Row { asked: "s390x x86_64", target: Some("x86_64 ppc64le"), ..row };
    assert_eq!(code(target), ["plan.platform_not_in_target"]);
    assert_eq!(code(Row { asked: "s390x", enabled: "x86_64", ..row }), ["plan.platform_disabled"]);
    assert_eq!(
        code(Row { asked: "vax s390x", enabled: "x86_64", beyond: true, ..target }),
        ["plan.unknown_platform", "plan.platform_disabled"],
        "all of them"
    );
}

#[test]
fn nothing_left_is_explained() {
    let row = Row::default();
    for (case, row) in [
        ("PLT-5", Row { target: Some("x86_64 ppc64le"), only: "x86_64", not: "x86_64", ..row }),
        ("nobody has it", Row { only: "eggs", ..row }),
        ("nothing enabled", Row { target: Some("ppc64le"), enabled: "x86_64", ..row }),
    ] {
        let problems = run(row).unwrap_err();
        assert!(problems[0].to_string().ends_with("leaves nothing"), "{case}: {}", problems[0]);
    }
    let problems = run(Row {
        asked: "x86_64 s390x",
        target: Some("x86_64 aarch64"),
        beyond: true,
        only: "aarch64",
        not: "s390x",
        ..row
    });
    let failure = Failure::from(problems.unwrap_err().remove(0));
    assert_eq!(failure.code, "plan.no_platforms");
    assert_eq!(
        failure.message,
        "no platform is left to build on: asked for: x86_64, s390x; the target's build tag has only x86_64, \
         aarch64; s390x is built nevertheless, for it was asked for; container.yaml allows only aarch64, \
         which leaves nothing; container.yaml excludes s390x, which leaves nothing"
    );
}

#[test]
fn a_dropped_arch_has_a_line() {
    let outcome = run(Row { target: Some("x86_64 ppc64le"), enabled: "x86_64", ..Row::default() }).unwrap();
    assert_eq!(
        outcome.arithmetic,
        [
            "none asked for, so all of the target's build tag: x86_64, ppc64le",
            "the site does not build ppc64le, which leaves x86_64",
        ]
    );
}
