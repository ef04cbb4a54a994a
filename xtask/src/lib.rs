//! What other packages of the workspace need of the tasks.

pub mod flat;
pub mod groups;
pub mod image;
pub mod network;
