//! The difference between two Dockerfiles, for people.

use similar::TextDiff;

/// The change from one text to another as a unified diff with three lines of
/// context; empty when they are equal.
pub fn unified_diff(original: &str, changed: &str) -> String {
    if original == changed {
        return String::new();
    }
    TextDiff::from_lines(original, changed)
        .unified_diff()
        .context_radius(3)
        .header("Dockerfile (repository)", "Dockerfile (final)")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown_with_its_surroundings() {
        let text = unified_diff("FROM a\n1\n2\n3\n4\n5", "FROM b\n1\n2\n3\n4\n5");
        let expected = "--- Dockerfile (repository)\n+++ Dockerfile (final)\n\
                        @@ -1,4 +1,4 @@\n-FROM a\n+FROM b\n 1\n 2\n 3\n";
        assert_eq!(text, expected);
        assert_eq!(unified_diff("FROM a", "FROM a"), "");
        assert!(unified_diff("FROM a", "FROM a\nLABEL b=c\n").contains("+LABEL b=c\n"));
    }
}
