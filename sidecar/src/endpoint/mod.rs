//! The tenant endpoint: browsers, applications, and tokens that the tenant's own key signs.

pub mod pages;
pub mod store;
