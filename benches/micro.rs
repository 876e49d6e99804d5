//! What the engine itself takes for one row: `make bench-micro`.
//!
//! The servers take most of a run's time; these say what would be left if they took none.

use db_sync::journal::chunk::{pack, unpack};
use db_sync::model::{PerSide, Value, canonical};
use db_sync::plan::merge::{Entry, Present, merge};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// As many entries as a chunk has, whose sides sign alike or not.
fn chunk(alike: bool) -> Vec<(u64, Entry)> {
    let entry = |number: u64| {
        let remote = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (1 << 63 | number, PerSide::new(remote, if alike { remote } else { !remote }))
    };
    (0..1000).map(entry).collect()
}

#[divan::bench(args = [true, false])]
fn pack_a_chunk(bencher: Bencher<'_, '_>, alike: bool) {
    let chunk = chunk(alike);
    bencher.counter(ItemsCount::new(chunk.len())).bench(|| pack(black_box(&chunk)));
}

#[divan::bench(args = [true, false])]
fn unpack_a_chunk(bencher: Bencher<'_, '_>, alike: bool) {
    let packed = pack(&chunk(alike));
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| unpack(black_box(&packed)));
}

/// One row in every state that it can be in.
#[divan::bench]
fn merge_a_row(bencher: Bencher<'_, '_>) {
    let now = [None, Some(1), Some(2), Some(3)];
    let rows: Vec<(Option<Entry>, Present)> = [None, Some(PerSide::new(1, 2))]
        .into_iter()
        .flat_map(|base| now.map(|remote| (base, remote)))
        .flat_map(|(base, remote)| now.map(|local| (base, PerSide::new(remote, local))))
        .collect();
    bencher.counter(ItemsCount::new(rows.len())).bench(|| {
        for (base, now) in black_box(&rows) {
            black_box(merge(*base, *now, None));
        }
    });
}

fn row() -> Vec<Value> {
    vec![
        Value::Int(1_234_567),
        Value::text("产品 Product № 1234567"),
        Value::Decimal(db_sync::model::number::Decimal::parse("1234.50").expect("a number")),
        Value::Json(r#"{"colour": "blue", "size": 12, "tags": ["a", "b", 3]}"#.into()),
        Value::Null,
    ]
}

#[divan::bench]
fn compare_equal_rows(bencher: Bencher<'_, '_>) {
    let (a, b) = (row(), row());
    bencher.bench(|| canonical::same_row(black_box(&a), black_box(&b)));
}

/// The same document, spelled otherwise: it has to be read.
#[divan::bench]
fn compare_rows_spelled_otherwise(bencher: Bencher<'_, '_>) {
    let (a, mut b) = (row(), row());
    b[3] = Value::Json(r#"{"tags":["a","b",3],"size":12,"colour":"blue"}"#.into());
    bencher.bench(|| canonical::same_row(black_box(&a), black_box(&b)));
}
