//! From a decision to the next height: made durable by the host, then announced and left behind.

use std::sync::Arc;

use crate::{
    consensus::{Context, Decision},
    node::{CACHE, Committing, Decided, Node, Output, recover::vote_set, view::NodeView},
    types::{Height, Hrs, Round, Step, Time},
};

impl Node {
    pub(super) fn commit(&mut self, decision: Arc<Decision>, out: &mut Vec<Output>) {
        assert!(
            self.committing.is_none(),
            "one height is committed at a time"
        );
        let chain = self.consensus.chain();
        let (state, app) = chain.apply(&self.app, decision.id, &decision.block);
        out.push(Output::Commit {
            decision: Arc::clone(&decision),
            validators: Arc::clone(self.consensus.validators()),
            state: Box::new(state.clone()),
            app: Box::new(app.clone()),
        });
        self.committing = Some(Committing {
            decision,
            state,
            app,
        });
    }

    /// The next height begins: the decision is durable everywhere it must be.
    pub(super) fn on_committed(
        &mut self,
        now: Time,
        (height, base): (Height, Height),
        out: &mut Vec<Output>,
    ) {
        let Some(Committing {
            decision,
            state,
            app,
        }) = self.committing.take()
        else {
            return;
        };
        assert_eq!(height, state.height, "commits become durable in order");
        self.base = base;
        let validators = Arc::clone(self.consensus.validators());
        let (parts, commit) = (decision.parts.clone(), decision.commit.clone());
        let decided = Decided {
            parts,
            commit,
            validators,
        };
        let seen = self
            .blocksync
            .is_syncing()
            .then(|| vote_set(&decided, &state, &self.keys));
        self.cache.insert(height, decided);
        while self.cache.len() > CACHE {
            self.cache.pop_first();
        }
        self.evidence.update(&state);
        self.app = app;
        let block = Arc::clone(&decision.block);
        out.push(Output::Decided {
            height,
            app_hash: state.app_hash,
            decision,
        });
        let cx = &mut Context {
            now,
            verify: &*self.keys.verify,
            out: &mut self.actions,
        };
        let before = Hrs {
            height,
            round: Round::ZERO,
            step: Step::NewHeight,
        };
        self.blocksync.advance(height.next());
        if let Some(seen) = seen {
            // What was signed of the height and not released yet is overtaken.
            self.unreleased.clear();
            self.unsigned.clear();
            self.consensus.adopt(cx, state, seen);
            self.consensus.set_last_block(&block);
        } else {
            self.consensus.advance(cx, state);
            self.log_start(now, before, out);
        }
        // First, for the actions may ask for the next block.
        self.update_pool(&block.txs, out);
        self.carry_out(now, out);
        self.txs_available(now, out);
        for (peer, messages) in std::mem::take(&mut self.stash) {
            for message in messages {
                self.on_message(now, peer, &message, out);
            }
        }
    }

    pub(super) fn on_loaded(
        &mut self,
        now: Time,
        height: Height,
        block: Option<Box<Decided>>,
        out: &mut Vec<Output>,
    ) {
        self.serve_loaded(height, block.as_deref(), out);
        if !self.gossip.is_loading(height) {
            return; // old blocks for peers that sync would only drive out what gossip needs
        }
        if let Some(block) = block {
            self.cache.insert(height, *block);
            if self.cache.len() > CACHE {
                // The newest is needed most; of the others the oldest peers' turn has passed.
                let oldest = self.cache.keys().copied().find(|h| *h != height);
                oldest.map(|h| self.cache.remove(&h));
            }
        }
        let view = NodeView {
            consensus: &self.consensus,
            cache: &self.cache,
            base: self.base,
        };
        self.gossip.on_loaded(now, height, &view, &mut self.outs);
        self.flush_gossip(out);
    }
}
