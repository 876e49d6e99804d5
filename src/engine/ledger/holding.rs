//! Tables that a run holds: taken, kept while it works, and taken again after a line was lost.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Earlier, Ledger, Standing, Turn, pass};
use crate::endpoint::{Connection, Purpose};
use crate::engine::Run;
use crate::engine::preflight::Job;
use crate::engine::revival::may_pass;
use crate::error::{self, Result, SyncError};
use crate::journal::lease::{self, Lease};
use crate::journal::runs::{self, Pass};
use crate::model::Side;
use crate::plan::policy::Direction;

/// How often a table that another run has locked is looked at.
const LOOK: Duration = Duration::from_millis(250);

impl Ledger {
    /// Takes every table's lock, waiting where that is asked for. A table that is not had has failed.
    ///
    /// # Errors
    /// The failure with its code; `SYNC_005` when asked to stop.
    pub(super) async fn hold(&mut self, run: &Run, local: &mut Connection) -> Result<()> {
        // None is for ever.
        let until = Instant::now().checked_add(run.options.wait);
        let mut turns = std::mem::take(&mut self.turns);
        let mut beat = Instant::now();
        for at in 0..turns.len() {
            self.lock(run, local, &mut turns[at]).await?;
            while !turns[at].locked && until.is_none_or(|until| Instant::now() < until) {
                self.waited = true;
                run.cancel.check()?;
                sleep(LOOK.min(run.options.wait)).await;
                renew(&turns, local, &mut beat).await?;
                self.lock(run, local, &mut turns[at]).await?;
            }
            renew(&turns, local, &mut beat).await?;
            if !turns[at].locked {
                let error = SyncError::new(error::LOCKED);
                turns[at].fail(error);
            }
        }
        self.turns = turns;
        Ok(())
    }

    /// Takes up what the tables are now, where they were waited for.
    pub fn refresh(&mut self, jobs: Vec<Job>) {
        for Job { settings, pair, .. } in jobs {
            let turn = self.turns.iter_mut().find(|turn| turn.settings.table == settings.table);
            let Some(turn) = turn else { continue };
            if let Standing::Waiting(_) = turn.standing {
                turn.settings = settings;
                turn.standing = match pair {
                    Ok(pair) => Standing::Waiting(Box::new(pair)),
                    Err(error) => Standing::Failed(error, None),
                };
            }
        }
    }

