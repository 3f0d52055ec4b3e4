//! Small tables for people: columns that stand below each other.

use super::paint::width as seen;

/// Between two columns.
const GAP: &str = "  ";

/// The rows as lines, each column as wide as its widest cell. No line has blanks
/// at its end.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = seen(cell).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        // Not by `{:width$}`, which ends the program beyond 65535.
        let padded = |(cell, width): (&String, usize)| cell.clone() + &" ".repeat(width - seen(cell));
        let cells: Vec<String> = row.iter().zip(widths).map(padded).collect();
        format!("{}\n", cells.join(GAP).trim_end())
    };
    rows.iter().map(line).collect()
}

/// `1 port`, `2 ports`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_where_their_text_ends() {
        let rows = [["port", "is"], ["é0", "guest"], ["vnet10", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "port    is\né0      guest\nvnet10\n");
    }

    #[test]
    fn colours_take_no_room() {
        let rows = [["\x1b[32mok\x1b[0m", "a"], ["warning", "b"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "\x1b[32mok\x1b[0m       a\nwarning  b\n");
    }

    #[test]
    fn a_cell_may_be_longer_than_formats_can_be_wide() {
        let long = "x".repeat(70_000);
        let rows = [[long.clone(), "a".to_owned()], ["b".to_owned(), "c".to_owned()]];
        assert!(table(&rows).starts_with(&format!("{long}  a\nb  ")));
    }
}
