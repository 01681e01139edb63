//! The whole page, and that it fits.

use super::*;
use crate::plan::explain::samples;

const BARE: Dress = Dress { colour: false, width: None };

#[test]
fn a_plan_is_told_from_top_to_bottom() {
    let text = lines(&samples::draft(), BARE).join("\n");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/view/plan/golden.txt");
    let golden = std::fs::read_to_string(golden).unwrap();
    assert!(text == golden.trim_end(), "the page differs from golden.txt; it is now:\n{text}");
}

#[test]
fn eighty_columns_are_enough() {
    for line in lines(&samples::draft(), BARE) {
        assert!(console::measure_text_width(&line) <= 80, "{line}");
    }
    for width in [40, 60, 80, 120] {
        let dress = Dress { colour: true, width: Some(width) };
        for line in lines(&samples::draft(), dress) {
            assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colours_change_nothing_but_colour() {
    let coloured = lines(&samples::draft(), Dress { colour: true, width: None });
    let plain: Vec<String> =
        coloured.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
    assert_eq!(plain, lines(&samples::draft(), BARE));
    assert_ne!(coloured, plain);
}

#[test]
fn a_plan_that_knows_nothing_is_still_told() {
    let mut draft = samples::draft();
    (draft.nvr, draft.component, draft.commit, draft.tags) = (None, None, None, None);
    draft.platforms.clear();
    draft.problems.clear();
    let text = lines(&draft, BARE).join("\n");
    assert!(
        text.starts_with("plan of https://git.example.org/hello.git\n  state       with assumptions"),
        "{text}"
    );
    assert!(!text.contains("\nlabels") && !text.contains("\ntags") && !text.contains("problems"), "{text}");
}

#[test]
fn a_carriage_return_hides_nothing() {
    let mut draft = samples::draft();
    let platform = &mut draft.platforms[0];
    platform.dockerfile_diff = Some("@@ -1 +1 @@\n-FROM a\n+FROM evil\r+FROM good\n+RUN x\r\n".to_owned());
    platform.labels.get_mut("version").unwrap().value = "evil\r1.0\u{202e}".to_owned();
    let text = lines(&draft, BARE).join("\n");
    for shown in ["+FROM evil\\r+FROM good", "+RUN x\\r", "evil\\r1.0\\u{202e}"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}
