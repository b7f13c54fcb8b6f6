//! A byte-level BPE vocabulary of the right size: the 256 bytes, systematic merges of letters, special tokens.
//! Any text has tokens, and English falls into pieces of two to four letters.

use std::collections::HashSet;

/// Letters by their frequency in English: earlier merges win, so common pairs should come first.
const LETTERS: &str = "etaoinshrdlucmfwypvbgkjqxz";

/// ggml's token types.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

/// What `tokenizer.ggml.*` says.
pub struct Vocabulary {
    pub tokens: Vec<String>,
    pub types: Vec<i32>,
    pub merges: Vec<String>,
}

/// Where a family puts its special tokens.
pub struct Specials {
    /// Before the bytes.
    pub first: Vec<String>,
    /// After the merges.
    pub last: Vec<String>,
    /// Ids below `first.len() + bytes + merges + last.len()`; the rest, up to the size, is padding.
    pub used: usize,
}

impl Vocabulary {
    /// `size` tokens, with as many merges as the special tokens leave room for.
    pub fn new(size: usize, specials: &Specials) -> Self {
        let n_merges = specials.used - 256 - specials.first.len() - specials.last.len();
        let mut vocabulary = Self { tokens: Vec::new(), types: Vec::new(), merges: Vec::new() };
        vocabulary.add(&specials.first, CONTROL);
        vocabulary.add(&byte_tokens(), NORMAL);
        let (merged, merges) = merges(n_merges);
        vocabulary.add(&merged, NORMAL);
        vocabulary.merges = merges;
        vocabulary.add(&specials.last, CONTROL);
        let padding: Vec<_> = (vocabulary.tokens.len()..size).map(|id| format!("[PAD{id}]")).collect();
        vocabulary.add(&padding, UNUSED);
        vocabulary
    }

    fn add(&mut self, tokens: &[String], kind: i32) {
        self.tokens.extend_from_slice(tokens);
        self.types.resize(self.tokens.len(), kind);
    }

    /// Whether each token is plain text: not half a character, no control character, nothing that ends a text. Of
    /// random weights only these should come out, because not every engine survives broken UTF-8.
    pub fn speakable(&self) -> Vec<bool> {
        let plain = |token: &String| token.chars().all(|c| c.is_ascii_graphic() || c == 'Ġ' || c == 'Ċ');
        self.tokens.iter().zip(&self.types).map(|(token, kind)| *kind == NORMAL && plain(token)).collect()
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokens.iter().position(|known| known == token).map(|at| at as u32)
    }
}

/// GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on.
fn byte_tokens() -> Vec<String> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=255u8).filter(|byte| !printable(byte)).count() as u32;
    let visible = (0..=255u8).filter(printable).map(char::from);
    let stand_ins = (0..others).filter_map(|index| char::from_u32(0x100 + index));
    visible.chain(stand_ins).map(String::from).collect()
}

/// The first `count` of: two letters, a space and a letter, three letters, a space and two, a space and three, four.
/// Returns the tokens they make and the merges as the file spells them.
fn merges(count: usize) -> (Vec<String>, Vec<String>) {
    const SPACE: &str = "Ġ";
    let letters: Vec<String> = LETTERS.chars().map(String::from).collect();
    let pairs = products(&letters, &letters);
    let triples = products(&pairs, &letters);
    let space = [SPACE.to_owned()];
    let groups: [(&[String], &[String]); 6] = [
        (&letters, &letters),
        (&space, &letters),
        (&pairs, &letters),
        (&space, &pairs),
        (&space, &triples),
        (&pairs, &pairs),
    ];
    let mut tokens = Vec::with_capacity(count);
    let mut merges = Vec::with_capacity(count);
    let mut seen = HashSet::new();
    let all = groups
        .into_iter()
        .flat_map(|(left, right)| left.iter().flat_map(move |l| right.iter().map(move |r| (l, r))));
    for (left, right) in all {
        if tokens.len() == count {
            break;
        }
        let token = format!("{left}{right}");
        if seen.insert(token.clone()) {
            tokens.push(token);
            merges.push(format!("{left} {right}"));
        }
    }
    (tokens, merges)
}

fn products(left: &[String], right: &[String]) -> Vec<String> {
    left.iter().flat_map(|l| right.iter().map(move |r| format!("{l}{r}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_unique_and_every_merge_joins_earlier_tokens() {
        let last = vec!["<|endoftext|>".to_owned(), "<|im_start|>".to_owned(), "<|im_end|>".to_owned()];
        let vocabulary = Vocabulary::new(60_000, &Specials { first: Vec::new(), last, used: 59_990 });
        assert_eq!(vocabulary.tokens.len(), 60_000);
        assert_eq!(vocabulary.types.len(), 60_000);
        assert_eq!(vocabulary.merges.len(), 59_990 - 256 - 3);
        assert_eq!(vocabulary.id("<|im_end|>"), Some(59_989));
        let speakable = vocabulary.speakable();
        let said = |token: &str| speakable[vocabulary.id(token).unwrap() as usize];
        assert!(said("a") && said("Ġth") && said("Ċ"));
        assert!(!said("<|im_end|>") && !said("ÿ") && !said("Ā") && !said("[PAD59995]"));
        let mut known: HashSet<&str> = HashSet::new();
        for (id, token) in vocabulary.tokens.iter().enumerate() {
            if let Some(merge) = id.checked_sub(256).and_then(|index| vocabulary.merges.get(index)) {
                let (left, right) = merge.split_once(' ').unwrap();
                assert_eq!(format!("{left}{right}"), *token);
                assert!(known.contains(left) && known.contains(right), "{merge}");
            }
            assert!(known.insert(token), "{token} twice");
        }
    }

    #[test]
    fn the_bytes_are_those_of_gpt2() {
        let tokens = byte_tokens();
        assert_eq!(tokens.len(), 256);
        assert_eq!((tokens[0].as_str(), tokens[187].as_str()), ("!", "ÿ"));
        assert!(tokens.iter().any(|token| token == "Ġ") && tokens.iter().any(|token| token == "Ċ"));
    }
}
