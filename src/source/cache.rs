//! Downloaded files, kept in the origin private file system.
//!
//! Each file is an entry of two: `NAME.data`, and `NAME.index` with its record and the checksums of its chunks. A file
//! that is not all there yet is named after its URL and version; when the last byte has come its record gets the
//! SHA-256, by which it is found from then on whatever its URL. A worker that writes an entry, or reads it first, has
//! it for itself; others that want to read it meanwhile take what `getFile()` gives, and others that want to download
//! the same URL wait.

mod entry;
mod lock;
mod opfs;

use serde::Serialize;
use web_sys::AbortSignal;

pub(super) use self::entry::Entry;
use self::entry::Index;
pub(super) use self::lock::Lock;
use self::opfs::{Folder, NO_ROOM};
use super::chunks::name_of;
use super::record::{Origin, Record, SLOT_BYTES};

use crate::error::{Error, ErrorKind, Result};
use crate::task::Pace;

/// Left free beside what is stored, for the page's own needs.
const MARGIN_BYTES: u64 = 16 << 20;

/// All entries of this origin.
pub struct Cache {
    folder: Folder,
}

/// An entry as `cache.list()` shows it. Field names are those of the JavaScript API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CachedFile {
    /// Where it came from.
    pub url: String,
    /// Length of the file.
    pub size_bytes: u64,
    /// Bytes of it that are stored.
    pub stored_bytes: u64,
    /// Whether that is all of it, and its hash is known.
    pub complete: bool,
    /// The SHA-256 of the whole file.
    pub sha256: Option<String>,
    /// When it was last loaded, in milliseconds since 1970.
    pub last_used: f64,
}

/// What `cache.usage()` tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Bytes of models that are stored.
    pub bytes: u64,
    /// What the browser lets this origin store, all together.
    pub quota_bytes: Option<u64>,
    /// Whether the browser promises not to clear it by itself.
    pub persisted: bool,
}

/// What `cache.verify()` found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Whether everything that is stored is what was downloaded.
    pub ok: bool,
    /// Bytes that are not; loading the model fetches them again.
    pub damaged_bytes: u64,
}

/// What the cache has of a file that is to be loaded.
pub(super) enum Found {
    /// All of it.
    Whole(Entry, Option<Lock>),
    /// A part of it, which is ours to go on with.
    Part(Entry, Lock),
    Nothing,
}

impl Cache {
    /// Opens the cache; the browser's own words where it has none for us, as in some private windows.
    pub async fn open() -> Result<Self, String> {
        Folder::open().await.map(|folder| Self { folder })
    }

    /// A whole file with this hash, or else from this URL.
    pub(super) async fn whole(&self, url: &str, sha256: Option<&str>) -> Found {
        let records = self.records().await;
        let by_hash =
            records.iter().find(|(_, record)| sha256.is_some() && record.sha256.as_deref() == sha256);
        let by_url =
            || records.iter().find(|(_, record)| record.sha256.is_some() && record.origin(url).is_some());
        let Some((name, _)) = by_hash.or_else(by_url) else { return Found::Nothing };
        if let Some(lock) = Lock::now(&lock_name(name)).await
            && let Ok(entry) = Entry::open(&self.folder, name).await
        {
            return Found::Whole(entry, Some(lock));
        }
        let Some(index) = self.index(name).await else { return Found::Nothing };
        Entry::open_shared(&self.folder, name, index)
            .await
            .map_or(Found::Nothing, |entry| Found::Whole(entry, None))
    }

    /// A part of the file at `url`, the one that was used last.
    pub(super) async fn part(&self, url: &str) -> Found {
        let mut records = self.records().await;
        records.retain(|(_, record)| record.sha256.is_none() && record.origin(url).is_some());
        records.sort_by(|(_, a), (_, b)| b.used.total_cmp(&a.used));
        for (name, _) in records {
            if let Some(lock) = Lock::now(&lock_name(&name)).await
                && let Ok(entry) = Entry::open(&self.folder, &name).await
            {
                return Found::Part(entry, lock);
            }
        }
        Found::Nothing
    }

    /// What is stored of the file at `url` where not all of it is: the record, and how many bytes. The last used first.
    pub(super) async fn parts(&self, url: &str) -> Vec<(Record, u64)> {
        let mut parts = Vec::new();
        for name in self.names().await {
            let Some((_, record, chunks)) = self.index(&name).await else { continue };
            if record.sha256.is_none() && record.origin(url).is_some() {
                parts.push((record, chunks.bytes_here()));
            }
        }
        parts.sort_by(|(a, _), (b, _)| b.used.total_cmp(&a.used));
        parts
    }

