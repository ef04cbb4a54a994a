//! What `docs/attacks.md` and `docs/troubles.md` promise about the repository as a whole.

#![expect(
    clippy::unwrap_used,
    reason = "what can't be read fails the test that reads it"
)]

mod comparisons;
mod dependencies;
mod messages;
mod table;
