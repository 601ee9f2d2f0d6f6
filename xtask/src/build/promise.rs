//! Which functions an image promises in `/rtas` (DESIGN.md section 5).

use crate::docs;
use rtas::table;

/// What an image promises: one image for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// What a crash run proved: the image that is published.
    Proved,
    /// Everything that the call table claims: the image that crash runs are made on.
    Claimed,
    /// Nothing: a control, for what a kernel does without the lists.
    Silent,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proved, Self::Claimed, Self::Silent];

    /// How `--firmware` calls the image, and what its files are called.
    pub const fn image(self) -> &'static str {
        match self {
            Self::Proved => "oxrtas",
            Self::Claimed => "oxrtas-claimed",
            Self::Silent => "oxrtas-silent",
        }
    }

    /// The promise of the image that `--firmware` calls `name`.
    pub fn of_image(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|promise| promise.image() == name)
    }

    /// The functions, in the order of the table.
    pub fn functions(self) -> Vec<&'static str> {
        match self {
            Self::Proved => docs::PUBLISHED.to_vec(),
            Self::Claimed => claimed().collect(),
            Self::Silent => Vec::new(),
        }
    }
}

/// The functions of which the call table claims anything.
fn claimed() -> impl Iterator<Item = &'static str> {
    table::calls()
        .filter(|call| !call.capability.is_empty())
        .map(|call| call.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_by_their_names() {
        for promise in Promise::ALL {
            assert_eq!(Promise::of_image(promise.image()), Some(promise));
        }
        assert_eq!(Promise::of_image("slof"), None);
    }

    #[test]
    fn what_is_published_is_claimed() {
        let claimed = Promise::Claimed.functions();
        assert!(claimed.contains(&"ibm,int-off") && !claimed.contains(&"event-scan"));
        for name in Promise::Proved.functions() {
            assert!(claimed.contains(&name), "{name}");
        }
    }
}
