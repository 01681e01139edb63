//! What of an explanation was asked for, and what to say when there is no such
//! thing.

use super::Explanation;

/// Longest path in bytes; those of labels, the longest, are shorter.
const MAX_PATH: usize = 512;
/// Longest path to which near ones are looked for: the work grows with it.
const MAX_TYPO: usize = 128;

/// There is nothing at or below a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchPath {
    /// No path has so many bytes.
    #[error("a path has at most {MAX_PATH} bytes, and this one has {0}")]
    TooLong(usize),
    /// There is no such path.
    #[error("there is no '{path}'{}", told(near))]
    Unknown {
        /// The path, cut to a printable length.
        path: String,
        /// Paths that may have been meant.
        near: Vec<String>,
    },
}

fn told(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; near it are {}", near.join(", ")) }
}

impl NoSuchPath {
    /// Refuses a path that cannot be one, before anything is done for it.
    ///
    /// # Errors
    /// It is too long.
    pub fn check(path: &str) -> Result<(), Self> {
        if path.len() > MAX_PATH { Err(Self::TooLong(path.len())) } else { Ok(()) }
    }
}

impl Explanation {
    /// The values at or below a path; all of them for an empty one.
    ///
    /// # Errors
    /// There are none, or the path is too long to be one.
    pub fn choose(&self, path: &str) -> Result<Self, NoSuchPath> {
        NoSuchPath::check(path)?;
        let chosen = self.filter(path);
        if !chosen.entries.is_empty() {
            return Ok(chosen);
        }
        let near = if path.len() <= MAX_TYPO { self.near(path) } else { Vec::new() };
        Err(NoSuchPath::Unknown { path: path.chars().take(200).collect(), near })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::explain::Explained;

    #[test]
    fn what_is_not_there_is_named_with_its_neighbours_and_briefly() {
        let explanation = Explanation { entries: vec![Explained::new("site.builds.time", "1h", "x")] };
        assert_eq!(explanation.choose("site.builds").unwrap(), explanation);
        let said = |path: &str| explanation.choose(path).unwrap_err().to_string();
        assert_eq!(said("site.build.time"), "there is no 'site.build.time'; near it are site.builds.time");
        let long = format!("site.builds.time{}", "x".repeat(200));
        assert_eq!(said(&long), format!("there is no '{}'", &long[..200]));
        let started = std::time::Instant::now();
        assert_eq!(said(&"x".repeat(8 << 20)), "a path has at most 512 bytes, and this one has 8388608");
        assert!(started.elapsed().as_secs() < 1);
    }
}
