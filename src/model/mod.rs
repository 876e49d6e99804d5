//! Floor 0: what a value is.
//!
//! Cells, rows, keys and tables as plain data, and the one question that decides whether two rows
//! mean the same ([`canonical`]). This room knows no server, no SQL, no connection, no clock and no
//! other room of the crate; it never guesses what a column means beyond the kind it is told.

pub mod canonical;
pub mod fit;
pub mod json;
pub mod key;
pub mod number;
pub mod row;
pub mod side;
pub mod table;
pub mod temporal;
pub mod value;

pub use key::{Key, KeyForm};
pub use row::{Row, Signature};
pub use side::{PerSide, Side};
pub use table::{
    Column, Computed, DefaultValue, ForeignKey, Index, Kind, Reaction, Table, Triggers, Unique,
};
pub use value::Value;
