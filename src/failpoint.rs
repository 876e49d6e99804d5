//! Places at which a test ends the process, as if its machine had lost power.
//!
//! Nothing of this is in a build without the feature `failpoints`: there [`reach`] does nothing.

/// Every place, in the order in which a run comes by.
pub const ALL: &[&str] = &[
    "run.begun",
    "load.sent",
    "load.verified",
    "load.committed",
    "look.done",
    "apply.locked",
    "apply.written",
    "record.kept",
    "record.kept_for_remote",
    "record.remote_committed",
    "record.base_written",
    "record.committed",
    "remember.written",
    "remember.committed",
    "run.done",
    "run.closed",
];

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::Mutex;

    /// Where the process ends, and how often it may still come by before that.
    static ARMED: Mutex<Option<(String, u32)>> = Mutex::new(None);

    /// Ends the process where it comes by this place for the n-th time: `name`, or `name:n`.
    ///
    /// # Panics
    /// Where there is no such place.
    pub fn arm(place: &str) {
        let (name, times) = place.split_once(':').unwrap_or((place, "1"));
        assert!(super::ALL.contains(&name), "no such place: {name}");
        let times = times.parse().expect("a number of times");
        *ARMED.lock().expect("nobody panics while holding this") = Some((name.to_owned(), times));
    }

    /// Ends the process here, if it was armed for this.
    ///
    /// # Panics
    /// Where the process cannot be ended.
    pub fn reach(name: &str) {
        debug_assert!(super::ALL.contains(&name), "no such place: {name}");
        let mut armed = ARMED.lock().expect("nobody panics while holding this");
        let Some((place, times)) = armed.as_mut().filter(|(place, _)| place == name) else {
            return;
        };
        *times -= 1;
        if *times == 0 {
            let own = std::process::id().to_string();
            let killed = std::process::Command::new("kill").args(["-9", &own]).status();
            unreachable!("{place}: still here after {killed:?}");
        }
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, reach};

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
pub fn reach(_name: &str) {}
