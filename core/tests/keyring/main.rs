//! The life of keys, step by step.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

mod brought;
mod clock;
mod ends;
mod properties;
mod ring;
mod rotations;
mod slow;
