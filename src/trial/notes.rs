//! What trials have found out, beside the models that this origin keeps. It holds for one browser and one version of this
//! package: the others' is thrown away.

use serde_json::{Value, json};

use super::Record;
use crate::source::{Cache, user_agent};

const NAME: &str = "trials.json";

fn author() -> String {
    format!("{} {} {}", env!("CARGO_PKG_VERSION"), crate::engine::BUILD, user_agent())
}

/// All records that still hold.
pub async fn read() -> Vec<Record> {
    let Ok(cache) = Cache::open().await else { return Vec::new() };
    let bytes = cache.note(NAME).await.unwrap_or_default();
    let notes: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let is_ours = notes.get("by").and_then(Value::as_str) == Some(author().as_str());
    let records = notes.get("records").and_then(Value::as_array).filter(|_| is_ours);
    records.into_iter().flatten().filter_map(Record::from_json).collect()
}

/// Keeps them, if the browser lets us: nothing depends on it.
pub async fn write(records: &[Record]) {
    let Ok(cache) = Cache::open().await else { return };
    let records: Vec<_> = records.iter().map(Record::to_json).collect();
    let notes = json!({ "by": author(), "records": records });
    cache.keep_note(NAME, notes.to_string().as_bytes()).await;
}
