//! Dequantisation against gguf-py's, bit for bit.

mod common;

use tabmind::kernels::formats::Format;

#[test]
fn every_format_dequantises_like_the_reference() {
    let Some(folder) = common::assets("goldens/dequant") else { return };
    for &format in Format::ALL.iter().filter(|&&format| format != Format::F32) {
        let read = |suffix: &str| std::fs::read(folder.join(format!("{format:?}.{suffix}"))).unwrap();
        let (blocks, expected) = (read("blocks.bin"), common::f32s(&read("f32.bin")));
        let mut found = vec![0.0; expected.len()];
        format.dequantize(&blocks, &mut found);
        let wrong = (0..expected.len()).find(|&i| found[i].to_bits() != expected[i].to_bits());
        assert_eq!(wrong.map(|i| (i, found[i], expected[i])), None, "{format:?}: index, found, expected");
    }
}
