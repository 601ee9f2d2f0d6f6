//! Taking over the tree that QEMU makes anew after `ibm,client-architecture-support`.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::names::MAX_NAMES;
use crate::tree::{
    EditError, MAX_HANDLES, MAX_NODE_PROPERTIES, MAX_NODES, MAX_PROPERTIES, NodeId, Origin, Tree,
};

/// What a merge did, for the boot log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeSummary {
    /// Nodes of the new tree that were not there.
    pub nodes_added: usize,
    /// Nodes that QEMU does not send any more.
    pub nodes_removed: usize,
    /// Properties that nodes of the old tree did not have.
    pub properties_added: usize,
    /// Properties of the old tree that have another value now.
    pub properties_changed: usize,
    /// Properties for which QEMU has a value and that of the firmware or the client stayed.
    pub properties_kept: usize,
    /// Aliases of nodes that are gone, removed.
    pub aliases_removed: usize,
}

/// Base name of the nodes that describe the interrupt presentation.
const INTERRUPT_CONTROLLER: &str = "interrupt-controller";

impl Tree {
    /// Merges `new`, a tree from QEMU, into this one, which a client has seen and edited.
    ///
    /// Nodes:
    /// - children of the root whose name starts with `interrupt-controller` are removed if QEMU
    ///   sent them, and those of `new` added: the interrupt mode may have changed, and nothing of
    ///   the old controller may remain;
    /// - nodes of `new` that are missing are added behind their siblings, marked
    ///   [`Origin::Board`];
    /// - nodes that an earlier tree from QEMU brought and `new` lacks are removed, with all below;
    ///   those of the firmware and the client stay, and aliases of nodes that are gone go with
    ///   them;
    /// - all others keep their handles and their places.
    ///
    /// Properties, in nodes that stay: all of `new` are set and none is removed, but a value that
    /// the firmware or the client set survives as long as QEMU has nothing new to say. That is:
    /// it is overwritten only where QEMU had sent this property before, too, and sends another
    /// value now. (QEMU leaves `bootargs`, `linux,initrd-*` and `stdout-path` out of the new tree
    /// anyway, `spapr.c:spapr_dt_chosen`, and repeats its own `rtas-size`.) What QEMU said is
    /// remembered in either case: [`Tree::board_property`].
    ///
    /// The reservations stay, since those of `new` are empty; the boot processor is that of
    /// `new`. On an error nothing has changed.
    pub fn merge(&mut self, new: &Self) -> Result<MergeSummary, EditError> {
        self.check_room_for(new)?;
        let mut summary = MergeSummary::default();
        let aliases = self.live_aliases();
        self.boot_cpuid = new.boot_cpuid;
        for id in self.children(NodeId::ROOT).collect::<Vec<_>>() {
            let is_controller = self
                .name(id)
                .is_some_and(|name| name.starts_with(INTERRUPT_CONTROLLER));
            if is_controller && self.origin(id) == Some(Origin::Board) {
                summary.nodes_removed += self.remove(id)?;
            }
        }
        let pairs = self.place_nodes(new, &mut summary)?;
        self.remove_absent(&pairs, &mut summary)?;
        self.remove_dead_aliases(&aliases, &mut summary)?;
        for &(from, to, added) in &pairs {
            for property in new.properties(from) {
                if added {
                    self.set(to, property.name, property.value, Origin::Board)?;
                } else {
                    self.merge_property(to, property.name, property.value, &mut summary)?;
                }
            }
        }
        Ok(summary)
    }

    /// Whether both trees together are within all limits.
    fn check_room_for(&self, new: &Self) -> Result<(), EditError> {
        if self.node_count() + new.node_count() > MAX_NODES
            || self.handle_count() + new.node_count() > MAX_HANDLES
        {
            return Err(EditError::TooManyNodes);
        }
        let most_in_a_node = |tree: &Self| {
            let counts = tree.nodes().map(|id| tree.properties(id).count());
            counts.max().unwrap_or(0)
        };
        if self.property_count() + new.property_count() > MAX_PROPERTIES
            || most_in_a_node(self) + most_in_a_node(new) > MAX_NODE_PROPERTIES
            || self.names.len() + new.names.len() > MAX_NAMES
        {
            return Err(EditError::TooManyProperties);
        }
        Ok(())
    }

