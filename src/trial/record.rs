//! What is remembered of a trial.

use serde_json::{Value, json};

use crate::engine::{Tiles, Tuning};

/// By the numbers that are written down.
const TILES: [Tiles; 3] = [Tiles::Full, Tiles::Half, Tiles::Packed];

/// What a trial has found out about one model on one GPU.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Model, GPU, threads, and tokens in flight.
    pub of: String,
    /// What is wrong with the GPU's kernels, or some variants of them.
    pub fault: Option<String>,
    /// Which of the kernels' variants compute right, and fastest where that was measured.
    pub tuning: Option<Tuning>,
    /// Tokens per second of the CPU and of the GPU, once measured.
    pub speeds: Option<(f64, f64)>,
}

impl Record {
    /// As it is remembered. (Derived, this would be several kilobytes for every page to fetch.)
    pub fn to_json(&self) -> Value {
        let tuning = self.tuning.map(|Tuning { rows, packed_dot, tiles, subgroup }| {
            json!([rows, packed_dot, tiles as u8, subgroup])
        });
        json!({ "of": self.of, "fault": self.fault, "tuning": tuning, "speeds": self.speeds.map(|(a, b)| [a, b]) })
    }

    /// What [`to_json`](Self::to_json) wrote; none of anything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let tuning = |value: &Value| {
            Some(Tuning {
                rows: number(value.get(0)?)?,
                packed_dot: value.get(1)?.as_bool()?,
                tiles: *TILES.get(number(value.get(2)?)?)?,
                subgroup: number(value.get(3)?),
            })
        };
        let speeds = |value: &Value| Some((value.get(0)?.as_f64()?, value.get(1)?.as_f64()?));
        Some(Self {
            of: value.get("of")?.as_str()?.to_string(),
            fault: value.get("fault")?.as_str().map(str::to_string),
            tuning: tuning(value.get("tuning")?),
            speeds: speeds(value.get("speeds")?),
        })
    }

    /// Whether no variant computes right.
    pub fn is_wrong(&self) -> bool {
        self.fault.is_some() && self.tuning.is_none()
    }

    /// What is to be told of wrong results, if there were any.
    pub fn remark(&self) -> String {
        match &self.fault {
            Some(fault) if self.is_wrong() => format!("WebGPU computes wrongly here: {fault}"),
            Some(fault) => format!("; kernels that compute wrongly here are left out: {fault}"),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_found() {
        let tuning = Some(Tuning { rows: 2, packed_dot: true, tiles: Tiles::Half, subgroup: Some(8) });
        for found in [
            Record { tuning, speeds: Some((1.5, 2.5)), ..Record::default() },
            Record {
                tuning: Some(Tuning { rows: 4, packed_dot: false, tiles: Tiles::Packed, subgroup: None }),
                ..Record::default()
            },
            Record { fault: Some("nonsense".into()), ..Record::default() },
        ] {
            assert_eq!(Record::from_json(&found.to_json()), Some(found));
        }
        assert_eq!(Record::from_json(&json!({ "of": 1 })), None);
    }
}
