//! A stand-in for what a seed draws.
use crate::nemesis::{Behaviour, Byzantine, CryptoMode, Link, MinMax, Plan, TimeoutsMs};

/// What the command line sets instead of the seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Number of validators.
    pub validators: Option<u16>,
    /// Heights.
    pub heights: Option<u64>,
    /// Number of byzantine validators.
    pub byzantine: Option<u16>,
    /// Which signatures.
    pub crypto: Option<CryptoMode>,
    /// No faults at all.
    pub no_faults: bool,
    /// Allows byzantine power of one third or more.
    pub beyond_one_third: bool,
}

/// The plan that a seed draws.
///
/// # Errors
/// If the overrides are impossible.
pub fn draw(seed: u64, overrides: &Overrides) -> Result<Plan, String> {
    let validators = overrides.validators.unwrap_or(4);
    if validators == 0 {
        return Err("--validators takes 1 to 128, not 0".to_owned());
    }
    let wanted = overrides.byzantine.unwrap_or(0);
    if 3 * wanted >= validators && !overrides.beyond_one_third {
        return Err("one third or more; take fewer or say --beyond-one-third".to_owned());
    }
    let byzantine = (0..wanted).map(|node| Byzantine {
        node,
        behaviour: Behaviour::Equivocate,
    });
    Ok(Plan {
        seed,
        powers: vec![1; usize::from(validators)],
        heights: overrides.heights.unwrap_or(20),
        stable_heights: 5,
        crypto: overrides.crypto.unwrap_or_default(),
        byzantine: byzantine.collect(),
        beyond_one_third: overrides.beyond_one_third,
        timeouts: TimeoutsMs {
            propose: 100,
            prevote: 50,
            precommit: 50,
            delta: 20,
            commit: 10,
            skip_commit: false,
        },
        link: Link {
            latency_us: MinMax {
                min: 1_000,
                max: 5_000,
            },
            loss_ppm: 0,
            duplicate_ppm: 0,
        },
        sync_us: MinMax { min: 100, max: 500 },
        clock_offsets_ms: Vec::new(),
        tx_every_ms: 0,
        faults_end_ms: 10_000,
        faults: Vec::new(),
    })
}
