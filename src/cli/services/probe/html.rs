//! The matrix as a page: one file with nothing from elsewhere, in light and dark.
//!
//! In: what a probe found. Out: HTML. A row is a service, a column an address of this host;
//! each cell says by `data-` attributes what it is about. Whatever others chose the text of
//! is shown as text.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use super::view::{Cell, Row, State, View};
use crate::cli::services::owner::shown;
use crate::net::IfName;
use crate::reconcile::{Finding, ProbeOutcome};

const STYLE: &str = include_str!("page.css");

/// The page that shows `view`.
pub(super) fn page(view: &View) -> String {
    let mut body = String::from("<h1>Services of this host, tried from where guests are</h1>\n");
    push(&mut body, format_args!("<p class=\"sum\">{}</p>\n", escaped(&view.sum())));
    for remark in view.remarks().into_iter().chain(view.lacks()) {
        push(&mut body, format_args!("<p class=\"remark\">{}</p>\n", escaped(&remark)));
    }
    body.push_str(&legend());
    for stand in &view.bridges {
        body.push_str(&matrix(&stand.bridge, view));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>virt-guard services probe</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// What the words and colours mean.
fn legend() -> String {
    let mut legend = String::from("<dl class=\"legend\" id=\"legend\">\n");
    for outcome in ProbeOutcome::ALL {
        let word = outcome.word();
        push(&mut legend, format_args!("<dt class=\"{word}\">{word}</dt><dd>{}</dd>\n", meaning(outcome)));
    }
    legend
        .push_str("<dt class=\"answered exposed\">framed</dt><dd>not as the policy has it: EXPOSED or FAILING</dd>\n");
    legend + "</dl>\n"
}

const fn meaning(outcome: ProbeOutcome) -> &'static str {
    match outcome {
        ProbeOutcome::Answered => "a connection was accepted, or a datagram answered",
        ProbeOutcome::Delivered => "no answer, but datagrams get there",
        ProbeOutcome::Dropped => "thrown away by the socket’s own filter",
        ProbeOutcome::Refused => "nobody listens there",
        ProbeOutcome::Rejected => "prohibited",
        ProbeOutcome::Silent => "nothing came back",
    }
}

/// The table of one bridge.
fn matrix(bridge: &IfName, view: &View) -> String {
    let rows: Vec<_> = view.rows.iter().filter(|row| row.bridge == *bridge).collect();
    let columns: BTreeSet<_> = rows.iter().flat_map(|row| &row.attempts).map(|cell| cell.address).collect();
    let name = escaped(bridge.as_str());
    let mut table = format!("<h2>{name}</h2>\n");
    if rows.is_empty() {
        return table + "<p>Nothing listens there, or nothing could be tried.</p>\n";
    }
    push(&mut table, format_args!("<div class=\"wide\"><table data-bridge=\"{name}\">\n<thead><tr>"));
    for head in ["State", "Service", "Bound to", "Program", "Unit"] {
        push(&mut table, format_args!("<th scope=\"col\">{head}</th>"));
    }
    for address in &columns {
        push(&mut table, format_args!("<th scope=\"col\" class=\"address\">{address}</th>"));
    }
    table.push_str("</tr></thead>\n<tbody>\n");
    rows.iter().for_each(|row| table.push_str(&line(row, &columns)));
    table + "</tbody>\n</table></div>\n"
}

fn line(row: &Row, columns: &BTreeSet<IpAddr>) -> String {
    let (program, unit) = shown(&row.owners);
    let state = row.state.word();
    let class = if matches!(row.state, State::Exposed | State::Failing) { " class=\"wrong\"" } else { "" };
    let mut line = format!("<tr{class}><td>{state}</td><th scope=\"row\">{}</th>", escaped(&row.service()));
    for text in [row.bound(), program, unit] {
        push(&mut line, format_args!("<td>{}</td>", escaped(&text)));
    }
    for address in columns {
        match row.attempts.iter().find(|cell| cell.address == *address) {
            Some(attempt) => line.push_str(&cell(row, attempt)),
            None => line.push_str("<td class=\"none\">·</td>"),
        }
    }
    line + "</tr>\n"
}

fn cell(row: &Row, cell: &Cell) -> String {
    let (word, address) = (cell.outcome.word(), cell.address);
    let finding = match cell.finding {
        Finding::Exposed => " exposed",
        Finding::Failing => " failing",
        Finding::Fine => "",
    };
    let (bridge, service) = (escaped(row.bridge.as_str()), escaped(&row.service()));
    format!(
        "<td class=\"{word}{finding}\" data-bridge=\"{bridge}\" data-service=\"{service}\" data-address=\"{address}\" \
         data-outcome=\"{word}\">{word}</td>"
    )
}

/// Text as it may stand between tags and within quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A text has room for all that is written to it.
fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::probed;
    use super::*;

    #[test]
    fn each_cell_says_what_it_is_about() {
        let page = page(&View::from(probed()));
        for (service, address, outcome, class) in [
            ("tcp/80", "10.100.0.1", "answered", "answered exposed"),
            ("tcp/80", "192.0.2.10", "silent", "silent"),
            ("tcp/22", "10.100.0.1", "silent", "silent"),
            ("tcp/53", "10.100.0.1", "answered", "answered"),
        ] {
            let cell = format!(
                "<td class=\"{class}\" data-bridge=\"br100\" data-service=\"{service}\" data-address=\"{address}\" \
                 data-outcome=\"{outcome}\">{outcome}</td>"
            );
            assert_eq!(page.matches(&cell).count(), 1, "{cell}");
        }
        assert_eq!(page.matches("data-outcome").count(), 4);
        assert_eq!(page.matches("<td class=\"none\">").count(), 2);
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let page = page(&View::from(probed()));
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\n (9)"));
        assert_eq!(escaped("<\"'&>"), "&lt;&quot;&#39;&amp;&gt;");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let page = page(&View::from(probed()));
        for word in ["http:", "https:", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
        for outcome in ProbeOutcome::ALL {
            assert!(page.contains(&format!("<dt class=\"{}\">", outcome.word())), "the legend lacks a word");
        }
        assert!(page.contains("br100: a note") && page.contains("br100: a lack"));
    }
}
