//! SentencePiece's precompiled normalisation: a double-array trie from byte sequences to replacement texts.
//!
//! `spm_precompiled`, which `tokenizers` uses, indexes the trie unchecked; this one comes out of a model file.

use super::encoding::Rewritten;
use crate::error::{Result, bail};

/// Rewrites characters (full-width forms, ligatures, odd spaces) as the vocabulary was trained.
#[derive(Debug)]
pub(super) struct Charsmap {
    trie: Vec<u32>,
    /// Replacement texts, each ended by a zero byte.
    texts: Vec<u8>,
}

impl Charsmap {
    /// `blob`: length of the trie in bytes as u32, the trie as u32s, the texts; all little-endian.
    ///
    /// # Errors
    /// `corrupt_file` if the lengths do not fit.
    pub(super) fn parse(blob: &[u8]) -> Result<Self> {
        let Some((head, rest)) = blob.split_first_chunk::<4>() else {
            bail!(CorruptFile, "tokenizer.ggml.precompiled_charsmap has {} bytes", blob.len())
        };
        let trie_bytes = u32::from_le_bytes(*head) as usize;
        let Some((trie, texts)) = rest.split_at_checked(trie_bytes) else {
            bail!(
                CorruptFile,
                "tokenizer.ggml.precompiled_charsmap says its trie has {trie_bytes} bytes, {} are left",
                rest.len()
            )
        };
        let trie = trie.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
        Ok(Self { trie, texts: texts.to_vec() })
    }

    /// `text` with every longest match replaced.
    pub(super) fn normalize(&self, text: &Rewritten<'_>) -> Rewritten<'static> {
        let mut out = Rewritten::empty(text.text.len());
        let mut at = 0;
        while let Some(rest) = text.text.get(at..)
            && let Some(first) = rest.chars().next()
        {
            let start = at;
            match self.longest_match(rest.as_bytes()) {
                // A match that ends inside a character is none: only a broken map has it.
                Some((len, replacement)) if rest.is_char_boundary(len) => {
                    at += len;
                    out.push(replacement, text.span(start..at));
                }
                _ => {
                    at += first.len_utf8();
                    out.push(first.encode_utf8(&mut [0; 4]), text.span(start..at));
                }
            }
        }
        out
    }

    fn longest_match(&self, key: &[u8]) -> Option<(usize, &str)> {
        let unit = |at: usize| self.trie.get(at).copied();
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut at = offset(unit(0)?);
        let mut found = None;
        for (len, &byte) in (1..).zip(key) {
            if byte == 0 {
                break;
            }
            at ^= byte as usize;
            let Some(node) = unit(at).filter(|&node| node & (1 << 31 | 0xFF) == u32::from(byte)) else {
                break;
            };
            at ^= offset(node);
            if node >> 8 & 1 == 1
                && let Some(text) = unit(at).and_then(|leaf| self.text((leaf & !(1 << 31)) as usize))
            {
                found = Some((len, text));
            }
        }
        found
    }

    fn text(&self, at: usize) -> Option<&str> {
        let tail = self.texts.get(at..)?;
        std::str::from_utf8(tail.split(|&byte| byte == 0).next()?).ok()
    }
}

/// Whether `tokenizers`, which walks the trie unchecked, can use this map on any text: every place that any byte
/// sequence leads to is inside the trie, and every replacement is a text.
pub(super) fn base64_is_sound(base64: &str) -> bool {
    decode_base64(base64).and_then(|blob| Charsmap::parse(&blob).ok()).is_some_and(|map| map.is_sound())
}

impl Charsmap {
    fn is_sound(&self) -> bool {
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let Some(&root) = self.trie.first() else { return false };
        let Ok(texts) = std::str::from_utf8(&self.texts) else { return false };
        let mut seen = vec![false; self.trie.len()];
        let mut open = vec![offset(root)];
        while let Some(base) = open.pop() {
            // The library reads the unit of any byte that may follow.
            if base | 0xFF >= self.trie.len() {
                return false;
            }
            match seen.get_mut(base) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            for byte in 1..=0xFFu32 {
                let at = base ^ byte as usize;
                let Some(&node) = self.trie.get(at).filter(|&&node| node & (1 << 31 | 0xFF) == byte) else {
                    continue;
                };
                let child = at ^ offset(node);
                if node >> 8 & 1 == 1 {
                    let Some(&leaf) = self.trie.get(child) else { return false };
                    if !texts.is_char_boundary((leaf & !(1 << 31)) as usize) {
                        return false;
                    }
                }
                open.push(child);
            }
        }
        true
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    Some(out)
}
