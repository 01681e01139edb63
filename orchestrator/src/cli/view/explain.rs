//! Values and where they come from, for people: in groups by the first part of
//! their path; one value alone with everything that is known of it.

use crate::{
    cli::{
        output::{Dress, Tone},
        view::wrap::hang,
    },
    plan::explain::{Explained, Explanation, PARTS, is_below},
};

/// Columns before what belongs to a value.
const BELOW: usize = 6;

/// The values, by group.
pub(crate) fn lines(explanation: &Explanation, dress: Dress) -> Vec<String> {
    let mut lines = Vec::new();
    for part in PARTS {
        let mut entries = explanation.entries.iter().filter(|entry| is_below(&entry.path, part)).peekable();
        if entries.peek().is_some() {
            lines.push(dress.paint(Tone::Strong, part));
        }
        for entry in entries {
            let name = entry.path.strip_prefix(part).unwrap_or(&entry.path).trim_start_matches('.');
            lines.extend(hang("  ", &format!("{name} = {}", entry.value), BELOW, dress));
            lines.extend(faint(&told(entry), dress));
        }
    }
    lines
}

/// Who set a value, who lost, and who reads it, in one sentence.
fn told(entry: &Explained) -> String {
    let mut text = format!("from {}", entry.origin);
    for said in &entry.beaten {
        text.push_str(&format!("; beats {} ({})", said.value, said.from));
    }
    if !entry.read_by.is_empty() {
        text.push_str(&format!("; read by {}", entry.read_by.join(", ")));
    }
    text
}

fn faint(text: &str, dress: Dress) -> Vec<String> {
    let lines = hang(&" ".repeat(BELOW), text, BELOW + 2, dress);
    lines.into_iter().map(|line| dress.paint(Tone::Faint, &line)).collect()
}

/// One value with the whole chain, its meaning and its readers.
pub(crate) fn of_one(entry: &Explained, dress: Dress) -> Vec<String> {
    let mut lines = hang("", &entry.path, 2, dress);
    for line in &mut lines {
        *line = dress.paint(Tone::Strong, line);
    }
    let field = |name: &str, text: &str| hang(&format!("  {name:<8} "), text, 11, dress);
    lines.extend(field("value", &entry.value));
    lines.extend(field("from", &entry.origin));
    for said in &entry.beaten {
        lines.extend(field("beats", &format!("{} from {}", said.value, said.from)));
    }
    if !entry.meaning.is_empty() {
        lines.extend(field("meaning", &entry.meaning));
    }
    let readers = if entry.read_by.is_empty() { "no step".to_owned() } else { entry.read_by.join(", ") };
    lines.extend(field("read by", &readers));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        Said,
        explain::{Subject, samples},
    };

    const BARE: Dress = Dress { colour: false, width: None };

    fn entry() -> Explained {
        let mut entry = Explained::new("plan.labels.vendor", "Example Project", "site: labels.set.vendor")
            .over(vec![Said { from: "Dockerfile:3".into(), value: "me".into() }])
            .meaning("Label of the image.");
        entry.read_by = vec!["set_labels".into(), "build_image".into()];
        entry
    }

    #[test]
    fn values_stand_in_groups() {
        let site = Explained::new("site.builds.memory", "1GiB", "flag --memory");
        let explanation = Explanation { entries: vec![site, entry()] };
        assert_eq!(
            lines(&explanation, BARE).join("\n"),
            "\
site
  builds.memory = 1GiB
      from flag --memory
plan
  labels.vendor = Example Project
      from site: labels.set.vendor; beats me (Dockerfile:3); read by set_labels,
        build_image"
        );
    }

    #[test]
    fn one_value_has_its_whole_chain() {
        assert_eq!(
            of_one(&entry(), BARE).join("\n"),
            "\
plan.labels.vendor
  value    Example Project
  from     site: labels.set.vendor
  beats    me from Dockerfile:3
  meaning  Label of the image.
  read by  set_labels, build_image"
        );
    }

    #[test]
    fn eighty_columns_are_enough() {
        let draft = samples::draft();
        let explanation = Explanation::of(Subject { draft: Some(&draft), ..Subject::default() });
        let all = lines(&explanation, BARE);
        let each = explanation.entries.iter().flat_map(|entry| of_one(entry, BARE));
        for line in all.iter().cloned().chain(each) {
            assert!(console::measure_text_width(&line) <= 80, "{line}");
        }
        for width in [40, 60, 80, 120] {
            let dress = Dress { colour: true, width: Some(width) };
            let one = explanation.entries.iter().flat_map(|entry| of_one(entry, dress));
            for line in lines(&explanation, dress).into_iter().chain(one) {
                let bare = console::strip_ansi_codes(&line).into_owned();
                assert!(console::measure_text_width(&bare) <= width, "{width}: {bare}");
                // A colour that is not ended at the line's end would run on.
                assert!(!line.contains('\u{1b}') || line.ends_with("\u{1b}[0m"), "{line:?}");
            }
        }
    }
}
