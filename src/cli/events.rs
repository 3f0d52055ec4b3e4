//! `virt-guard events`: what the daemon saw and did.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::Args;

use super::{Report, host};
use crate::kernel::{Concern, FileWatch};
use crate::state::State;
use crate::state::events::Event;

/// Show what the daemon saw and did, oldest first.
#[derive(Debug, Args)]
pub struct Events {
    /// Go on as more happens, until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Only the last so many.
    #[arg(long, short = 'n', value_name = "NUMBER")]
    lines: Option<usize>,
    /// Print one JSON object for each event, on a line of its own.
    #[arg(long)]
    json: bool,
}

impl Events {
    pub(super) fn run(&self, root: &Path) -> anyhow::Result<Report> {
        let host = host(root);
        let state = host.state();
        // Watched before they are read: none falls in between.
        let watch = self.follow.then(|| FileWatch::start(vec![(state.events_file(), Concern::Policy)])).transpose()?;
        let events = read(state)?;
        let first = self.lines.map_or(0, |lines| events.len().saturating_sub(lines));
        let text = self.text(&events[first..])?;
        let Some(watch) = watch else { return Ok(Report::good(text)) };
        print(&text)?;
        self.follow(state, watch, events.last().cloned())
    }

    fn follow(&self, state: &State, mut watch: FileWatch, mut last: Option<Event>) -> anyhow::Result<Report> {
        loop {
            watch.wait().context("the events cannot be watched")?;
            let events = read(state)?;
            let known = events.iter().rposition(|event| Some(event) == last.as_ref()).map_or(0, |at| at + 1);
            print(&self.text(&events[known..])?)?;
            last = events.last().cloned().or(last);
        }
    }

    fn text(&self, events: &[Event]) -> anyhow::Result<String> {
        let line = |event: &Event| {
            Ok(if self.json { format!("{}\n", serde_json::to_string(event)?) } else { format!("{}\n", line(event)) })
        };
        events.iter().map(line).collect()
    }
}

/// One event as people read it.
pub(super) fn line(event: &Event) -> String {
    let Event { time, kind, message, .. } = event;
    let by = event.author.as_ref().map(|author| format!(" by {} (pid {})", author.program, author.pid));
    let took = event.milliseconds.map(|millis| format!(" in {millis} ms"));
    let kind = serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    // Tenants' names may be in it.
    let message: String = message.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("{time} {kind}{}{}: {message}", took.unwrap_or_default(), by.unwrap_or_default())
}

fn read(state: &State) -> anyhow::Result<Vec<Event>> {
    state.events().context("the events cannot be read")
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