    /// Notes in the log that every table's passes begin, and that whoever was at work on them before has died.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn enter(&mut self, run: &Run, local: &mut Connection) -> Result<()> {
        let dialect = run.dialect(Side::Local);
        for turn in &mut self.turns {
            if turn.locked {
                runs::bury(local, dialect, &turn.settings.table, run.started).await?;
            }
            let directions: Vec<Direction> =
                turn.passes().into_iter().map(Direction::pass_to).collect();
            let passes: Vec<Pass<'_>> =
                directions.iter().map(|direction| pass(run, turn, *direction)).collect();
            runs::begin(local, dialect, &passes).await?;
            turn.logged = true;
        }
        Ok(())
    }

    /// Takes a table's lock and its lease, or neither. A dry run writes nothing, so it leases nothing.
    async fn lock(&mut self, run: &Run, local: &mut Connection, turn: &mut Turn) -> Result<()> {
        let nature = &run.endpoints.local.nature;
        let name = &turn.settings.table;
        turn.locked = self.locks.take(local, nature, name).await?;
        let silent = !turn.locked && !run.options.dry_run;
        if silent && lease::end_silent(local, nature, name).await? {
            sleep(LOOK).await;
            turn.locked = self.locks.take(local, nature, name).await?;
        }
        if turn.locked && !run.options.dry_run {
            turn.lease = lease::take(local, nature.dialect, name, &run.run_id).await?;
            if turn.lease.is_none() {
                self.locks.give_back(local, nature, name).await?;
                turn.locked = false;
            }
        }
        Ok(())
    }

    /// Says again and again that this run is at work, on a line of its own, for as long as it is asked to.
    pub fn heart(&self, run: &Run) -> impl Future<Output = ()> + use<> {
        let leases: Vec<Lease> = self.turns.iter().filter_map(|turn| turn.lease).collect();
        let endpoint = run.endpoints.local.clone();
        async move {
            let mut line: Option<Connection> = None;
            loop {
                sleep(lease::BEAT).await;
                if leases.is_empty() {
                    continue;
                }
                if line.as_ref().is_none_or(Connection::is_ended) {
                    line = endpoint.connect(Purpose::Write).await.ok();
                }
                let Some(line) = &mut line else { continue };
                // A lease whose table is just being written is renewed by that.
                let _ = line.wait_for_locks(Duration::from_secs(1)).await;
                for lease in &leases {
                    // Whoever writes next is told.
                    let _ = lease.renew(line).await;
                }
            }
        }
    }

    /// Whether any table was given up because a line was lost.
    pub fn any_lost(&self, run: &Run) -> bool {
        self.turns.iter().any(|turn| turn.is_lost(run))
    }

    /// Puts the tables that were given up because a line was lost back to where they began, as they are now; those that have
    /// finished stay so. Answers whether there is any.
    pub async fn revive(
        &mut self,
        run: &Run,
        local: &mut Connection,
        jobs: Vec<Job>,
        until: Instant,
    ) -> bool {
        let mut turns = std::mem::take(&mut self.turns);
        let mut revived = false;
        for turn in &mut turns {
            if !turn.is_lost(run) {
                turn.rest();
                continue;
            }
            // The server may take a while to see that the former line is gone.
            let locked = loop {
                match self.lock(run, local, turn).await {
                    Ok(()) if turn.locked => break Ok(()),
                    Ok(()) if Instant::now() < until && run.cancel.check().is_ok() => {
                        sleep(LOOK).await;
                    }
                    Ok(()) => break Err(SyncError::new(error::LOCKED)),
                    Err(error) => break Err(error),
                }
            };
            match locked {
                Ok(()) => {
                    turn.begin_again();
                    revived = true;
                }
                Err(error) => turn.fail_once_more(error),
            }
        }
        self.turns = turns;
        self.refresh(jobs);
        revived
    }
}

/// Keeps what is held already, while more is taken.
async fn renew(turns: &[Turn], local: &mut Connection, beat: &mut Instant) -> Result<()> {
    if beat.elapsed() < lease::BEAT {
        return Ok(());
    }
    *beat = Instant::now();
    for lease in turns.iter().filter_map(|turn| turn.lease) {
        lease.renew(local).await?;
    }
    Ok(())
}

impl Turn {
    fn is_lost(&self, run: &Run) -> bool {
        matches!(&self.standing, Standing::Failed(error, Some(_)) if may_pass(run, error))
    }

    /// It has finished, while others begin again.
    fn rest(&mut self) {
        self.swap(|standing| match standing {
            Standing::Open(table) => Standing::Closed(table),
            other => other,
        });
    }

    fn begin_again(&mut self) {
        let mut earlier = Earlier::default();
        self.swap(|standing| match standing {
            Standing::Failed(_, Some(table)) => {
                earlier = Earlier {
                    written: table.written,
                    conflicts: table.conflicts,
                    collided: table.collided,
                    unsigned: table.unsigned,
                    met: table.plan.allowed.map(|allowed| allowed.met).unwrap_or_default(),
                };
                Standing::Waiting(Box::new(table.pair))
            }
            other => other,
        });
        self.earlier = earlier;
    }

    /// What it had done stays told.
    fn fail_once_more(&mut self, error: SyncError) {
        let error = error.in_table(&self.settings.table);
        self.swap(|standing| match standing {
            Standing::Failed(_, table) => Standing::Failed(error, table),
            other => other,
        });
    }

    fn swap(&mut self, change: impl FnOnce(Standing) -> Standing) {
        let standing = std::mem::replace(&mut self.standing, Standing::ToMake(Side::Local, 0));
        self.standing = change(standing);
    }
}
