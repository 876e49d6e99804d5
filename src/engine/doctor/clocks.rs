//! Clocks and time zones of both sides, beside this machine's.

use super::ailments;
use super::diagnosis::Symptom;
use crate::endpoint::condition::{Clock, Condition};
use crate::endpoint::sql::remedy;
use crate::model::{PerSide, Side};

/// Seconds by which a clock may be off.
const OFF: i64 = 5;

/// What is to be said of the clocks of the sides that were reached; `here` is by how many minutes this machine's time zone is
/// ahead of UTC.
pub fn look(conditions: &PerSide<Option<&Condition>>, here: i64) -> Vec<Symptom> {
    let sides = Side::BOTH.into_iter();
    let wrong = sides.filter_map(|side| clock(side, conditions[side]?.clock));
    wrong.chain(zones(conditions, here)).collect()
}

fn clock(side: Side, Clock { ahead, unsure }: Clock) -> Option<Symptom> {
    let off = (ahead.abs() - unsure) / 1_000_000;
    (off >= OFF).then(|| {
        Symptom::of(ailments::CLOCK)
            .on(side)
            .with("seconds", ahead / 1_000_000)
            .command("timedatectl set-ntp true".to_owned())
    })
}

fn zones(conditions: &PerSide<Option<&Condition>>, here: i64) -> Option<Symptom> {
    let minutes = conditions.map(|condition| condition.and_then(|condition| condition.zone));
    let (remote, local) = (minutes.remote?, minutes.local?);
    if remote == local {
        return None;
    }
    let to_set = Side::BOTH.into_iter().filter(|side| minutes[*side] != Some(0));
    let sql =
        to_set.map(|side| format!("-- on {side}\n{}", remedy::set_global("time_zone", "+00:00")));
    let found = Symptom::of(ailments::TIME_ZONES)
        .with("remote", offset(remote))
        .with("local", offset(local))
        .with("here", offset(here));
    Some(found.sql(sql))
}

/// `+05:30`.
fn offset(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(ahead: i64, unsure: i64, zone: Option<i64>) -> Condition {
        Condition { clock: Clock { ahead, unsure }, zone, ..Condition::default() }
    }

    fn found(remote: &Condition, local: &Condition) -> Vec<(&'static str, Option<Side>, String)> {
        let conditions = PerSide::new(Some(remote), Some(local));
        let line = |found: Symptom| (found.code, found.side, found.note.message);
        look(&conditions, 60).into_iter().map(line).collect()
    }

    #[test]
    fn a_clock_is_off_only_beyond_what_the_question_took() {
        let right = condition(4_900_000, 0, Some(0));
        assert_eq!(found(&right, &condition(9_000_000, 4_500_000, Some(0))), []);
        let behind = condition(-7_200_500_000, 1000, Some(0));
        let [(code, side, message)] = &found(&right, &behind)[..] else { panic!("one is off") };
        assert_eq!((*code, *side), ("DOC_003", Some(Side::Local)));
        assert!(message.contains("by -7200 s"), "{message}");
    }

    #[test]
    fn zones_matter_where_both_are_known_and_differ() {
        let (utc, india) = (condition(0, 0, Some(0)), condition(0, 0, Some(330)));
        assert_eq!(found(&india, &india), []);
        assert_eq!(found(&utc, &condition(0, 0, None)), []);
        let conditions = PerSide::new(Some(&utc), Some(&india));
        let [zones] = &look(&conditions, -90)[..] else { panic!("they differ") };
        assert!(zones.note.message.contains("+00:00 on REMOTE, +05:30 on LOCAL and -01:30"));
        assert_eq!(zones.sql.as_deref(), Some("-- on LOCAL\nSET GLOBAL time_zone='+00:00';"));
    }
}
