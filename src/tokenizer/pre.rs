//! `tokenizer.ggml.pre`: how each family cuts a text into words before BPE. Data only.
//!
//! The expressions are those of the models' own tokenizer.json, applied one after another: each cuts the pieces
//! that the one before it left, and both what matches and what does not goes on as a piece.

/// The rules of one family.
#[derive(Debug, Clone, Copy)]
pub(super) struct PreTokenizer {
    /// The values of `tokenizer.ggml.pre` that ask for it.
    names: &'static [&'static str],
    /// Regular expressions, applied in order.
    pub(super) patterns: &'static [&'static str],
    /// A word that is a token as a whole is not merged from characters.
    pub(super) ignore_merges: bool,
    /// Whether a text begins with the BOS token where the file does not say.
    pub(super) add_bos: bool,
    /// Text is brought into Unicode's composed form first.
    pub(super) nfc: bool,
    /// Tokens are plain UTF-8 with `▁` for a space and `<0xNN>` for bytes, not GPT-2's alphabet.
    pub(super) metaspace: bool,
}

const fn rules(names: &'static [&'static str], patterns: &'static [&'static str]) -> PreTokenizer {
    PreTokenizer { names, patterns, ignore_merges: false, add_bos: false, nfc: false, metaspace: false }
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const BAILING: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const SEED_CODER: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
const EXAONE_MOE: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+";
const MINICPM5: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
const DIGIT: &str = r"\p{N}";
const DIGITS_3: &str = r"\p{N}{1,3}";
const NEWLINE: &str = r"[\r\n]";
const CJK: &str = r"[一-龥ࠀ-一가-퟿]+";
const CJK_KANA: &str = r"[一-龥぀-ゟ゠-ヿ]+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
/// The letters that DeepSeek LLM treats as words: the cased scripts.
const CASED_LETTERS: &str = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";

/// Every family that is known. The first row is what a file without `tokenizer.ggml.pre` gets.
const FAMILIES: &[PreTokenizer] = &[
    rules(&["default"], &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"]),
    rules(
        &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
        ],
        &[GPT2],
    ),
    PreTokenizer {
        ignore_merges: true,
        add_bos: true,
        ..rules(
            &[
                "llama3",
                "llama-v3",
                "llama-bpe",
                "falcon3",
                "falcon-h1",
                "pixtral",
                "midm-2.0",
                "lfm2",
                "jina-v5-nano",
            ],
            &[LLAMA3],
        )
    },
    rules(&["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], &[LLAMA3]),
    PreTokenizer { nfc: true, ..rules(&["qwen2", "kormo", "f2llmv2", "megrez"], &[QWEN2]) },
    rules(&["deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "grok-2"], &[QWEN2]),
    PreTokenizer { nfc: true, ..rules(&["qwen35"], &[QWEN35]) },
    rules(
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        &[DIGIT, GPT2],
    ),
    rules(&["falcon"], &[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"]),
    rules(
        &["deepseek-llm"],
        &[NEWLINE, CASED_LETTERS, r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", CJK, r"\p{N}+"],
    ),
    rules(&["deepseek-coder"], &[NEWLINE, r"\s?\p{L}+", r"\s?\p{P}+", CJK, DIGIT]),
    rules(&["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], &[DIGITS_3, CJK_KANA, DEEPSEEK3]),
    PreTokenizer { ignore_merges: true, add_bos: true, ..rules(&["tekken"], &[TEKKEN]) },
    rules(&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], &[GPT4O]),
    rules(&["bloom", "poro-chat", "gpt3-finnish"], &[BLOOM]),
    rules(&["viking"], &[BLOOM, DIGIT]),
    rules(&["bailingmoe", "bailingmoe2", "llada-moe"], &[BAILING]),
    rules(&["seed-coder"], &[SEED_CODER]),
    rules(&["exaone-moe"], &[EXAONE_MOE]),
    rules(&["laguna"], &[r"[^\n]+|[\n]+", QWEN2]),
    PreTokenizer { ignore_merges: true, ..rules(&["minicpm5"], &[DIGITS_3, MINICPM5]) },
    PreTokenizer { metaspace: true, add_bos: true, ..rules(&["gemma4"], &[r"[^\n]+|[\n]+"]) },
    PreTokenizer { metaspace: true, ..rules(&["sarvam-moe"], &[r"[^\n]+|[\n]+"]) },
];

/// The rules that `tokenizer.ggml.pre` names.
pub(super) fn find(name: &str) -> Option<&'static PreTokenizer> {
    FAMILIES.iter().find(|family| family.names.contains(&name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_patterns_compile() {
        let mut seen = std::collections::HashSet::new();
        for family in FAMILIES {
            for name in family.names {
                assert!(seen.insert(name), "{name} is listed twice");
            }
            for pattern in family.patterns {
                tokenizers::utils::SysRegex::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            }
        }
    }

    #[test]
    fn issue_names_are_there() {
        for name in "gpt-2 llama-bpe qwen2 smollm deepseek-llm deepseek-coder falcon mpt starcoder refact command-r phi-2 tekken default"
            .split(' ')
        {
            assert!(find(name).is_some(), "{name}");
        }
    }
}
