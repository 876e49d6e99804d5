//! A base whose table was redefined since: what it says, said again by the columns that are synced now.
//!
//! Each row is signed twice in one look, by the former columns and by the present ones. A side whose former signature is the
//! remembered one has not changed; its entry becomes its present signature. A side that has changed, or of which nobody can
//! tell because a former column is gone, gets an entry that its present signature is not. Rows that are equal now are
//! remembered as equal, whatever happened to them.

use tokio::sync::Mutex;

use super::batch::by_size;
use super::table::TableRun;
use super::walk::{self, walk};
use super::worklist::{Item, Worklist};
use super::{Lines, Run};
use crate::endpoint::read::{self, Lock, Signed};
use crate::endpoint::sql::FormerColumn;
use crate::error::Result;
use crate::journal::base::Base;
use crate::journal::chunk::Step;
use crate::model::row::from_text;
use crate::model::{
    Column, DefaultValue, Key, Kind, PerSide, Side, Signature, Value, canonical, fit,
};
use crate::plan::merge::{Change, Entry, Present};
use crate::plan::schema_match::TablePair;

/// Rows that are read, and entries that are written, at once.
const ROWS: usize = 1000;

/// Makes the base anew from what the former columns say. In a dry run the transaction stays open and is rolled back later.
///
/// # Errors
/// The failure with its code; `SYNC_005` when asked to stop.
pub async fn carry_over(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    former: &PerSide<Vec<FormerColumn>>,
) -> Result<()> {
    let pair = table.pair.clone();
    let comparable = table.plan.comparable;
    let mut views = run.views(&pair);
    views.remote.former = Some(&former.remote);
    views.local.former = Some(&former.local);
    let (mut said, mut unclear) = (Worklist::default(), Worklist::default());
    let mut asked =
        walk::Lines { sides: &mut lines.snapshots, journal: Mutex::new(&mut lines.local) };
    walk(&mut asked, &views, &table.base, &[0..=u64::MAX], run, |ordinal, entry, remote, local| {
        let (Some(entry), true) = (entry, remote.len() <= 1 && local.len() <= 1) else {
            return Ok(());
        };
        let item = said_again(ordinal, entry, remote.first(), local.first());
        let equal = comparable && item.now.remote == item.now.local;
        match (item.now.remote, item.now.local) {
            (Some(remote), Some(local)) if equal => {
                said.push(&Item { base: Some(Entry { remote, local }), ..item })
            }
            (Some(_), Some(_)) => unclear.push(&item),
            _ => said.push(&item),
        }
    })
    .await?;
    if !lines.rehearsing {
        let place = lines.local.place().clone();
        lines.local.begin().await.map_err(|fault| fault.fatal(&place))?;
        lines.rehearsing = run.options.dry_run;
        if let Some(lease) = &table.lease {
            lease.renew(&mut lines.local).await?;
        }
    }
    let mut base = table.base.emptied();
    let mut batches = said.drain()?;
    loop {
        run.cancel.check()?;
        let items = batches.next(ROWS)?;
        if items.is_empty() {
            break;
        }
        base = record(base, lines, &items).await?;
    }
    let mut batches = unclear.drain()?;
    loop {
        run.cancel.check()?;
        let items = batches.next(ROWS)?;
        if items.is_empty() {
            break;
        }
        for mut items in by_size(&mut lines.snapshots, &run.views(&pair), items).await? {
            cleared(run, lines, &pair, former, &mut items).await?;
            base = record(base, lines, &items).await?;
        }
    }
    // A table of which nothing is remembered gets its stamp all the same.
    base = base.with_steps(&mut lines.local, &[]).await?;
    if !lines.rehearsing {
        let place = lines.local.place().clone();
        lines.local.commit().await.map_err(|fault| fault.fatal(&place))?;
    }
    table.base = base;
    Ok(())
}

/// What the base said of one key, as far as signatures can say it.
fn said_again(ordinal: u64, entry: Entry, remote: Option<&Signed>, local: Option<&Signed>) -> Item {
    let side = |then: Signature, now: Option<&Signed>| match now {
        None => then,
        Some(now) if now.was == Some(then) => now.signature,
        Some(now) => !now.signature,
    };
    let key = remote.or(local).map_or_else(|| Key(Vec::new()), |signed| signed.key.clone());
    let signature = |signed: Option<&Signed>| signed.map(|signed| signed.signature);
    Item {
        ordinal,
        key,
        base: Some(Entry { remote: side(entry.remote, remote), local: side(entry.local, local) }),
        now: Present { remote: signature(remote), local: signature(local) },
        change: Change::None,
        decision: None,
        recorded: true,
        kept: None,
    }
}

