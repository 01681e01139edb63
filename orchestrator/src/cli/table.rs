//! Columns for people. On a terminal the table keeps to its width by shortening
//! the columns that can bear it; elsewhere nothing is cut, so that `grep` and
//! `awk` see everything.

/// How a column gives way when the terminal is narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shrink {
    /// Never shortened.
    Never,
    /// Shortened at its end, down to this width.
    End(usize),
    /// Shortened at its beginning, down to this width: the end says more.
    Beginning(usize),
}

/// A table with a heading over each column.
pub(crate) struct Table {
    columns: Vec<Shrink>,
    rows: Vec<Vec<String>>,
}

const GAP: &str = "  ";

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[(&str, Shrink)]) -> Self {
        let heading = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self { columns: columns.iter().map(|(_, shrink)| *shrink).collect(), rows: vec![heading] }
    }

    /// Adds a row; it has as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The lines of the table, heading first, for a terminal of `width` columns
    /// if there is one.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width);
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells: Vec<String> = row
            .iter()
            .zip(&self.columns)
            .zip(widths)
            .map(|((cell, shrink), width)| {
                let cut = cut(cell, *shrink, *width);
                format!("{cut}{}", " ".repeat(width.saturating_sub(console::measure_text_width(&cut))))
            })
            .collect();
        cells.join(GAP).trim_end().to_owned()
    }

    fn widths(&self, available: Option<usize>) -> Vec<usize> {
        let natural = (0..self.columns.len()).map(|column| {
            self.rows.iter().map(|row| console::measure_text_width(&row[column])).max().unwrap_or_default()
        });
        let mut widths: Vec<usize> = natural.collect();
        let Some(available) = available else { return widths };
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        // The widest column that can still give way gives one place at a time.
        while widths.iter().sum::<usize>() + gaps > available {
            let can_shrink = |(column, width): &(usize, &mut usize)| match self.columns[*column] {
                Shrink::Never => false,
                Shrink::End(least) | Shrink::Beginning(least) => **width > least,
            };
            let widest = widths.iter_mut().enumerate().filter(can_shrink).max_by_key(|(_, width)| **width);
            match widest {
                Some((_, width)) => *width -= 1,
                None => break,
            }
        }
        widths
    }
}

fn cut(cell: &str, shrink: Shrink, width: usize) -> String {
    if console::measure_text_width(cell) <= width {
        return cell.to_owned();
    }
    match shrink {
        Shrink::Never => cell.to_owned(),
        Shrink::End(_) => console::truncate_str(cell, width, "…").into_owned(),
        Shrink::Beginning(_) => {
            let mut kept = String::new();
            for character in cell.chars().rev() {
                let longer = format!("{character}{kept}");
                if console::measure_text_width(&longer) >= width {
                    break;
                }
                kept = longer;
            }
            format!("…{kept}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(&[("ID", Shrink::Never), ("SOURCE", Shrink::Beginning(8)), ("USER", Shrink::End(4))]);
        table.row(vec!["bld_01".into(), "https://git.example.org/hello.git".into(), "mara".into()]);
        table.row(vec!["bld_02".into(), "/srv/x".into(), "somebody-else".into()]);
        table
    }

    #[test]
    fn off_a_terminal_nothing_is_cut() {
        assert_eq!(
            table().lines(None),
            [
                "ID      SOURCE                             USER",
                "bld_01  https://git.example.org/hello.git  mara",
                "bld_02  /srv/x                             somebody-else",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_shortens_what_can_bear_it() {
        let lines = table().lines(Some(40));
        assert_eq!(
            lines,
            [
                "ID      SOURCE             USER",
                "bld_01  …le.org/hello.git  mara",
                "bld_02  /srv/x             somebody-else",
            ]
        );
        for width in 24..80 {
            assert!(
                table().lines(Some(width)).iter().all(|line| console::measure_text_width(line) <= width),
                "{width}"
            );
        }
    }

    #[test]
    fn there_is_a_least_width() {
        assert_eq!(table().lines(Some(1))[1], "bld_01  …llo.git  mara");
        assert_eq!(table().lines(Some(1))[2], "bld_02  /srv/x    som…");
    }
}
