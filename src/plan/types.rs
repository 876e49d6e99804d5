//! Whether a type holds every value of another. Whether a single cell fits is asked cell by cell ([`crate::model::fit`]).

use crate::model::{Column, Kind};

/// Digits that a double and SQLite's numbers keep of every decimal number.
const DOUBLE_DIGITS: u8 = 15;

/// Whether `to` holds every value that `from` can hold. SQLite's columns set no limits to what they hold, so nothing is
/// said of them.
pub fn holds_all(from: &Column, to: &Column) -> bool {
    use Kind::{
        Bit, Bytes, Date, DateTime, Decimal, Double, Enum, Float, Inet, Int, Json, Numeric, Raw,
        Set, Text, Time, Timestamp, Uuid, Year,
    };
    if from.loose {
        return true;
    }
    let within = |a: &Option<u64>, b: &Option<u64>| b.is_none_or(|b| a.is_some_and(|a| a <= b));
    match (&from.kind, &to.kind) {
        (Int { .. } | Bit(_) | Year, Int { .. } | Bit(_) | Year | Decimal { .. } | Numeric) => {
            let (from, to) = (range(&from.kind), range(&to.kind));
            from.zip(to).is_some_and(|((low, high), (least, most))| least <= low && high <= most)
        }
        (Int { bits, .. }, Double) => *bits <= 32,
        (Decimal { precision, scale }, Decimal { precision: digits, scale: fraction }) => {
            scale <= fraction && precision - scale <= digits - fraction
        }
        (Decimal { precision, .. }, Numeric | Double) => *precision <= DOUBLE_DIGITS,
        (Float, Float | Double | Numeric) | (Double, Double | Numeric) => true,
        (Text { chars, bytes, .. }, Text { chars: most, bytes: size, fixed }) => {
            let shorter = within(chars, most) || chars.is_none() && most.is_none();
            let smaller = match (chars, bytes) {
                (_, Some(bytes)) => size.is_none_or(|size| *bytes <= size),
                (Some(chars), None) => size.is_none_or(|size| chars * 4 <= size),
                (None, None) => size.is_none(),
            };
            shorter && smaller && (!*fixed || is_fixed(&from.kind)) && wide(from) <= wide(to)
        }
        (Enum(labels) | Set(labels), Text { chars, .. }) => {
            let longest: usize = match &from.kind {
                Set(_) => labels.iter().map(|label| label.chars().count() + 1).sum(),
                _ => labels.iter().map(|label| label.chars().count()).max().unwrap_or(0),
            };
            chars.is_none_or(|chars| longest as u64 <= chars)
        }
        (Enum(labels), Enum(known)) | (Set(labels), Set(known)) => {
            labels.iter().all(|label| known.contains(label))
        }
        (Bytes { max, fixed }, Bytes { max: most, fixed: filled }) => {
            within(max, most) && (!filled || *fixed && max == most)
        }
        (DateTime { fraction } | Timestamp { fraction }, DateTime { fraction: digits })
        | (Timestamp { fraction }, Timestamp { fraction: digits })
        | (Time { fraction }, Time { fraction: digits }) => fraction <= digits,
        (Json { binary }, Json { binary: re_spelled }) => binary == re_spelled || !re_spelled,
        (Uuid, Bytes { .. }) => true,
        (
            Date
            | Json { .. }
            | Uuid
            | Inet
            | DateTime { .. }
            | Timestamp { .. }
            | Time { .. }
            | Decimal { .. },
            Text { chars, .. },
        ) => chars.is_none_or(|chars| chars >= spelled(&from.kind)),
        (Raw, Raw | Bytes { max: None, .. }) | (Date, Date) | (Uuid, Uuid) | (Inet, Inet) => true,
        _ => false,
    }
}

fn is_fixed(kind: &Kind) -> bool {
    matches!(kind, Kind::Text { fixed: true, .. })
}

/// The whole numbers that a kind holds.
fn range(kind: &Kind) -> Option<(i128, i128)> {
    Some(match kind {
        Kind::Int { bits, unsigned: true } | Kind::Bit(bits) => (0, (1 << bits) - 1),
        Kind::Int { bits, unsigned: false } => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        Kind::Year => (0, 2155),
        Kind::Decimal { precision, scale } => {
            let most = 10_i128.checked_pow(u32::from(precision - scale)).unwrap_or(i128::MAX) - 1;
            (-most, most)
        }
        Kind::Numeric => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    })
}

/// How many of Unicode's characters a column's character set has: all, those of three bytes, or one byte's.
fn wide(column: &Column) -> u8 {
    match column.collation.as_deref().and_then(|collation| collation.split('_').next()) {
        None | Some("utf8mb4" | "utf16" | "utf32") => 3,
        Some("utf8" | "utf8mb3" | "ucs2") => 2,
        Some("ascii") => 0,
        Some(_) => 1,
    }
}

/// The most characters that a kind's values are spelled with.
fn spelled(kind: &Kind) -> u64 {
    match kind {
        Kind::Date => 10,
        Kind::DateTime { .. } | Kind::Timestamp { .. } => 26,
        Kind::Time { .. } => 17,
        // Without its dashes, where there is no room for them.
        Kind::Uuid => 32,
        Kind::Inet => 39,
        Kind::Decimal { precision, .. } => u64::from(*precision) + 3,
        _ => u64::MAX,
    }
}

