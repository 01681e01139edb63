//! Tagging.

use super::Entry;

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[];
