//! Injection as an API server sees it: its webhook calls, its Pod Security admission, its reinvocation, and certificates
//! that change under it.

mod labels;
mod pods;
mod rotation;
mod scene;
