//! Seeded random numbers: the same seed writes the same file on every machine.

/// xoshiro256++, seeded by splitmix64 (Blackman and Vigna, public domain).
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// `stream` separates what is drawn for one purpose from all else: a tensor's weights do not depend on the others.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a: the standard library's hash may change between its versions.
        let hash = stream.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut mixed = seed ^ hash;
        Self { state: std::array::from_fn(|_| splitmix(&mut mixed)) }
    }

    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let mut next = [a ^ d ^ b, b ^ c ^ a, c ^ a ^ (b << 17), (d ^ b).rotate_left(45)];
        // Written as the reference does, step by step: c ^= a; d ^= b; b ^= c; a ^= d; c ^= t; d = rotl(d).
        next[0] = a ^ (d ^ b);
        next[1] = b ^ (c ^ a);
        self.state = next;
        result
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
