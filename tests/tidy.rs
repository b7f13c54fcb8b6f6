//! The invariants of ARCHITECTURE.md that a program can check.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file of the program may have; files of tests are tables and may be longer.
const MAX_LINES: usize = 400;

/// Longer files, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files under `folder` whose names end in one of `extensions`, with their texts.
fn sources(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["node_modules", "dist", "wasm", "target"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                let relative = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push((relative, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds sources");
    found
}

/// Asserts that `word` is found in no file under `folder` but those that `allowed` names by their beginnings.
fn only_in(folder: &str, word: &str, allowed: &[&str]) {
    let strays: Vec<String> = sources(folder, &[".rs"])
        .into_iter()
        .filter(|(path, text)| {
            text.contains(word) && !allowed.iter().any(|allowed| path.starts_with(allowed))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(strays.is_empty(), "{word:?} belongs to {allowed:?}, not to {strays:?}");
}

#[test]
fn the_check_can_fail() {
    let stray = std::panic::catch_unwind(|| only_in("src", "pub struct Spec", &["src/gguf"]));
    assert!(stray.is_err(), "a word outside its place is noticed");
}

#[test]
fn browser_types_stay_at_the_border() {
    let border = [
        "src/wasm",
        "src/source/http",
        "src/source/cache",
        "src/source/blob.rs",
        "src/source/wait.rs",
        "src/task/wasm.rs",
        "src/engine/gpu/abilities/web.rs",
    ];
    for word in ["wasm_bindgen", "js_sys", "web_sys"] {
        only_in("src", word, &border);
    }
}

#[test]
fn each_library_has_one_door() {
    only_in("src", "minijinja", &["src/chat/"]);
    only_in("src", "tokenizers::", &["src/tokenizer/"]);
    only_in("src", "xxhash_rust", &["src/source/chunks.rs"]);
    only_in("src", "llguidance::", &["src/constraint/"]);
    only_in("src", "wgpu::", &["src/engine/gpu"]);
    only_in("src", "half::", &["src/kernels/formats", "src/engine/cpu/matrix.rs"]);
    only_in("src", "core::arch", &["src/engine/cpu/simd", "src/engine/cpu/dot_", "src/wasm.rs"]);
}

#[test]
fn gguf_keys_stay_in_their_rooms() {
    for key in ["general.architecture", "attention.head_count", "rope.freq_base", "blk.{"] {
        only_in("src", key, &["src/spec/", "src/spec.rs", "src/weights", "src/info.rs", "src/safetensors"]);
    }
    only_in("src", "tokenizer.ggml", &["src/tokenizer/", "src/safetensors"]);
}

#[test]
fn the_forward_pass_names_no_family_and_no_platform() {
    let text = fs::read_to_string(root().join("src/forward.rs")).unwrap();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    for family in tabmind::spec::FAMILIES {
        let quoted = format!("\"{}\"", family.name);
        assert!(!code.contains(&quoted), "forward.rs names {}", family.name);
    }
    assert!(!code.contains("cfg("), "forward.rs depends on a platform");
}

/// A platform is chosen where a module is declared, not inside a function.
#[test]
fn platforms_are_chosen_at_modules() {
    for (path, text) in sources("src", &[".rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("target_arch")) {
            let next = lines[number + 1..].iter().find(|line| !line.trim_start().starts_with("#[")).unwrap();
            let declares =
                ["mod ", "pub mod ", "pub use ", "use "].iter().any(|start| next.starts_with(start));
            assert!(declares, "{path}:{}: {}", number + 1, line.trim());
        }
    }
}

#[test]
fn files_are_one_idea_long() {
    for folder in ["src", "xtask/src", "pkg/src", "www", "tools"] {
        for (path, text) in sources(folder, &[".rs", ".ts", ".js", ".mjs", ".wgsl"]) {
            let lines = text.lines().count();
            let excused = LONG_FILES.iter().any(|(long, _)| *long == path);
            assert!(lines <= MAX_LINES || excused, "{path} has {lines} lines");
            assert!(lines > MAX_LINES || !excused, "{path} is short enough: take it off the list");
        }
    }
}

/// The words that Rust throws are the words that TypeScript knows.
#[test]
fn error_codes_agree_with_typescript() {
    let text = fs::read_to_string(root().join("pkg/src/errors.ts")).unwrap();
    for kind in tabmind::ErrorKind::ALL {
        let quoted = format!("\"{}\"", kind.code());
        let aborted = kind.code() == "aborted";
        assert!(aborted || text.contains(&quoted), "pkg/src/errors.ts lacks {quoted}");
    }
}
