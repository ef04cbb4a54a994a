//! Durations as Kubernetes resources write them: `720h`, `1h30m`, `5m`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::field;

/// A Go duration of the Gateway API's kind: one to four parts of digits (at most five) and a unit, `h`, `m`, `s` or
/// `ms`. Written back in its shortest form, without parts that are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    milliseconds: u64,
}

/// The text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no duration: write digits and a unit, up to four times, for example 720h, 1h30m or 500ms"
)]
pub struct ParseDurationError(String);

impl GoDuration {
    /// A duration of whole seconds. `const`, so that defaults can be constants.
    pub const fn from_secs(seconds: u32) -> Self {
        Self {
            milliseconds: seconds as u64 * 1_000,
        }
    }

    /// Whole seconds; a rest of milliseconds is dropped.
    pub const fn as_secs(self) -> u64 {
        self.milliseconds / 1_000
    }

    /// Milliseconds, exactly.
    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }
}

/// `ms` before `m`, of which it is a longer reading.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// What one part can say: a sum beyond it could not be written back. No field of the schema reaches it.
const LONGEST: u64 = 99_999 * 3_600_000;

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseDurationError(text.chars().take(64).collect());
        let mut rest = text;
        let mut milliseconds = 0;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            parts += 1;
            if !(1..=5).contains(&digits) || parts > 4 {
                return Err(error());
            }
            let number: u64 = rest[..digits].parse().map_err(|_| error())?;
            let (unit, factor) = UNITS
                .into_iter()
                .find(|(unit, _)| rest[digits..].starts_with(unit))
                .ok_or_else(error)?;
            // At most four times 99,999 hours: no overflow.
            milliseconds += number * factor;
            rest = &rest[digits + unit.len()..];
        }
        if parts == 0 || milliseconds > LONGEST {
            Err(error())
        } else {
            Ok(Self { milliseconds })
        }
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milliseconds == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.milliseconds;
        for (unit, factor) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Four times five digits and a unit of two letters.
        json_schema!({ "type": "string", "minLength": 2, "maxLength": 28, "pattern": field::DURATION })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_shortest_form() {
        for (text, milliseconds, shortest) in [
            ("720h", 2_592_000_000, "720h"),
            ("90m", 5_400_000, "1h30m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("30m1h", 5_400_000, "1h30m"),
            ("5m", 300_000, "5m"),
            ("0s", 0, "0s"),
            ("0h", 0, "0s"),
            ("1500ms", 1_500, "1s500ms"),
            ("1h1m1s1ms", 3_661_001, "1h1m1s1ms"),
            ("99999h", 359_996_400_000, "99999h"),
        ] {
            let duration: GoDuration = text.parse().unwrap();
            assert_eq!(duration.as_millis(), milliseconds, "{text}");
            assert_eq!(duration.to_string(), shortest, "{text}");
            assert_eq!(shortest.parse(), Ok(duration), "{text}");
        }
    }

    #[test]
    fn refuses_what_the_schema_refuses() {
        assert!("99999h1ms".parse::<GoDuration>().is_err());
        let pattern = regex::Regex::new(field::DURATION).unwrap();
        for text in [
            "",
            "5",
            "m",
            "5x",
            "-5m",
            "+5m",
            "1.5h",
            "5m ",
            " 5m",
            "123456s",
            "1s1s1s1s1s",
            "5µs",
            "5us",
            "5M",
        ] {
            assert!(text.parse::<GoDuration>().is_err(), "{text:?}");
            assert!(!pattern.is_match(text), "{text:?}");
        }
    }

    #[test]
    fn is_a_string_in_json() {
        let duration: GoDuration = serde_json::from_str("\"24h\"").unwrap();
        assert_eq!(duration.as_secs(), 86_400);
        assert_eq!(serde_json::to_string(&duration).unwrap(), "\"24h\"");
        assert!(serde_json::from_str::<GoDuration>("86400").is_err());
    }
}
