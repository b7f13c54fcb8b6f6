//! How kernels are computed where there are several ways.

use super::abilities::Abilities;

/// Invocations of a workgroup, and those of them that share rows without subgroups.
const GROUP: usize = 64;
const LANES: usize = 8;

/// How many tokens at a time meet weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiles {
    /// In single precision.
    Full,
    /// In half precision, but for plain weights of more.
    Half,
    /// Rounded to eight bits, where weights are quantised, as on the CPU.
    Packed,
}

/// One way. Results are the same but for rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Rows of a matrix that an invocation multiplies with one token: what it has loaded of that serves them all.
    pub rows: usize,
    /// Whether one token is rounded to eight bits before it meets quantised weights, as on the CPU.
    pub packed_dot: bool,
    /// What many tokens are multiplied as.
    pub tiles: Tiles,
    /// So many neighbours add up what they have by way of subgroups; none: by way of workgroup memory.
    pub subgroup: Option<usize>,
}

impl Tuning {
    /// Ways that are worth trying on a device, the one to begin with first.
    pub fn all(abilities: Abilities) -> Vec<Self> {
        let default = Self::default_of(abilities);
        let packed =
            abilities.packed_dot.then_some(Self { packed_dot: true, tiles: Tiles::Packed, ..default });
        let halves = abilities.halves.then_some(Self { tiles: Tiles::Half, ..default });
        let plain = abilities.neighbours.map(|_| Self { subgroup: None, ..default });
        // Where matrices are small, more workgroups.
        let single = Self { rows: 1, ..default };
        [default].into_iter().chain(packed).chain(halves).chain([single]).chain(plain).collect()
    }

    /// The one to begin with: exact.
    pub fn default_of(abilities: Abilities) -> Self {
        Self { rows: 4, packed_dot: false, tiles: Tiles::Full, subgroup: abilities.neighbours }
    }

    /// Whether a device that can do so much can compute this way.
    pub fn is_possible(self, abilities: Abilities) -> bool {
        let has_tiles = match self.tiles {
            Tiles::Full => true,
            Tiles::Half => abilities.halves,
            Tiles::Packed => abilities.packed_dot,
        };
        has_tiles
            && (abilities.packed_dot || !self.packed_dot)
            && (self.subgroup.is_none() || self.subgroup == abilities.neighbours)
    }

    /// Whether single tokens are computed as `other` does.
    pub fn decodes_like(self, other: Self) -> bool {
        Self { tiles: other.tiles, ..self } == other
    }

    /// What a kernel begins with.
    pub fn directives(self) -> String {
        let subgroups = if self.subgroup.is_some() { super::abilities::WGSL_DIRECTIVES } else { "" };
        let halves = if self.tiles == Tiles::Half { "enable f16;" } else { "" };
        format!("{subgroups}{halves}")
    }

    /// The prelude of a kernel whose workgroups compute sums.
    pub fn reduce(self) -> String {
        match self.subgroup {
            Some(lanes) => subgroup(lanes) + wgsl!("reduce_subgroup"),
            None => wgsl!("reduce").into(),
        }
    }

    /// Rows of a workgroup whose invocations multiply `rows` each.
    pub fn group_rows(self, rows: usize) -> usize {
        GROUP / self.subgroup.unwrap_or(LANES) * rows
    }

    /// The prelude of a workgroup whose neighbours share rows.
    pub fn lanes(self) -> String {
        match self.subgroup {
            Some(lanes) => subgroup(lanes) + wgsl!("lanes_subgroup"),
            None => format!("const LANES: u32 = {LANES}u;\n{}", wgsl!("lanes_shared")),
        }
    }

    /// What sums over the whole workgroup, behind [`lanes`](Self::lanes).
    pub fn reduce_behind_lanes(self) -> &'static str {
        if self.subgroup.is_some() { wgsl!("reduce_subgroup") } else { wgsl!("reduce") }
    }
}

fn subgroup(lanes: usize) -> String {
    format!("const LANES: u32 = {lanes}u;\n{}", wgsl!("subgroup"))
}
