//! What a page sends back.

use serde::Serialize;

use super::address::Destination;

/// Where a page's form goes, and what it carries unseen.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Form<'a> {
    /// The path on this host that takes the POST.
    pub action: &'a str,
    /// Names and values, such as the sealed `state`.
    pub hidden: &'a [(&'a str, &'a str)],
    /// Where the answer to the POST may redirect, and any site after that where it is one. Chromium holds every redirect after it
    /// to this list, also what the application itself does with the browser before it shows a page.
    #[serde(skip)]
    pub leads_to: &'a [Destination],
}
