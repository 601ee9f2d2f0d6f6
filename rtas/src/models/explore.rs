//! Running models and counting what was explored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use loom::model::Builder;

/// The models of one test. Prints how many executions were explored when it is dropped.
pub struct Explorer {
    preemptions: Option<usize>,
    executions: Arc<AtomicU64>,
}

impl Explorer {
    /// Every interleaving and every value that a load may give.
    pub fn exhaustive() -> Self {
        Self {
            preemptions: None,
            executions: Arc::default(),
        }
    }

    /// Every one with at most `preemptions` switches away from a thread that could go on.
    pub fn bounded(preemptions: usize) -> Self {
        Self {
            preemptions: Some(preemptions),
            executions: Arc::default(),
        }
    }

    /// Explores one model.
    pub fn explore(&self, model: impl Fn() + Send + Sync + 'static) {
        let mut builder = Builder::new();
        builder.preemption_bound = self.preemptions;
        let executions = Arc::clone(&self.executions);
        builder.check(move || {
            executions.fetch_add(1, Ordering::Relaxed);
            model();
        });
    }

    /// Explores a model for each step of a script: `model` is given the step and says whether an
    /// execution reached it. Ends at the first step that none reaches; at least `least` are there.
    pub fn explore_steps(
        &self,
        least: usize,
        model: impl Fn(usize) -> bool + Send + Sync + Clone + 'static,
    ) {
        for step in 0.. {
            let reached = Arc::new(AtomicBool::new(false));
            let (model, seen) = (model.clone(), Arc::clone(&reached));
            self.explore(move || {
                if model(step) {
                    seen.store(true, Ordering::Relaxed);
                }
            });
            if !reached.load(Ordering::Relaxed) {
                assert!(step >= least, "{step} steps only");
                break;
            }
        }
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let executions = self.executions.load(Ordering::Relaxed);
        let bound = match self.preemptions {
            None => "exhaustive".to_owned(),
            Some(preemptions) => format!("at most {preemptions} preemptions"),
        };
        let test = std::thread::current();
        let name = test.name().unwrap_or("model");
        println!("explored {executions} executions, {bound}: {name}");
    }
}
