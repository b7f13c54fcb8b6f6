//! One file of the cache: its data, and an index that says which chunks of it are there and what they must be.

use std::ops::Range;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::opfs::{Folder, Handle};
use crate::source::LocalFuture;
use crate::source::chunks::{CHUNK_BYTES, Chunks, checksum};
use crate::source::record::{Record, SLOT_BYTES};

/// Where the table of checksums begins in an index: behind the two slots of the record.
const TABLE_AT: u64 = 2 * SLOT_BYTES as u64;

/// Names of the two files.
pub(super) fn file_names(name: &str) -> [String; 2] {
    [format!("{name}.data"), format!("{name}.index")]
}

/// A file of the cache, open.
pub(in crate::source) struct Entry {
    folder: Folder,
    name: String,
    access: Access,
    /// What is known of it.
    pub record: Record,
    /// How many times the record was written.
    number: u32,
    chunks: Chunks,
}

enum Access {
    /// Ours alone.
    Own { data: Handle, index: Handle },
    /// Another tab has it open; the data can be read.
    Shared(Blob),
}

/// What an index says: number of the record, the record, the table.
pub(super) type Index = (u32, Record, Chunks);

/// Reads an index.
pub(super) fn parse_index(bytes: &[u8]) -> Option<Index> {
    let (number, record) = Record::from_slots(bytes)?;
    let table = usize::try_from(TABLE_AT).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let chunks = Chunks::from_bytes(record.len, table);
    Some((number, record, chunks))
}

impl Entry {
    /// Opens the entry called `name` for this worker alone. The caller has its lock.
    pub(super) async fn open(folder: &Folder, name: &str) -> Result<Self, String> {
        let [data, index] = file_names(name);
        let index = folder.open_patiently(&index, false).await?;
        let bytes = index.read(0, usize::try_from(index.len()).unwrap_or(0));
        let (number, record, chunks) = parse_index(&bytes).ok_or("the index is damaged")?;
        let data = folder.open_patiently(&data, true).await?;
        let access = Access::Own { data, index };
        Ok(Self { folder: folder.clone(), name: name.into(), access, record, number, chunks })
    }

    /// Opens an entry that another tab has open, to read from it what its `index` says is there.
    pub(super) async fn open_shared(folder: &Folder, name: &str, index: Index) -> Option<Self> {
        let [data, _] = file_names(name);
        let access = Access::Shared(folder.snapshot(&data).await?.unchecked_into());
        let (number, record, chunks) = index;
        Some(Self { folder: folder.clone(), name: name.into(), access, record, number, chunks })
    }

    /// A new entry without data, in place of whatever has its name. The caller has its lock.
    pub(super) async fn create(folder: &Folder, name: &str, record: Record) -> Result<Self, String> {
        let names = file_names(name);
        for name in &names {
            folder.remove(name).await;
        }
        let [data, index] = &names;
        let data = folder.open_patiently(data, true).await?;
        data.reserve(record.len)?;
        let access = Access::Own { data, index: folder.open_patiently(index, true).await? };
        let chunks = Chunks::none(record.len);
        let mut entry = Self { folder: folder.clone(), name: name.into(), access, record, number: 0, chunks };
        entry.write_table(0..entry.chunks.count())?;
        entry.save()?;
        Ok(entry)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which chunks are there.
    pub fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// Whether it can be written.
    pub fn is_own(&self) -> bool {
        matches!(self.access, Access::Own { .. })
    }

    /// Bytes of `chunks`, unchecked; fewer if the file was cut.
    pub fn read(&self, chunks: &Range<u64>) -> LocalFuture<'static, Vec<u8>> {
        let (start, end) =
            (self.chunks.bytes_of(chunks.start).start, self.chunks.bytes_of(chunks.end - 1).end);
        match &self.access {
            Access::Own { data, .. } => {
                let bytes = data.read(start, usize::try_from(end - start).unwrap_or(0));
                Box::pin(std::future::ready(bytes))
            }
            Access::Shared(blob) => Box::pin(read_slice(blob.clone(), start, end)),
        }
    }

    /// Forgets each of `chunks` whose bytes are not what they were; `bytes` is what was read of them. Answers
    /// whether all are sound.
    pub fn check(&mut self, chunks: &Range<u64>, bytes: &[u8]) -> bool {
        let origin = chunks.start * CHUNK_BYTES;
        let mut sound = true;
        for index in chunks.clone() {
            let Range { start, end } = self.chunks.bytes_of(index);
            let range = usize::try_from(start - origin).ok().zip(usize::try_from(end - origin).ok());
            let chunk = range.and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default();
            if !self.chunks.matches(index, chunk) {
                sound = false;
                self.chunks.set(index, 0);
                let _ = self.write_table(index..index + 1);
            }
        }
        sound
    }

    /// Stores `bytes`, whole chunks from chunk `first` on; the browser's own words if it cannot.
    pub fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), String> {
        let Access::Own { data, .. } = &self.access else { return Err("another tab has it open".into()) };
        data.write(first * CHUNK_BYTES, bytes)?;
        let mut index = first;
        for chunk in bytes.chunks(usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX)) {
            self.chunks.set(index, checksum(index, chunk));
            index += 1;
        }
        self.write_table(first..index)
    }

    /// Stores the record.
    pub fn save(&mut self) -> Result<(), String> {
        let Access::Own { index, data } = &self.access else { return Err("another tab has it open".into()) };
        self.number += 1;
        let slot = self.record.to_slot(self.number).ok_or("the URL is too long")?;
        // The data first: a record that says the file is whole must not overtake it.
        data.flush();
        index.write(u64::from(self.number % 2) * SLOT_BYTES as u64, &slot)?;
        index.flush();
        Ok(())
    }

    /// Deletes the entry.
    pub async fn remove(self) -> bool {
        let Self { folder, name, access, .. } = self;
        drop(access);
        remove(&folder, &name).await
    }

    fn write_table(&self, chunks: Range<u64>) -> Result<(), String> {
        let Access::Own { index, .. } = &self.access else { return Ok(()) };
        index.write(TABLE_AT + 8 * chunks.start, &self.chunks.to_bytes(chunks))
    }
}

/// Deletes the files of an entry, the index last: without it the data would not be found again. False if they are in
/// use.
pub(super) async fn remove(folder: &Folder, name: &str) -> bool {
    let [data, index] = file_names(name);
    folder.remove(&data).await && folder.remove(&index).await
}

#[allow(clippy::cast_precision_loss, reason = "offsets are below 2^53")]
pub(super) async fn read_slice(blob: Blob, start: u64, end: u64) -> Vec<u8> {
    let Ok(slice) = blob.slice_with_f64_and_f64(start as f64, end as f64) else { return Vec::new() };
    match JsFuture::from(slice.array_buffer()).await {
        Ok(buffer) => Uint8Array::new(&ArrayBuffer::from(buffer)).to_vec(),
        Err(_) => Vec::new(),
    }
}
