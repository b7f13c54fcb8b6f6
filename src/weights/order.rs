//! Which source rows a matrix takes from its tensor, and in which order.

/// Rows of a tensor that make up a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOrder {
    /// `len` rows from `start`, as they are.
    Range {
        /// First source row.
        start: usize,
        /// Number of rows.
        len: usize,
    },
    /// Row i is source row `list[i]`.
    List(Vec<usize>),
}

impl RowOrder {
    /// Number of rows of the matrix.
    pub fn len(&self) -> usize {
        match self {
            RowOrder::Range { len, .. } => *len,
            RowOrder::List(list) => list.len(),
        }
    }

    /// Whether the matrix has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The source rows in the order of the matrix.
    pub fn sources(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            RowOrder::Range { start, len } => Box::new(*start..start + len),
            RowOrder::List(list) => Box::new(list.iter().copied()),
        }
    }

    /// Rows `start ..` of `heads` heads, each re-ordered from RoPE pairs (2i, 2i + 1) to (i, i + rotated / 2).
    pub fn halves(start: usize, heads: usize, head_dim: usize, rotated: usize) -> Self {
        let within = (0..head_dim).map(|i| match i {
            i if i < rotated / 2 => 2 * i,
            i if i < rotated => 2 * (i - rotated / 2) + 1,
            i => i,
        });
        let within: Vec<usize> = within.collect();
        let rows = (0..heads).flat_map(|head| within.iter().map(move |row| start + head * head_dim + row));
        RowOrder::List(rows.collect())
    }

    /// Every second block of `head_dim` rows, from block `first`: Qwen 3.5 stores a query and a gate for each head in turn.
    pub fn every_second(first: usize, heads: usize, head_dim: usize) -> Self {
        RowOrder::List(
            (0..heads)
                .flat_map(|head| (0..head_dim).map(move |i| (2 * head + first) * head_dim + i))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::RowOrder;

    #[test]
    fn halves_bring_even_rows_first_and_leave_the_rest() {
        assert_eq!(
            RowOrder::halves(10, 2, 6, 4),
            RowOrder::List(vec![10, 12, 11, 13, 14, 15, 16, 18, 17, 19, 20, 21])
        );
    }

    #[test]
    fn every_second_takes_alternate_heads() {
        assert_eq!(RowOrder::every_second(1, 2, 2), RowOrder::List(vec![2, 3, 6, 7]));
    }
}
