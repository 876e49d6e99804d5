//! What the doctor knows by itself: every kind of finding, with its code, how much it matters, and its sentence.
//!
//! Failures with which a run would end are told with the code and the sentences of `error.rs`, and differences between tables'
//! definitions with those of the check. `docs/doctor.md` explains each code, which a test looks after.

use crate::error::Code;
use crate::note;
use crate::report::Level;

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ailment {
    /// The code with which a sync would tell of it, or one of the doctor's own.
    pub code: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it means, with places.
    pub says: &'static str,
}

macro_rules! ailments {
    ($($name:ident = $code:expr, $level:ident;)+) => {
        $(
            #[doc = concat!("See `note::", stringify!($name), "`.")]
            pub const $name: Ailment =
                Ailment { code: $code, level: Level::$level, says: note::$name };
        )+

        /// All of them.
        pub const ALL: &[Ailment] = &[$($name),+];
    };
}

ailments! {
    OLD_VERSION = "DOC_001", Warning;
    NOT_STRICT = "DOC_002", Warning;
    CLOCK = "DOC_003", Warning;
    TIME_ZONES = "DOC_004", Note;
    NO_LOADS = "DOC_005", Note;
    NO_STAGES = "DOC_006", Note;
    NO_BINLOG = "DOC_007", Note;
    SMALL_PACKET = Code::Sys002.as_str(), Warning;
    LITTLE_ROOM = Code::Sys001.as_str(), Warning;
    NO_RIGHTS = Code::Sys004.as_str(), Error;
    CLOSED_FOLDER = Code::Sys004.as_str(), Error;
    OPEN_ENV_FILE = "DOC_008", Warning;
    NO_CONTROL_TABLES = "DOC_009", Note;
    OLD_CONTROL_TABLES = "DOC_010", Warning;
    CONTROL_STORAGE = "DOC_011", Warning;
    OTHER_BASE = "DOC_012", Note;
    STUCK_LEASE = "DOC_013", Warning;
    DEAD_RUNS = "DOC_014", Warning;
    SILENT_RUN = "DOC_015", Warning;
    AT_WORK = "DOC_016", Note;
    NOT_CONFIGURED = "DOC_017", Note;
}

/// The code of a difference between definitions that no sync fails of.
pub const HARMLESS_DIFFERENCE: &str = "DOC_018";
