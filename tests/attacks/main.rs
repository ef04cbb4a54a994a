//! What `docs/attacks.md` promises about the repository as a whole.

mod comparisons;
mod dependencies;
mod table;
