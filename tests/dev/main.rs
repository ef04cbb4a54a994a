//! `mintage dev` and the commands around it, as processes.

mod commands;
mod issuers;
mod manifests;
mod state;
