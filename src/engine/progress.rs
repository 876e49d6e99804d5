//! A bar per table on a terminal; nothing where nobody looks.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::str::FromStr;
use std::sync::Mutex;

use indicatif::{
    HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

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

/// The bars of a run, on stderr; where stderr is no terminal and they are wanted all the same, a line every tenth of the way.
pub struct Progress {
    shown: Shown,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

enum Shown {
    Bars(MultiProgress),
    Lines,
    Nothing,
}

impl Progress {
    /// Bars, lines, or nothing.
    pub fn new(show: Show) -> Self {
        let shown = match (show, std::io::stderr().is_terminal()) {
            (Show::Always | Show::Auto, true) => Shown::Bars(MultiProgress::new()),
            (Show::Always, false) => Shown::Lines,
            _ => Shown::Nothing,
        };
        Self { shown, bars: Mutex::default() }
    }

    /// A table is being looked at.
    pub fn look(&self, table: &str) {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let bar = match &self.shown {
            Shown::Bars(all) => all.add(ProgressBar::no_length()),
            Shown::Lines | Shown::Nothing => bar,
        };
        bar.set_style(style("{prefix:<28!} {spinner} {human_pos}"));
        bar.set_prefix(table.to_owned());
        bar.tick();
        if let Ok(mut bars) = self.bars.lock()
            && let Some(former) = bars.insert(table.to_owned(), bar)
        {
            former.finish_and_clear();
        }
    }

    /// A table is being filled, with about so many rows; 0 where nobody knows.
    pub fn load(&self, table: &str, rows: u64) {
        self.look(table);
        if rows > 0 {
            self.plan(table, rows);
        }
    }

    /// So many of a table's rows were looked at.
    pub fn looked(&self, table: &str, rows: u64) {
        self.with(table, |bar| bar.set_position(rows));
    }

    /// So many rows of a table will be written.
    pub fn plan(&self, table: &str, rows: u64) {
        self.with(table, |bar| {
            if rows == 0 {
                bar.finish_and_clear();
                return;
            }
            bar.reset();
            bar.set_length(rows);
            bar.set_style(style("{prefix:<28!} {bar:16} {human_pos}/{human_len}  {rate}/s  {eta}"));
        });
    }

    /// So many more are done.
    pub fn advance(&self, table: &str, rows: u64) {
        self.with(table, |bar| {
            let before = bar.position();
            bar.inc(rows);
            let Some(all) = bar.length() else { return };
            let tenth = |rows: u64| rows * 10 / all.max(1);
            if matches!(self.shown, Shown::Lines) && tenth(before) < tenth(before + rows) {
                let (done, all) = (HumanCount(before + rows), HumanCount(all));
                // Progress that nobody can be shown is no reason to stop.
                let _ = writeln!(std::io::stderr(), "{table}: {done}/{all}");
            }
            if before + rows >= all {
                bar.finish_and_clear();
            }
        });
    }

    /// A table is done with.
    pub fn done(&self, table: &str) {
        self.with(table, ProgressBar::finish_and_clear);
    }

    fn with(&self, table: &str, act: impl FnOnce(&ProgressBar)) {
        if let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(table)
        {
            act(bar);
        }
    }
}

impl Drop for Progress {
    /// A run that was broken off leaves no bar behind.
    fn drop(&mut self) {
        if let Ok(bars) = self.bars.lock() {
            bars.values().for_each(ProgressBar::finish_and_clear);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rows per second, for people"
        )]
        let rate = state.per_sec() as u64;
        let _ = write!(text, "{}", HumanCount(rate));
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate)
}
