//! Long work in parts, for several machines: `--partition 2/3`.

/// A share of something, `index` of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    index: usize,
    count: usize,
}

impl Partition {
    /// Everything.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// What the name of its state ends with.
    pub fn suffix(self) -> String {
        format!("-{}-of-{}", self.index, self.count)
    }

    /// The share of `items`: every `count`th.
    pub fn of<T>(self, items: Vec<T>) -> Vec<T> {
        let items = items.into_iter().skip(self.index.saturating_sub(1));
        items.step_by(self.count.max(1)).collect()
    }
}

impl std::str::FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            let partition = Self {
                index: index.parse().ok()?,
                count: count.parse().ok()?,
            };
            (1..=partition.count)
                .contains(&partition.index)
                .then_some(partition)
        });
        numbers.ok_or_else(|| format!("{text:?} is not like 2/3"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_disjoint_and_leave_nothing_out() {
        let items: Vec<u32> = (0..10).collect();
        let mut seen = Vec::new();
        for text in ["1/3", "2/3", "3/3"] {
            seen.extend(text.parse::<Partition>().unwrap().of(items.clone()));
        }
        seen.sort_unstable();
        assert_eq!(seen, items);
        assert_eq!("2/3".parse::<Partition>().unwrap().suffix(), "-2-of-3");
        for bad in ["0/3", "4/3", "x", "1/0", "3"] {
            assert!(bad.parse::<Partition>().is_err(), "{bad}");
        }
    }
}
