//! Whether what several processors did to one interrupt source at the same time is what some order
//! of their calls does: linearizability (Herlihy and Wing) against [`crate::source::Source`].
//!
//! The source has two parts that calls change and see apart from each other: what was last set
//! (server and priority, told by ibm,get-xive), and the mask (seen at the interrupt controller
//! alone, once no call is in flight). An order exists for both together exactly if one exists for
//! each. Every value is set once at most, so for what was set there is a quick test (Gibbons and
//! Korach, "Testing Shared Memories", 1997): the calls that set or tell one value are a cluster; it
//! takes effect before the first of them ends and until the last of them begins.

use alloc::vec::Vec;

/// The number of a pair of server and priority.
pub type Value = u16;

/// What was set before a history begins.
pub const INITIAL: Value = Value::MAX;

/// One call on the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// ibm,set-xive of this value.
    Set(Value),
    /// ibm,get-xive, and what it told.
    Get(Value),
    /// ibm,int-off.
    Off,
    /// ibm,int-on.
    On,
}

/// When a call was made, in tickets: each is drawn once, and one that was drawn later is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Drawn before the call.
    pub start: u32,
    /// Drawn after its return.
    pub end: u32,
    /// What it was.
    pub operation: Operation,
}

/// Why there is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A value was told that nobody set.
    NeverSet(Value),
    /// A value was told before anybody began to set it.
    TooEarly(Value),
    /// A value was set twice, which a history must not have.
    SetTwice(Value),
    /// Each of the two was the last one set while the other was.
    Both(Value, Value),
    /// The first was the last one set all the time in which the second was set and told.
    Hidden(Value, Value),
}

/// The calls on one value.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    value: Value,
    set: Option<(u32, u32)>,
    first_end: u32,
    last_start: u32,
}

impl Cluster {
    /// From the first end to the last start, if in this order: all the time in between, this value
    /// was the one last set.
    fn is_forward(&self) -> bool {
        self.first_end < self.last_start
    }
}

/// Tests histories; keeps its memory from one to the next.
#[derive(Debug)]
pub struct Checker {
    /// Place of a value's cluster in `clusters`, by value; stale if the cluster is another's.
    places: Vec<u32>,
    clusters: Vec<Cluster>,
}

impl Checker {
    /// A checker for values below `values`, and [`INITIAL`].
    pub fn new(values: usize) -> Checker {
        Checker {
            places: alloc::vec![0; values + 1],
            clusters: Vec::with_capacity(values + 1),
        }
    }

    /// Forgets the last history.
    pub fn clear(&mut self) {
        self.clusters.clear();
        let before = Event {
            start: 0,
            end: 0,
            operation: Operation::Set(INITIAL),
        };
        // The first one: nothing is there twice.
        let _ = self.add(before);
    }

    /// Adds a call.
    ///
    /// # Errors
    /// [`Violation::SetTwice`], and [`Violation::NeverSet`] for a value that cannot be.
    pub fn add(&mut self, event: Event) -> Result<(), Violation> {
        let (value, sets) = match event.operation {
            Operation::Set(value) => (value, true),
            Operation::Get(value) => (value, false),
            Operation::Off | Operation::On => return Ok(()),
        };
        let last = self.places.len() - 1;
        let slot = if value == INITIAL { last } else { value.into() };
        let place = self.places.get_mut(slot);
        let place = place.ok_or(Violation::NeverSet(value))?;
        let known = self.clusters.get(*place as usize);
        if known.is_none_or(|cluster| cluster.value != value) {
            *place = self.clusters.len() as u32;
            self.clusters.push(Cluster {
                value,
                set: None,
                first_end: u32::MAX,
                last_start: 0,
            });
        }
        let Some(cluster) = self.clusters.get_mut(*place as usize) else {
            return Ok(());
        };
        if sets && cluster.set.replace((event.start, event.end)).is_some() {
            return Err(Violation::SetTwice(value));
        }
        cluster.first_end = cluster.first_end.min(event.end);
        cluster.last_start = cluster.last_start.max(event.start);
        Ok(())
    }

    /// Whether some order of the calls that were added explains what was told.
    ///
    /// # Errors
    /// Why there is none.
    pub fn judge(&mut self) -> Result<(), Violation> {
        for cluster in &self.clusters {
            let Some((start, _)) = cluster.set else {
                return Err(Violation::NeverSet(cluster.value));
            };
            if cluster.first_end < start {
                return Err(Violation::TooEarly(cluster.value));
            }
        }
        // Forward clusters first, by their beginning. The places are stale from here on.
        self.clusters
            .sort_unstable_by_key(|cluster| (!cluster.is_forward(), cluster.first_end));
        let forward = self.clusters.partition_point(Cluster::is_forward);
        let (forward, backward) = self.clusters.split_at(forward);
        for pair in forward.windows(2) {
            if let [one, other] = pair
                && other.first_end < one.last_start
            {
                return Err(Violation::Both(one.value, other.value));
            }
        }
        for inner in backward {
            // The only one that can reach over it is the last that begins before it.
            let before = forward.partition_point(|outer| outer.first_end < inner.last_start);
            if let Some(outer) = before.checked_sub(1).and_then(|index| forward.get(index))
                && inner.first_end < outer.last_start
            {
                return Err(Violation::Hidden(outer.value, inner.value));
            }
        }
        Ok(())
    }
}

/// Whether the source may be masked, or not, after these calls: the last of them to take effect may
/// be any that no other one follows.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// The latest start and the latest end of ibm,int-off, then of ibm,int-on.
    latest: [Option<(u32, u32)>; 2],
    before: bool,
}

impl Mask {
    /// Before any call.
    pub fn new(masked: bool) -> Mask {
        Mask {
            latest: [None; 2],
            before: masked,
        }
    }

    /// Adds a call.
    pub fn add(&mut self, event: Event) {
        let index = match event.operation {
            Operation::Off => 0,
            Operation::On => 1,
            Operation::Set(_) | Operation::Get(_) => return,
        };
        let (start, end) = self.latest[index].unwrap_or((0, 0));
        self.latest[index] = Some((start.max(event.start), end.max(event.end)));
    }

    /// Whether it may be so now.
    pub fn may_be(&self, masked: bool) -> bool {
        let [off, on] = self.latest;
        let (own, other) = if masked { (off, on) } else { (on, off) };
        match (own, other) {
            (None, None) => self.before == masked,
            (None, Some(_)) => false,
            (Some(_), None) => true,
            // The last one to end took effect after every one that had ended when it began.
            (Some((_, end)), Some((start, _))) => end > start,
        }
    }
}

#[cfg(test)]
mod tests;