    /// Finds or adds each node of `new`: its handle there, here, and whether it was added.
    fn place_nodes(
        &mut self,
        new: &Self,
        summary: &mut MergeSummary,
    ) -> Result<Vec<(NodeId, NodeId, bool)>, EditError> {
        let mut pairs = Vec::with_capacity(new.node_count());
        // The open nodes here, by level, and where the search for the next child begins.
        let mut open: Vec<(NodeId, Option<NodeId>)> = Vec::new();
        for from in new.nodes() {
            let level = new.depth(from).unwrap_or(1);
            open.truncate(level.saturating_sub(1));
            let (to, added) = match open.last_mut() {
                None => (NodeId::ROOT, false),
                Some((parent, hint)) => {
                    let name = new.name(from).unwrap_or("");
                    match self.child_from(*parent, *hint, name) {
                        Some(child) => {
                            *hint = self.next_sibling(child);
                            (child, false)
                        }
                        None => {
                            summary.nodes_added += 1;
                            (self.append(*parent, name, Origin::Board)?, true)
                        }
                    }
                }
            };
            open.push((to, self.first_child(to)));
            pairs.push((from, to, added));
        }
        Ok(pairs)
    }

    /// The child of this name, looked for from `hint` on and then from the first one: trees from
    /// QEMU come in the same order, so that thousands of processors take no quadratic time.
    fn child_from(&self, parent: NodeId, hint: Option<NodeId>, name: &str) -> Option<NodeId> {
        let mut at = hint;
        while let Some(id) = at {
            if self.name(id) == Some(name) {
                return Some(id);
            }
            at = self.next_sibling(id);
        }
        self.child(parent, name)
    }

    /// Removes the nodes of earlier trees from QEMU that are in no pair.
    fn remove_absent(
        &mut self,
        pairs: &[(NodeId, NodeId, bool)],
        summary: &mut MergeSummary,
    ) -> Result<(), EditError> {
        let mut present = vec![false; self.handle_count()];
        for (_, to, _) in pairs {
            if let Some(mark) = present.get_mut(to.index()) {
                *mark = true;
            }
        }
        let absent: Vec<NodeId> = self
            .nodes()
            .filter(|id| self.origin(*id) == Some(Origin::Board))
            .filter(|id| present.get(id.index()) != Some(&true))
            .collect();
        for id in absent {
            // It may be gone with a parent.
            if self.contains(id) {
                summary.nodes_removed += self.remove(id)?;
            }
        }
        Ok(())
    }

    fn aliases_node(&self) -> Option<NodeId> {
        self.child(NodeId::ROOT, "aliases")
    }

    /// The names of the aliases that name a node.
    fn live_aliases(&self) -> Vec<Box<str>> {
        let names = self.aliases_node().map(|id| self.properties(id));
        names
            .into_iter()
            .flatten()
            .filter(|alias| self.find(alias.name).is_some())
            .map(|alias| alias.name.into())
            .collect()
    }

    /// Removes those of the `aliases` that name no node any more.
    fn remove_dead_aliases(
        &mut self,
        aliases: &[Box<str>],
        summary: &mut MergeSummary,
    ) -> Result<(), EditError> {
        let Some(id) = self.aliases_node() else {
            return Ok(());
        };
        for alias in aliases {
            if self.find(alias).is_none() {
                self.remove_property(id, alias)?;
                summary.aliases_removed += 1;
            }
        }
        Ok(())
    }

    fn merge_property(
        &mut self,
        id: NodeId,
        name: &str,
        value: &[u8],
        summary: &mut MergeSummary,
    ) -> Result<(), EditError> {
        let Some(property) = self.stored_mut(id, name) else {
            summary.properties_added += 1;
            return self.set(id, name, value, Origin::Board);
        };
        let ours = property.origin != Origin::Board;
        if ours && property.board.as_deref().is_none_or(|old| old == value) {
            summary.properties_kept += usize::from(*property.value != *value);
            property.board = Some(value.into());
            return Ok(());
        }
        if *property.value != *value {
            summary.properties_changed += 1;
        }
        self.set(id, name, value, Origin::Board)
    }
}
