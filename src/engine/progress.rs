//! A bar per table on a terminal; nothing where nobody looks.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::str::FromStr;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether bars are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl FromStr for Show {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(()),
        }
    }
}

/// The bars of a run, on stderr.
pub struct Progress {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Progress {
    /// Bars, or none.
    pub fn new(show: Show) -> Self {
        let drawn = match show {
            Show::Always => true,
            Show::Never => false,
            Show::Auto => std::io::stderr().is_terminal(),
        };
        let target =
            if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), bars: Mutex::default() }
    }

    /// A table is being looked at.
    pub fn look(&self, table: &str) {
        let style = ProgressStyle::with_template("{prefix:<28} {spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self.all.add(
            ProgressBar::new_spinner()
                .with_style(style)
                .with_prefix(table.to_owned())
                .with_message("comparing"),
        );
        bar.tick();
        self.keep(table, bar);
    }

    /// So many rows of a table will be written.
    pub fn plan(&self, table: &str, rows: u64) {
        let template = "{prefix:<28} {bar:24} {pos}/{len} rows, {per_sec}, {eta} left";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.with(table, |bar| {
            bar.set_style(style);
            bar.set_length(rows);
        });
    }

    /// So many more are done.
    pub fn advance(&self, table: &str, rows: u64) {
        self.with(table, |bar| bar.inc(rows));
    }

    /// A table is done with.
    pub fn done(&self, table: &str) {
        self.with(table, ProgressBar::finish_and_clear);
    }

    fn keep(&self, table: &str, bar: ProgressBar) {
        if let Ok(mut bars) = self.bars.lock() {
            bars.insert(table.to_owned(), bar);
        }
    }

    fn with(&self, table: &str, act: impl FnOnce(&ProgressBar)) {
        if let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(table)
        {
            act(bar);
        }
    }
}