/// Looks at rows that both sides have: equal rows are remembered as equal; in columns that the base knows nothing of, a side
/// that has something where the other has nothing yet has changed.
async fn cleared(
    run: &Run,
    lines: &mut Lines,
    pair: &TablePair,
    former: &PerSide<Vec<FormerColumn>>,
    items: &mut [Item],
) -> Result<()> {
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let mut rows = PerSide::<std::collections::HashMap<Key, read::Found>>::default();
    for side in Side::BOTH {
        let line = &mut lines.snapshots[side];
        let found = read::rows(line, &run.view(pair, side), &keys, Lock::None).await;
        rows[side] = found.map_err(|fault| fault.fatal(lines.snapshots[side].place()))?;
    }
    for item in items {
        let (Some(remote), Some(local)) = (rows.remote.get(&item.key), rows.local.get(&item.key))
        else {
            continue;
        };
        let now = Entry { remote: remote.signature, local: local.signature };
        if canonical::same_row(&remote.row, &local.row) {
            item.base = Some(now);
            continue;
        }
        let Some(entry) = &mut item.base else { continue };
        let differing: Vec<usize> = (0..pair.columns.len())
            .filter(|at| !canonical::same(&remote.row[*at], &local.row[*at]))
            .collect();
        for (side, row) in [(Side::Remote, &remote.row), (Side::Local, &local.row)] {
            let column = |at: usize| &pair.columns[at].sides[side];
            if differing.iter().any(|at| is_news(&row[*at], column(*at), &former[side])) {
                entry[side] = !now[side];
            }
        }
        // Rows that differ and of which nobody can tell who changed them are not settled: both have.
        if *entry == now {
            *entry = Entry { remote: !now.remote, local: !now.local };
        }
    }
    Ok(())
}

/// Whether a side has put something into a cell of which the former signatures cannot speak: into a column that they did not
/// have, or a value that its column could not hold then.
fn is_news(cell: &Value, column: &Column, former: &[FormerColumn]) -> bool {
    let Some(known) = former.iter().find(|known| known.name == column.name) else {
        return !is_blank(cell, column);
    };
    known.kind != column.kind && !held_before(cell, &known.kind, column)
}

/// Whether a column's former type could hold what is in it now, perhaps spelled otherwise.
fn held_before(cell: &Value, former: &Kind, column: &Column) -> bool {
    let then = Column { kind: former.clone(), ..column.clone() };
    let fits = |cell: &Value| fit::fit(cell, &then).is_ok();
    match (cell, former) {
        (Value::DateTime(moment), Kind::Date) => moment.time.to_string().starts_with("00:00:00"),
        (Value::Text(text), Kind::Int { .. } | Kind::Bit(_) | Kind::Year) => {
            text.parse().is_ok_and(|number: i128| fits(&Value::Int(number)))
        }
        (Value::Text(text), _) => fits(cell) || fits(&from_text(text, former)),
        _ => fits(cell),
    }
}

/// Whether nobody has put anything into a cell: it is the column's default, or where it has none NULL, nothing or zero.
fn is_blank(cell: &Value, column: &Column) -> bool {
    match (&column.default, cell) {
        (Some(DefaultValue::Literal(text) | DefaultValue::Expression(text)), _) => {
            canonical::same(cell, &from_text(text, &column.kind))
                || cell.as_int().is_some_and(|number| text.parse() == Ok(number))
        }
        (None, Value::Null) => true,
        (None, Value::Text(text)) => text.is_empty(),
        (None, Value::Bytes(bytes)) => bytes.is_empty(),
        (None, Value::Int(number)) => *number == 0,
        (None, _) => false,
    }
}

async fn record(base: Base, lines: &mut Lines, items: &[Item]) -> Result<Base> {
    let steps: Vec<(u64, Step)> =
        items.iter().filter_map(|item| Some((item.ordinal, Step::Record(item.base?)))).collect();
    base.with_steps(&mut lines.local, &steps).await
}
