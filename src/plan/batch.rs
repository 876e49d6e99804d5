//! How much is applied at once.

/// The bounds of one batch: it is full when either is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Rows.
    pub rows: usize,
    /// Bytes of cells, about.
    pub bytes: usize,
}

/// Bytes of cells after which a batch is cut, however few rows that are.
pub const BATCH_BYTES: usize = 8 << 20;

impl Limit {
    /// A batch of at most this many rows.
    pub fn rows(rows: usize) -> Self {
        Self { rows, bytes: BATCH_BYTES }
    }

    /// Cuts items into batches within the bounds; an item larger than the bound stands alone.
    pub fn cut<T>(self, items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
        let mut batches = Vec::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for item in items {
            let more = size(&item);
            if !batch.is_empty() && (batch.len() >= self.rows || bytes + more > self.bytes) {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += more;
            batch.push(item);
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_rows_and_by_bytes_and_loses_nothing() {
        let limit = Limit { rows: 3, bytes: 10 };
        let cut = limit.cut(vec![1, 1, 1, 1, 9, 2, 30, 1], |size| *size);
        assert_eq!(cut, [vec![1, 1, 1], vec![1, 9], vec![2], vec![30], vec![1]]);
        assert!(limit.cut(Vec::<usize>::new(), |size| *size).is_empty());
    }
}