    /// A new entry for a file of `len` bytes; other parts of the same URL, which are of other versions, go.
    ///
    /// Room is looked for first. `evict`: files that were not used for longest may go to make it. The browser's own
    /// words, or ours, if there is none.
    pub(super) async fn create(
        &self,
        origin: Origin,
        len: u64,
        evict: bool,
    ) -> Result<(Entry, Lock), String> {
        for (name, record) in self.records().await {
            if record.sha256.is_none() && record.origin(&origin.url).is_some() {
                self.remove(&name).await;
            }
        }
        let version = [Some(&origin.url), origin.etag.as_ref(), origin.modified.as_ref()];
        let name = name_of(&format!("{version:?} {len}"));
        let lock = Lock::now(&lock_name(&name)).await.ok_or("another tab has it open")?;
        let record = Record { origins: vec![origin], len, sha256: None, used: js_sys::Date::now() };
        loop {
            // What the browser tells is asked first, but some tell everybody the same: the file itself shows it.
            let created = match room_for(len).await {
                Ok(()) => Entry::create(&self.folder, &name, record.clone()).await,
                Err(words) => Err(words),
            };
            match created {
                Ok(entry) => return Ok((entry, lock)),
                Err(words) => {
                    entry::remove(&self.folder, &name).await;
                    if !evict || !words.starts_with(NO_ROOM) || !self.evict().await {
                        return Err(words);
                    }
                }
            }
        }
    }

    /// Makes `entry` the whole file with hash `sha256`: the entry to keep, and the hash that the file had when it was
    /// last loaded from the same URL, if that was another.
    pub(super) async fn commit(
        &self,
        mut entry: Entry,
        sha256: &str,
    ) -> Result<(Entry, Option<String>), String> {
        let mut before = None;
        let origin = entry.record.origins.last().cloned().unwrap_or_default();
        for (name, record) in self.records().await {
            if name == entry.name() {
                continue;
            }
            if record.sha256.as_deref() == Some(sha256) {
                // The same bytes from another URL: they are kept once, under the name that others may have open.
                if let Some(_lock) = Lock::now(&lock_name(&name)).await
                    && let Ok(mut twin) = Entry::open(&self.folder, &name).await
                {
                    twin.record.learn(origin);
                    twin.record.used = js_sys::Date::now();
                    twin.save()?;
                    entry.remove().await;
                    return Ok((twin, None));
                }
            } else if record.origin(&origin.url).is_some() {
                before = record.sha256.or(before);
                self.remove(&name).await;
            }
        }
        entry.record.sha256 = Some(sha256.to_string());
        entry.record.used = js_sys::Date::now();
        // Into both slots: either alone says that the file is whole.
        entry.save()?;
        entry.save()?;
        Ok((entry, before))
    }

    /// Every entry, the last used first.
    pub async fn list(&self) -> Vec<CachedFile> {
        let mut files = Vec::new();
        for name in self.names().await {
            let Some((_, record, chunks)) = self.index(&name).await else { continue };
            files.push(CachedFile {
                url: record.origins.last().map(|origin| origin.url.clone()).unwrap_or_default(),
                size_bytes: record.len,
                stored_bytes: chunks.bytes_here(),
                complete: record.sha256.is_some() && chunks.is_whole(),
                sha256: record.sha256,
                last_used: record.used,
            });
        }
        files.sort_by(|a, b| b.last_used.total_cmp(&a.last_used));
        files
    }

