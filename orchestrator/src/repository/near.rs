//! Which known names come near to one that nobody knows, for error messages.

/// At most `limit` of `known`, best first, that somebody may have meant by
/// `word`.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    let wanted = word.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    let mut ranked: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = distance(&wanted, &lower);
            let part_of = lower.len() >= 3 && wanted.len() >= 3;
            let contained = part_of && (lower.contains(&wanted) || wanted.ends_with(&format!("/{lower}")));
            (distance <= allowed || contained).then_some((distance, name))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(limit).map(|(_, name)| name).collect()
}

/// Edits of one character that lead from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_and_parts_are_found() {
        let known = ["main", "master", "rawhide", "f44", "f43", "v1.0", "release-1.0"];
        assert_eq!(near("mian", known, 3), Vec::<&str>::new());
        assert_eq!(near("maim", known, 3), ["main"]);
        assert_eq!(near("origin/rawhide", known, 3), ["rawhide"]);
        assert_eq!(near("1.0", known, 5), ["v1.0", "release-1.0"]);
        assert_eq!(near("f45", known, 5), ["f43", "f44"]);
        assert!(near("something-else", known, 5).is_empty());
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
