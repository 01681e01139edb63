use std::collections::BTreeMap;

use super::{super::Arguments, *};

fn parse(text: &str) -> Dockerfile {
    Dockerfile::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn edited(text: &str, edit: impl Fn(&mut Edits<'_>) -> Result<(), DockerfileError>) -> String {
    let dockerfile = parse(text);
    let mut edits = dockerfile.edit();
    edit(&mut edits).unwrap();
    let edited = edits.finish().unwrap_or_else(|error| panic!("{text}: {error}"));
    String::from_utf8(edited.as_bytes().to_vec()).unwrap()
}

#[test]
fn an_instruction_comes_to_the_end_of_its_stage() {
    let cases = [
        ("LBL-1: no line end", 0, "FROM a\nCMD b", "FROM a\nCMD b\nX\n"),
        ("line end", 0, "FROM a\nCMD b\n", "FROM a\nCMD b\nX\n"),
        ("comment behind", 0, "FROM a\nCMD b\n# c", "FROM a\nCMD b\n# c\nX\n"),
        ("several lines", 0, "FROM a\nRUN b \\\n # c\n\n  d\n", "FROM a\nRUN b \\\n # c\n\n  d\nX\n"),
        ("here-document", 0, "FROM a\nRUN <<E\nb\nE", "FROM a\nRUN <<E\nb\nE\nX\n"),
        ("windows", 0, "FROM a\r\nCMD b", "FROM a\r\nCMD b\r\nX\r\n"),
        ("windows, one line", 0, "FROM a\r\n", "FROM a\r\nX\r\n"),
        ("FROM alone", 0, "FROM a", "FROM a\nX\n"),
        ("earlier stage", 0, "FROM a\nRUN b\n# of c\nFROM c\n", "FROM a\nRUN b\nX\n# of c\nFROM c\n"),
        ("earlier stage, FROM alone", 0, "FROM a\n\nFROM c\n", "FROM a\nX\n\nFROM c\n"),
        ("final stage", 1, "FROM a\nFROM c", "FROM a\nFROM c\nX\n"),
        ("open end", 0, "FROM a\nRUN b \\", "FROM a\nRUN b \nX\n"),
        ("open end, comment", 0, "FROM a\nRUN b \\ \n# c\n\n", "FROM a\nRUN b \n# c\n\nX\n"),
        ("escape", 0, "# escape=`\nFROM a\nRUN b\\\n", "# escape=`\nFROM a\nRUN b\\\nX\n"),
        ("escape, open", 0, "# escape=`\nFROM a\nRUN b `\n", "# escape=`\nFROM a\nRUN b \nX\n"),
        ("escape alone", 0, "FROM a\n\\\n", "FROM a\n\\\nX\n"),
        ("byte order mark", 0, "\u{feff}FROM a\n", "\u{feff}FROM a\nX\n"),
    ];
    for (name, stage, text, expected) in cases {
        let found = edited(text, |edits| edits.append(stage, "USER root"));
        assert_eq!(found, expected.replace('X', "USER root"), "{name}");
    }
}

#[test]
fn two_escapes_at_the_very_end_are_refused() {
    let dockerfile = parse("FROM a\nRUN b \\\\");
    let error = dockerfile.edit().append(0, "USER root").unwrap_err();
    assert!(error.to_string().starts_with("Dockerfile line 2: "), "{error}");
}

#[test]
fn an_instruction_comes_behind_from_or_maintainer() {
    let cases = [
        ("YUM-6", "FROM a\nRUN b\nCMD c", "FROM a\nX\nRUN b\nCMD c", None),
        ("YUM-7", "FROM a\n# c\nMAINTAINER me\nRUN b\n", "FROM a\n# c\nMAINTAINER me\nX\nRUN b\n", Some("x")),
        ("not next", "FROM a\nRUN b\nMAINTAINER me\n", "FROM a\nX\nRUN b\nMAINTAINER me\n", None),
        ("lines", "from \\\n  a \\\n as b\nRUN b\n", "from \\\n  a \\\n as b\nX\nRUN b\n", None),
        ("alone", "FROM a", "FROM a\nX\n", None),
    ];
    for (name, text, expected, differs) in cases {
        let found = edited(text, |edits| edits.insert_after_maintainer(0, 0, "USER root"));
        assert_eq!(found, expected.replace('X', "USER root"), "{name}");
        let plain = edited(text, |edits| edits.insert_after_from(0, "USER root"));
        assert_eq!(plain == found, differs.is_none(), "{name}");
    }
}

#[test]
fn instructions_can_be_skipped() {
    for (text, expected) in [
        ("FROM a\nADD b /\nRUN c\n", "FROM a\nADD b /\nUSER root\nRUN c\n"),
        ("FROM a\nADD b /\nMAINTAINER me\n", "FROM a\nADD b /\nMAINTAINER me\nUSER root\n"),
    ] {
        assert_eq!(edited(text, |edits| edits.insert_after_maintainer(0, 1, "USER root")), expected);
    }
}

#[test]
fn an_instruction_comes_before_the_last_one_whole() {
    let cases = [
        ("DFA-4", "FROM a\nRUN b \\\n  c\n", "FROM a\nX\nRUN b \\\n  c\n"),
        ("HLP-1", "FROM a\nRUN b\nCMD c", "FROM a\nRUN b\nX\nCMD c"),
        ("FROM alone", "FROM a\n", "FROM a\nX\n"),
        ("here-document", "FROM a\nRUN <<E\n  c\nE\n", "FROM a\nX\nRUN <<E\n  c\nE\n"),
    ];
    for (name, text, expected) in cases {
        let found = edited(text, |edits| edits.insert_before_last(0, "USER root"));
        assert_eq!(found, expected.replace('X', "USER root"), "{name}");
    }
}

#[test]
fn several_changes_keep_their_order() {
    let found = edited("FROM a AS b\nFROM c", |edits| {
        edits.replace_from(0, "scratch")?;
        edits.insert_after_from(0, "ADD a /")?;
        edits.insert_after_from(0, "ENV b=c")?;
        edits.append(1, "USER root")?;
        edits.append(1, "RUN d")
    });
    assert_eq!(found, "FROM scratch AS b\nADD a /\nENV b=c\nFROM c\nUSER root\nRUN d\n");
}

#[test]
fn what_is_not_meant_is_a_defect() {
    let dockerfile = parse("FROM a\n");
    assert!(dockerfile.edit().append(1, "USER root").is_err());
    let mut edits = dockerfile.edit();
    edits.append(0, "USER root\nRUN x").unwrap();
    assert!(matches!(edits.finish(), Err(DockerfileError::Edit { .. })));
    assert!(dockerfile.edit().replace_from(0, "a b").is_err());
}

#[test]
fn labels_say_what_was_meant() {
    let values =
        ["V \"q\" \\ $x", "", "it's", "`$(x)`", "ends with \\", "# no comment", "${a:-b}", "\\", "=", "ä\t"];
    let labels: BTreeMap<String, String> =
        values.iter().enumerate().map(|(index, value)| (format!("l.{index}"), (*value).to_owned())).collect();
    for text in ["FROM a\n", "# escape=`\r\nFROM a\r\nRUN b", "FROM a\nCMD x \\\n\n"] {
        let dockerfile = parse(text);
        let instruction = dockerfile.label_instruction(&labels).unwrap();
        let mut edits = dockerfile.edit();
        edits.append(0, &instruction).unwrap();
        assert_eq!(edits.finish().unwrap().labels(&Arguments::default()).unwrap(), labels, "{text}");
    }
    let one = BTreeMap::from([("a b".to_owned(), "V \"q\" \\ $x".to_owned())]);
    // LBL-17, with the dollar escaped.
    let expected = "LABEL \"a b\"=\"V \\\"q\\\" \\\\ \\$x\"";
    assert_eq!(parse("FROM a").label_instruction(&one).as_deref(), Some(expected));
    assert_eq!(parse("FROM a").label_instruction(&BTreeMap::new()), None);
    assert_eq!(parse("FROM a").env_instruction("R", "1 $"), "ENV R=\"1 \\$\"");
}
