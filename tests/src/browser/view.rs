//! How a page is looked at: wide or narrow, light or dark; and pictures of it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Browser;
use crate::workspace;

/// The colours that the person prefers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// As CSS has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A way to look at a page.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// In CSS pixels.
    pub width: u32,
    /// The preferred colours.
    pub scheme: Scheme,
}

impl View {
    /// A telephone and a desk, by day and by night.
    pub const ALL: [Self; 4] = [
        Self {
            width: 360,
            scheme: Scheme::Light,
        },
        Self {
            width: 360,
            scheme: Scheme::Dark,
        },
        Self {
            width: 1280,
            scheme: Scheme::Light,
        },
        Self {
            width: 1280,
            scheme: Scheme::Dark,
        },
    ];
}

impl Browser {
    /// Looks at pages in this way from now on.
    pub async fn look(&self, view: View) -> Result<()> {
        let cdp = self.driver.cdp();
        let size =
            json!({ "width": view.width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size)
            .await?;
        let scheme = json!({ "name": "prefers-color-scheme", "value": view.scheme.name() });
        cdp.send_raw(
            "Emulation.setEmulatedMedia",
            json!({ "features": [scheme] }),
        )
        .await?;
        Ok(())
    }

    /// Whether pages may run scripts.
    pub async fn scripts(&self, allowed: bool) -> Result<()> {
        let value = json!({ "value": !allowed });
        let cdp = self.driver.cdp();
        cdp.send_raw("Emulation.setScriptExecutionDisabled", value)
            .await?;
        Ok(())
    }

    /// Keeps a picture of the whole page in `tests/output/screenshots`.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let metrics = self.driver.cdp();
        let metrics = metrics.send_raw("Page.getLayoutMetrics", json!({})).await?;
        let size = &metrics["cssContentSize"];
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let wanted = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.driver.cdp();
        let shot = shot.send_raw("Page.captureScreenshot", wanted).await?;
        let data = shot["data"].as_str().context("no picture")?;
        let folder = workspace().join("tests/output/screenshots");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, STANDARD.decode(data)?)?;
        Ok(path)
    }
}