    /// Deletes everything that is `model`: a URL or a SHA-256. Answers how many files that were.
    ///
    /// # Errors
    /// `invalid_request` if a tab has one of them open.
    pub async fn delete(&self, model: &str) -> Result<usize> {
        let mut deleted = 0;
        for (name, record) in self.records().await {
            if record.is(model) {
                if !self.remove(&name).await {
                    return Err(in_use(model));
                }
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// How much is stored.
    pub async fn usage(&self) -> Usage {
        let bytes = self.list().await.iter().map(|file| file.stored_bytes).sum();
        let quota_bytes = opfs::space().await.map(|(_, quota)| quota);
        Usage { bytes, quota_bytes, persisted: opfs::is_persisted().await }
    }

    /// Reads all that is stored of `model` and compares the checksums; none if it is not in the cache.
    ///
    /// # Errors
    /// `invalid_request` if a tab has it open; `aborted`.
    pub async fn verify(&self, model: &str, signal: &AbortSignal) -> Result<Option<Verified>> {
        let mut found = None;
        for (name, record) in self.records().await {
            if !record.is(model) {
                continue;
            }
            let _lock = Lock::now(&lock_name(&name)).await.ok_or_else(|| in_use(model))?;
            let mut entry = Entry::open(&self.folder, &name).await.map_err(|_| in_use(model))?;
            // A whole file must have all of its chunks, whatever its table says by now.
            let whole = entry.record.sha256.is_some();
            let before = if whole { entry.record.len } else { entry.chunks().bytes_here() };
            let mut pace = Pace::start();
            for chunk in 0..entry.chunks().count() {
                pace.breathe().await;
                if signal.aborted() {
                    return Err(Error::aborted());
                }
                if entry.chunks().has(chunk) {
                    let bytes = entry.read(&(chunk..chunk + 1)).await;
                    entry.check(&(chunk..chunk + 1), &bytes);
                }
            }
            let damaged_bytes = before - entry.chunks().bytes_here();
            let total = found.map_or(0, |Verified { damaged_bytes, .. }| damaged_bytes) + damaged_bytes;
            found = Some(Verified { ok: total == 0, damaged_bytes: total });
        }
        Ok(found)
    }

    /// Deletes the entry that was not used for longest; false if there is none.
    async fn evict(&self) -> bool {
        let mut oldest = self.records().await;
        oldest.sort_by(|(_, a), (_, b)| a.used.total_cmp(&b.used));
        for (name, _) in oldest {
            if self.remove(&name).await {
                return true;
            }
        }
        false
    }

    /// Deletes an entry that nobody uses.
    async fn remove(&self, name: &str) -> bool {
        match Lock::now(&lock_name(name)).await {
            Some(_lock) => entry::remove(&self.folder, name).await,
            None => false,
        }
    }

    /// What is kept beside the models under this name.
    pub async fn note(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.folder.snapshot(name).await?;
        Some(entry::read_slice(file.into(), 0, u64::from(u32::MAX)).await)
    }

    /// Keeps `bytes` beside the models, in place of what was there; not if another tab does so at this moment.
    pub async fn keep_note(&self, name: &str, bytes: &[u8]) {
        if self.folder.remove(name).await
            && let Ok(file) = self.folder.open_exclusively(name, true).await
        {
            // What was not written is not read: it is no JSON.
            let _ = file.write(0, bytes);
        }
    }

    async fn names(&self) -> Vec<String> {
        let names = self.folder.names().await;
        names.iter().filter_map(|name| name.strip_suffix(".index").map(str::to_string)).collect()
    }

    /// All records that can be read. An index that cannot be is deleted, with its data: it belongs to no URL any more.
    async fn records(&self) -> Vec<(String, Record)> {
        let mut records = Vec::new();
        for name in self.names().await {
            match self.read_index(&name, 2 * SLOT_BYTES as u64).await {
                Some((_, record, _)) => records.push((name, record)),
                None => drop(self.remove(&name).await),
            }
        }
        records
    }

    async fn index(&self, name: &str) -> Option<Index> {
        self.read_index(name, u64::MAX).await
    }

    /// The first `len` bytes of an index. It may be open elsewhere.
    async fn read_index(&self, name: &str, len: u64) -> Option<Index> {
        let [_, index] = entry::file_names(name);
        let file = self.folder.snapshot(&index).await?;
        entry::parse_index(&entry::read_slice(file.into(), 0, len).await)
    }
}

/// Whether the browser says that there is room for `len` bytes.
async fn room_for(len: u64) -> Result<(), String> {
    let left = opfs::space().await.map_or(u64::MAX, |(used, quota)| quota.saturating_sub(used));
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    if left >= len + MARGIN_BYTES {
        return Ok(());
    }
    Err(format!(
        "{NO_ROOM}: the browser lets this page store {} MB more, the model has {} MB",
        mb(left),
        mb(len)
    ))
}

/// The lock of whoever downloads `url`.
pub(super) async fn download_lock(url: &str, signal: &AbortSignal) -> Result<Lock> {
    Lock::wait(&format!("tabmind download {url}"), signal).await
}

fn lock_name(name: &str) -> String {
    format!("tabmind file {name}")
}

fn in_use(model: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{model} is being loaded, here or in another tab"))
        .with_hint("Try again when it is loaded.")
}
