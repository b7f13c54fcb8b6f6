//! A zip archive of a few small files: what a browser's extension store takes. No times, so that the same files give
//! the same archive.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

const DEFLATE: u16 = 8;
/// 2.0: the version that knows deflate.
const VERSION: u16 = 20;
/// File names are UTF-8.
const UTF8_NAMES: u16 = 1 << 11;
/// 1980-01-01, the first day that the format knows.
const FIRST_DAY: u16 = (1 << 5) | 1;

#[derive(Default)]
pub struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    /// Adds every file below `folder`, in the order of their names.
    pub fn add_folder(&mut self, folder: &Path) -> Result<()> {
        self.add_below(folder, "")
    }

    fn add_below(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
            if path.is_dir() {
                self.add_below(&path, &format!("{name}/"))?;
            } else {
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                self.add(&name, &bytes)?;
            }
        }
        Ok(())
    }

    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content)?;
        let packed = encoder.finish()?;
        let mut crc = Crc::new();
        crc.update(content);
        let length =
            |bytes: usize| u32::try_from(bytes).context("a file of 4 GB is too large for this archive");
        let offset = length(self.bytes.len())?;

        // The same fields stand before the file and in the directory at the end.
        let mut fields = Vec::new();
        for number in [VERSION, UTF8_NAMES, DEFLATE, 0, FIRST_DAY] {
            fields.extend(number.to_le_bytes());
        }
        for number in [crc.sum(), length(packed.len())?, length(content.len())?] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend(u16::try_from(name.len()).context("a name is too long")?.to_le_bytes());
        fields.extend(0u16.to_le_bytes()); // no extra field

        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&fields);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(packed);

        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&fields);
        self.directory.extend([0; 10]); // no comment, first disk, no attributes
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
        Ok(())
    }

    pub fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u32;
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend((self.directory.len() as u32).to_le_bytes());
        self.bytes.extend(offset.to_le_bytes());
        self.bytes.extend(0u16.to_le_bytes()); // no comment
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn files_are_found_through_the_directory() {
        let files = [("manifest.json", "{}".to_owned()), ("pkg/ü.js", "export {};\n".repeat(100))];
        let mut zip = Zip::default();
        files.iter().for_each(|(name, content)| zip.add(name, content.as_bytes()).unwrap());
        let bytes = zip.finish();

        let u16_at = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        assert_eq!(u16_at(end + 10), files.len());
        let mut entry = u32_at(end + 16);
        for (name, content) in &files {
            assert_eq!(&bytes[entry..entry + 4], b"PK\x01\x02");
            assert_eq!(&bytes[entry + 46..entry + 46 + name.len()], name.as_bytes());
            let local = u32_at(entry + 42);
            let start = local + 30 + u16_at(local + 26);
            let packed = &bytes[start..start + u32_at(entry + 20)];
            let mut unpacked = String::new();
            flate2::read::DeflateDecoder::new(packed).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, *content);
            entry += 46 + u16_at(entry + 28);
        }
        assert_eq!(entry, end);
    }
}
