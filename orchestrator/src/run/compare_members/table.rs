//! Things that differ between platforms, as a table for people.

use std::collections::{BTreeMap, BTreeSet};

use common::platform::Platform;

/// Most characters of a value that are shown.
const MAX_VALUE: usize = 100;
/// Most rows of a table that are shown.
pub(super) const MAX_ROWS: usize = 15;

/// Things that differ by name, each with what every platform has; `None` is
/// nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table(BTreeMap<String, Vec<(Platform, Option<String>)>>);

impl Table {
    /// What is not the same in all columns, of which each is a platform's.
    pub(super) fn of(columns: &[(&Platform, BTreeMap<String, String>)]) -> Self {
        let names: BTreeSet<&String> = columns.iter().flat_map(|(_, values)| values.keys()).collect();
        let rows = names.into_iter().filter_map(|name| {
            let mut values = columns.iter().map(|(_, values)| values.get(name));
            let first = values.next()?;
            if values.all(|value| value == first) {
                return None;
            }
            let row =
                columns.iter().map(|(platform, values)| ((*platform).clone(), values.get(name).cloned()));
            Some((name.clone(), row.collect()))
        });
        Self(rows.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many things differ.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The names of the things that differ, within limits.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().take(MAX_ROWS).map(|name| shortened(name)).collect()
    }

    /// One line for each thing that differs, within limits.
    pub(super) fn rows(&self) -> Vec<String> {
        let cell = |(platform, value): &(Platform, Option<String>)| match value {
            Some(value) => format!("{platform} {:?}", shortened(value)),
            None => format!("{platform} has none"),
        };
        let row = |(name, cells): (&String, &Vec<_>)| {
            format!("{}: {}", shortened(name), cells.iter().map(cell).collect::<Vec<_>>().join(", "))
        };
        let mut rows: Vec<String> = self.0.iter().take(MAX_ROWS).map(row).collect();
        if self.0.len() > MAX_ROWS {
            rows.push(format!("and {} more", self.0.len() - MAX_ROWS));
        }
        rows
    }
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
