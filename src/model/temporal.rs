//! Dates and times as MySQL knows them.
//!
//! chrono cannot hold a zero date, `2024-00-00` or a TIME of 838 hours, so these are our own: plain
//! fields, no calendar, no time zone. Whether a server takes a value is that server's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A calendar date; month and day may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Date {
    /// 0–9999.
    pub year: u16,
    /// 0–12.
    pub month: u8,
    /// 0–31.
    pub day: u8,
}

/// A date and a time of day, without a zone (TIMESTAMPs are read in UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// The time of day, below 24 hours.
    pub time: Time,
}

/// A time of day or a span of time, to ±838:59:59.999999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Whether the span points backwards; never set for zero.
    pub negative: bool,
    /// Whole hours, 0–838.
    pub hours: u16,
    /// 0–59.
    pub minutes: u8,
    /// 0–59.
    pub seconds: u8,
    /// Millionths of a second, 0–999 999.
    pub micros: u32,
}

/// The text is no date or time in the spelling that MySQL and Django use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date or time")]
pub struct NotTemporal;

/// Reads `count` digits at most `max`, and nothing else.
fn number(text: &str, count: usize, max: u32) -> Result<u32, NotTemporal> {
    if text.len() != count || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotTemporal);
    }
    let number: u32 = text.parse().map_err(|_| NotTemporal)?;
    if number > max { Err(NotTemporal) } else { Ok(number) }
}

/// `number` for the fields that fit a byte.
fn small(text: &str, max: u32) -> Result<u8, NotTemporal> {
    u8::try_from(number(text, 2, max)?).map_err(|_| NotTemporal)
}

impl FromStr for Date {
    type Err = NotTemporal;

    fn from_str(text: &str) -> Result<Self, NotTemporal> {
        let mut parts = text.split('-');
        let (Some(year), Some(month), Some(day), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotTemporal);
        };
        Ok(Self {
            year: u16::try_from(number(year, 4, 9999)?).map_err(|_| NotTemporal)?,
            month: small(month, 12)?,
            day: small(day, 31)?,
        })
    }
}

impl FromStr for Time {
    type Err = NotTemporal;

    fn from_str(text: &str) -> Result<Self, NotTemporal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut parts = clock.split(':');
        let (Some(hours), Some(minutes), Some(seconds), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotTemporal);
        };
        if fraction.len() > 6 || !(2..=3).contains(&hours.len()) {
            return Err(NotTemporal);
        }
        if text.contains('.') && fraction.is_empty() {
            return Err(NotTemporal);
        }
        let micros = number(fraction, fraction.len(), 999_999).or(if fraction.is_empty() {
            Ok(0)
        } else {
            Err(NotTemporal)
        })? * 10_u32.pow(6 - u32::try_from(fraction.len()).map_err(|_| NotTemporal)?);
        let time = Self {
            negative: false,
            hours: u16::try_from(number(hours, hours.len(), 838)?).map_err(|_| NotTemporal)?,
            minutes: small(minutes, 59)?,
            seconds: small(seconds, 59)?,
            micros,
        };
        let zero = time.hours == 0 && time.minutes == 0 && time.seconds == 0 && micros == 0;
        Ok(Self { negative: negative && !zero, ..time })
    }
}

impl FromStr for DateTime {
    type Err = NotTemporal;

    fn from_str(text: &str) -> Result<Self, NotTemporal> {
        let (date, time) = text.split_once(' ').ok_or(NotTemporal)?;
        let time: Time = time.parse()?;
        if time.negative || time.hours > 23 {
            return Err(NotTemporal);
        }
        Ok(Self { date: date.parse()?, time })
    }
}

/// How many digits behind the second a fraction needs, 0–6.
pub fn fraction_digits(micros: u32) -> u8 {
    (0..=6).find(|digits| micros.is_multiple_of(10_u32.pow(6 - u32::from(*digits)))).unwrap_or(6)
}

/// Writes a number with leading zeros over the whole of a stretch of a text. Formatting takes several times as long, and every
/// row with a date goes through here.
fn put(stretch: &mut [u8], mut number: u32) {
    for digit in stretch.iter_mut().rev() {
        *digit = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
}

/// Digits and what stands between them are ASCII.
fn say(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0000-00-00";
        put(&mut text[..4], self.year.into());
        put(&mut text[5..7], self.month.into());
        put(&mut text[8..], self.day.into());
        say(f, &text)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"-000:00:00.000000";
        put(&mut text[1..4], self.hours.into());
        put(&mut text[5..7], self.minutes.into());
        put(&mut text[8..10], self.seconds.into());
        put(&mut text[11..], self.micros);
        if self.negative {
            f.write_str("-")?;
        }
        let start = if self.hours > 99 { 1 } else { 2 };
        say(f, &text[start..if self.micros == 0 { 10 } else { 17 }])
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_mysql_writes() {
        for text in ["0000-00-00 00:00:00", "2024-00-00 23:59:59.000001", "9999-12-31 00:00:00"] {
            assert_eq!(text.parse::<DateTime>().unwrap().to_string(), text);
        }
        for text in ["-838:59:59.999999", "00:00:00", "100:00:00", "23:59:59.100000"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
        assert_eq!("-00:00:00.0".parse::<Time>().unwrap().to_string(), "00:00:00");
        assert_eq!("10:00:00.5".parse::<Time>(), "10:00:00.500000".parse::<Time>());
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2024-1-1 00:00:00",
            "2024-01-01T00:00:00",
            "2024-13-01 00:00:00",
            "2024-01-01 24:00:00",
            "now",
        ] {
            assert_eq!(text.parse::<DateTime>(), Err(NotTemporal), "{text}");
        }
        for text in [
            "839:00:00",
            "1:00:00",
            "00:60:00",
            "00:00",
            "00:00:00.",
            "00:00:00.1234567",
            "--01:00:00",
        ] {
            assert_eq!(text.parse::<Time>(), Err(NotTemporal), "{text}");
        }
    }

    #[test]
    fn counts_fraction_digits() {
        assert_eq!([0, 500_000, 120_000, 1].map(fraction_digits), [0, 1, 2, 6]);
    }
}
