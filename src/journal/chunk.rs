//! What stands in one chunk of the base: entries, packed into some bytes, cut into chunks, changed by steps.
//!
//! Nothing here knows of a table or a server.

use sha2::{Digest as _, Sha256};

use crate::endpoint::read::Digest;
use crate::model::key::first_64_bits;
use crate::model::{PerSide, Side};
use crate::plan::merge::Entry;

/// Rows of a chunk as it is made.
const CHUNK: usize = 1000;
/// Rows beyond which a chunk is split.
const FULL_CHUNK: usize = 2000;
/// What becomes of one key's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Both sides hold these now.
    Record(Entry),
    /// Neither side has the row any more.
    Forget,
}

/// Entries in the order of ordinals.
pub type Entries = Vec<(u64, Entry)>;

/// Some 10 bytes an entry of an integer key: how far it lies behind the one before and whether the sides' signatures differ, in
/// as few bytes as that takes; REMOTE's signature; LOCAL's where it is another one. At the end eight bytes of SHA-256 over all
/// that: the digests say nothing of where the rows stand.
pub fn pack(entries: &[(u64, Entry)]) -> Vec<u8> {
    let mut packed = written(entries);
    packed.extend_from_slice(&checksum(&packed));
    packed
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    first_64_bits(&Sha256::digest(bytes)).to_be_bytes()
}

/// Reads what [`pack`] wrote; `None` for bytes that it did not write.
pub fn unpack(bytes: &[u8]) -> Option<Entries> {
    let (written, checked) = bytes.split_last_chunk::<8>()?;
    if checksum(written) == *checked { read(written) } else { None }
}

fn written(entries: &[(u64, Entry)]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(entries.len() * 10);
    let mut last = 0;
    for (ordinal, entry) in entries {
        let differ = entry.remote != entry.local;
        let mut head = u128::from(ordinal - last) << 1 | u128::from(differ);
        last = *ordinal;
        while head >= 0x80 {
            packed.push(head.to_le_bytes()[0] | 0x80);
            head >>= 7;
        }
        packed.push(head.to_le_bytes()[0]);
        packed.extend_from_slice(&entry.remote.to_be_bytes());
        if differ {
            packed.extend_from_slice(&entry.local.to_be_bytes());
        }
    }
    packed
}

/// Reads what [`written`] wrote; `None` for bytes that it cannot have written.
fn read(bytes: &[u8]) -> Option<Entries> {
    let mut entries = Entries::with_capacity(bytes.len() / 10);
    let (mut rest, mut last) = (bytes, None);
    while !rest.is_empty() {
        let (mut head, mut shift) = (0_u128, 0);
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            head |= u128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                // A zero on top says nothing: no number has two spellings.
                if *byte == 0 && shift > 7 {
                    return None;
                }
                break;
            }
            if shift > 63 {
                return None;
            }
        }
        let step = u64::try_from(head >> 1).ok()?;
        let ordinal = last.unwrap_or(0_u64).checked_add(step)?;
        if last.is_some() && step == 0 {
            return None;
        }
        last = Some(ordinal);
        let mut signature = || {
            let (signature, after) = rest.split_at_checked(8)?;
            rest = after;
            Some(u64::from_be_bytes(signature.try_into().ok()?))
        };
        let remote = signature()?;
        let local = if head & 1 == 1 { signature()? } else { remote };
        if head & 1 == 1 && local == remote {
            return None;
        }
        entries.push((ordinal, Entry { remote, local }));
    }
    Some(entries)
}

/// What entries add up to on each side.
pub fn digests(entries: &[(u64, Entry)]) -> PerSide<Digest> {
    let mut digests = PerSide::<Digest>::default();
    for (_, entry) in entries {
        for side in Side::BOTH {
            digests[side].add(entry[side]);
        }
    }
    digests
}

/// Cuts a chunk's entries into chunks of the right size. An empty chunk disappears into the one before it.
pub fn pieces(hashed: bool, low: u64, entries: Entries) -> Vec<(u64, Entries)> {
    let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
        return Vec::new();
    };
    if entries.len() <= FULL_CHUNK {
        return vec![(low, entries)];
    }
    if hashed {
        // Cut at the roundest number between them, so that servers can be asked for whole cells of 2^n hashes.
        let bit = (first ^ last).ilog2();
        let middle = last >> bit << bit;
        let at = entries.partition_point(|(ordinal, _)| *ordinal < middle);
        let (left, right) = entries.split_at(at);
        let mut cut = pieces(hashed, low, left.to_vec());
        cut.extend(pieces(hashed, middle, right.to_vec()));
        return cut;
    }
    let cut = entries.chunks(CHUNK).enumerate();
    cut.map(|(at, piece)| (if at == 0 { low } else { piece[0].0 }, piece.to_vec())).collect()
}

