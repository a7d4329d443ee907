//! Transactions on their way: from clients and peers into the pool, from the pool to peers, and to
//! the consensus machine that waits for them.

use crate::{
    app::App,
    codec::Frame,
    consensus::Context,
    ledger::State,
    node::{
        Node, Output, Record, Rejection,
        pool::{Ground, PoolError},
    },
    types::{PeerId, Time, Tx, sha256},
};

/// What transactions are checked against.
pub(super) fn ground<'a>(app: &'a App, chain: &'a State) -> Ground<'a> {
    let params = chain.params;
    Ground { app, chain, params }
}

impl Node {
    /// A client's transaction.
    pub(super) fn on_submit(&mut self, now: Time, tx: Tx, out: &mut Vec<Output>) {
        let hash = sha256(&tx);
        let first = self.pool.next_number();
        let ground = ground(&self.app, self.consensus.chain());
        if let Err(reason) = self.pool.add(tx, None, &ground) {
            out.push(Output::Refused { tx: hash, reason });
            return;
        }
        send_txs(self.pool.offer_new(first, None), out);
        self.txs_available(now, out);
    }

    /// A peer's transactions. One that is malformed is the peer's fault; one that is not taken for
    /// other reasons is nobody's.
    pub(super) fn on_txs(&mut self, now: Time, from: PeerId, txs: &[Tx], out: &mut Vec<Output>) {
        let first = self.pool.next_number();
        let ground = ground(&self.app, self.consensus.chain());
        let mut malformed = None;
        for tx in txs {
            if let Err(PoolError::Malformed(error)) = self.pool.add(tx.clone(), Some(from), &ground)
            {
                malformed.get_or_insert(error);
            }
        }
        if let Some(error) = malformed {
            let reason = Rejection::Tx(error);
            out.push(Output::Rejected { peer: from, reason });
        }
        send_txs(self.pool.offer_new(first, Some(from)), out);
        self.txs_available(now, out);
    }

    /// A block is applied: what it holds is done, what it made impossible is given up.
    pub(super) fn update_pool(&mut self, committed: &[Tx], out: &mut Vec<Output>) {
        let ground = ground(&self.app, self.consensus.chain());
        for (tx, reason) in self.pool.update(committed, &ground) {
            out.push(Output::Refused { tx, reason });
        }
        send_txs(self.pool.offer_rest(), out);
    }

    /// Tells the consensus machine, once per height, that there is something to propose. It goes
    /// into the log before what it causes.
    pub(super) fn txs_available(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.pool.is_empty() {
            return;
        }
        let cx = &mut Context {
            now,
            verify: &*self.keys.verify,
            out: &mut self.actions,
        };
        let height = self.consensus.at().height;
        if self.consensus.on_txs_available(cx) {
            self.append(now, Record::TxsAvailable(height), out);
            self.carry_out(now, out);
        }
    }
}

pub(super) fn send_txs(frames: Vec<(PeerId, Frame)>, out: &mut Vec<Output>) {
    let send = |(to, frame)| Output::Send { to, frame };
    out.extend(frames.into_iter().map(send));
}
