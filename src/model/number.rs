//! Exact decimal numbers as digits, never as floating point.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A decimal number in its one normal spelling: no leading or trailing zeros that say nothing, no
/// plus sign, no exponent, never a negative zero. Equality of spelling is therefore equality of value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Decimal(String);

/// Digits beyond this are refused: no supported server has a wider number (DECIMAL(65,30), and the
/// widest double has 309 digits before its point and 324 zeros behind it).
const MAX_DIGITS: usize = 700;
/// A number of so many letters has at most 15 digits, all of which a double keeps.
const ALWAYS_EXACT: usize = 15;

impl Decimal {
    /// Reads `-12.50`, `1e3`, `.5`; `None` where the text is no decimal number.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if mantissa.len() - usize::from(mantissa.contains('.')) == 0
            || !are_digits(whole)
            || !are_digits(fraction)
        {
            return None;
        }
        if exponent == 0 && mantissa.len() <= MAX_DIGITS {
            return Some(Self::spelled(negative, whole, fraction));
        }
        let digits = [whole, fraction].concat();
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        Self::assemble(negative, &digits, point)
    }

    /// Puts the point behind `point` digits (which may lie outside of them) and normalises.
    fn assemble(negative: bool, digits: &str, point: i64) -> Option<Self> {
        let significant = digits.trim_start_matches('0');
        if significant.trim_end_matches('0').is_empty() {
            return Some(Self("0".to_owned()));
        }
        if point.unsigned_abs() > MAX_DIGITS as u64 || digits.len() > MAX_DIGITS {
            return None;
        }
        let (whole, fraction) = if let Ok(point) = usize::try_from(point) {
            let padded = format!("{digits:0<point$}");
            let (whole, fraction) = padded.split_at(point);
            (whole.to_owned(), fraction.to_owned())
        } else {
            let zeros = usize::try_from(point.unsigned_abs()).ok()?;
            (String::new(), format!("{}{digits}", "0".repeat(zeros)))
        };
        Some(Self::spelled(negative, &whole, &fraction))
    }

    /// The one spelling of digits before and behind a point.
    fn spelled(negative: bool, whole: &str, fraction: &str) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let mut text = String::with_capacity(whole.len() + fraction.len() + 3);
        if negative && !(whole.is_empty() && fraction.is_empty()) {
            text.push('-');
        }
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
        Self(text)
    }

    /// The shortest decimal number that reads back as exactly this double; `None` for NaN and infinity.
    pub fn from_f64(number: f64) -> Option<Self> {
        // Rust spells doubles as shortly as they read back, without exponents; only zero has two spellings.
        let number = if number == 0.0 { 0.0 } else { number };
        number.is_finite().then(|| Self(number.to_string()))
    }

    /// The double with this very value in its shortest spelling, or `None` where a double would be
    /// another number.
    pub fn to_f64_exact(&self) -> Option<f64> {
        let number: f64 = self.0.parse().ok()?;
        if self.0.len() <= ALWAYS_EXACT {
            return Some(number);
        }
        (Self::from_f64(number).as_ref() == Some(self)).then_some(number)
    }

    /// The whole number that this is, if it is one that fits.
    pub fn to_integer(&self) -> Option<i128> {
        self.0.parse().ok()
    }

    /// Digits before and behind the point, as DECIMAL(precision, scale) counts them.
    pub fn digits(&self) -> (usize, usize) {
        let text = self.0.trim_start_matches('-');
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (if whole == "0" { 0 } else { whole.len() }, fraction.len())
    }

    /// The normal spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling with exactly `scale` digits behind the point (which must be enough for it).
    pub fn with_scale(&self, scale: usize) -> String {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<scale$}") }
    }
}

impl From<i128> for Decimal {
    fn from(number: i128) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_for_one_value() {
        for (text, normal) in [
            ("12.50", "12.5"),
            ("-0.00", "0"),
            ("+007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("12.5e-3", "0.0125"),
            ("-1.20E+1", "-12"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().as_str(), normal, "{text}");
        }
        for text in ["", ".", "-", "1.2.3", "12a", "e5", "1e", "NaN", "1e999999"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn doubles_have_the_spelling_of_their_digits(bits: u64) {
            let number = f64::from_bits(bits);
            let digits = format!("{number:e}");
            let expected = number.is_finite().then(|| Decimal::parse(&digits)).flatten();
            prop_assert_eq!(Decimal::from_f64(number), expected.clone());
            prop_assert_eq!(expected.and_then(|decimal| decimal.to_f64_exact()).map(|same| same + 0.0), number.is_finite().then_some(number + 0.0));
        }

        #[test]
        fn a_spelling_is_read_as_its_digits(whole in "[0-9]{0,20}", fraction in "[0-9]{0,20}", negative: bool) {
            prop_assume!(!whole.is_empty() || !fraction.is_empty());
            let sign = if negative { "-" } else { "" };
            let point = i64::try_from(whole.len()).unwrap();
            let assembled = Decimal::assemble(negative, &[whole.as_str(), &fraction].concat(), point);
            prop_assert_eq!(Decimal::parse(&format!("{sign}{whole}.{fraction}")), assembled);
        }

        #[test]
        fn short_numbers_are_doubles_exactly(text in "-?[0-9]{1,7}\\.[0-9]{1,6}") {
            let decimal = Decimal::parse(&text).unwrap();
            let number: f64 = decimal.as_str().parse().unwrap();
            prop_assert_eq!(decimal.to_f64_exact(), Some(number));
            prop_assert_eq!(Decimal::from_f64(number), Some(decimal));
        }
    }

    #[test]
    fn doubles_go_there_and_back_or_not_at_all() {
        assert_eq!(Decimal::from_f64(12.5).unwrap().as_str(), "12.5");
        assert_eq!(Decimal::parse("12.5").unwrap().to_f64_exact(), Some(12.5));
        assert_eq!(Decimal::parse("12345678901234567.89").unwrap().to_f64_exact(), None);
        assert_eq!(Decimal::from_f64(f64::NAN), None);
        assert_eq!(Decimal::parse("0.1").unwrap().with_scale(3), "0.100");
    }
}
