//! The Helm charts, as Helm renders them.
//!
//! ```text
//!  values ──helm template──► objects ──► what stands in them     (here)
//!                               └──► what the API server makes of them     (tests/apiserver)
//! ```
//!
//! Run by `cargo xtask test`, which prepares Helm, kubeconform and promtool; a test is skipped where they are not to be had.

mod alerts;
mod arguments;
mod chart;
mod conform;
mod definitions;
mod exposed;
mod helm;
mod labels;
mod monitoring;
mod notes;
mod permissions;
mod policies;
mod refused;
mod restricted;
mod values;
mod webhook;
