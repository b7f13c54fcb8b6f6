//! The origin private file system: files by name in one folder, of which a worker may hold some open for itself.

use std::time::Duration;

use js_sys::{Array, AsyncIterator, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle, StorageEstimate,
};

use crate::source::wait::{scope, sleep};

/// The folder that holds everything this package stores.
const FOLDER: &str = "tabmind-models";

/// How the browser's words begin where there is no room.
pub(super) const NO_ROOM: &str = "QuotaExceededError";

/// A folder.
#[derive(Clone)]
pub(super) struct Folder(FileSystemDirectoryHandle);

impl Folder {
    /// Opens the folder; the browser's own words where it does not let us.
    pub async fn open() -> Result<Self, String> {
        let navigator = scope().navigator();
        // Absent in old browsers and on insecure origins.
        let storage = Reflect::get(&navigator, &"storage".into()).unwrap_or_default();
        if storage.is_undefined() || !Reflect::has(&storage, &"getDirectory".into()).unwrap_or(false) {
            return Err("this page has no private file system".into());
        }
        let root =
            JsFuture::from(navigator.storage().get_directory()).await.map_err(|error| words(&error))?;
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let root: FileSystemDirectoryHandle = root.unchecked_into();
        let folder = JsFuture::from(root.get_directory_handle_with_options(FOLDER, &options)).await;
        folder.map(|folder| Self(folder.unchecked_into())).map_err(|error| words(&error))
    }

    /// Names of all files.
    pub async fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let keys: AsyncIterator = self.0.keys();
        while let Ok(next) = keys.next() {
            let Ok(item) = JsFuture::from(next).await else { break };
            let field = |name: &str| Reflect::get(&item, &name.into()).unwrap_or_default();
            if field("done").is_truthy() {
                break;
            }
            names.extend(field("value").as_string());
        }
        names
    }

    /// Opens `name` for this worker alone; none if there is no such file, or somebody else has it open.
    pub async fn open_exclusively(&self, name: &str, create: bool) -> Result<Handle, String> {
        let file = self.file(name, create).await?;
        let handle = JsFuture::from(file.create_sync_access_handle()).await.map_err(|error| words(&error))?;
        Ok(Handle(handle.unchecked_into()))
    }

    /// As [`Folder::open_exclusively`], when nobody else should have it open: a worker that was killed a moment ago may
    /// not have let go yet.
    pub async fn open_patiently(&self, name: &str, create: bool) -> Result<Handle, String> {
        let mut outcome = self.open_exclusively(name, create).await;
        for _ in 0..20 {
            if outcome.is_ok() || (!create && self.file(name, false).await.is_err()) {
                break;
            }
            sleep(Duration::from_millis(50)).await;
            outcome = self.open_exclusively(name, create).await;
        }
        outcome
    }

    /// What is in `name` now; works while somebody else has it open.
    pub async fn snapshot(&self, name: &str) -> Option<File> {
        let file = self.file(name, false).await.ok()?;
        JsFuture::from(file.get_file()).await.ok().map(JsCast::unchecked_into)
    }

    /// Deletes `name`; false if somebody has it open.
    pub async fn remove(&self, name: &str) -> bool {
        self.file(name, false).await.is_err() || JsFuture::from(self.0.remove_entry(name)).await.is_ok()
    }

    async fn file(&self, name: &str, create: bool) -> Result<FileSystemFileHandle, String> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(create);
        let file = JsFuture::from(self.0.get_file_handle_with_options(name, &options)).await;
        file.map(JsCast::unchecked_into).map_err(|error| words(&error))
    }
}

/// An open file. Nobody else can open it meanwhile.
pub(super) struct Handle(FileSystemSyncAccessHandle);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Handle {
    /// Length in bytes.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are whole and not negative"
    )]
    pub fn len(&self) -> u64 {
        self.0.get_size().map_or(0, |size| size as u64)
    }

    /// Up to `len` bytes from `offset`; fewer where the file ends or cannot be read.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let read = self.0.read_with_u8_array_and_options(&mut bytes, &at(offset)).unwrap_or(0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        bytes.truncate(read as usize);
        bytes
    }

    /// Writes all of `bytes` at `offset`; the browser's own words if it cannot.
    #[allow(clippy::cast_precision_loss, reason = "lengths of pieces")]
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        match self.0.write_with_u8_array_and_options(bytes, &at(offset)) {
            Ok(written) if written == bytes.len() as f64 => Ok(()),
            Ok(_) => Err(format!("{NO_ROOM}: the browser stored only a part")),
            Err(error) => Err(words(&error)),
        }
    }

    /// Makes the file `len` bytes long, so that there is room for them or an error now.
    pub fn reserve(&self, len: u64) -> Result<(), String> {
        // Its last byte is written, and not its length set, which some browsers do not count.
        len.checked_sub(1).map_or(Ok(()), |last| self.write(last, &[0]))
    }

    /// Hands everything written to the disk.
    pub fn flush(&self) {
        // What was not flushed is noticed by its checksums.
        let _ = self.0.flush();
    }
}

#[allow(clippy::cast_precision_loss, reason = "offsets are below 2^53")]
fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

/// `(used, quota)` of this origin in bytes, as far as the browser tells.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of bytes; what is absurd saturates"
)]
pub(super) async fn space() -> Option<(u64, u64)> {
    let estimate = JsFuture::from(scope().navigator().storage().estimate().ok()?).await.ok()?;
    let estimate: StorageEstimate = estimate.unchecked_into();
    Some((estimate.get_usage()? as u64, estimate.get_quota()? as u64))
}

/// Whether the browser promises not to clear this origin's files by itself.
pub(super) async fn is_persisted() -> bool {
    match scope().navigator().storage().persisted() {
        Ok(promise) => JsFuture::from(promise).await.is_ok_and(|persisted| persisted.is_truthy()),
        Err(_) => false,
    }
}

/// `Name: message` of what the browser threw.
fn words(error: &JsValue) -> String {
    let field = |name: &str| Reflect::get(error, &name.into()).ok().and_then(|value| value.as_string());
    let words: Array = [field("name"), field("message")].into_iter().flatten().map(JsValue::from).collect();
    words.join(": ").into()
}