/// Which differences between two texts a collation does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of difference of its own")]
pub struct Blind {
    /// Letter case.
    pub case: bool,
    /// Accents, and ß beside s or ss.
    pub accents: bool,
    /// Spaces at the end.
    pub spaces: bool,
    /// Which of the characters beyond the first 65,536 it is: emoji are all alike.
    pub emoji: bool,
}

/// What a column's collation is blind to; nothing where it has none.
pub fn blind(column: &Column) -> Blind {
    let Some(name) = column.collation.as_deref().map(str::to_lowercase) else {
        return Blind { case: false, accents: false, spaces: false, emoji: false };
    };
    let binary = name.ends_with("_bin") || name == "binary";
    let modern = name.contains("_0900_") || name.contains("uca1400");
    let case = !binary && !name.ends_with("_cs");
    Blind {
        case,
        accents: case && !name.contains("_as_"),
        spaces: !name.contains("_nopad") && !name.contains("_0900_") && name != "binary",
        emoji: case && !modern && !name.contains("_520_") && name.starts_with("utf8mb4"),
    }
}

impl Blind {
    /// Whether this is blind to anything that the other sees.
    pub fn more_than(self, other: Self) -> bool {
        self.case && !other.case
            || self.accents && !other.accents
            || self.spaces && !other.spaces
            || self.emoji && !other.emoji
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: Kind, collation: Option<&str>) -> Column {
        Column { collation: collation.map(str::to_owned), ..Column::of(kind) }
    }

    fn holds(from: Kind, to: Kind) -> bool {
        holds_all(&column(from, None), &column(to, None))
    }

    #[test]
    fn numbers() {
        let int = |bits, unsigned| Kind::Int { bits, unsigned };
        let decimal = |precision, scale| Kind::Decimal { precision, scale };
        assert!(holds(int(32, true), int(64, false)));
        assert!(!holds(int(64, true), int(64, false)));
        assert!(!holds(int(8, false), int(16, true)));
        assert!(holds(int(8, false), decimal(3, 0)));
        assert!(!holds(int(8, false), decimal(3, 1)));
        assert!(holds(decimal(10, 2), decimal(12, 4)));
        assert!(!holds(decimal(10, 2), decimal(10, 4)));
        assert!(!holds(decimal(16, 2), Kind::Numeric));
        assert!(!holds(Kind::Double, Kind::Float));
        assert!(holds(Kind::Bit(63), int(64, false)));
    }

    #[test]
    fn texts_bytes_and_moments() {
        let varchar = |chars| Kind::Text { chars: Some(chars), bytes: None, fixed: false };
        let text = |bytes| Kind::Text { chars: None, bytes: Some(bytes), fixed: false };
        let char5 = Kind::Text { chars: Some(5), bytes: None, fixed: true };
        assert!(holds(varchar(20), varchar(20)) && !holds(varchar(21), varchar(20)));
        assert!(holds(varchar(20), text(255)) && !holds(varchar(100), text(255)));
        assert!(!holds(text(255), varchar(255)));
        assert!(holds(char5.clone(), varchar(5)) && !holds(varchar(5), char5));
        let latin = column(varchar(9), Some("latin1_swedish_ci"));
        let wide = column(varchar(9), Some("utf8mb4_bin"));
        assert!(holds_all(&latin, &wide) && !holds_all(&wide, &latin));
        let enumeration =
            |labels: &[&str]| Kind::Enum(labels.iter().map(|label| (*label).to_owned()).collect());
        assert!(holds(enumeration(&["a"]), enumeration(&["b", "a"])));
        assert!(!holds(enumeration(&["a", "c"]), enumeration(&["b", "a"])));
        let moment = |fraction| Kind::DateTime { fraction };
        assert!(holds(moment(3), moment(6)) && !holds(moment(6), moment(3)));
        assert!(holds(Kind::Timestamp { fraction: 0 }, moment(0)));
        assert!(!holds(moment(0), Kind::Timestamp { fraction: 0 }));
        assert!(!holds(Kind::Json { binary: false }, Kind::Json { binary: true }));
        let bytes = |max, fixed| Kind::Bytes { max: Some(max), fixed };
        assert!(holds(bytes(4, true), bytes(8, false)) && !holds(bytes(4, false), bytes(4, true)));
    }

    #[test]
    fn what_collations_do_not_see() {
        let text = Kind::Text { chars: Some(9), bytes: None, fixed: false };
        let blind = |collation: &str| blind(&column(text.clone(), Some(collation)));
        let (old, new) = (blind("utf8mb4_unicode_ci"), blind("utf8mb4_0900_ai_ci"));
        assert!(old.more_than(new) && !new.more_than(old));
        assert!(new.more_than(blind("utf8mb4_bin")));
        assert!(blind("utf8mb4_bin").more_than(blind("utf8mb4_0900_bin")));
        assert!(!blind("utf8mb4_0900_as_cs").more_than(blind("utf8mb4_0900_bin")));
        assert!(blind("utf8mb4_general_ci").emoji && !blind("utf8mb4_uca1400_ai_ci").emoji);
    }
}
