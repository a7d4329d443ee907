//! Progress: a bar that moves where a person watches, else a line every ten seconds.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Form, counted, grouped, seconds};
use crate::explore::Snapshot;

/// Between two lines of progress.
const LINE_EVERY_MS: u64 = 10_000;

/// Where progress goes.
pub(super) struct Progress<'a> {
    err: &'a mut dyn Write,
    form: Form,
    bar: Option<ProgressBar>,
    next_line_ms: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(err: &'a mut dyn Write, form: Form) -> Self {
        Self {
            err,
            form,
            bar: None,
            next_line_ms: LINE_EVERY_MS,
        }
    }

    /// A line of its own, above the bar if there is one.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        if let Some(bar) = &self.bar {
            bar.suspend(|| writeln!(self.err, "{text}"))?;
        } else {
            writeln!(self.err, "{text}")?;
        }
        self.err.flush()
    }

    /// How far a sweep is.
    pub(super) fn show(&mut self, now: &Snapshot) -> io::Result<()> {
        if self.form.quiet {
            return Ok(());
        }
        if self.form.terminal {
            self.move_bar(now);
            return Ok(());
        }
        if now.wall_ms < self.next_line_ms {
            return Ok(());
        }
        self.next_line_ms = now.wall_ms + LINE_EVERY_MS;
        let text = words(now);
        self.line(&text)
    }

    fn move_bar(&mut self, now: &Snapshot) {
        let (place, length) = match (now.total, now.limit_ms) {
            (Some(total), _) => (now.done, total),
            (None, Some(limit)) => (now.wall_ms.min(limit), limit),
            (None, None) => (0, 0),
        };
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            let template = "{bar:30} {msg}";
            let style = ProgressStyle::with_template(template);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(place);
        bar.set_message(words(now));
    }

    /// Runs `print` while the bar is out of the way.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn words(now: &Snapshot) -> String {
    let seeds = match now.total {
        Some(total) => format!("{} of {} seeds", grouped(now.done), grouped(total)),
        None => counted(now.done, "seed"),
    };
    let limit = now
        .limit_ms
        .map_or_else(String::new, |limit| format!(" of {}", seconds(limit)));
    let failed = counted(now.failed, "failure");
    format!("{}{limit} wall   {seeds}   {failed}", seconds(now.wall_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_a_terminal_progress_is_a_line_per_ten_seconds() {
        let mut err = Vec::new();
        let mut progress = Progress::new(&mut err, Form::default());
        for wall_ms in (0..=25_000).step_by(200) {
            let now = Snapshot {
                done: wall_ms / 10,
                total: None,
                failed: 1,
                wall_ms,
                limit_ms: Some(30_000),
            };
            progress.show(&now).unwrap();
        }
        let text = String::from_utf8(err).unwrap();
        insta::assert_snapshot!(text);
    }
}
