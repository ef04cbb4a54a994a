//! What other packages of the workspace need of the tasks.

pub mod image;