/// Entries after some steps, both ascending.
pub fn changed(entries: Entries, steps: &[(u64, Step)]) -> Entries {
    let mut after = Vec::with_capacity(entries.len() + steps.len());
    let mut steps = steps.iter().peekable();
    let put = |after: &mut Entries, (ordinal, step): &(u64, Step)| {
        if let Step::Record(entry) = step {
            after.push((*ordinal, *entry));
        }
    };
    for entry in entries {
        while let Some(step) = steps.next_if(|(ordinal, _)| *ordinal < entry.0) {
            put(&mut after, step);
        }
        match steps.next_if(|(ordinal, _)| *ordinal == entry.0) {
            Some(step) => put(&mut after, step),
            None => after.push(entry),
        }
    }
    for step in steps {
        put(&mut after, step);
    }
    after
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// A table of hashed keys is loaded in the order of its hashes; the chunks' bounds must still be such that a server can
    /// be asked for a few whole cells rather than for a cell per row.
    #[test]
    fn chunks_of_hashes_have_bounds_that_a_server_can_group_by() {
        use sha2::{Digest as _, Sha256};
        let hash =
            |number: u64| crate::model::key::first_64_bits(&Sha256::digest(number.to_string()));
        let mut hashes: Vec<u64> = (0..100_000).map(hash).collect();
        hashes.sort_unstable();
        let mut chunks: BTreeMap<u64, Entries> = BTreeMap::new();
        for batch in hashes.chunks(1000) {
            for hash in batch {
                let low = chunks.range(..=*hash).next_back().map_or(0, |(low, _)| *low);
                chunks.entry(low).or_default().push((*hash, entry(1)));
            }
            let grown = std::mem::take(&mut chunks);
            chunks.extend(grown.into_iter().flat_map(|(low, entries)| pieces(true, low, entries)));
        }
        let shift = chunks.keys().skip(1).map(|low| low.trailing_zeros()).min().unwrap();
        assert!(
            1_u64 << (64 - shift) <= 1024,
            "{} cells for {} chunks",
            1_u64 << (64 - shift),
            chunks.len()
        );
    }

    fn entry(number: u64) -> Entry {
        Entry { remote: number, local: number + 1 }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(numbers in proptest::collection::btree_set(any::<u64>(), 0..50)) {
            let entries: Entries = numbers.iter().map(|number| (*number, entry(number / 2))).collect();
            prop_assert_eq!(unpack(&pack(&entries)), Some(entries));
        }

        #[test]
        fn what_is_packed_is_unpacked_wherever_it_lies(
            entries in proptest::collection::btree_map(any::<u64>(), (any::<u64>(), any::<Option<u64>>()), 0..50)
        ) {
            let alike = |remote: u64, local: Option<u64>| Entry { remote, local: local.unwrap_or(remote) };
            let entries: Entries =
                entries.into_iter().map(|(ordinal, (remote, local))| (ordinal, alike(remote, local))).collect();
            prop_assert_eq!(unpack(&pack(&entries)), Some(entries));
        }

        #[test]
        fn hostile_bytes_are_refused_or_read_as_sorted_entries(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(entries) = read(&bytes) {
                prop_assert!(entries.is_sorted_by(|(a, _), (b, _)| a < b));
                prop_assert_eq!(written(&entries), bytes.clone());
            }
            prop_assert_eq!(unpack(&bytes), None);
        }

        #[test]
        fn steps_do_what_a_map_would(
            start in proptest::collection::btree_map(0_u64..60, 0_u64..9, 0..40),
            steps in proptest::collection::btree_map(0_u64..60, proptest::option::of(0_u64..9), 0..40),
        ) {
            let entries: Entries = start.iter().map(|(ordinal, number)| (*ordinal, entry(*number))).collect();
            let listed: Vec<(u64, Step)> = steps
                .iter()
                .map(|(ordinal, number)| (*ordinal, number.map_or(Step::Forget, |number| Step::Record(entry(number)))))
                .collect();
            let mut expected: BTreeMap<u64, Entry> = entries.iter().copied().collect();
            for (ordinal, step) in &listed {
                match step {
                    Step::Record(entry) => expected.insert(*ordinal, *entry),
                    Step::Forget => expected.remove(ordinal),
                };
            }
            prop_assert_eq!(changed(entries, &listed), expected.into_iter().collect::<Entries>());
        }

        #[test]
        fn pieces_keep_every_entry_in_its_chunk(numbers in proptest::collection::btree_set(any::<u64>(), 0..5000), hashed: bool) {
            let entries: Entries = numbers.iter().map(|number| (*number, entry(1))).collect();
            let pieces = pieces(hashed, 0, entries.clone());
            prop_assert!(pieces.iter().all(|(_, piece)| !piece.is_empty() && piece.len() <= FULL_CHUNK));
            let lows: Vec<u64> = pieces.iter().map(|(low, _)| *low).collect();
            for (at, (low, piece)) in pieces.iter().enumerate() {
                let next = lows.get(at + 1).copied().unwrap_or(u64::MAX);
                prop_assert!(piece.iter().all(|(ordinal, _)| *low <= *ordinal && (*ordinal < next || next == u64::MAX)));
            }
            prop_assert_eq!(pieces.into_iter().flat_map(|(_, piece)| piece).collect::<Entries>(), entries);
        }
    }
}
